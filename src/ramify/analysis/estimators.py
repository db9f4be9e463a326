"""Estimates with 95 % intervals: Wilson, bootstrap over puzzles, t over seeds, and the unbiased pass@k."""

from collections.abc import Sequence
from math import nan, sqrt

import numpy as np

from ramify.records import Estimate
from ramify.tasks.generation import generator

Z = 1.959964
RESAMPLES = 2000
FEWEST = 20
"""Below this many puzzles the bootstrap is too narrow, and Wilson's interval on the puzzles stands in for it."""

# The 97.5 % quantile of Student's t for 1, 2, 3 … degrees of freedom.
_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448)


def pass_at_k(correct: int, n: int, k: int) -> float:
    """Probability that at least one of k samples is correct, unbiased, from n samples (Chen et al. 2021, eq. 1).

    Raises:
        ValueError: k is above n or below 1, or `correct` is not between 0 and n.

    >>> pass_at_k(1, 32, 32), pass_at_k(1, 4, 2), pass_at_k(0, 4, 4)
    (1.0, 0.5, 0.0)
    """
    if not 1 <= k <= n or not 0 <= correct <= n:
        raise ValueError(f"pass@{k} of {correct} correct in {n} samples is not defined")
    miss = 1.0
    for i in range(k):
        miss *= max(0, n - correct - i) / (n - i)
    return 1.0 - miss


def wilson(successes: float, n: int) -> Estimate:
    """A proportion of independent trials (Wilson 1927).

    Also for a mean of n values between 0 and 1, for which it is conservative: no such values vary more than trials
    with the same mean.

    >>> e = wilson(0, 10)
    >>> round(e.low, 3), round(e.high, 3)
    (0.0, 0.278)
    """
    if n == 0:
        return Estimate(nan, nan, nan, 0)
    p, z2 = successes / n, Z * Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Estimate(p, max(0.0, middle - half), min(1.0, middle + half), n)


def ratio(numerators: Sequence[float], denominators: Sequence[float], bounded: bool, name: str) -> Estimate:
    """A sum over puzzles divided by another, with a bootstrap interval clustered by puzzle.

    Args:
        numerators, denominators: one entry a puzzle; a puzzle with denominator 0 does not count.
        bounded: whether the ratio is between 0 and 1. Such a ratio takes Wilson's interval on the number of puzzles
            where there are fewer than `FEWEST` of them or they are all alike; any other has no interval then.
        name: seeds the resampling.

    >>> ratio([1, 0, 1, 0], [1, 1, 1, 1], bounded=True, name="example").value
    0.5
    """
    top, bottom = np.asarray(numerators, float), np.asarray(denominators, float)
    top, bottom = top[bottom > 0], bottom[bottom > 0]
    n = len(top)
    if n == 0:
        return Estimate(nan, nan, nan, 0)
    value = float(top.sum() / bottom.sum())
    if n < FEWEST or np.ptp(top / bottom) == 0:
        if not bounded:
            return Estimate(value, nan, nan, n)
        near = wilson(value * n, n)
        return Estimate(value, near.low, near.high, n)
    weights = generator(name).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    low, high = np.quantile((weights @ top) / (weights @ bottom), [0.025, 0.975])
    return Estimate(value, float(low), float(high), n)


def over_seeds(means: Sequence[float]) -> Estimate:
    """The mean of seed means with Student's t interval; no interval for a single seed. `n` counts the seeds.

    >>> e = over_seeds([0.30, 0.34, 0.32])
    >>> round(e.value, 3), round(e.low, 3), round(e.high, 3), e.n
    (0.32, 0.27, 0.37, 3)
    """
    values = np.asarray(means, float)
    n = len(values)
    value = float(values.mean()) if n else nan
    if n < 2:
        return Estimate(value, nan, nan, n)
    df = n - 1
    # Beyond the table, the quantile's expansion in 1/df (Abramowitz and Stegun 26.7.5).
    expansion = Z + (Z**3 + Z) / (4 * df) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * df * df)
    quantile = _T[df - 1] if df <= len(_T) else expansion
    half = quantile * float(values.std(ddof=1)) / sqrt(n)
    return Estimate(value, value - half, value + half, n)
