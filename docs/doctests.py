"""Docstrings have doctests, and say `low, high:` of two at once; the site can show neither as it is."""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\n).*)*", re.MULTILINE)

_SEVERAL = re.compile(r"^( +)(\w+), ((?:\w+, )*\w+): ", re.MULTILINE)


class Doctests(griffe.Extension):
    """Puts a fence around every doctest."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring before it is parsed."""
        if obj.docstring is not None:
            fenced = _EXAMPLE.sub(lambda found: f"```pycon\n{found.group()}\n```", obj.docstring.value)
            obj.docstring.value = _SEVERAL.sub(r"\1\2: (and \3) ", fenced)
