"""The command line: one short function per verb; heavy imports happen inside them."""

import sys
import traceback
from io import TextIOWrapper

from ramify.cli.app import app
from ramify.console import log, loudness, warn
from ramify.errors import RamifyError, printable

# In the order of the help.
# isort: off
from ramify.cli import runs  # noqa: F401
from ramify.cli import plan  # noqa: F401
from ramify.cli import others  # noqa: F401
from ramify.cli import countdown  # noqa: F401
# isort: on

__all__ = ["app", "main"]

INTERRUPTED = 130
"""What typer makes of Ctrl-C."""


def main() -> None:
    """Run the command line; an error that a user can cause is one sentence and exit code 2, Ctrl-C is 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know all letters
    try:
        app()
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            warn(_interrupted())
        raise
    except RamifyError as error:
        _fail(str(error))
    except OSError as error:  # a folder that cannot be written, a disk that is full
        _fail(f"{error.filename or 'system'}: {error.strerror or error}")


def _fail(said: str) -> None:
    log.error("%s", printable(said).replace("\n", " "))
    if loudness.verbose:
        warn(traceback.format_exc())
    warn(f"error: {said}")
    sys.exit(2)


def _interrupted() -> str:
    """What is saved, and how to go on."""
    from ramify.experiment import saved
    from ramify.run_log import logged_run

    run = logged_run()
    if run is None:
        return "interrupted; nothing was left unfinished"
    log.info("interrupted")
    return f"interrupted; {run.path} keeps {saved(run)}, and the same command goes on from there"
