"""Rows for levels and gains by group, with both intervals, for one seed or all together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from ramify.analysis.cells import Grouping, SetCells, grouping
from ramify.analysis.changes import is_paired
from ramify.analysis.crossed import Components, components, stacked
from ramify.analysis.metric_record import FINE, GAIN, Metric, Ratio
from ramify.analysis.metrics import measured, metric_of
from ramify.analysis.moderated import FEWEST_IN_FAMILY, intervals, moderated, prior
from ramify.analysis.rows import rows
from ramify.tasks.base import Task

FAMILY = {"all": "n"}
"""For a grouping with a single group, the grouping whose seed components moderate it."""


class Curves(NamedTuple):
    """A metric over the checkpoints that a list of seeds shares.

    Attributes:
        numerator, denominator: of shape (seeds, steps, puzzles); NaN where a puzzle was not asked.
        k: samples per puzzle.
        base: samples per puzzle of a base that was sampled once for all seeds; 0 if each seed sampled it.
        order: samples that a value needs, such as j for pass@j.
    """

    steps: list[int]
    numerator: np.ndarray
    denominator: np.ndarray
    kind: str
    k: int
    base: int = 0
    order: int = 1

    @property
    def asked(self) -> np.ndarray:
        """Whether all seeds were asked the puzzle, of shape (steps, puzzles)."""
        finite: np.ndarray = np.isfinite(self.denominator).all(0)
        return finite

    @property
    def share_base(self) -> bool:
        """Whether the first checkpoint is one model, the base, in all seeds."""
        return self.steps[0] == 0 and len(self.numerator) > 1

    @property
    def draws(self) -> np.ndarray:
        """The samples of all seeds per puzzle, of shape (steps, 1)."""
        found = np.full((self.numerator.shape[1], 1), self.k * len(self.numerator))
        if self.base:
            found[0] = self.base
        return found


class Part(NamedTuple):
    """Functionals of a metric, set and grouping at a list of steps, with the metadata of their rows."""

    metric: str
    set: str
    by: str
    steps: Sequence[int]
    names: Sequence[str]
    components: Components
    seeds: int
    bounded: bool = False
    tested: bool = False
    status: np.ndarray | None = None
    measured: np.ndarray | None = None


def curves(
    cells: SetCells, seeds: Sequence[int], ratio: Ratio, k: int, steps: Sequence[int] | None = None, order: int = 1
) -> Curves:
    """The values of a metric for a list of seeds.

    Args:
        order: samples that a value needs.
        steps: checkpoints that all seeds have; None for all of them.
    """
    steps = shared_steps(cells, seeds) if steps is None else list(steps)
    tables = [cells.values(seed, ratio.numerator, ratio.denominator) for seed in seeds]
    at = [np.isin(cells.steps(seed), steps) for seed in seeds]
    above, below = (np.array([table[side][here] for table, here in zip(tables, at, strict=True)]) for side in (0, 1))
    return Curves(steps, above, below, ratio.kind, k, cells.base_samples if steps[:1] == [0] else 0, order)


def shared_steps(cells: SetCells, seeds: Sequence[int]) -> list[int]:
    """The checkpoints that all seeds have, sorted."""
    return sorted(set.intersection(*(set(cells.steps(seed)) for seed in seeds)))


def is_crossed(cells: SetCells, seeds: Sequence[int]) -> bool:
    """Whether the seeds answered mostly the same puzzles at their shared checkpoints."""
    steps = shared_steps(cells, seeds)
    asked = [np.isfinite(cells.values(seed, pl.col("k"))[0][np.isin(cells.steps(seed), steps)]) for seed in seeds]
    return bool(steps) and bool((np.all(asked, 0).sum(1) * 2 > np.max(asked, 0).sum(1)).all())


def claims_shape(by: str, task: Task) -> bool:
    """Whether claims about the groups of a grouping extend to new patterns of their kind.

    >>> from ramify.tasks.registry import default_task
    >>> claims_shape("n,shape_class", default_task()), claims_shape("pattern", default_task())
    (True, False)
    """
    return not task.STRUCTURE.isdisjoint(by.split(","))


def pattern_codes(puzzles: pl.DataFrame) -> np.ndarray:
    """An integer code for each puzzle's source pattern; a puzzle without one gets its own code."""
    named = puzzles["pattern"].rank("dense").fill_null(0).to_numpy().astype(np.int64)
    missing = named == 0
    return np.where(missing, named.max(initial=0) + np.cumsum(missing), named)


