"""Error components of linear functionals of puzzles × seeds: means, gains, gaps, transfer.

The values of a metric form a balanced crossed design: each seed (a training run) answers the same puzzles. A linear
functional is a weighted sum of the means of disjoint groups of puzzles, averaged over the seeds. Its error components:

- *cell*: the residual of a puzzle's value in one seed: sampling noise and the interaction of seeds with puzzles and
  patterns;
- *seed*: the effect of a training run on all puzzles of the functional;
- *puzzle*: the variation over new puzzles of the same patterns or, for claims about shapes, of new patterns.

Two intervals follow, see `moderated`. **Same puzzles, retrained** holds the puzzles fixed and varies the seeds: cell
and seed. **New puzzles** varies the puzzles too: seed and puzzle.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ramify.analysis.cells import Grouping
from ramify.analysis.estimators import FEWEST


class Components(NamedTuple):
    """Functionals with their error components, each of shape (rows,) or (steps, functionals).

    Attributes:
        value: the mean over the seeds.
        between: the sample variance of the seeds' values; NaN for one seed.
        cell: the variance of `value` from the cell component, with `cell_freedom`.
        puzzle: the variance of `value` from the puzzle component, which includes the cells, with `puzzle_freedom`.
        shared: the variance of `value` that all seeds share besides the puzzles: the sampling of the base model.
        scale: the standard deviation that the seed component is proportional to: for a share p, p (1 - p).
        n, patterns: numbers of puzzles and patterns behind the estimate.
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
        """The components with steps and functionals flattened to shape (rows,)."""
        return Components(*(np.ravel(part) for part in self))

    def of_columns(self, columns: Sequence[int]) -> "Components":
        """The components of selected functionals."""
        return Components(*(part[:, list(columns)] for part in self))


def components(
    values: np.ndarray,
    groups: Grouping,
    patterns: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    by_pattern: bool = False,
    families: np.ndarray | None = None,
    noise: np.ndarray | float = 0.0,
    scale: np.ndarray | float = 0.0,
    floor: np.ndarray | float = 0.0,
    cell_floor: np.ndarray | float | None = None,
) -> Components:
    """Estimate the error components of functionals.

    Args:
        values: of shape (seeds, steps, puzzles); NaN where not measured. A puzzle counts at a step where all seeds
            measured it.
        groups: of the puzzles; their names are the columns of `weights`.
        patterns: a number for each puzzle's pattern.
        weights: weights of the group means, of shape (functionals, groups); None gives each group its own functional.
        by_pattern: whether new puzzles are puzzles of new patterns (claims about shapes) rather than of the same.
        families: a number for each group; patterns of the groups of a family vary around a common mean. None if each
            group is a family. Used with `by_pattern`.
        noise: the variance of each puzzle's value that all seeds share, of shape (puzzles,) or (steps, puzzles).
        scale: the scale of each group, see `Components`; of shape (steps, groups).
        floor: the variance of each group's mean from sampling completions alone, of shape (steps, groups): a lower
            bound where puzzles are few or agree by chance.
        cell_floor: the part of `floor` that seeds do not share; None if they share nothing.

    Returns:
        Components of shape (steps, functionals); NaN where a group that has weight was not measured.
    """
    seeds = len(values)
    count = len(groups.names)
    there = np.isfinite(values).all(0)
    filled = np.where(there, values, 0.0)
    n = groups.totals(there.astype(float))
    scale = np.broadcast_to(np.asarray(scale, float), n.shape)
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
        share = sizes / n[:, owner]

        freedom = max(seeds - 1, 0)
        single = groups.totals((rest**2).sum(0)) / (n * (n - 1)) / freedom / seeds
        sums = np.array([_totals(seed, cluster, len(first)) for seed in rest])
        cell_clusters = _totals((sums**2).sum(0) / n[:, owner] ** 2, owner, count) / freedom / seeds
        cell_clusters *= _correction(share, used, owner, count)
        interacting = (clusters > 1) & (cell_clusters > single)
        cell = np.where(interacting, cell_clusters, single)
        cell_freedom = freedom * np.where(interacting, clusters - 1, n - 1)

        within, within_freedom = _stratified(middle, there, cluster, sizes, owner, n, count)
        if by_pattern:
            families = np.arange(count) if families is None else families
            within, across, across_freedom = _of_new_patterns(
                middle, there, cluster, sizes, owner, n, families, np.where(scale > 0, scale, 1.0)
            )
        else:
            within = within + np.where(interacting, cell_clusters - single, 0.0)
            across, across_freedom = np.zeros_like(n), np.zeros(len(n))
        doubtful = (n < FEWEST) | (within + across < 1e-12)
        within = np.where(doubtful, np.fmax(within, np.broadcast_to(floor, n.shape) - across), within)
        least = floor if cell_floor is None else cell_floor
        cell = np.where((n < FEWEST) | (cell < 1e-12), np.fmax(cell, least), cell) if seeds > 1 else cell
        shared = groups.totals(np.where(there, noise, 0.0)) / n**2

        weights = np.eye(count) if weights is None else np.asarray(weights, float)
        square = weights**2
        of_seeds = np.array([_weighted(seed, weights) for seed in means])
        cells, cell_freedom = _satterthwaite(cell, cell_freedom, square)
        puzzles, puzzle_freedom = _satterthwaite(within, within_freedom, square)
        between_patterns = _weighted(across, square)
        weak = puzzles**2 / puzzle_freedom + between_patterns**2 / across_freedom[:, None]
        weak = np.where(between_patterns > 0, weak, puzzles**2 / puzzle_freedom)
        puzzle_freedom = np.where(weak > 0, (puzzles + between_patterns) ** 2 / weak, puzzle_freedom)
        if by_pattern:  # one pattern only: the variance between patterns is unknown
            puzzle_freedom = np.where(across_freedom[:, None] > 0, puzzle_freedom, 0.0)
        sizes_of = np.abs(weights)
        known = (sizes_of != 0).astype(float).T
    return Components(
        of_seeds.mean(0),
        of_seeds.var(0, ddof=1) if seeds > 1 else np.full(of_seeds.shape[1:], np.nan),
        cells,
        cell_freedom,
        puzzles + between_patterns,
        puzzle_freedom,
        _weighted(shared, square),
        np.nan_to_num(scale) @ sizes_of.T / sizes_of.sum(1),
        n @ known,
        clusters @ known,
    )


