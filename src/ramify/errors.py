"""Errors that a user can cause.

RamifyError           one sentence that names the setting, the value and the remedy; the command line exits with 2
├── ConfigError       a setting, an override or a file of settings
└── RunError          a run folder that cannot be used as asked
MissingExtraError     an optional dependency that is not installed (also an ImportError)
"""

import json
import shlex
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


class RamifyError(Exception):
    """An error with a message for the user."""


class ConfigError(RamifyError):
    """A setting that does not exist, has the wrong type, or contradicts another."""


class RunError(RamifyError):
    """A run folder, or a file in it, that cannot be used as asked."""


class MissingExtraError(RamifyError, ImportError):
    """The optional dependencies of a feature are not installed."""

    def __init__(self, part: str, extra: str) -> None:
        super().__init__(f"{part} needs packages that are not installed: {install_line(extra)}")


_MODULES = {
    "inspect": ("inspect_ai",),
    "lora": ("peft",),
    "tensorboard": ("tensorboard",),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "openai": ("openai",),
    "ray": ("ray",),
    "verifiers": ("verifiers",),
    "vllm": ("vllm",),
    "report": ("resvg_py",),
    "smollm2": ("torch", "transformers", "gguf", "peft"),
    "view": ("starlette", "uvicorn"),
    "train": ("torch", "transformers", "trl", "datasets", "accelerate", "safetensors"),
}


def printable(text: str) -> str:
    r"""A text with control characters escaped, for text from files and servers.

    >>> print(printable("red\x1b[31m, back\u202eward"))
    red\x1b[31m, back\u202eward
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
        for letter in text
    )


MOST_SAID = 200
"""The number of characters kept of another library's message."""


def reason(error: BaseException, *named: object) -> str:
    """Another library's error as one short line, without paths that the message already names.

    >>> reason(ValueError("./model: broken header\\nmore"), "./model")
    'broken header'
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    lines = str(error).strip().splitlines()
    line = lines[0] if lines else type(error).__name__
    for name in named:
        line = line.removeprefix(f"{name}: ").replace(str(name), "it")
    return line if len(line) <= MOST_SAID else f"{line[: MOST_SAID - 3]}..."


def require(part: str, extra: str) -> None:
    """Raise MissingExtraError if a package of an extra is not installed; imports nothing."""
    if any(find_spec(module) is None for module in _MODULES[extra]):
        raise MissingExtraError(part, extra)


def install_line(extra: str) -> str:
    """The command that installs an extra from the origin of this installation: a checkout, a wheel, or an index."""
    try:
        origin = json.loads(metadata.distribution("ramify").read_text("direct_url.json") or "null")
    except metadata.PackageNotFoundError:  # a source tree on the path
        origin = {"url": "file:nowhere"}
    if origin is None:
        return f"pip install 'ramify[{extra}]'"
    place = Path(url2pathname(urlsplit(origin["url"]).path))
    if not place.exists():
        return f"pip install '.[{extra}]' in a checkout of ramify"
    option = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f"pip install {option}{shlex.quote(f'{place}[{extra}]')}"
