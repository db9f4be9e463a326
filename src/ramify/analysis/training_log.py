"""Series over the steps of training (reward, entropy, completion length), and their change points."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from ramify.analysis.change_point import change_point
from ramify.analysis.derived_metrics import CHANGE_POINTS
from ramify.analysis.rows import rows
from ramify.run import Run
from ramify.schemas import ROLLOUTS

LOGGED = {"reward": "reward", "entropy": "entropy", "length": "completions/mean_length"}
"""The names of the series in the trainer's log."""
FELL, ROSE, UNCHANGED = "fell", "rose", "no clear change"

Series = Mapping[str, Mapping[int, float]]
"""For each name in `LOGGED` that is known, the values by step."""


def change_points(of_seeds: Sequence[Series], seed: int | None, last: int) -> Iterator[pl.DataFrame]:
    """The change point of each series, of the mean over the seeds at the steps that all have.

    Value: the first step after the jump; null without a clear one. Status: rose, fell or no clear change.

    Args:
        of_seeds: the series of one seed or of several.
        seed: the seed of the rows; None if they are of several.
        last: the last checkpoint, which the column `step` holds.
    """
    for name, metric in CHANGE_POINTS.items():
        known = [series.get(name, {}) for series in of_seeds]
        steps = sorted(set.intersection(*(set(values) for values in known)))
        found = change_point(np.mean([[values[step] for step in steps] for values in known], axis=0)) if steps else None
        if found is None:
            continue
        status = (ROSE if found.jump > 0 else FELL) if found.is_clear else UNCHANGED
        value = np.array([[float(steps[found.at]) if found.is_clear else np.nan]])
        where = metric.name, "train", seed, "all", [last], ["all"]
        yield rows(*where, [value], n=0, p=found.p, status=np.array([[status]], object))


def training_series(run: Run, seed: int) -> Series:
    """The series of a seed: of the trainer's log, else reward and length (in characters) of the training completions.

    A run without either has none.
    """
    if run.train_log(seed).is_file():
        return logged(run.train_log(seed).read_text(errors="replace"))
    reward, length = {}, {}
    for step in run.rollout_steps(seed):
        texts = run.scan(run.rollouts_file(seed, step), {name: ROLLOUTS[name] for name in ("text", "reward")})
        mean = texts.select(pl.col("reward").mean(), pl.col("text").str.len_chars().mean()).collect().row(0)
        reward[step], length[step] = mean
    pairs = {"reward": reward, "length": length}.items()
    return {name: {step: float(mean) for step, mean in values.items() if _is_finite(mean)} for name, values in pairs}


def logged(text: str) -> Series:
    """The series in the JSON lines of a trainer's log; lines and values that are no numbers are left out.

    >>> logged('{"step": 1, "reward": 0.5, "entropy": NaN}\\n{"step": 2, "rew')
    {'reward': {1: 0.5}, 'entropy': {}, 'length': {}}
    """
    found: dict[str, dict[int, float]] = {name: {} for name in LOGGED}
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # the last line after a kill
            continue
        step = row.get("step") if isinstance(row, dict) else None
        if not isinstance(step, int) or isinstance(step, bool) or not 0 < step < 2**31:
            continue
        for name, key in LOGGED.items():
            if _is_finite(row.get(key)):
                found[name][step] = float(row[key])
    return found


def _is_finite(value: object) -> bool:
    """Whether a value is a number that a float can hold; `value` may be anything."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False
