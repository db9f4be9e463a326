"""The composition gap: a pattern's success minus the product of its parts' successes."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells, grouping
from ramify.analysis.derived_metrics import COMPOSITION_GAP
from ramify.analysis.estimators import combined, ratios
from ramify.analysis.rows import rows
from ramify.tasks.base import Task


def composition_gaps(sets: Sequence[SetCells], seed: int) -> Iterator[pl.DataFrame]:
    """Composition gaps of patterns, and their means over groups, at each checkpoint.

    The parts are the immediate non-leaf children of the binary tree, each measured at the same checkpoint on its own
    puzzles, in any set. A pattern with an unmeasured part has no gap. Intervals combine the intervals of all successes
    involved (MOVER; Zou and Donner 2008), so a part shared by several patterns counts once.
    """
    steps = sorted(set.intersection(*(set(cells.steps(seed)) for cells in sets)))
    task, measured = sets[0].task, _successes(sets, seed, steps)
    for cells in sets:
        groups = grouping(cells.puzzles, "pattern")
        whole = [text for text in groups.names if task.parts(text)]
        whole = [text for text in whole if all(part in measured for part in task.parts(text))]
        if not whole:
            continue
        puzzles = dict(zip(groups.names, groups.sizes.tolist(), strict=True))
        first = cells.puzzles.unique("pattern", keep="first").filter(pl.col("pattern").is_in(whole)).sort("pattern")
        for by in COMPOSITION_GAP.groupings:
            members = grouping(first, by)
            of_group = [first["pattern"].gather(np.flatnonzero(members.codes == g)) for g in range(len(members.names))]
            found = np.array(
                [[_gap(task, group.to_list(), measured, at) for group in of_group] for at in range(len(steps))]
            )
            n = np.array([sum(puzzles[text] for text in group) for group in of_group])
            yield rows(
                COMPOSITION_GAP.name, cells.name, seed, by, steps, members.names, list(np.moveaxis(found, 2, 0)), n=n
            )


def _successes(sets: Sequence[SetCells], seed: int, steps: list[int]) -> dict[str, np.ndarray]:
    """Success and its interval for each pattern at each step, of shape (steps, 3)."""
    found: dict[str, np.ndarray] = {}
    for cells in sets:
        groups = grouping(cells.puzzles, "pattern")
        at = np.isin(cells.steps(seed), steps)
        (share,) = cells.values(seed, pl.col("correct") / pl.col("k"))
        numerators, denominators = groups.sums(share[at]), groups.sums(np.isfinite(share[at]).astype(float))
        n = groups.totals(np.isfinite(share[at]).astype(float))
        for index in range(len(steps)):
            limits = np.column_stack(ratios(numerators[index], denominators[index], n[index]))
            for text, row in zip(groups.names, limits, strict=True):
                found.setdefault(text, np.full((len(steps), 3), np.nan))[index] = row
    return found


def _gap(task: Task, members: list[str], measured: dict[str, np.ndarray], at: int) -> tuple[float, float, float]:
    """The mean gap of patterns at a step, with its interval."""
    gradient: dict[str, float] = {}
    value = 0.0
    for text in members:
        of_parts = task.parts(text)
        values = [float(measured[part][at, 0]) for part in of_parts]
        value += (float(measured[text][at, 0]) - float(np.prod(values))) / len(members)
        gradient[text] = gradient.get(text, 0.0) + 1 / len(members)
        for index, part in enumerate(of_parts):
            others = float(np.prod(values[:index] + values[index + 1 :]))
            gradient[part] = gradient.get(part, 0.0) - others / len(members)
    found = np.array([measured[text][at] for text in gradient])
    middle, low, high = combined(found, np.array(list(gradient.values())))
    return value, value + low - middle, value + high - middle
