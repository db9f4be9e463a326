"""When a pattern was acquired: the first checkpoint from which its success stays up, or why there is none.

Two levels. *acquisition*: half of the way from the base model's success to the last checkpoint's, where the gain's
interval excludes 0. *acquisition@0.5*: success of one half. Without a clear gain a pattern was *already present* (base
success at or above one half, and so at the end), is *lost again* (less than half is left of a gain that was clear, or
one half of the base is not kept), or is *not acquired*.
A group of a single puzzle is *unknown*.

The interval holds every checkpoint that the data do not exclude (it inverts one-sided tests at 2.5 %): t is excluded if
success was clearly at the level at the checkpoint before, or is clearly below it at t or later. It is open at the end
(null) if the data do not exclude that the level is never kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import stdtrit

from ramify.analysis.cells import Grouping, SetCells, grouping
from ramify.analysis.changes import paired_changes
from ramify.analysis.estimators import mean_interval, steadied
from ramify.analysis.rows import rows

ACQUIRED, PRESENT, MISSED, LOST, UNKNOWN = "acquired", "already present", "not acquired", "lost again", "unknown"
LEVEL = 0.5
EPSILON = 1e-12  # of the rounding of means
RELATIVE, ABSOLUTE = "acquisition", f"acquisition@{LEVEL}"


class Contrast(NamedTuple):
    """Means over puzzles, or over seeds of these, of shape (steps, groups), and how far they may be off."""

    mean: np.ndarray
    half: np.ndarray
    known: np.ndarray


def acquisition(cells: SetCells, seeds: Sequence[int], groupings: Sequence[str]) -> list[pl.DataFrame]:
    """Acquisition steps of every group: of one seed over its puzzles, of several over the seeds.

    The rows carry the last checkpoint as step; value, low and high are checkpoints too. Of a single checkpoint there
    are none.
    """
    steps = sorted(set.intersection(*(set(cells.steps(seed)) for seed in seeds)))
    if len(steps) < 2:
        return []
    share = pl.col("correct") / pl.col("k")
    curves = [cells.values(seed, share)[0][np.isin(cells.steps(seed), steps)] for seed in seeds]
    whole = np.asarray(np.isfinite(curves).all(axis=(0, 1)))
    seed = seeds[0] if len(seeds) == 1 else None
    found = []
    for by in groupings:
        groups = grouping(cells.puzzles, by)
        way, level = (
            _contrast([change(curve) for curve in curves], curves, whole, groups, cells.samples)
            for change in (lambda curve: curve - (curve[:1] + curve[-1:]) / 2, lambda curve: curve - LEVEL)
        )
        gained = _gain(curves, whole, groups, cells.samples)
        for metric, above in ((RELATIVE, way), (ABSOLUTE, level)):
            named = _relative(gained, level) if metric == RELATIVE else _absolute(level)
            status = np.where(above.known, named, UNKNOWN)
            value, low, high = _steps(above, np.array(steps, float), may_be_first=metric == ABSOLUTE)
            there = status == ACQUIRED
            value, low, high = (np.where(there, part, np.nan) for part in (value, low, high))
            n = groups.totals(whole[None].astype(float)) if seed is not None else np.array(len(seeds))
            found.append(
                rows(
                    metric,
                    cells.name,
                    seed,
                    by,
                    steps[-1:],
                    groups.names,
                    [part[None] for part in (value, low, high)],
                    n=n,
                    status=status[None],
                )
            )
    return found


def _contrast(
    changes: list[np.ndarray], curves: list[np.ndarray], whole: np.ndarray, groups: Grouping, k: int
) -> Contrast:
    """The mean of a linear contrast of success in each group, and the half-width of its 95 % interval.

    Over the puzzles if there is one seed, else over the seeds.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        n = groups.totals(whole[None].astype(float))
        means = [groups.totals(np.where(whole, change, 0)) / n for change in changes]
        mean = np.mean(means, axis=0)
        if len(changes) == 1:
            rest = np.where(whole, changes[0] - mean[:, groups.codes], 0)
            variance = groups.totals(rest**2) / (n * (n - 1))
            freedom = np.broadcast_to(n - 1, mean.shape)
        else:
            variance = np.var(means, axis=0, ddof=1) / len(means)
            freedom = np.full(mean.shape, len(means) - 1.0)
        draws = n * k * len(curves)
        success = np.mean([groups.totals(np.where(whole, curve, 0)) / n for curve in curves], axis=0)
        share = (success * draws + 0.5) / (draws + 1)
        floor = share * (1 - share) / draws
        half = stdtrit(np.maximum(freedom, 1), 0.975) * np.sqrt(steadied(variance, floor, freedom + 1))
    return Contrast(mean, np.where(freedom > 0, half, np.inf), n[0] > 1)


def _gain(curves: list[np.ndarray], whole: np.ndarray, groups: Grouping, k: int) -> tuple[np.ndarray, ...]:
    """The gain over the base at each step, the lower end of its interval, and p: those of the table of estimates."""
    ones = np.where(whole, 1.0, np.nan)
    singles = [paired_changes((curve[0], ones), (curve, np.tile(ones, (len(curve), 1))), k, groups) for curve in curves]
    change, low, _, p, _ = singles[0]
    if len(singles) == 1:
        return change, low, p
    changes = np.array([single[0] for single in singles])
    mean, seeds = changes.mean(0), len(changes)
    spread_low, _, spread_p = mean_interval(mean, changes.var(0, ddof=1) / seeds, np.full(mean.shape, seeds))
    alike = np.ptp(changes, axis=0) < 1e-9
    return mean, np.where(alike, low, spread_low), np.where(alike, p, spread_p)


def _relative(gained: tuple[np.ndarray, ...], level: Contrast) -> np.ndarray:
    """Why there is an acquisition step or none, of the level that is half of the gain.

    Lost again: success was at or above one half at the base and is not any more; or some gain was clear once (p
    adjusted for the number of checkpoints, Bonferroni), and less than half of the largest such gain is left.
    """
    gain, low, p = gained
    once = (gain > 0) & (np.nan_to_num(p, nan=1.0) * max(len(gain) - 2, 1) <= 0.05)
    largest = np.where(once, gain, 0.0).max(axis=0)
    lost = once.any(axis=0) & (gain[-1] < largest / 2)
    first, last = level.mean[0] >= -EPSILON, level.mean[-1] >= -EPSILON
    missed = np.where(first, np.where(last, PRESENT, LOST), np.where(lost, LOST, MISSED))
    return np.where(low[-1] > 0, ACQUIRED, missed)


def _absolute(level: Contrast) -> np.ndarray:
    """The same, of success of one half."""
    above = level.mean >= -EPSILON
    kept = np.where(above[0], PRESENT, ACQUIRED)
    return np.where(above[-1], kept, np.where(above.any(axis=0), LOST, MISSED))


def _steps(above: Contrast, steps: np.ndarray, may_be_first: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first checkpoint from which a contrast stays at or above 0, with the first and last that the data allow."""
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
