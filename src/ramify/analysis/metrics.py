"""The metrics, each one decorated function of the cells of a group; a new metric is a new function.

A cell is a puzzle at one checkpoint of one seed: how many samples, how many correct, what was attempted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from ramify.analysis.estimators import over_seeds, pass_at_k, ratio, wilson
from ramify.records import Estimate
from ramify.run import Run
from ramify.tables import ESTIMATES, read_table

GROUPINGS: dict[str, tuple[str, ...]] = {
    "all": (),
    "n": ("n",),
    "pattern": ("pattern",),
    "n,shape_class": ("n", "shape_class"),
    "n,depth": ("n", "depth"),
    "n,lookahead": ("n", "lookahead"),
    "n,forced": ("n", "forced"),
}

Metric = Callable[[pl.DataFrame, str], Estimate]


@dataclass(frozen=True, slots=True)
class Registered:
    """A metric and its name (`{k}` in it is the number of samples); `bounded` if it is a share."""

    name: str
    function: Metric
    bounded: bool


METRICS: list[Registered] = []


def metric(name: str, bounded: bool = True) -> Callable[[Metric], Metric]:
    """Register a function of (cells, name of the estimate) as a metric."""

    def register(function: Metric) -> Metric:
        METRICS.append(Registered(name, function, bounded))
        return function

    return register


@metric("mean@{k}")
def mean_at_k(cells: pl.DataFrame, name: str) -> Estimate:
    """Mean correctness over the samples."""
    return ratio((cells["correct"] / cells["k"]).to_list(), [1.0] * len(cells), True, name)


@metric("pass@{k}")
def pass_at_all(cells: pl.DataFrame, name: str) -> Estimate:
    """Share of the puzzles that at least one sample solves (unbiased pass@k at k = all samples)."""
    solved = [pass_at_k(correct, k, k) for correct, k in cells.select("correct", "k").iter_rows()]
    return wilson(sum(solved), len(solved))


@metric("greedy")
def greedy(cells: pl.DataFrame, name: str) -> Estimate:
    """Share of the puzzles that the completion at temperature 0 solves; missing where none was sampled."""
    solved = cells["greedy"].drop_nulls()
    return wilson(float(solved.sum()), len(solved))


@metric("execution")
def execution(cells: pl.DataFrame, name: str) -> Estimate:
    """Share of the attempts with stated values whose stated values are all right; answers do not count."""
    return ratio(cells["right"].to_list(), cells["stated"].to_list(), True, name)


@metric("attempts", bounded=False)
def attempts(cells: pl.DataFrame, name: str) -> Estimate:
    """Attempts a completion, the answer not counted."""
    return ratio(cells["attempts"].to_list(), cells["k"].to_list(), False, name)


@metric("truncated")
def truncated(cells: pl.DataFrame, name: str) -> Estimate:
    """Share of the completions that the limit on their length ended before an answer."""
    return ratio(cells["truncated"].to_list(), cells["k"].to_list(), True, name)


def cells(run: Run, seed: int, name: str, step: int) -> pl.DataFrame:
    """The cells of a set at a checkpoint: the puzzle's columns, and of its samples k, correct, attempts, stated, right,
    truncated; and greedy (1, 0 or null)."""
    grades = read_table(run.derived_file("grades", seed, name, step))
    found = read_table(run.derived_file("attempts", seed, name, step))
    sampled = pl.col("sample") >= 0
    searched = found.filter(sampled & ~pl.col("is_answer") & (pl.col("stated") > 0))
    correct = pl.col("verdict") == "correct"
    return (
        run.puzzles(name)
        .join(
            grades.filter(sampled)
            .group_by("puzzle_id")
            .agg(
                k=pl.len(),
                correct=correct.sum(),
                attempts=pl.col("attempts").sum(),
                truncated=(pl.col("verdict") == "truncated").sum(),
            ),
            on="puzzle_id",
        )
        .join(
            searched.group_by("puzzle_id").agg(stated=pl.len(), right=(~pl.col("miscalculated")).sum()),
            on="puzzle_id",
            how="left",
        )
        .join(grades.filter(~sampled).select("puzzle_id", greedy=correct.cast(pl.Int32)), on="puzzle_id", how="left")
        .with_columns(pl.col("stated", "right").fill_null(0))
        .sort("puzzle_id")
    )


def estimate(run: Run) -> pl.DataFrame:
    """Every metric for every seed, set, checkpoint and group; and pooled over the seeds (seed null)."""
    rows = [row for seed in run.seeds for name, step in run.sampled(seed) for row in _rows(run, seed, name, step)]
    single = pl.DataFrame(rows, schema=ESTIMATES, orient="row")
    keys = ["metric", "set", "step", "by", "group"]
    unbounded = {registered.name for registered in METRICS if not registered.bounded}
    pooled = []
    for key, part in single.filter(pl.col("value").is_not_nan()).group_by(keys, maintain_order=True):
        metric_name, name, step, by, group = key
        found = _pooled(part, bounded=metric_name not in unbounded)
        pooled.append((metric_name, name, step, None, by, group, found.value, found.low, found.high, found.n))
    both = pl.concat([single, pl.DataFrame(pooled, schema=ESTIMATES, orient="row")])
    # NaN is what a computation gives; in a table a missing measurement is null.
    return both.with_columns(pl.col("value", "low", "high").fill_nan(None))


def _pooled(seeds: pl.DataFrame, bounded: bool) -> Estimate:
    """The estimate over seeds, its interval cut to what is possible.

    Where all seeds agree exactly (the base model at temperature 0 is one measurement), Student's t has no width, and
    the interval over puzzles stands.
    """
    found = over_seeds(seeds["value"].to_list())
    low, high = found.low, found.high
    if high - low < 1e-9:
        low, high = seeds["low"].to_list()[0], seeds["high"].to_list()[0]
    return Estimate(found.value, max(low, 0.0), min(high, 1.0) if bounded else high, found.n)


def _rows(run: Run, seed: int, name: str, step: int) -> Iterator[tuple]:
    frame = cells(run, seed, name, step)
    if frame.is_empty():
        return
    k = max(frame["k"].to_list())
    for by, columns in GROUPINGS.items():
        parts = frame.partition_by(columns, as_dict=True, maintain_order=True) if columns else {("all",): frame}
        for group, part in sorted(parts.items(), key=lambda item: str(item[0])):
            text = ",".join(str(value) for value in group)
            for registered in METRICS:
                metric_name = registered.name.format(k=k)
                found = registered.function(part, f"{metric_name}/{seed}/{name}/{step}/{by}/{text}")
                yield (metric_name, name, step, seed, by, text, found.value, found.low, found.high, found.n)
