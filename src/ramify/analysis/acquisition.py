"""Acquisition steps: the first checkpoint from which success stays above a level, or the reason there is none.

There are two levels. *acquisition*: half of the gain from the base model to the last checkpoint, where the interval of
the gain excludes 0. *acquisition@0.5*: a success of one half. Without a clear gain, the status of a pattern is *already
present* (success at or above one half at the base and at the end), *lost again* (less than half of an earlier clear
gain remains, or a base success of one half is not kept), or *not acquired*. A group of a single puzzle is *unknown*.

The interval inverts one-sided tests at 2.5 %: checkpoint t is excluded if success was clearly at the level at the
previous checkpoint, or is clearly below it at t or later. The upper end is null if the data do not exclude that success
never stays at the level.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from ramify.analysis.cells import Grouping, SetCells, grouping
from ramify.analysis.crossed import Components, components
from ramify.analysis.derived_metrics import ACQUISITION, ACQUISITION_AT_HALF
from ramify.analysis.linear import Curves, chance, claims_shape, curves, pattern_codes
from ramify.analysis.metrics import mean_at_k
from ramify.analysis.moderated import intervals, prior
from ramify.analysis.rows import rows

ACQUIRED, PRESENT, MISSED, LOST, UNKNOWN = "acquired", "already present", "not acquired", "lost again", "unknown"
LEVEL = 0.5
EPSILON = 1e-12  # rounding error of means


class Contrast(NamedTuple):
    """Means over puzzles and seeds, of shape (steps, groups), and their half-widths for new puzzles."""

    mean: np.ndarray
    half: np.ndarray
    known: np.ndarray


def acquisition(
    cells: SetCells, seeds: Sequence[int], groupings: Sequence[str], gained: pl.DataFrame
) -> list[pl.DataFrame]:
    """Estimate the acquisition step of every group, for one seed or for several together.

    The column `step` holds the last checkpoint; value, low and high are checkpoints too. A single checkpoint has no
    rows.

    Args:
        gained: the rows of the gain of mean@k of this set and these seeds.
    """
    curve = curves(cells, seeds, mean_at_k(cells.samples), cells.samples)
    steps = curve.steps
    if len(steps) < 2:
        return []
    whole = np.asarray(curve.asked.all(0))
    shares = np.where(whole, curve.numerator / curve.denominator, np.nan)
    if curve.share_base:
        shares[:, 0] = shares[:, 0].mean(0)
    seed = seeds[0] if len(seeds) == 1 else None
    found = []
    for by in groupings:
        groups = grouping(cells.puzzles, by)
        codes, by_pattern = pattern_codes(cells.puzzles), claims_shape(by, cells.task)
        way, level = (
            contrast(values, curve, groups, codes, by_pattern)
            for values in (shares - (shares[:, :1] + shares[:, -1:]) / 2, shares - LEVEL)
        )
        gain = _gain(gained.filter(pl.col("by") == by), steps, groups)
        for metric, above in ((ACQUISITION, way), (ACQUISITION_AT_HALF, level)):
            is_relative = metric is ACQUISITION
            named = _relative(gain, level) if is_relative else _absolute(level)
            status = np.where(above.known, named, UNKNOWN)
            value, low, high = first_steps(above, np.array(steps, float), may_be_first=not is_relative)
            there = status == ACQUIRED
            ends = [np.where(there, part, np.nan)[None] for part in (value, low, high)]
            n = groups.totals(whole[None].astype(float))
            where = metric.name, cells.name, seed, by, steps[-1:], groups.names
            found.append(rows(*where, ends, n=n, status=status[None]))
    return found


def contrast(values: np.ndarray, curve: Curves, groups: Grouping, codes: np.ndarray, by_pattern: bool) -> Contrast:
    """The mean of a linear contrast of success in each group, and the half-width of its 95 % interval."""
    of = components(values, groups, codes, by_pattern=by_pattern, **chance(curve, groups))
    later = Components(*(part[1:] for part in of)).flat()
    known = prior(later, len(values), len(groups.names))
    ends = intervals(of.flat(), len(values), known)
    half = ((ends.high - ends.low) / 2).reshape(of.value.shape)
    return Contrast(of.value, np.where(np.isfinite(half), half, np.inf), of.n[0] > 1)


def _gain(gained: pl.DataFrame, steps: list[int], groups: Grouping) -> tuple[np.ndarray, ...]:
    """The gain over the base at each step, the lower end of its interval, and p, of shape (steps, groups)."""
    table = np.full((3, len(steps), len(groups.names)), np.nan)
    table[0, 0] = 0.0
    where = gained.select(
        pl.col("step").replace_strict(steps, range(len(steps)), default=None, return_dtype=pl.Int64),
        pl.col("group").replace_strict(groups.names, range(len(groups.names)), default=None, return_dtype=pl.Int64),
        *(pl.col(name).fill_null(np.nan) for name in ("value", "low", "p")),
    ).drop_nulls()
    at = where["step"].to_numpy(), where["group"].to_numpy()
    for part, name in zip(table, ("value", "low", "p"), strict=True):
        part[at] = where[name].to_numpy()
    return np.nan_to_num(table[0]), table[1], table[2]


def _relative(gained: tuple[np.ndarray, ...], level: Contrast) -> np.ndarray:
    """The status of the acquisition at half of the gain.

    Lost again: success was at or above one half at the base and is not at the end; or a gain was significant at some
    checkpoint (Bonferroni over checkpoints) and less than half of the largest such gain remains.
    """
    gain, low, p = gained
    once = (gain > 0) & (np.nan_to_num(p, nan=1.0) * max(len(gain) - 2, 1) <= 0.05)
    largest = np.where(once, gain, 0.0).max(axis=0)
    lost = once.any(axis=0) & (gain[-1] < largest / 2)
    first, last = level.mean[0] >= -EPSILON, level.mean[-1] >= -EPSILON
    missed = np.where(first, np.where(last, PRESENT, LOST), np.where(lost, LOST, MISSED))
    return np.where(low[-1] > 0, ACQUIRED, missed)


def _absolute(level: Contrast) -> np.ndarray:
    """The status of the acquisition at a success of one half."""
    above = level.mean >= -EPSILON
    kept = np.where(above[0], PRESENT, ACQUIRED)
    return np.where(above[-1], kept, np.where(above.any(axis=0), LOST, MISSED))


def first_steps(above: Contrast, steps: np.ndarray, may_be_first: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first checkpoint from which a contrast stays at or above 0, and the ends of its interval."""
    at = above.mean >= -EPSILON
    stays = np.flip(np.logical_and.accumulate(np.flip(at, 0), 0), 0)
    value = np.where(stays.any(0), steps[np.argmax(stays, 0)], np.nan)
    surely_at, surely_below = above.mean - above.half > 0, above.mean + above.half < 0
    before = np.vstack([np.zeros_like(surely_at[:1]), surely_at[:-1]])
    later = np.flip(np.logical_or.accumulate(np.flip(surely_below, 0), 0), 0)
    allowed = ~before & ~later
    if not may_be_first:
        allowed[0] = False
    # The estimate is always in its own interval.
    allowed |= steps[:, None] == value
    low = np.where(allowed.any(0), steps[np.argmax(allowed, 0)], np.nan)
    high = steps[len(steps) - 1 - np.argmax(np.flip(allowed, 0), 0)]
    never = ~surely_at[-1] if may_be_first else np.zeros_like(surely_at[-1])
    return value, low, np.where(never, np.nan, high)
