"""The command line: one short function per verb; heavy imports happen inside them."""

import sys

from ramify.cli.app import app
from ramify.errors import RamifyError

# In the order of the help.
# isort: off
from ramify.cli import runs  # noqa: F401
from ramify.cli import others  # noqa: F401
from ramify.cli import puzzles  # noqa: F401
# isort: on

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; an error that a user can cause is one sentence and exit code 2."""
    try:
        app()
    except RamifyError as error:
        print(f"error: {_printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a folder that cannot be written, a disk that is full
        print(f"error: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)


def _printable(text: str) -> str:
    """A message without what would steer a terminal; it may quote a file or a server."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
