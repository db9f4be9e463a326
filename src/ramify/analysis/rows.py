"""Rows of the table of estimates: made from arrays, pooled over seeds, adjusted for many tests."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import stdtr, stdtrit

from ramify.tables import ESTIMATES

KEYS = ["metric", "set", "step", "by", "group"]


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
) -> pl.DataFrame:
    """Rows of one metric, set, seed and grouping. NaN becomes null.

    Args:
        found: value, low and high (or the value alone), each of shape (steps, groups); so are n, p and status.

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
            "status": [None] * (shape[0] * shape[1]) if status is None else status.ravel().tolist(),
        },
        schema_overrides={"status": pl.String, "group": pl.String},
    )
    constants = {"metric": metric, "set": name, "seed": seed, "by": by, "q": None}
    return (
        frame.with_columns(**{key: pl.lit(constant) for key, constant in constants.items()})
        .select(pl.col(column).cast(kind) for column, kind in ESTIMATES.items())
        .with_columns(pl.col("value", "low", "high", "p").fill_nan(None))
    )


def pooled(single: pl.DataFrame, bounded: Sequence[str] = ()) -> pl.DataFrame:
    """The mean over seeds of each estimate, with Student's t interval; `n` counts the seeds.

    Where all seeds agree exactly (the base model at temperature 0 is one measurement), Student's t has no width, and
    the interval and the p over puzzles stand. Seeds without a value do not count.

    Args:
        bounded: the metrics whose intervals are cut to [0, 1].
    """
    found = (
        single.filter(pl.col("value").is_not_null())
        .group_by(KEYS, maintain_order=True)
        .agg(
            value_=pl.col("value").mean(),
            spread=pl.col("value").std(),
            n_=pl.len(),
            low_=pl.col("low").first(),
            high_=pl.col("high").first(),
            p_=pl.col("p").first(),
        )
    )
    seeds, value = found["n_"].to_numpy(), found["value_"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(seeds > 1, found["spread"].fill_null(np.nan).to_numpy() / np.sqrt(seeds), np.nan)
        half = stdtrit(np.maximum(seeds - 1, 1), 0.975) * error
        p = 2 * stdtr(np.maximum(seeds - 1.0, 1), -np.abs(value) / error)
    own_p = found["p_"].fill_null(np.nan).to_numpy()
    alike = (seeds > 1) & (half < 1e-9)
    p = np.where(np.isnan(own_p) | (seeds < 2), np.nan, np.where(alike, own_p, p))
    low = np.where(alike, found["low_"].fill_null(np.nan).to_numpy(), value - half)
    high = np.where(alike, found["high_"].fill_null(np.nan).to_numpy(), value + half)
    cut = found["metric"].is_in(list(bounded)).to_numpy()
    return (
        found.select(*KEYS, pl.lit(None, pl.Int32).alias("seed"), pl.lit(None, pl.String).alias("status"))
        .with_columns(
            value=pl.Series(value),
            low=pl.Series(np.where(cut, np.maximum(low, 0), low)),
            high=pl.Series(np.where(cut, np.minimum(high, 1), high)),
            n=pl.Series(seeds),
            p=pl.Series(p),
            q=pl.lit(None, pl.Float64),
        )
        .select(pl.col(column).cast(kind) for column, kind in ESTIMATES.items())
        .with_columns(pl.col("value", "low", "high", "p").fill_nan(None))
    )


def adjusted(estimates: pl.DataFrame) -> pl.DataFrame:
    """The same rows with q: p adjusted over the groups of a grouping (Benjamini and Hochberg 1995).

    >>> table = rows("gain", "test", 1, "n", [9], ["3", "4"], [np.zeros((1, 2))], p=np.array([[0.01, 0.04]]))
    >>> adjusted(table)["q"].to_list()
    [0.02, 0.04]
    """
    from scipy.stats import false_discovery_control  # takes half a second to import

    def control(p: pl.Series) -> pl.Series:
        return pl.Series(false_discovery_control(p.to_numpy()))

    family = ["metric", "set", "step", "seed", "by"]
    numbered = estimates.drop("q").with_row_index()
    tested = numbered.filter(pl.col("p").is_not_null())
    q = pl.col("p").map_batches(control, return_dtype=pl.Float64).over(family)
    return numbered.join(tested.select("index", q=q), on="index", how="left").sort("index").select(list(ESTIMATES))
