"""The log file of a run."""

import logging
import os
import shlex
import sys

from ramify.manifest import version
from ramify.processes import rank
from ramify.progress import LINE
from ramify.run import Run


def log_to(run: Run | None) -> None:
    """Log to the file of a run; if it cannot be written, nothing is logged."""
    logger = logging.getLogger("ramify")
    for handler in [each for each in logger.handlers if isinstance(each, _RunLog)]:
        logger.removeHandler(handler)
        handler.close()
    if run is not None and rank() == 0 and os.access(run.path, os.W_OK):
        logger.addHandler(_RunLog(run))
        logger.info("ramify %s: %s", version("ramify"), shlex.join(sys.argv[1:]))


def logged_run() -> Run | None:
    """The run that is being logged."""
    found = [each.run for each in logging.getLogger("ramify").handlers if isinstance(each, _RunLog)]
    return found[0] if found else None


class _RunLog(logging.FileHandler):
    def __init__(self, run: Run) -> None:
        super().__init__(run.log_file, encoding="utf-8", errors="backslashreplace", delay=True)
        self.run = run
        self.setFormatter(LINE)

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore errors: a failing log does not end a run."""
