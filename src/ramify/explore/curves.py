"""Estimates over training for the explorer: from the table of a run, or plain means of what is not scored yet."""

from collections.abc import Sequence

import polars as pl

from ramify.analysis.derived_metrics import (
    ATTEMPT_RATE,
    CHOICE,
    CHOICE_MODEL,
    COVERAGE,
    ENTROPY,
    HIT_RATE,
    MODELS,
    MOST_USED,
)
from ramify.analysis.metric_record import GAIN
from ramify.analysis.metrics import GREEDY, metric_of
from ramify.explore.source import TRAINING, Part, Source
from ramify.report.figures import Point
from ramify.tasks.base import Task

EVERY = "all"
"""The set of metrics of all evaluation sets together."""
OF_ATTEMPTS = (COVERAGE, HIT_RATE, ATTEMPT_RATE, CHOICE, ENTROPY, MOST_USED)
"""The metrics whose groups are of the attempted pattern, not of the puzzle."""
_FILTERED = ("n", "pattern", "shape_class", "uses", "solving")
GROUPINGS = ("all", "n", "n,shape_class", "pattern")
"""The groupings of plain means."""
_ROWS = {
    "metric": pl.String,
    "set": pl.String,
    "step": pl.Int32,
    "seed": pl.Int32,
    "by": pl.String,
    "group": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}
"""The columns of a row of a curve, as in `ESTIMATES`."""


def rows(source: Source, name: str) -> pl.DataFrame:
    """All curves of a run: its estimates, and means without an interval where there are no estimates yet.

    Training completions give the metric `reward` in the set `train`. Columns as in `ESTIMATES`, from metric to high.
    """
    run = source.run(name)
    stamps = tuple((part, source.stamp(part)) for part in source.parts(name))
    time = run.estimates_file.stat().st_mtime_ns if run.estimates_file.is_file() else 0
    found: pl.DataFrame = source.kept.get(("curves", name, time, stamps), lambda: _rows(source, name))
    return found


def _rows(source: Source, name: str) -> pl.DataFrame:
    run = source.run(name)
    frames = [pl.DataFrame(schema=_ROWS)]
    if run.estimates_file.is_file():
        frames.append(run.estimates().select(list(_ROWS)).drop_nulls("value"))
    estimates = frames[-1].filter(pl.col("seed").is_not_null())
    known = set(estimates.select("seed", "set", "step").unique().iter_rows())
    parts = source.parts(name)
    frames += [
        _means(source, part) for part in parts if part.set != TRAINING and (part.seed, part.set, part.step) not in known
    ]
    for seed in run.seeds:
        trained = [part for part in parts if part.set == TRAINING and part.seed == seed]
        if trained:
            frames.append(_rewards(source, trained))
    return pl.concat(frames)


def _means(source: Source, part: Part) -> pl.DataFrame:
    """The mean success of an evaluation set at a checkpoint, by `GROUPINGS`."""

    def compute() -> pl.DataFrame:
        drawn = source.verdicts(part).filter(pl.col("sample") >= 0)
        correct = drawn.group_by("puzzle_id").agg(value=(pl.col("verdict") == "correct").mean(), k=pl.len()).collect()
        number = max(map(int, correct["k"]), default=1)
        return _grouped(
            correct.with_columns(step=pl.lit(part.step, pl.Int32)),
            source.puzzles(part.run, part.set),
            part,
            f"mean@{number}",
            GROUPINGS,
        )

    found: pl.DataFrame = source.kept.get(("means", part, source.stamp(part)), compute)
    return found


def _rewards(source: Source, parts: Sequence[Part]) -> pl.DataFrame:
    """The mean reward of the training completions of each step of a seed."""
    name, seed = parts[0].run, parts[0].seed
    files = {str(source.file(part)): part.step for part in parts}
    paid = pl.scan_parquet(
        list(files), glob=False, include_file_paths="file", missing_columns="insert", extra_columns="ignore"
    )
    steps = pl.col("file").replace_strict(files, return_dtype=pl.Int32)
    mean = paid.group_by("file", "puzzle_id").agg(value=pl.col("reward").cast(pl.Float64).mean())
    values = mean.with_columns(step=steps).collect()
    return _grouped(values, source.puzzles(name, TRAINING), Part(name, seed, TRAINING, 0), "reward", GROUPINGS[:3])


