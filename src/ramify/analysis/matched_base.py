"""Gaps between uniquely solvable puzzles of equal base difficulty.

Right-heavy puzzles may fail more after training because they were harder before. Base difficulty needs many samples of
the base, and samples other than those that the gain starts from: otherwise puzzles that seem hard by chance also seem
to gain. So the samples of the base are divided at random: one half defines classes of difficulty, the other is the
base of the comparison. Success in the first half is shrunk towards the mean of puzzles of the same n and shape class
(Kelley 1927): of two puzzles with equal counts, that of the harder class is harder. At step 0 the gap shows what the
matching left unequal.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells, grouping
from ramify.analysis.crossed import components
from ramify.analysis.derived_metrics import MATCHED_GAPS
from ramify.analysis.linear import Curves, Part, curves, pattern_codes
from ramify.analysis.metric_record import GAIN
from ramify.analysis.metrics import mean_at_k
from ramify.analysis.shapes import too_few
from ramify.randomness import generator

FEWEST_SAMPLES = 16
"""The least samples of the base per puzzle, of all seeds together; half of them define the classes."""
CLASSES = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0])
"""The upper ends of the classes of expected base success."""


def matched_gaps(cells: SetCells, seeds: Sequence[int]) -> Iterator[Part]:
    """Success on right-heavy (balanced) minus left-heavy uniquely solvable puzzles of equal n and base success.

    Classes of base success are weighted by their right-heavy (balanced) puzzles; puzzles without a counterpart do not
    count. Groups are all and n. Levels have every checkpoint; gains are since the half of the base that did not match.
    Nothing without the base, or below `FEWEST_SAMPLES` samples of it.
    """
    curve = curves(cells, seeds, mean_at_k(cells.samples), cells.samples)
    if curve.steps[:1] != [0] or "forced" not in cells.puzzles.columns:
        return
    correct, drawn = (np.array([cells.values(seed, pl.col(name))[0][0] for seed in seeds]) for name in ("correct", "k"))
    if cells.base_seed is not None:
        correct, drawn = correct[:1], drawn[:1]
    there = curve.asked.all(0) & cells.puzzles["forced"].to_numpy()
    total = np.where(there, drawn.sum(0), 0).astype(int)
    there &= total >= FEWEST_SAMPLES
    if not there.any():
        return
    right = np.where(there, correct.sum(0), 0).astype(int)
    kinds = grouping(cells.puzzles, "n,shape_class")
    expected, base, noise = halves(cells.name, right, np.where(there, total, 2), np.where(there, kinds.codes, -1))
    level = CLASSES[np.searchsorted(CLASSES, expected)]
    # The base of the comparison is one model, the same for all seeds.
    numerator = curve.numerator.copy()
    numerator[:, 0] = base
    half = int(np.median(total[there])) // 2
    curve = curve._replace(numerator=numerator, denominator=np.ones_like(numerator), base=half)
    for shape in cells.task.STRATA:
        for by in ("all", "n"):
            yield from _compared(cells, curve, there, level, noise, shape, by)


def halves(name: str, correct: np.ndarray, total: np.ndarray, kinds: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each puzzle's expected success given a random half of its samples, success in the other half, and its variance.

    Samples of a puzzle are exchangeable, so the correct ones of a half are a hypergeometric draw, from a fixed seed.
    The expectation is linear in the first half: the mean of the kind plus the reliability times the distance from it,
    the mean of the posterior if success has a beta distribution in each kind.

    Args:
        kinds: the kind of each puzzle; -1 for puzzles that do not count.
    """
    first = total // 2
    of_first = generator(f"halves/{name}").hypergeometric(correct, total - correct, first)
    rest = total - first
    base = (correct - of_first) / rest
    share = of_first / first
    expected = share.astype(float)
    for kind in np.unique(kinds[kinds >= 0]):
        mine = kinds == kind
        mean, spread = share[mine].mean(), share[mine].var()
        noise = (share * (1 - share) / np.maximum(first - 1, 1))[mine].mean()
        reliability = np.clip(1 - noise / spread, 0.0, 1.0) if spread > 0 else 0.0
        expected[mine] = mean + reliability * (share[mine] - mean)
    return expected, base, base * (1 - base) / np.maximum(rest - 1, 1)