def stacked(parts: Sequence[Components]) -> Components:
    """Concatenate flat components."""
    return Components(*(np.concatenate(columns) for columns in zip(*(one.flat() for one in parts), strict=True)))


def _weighted(table: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Sums of (steps, groups) with weights of shape (functionals, groups); NaN where a group with weight has none."""
    missing = (~np.isfinite(table)).astype(float) @ (by != 0).T.astype(float) > 0
    return np.where(missing, np.nan, np.where(np.isfinite(table), table, 0.0) @ by.T)


def _satterthwaite(variance: np.ndarray, freedom: np.ndarray, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted sum of estimated variances, and its degrees of freedom."""
    total = _weighted(variance, square)
    weak = np.where(freedom > 0, np.nan_to_num(variance) ** 2 / freedom, 0.0) @ (square**2).T
    together = np.nan_to_num(freedom) @ (square != 0).T.astype(float)
    return total, np.where(weak > 0, total**2 / weak, together)


def _totals(values: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Sums of (steps, columns) by a code for each column; of shape (steps, count)."""
    return np.array([np.bincount(codes, row, count) for row in values])


def _correction(share: np.ndarray, used: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """The factor that makes the sum of squared weighted deviations of clusters from their mean unbiased, for unequal
    shares."""
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

    Patterns with a single puzzle form one stratum; where a group has only one such pattern, the others stand in for it.
    """
    alone = sizes == 1
    own = np.nan_to_num(_totals(np.where(there, middle, 0.0), cluster, len(owner)) / sizes)
    singles = _totals(alone.astype(float), owner, count)
    centre = _totals(np.where(alone, own, 0.0), owner, count) / singles
    reference = np.where(alone, centre[:, owner], own)
    squares = _totals(np.where(there, middle - reference[:, cluster], 0.0) ** 2, cluster, len(owner))
    within = _totals(np.where(alone | (sizes == 0), 0.0, squares * sizes / (sizes - 1)), owner, count)
    freedom = _totals(np.where(sizes > 1, sizes - 1, 0.0), owner, count)
    several = _totals(np.where(sizes > 1, sizes, 0.0), owner, count)
    across = _totals(np.where(alone, squares, 0.0), owner, count) * singles / (singles - 1)
    across = np.where(singles == 1, within / several, np.where(singles > 1, across, 0.0))
    return (within + across) / n**2, freedom + np.maximum(singles - 1, 0)


def _of_new_patterns(
    middle: np.ndarray,
    there: np.ndarray,
    cluster: np.ndarray,
    sizes: np.ndarray,
    owner: np.ndarray,
    n: np.ndarray,
    families: np.ndarray,
    scale: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The variance of group means over puzzles of new patterns: within patterns and between patterns.

    Classes may have one or two patterns, so the variance between patterns is a multiple of `scale`, estimated from all
    families together by moments.

    Returns:
        Both variances, of shape (steps, groups), and the degrees of freedom of the second, of shape (steps,).
    """
    count = n.shape[1]
    own = np.nan_to_num(_totals(np.where(there, middle, 0.0), cluster, len(owner)) / sizes)
    squares = _totals(np.where(there, middle - own[:, cluster], 0.0) ** 2, cluster, len(owner))
    freedom = _totals(np.maximum(sizes - 1, 0.0), owner, count)
    # Variance within patterns is common to a group; where no pattern has two puzzles, patterns stand for puzzles.
    one = np.nan_to_num(_totals(squares, owner, count) / freedom)[:, owner]
    used = sizes > 0
    error = np.where(used, one / np.where(used, sizes, 1.0), 0.0)
    family = families[owner]
    kinds = int(families.max(initial=-1)) + 1
    members = _totals(used.astype(float), family, kinds)
    centre = _totals(np.where(used, own, 0.0), family, kinds) / members
    away = np.where(used, (own - np.nan_to_num(centre)[:, family]) ** 2, 0.0)
    left = np.where(members > 0, 1 - 1 / members, 0.0)[:, family]
    expected = (left * np.where(used, scale[:, owner], 0.0)).sum(1)
    multiple = np.maximum(0.0, (away.sum(1) - (left * error).sum(1)) / expected)
    parts = np.where(used, (sizes / n[:, owner]) ** 2, 0.0)
    by_puzzle = np.where(n > 0, _totals(parts * error, owner, count), np.nan)
    by_pattern = np.where(n > 0, _totals(parts, owner, count) * scale * np.nan_to_num(multiple)[:, None], np.nan)
    return by_puzzle, by_pattern, np.maximum(members - 1, 0.0).sum(1)