def linearised(numerator: np.ndarray, denominator: np.ndarray, asked: np.ndarray, groups: Grouping) -> np.ndarray:
    """Values of puzzles whose mean in each group is Σ numerator / Σ denominator (Cochran 1977, section 2.11).

    Args:
        numerator, denominator: of shape (seeds, steps, puzzles).
        asked: puzzles that count, of shape (steps, puzzles); the others are NaN.
    """
    n = groups.totals(asked.astype(float))
    found = []
    for above, below in zip(np.where(asked, numerator, 0.0), np.where(asked, denominator, 0.0), strict=True):
        above = np.nan_to_num(above)
        with np.errstate(divide="ignore", invalid="ignore"):
            mass = groups.totals(below)
            ratio = groups.totals(above) / mass
            own = ratio[:, groups.codes] + (above - ratio[:, groups.codes] * below) * (n / mass)[:, groups.codes]
        found.append(np.where(asked, own, np.nan))
    return np.array(found)


def levels(curve: Curves, groups: Grouping, codes: np.ndarray, by_pattern: bool) -> Components:
    """The error components of the metric at each step."""
    values = linearised(curve.numerator, curve.denominator, curve.asked, groups)
    return components(values, groups, codes, by_pattern=by_pattern, **chance(curve, groups))


class Changes(NamedTuple):
    """The gain of each puzzle since the first checkpoint, of shape (seeds, steps - 1, puzzles).

    Attributes:
        noise: the variance of the base's mean, of shape (steps - 1, puzzles).
        scale, floor, cell_floor: of `crossed.components`, of shape (steps - 1, groups).
    """

    values: np.ndarray
    noise: np.ndarray
    scale: np.ndarray
    floor: np.ndarray
    cell_floor: np.ndarray


def changes(curve: Curves, groups: Grouping) -> Changes:
    """The gain of each puzzle since the first checkpoint; if that is the base, since its mean over the seeds."""
    asked = curve.asked[1:] & curve.asked[:1]
    after = curve._replace(numerator=curve.numerator[:, 1:], denominator=curve.denominator[:, 1:], base=0)
    once = slice(1) if curve.base else slice(None)  # a base sampled once counts once
    shape = np.broadcast_shapes(curve.numerator[once, :1].shape, (1, *after.numerator.shape[1:]))
    before = curve._replace(
        numerator=np.broadcast_to(curve.numerator[once, :1], shape),
        denominator=np.broadcast_to(curve.denominator[once, :1], shape),
        k=curve.base or curve.k,
        base=0,
    )
    first, later = (linearised(side.numerator, side.denominator, asked, groups) for side in (before, after))
    of_first, of_later = (chance(side, groups, asked) for side in (before, after))
    noise = np.zeros(asked.shape)
    if curve.share_base and curve.base:
        noise = _of_sampling(first[0], curve)
        first = np.broadcast_to(first, later.shape)
    elif curve.share_base:
        base = first.mean(0)
        noise = first.var(0, ddof=1) / len(first)
        if not np.nansum(noise) and curve.kind == "share" and curve.k > 1:  # sampled once for all seeds
            noise = np.clip(base * (1 - base), 0, None) / (curve.k - 1)
        first = np.broadcast_to(base, first.shape)
    floor = of_later["floor"] + of_first["floor"]
    own = of_later["floor"] if curve.share_base else floor
    return Changes(later - first, noise, of_later["scale"], floor, own)


def _of_sampling(values: np.ndarray, curve: Curves) -> np.ndarray:
    """The variance of each puzzle's base value from its samples; 0 for a mean, whose variance cells do not have.

    A value of one sample, p, has p (1 - p) / (base - 1), unbiased. A value that needs several, such as pass@j, is a
    mean over subsets of the samples, whose variance is at most that of base / order disjoint ones (Hoeffding 1948).
    """
    if curve.kind == "mean":
        return np.zeros_like(values)
    noise: np.ndarray = np.clip(values * (1 - values), 0, None) / max(curve.base / curve.order - 1, 1)
    return noise


def gains(curve: Curves, groups: Grouping, codes: np.ndarray, by_pattern: bool) -> Components:
    """The error components of the gain since the first checkpoint, at each later one."""
    found = changes(curve, groups)
    return components(found.values, groups, codes, by_pattern=by_pattern, **_unfloored(found, groups))


def _unfloored(found: Changes, groups: Grouping) -> dict[str, np.ndarray]:
    """The arguments of `components`; fine groupings with many groups get no floor, because their variances are
    moderated."""
    least = 0.0 if groups.by in FINE and len(groups.names) >= FEWEST_IN_FAMILY else 1.0
    floors = {"floor": least * found.floor, "cell_floor": least * found.cell_floor}
    return {"noise": found.noise, "scale": found.scale, **floors}


