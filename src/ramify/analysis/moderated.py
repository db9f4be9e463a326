"""Both intervals of linear functionals, from their error components.

**Same puzzles, retrained** uses the cell and seed components, **new puzzles** the puzzle and seed components. Three
seeds determine the seed component poorly, so it is moderated over the other checkpoints, sets and groups of the metric
(Smyth 2004, "Linear models and empirical Bayes methods", with a trend as in limma): a scaled inverse chi-squared prior
is fitted to the ratios of observed to expected variances of seed means. The variances of single patterns, which have
few puzzles, are moderated in the same way.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from ramify.analysis.crossed import Components
from ramify.analysis.estimators import Z

FEWEST_IN_FAMILY = 3


class Intervals(NamedTuple):
    """95 % intervals of functionals for new puzzles, two-sided p that they are 0, and intervals for retraining."""

    low: np.ndarray
    high: np.ndarray
    retrained_low: np.ndarray
    retrained_high: np.ndarray
    p: np.ndarray


class Prior(NamedTuple):
    """The prior of the seed components of a family of functionals.

    Attributes:
        seed: the variance of the seed part, in units of `Components.scale` squared.
        ratio: the ratio of observed to expected variance of seed means in the family.
        freedom: the weight of the family in degrees of freedom.
    """

    seed: float
    ratio: float
    freedom: float


def prior(parts: Components, seeds: int, independent: int) -> Prior:
    """Estimate the prior of the seed parts of flat components.

    Args:
        seeds: the number of seeds behind the variance `between`.
        independent: the number of functionals that share no puzzle. Checkpoints of one seed are correlated, so the
            family counts at most as this number of variances of `seeds` values.
    """
    expected = parts.cell * seeds
    known = np.isfinite(parts.between) & (expected > 0) & (parts.cell_freedom > 0)
    between, expected, scale = parts.between[known], expected[known], parts.scale[known] ** 2
    if seeds < 2 or len(between) < FEWEST_IN_FAMILY:
        return Prior(0.0, 1.0, 0.0)
    seed = 0.0
    weighed = scale > 0
    if weighed.any():  # the weights need the estimate
        for _ in range(10):
            weight = np.where(weighed, scale / (expected + seed * scale) ** 2, 0.0)
            seed = max(0.0, float((weight * (between - expected)).sum() / (weight * scale).sum()))
    ratio = between / (expected + seed * scale)
    found, freedom = _fitted(ratio, np.full(len(ratio), seeds - 1.0), float((seeds - 1) * independent))
    return Prior(seed, found, freedom)


def moderated(parts: Components) -> Components:
    """Flat components of single groups with cell and puzzle variances moderated over the groups.

    A pattern has few puzzles, so its own variance has few degrees of freedom; its expected variance is proportional to
    scale / n.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        cell, cell_freedom = _leaning(parts.cell, parts.cell_freedom, parts.scale / parts.n)
        puzzle, puzzle_freedom = _leaning(parts.puzzle, parts.puzzle_freedom, parts.scale / parts.n)
    return parts._replace(cell=cell, cell_freedom=cell_freedom, puzzle=puzzle, puzzle_freedom=puzzle_freedom)


def _leaning(variance: np.ndarray, freedom: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(variance) & (freedom > 0) & np.isfinite(expected) & (expected > 0)
    if known.sum() < FEWEST_IN_FAMILY:
        return variance, freedom
    level, prior_freedom = _fitted(variance[known] / expected[known], freedom[known], float(freedom[known].sum()))
    usable = np.isfinite(expected) & (expected > 0) & np.isfinite(variance) | (known.any() & (freedom == 0))
    own = np.where(freedom > 0, np.nan_to_num(variance) * freedom, 0.0)
    leaning = (prior_freedom * level * expected + own) / (prior_freedom + freedom)
    return np.where(usable, leaning, variance), np.where(usable, freedom + prior_freedom, freedom)


def _fitted(ratio: np.ndarray, freedom: np.ndarray, most: float) -> tuple[float, float]:
    """Scale and degrees of freedom of an inverse chi-squared prior of variances, by the moments of their ratios.

    Moments of logarithms (Smyth 2004) are not used: the variance of seeds that agree exactly has no logarithm.

    Args:
        ratio: ratios of observed to expected variances, each with its degrees of freedom.
        most: the largest degrees of freedom of the prior.
    """
    mean = float(ratio.mean())
    if mean <= 0:
        return 1.0, most
    excess = float((ratio**2 / (1 + 2 / freedom)).mean()) / mean**2 - 1
    found = most if excess <= 0 else min(4 + 2 / excess, most)
    return mean * (found - 2) / found if found > 4 else mean, found


def intervals(parts: Components, seeds: int, known: Prior | None, bounded: bool = False) -> Intervals:
    """Both intervals of each functional; the retrained interval is NaN for one seed.

    Args:
        parts: flat components.
        known: the prior of the seed component; None where there is none, as for the base model.
        bounded: whether values are shares, which get Wilson's interval on the effective number of observations (Franco
            et al. 2019); it also holds near 0 and 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if seeds < 2:
            variance, freedom = np.full_like(parts.cell, np.nan), parts.cell_freedom
        elif known is None:
            variance, freedom = parts.cell, parts.cell_freedom
        else:
            expected = parts.cell * seeds + known.seed * parts.scale**2
            # Groups share the seed component, so the family has no more information about it than one functional.
            others = known.freedom * (1 - known.seed * parts.scale**2 / expected) ** 2
            freedom = others + seeds - 1
            variance = (others * known.ratio * expected + (seeds - 1) * parts.between) / freedom / seeds
        seed_part = np.maximum(np.nan_to_num(variance - parts.cell), 0.0)
        retrained = variance + parts.shared
        retrained_freedom = np.where(variance > 0, freedom * (retrained / variance) ** 2, freedom)
        total = parts.puzzle + seed_part
        # The seed part is a difference of two variances, also where it is cut off at 0, and as uncertain as both.
        of_difference = np.nan_to_num(variance**2 / freedom + parts.cell**2 / parts.cell_freedom)
        weak = parts.puzzle**2 / parts.puzzle_freedom + of_difference
        new_freedom = np.where(weak > 0, total**2 / weak, parts.puzzle_freedom)
        low, high = _ends(parts, total, new_freedom, bounded)
        again = _ends(parts, retrained, retrained_freedom, bounded)
        error = np.sqrt(total)
        p = np.where(error > 0, 2 * stdtr(new_freedom, -np.abs(parts.value) / error), np.nan)
    return Intervals(low, high, *again, p)


def _ends(parts: Components, variance: np.ndarray, freedom: np.ndarray, bounded: bool) -> tuple[np.ndarray, np.ndarray]:
    quantile = stdtrit(np.where(freedom > 0, freedom, np.nan), 0.975)
    if not bounded:
        # No variation and no binomial variance: the error is unknown.
        half = quantile * np.sqrt(np.where(variance > 0, variance, np.nan))
        return parts.value - half, parts.value + half
    value = parts.value
    n = np.where(variance > 0, value * (1 - value) / variance, parts.n)
    # All succeed or all fail: no variance was estimated, so each puzzle is one trial.
    quantile = np.where((value > 0) & (value < 1) | ~(freedom > 0), quantile, Z)
    n = np.where(n > 0, n, parts.n)
    square = quantile**2
    middle = (value + square / (2 * n)) / (1 + square / n)
    half = quantile * np.sqrt(value * (1 - value) / n + square / (4 * n * n)) / (1 + square / n)
    return np.maximum(0.0, middle - half), np.minimum(1.0, middle + half)
