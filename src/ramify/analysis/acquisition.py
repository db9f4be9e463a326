"""When a pattern was acquired: the first checkpoint from which its success stays up, or why there is none.

Two levels. *acquisition*: half of the way from the base model's success to the last checkpoint's, where the gain's
interval excludes 0. *acquisition@0.5*: success of one half.

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
from ramify.analysis.estimators import steadied
from ramify.analysis.rows import rows

ACQUIRED, PRESENT, MISSED, LOST, UNKNOWN = "acquired", "already present", "not acquired", "lost again", "unknown"
LEVEL = 0.5
RELATIVE, ABSOLUTE = "acquisition", f"acquisition@{LEVEL}"


class Contrast(NamedTuple):
    """Means over puzzles, or over seeds of these, of shape (steps, groups), and how far they may be off."""

    mean: np.ndarray
    half: np.ndarray
    known: np.ndarray


def acquisition(cells: SetCells, seeds: Sequence[int], groupings: Sequence[str]) -> list[pl.DataFrame]:
    """Acquisition steps of every group: of one seed over its puzzles, of several over the seeds.

    The rows carry the last checkpoint as step; value, low and high are checkpoints too. Without the base model (step
    0) and one checkpoint more there are none.
    """
    steps = sorted(set.intersection(*(set(cells.steps(seed)) for seed in seeds)))
    if len(steps) < 2 or steps[0] != 0:
        return []
    share = pl.col("correct") / pl.col("k")
    curves = [cells.values(seed, share)[0][np.isin(cells.steps(seed), steps)] for seed in seeds]
    whole = np.asarray(np.isfinite(curves).all(axis=(0, 1)))
    seed = seeds[0] if len(seeds) == 1 else None
    found = []
    for by in groupings:
        groups = grouping(cells.puzzles, by)
        success, gain, way, level = (
            _contrast([change(curve) for curve in curves], curves, whole, groups, cells.samples)
            for change in (
                lambda curve: curve,
                lambda curve: curve - curve[:1],
                lambda curve: curve - (curve[:1] + curve[-1:]) / 2,
                lambda curve: curve - LEVEL,
            )
        )
        for metric, above in ((RELATIVE, way), (ABSOLUTE, level)):
            named = _relative(gain, success) if metric == RELATIVE else _absolute(level)
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


def _relative(gain: Contrast, success: Contrast) -> np.ndarray:
    """Why there is an acquisition step or none, of the level that is half of the gain."""
    surely = gain.mean - gain.half > 0
    once = surely[1:-1].any(axis=0)
    missed = np.where(success.mean[0] >= LEVEL, PRESENT, np.where(once, LOST, MISSED))
    return np.where(surely[-1], ACQUIRED, missed)


def _absolute(level: Contrast) -> np.ndarray:
    """The same, of success of one half."""
    above = level.mean >= 0
    kept = np.where(above[0], PRESENT, ACQUIRED)
    return np.where(above[-1], kept, np.where(above.any(axis=0), LOST, MISSED))


def _steps(above: Contrast, steps: np.ndarray, may_be_first: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first checkpoint from which a contrast stays at or above 0, with the first and last that the data allow."""
    at = above.mean >= -1e-12
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
