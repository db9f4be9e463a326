"""The change of a metric between two checkpoints that asked different puzzles, as training steps do."""

import numpy as np

from ramify.analysis.cells import Grouping
from ramify.analysis.estimators import mean_interval, steadied


def unpaired_changes(
    before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray], k: int, groups: Grouping
) -> tuple[np.ndarray, ...]:
    """The change of Σ numerator / Σ denominator in each group between two independent samples of puzzles.

    Ratios are linearised (Cochran 1977, section 2.11). With few puzzles, or identical values, the variance has a floor:
    the variance from sampling k completions per puzzle.

    Args:
        before, after: numerator and denominator of each puzzle, of shape (puzzles,) and (steps, puzzles); NaN where
            not measured.

    Returns:
        Change, lower and upper end, p, and n (the puzzles of the smaller side), each of shape (steps, groups).
    """
    sides = []
    for numerator, denominator in ((before[0][None], before[1][None]), after):
        there = _measured((numerator, denominator))
        n = groups.totals(there.astype(float))
        ratio, own, floor = _side(numerator, denominator, there, n, k, groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            sides.append((ratio, steadied(groups.totals(own**2) / (n * (n - 1)), floor, n), n))
    (first, variance, n), (second, other, m) = sides
    fewer = np.minimum(n, m)
    together = variance + other
    low, high, p = mean_interval(second - first, np.where(together > 0, together, np.nan), fewer)
    return second - first, low, high, p, fewer


def is_paired(denominators: np.ndarray) -> bool:
    """Whether at least half of the puzzles of the first checkpoint were asked at the last one.

    Args:
        denominators: of shape (steps, puzzles); NaN where not measured.

    >>> is_paired(np.array([[1.0, 1.0, np.nan], [1.0, np.nan, np.nan], [1.0, np.nan, 1.0]]))
    True
    """
    first, last = (_measured((row, row)) for row in (denominators[0], denominators[-1]))
    return bool((first & last).sum() * 2 >= min(first.sum(), last.sum()))


def _measured(side: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(side[1] > 0)


def _side(
    numerator: np.ndarray, denominator: np.ndarray, both: np.ndarray, n: np.ndarray, k: int, groups: Grouping
) -> tuple[np.ndarray, ...]:
    """The ratio of each group, the contribution of each puzzle, and the least variance of the ratio."""
    above, below = (np.where(both, part, 0.0) for part in (numerator, denominator))
    with np.errstate(divide="ignore", invalid="ignore"):
        mass = groups.totals(below)
        ratio = groups.totals(above) / mass
        own = (above - ratio[:, groups.codes] * below) / (mass / n)[:, groups.codes]
        draws = n * k
        share = (ratio * draws + 0.5) / (draws + 1)  # never 0 or 1
        floor = np.where(share < 1, share * (1 - share) / draws, 0.0)
    return ratio, np.where(both, own, 0.0), floor
