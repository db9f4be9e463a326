"""Read what a model writes: calls, and the value that is stated of each."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from ramify.algebra.notation import as_they_look
from ramify.tasks.functions.language import FUNCTIONS, LETTERS, LONGEST

DEEPEST = 16
"""Calls within each other that are read; programs to ask for have at most 8."""

_START = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(FUNCTIONS)})\s?\(")
_PART = re.compile(r"\s{0,3}(?:([a-z]{1,8})\s?\(|[\"'`]?([0-9]{1,20})[\"'`]?|([),]))")
_EQUALS = re.compile(r"[`*$\"']{0,3}\s{0,3}(?:=|->|→|⇒|:|is|gives|becomes|\\to|\\rightarrow)\s{0,3}[`*$\"']{0,3}")
_VALUE = re.compile(r"([0-9]{1,20})(?![0-9A-Za-z_(])")


class Stated(NamedTuple):
    """Calls that a completion says to be equal, and the value that it states of them.

    Attributes:
        calls: each in postfix order, as in a `Program`.
        value: the digits that it states.
        start, end: where it stands in the text.
    """

    calls: tuple[tuple[str, ...], ...]
    value: str
    start: int
    end: int


def stated(text: str, offset: int = 0) -> Iterator[Stated]:
    """Every call with a stated value in a text, in its order; calls without one are left out. Linear in the text.

    Args:
        offset: where the text begins in the whole.

    >>> text = "First rev(401) = 104. Then zip(rev(401), 73) = zip(104, 73) = 83, but zip(1,2) is unclear."
    >>> [(each.calls, each.value) for each in stated(text)]
    [((('401', 'rev'),), '104'), ((('401', 'rev', '73', 'zip'), ('104', '73', 'zip')), '83')]
    """
    text = as_they_look(text)
    at = 0
    while (found := _START.search(text, at)) is not None:
        calls: list[tuple[str, ...]] = []
        at, start = found.end(), found.start()
        read = _call(text, start)
        while read is not None:
            call, at = read
            calls.append(call)
            equals = _EQUALS.match(text, at)
            if equals is None:
                break
            value = _VALUE.match(text, equals.end())
            if value is not None:
                if len(value.group(1)) <= LONGEST:
                    yield Stated(tuple(calls), value.group(1), offset + start, offset + value.end())
                at = value.end()
                break
            read = _call(text, equals.end()) if _START.match(text, equals.end()) else None


def _call(text: str, at: int) -> tuple[tuple[str, ...], int] | None:
    """The call that begins here, in postfix order, and where it ends; None if it is none."""
    postfix: list[str] = []
    waiting: list[tuple[str, int]] = []  # open calls, each with the operands that it still has to get
    leaves, wants_operand = 0, True
    while True:
        part = _PART.match(text, at)
        if part is None:
            return None
        at = part.end()
        name, digits, sign = part.groups()
        if (sign is None) != wants_operand:
            return None
        if name is not None:
            if name not in FUNCTIONS or len(waiting) == DEEPEST:
                return None
            waiting.append((name, FUNCTIONS[name].arity))
        elif digits is not None:
            leaves += 1
            if len(digits) > LONGEST or leaves > len(LETTERS):
                return None
            postfix.append(digits)
            wants_operand = False
        else:
            called, missing = waiting.pop()
            if (sign == ")") != (missing == 1):
                return None
            if sign == ",":
                waiting.append((called, missing - 1))
                wants_operand = True
            else:
                postfix.append(called)
                if not waiting:
                    return tuple(postfix), at
