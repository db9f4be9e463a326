"""Rows of the table of estimates: built from arrays, pooled over seeds, adjusted for multiple tests."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from scipy.special import ndtr, stdtrit

from ramify.analysis.derived_metrics import SHAPE_GAPS, TRANSFER
from ramify.analysis.estimators import Z
from ramify.analysis.metric_record import Metric
from ramify.analysis.metrics import MEAN, metric_of
from ramify.schemas import ESTIMATES

KEYS = ["metric", "set", "step", "by", "group"]
PRIMARY = (
    (MEAN.of_gain, "test", "n"),
    (MEAN.of_gain, "length", "n"),
    (SHAPE_GAPS["right-heavy"], "test", "all"),
    (TRANSFER, "held_out", "all"),
)
"""The pre-specified contrasts: metric, set and grouping, at the last checkpoint; all others are exploratory."""
ENDS = ("low", "high", "retrained_low", "retrained_high")
NUMBERS = ["value", *ENDS, "p"]


def rows(
    metric: str,
    name: str,
    seed: int | None,
    by: str,
    steps: Sequence[int],
    groups: Sequence[str],
    found: Sequence[np.ndarray | float],
    *,
    n: np.ndarray | int = 0,
    p: np.ndarray | float = np.nan,
    status: np.ndarray | None = None,
    retrained: tuple[np.ndarray, np.ndarray] | None = None,
    patterns: np.ndarray | None = None,
) -> pl.DataFrame:
    """Build the rows of one metric, set, seed and grouping; NaN becomes null.

    Args:
        found: value, low and high (or the value alone), each of shape (steps, groups); so are n, p, status, patterns
            and both ends of the interval for the same puzzles, retrained.

    >>> rows("mean@4", "test", 1, "n", [0], ["3", "4"], [np.array([[0.5, np.nan]])])["value"].to_list()
    [0.5, None]
    """
    shape = len(steps), len(groups)
    value, low, high = found if len(found) == 3 else (found[0], np.nan, np.nan)

    def flat(values: np.ndarray | float) -> np.ndarray:
        return np.broadcast_to(np.asarray(values, float), shape).ravel()

    frame = pl.DataFrame(
        {
            "step": np.repeat(np.asarray(steps), len(groups)),
            "group": list(groups) * len(steps),
            **{key: flat(part) for key, part in (("value", value), ("low", low), ("high", high), ("p", p))},
            "n": np.broadcast_to(np.asarray(n), shape).ravel(),
            "retrained_low": flat(np.nan if retrained is None else retrained[0]),
            "retrained_high": flat(np.nan if retrained is None else retrained[1]),
            "patterns": None if patterns is None else np.broadcast_to(patterns, shape).ravel().astype(int),
            "status": [None] * (shape[0] * shape[1]) if status is None else status.ravel().tolist(),
        },
        schema_overrides={"status": pl.String, "group": pl.String, "patterns": pl.Int32},
    )
    constants = {"metric": metric, "set": name, "seed": seed, "by": by, "q": None, "primary": False}
    return (
        frame.with_columns(**{key: pl.lit(constant) for key, constant in constants.items()})
        .select(pl.col(column).cast(kind) for column, kind in ESTIMATES.items())
        .with_columns(pl.col(NUMBERS).fill_nan(None))
    )


def named(table: pl.DataFrame, wanted: Metric | Callable[[Metric], bool]) -> pl.Expr:
    """An expression that selects the rows of a metric, or of the metrics for which a predicate is true.

    >>> names = pl.DataFrame({"metric": ["mean@4", "mean@4 gain", "greedy"]})
    >>> names.filter(named(names, MEAN))["metric"].to_list()
    ['mean@4']
    """
    records = {name: metric_of(name) for name in table["metric"].unique()}
    is_wanted = (lambda metric: metric == wanted) if isinstance(wanted, Metric) else wanted
    return pl.col("metric").is_in([name for name, metric in records.items() if is_wanted(metric)])


def within_bounds(table: pl.DataFrame) -> pl.DataFrame:
    """Clip both intervals of each row to the bounds of its metric.

    >>> table = rows("mean@4 gain", "test", 1, "n", [9], ["3"], [np.array([[part]]) for part in (0.9, 0.4, 1.4)])
    >>> within_bounds(table).select("low", "high").row(0)
    (0.4, 1.0)
    """
    bounds = {name: metric_of(name).bounds for name in table["metric"].unique()}
    low, high = (
        pl.col("metric").replace_strict({name: ends[side] for name, ends in bounds.items()}, return_dtype=pl.Float64)
        for side in (0, 1)
    )
    return table.with_columns(pl.col(end).clip(low, high) for end in ENDS)


def pooled(single: pl.DataFrame) -> pl.DataFrame:
    """The mean over seeds of each estimate that is not linear in the values of puzzles.

    The interval for the same puzzles, retrained, is Student's t over the seeds. The interval for new puzzles adds the
    mean squared half-width of the seeds' own intervals; since these include sampling noise too, it is conservative.
    Where all seeds agree exactly, only the latter remains. Seeds without a value do not count.
    """
    down, up = pl.col("value") - pl.col("low"), pl.col("high") - pl.col("value")
    found = (
        single.filter(pl.col("value").is_not_null())
        .group_by(KEYS, maintain_order=True)
        .agg(
            value_=pl.col("value").mean(),
            spread=pl.col("value").std(),
            seeds=pl.len(),
            n_=pl.col("n").min(),
            patterns_=pl.col("patterns").min(),
            down=(down**2).mean(),
            up=(up**2).mean(),
            tested=pl.col("p").is_not_null().any(),
        )
    )
    seeds = found["seeds"].to_numpy()
    value, spread, below, above = (
        found[name].fill_null(np.nan).to_numpy() for name in ("value_", "spread", "down", "up")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        half = stdtrit(np.maximum(seeds - 1, 1), 0.975) * np.where(seeds > 1, spread / np.sqrt(seeds), np.nan)
        ends = [value - np.sqrt(below + half**2), value + np.sqrt(above + half**2), value - half, value + half]
        error = np.where(value > 0, value - ends[0], ends[1] - value) / Z
        p = np.where(found["tested"].to_numpy() & (error > 0), 2 * ndtr(-np.abs(value) / error), np.nan)
    columns = dict(zip(ENDS, map(pl.Series, ends), strict=True))
    return (
        found.select(*KEYS, n="n_", patterns="patterns_")
        .with_columns(
            seed=pl.lit(None, pl.Int32),
            status=pl.lit(None, pl.String),
            q=pl.lit(None, pl.Float64),
            primary=pl.lit(False),
            value=pl.Series(value),
            p=pl.Series(p),
            **columns,
        )
        .select(pl.col(column).cast(kind) for column, kind in ESTIMATES.items())
        .with_columns(pl.col(NUMBERS).fill_nan(None))
    )


def adjusted(estimates: pl.DataFrame) -> pl.DataFrame:
    """Add q: p adjusted over the groups of a grouping (Benjamini and Hochberg 1995).

    The primary contrasts, at the last checkpoint, are adjusted together instead (Holm 1979).

    >>> table = rows("gain", "test", 1, "n", [9], ["3", "4"], [np.zeros((1, 2))], p=np.array([[0.01, 0.04]]))
    >>> adjusted(table)["q"].to_list()
    [0.02, 0.04]
    """
    from statsmodels.stats.multitest import multipletests  # takes a second to import

    def control(method: str) -> Callable[[pl.Series], pl.Series]:
        return lambda p: pl.Series(multipletests(p.to_numpy(), method=method)[1])

    is_primary = pl.any_horizontal(
        named(estimates, metric) & (pl.col("set") == name) & (pl.col("by") == by) for metric, name, by in PRIMARY
    )
    numbered = estimates.drop("q", "primary").with_row_index()
    tested = numbered.filter(pl.col("p").is_not_null())
    last = pl.col("step") == pl.col("step").max().over("seed")
    tested = tested.with_columns(primary=is_primary & last)
    families = ((False, "fdr_bh", ["metric", "set", "step", "seed", "by"]), (True, "holm", ["seed"]))
    q = pl.concat(
        tested.filter(pl.col("primary") == primary).select(
            "index",
            "primary",
            q=pl.col("p").map_batches(control(method), return_dtype=pl.Float64).over(family),
        )
        for primary, method, family in families
    )
    joined = numbered.join(q, on="index", how="left").sort("index")
    return joined.with_columns(pl.col("primary").fill_null(False)).select(list(ESTIMATES))
