"""Estimators with 95 % intervals: Wilson, the bootstrap over puzzles, Student's t.

A metric of a group is Σ numerator / Σ denominator over its puzzles. Sums are kept by *block*: a group of up to `BLOCKS`
puzzles has one block per puzzle, a larger one has `BLOCKS` blocks of nearly equal size. Resampling blocks instead of
puzzles costs little precision and makes the work independent of the number of puzzles.
"""

from functools import cache
from math import nan, sqrt

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from ramify.randomness import generator

Z = 1.959964
BLOCKS = 100
RESAMPLES = 1000
FEWEST = 20
"""Below this number of puzzles the bootstrap is too narrow, and another interval replaces it."""


def wilson_limits(shares: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson limits of many proportions of n independent trials (Wilson 1927); NaN where n is 0.

    They are conservative for means of n values between 0 and 1, whose variance is at most that of trials.

    >>> low, high = wilson_limits(np.array([0.0]), np.array([10]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0], [0.278])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (shares + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z * np.sqrt(shares * (1 - shares) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return np.maximum(0.0, middle - half), np.minimum(1.0, middle + half)


def ratios(
    numerators: np.ndarray, denominators: np.ndarray, n: np.ndarray, kind: str = "share"
) -> tuple[np.ndarray, ...]:
    """Estimate Σ numerator / Σ denominator of many groups, with intervals.

    Args:
        numerators, denominators: sums of shape (groups, blocks).
        n: the puzzles of each group with a denominator above 0, of shape (groups,).
        kind: "trials" if each puzzle is one independent trial, which takes Wilson's interval; "share" for any other
            ratio between 0 and 1; "mean" for one that is not. These two take the bootstrap. Below `FEWEST` puzzles, or
            where all values are equal, a share takes Wilson's interval on the number of puzzles, which is
            conservative, and a mean takes Student's t of the linearised ratio (none for a single puzzle).

    Returns:
        Values, lower and upper ends; NaN where there is no measurement.

    >>> value, low, high = ratios(np.array([[1.0, 0, 1, 0]]), np.ones((1, 4)), np.array([4]))
    >>> value.tolist(), low.round(2).tolist(), high.round(2).tolist()
    ([0.5], [0.15], [0.85])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = numerators.sum(1) / denominators.sum(1)
        single = numerators / denominators
    low, high = wilson_limits(value, n) if kind != "mean" else _linearised(numerators, denominators, value)
    if kind == "trials":
        return value, low, high
    spread = np.where(denominators > 0, single, -np.inf).max(1) - np.where(denominators > 0, single, np.inf).min(1)
    used = np.minimum((denominators > 0).sum(1), BLOCKS)
    large = (n >= FEWEST) & (spread > 1e-12)
    for count in np.unique(used[large]):
        rows = np.flatnonzero(large & (used == count))
        # Blocks without a denominator are dropped; the others move to the front.
        order = np.argsort(denominators[rows] <= 0, axis=1, kind="stable")[:, :count]
        above, below = (np.take_along_axis(table[rows], order, axis=1) for table in (numerators, denominators))
        weights = resampling(int(count))
        drawn = (weights @ above.T) / (weights @ below.T)
        tail = float(ndtr(-stdtrit(count - 1, 0.975) * sqrt(count / (count - 1))))
        low[rows], high[rows] = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return value, low, high


@cache
def resampling(blocks: int) -> np.ndarray:
    """Bootstrap weights: the count of each block in each resample, of shape (RESAMPLES, blocks), from a fixed seed."""
    return (
        generator(f"bootstrap/{blocks}").multinomial(blocks, np.full(blocks, 1 / blocks), size=RESAMPLES).astype(float)
    )


def _linearised(numerators: np.ndarray, denominators: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Student's t interval of ratios whose blocks are single puzzles (Cochran 1977, section 2.11)."""
    used = (denominators > 0).sum(1)
    rest = np.where(denominators > 0, numerators - value[:, None] * denominators, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt((rest**2).sum(1) * used / (used - 1)) / denominators.sum(1)
        half = stdtrit(used - 1, 0.975) * error
    half = np.where(used > 1, half, nan)
    return value - half, value + half


def steadied(variance: np.ndarray, floor: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Variances of means of n values, with a floor where n is small or the values happen to agree.

    Args:
        floor: the variance from sampling completions alone.
    """
    doubtful = (n < FEWEST) | (variance < 1e-12)
    return np.where(doubtful, np.fmax(variance, floor), variance)


def mean_interval(mean: np.ndarray, variance: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, ...]:
    """Student's t for means of n values each: lower and upper end, two-sided p that the mean is 0.

    Args:
        variance: of the mean, not of the values. NaN in all three where n is below 2.
    """
    freedom = np.where(n > 1, n - 1.0, nan)
    error = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = stdtrit(freedom, 0.975) * error
        p = np.where((error == 0) & (mean == 0), 1.0, 2 * stdtr(freedom, -np.abs(mean) / error))
    return mean - half, mean + half, np.where(n > 1, p, nan)


def combined(found: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Σ weight × estimate of independent estimates, with an interval from their intervals (MOVER; Zou and Donner 2008).

    Args:
        found: value, low and high of each, of shape (estimates, 3).

    >>> value, low, high = combined(np.array([[0.5, 0.3, 0.8], [0.2, 0.1, 0.4]]), np.array([1.0, -1.0]))
    >>> round(value, 3), round(low, 3), round(high, 3)  # 0.2 and 0.2 below, 0.3 and 0.1 above
    (0.3, 0.017, 0.616)
    """
    value, low, high = found.T
    down, up = value - low, high - value
    below, above = (np.where(weights > 0, one, other) for one, other in ((down, up), (up, down)))
    middle = float(weights @ value)
    return (
        middle,
        middle - float(np.sqrt((weights * below) @ (weights * below))),
        middle + float(np.sqrt((weights * above) @ (weights * above))),
    )


def rarefied(counts: np.ndarray, total: float, drawn: int) -> np.ndarray:
    """Expected number of kinds among `drawn` of `total` items, drawn without replacement (Hurlbert 1971).

    Args:
        counts: items of each kind, of shape (..., kinds); not above `total`.

    >>> round(float(rarefied(np.array([2, 2]), 4, 2)), 6)  # of six pairs two are of one kind: 1 * 2/6 + 2 * 4/6
    1.666667
    """
    from scipy.special import gammaln

    rest = np.maximum(np.asarray(total)[..., None] - counts, 0) if np.ndim(total) else np.maximum(total - counts, 0)
    whole = np.asarray(total, float)[..., None] if np.ndim(total) else float(total)
    with np.errstate(invalid="ignore"):
        log_miss = gammaln(rest + 1) - gammaln(rest - drawn + 1) - gammaln(whole + 1) + gammaln(whole - drawn + 1)
    miss = np.where(rest >= drawn, np.exp(log_miss), 0.0)
    expected: np.ndarray = (1 - miss).sum(-1)
    return expected
