"""Collapse: whether success falls after its best checkpoint by more than the noise, from where, and how far.

The best and the lowest checkpoint are chosen because they look so, and a plain test of their difference would find a
fall in most curves without one. So the largest of the falls between all pairs of checkpoints is compared with the
largest of as many falls without a trend: the signs of the changes are flipped at random, together for all pairs, which
keeps puzzles paired (the single-step maximum of Westfall and Young 1993). Several seeds are clusters: the variance of a
pair also has that between the seeds' own falls, estimated over all pairs together, and the draws add it with the few
degrees of freedom of the seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from ramify.analysis.acquisition import UNKNOWN, contrast, first_steps
from ramify.analysis.cells import Grouping, SetCells, grouping
from ramify.analysis.derived_metrics import COLLAPSE, COLLAPSE_BEST, COLLAPSE_LOWEST
from ramify.analysis.linear import Curves, curves, pattern_codes
from ramify.analysis.metrics import mean_at_k
from ramify.analysis.rows import rows
from ramify.randomness import generator

FELL, RECOVERED, KEPT = "fell", "fell and rose again", "no clear fall"

LEVEL = 0.05
SMALLEST = 0.1
"""The smallest fall that is reported, as a share of the best success."""
FEWEST = 6
"""Below this number of puzzles no flips could be significant."""
FEWEST_STEPS = 3
"""Between two checkpoints, a fall is a negative gain."""
DRAWS = 1999
MANY_STEPS = 7
"""From this number of checkpoints on, the wander of a seed between them counts as two independent values. A random walk
counts as about two and a half, by its eigenvalues, and independent checkpoints as more."""


@dataclass(frozen=True, slots=True)
class Fall:
    """The largest fall of success between two checkpoints.

    Attributes:
        best, lowest: the numbers of the two checkpoints, in order.
        before, after: mean success at them.
        end: mean success at the last checkpoint.
        p: of the test that success never falls, for the largest of all falls.
    """

    best: int
    lowest: int
    before: float
    after: float
    end: float
    p: float

    @property
    def is_clear(self) -> bool:
        """Whether the fall is beyond the noise, and at least `SMALLEST` of the best success."""
        return self.p <= LEVEL and self.before - self.after >= SMALLEST * self.before

    @property
    def lasts(self) -> bool:
        """Whether at the last checkpoint less than half of the fall is regained."""
        return self.end < (self.before + self.after) / 2


def collapses(cells: SetCells, seeds: Sequence[int]) -> list[pl.DataFrame]:
    """Test whether success fell in every group, for one seed or for several together.

    The rows of *collapse* hold the first checkpoint from which success stays below half of the fall, with the interval
    of `acquisition`, and p; those of *collapse: best* and *collapse: lowest* the checkpoints between which it fell. All
    have the last checkpoint as step, and no value without a clear fall. Fewer than `FEWEST_STEPS` checkpoints have no
    rows.
    """
    curve = curves(cells, seeds, mean_at_k(cells.samples), cells.samples)
    steps = curve.steps
    if len(steps) < FEWEST_STEPS:
        return []
    whole = np.asarray(curve.asked.all(0))
    shares = np.where(whole, curve.numerator / curve.denominator, np.nan)
    seed, found = seeds[0] if len(seeds) == 1 else None, []
    for by in COLLAPSE.groupings:
        groups = grouping(cells.puzzles, by)
        table, p = np.full((5, 1, len(groups.names)), np.nan), np.full((1, len(groups.names)), np.nan)
        n = groups.totals(whole[None].astype(float))
        status = np.where(n < FEWEST, UNKNOWN, KEPT).astype(object)
        for code in range(len(groups.names)):
            fall = largest_fall(shares[:, :, groups.codes == code], curve.share_base)
            if fall is None:
                continue
            p[0, code] = fall.p
            if fall.is_clear:
                status[0, code] = FELL if fall.lasts else RECOVERED
                onset = _onset(fall, shares, curve, groups, pattern_codes(cells.puzzles), code)
                table[:, 0, code] = *onset, steps[fall.best], steps[fall.lowest]
        where = cells.name, seed, by, steps[-1:], groups.names
        found.append(rows(COLLAPSE.name, *where, list(table[:3]), n=n, p=p, status=status))
        for metric, value in ((COLLAPSE_BEST, table[3]), (COLLAPSE_LOWEST, table[4])):
            found.append(rows(metric.name, *where, [value], n=n))
    return found


def _onset(
    fall: Fall, shares: np.ndarray, curve: Curves, groups: Grouping, codes: np.ndarray, code: int
) -> tuple[float, ...]:
    """The first checkpoint from which success of a group stays below half of its fall, and the ends of its interval."""
    within = slice(fall.best, fall.lowest + 1)
    part = shares[:, within]
    of = Curves(
        curve.steps[within],
        curve.numerator[:, within],
        curve.denominator[:, within],
        curve.kind,
        curve.k,
        curve.base if fall.best == 0 else 0,
    )
    below = contrast((part[:, :1] + part[:, -1:]) / 2 - part, of, groups, codes, False)
    return tuple(float(end[code]) for end in first_steps(below, np.array(of.steps, float), may_be_first=False))


def largest_fall(values: np.ndarray, share_base: bool = False) -> Fall | None:
    """Test the largest fall of mean success over the checkpoints.

    With one seed the p is for other puzzles and these checkpoints; with several, for other training runs too.

    Args:
        values: success of each puzzle, of shape (seeds, checkpoints, puzzles); puzzles with a NaN are left out.
        share_base: whether the first checkpoint is one model, the base, in all seeds.

    Returns:
        The fall; None below two checkpoints or `FEWEST` puzzles, or if mean success never falls.

    Eight puzzles of which each is lost after the second checkpoint:

    >>> fall = largest_fall(np.repeat([[[0.5], [1.0], [0.0]]], 8, axis=2))
    >>> fall.best, fall.lowest, fall.before, fall.after, fall.p < 0.02, fall.is_clear, fall.lasts
    (1, 2, 1.0, 0.0, True, True, True)
    >>> largest_fall(np.repeat([[[0.0], [0.5], [1.0]]], 8, axis=2)) is None
    True
    """
    values = values[:, :, np.isfinite(values).all((0, 1))]
    seeds, steps, puzzles = values.shape
    if steps < 2 or puzzles < FEWEST:
        return None
    middle = values.mean(0)
    mean = middle.mean(1)
    first, later = np.triu_indices(steps, 1)
    falls = mean[first] - mean[later]
    chosen = int(np.argmax(falls))
    if falls[chosen] <= 0:
        return None
    squares = middle @ middle.T
    own = np.diag(squares)
    between = _between(values, first, later, share_base) if seeds > 1 else 0.0
    # The flips do not change the sum of squares of a pair, so that it serves all draws.
    error = np.sqrt(np.clip(own[first] + own[later] - 2 * squares[first, later], 0, None) / puzzles**2 + between)
    drawn = _signs(puzzles) @ middle.T / puzzles
    if seeds > 1:
        drawn = drawn + np.sqrt(between / 2) * _of_seeds(seeds, steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        largest = np.nan_to_num((drawn[:, first] - drawn[:, later]) / error).max(1)
    p = (1 + int((largest >= falls[chosen] / error[chosen] - 1e-9).sum())) / (DRAWS + 1)
    best, lowest = int(first[chosen]), int(later[chosen])
    return Fall(best, lowest, float(mean[best]), float(mean[lowest]), float(mean[-1]), p)


def _between(values: np.ndarray, first: np.ndarray, later: np.ndarray, share_base: bool) -> float:
    """The variance of the mean fall of a pair that comes from the seeds, over all pairs together; at least 0.

    What the residuals of puzzles within seeds explain is taken off.
    """
    seeds, _, puzzles = values.shape
    means = values.mean(2)
    rest = values - values.mean(0) - (means - means.mean(0))[:, :, None]
    squares = np.einsum("sap,sbp->ab", rest, rest) / (puzzles * (puzzles - 1) * (seeds - 1))
    own = np.diag(squares)
    wanted = first > 0 if share_base and (first > 0).any() else np.ones(len(first), bool)
    first, later = first[wanted], later[wanted]
    observed = (means[:, first] - means[:, later]).var(0, ddof=1)
    explained = own[first] + own[later] - 2 * squares[first, later]
    return max(0.0, float((observed - explained).mean() / seeds))


@cache
def _signs(puzzles: int) -> np.ndarray:
    """Random signs of shape (DRAWS, puzzles), from a fixed seed."""
    return generator(f"collapse/{puzzles}").choice(np.array([-1.0, 1.0]), (DRAWS, puzzles))


@cache
def _of_seeds(seeds: int, steps: int) -> np.ndarray:
    """Draws of the seeds' part, of shape (DRAWS, steps): normal over an estimated deviation, as in Student's t."""
    random = generator(f"collapse/{seeds}/{steps}")
    freedom = (seeds - 1) * (2 if steps >= MANY_STEPS else 1)
    scale = np.sqrt(freedom / random.chisquare(freedom, (DRAWS, 1)))
    return np.asarray(random.normal(size=(DRAWS, steps)) * scale)
