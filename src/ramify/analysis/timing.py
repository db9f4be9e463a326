"""Timing of learning: the gain of a class of patterns as a fraction of its final gain.

The step at which a noisy curve first crosses a level depends on the size of the gain: classes that gain less seem
later. A fraction of the final gain is free of this bias. A class without a clear final gain is not timed: its gain is
unknown, not late.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ramify.analysis.cells import Grouping, SetCells, grouping
from ramify.analysis.crossed import Components, components
from ramify.analysis.derived_metrics import GAIN_FRACTION, TIMING, TIMING_DIFFERENCE
from ramify.analysis.linear import Curves, Part, changes, curves, gains, pattern_codes
from ramify.analysis.metrics import mean_at_k

REFERENCE = {"n": None, "n,shape_class": "left-heavy", "n,divisions": "0"}
"""Timed groupings, and the class of each n that the others are compared with."""
CLEAR = 4.0
"""The least final gain in standard errors; below it, a fraction of the gain is too uncertain."""
UNCLEAR = "gain too small to time"
FEWEST_STEPS = 3


def timing(cells: SetCells, seeds: Sequence[int]) -> Iterator[Part]:
    """Timing by class; it needs three shared checkpoints.

    gain fraction: the gain at a checkpoint over the gain at the last one.
    timing: the mean step of the gain, ∫ (1 - fraction) dt by the trapezoidal rule: half of the last step for a gain
    that grows evenly. timing difference: of a class minus that of left-heavy patterns (of those without a division) of
    the same n. Positive: learned later. Intervals are for new patterns, by linearised ratios.
    """
    curve = curves(cells, seeds, mean_at_k(cells.samples), cells.samples)
    if len(curve.steps) < FEWEST_STEPS:
        return
    codes = pattern_codes(cells.puzzles)
    columns = {*cells.puzzles.columns}
    for by, reference in REFERENCE.items():
        if not columns.issuperset(by.split(",")):
            continue
        groups = grouping(cells.puzzles, by)
        yield from _timed(cells.name, curve, groups, codes, reference)


def _timed(name: str, curve: Curves, groups: Grouping, codes: np.ndarray, reference: str | None) -> Iterator[Part]:
    gained, noise, scale, *_ = changes(curve, groups)
    by_pattern = groups.by != "n"
    final = gains(curve, groups, codes, by_pattern)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.fmax(final.puzzle, final.cell)[-1])
        size = final.value[-1]
        unclear = ~(size > CLEAR * error)
        size = np.where(unclear, np.nan, size)[groups.codes]
        steps = np.array(curve.steps, float)
        spread = scale[-1] / np.where(unclear, np.nan, final.value[-1]) ** 2
        # The mean step of the gain is the ratio of its integral and its size, both linear in the values.
        whole = np.concatenate([np.zeros_like(gained[:, :1]), gained], axis=1)
        lag = np.trapezoid(gained[:, -1:] - whole, steps, axis=1)
        mean_step = _of_groups(lag, groups) / final.value[-1]
        own = mean_step[groups.codes]
        timed = own + (lag - own * gained[:, -1]) / size
        first = (steps[1] - steps[0]) / 2
        shared = noise[-1] * ((own - first) / size) ** 2
        fraction = final.value[:-1] / final.value[-1]
        of_puzzles = fraction[:, groups.codes]
        relative = of_puzzles + (gained[:, :-1] - of_puzzles * gained[:, -1:]) / size
        part = noise[-1] * ((1 - of_puzzles) / size) ** 2
    status = np.array([[UNCLEAR if one else None for one in unclear]], dtype=object)

    def parts(values: np.ndarray, weights: np.ndarray | None, noise: np.ndarray) -> Components:
        return components(
            values, groups, codes, weights, by_pattern=by_pattern, noise=np.nan_to_num(noise),
            scale=np.broadcast_to(np.nan_to_num(spread, nan=1.0), (values.shape[1], len(groups.names))),
        )  # fmt: skip

    seeds, later = len(curve.numerator), curve.steps[1:-1]
    every = np.broadcast_to(status, (len(later), len(groups.names)))
    yield Part(
        GAIN_FRACTION.name, name, groups.by, later, groups.names, parts(relative, None, part), seeds, status=every
    )
    last = curve.steps[-1:]
    yield Part(
        TIMING.name, name, groups.by, last, groups.names, parts(timed[:, None], None, shared), seeds, status=status
    )
    if reference is None:
        return
    index = {group: number for number, group in enumerate(groups.names)}
    pairs = [
        (number, index[same])
        for group, number in index.items()
        if (same := f"{group.partition(',')[0]},{reference}") in index and same != group
    ]
    if not pairs:
        return
    weights = np.zeros((len(pairs), len(index)))
    for row, (mine, other) in zip(weights, pairs, strict=True):
        row[mine], row[other] = 1.0, -1.0
    names = [groups.names[mine] for mine, _ in pairs]
    missing = np.array([[UNCLEAR if unclear[mine] or unclear[other] else None for mine, other in pairs]], dtype=object)
    found = parts(timed[:, None], weights, shared)
    yield Part(TIMING_DIFFERENCE.name, name, groups.by, last, names, found, seeds, tested=True, status=missing)


def _of_groups(values: np.ndarray, groups: Grouping) -> np.ndarray:
    """Means over seeds and puzzles by group, of values of shape (seeds, puzzles)."""
    there = np.isfinite(values).all(0)
    sums = groups.totals(np.where(there, values, np.nan).mean(0)[None])[0]
    means: np.ndarray = sums / np.bincount(groups.codes[there], minlength=len(groups.names))
    return means
