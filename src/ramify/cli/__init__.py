"""The command line: one short function per verb; heavy imports happen inside them."""

import sys

from ramify.cli.app import app
from ramify.console import printable
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
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a folder that cannot be written, a disk that is full
        print(f"error: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)
