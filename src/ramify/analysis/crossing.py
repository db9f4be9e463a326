"""The crossing of pass@k: the number of samples from which the base solves as many puzzles as the trained model.

Training often raises pass@1 more than pass@k, so that the base overtakes at some k. The interval inverts two tests at
2.5 %, those of the intervals of the gain of pass@k: k is excluded if the trained model is clearly ahead at k, or the
base is clearly ahead at the k before. The upper end is open if the base is not clearly ahead at the largest k.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells, grouping
from ramify.analysis.changes import is_paired
from ramify.analysis.derived_metrics import CROSSING
from ramify.analysis.linear import Part, claims_shape, curves, gains, moderated_rows, pattern_codes, shared_steps
from ramify.analysis.metric_record import GAIN
from ramify.analysis.metrics import PASS, pass_at_j
from ramify.analysis.rows import rows

EVERY = 16
"""Up to this number every k is tried, beyond it eight in each doubling."""


class Crossing(NamedTuple):
    """The crossing, the ends of its interval, and a status where there is none; NaN: none, or an open end."""

    value: float
    low: float
    high: float
    status: str | None


def crossings(cells: SetCells, seeds: Sequence[int], groupings: Sequence[str]) -> list[pl.DataFrame]:
    """The crossing of pass@k of the first and the last checkpoint in each group, for one seed or several together.

    k goes to the number of samples per puzzle that both have.
    """
    steps = shared_steps(cells, seeds)
    most = min(cells.samples, cells.base_samples or cells.samples)
    if len(steps) < 2 or most < 2 or not all(is_paired(cells.values(seed, pl.col("k"))[0]) for seed in seeds):
        return []
    ends, seed = [steps[0], steps[-1]], seeds[0] if len(seeds) == 1 else None
    codes, parts = pattern_codes(cells.puzzles), []
    groups = {by: grouping(cells.puzzles, by) for by in groupings}
    for k in tried(most):
        curve = curves(cells, seeds, pass_at_j(k), cells.samples, ends, order=k)
        for by, of in groups.items():
            found = gains(curve, of, codes, claims_shape(by, cells.task))
            parts.append(Part(PASS.named(k) + GAIN, cells.name, by, ends[1:], of.names, found, len(seeds)))
    table = pl.concat(list(moderated_rows(parts, seed)))
    tables = []
    for by, of in groups.items():
        columns = ("value", "low", "high", "retrained_low", "retrained_high")
        mine = table.filter(pl.col("by") == by).select(pl.col(columns).cast(pl.Float64).fill_null(np.nan), "n")
        value, low, high, *again = (mine[name].to_numpy().reshape(-1, len(of.names)) for name in columns)
        new = [crossing(tried(most), *one) for one in zip(value.T, low.T, high.T, strict=True)]
        same = [crossing(tried(most), *one) for one in zip(value.T, *(end.T for end in again), strict=True)]
        status = np.array([[one.status for one in new]], object)
        found_of = [np.array([[one[part] for one in new]]) for part in range(3)]
        retrained = np.array([[one.low for one in same]]), np.array([[one.high for one in same]])
        n = mine["n"].to_numpy().reshape(-1, len(of.names))[:1]
        tables.append(
            rows(CROSSING.name, cells.name, seed, by, ends[1:], of.names, found_of, n=n, status=status,
                 retrained=retrained)
        )  # fmt: skip
    return tables


def tried(most: int) -> list[int]:
    """The k that are tried.

    >>> tried(4), tried(20)
    ([1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20])
    """
    beyond = [round(EVERY * 2 ** (part / 8)) for part in range(1, 8 * most.bit_length())]
    return sorted({*range(1, min(most, EVERY) + 1), *(k for k in beyond if k < most), most})


def crossing(ks: Sequence[int], gain: np.ndarray, low: np.ndarray, high: np.ndarray) -> Crossing:
    """The first k at which the gain of pass@k is not above 0.

    Args:
        ks: ascending.
        gain, low, high: the gain of pass@k and its interval at each k; NaN without one.

    >>> gain = np.array([0.2, 0.1, -0.1, -0.3])
    >>> crossing([1, 2, 3, 4], gain, gain - 0.15, gain + 0.15)
    Crossing(value=3.0, low=2.0, high=4.0, status=None)
    >>> crossing([1, 2], gain[:2], gain[:2] - 0.05, gain[:2] + 0.05)
    Crossing(value=nan, low=2.0, high=nan, status='no crossing up to 2')
    """
    nothing = float("nan")
    if not np.isfinite(gain).all():
        return Crossing(nothing, nothing, nothing, None)
    if gain[0] <= 0:
        return Crossing(nothing, nothing, nothing, "no gain at k = 1")
    crossed = gain <= 0
    value = float(ks[int(np.argmax(crossed))]) if crossed.any() else nothing
    status = None if crossed.any() else f"no crossing up to {ks[-1]}"
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return Crossing(value, nothing, nothing, status)
    allowed = (low <= 0) & ~np.r_[False, high[:-1] < 0]
    if not allowed.any():  # the trained model is clearly ahead at every k
        return Crossing(value, float(ks[-1]), nothing, status)
    where = np.flatnonzero(allowed)
    return Crossing(value, float(ks[where[0]]), float(ks[where[-1]]) if high[-1] < 0 else nothing, status)
