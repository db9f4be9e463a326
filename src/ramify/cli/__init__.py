"""The command line: one short function per verb; heavy imports happen inside them."""

import sys
import traceback
from io import TextIOWrapper

from ramify.cli.app import app
from ramify.console import log, loudness, warn
from ramify.errors import RamifyError, printable

# Imported in the order of the help.
# isort: off
from ramify.cli import runs  # noqa: F401
from ramify.cli import view  # noqa: F401
from ramify.cli import plan  # noqa: F401
from ramify.cli import others  # noqa: F401
from ramify.cli import countdown  # noqa: F401
# isort: on

__all__ = ["app", "main"]

INTERRUPTED = 130
"""The exit code of typer after Ctrl-C."""


def main() -> None:
    """Run the command line. A user error prints one sentence and exits with 2; Ctrl-C exits with 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack some characters
    try:
        app()
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            warn(_interrupted())
        raise
    except RamifyError as error:
        _fail(str(error))
    except OSError as error:  # a read-only folder, a full disk
        _fail(f"{error.filename or 'system'}: {error.strerror or error}")


def _fail(message: str) -> None:
    log.error("%s", printable(message).replace("\n", " "))
    if loudness.verbose:
        warn(traceback.format_exc())
    warn(f"error: {message}")
    sys.exit(2)


def _interrupted() -> str:
    """The message after Ctrl-C: what is saved, and how to resume."""
    from ramify.experiment import saved
    from ramify.run_log import logged_run

    run = logged_run()
    if run is None:
        return "interrupted; nothing was left unfinished"
    log.info("interrupted")
    return f"interrupted; {run.path} keeps {saved(run)}, and the same command resumes"
