"""Choice: the share of attempts by pattern among the patterns that solve a puzzle, against equal shares."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from ramify.analysis.estimators import BLOCKS, ratios


def choices(
    used: pl.DataFrame, solving: pl.DataFrame, texts: Sequence[str], members: Mapping[str, np.ndarray]
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Each group's share of the attempts in puzzles that others solve too, minus its share by availability.

    Only attempts of solving patterns count, in puzzles that patterns inside and outside the group solve. Availability
    gives each solving pattern of a puzzle an equal share. Above 0, the group is preferred.

    Args:
        used: puzzle_id, pattern, tries.
        solving: puzzle_id, pattern, rank (the block of the puzzle): the solving patterns of each puzzle.
        texts: the patterns.
        members: for each group, which of the patterns belong to it; no pattern belongs to two.

    Returns:
        Value, low and high, each of shape (groups,), NaN without such an attempt; and the number of puzzles.

    >>> used = pl.DataFrame({"puzzle_id": ["a", "a", "b"], "pattern": ["A+B", "A*B", "A+B"], "tries": [3, 1, 9]})
    >>> solving = pl.DataFrame({"puzzle_id": ["a", "a", "b"], "pattern": ["A+B", "A*B", "A+B"], "rank": [0, 0, 1]})
    >>> (value, _, _), n = choices(used, solving, ["A+B", "A*B"], {"A+B": np.array([0]), "A*B": np.array([1])})
    >>> value.tolist(), n.tolist()  # 3 of 4 and 1 of 4, where a half was to be expected; b leaves no choice
    ([0.25, -0.25], [1, 1])
    """
    owner = {texts[index]: group for group, (_, chosen) in enumerate(members.items()) for index in chosen}
    together = (
        solving.join(used.select("puzzle_id", "pattern", "tries"), on=["puzzle_id", "pattern"], how="left")
        .with_columns(pl.col("tries").fill_null(0))
        .with_columns(all_tries=pl.col("tries").sum().over("puzzle_id"), available=pl.len().over("puzzle_id"))
        .filter((pl.col("all_tries") > 0) & (pl.col("available") > 1))
        .with_columns(group=pl.col("pattern").replace_strict(owner, default=None, return_dtype=pl.Int64))
        .drop_nulls("group")
        .group_by("puzzle_id", "group", "rank", "all_tries", "available", maintain_order=True)
        .agg(pl.col("tries").sum(), own=pl.len())
        .filter(pl.col("own") < pl.col("available"))
        .with_columns(beyond=pl.col("tries") - pl.col("all_tries") * pl.col("own") / pl.col("available"))
    )
    groups = together["group"].to_numpy()
    where = groups * BLOCKS + together["rank"].to_numpy()
    numerators, denominators = (
        np.bincount(where, together[column].to_numpy(), len(members) * BLOCKS).reshape(len(members), BLOCKS)
        for column in ("beyond", "all_tries")
    )
    n = np.bincount(groups, minlength=len(members))
    value, low, high = ratios(numerators, denominators, n, "mean")
    return (value, np.maximum(low, -1.0), np.minimum(high, 1.0)), n