def chance(curve: Curves, groups: Grouping, asked: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Scale and floor of `crossed.components` for each step and group: the variance from sampling alone.

    Args:
        asked: puzzles that count; None for those that all seeds were asked.
    """
    asked = curve.asked if asked is None else asked
    n = groups.totals(asked.astype(float))
    above, below = (
        groups.totals(np.where(asked, np.nan_to_num(part).sum(0), 0.0)) for part in (curve.numerator, curve.denominator)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        level = above / below
        if curve.kind == "mean":
            return {"scale": np.abs(level), "floor": np.zeros_like(n)}
        draws = n if curve.kind == "trials" else n * curve.draws
        share = np.clip((level * draws + 0.5) / (draws + 1), 0.0, 1.0)
        return {"scale": share * (1 - share), "floor": share * (1 - share) / draws}


def linear_parts(
    cells: SetCells, seeds: Sequence[int], groupings: Sequence[str], metrics: Mapping[str, Ratio] | None = None
) -> Iterator[Part]:
    """Levels and gains of metrics by each grouping in a set; all metrics by default."""
    k, codes = cells.samples, pattern_codes(cells.puzzles)
    paired = all(is_paired(cells.values(seed, pl.col("k"))[0]) for seed in seeds)
    metrics = measured(k, cells.task.UNKNOWN) if metrics is None else metrics
    records = {name: metric_of(name) for name in metrics}
    found = {
        name: (records[name], curves(cells, seeds, ratio, k, order=_order(records[name], name, k)))
        for name, ratio in metrics.items()
    }
    for by in groupings:
        groups = grouping(cells.puzzles, by)
        by_pattern = claims_shape(by, cells.task)
        for name, (metric, curve) in found.items():
            if not metric.has(by):
                continue
            with np.errstate(invalid="ignore"):
                n = groups.totals((curve.denominator > 0).any(0).astype(float))
            of = levels(curve, groups, codes, by_pattern)
            bounded = curve.kind != "mean"
            yield Part(name, cells.name, by, curve.steps, groups.names, of, len(seeds), bounded=bounded, measured=n)
            if len(curve.steps) > 1 and paired and metric.has_gain(by):
                of = gains(curve, groups, codes, by_pattern)
                yield Part(
                    name + GAIN, cells.name, by, curve.steps[1:], groups.names, of, len(seeds), tested=True,
                    measured=n[1:],
                )  # fmt: skip


def _order(metric: Metric, name: str, k: int) -> int:
    """The number of samples that a value of a metric needs.

    >>> _order(metric_of("pass@2"), "pass@2", 4), _order(metric_of("mean@4"), "mean@4", 4)
    (2, 1)
    """
    if metric.kind == "trials":
        return k
    return metric.number(name) or 1 if "{j}" in metric.name else 1


def moderated_rows(
    parts: Sequence[Part], seed: int | None, family: Mapping[str, str] = FAMILY
) -> Iterator[pl.DataFrame]:
    """The rows of parts, with seed components moderated by those of the same metric and grouping in all sets.

    Args:
        seed: the seed of the rows; null if pooled.
        family: for a grouping, the grouping whose components moderate it instead, where it has any.
    """
    alike: dict[tuple[str, str, int], list[Part]] = {}
    for part in parts:
        alike.setdefault((part.metric, part.by, part.seeds), []).append(part)
    for (metric, by, seeds), members in alike.items():
        others = alike.get((metric, family.get(by, by), seeds), members)
        # The base is one model, without a seed component.
        if by in FINE:
            members = [part._replace(components=_moderated_by_step(part.components)) for part in members]
            others = members
        trained = [_some(part.components, np.array(part.steps) > 0).flat() for part in others]
        known = prior(stacked(trained), seeds, sum(len(part.names) for part in others))
        for part in members:
            shape = part.components.value.shape
            found = intervals(part.components.flat(), seeds, known, part.bounded)
            base = intervals(part.components.flat(), seeds, None, part.bounded)
            is_base = np.repeat(np.array(part.steps) == 0, len(part.names))
            low, high, again_low, again_high, p = (
                np.where(is_base, one, other).reshape(shape) for one, other in zip(base, found, strict=True)
            )
            if part.status is not None:  # too few puzzles or patterns for a claim about new patterns
                silent = part.status != None  # noqa: E711
                low, high, p = (np.where(silent, np.nan, one) for one in (low, high, p))
            n = part.components.n if part.measured is None else part.measured
            table = rows(
                metric, part.set, seed, by, part.steps, part.names, [part.components.value, low, high],
                n=n, p=p if part.tested else np.nan, status=part.status,
                retrained=(again_low, again_high), patterns=part.components.patterns,
            )  # fmt: skip
            yield table.filter(pl.col("value").is_not_null()) if by in FINE else table


def _moderated_by_step(parts: Components) -> Components:
    steps = [moderated(_some(parts, np.arange(len(parts.n)) == step).flat()) for step in range(len(parts.n))]
    return Components(*(np.array(part) for part in zip(*steps, strict=True)))


def _some(parts: Components, steps: np.ndarray) -> Components:
    return Components(*(part[steps] for part in parts))
