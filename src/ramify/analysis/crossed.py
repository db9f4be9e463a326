"""Intervals of everything that is linear in the values of puzzles × seeds: means, gains, gaps and transfer.

The values of a metric form a balanced crossed design: each seed (a training run) answers the same puzzles. A linear
functional is a weighted sum of the means of disjoint groups of puzzles, averaged over the seeds. Its error has parts:

- *cell*: what is left of a puzzle's value in one seed after the puzzle and the seed, sampling noise included, and with
  it the interaction of seeds and patterns;
- *seed*: what a training run has in common over the puzzles of the functional;
- *puzzle*: what would differ with new puzzles of the same patterns, or, for claims about shapes, of new patterns.

Two intervals follow. **Same puzzles, retrained** holds the puzzles fixed and asks what other seeds would give: cell and
seed. **New puzzles** adds the puzzle part. Three seeds say little of the seed part, so it is moderated by what the
other checkpoints, sets and groups of the metric show (Smyth 2004, "Linear models and empirical Bayes methods", with a
trend as in limma): a scaled inverse chi-squared prior is fitted to the ratios of the observed variance of seed means to
the expected one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma, stdtr, stdtrit

from ramify.analysis.cells import Grouping


class Components(NamedTuple):
    """Functionals with the parts of their error, each of shape (rows,) or (steps, functionals).

    Attributes:
        value: the mean over the seeds.
        between: the sample variance of the seeds' values.
        cell: the variance of `value` by the cell part, with `cell_freedom`.
        puzzle: the variance of `value` by the puzzle part, the part of the cells in it included, with
            `puzzle_freedom`.
        shared: the variance of `value` by what all seeds share besides the puzzles: the sampling of the base model.
        scale: what the seed part is proportional to, a standard deviation: for a share p, p (1 - p).
        n, patterns: puzzles and patterns that it rests on.
    """

    value: np.ndarray
    between: np.ndarray
    cell: np.ndarray
    cell_freedom: np.ndarray
    puzzle: np.ndarray
    puzzle_freedom: np.ndarray
    shared: np.ndarray
    scale: np.ndarray
    n: np.ndarray
    patterns: np.ndarray

    def flat(self) -> "Components":
        """The same, each of shape (rows,)."""
        return Components(*(np.ravel(part) for part in self))


class Intervals(NamedTuple):
    """Of each functional: 95 % intervals, and the two-sided p that it is 0, for new puzzles; the retrained interval."""

    low: np.ndarray
    high: np.ndarray
    retrained_low: np.ndarray
    retrained_high: np.ndarray
    p: np.ndarray


def components(
    values: np.ndarray,
    groups: Grouping,
    patterns: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    by_pattern: bool = False,
    noise: np.ndarray | float = 0.0,
    scale: np.ndarray | float = 0.0,
) -> Components:
    """The parts of the error of functionals.

    Args:
        values: of shape (seeds, steps, puzzles); NaN where not measured. A puzzle counts at a step where all seeds
            measured it.
        groups: of the puzzles; their names are the columns of `weights`.
        patterns: a number for each puzzle's pattern.
        weights: of the group means, of shape (functionals, groups); None is each group by itself.
        by_pattern: whether new puzzles are puzzles of new patterns (claims about shapes) rather than of the same.
        noise: the variance of each puzzle's value by what all seeds share, of shape (puzzles,).
        scale: see `Components`, of shape (steps, functionals).

    Returns:
        Components of shape (steps, functionals); NaN where a group that has weight was not measured.
    """
    seeds, steps, puzzles = values.shape
    count = len(groups.names)
    weights = np.eye(count) if weights is None else np.asarray(weights, float)
    there = np.isfinite(values).all(0)
    filled = np.where(there, values, 0.0)
    n = groups.totals(there.astype(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.array([groups.totals(seed) for seed in filled]) / n
        mean = means.mean(0)
        middle = filled.mean(0)
        rest = np.where(there, filled - middle - (means - mean)[:, :, groups.codes], 0.0)
        # Clusters are the patterns within a group.
        keys = groups.codes.astype(np.int64) * (int(patterns.max(initial=0)) + 1) + patterns
        _, first, cluster = np.unique(keys, return_index=True, return_inverse=True)
        owner = groups.codes[first]
        sizes = _totals(there.astype(float), cluster, len(first))
        used = (sizes > 0).astype(float)
        clusters = _totals(used, owner, count)

        freedom = max(seeds - 1, 0)
        single = groups.totals((rest**2).sum(0)) / (n * (n - 1)) / freedom * n / (n * seeds)
        sums = np.array([_totals(seed, cluster, len(first)) for seed in rest])
        share = sizes / n[:, owner]
        cell_clusters = _totals((sums**2).sum(0) / n[:, owner] ** 2, owner, count) / freedom / seeds
        cell_clusters *= _correction(share, used, owner, count)
        interacting = (clusters > 1) & (cell_clusters > single)
        cell = np.where(interacting, cell_clusters, single)
        cell_freedom = freedom * np.where(interacting, clusters - 1, n - 1)

        if by_pattern:
            away = _totals(np.where(there, middle - mean[:, groups.codes], 0.0), cluster, len(first)) / n[:, owner]
            puzzle = _totals(away**2, owner, count) * _correction(share, used, owner, count)
            puzzle_freedom = 1 / _totals(share**2, owner, count) - 1
        else:
            puzzle, puzzle_freedom = _stratified(middle, there, cluster, sizes, owner, n, count)
            puzzle = puzzle + np.where(interacting, cell_clusters - single, 0.0)
        shared = groups.totals(np.where(there, noise, 0.0)) / n**2

    return _weighted(
        weights, means, (cell, cell_freedom), (puzzle, puzzle_freedom), shared, n, clusters, np.asarray(scale, float)
    )


def _weighted(
    weights: np.ndarray,
    means: np.ndarray,
    cell: tuple[np.ndarray, np.ndarray],
    puzzle: tuple[np.ndarray, np.ndarray],
    shared: np.ndarray,
    n: np.ndarray,
    clusters: np.ndarray,
    scale: np.ndarray,
) -> Components:
    """Combine the parts of groups, of shape (steps, groups), into those of functionals."""

    def apply(table: np.ndarray, by: np.ndarray) -> np.ndarray:
        # A group without weight has no say, also where it was not measured.
        used = by != 0
        total = np.where(np.isfinite(table), table, 0.0) @ by.T
        missing = ~np.isfinite(table).astype(bool) @ used.T.astype(float) > 0
        return np.where(missing, np.nan, total)

    of_seeds = np.array([apply(seed, weights) for seed in means])
    square = weights**2

    def variance(part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        total = apply(part[0], square)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Satterthwaite: the freedom of a sum of estimated variances.
            weak = np.where(part[1] > 0, np.nan_to_num(part[0]) ** 2 / part[1], 0.0) @ (square**2).T
            lowest = np.array([[part[1][t, w != 0].sum() for w in weights] for t in range(len(total))])
            freedom = np.where(weak > 0, total**2 / weak, lowest)
        return total, freedom

    cells, cell_freedom = variance(cell)
    puzzles, puzzle_freedom = variance(puzzle)
    between = of_seeds.var(0, ddof=1) if len(of_seeds) > 1 else np.full(of_seeds.shape[1:], np.nan)
    used = (weights != 0).astype(float).T
    return Components(
        of_seeds.mean(0),
        between,
        cells,
        cell_freedom,
        puzzles,
        puzzle_freedom,
        apply(shared, square),
        np.broadcast_to(scale, cells.shape),
        n @ used,
        clusters @ used,
    )


def _totals(values: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Sums of (steps, columns) by a code for each column; of shape (steps, count)."""
    return np.array([np.bincount(codes, row, count) for row in values])