def _grouped(
    values: pl.DataFrame, puzzles: pl.DataFrame, part: Part, metric: str, groupings: Sequence[str]
) -> pl.DataFrame:
    """The means of values over the puzzles of each group, at each of their steps."""
    wanted = puzzles.unique("puzzle_id").select("puzzle_id", "n", "shape_class", "pattern")
    joined = values.join(wanted, on="puzzle_id", how="inner")
    frames = [pl.DataFrame(schema=_ROWS)]
    for by in groupings:
        columns = [] if by == "all" else by.split(",")
        names = [pl.col(column).cast(pl.String) for column in columns] or [pl.lit("all")]
        grouped = joined.drop_nulls(columns or None).with_columns(group=pl.concat_str(names, separator=","))
        means = grouped.group_by("step", "group").agg(pl.col("value").mean()).sort("step", "group")
        where = {"metric": metric, "set": part.set, "seed": part.seed, "by": by, "low": None, "high": None}
        placed = means.with_columns(pl.lit(value).alias(column) for column, value in where.items())
        frames.append(placed.select(pl.col(column).cast(kind) for column, kind in _ROWS.items()))
    return pl.concat(frames)


def points(table: pl.DataFrame, metric: str, of: str, by: str, group: str, seed: int | None) -> list[Point]:
    """The points of a curve: of a seed, or pooled over seeds if None."""
    mine = pl.col("seed").is_null() if seed is None else pl.col("seed") == seed
    where = (pl.col("metric") == metric) & (pl.col("set") == of) & (pl.col("by") == by) & (pl.col("group") == group)
    found = table.filter(where & mine).sort("step").select("step", "value", "low", "high")
    return [Point(*row) for row in found.rows()]


def behind(task: Task, metric: str, of: str, by: str, group: str) -> dict[str, str]:
    """The filters of the completions behind a group's value of a metric, besides run, seed and step.

    Evaluations are at the sampling temperature, or all at temperature 0. A metric of the attempted pattern has the
    completions that try it.

    >>> from ramify.tasks.registry import default_task
    >>> task = default_task()
    >>> behind(task, "mean@4", "test", "n,shape_class", "4,right-heavy")
    {'set': 'test', 'greedy': 'no', 'n': '4', 'shape_class': 'right-heavy'}
    >>> behind(task, "greedy", "test", "n,divisions,depth", "4,1,3")
    {'set': 'test', 'greedy': 'yes', 'n': '4', 'where': 'divisions,depth=1,3'}
    >>> behind(task, "attempt rate", "test", "pattern", "A-B*C")
    {'set': 'test', 'greedy': 'no', 'uses': 'A-B*C', 'n': '3'}
    >>> behind(task, "effect", "all", "term", "depth")
    {'greedy': 'no'}
    """
    found = {} if of == EVERY else {"set": of}
    if of != TRAINING:
        found["greedy"] = "yes" if metric.removesuffix(GAIN) == GREEDY.name else "no"
    columns = [] if by in ("all", *MODELS, CHOICE_MODEL) else by.split(",")
    given = dict(zip(columns, group.split(",", max(0, len(columns) - 1)), strict=False))
    if metric_of(metric) in OF_ATTEMPTS:
        given.pop("shape_class", None)  # of the attempts, not of the puzzle
        if "pattern" in given:
            given["uses"] = given.pop("pattern")
            if metric == HIT_RATE.name:
                given["solving"] = given["uses"]
            else:
                given["n"] = str(task.structure(given["uses"])["n"])
    named = {name: value for name, value in given.items() if name in _FILTERED and value != "unknown"}
    others = {name: value for name, value in given.items() if name not in named}
    if others:
        named["where"] = f"{','.join(others)}={','.join(others.values())}"
    return found | named
