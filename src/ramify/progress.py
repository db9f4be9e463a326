"""Progress reporting: the callback type, and callbacks that show lines or bars; both also log."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ramify.errors import printable

ProgressCallback = Callable[[str, int, int], None]
"""A function that receives the name of a stage, the work done, and the total."""
LINE = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
"""The format of log lines."""
MOST_BARS = 8
"""The largest number of bars; with more stages, finished ones become lines above the bars."""

log = logging.getLogger("ramify")
log.addHandler(logging.NullHandler())
log.setLevel(logging.INFO)


def silent(stage: str, done: int, total: int) -> None:
    """A progress callback that shows nothing."""


@dataclass
class Stage:
    """The progress of a stage."""

    name: str
    started: float = field(default_factory=time.monotonic)
    done: int = -1
    total: int = 0

    def __str__(self) -> str:
        return f"{self.name}: {self.done} of {self.total} ({time.monotonic() - self.started:.0f} s)"


class Lines:
    """A progress callback that prints one line per stage, when it ends.

    Args:
        show: prints a line; None to log only.
    """

    def __init__(self, show: Callable[[object], None] | None) -> None:
        self.show = show
        self.stages: dict[str, Stage] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Record the progress of a stage."""
        now = self.stages.setdefault(stage, Stage(stage))
        before, now.done, now.total = now.done, done, total
        if before < 0:
            log.info("%s: begins, %d of %d", stage, done, total)
        elif total and done < total and done * 10 // total > before * 10 // total:
            log.info("%s", now)
        if done == total > before:
            log.info("%s", now)
            self.ended(now)

    def ended(self, stage: Stage) -> None:
        """Print the line of a stage that ended or stopped."""
        if self.show is not None:
            self.show(stage)

    def stop(self) -> None:
        """Print the lines of unfinished stages."""
        for stage in self.stages.values():
            if stage.done < stage.total:
                log.info("%s, stopped", stage)
                self.ended(stage)


class Bars(Lines):
    """A progress callback that shows one bar per stage, on stderr.

    Args:
        show: prints a line above the bars.
    """

    def __init__(self, show: Callable[[object], None]) -> None:
        super().__init__(show)
        self.bars = _bars()
        self.tasks: dict[str, Any] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Update the bar of a stage."""
        if not self.tasks:
            self.bars.start()  # nothing to do, nothing to show
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(printable(stage), total=total)
        self.bars.update(self.tasks[stage], completed=done, total=total)
        super().__call__(stage, done, total)

    def ended(self, stage: Stage) -> None:
        """Keep the bar; with many bars, replace it by a line above them."""
        if stage.done == stage.total and stage.name in self.tasks and len(self.tasks) > MOST_BARS:
            super().ended(stage)
            self.bars.remove_task(self.tasks.pop(stage.name))

    def stop(self) -> None:
        """Stop drawing."""
        super().stop()
        self.bars.stop()


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<26}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