def _correction(share: np.ndarray, used: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """What makes the sum of squared weighted deviations of clusters from their mean unbiased, for unequal shares."""
    squares = _totals(share**2, owner, count)
    expected = _totals(share**2 * (1 - 2 * share + squares[:, owner]) * used, owner, count)
    return np.where(expected > 0, squares / expected, np.nan)


def _stratified(
    middle: np.ndarray,
    there: np.ndarray,
    cluster: np.ndarray,
    sizes: np.ndarray,
    owner: np.ndarray,
    n: np.ndarray,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The variance of group means over new puzzles of the same patterns.

    Patterns with a single puzzle are one stratum together; where a group has one of them, the other patterns stand in.
    """
    alone = sizes == 1
    own = np.nan_to_num(_totals(np.where(there, middle, 0.0), cluster, len(owner)) / sizes)
    singles = _totals(alone.astype(float), owner, count)
    centre = _totals(np.where(alone, own, 0.0), owner, count) / singles
    reference = np.where(alone, centre[:, owner], own)
    squares = _totals(np.where(there, middle - reference[:, cluster], 0.0) ** 2, cluster, len(owner))
    within = _totals(np.where(alone, 0.0, squares * sizes / (sizes - 1)), owner, count)
    freedom = _totals(np.where(sizes > 1, sizes - 1, 0.0), owner, count)
    several = _totals(np.where(sizes > 1, sizes, 0.0), owner, count)
    across = _totals(np.where(alone, squares, 0.0), owner, count) * singles / (singles - 1)
    across = np.where(singles == 1, within / several, np.where(singles > 1, across, 0.0))
    return (within + across) / n**2, freedom + np.maximum(singles - 1, 0)


class Prior(NamedTuple):
    """What a family of functionals says of its seed parts.

    Attributes:
        seed: the variance of the seed part, in units of `Components.scale` squared.
        ratio: the observed variance of seed means over the expected one, as a whole.
        freedom: how much the family counts, in degrees of freedom, beside those of one functional.
    """

    seed: float
    ratio: float
    freedom: float


def prior(parts: Components, seeds: int, independent: int) -> Prior:
    """Estimate the prior of a family of flat components, by the moments of log F (Smyth 2004, section 6.2).

    Args:
        seeds: whose variance `between` is.
        independent: how many of the functionals share no puzzle. Checkpoints of one seed resemble each other, so the
            family counts no more than so many variances of `seeds` numbers.
    """
    most = float((seeds - 1) * independent)
    expected = parts.cell * seeds
    known = np.isfinite(parts.between) & (expected > 0) & (parts.cell_freedom > 0)
    between, expected, scale = parts.between[known], expected[known], parts.scale[known] ** 2
    if seeds < 2 or not len(between):
        return Prior(0.0, 1.0, 0.0)
    seed = 0.0
    weighed = scale > 0
    if weighed.any():  # the weights need the estimate
        for _ in range(10):
            weight = np.where(weighed, scale / (expected + seed * scale) ** 2, 0.0)
            seed = max(0.0, float((weight * (between - expected)).sum() / (weight * scale).sum()))
    ratio = np.maximum(between / (expected + seed * scale), 1e-6)
    half = (seeds - 1) / 2
    logs = np.log(ratio) - digamma(half) + np.log(half)
    excess = logs.var(ddof=1) - float(polygamma(1, half)) if len(logs) > 1 else 0.0
    if excess <= 0:
        return Prior(seed, float(ratio.mean()), most)
    other = _inverse_trigamma(excess)
    return Prior(seed, float(np.exp(logs.mean() + digamma(other) - np.log(other))), min(2 * other, most))


def _inverse_trigamma(value: float) -> float:
    """x with trigamma(x) = value, by Newton's method on 1 / trigamma (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        of = float(polygamma(1, x))
        step = of * (1 - of / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-9 * x:
            break
    return x


def intervals(parts: Components, seeds: int, known: Prior, bounded: bool = False) -> Intervals:
    """Both intervals of each functional.

    Args:
        parts: flat.
        bounded: whether values are shares, for which Wilson's interval on the effective number of observations stands
            (Franco et al. 2019), which also holds near 0 and 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if seeds > 1:
            expected = parts.cell * seeds + known.seed * parts.scale**2
            # Groups share the seed part, so of it the family knows no more than one functional does.
            part = known.seed * parts.scale**2 / expected
            others = 1 / ((1 - part) ** 2 / known.freedom + part**2 / (seeds - 1))
            freedom = others + seeds - 1
            variance = (others * known.ratio * expected + (seeds - 1) * parts.between) / freedom / seeds
        else:
            variance, freedom = parts.cell * np.nan, 1.0
        seed_part = np.maximum(variance - parts.cell, 0.0) if seeds > 1 else np.zeros_like(parts.cell)
        retrained = variance + parts.shared
        retrained_freedom = freedom * (retrained / variance) ** 2
        anew = parts.puzzle + seed_part
        weak = parts.puzzle**2 / parts.puzzle_freedom + seed_part**2 / freedom
        new_freedom = np.where(weak > 0, anew**2 / weak, parts.puzzle_freedom)
        low, high = _ends(parts, anew, new_freedom, bounded)
        again = _ends(parts, retrained, retrained_freedom, bounded)
        error = np.sqrt(anew)
        p = 2 * stdtr(new_freedom, -np.abs(parts.value) / error)
    return Intervals(low, high, *again, p)


def _ends(parts: Components, variance: np.ndarray, freedom: np.ndarray, bounded: bool) -> tuple[np.ndarray, np.ndarray]:
    quantile = stdtrit(np.where(freedom > 0, freedom, np.nan), 0.975)
    if not bounded:
        half = quantile * np.sqrt(variance)
        return parts.value - half, parts.value + half
    value = parts.value
    n = np.where(variance > 0, value * (1 - value) / variance, parts.n)
    n = np.where(n > 0, n, parts.n)
    square = quantile**2
    middle = (value + square / (2 * n)) / (1 + square / n)
    half = quantile * np.sqrt(value * (1 - value) / n + square / (4 * n * n)) / (1 + square / n)
    return np.maximum(0.0, middle - half), np.minimum(1.0, middle + half)


def stacked(parts: Sequence[Components]) -> Components:
    """Flat components one after the other."""
    return Components(*(np.concatenate(columns) for columns in zip(*(one.flat() for one in parts), strict=True)))
