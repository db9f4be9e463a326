"""How far a run is, read while it goes on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ramify.explore.source import TRAINING, Source

_TAIL = 1 << 16
"""The number of bytes read of the end of a training log."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: the last training step, the number of steps, and its parts by set."""

    step: int | None
    steps: int | None
    finished: bool
    sets: Sequence[tuple[str, Sequence[int]]]
    ungraded: int


def progress(source: Source, name: str) -> Progress:
    """How far a run is."""
    run = source.run(name)
    parts = source.parts(name)
    sets = {of: sorted({part.step for part in parts if part.set == of}) for of in sorted({part.set for part in parts})}
    ungraded = sum(not source.is_graded(part) for part in parts if part.set != TRAINING)
    train = run.config.get("train")
    steps = train.get("steps") if isinstance(train, Mapping) else None
    return Progress(
        max((step for step in map(_logged_step, map(run.train_log, run.seeds)) if step is not None), default=None),
        steps if isinstance(steps, int) else None,
        run.manifest_file.is_file(),
        [*sets.items()],
        ungraded,
    )


def _logged_step(path: Path) -> int | None:
    """The step of the last complete line of a training log."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return None
    for line in reversed(lines):
        try:
            step = json.loads(line).get("step")
        except (ValueError, AttributeError, RecursionError):
            continue
        if isinstance(step, int):
            return step
    return None