def _compared(
    cells: SetCells, curve: Curves, there: np.ndarray, level: np.ndarray, noise: np.ndarray, shape: str, by: str
) -> Iterator[Part]:
    puzzles = cells.puzzles.select("pattern", "n", "shape_class").with_columns(base=pl.Series(level))
    strata = grouping(puzzles, "n,base")
    sides = [there & (puzzles["shape_class"] == name).to_numpy() for name in (shape, "left-heavy")]
    counts = [np.bincount(strata.codes[side], minlength=len(strata.names)) for side in sides]
    both = np.minimum(*counts) > 0
    sides = [side & both[strata.codes] for side in sides]
    if not sides[0].any():
        return
    used = np.flatnonzero(sides[0] | sides[1])
    frame = puzzles.with_columns(side=pl.Series(np.where(sides[0], "0", "1")))[used]
    groups = grouping(frame, "side" if by == "all" else "n,side")
    names = ["all"] if by == "all" else [name.rpartition(",")[0] for name in groups.names[::2]]
    own = strata.codes[used]
    is_mine, of_group = sides[0][used], groups.codes // 2
    # Left-heavy puzzles are weighted so that each stratum counts as among those they are compared with.
    share = counts[0] / np.maximum(counts[1], 1)
    sums = [np.bincount(of_group[is_mine == side], minlength=len(names)) for side in (True, False)]
    weight = np.where(is_mine, 1.0, share[own] * (sums[1] / sums[0])[of_group])

    def parts(values: np.ndarray, at: np.ndarray, of_base: np.ndarray | float, floor: np.ndarray) -> Part:
        # What the puzzles of a stratum share cancels, so it is left out of the variance.
        other = np.where(is_mine, np.nan, values.mean(0))
        centre = np.array([_means(row, own, len(strata.names)) for row in other])
        rest = (values - centre[:, own]) * weight
        spread = np.clip(groups.totals(at) / groups.sizes, 0.02, 0.98)
        of = components(
            rest, groups, pattern_codes(frame), _contrast(len(names)), by_pattern=True, noise=of_base * weight**2,
            scale=spread * (1 - spread), floor=groups.totals(weight**2 * floor) / groups.sizes**2,
        )  # fmt: skip
        reason = [too_few(frame, groups.codes, [2 * row], [2 * row + 1], shape) for row in range(len(names))]
        status = np.broadcast_to(np.array([reason], object), (len(values[0]), len(names)))
        return Part(name, cells.name, by, curve.steps, names, of, len(values), tested=True, status=status)

    name = MATCHED_GAPS[shape].name
    values = curve.numerator[:, :, used]
    mean = values.mean(0)
    sampled = np.clip(mean, 0.02, 0.98)
    floor = sampled * (1 - sampled) / curve.draws
    yield parts(values, mean, 0.0, floor)
    if len(curve.steps) > 1:
        later = parts(values[:, 1:] - values[:, :1], mean[1:], noise[used], floor[1:] + floor[:1])
        yield later._replace(metric=name + GAIN, steps=curve.steps[1:])


def _means(values: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Means by code, ignoring NaN."""
    known = np.isfinite(values)
    sums = np.bincount(codes[known], values[known], count)
    return np.asarray(sums / np.maximum(np.bincount(codes[known], minlength=count), 1))


def _contrast(count: int) -> np.ndarray:
    """Weights of pairs of groups: the first minus the second of each."""
    weights = np.zeros((count, 2 * count))
    weights[np.arange(count), 2 * np.arange(count)] = 1.0
    weights[np.arange(count), 2 * np.arange(count) + 1] = -1.0
    return weights
