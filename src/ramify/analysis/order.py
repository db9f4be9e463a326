"""The order of learning: how the acquisition of patterns goes with their structure."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from ramify.analysis.acquisition import ACQUIRED, LOST, MISSED, PRESENT, RELATIVE
from ramify.analysis.cells import SetCells
from ramify.analysis.rows import rows
from ramify.tasks.generation import generator

FEATURES = ("depth", "lookahead", "divisions", "inverses", "multiplicity", "right-heavy")
FEWEST_PATTERNS = 8
FEWEST_UNTIED = 6
"""Patterns outside of the largest group that is acquired together (such as never)."""


def order(cells: SetCells, acquired: pl.DataFrame, seed: int) -> Iterator[pl.DataFrame]:
    """Kendall's tau-b between the acquisition step and each feature, over the patterns of an n, with its interval.

    A pattern that was already present comes first; those not acquired, or lost again, come last together. The interval
    is a bootstrap over patterns. Positive: patterns with more of the feature come later.

    Args:
        acquired: the rows of `acquisition` of this set and seed.
    """
    mine = acquired.filter((pl.col("metric") == RELATIVE) & (pl.col("by") == "pattern"))
    late = pl.when(pl.col("status") == ACQUIRED).then("value").when(pl.col("status") == PRESENT).then(-1.0)
    ranked = mine.select(
        pl.col("step"),
        pattern="group",
        when=late.when(pl.col("status").is_in([MISSED, LOST])).then(pl.lit(float("inf"))),
    ).drop_nulls("when")
    features = cells.puzzles.group_by("pattern", "n").agg(
        pl.col("depth", "lookahead", "divisions", "inverses").first(),
        pl.col("multiplicity").mean(),
        (pl.col("shape_class") == "right-heavy").any().alias("right-heavy"),
    )
    for (size, step), part in ranked.join(features, on="pattern").sort("pattern").group_by("n", "step"):
        if len(part) < FEWEST_PATTERNS:
            continue
        for feature in FEATURES:
            found = _tau(part["when"].to_numpy(), part[feature].cast(pl.Float64).to_numpy())
            if found is not None:
                group = f"{size},{feature}"
                yield rows("order", cells.name, seed, "n,feature", [step], [group], found[:3], n=len(part), p=found[3])


def _tau(when: np.ndarray, feature: np.ndarray) -> tuple[float, float, float, float] | None:
    """Tau, its interval and p; None where the feature does not vary, or nearly all patterns are acquired together."""
    from scipy.stats import kendalltau

    tied = np.unique(when, return_counts=True)[1].max()
    if np.ptp(feature) == 0 or len(when) - tied < FEWEST_UNTIED:
        return None
    found = kendalltau(when, feature)
    draws = generator("order").integers(0, len(when), (500, len(when)))
    again = np.nan_to_num([kendalltau(when[draw], feature[draw]).statistic for draw in draws])
    low, high = np.quantile(again, [0.025, 0.975])
    return float(found.statistic), float(low), float(high), float(found.pvalue)
