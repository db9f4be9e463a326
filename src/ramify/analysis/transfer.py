"""Held-out transfer: what patterns whose family was never trained gained, against matched patterns that were."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells, grouping
from ramify.analysis.estimators import mean_interval
from ramify.analysis.rows import rows

METRIC = "transfer"
MATCHED_BY = ("n", "depth", "lookahead", "inverses")
HELD_OUT, SEEN = "held_out", "test"


def transfer(sets: Mapping[str, SetCells], seed: int) -> Iterator[pl.DataFrame]:
    """The gain of held-out patterns over the base model, minus that of matched seen ones: a difference in differences.

    A held-out pattern is matched with the seen pattern of the same n, depth, lookahead and number of subtractions and
    divisions together whose base success, over all seeds, is nearest; with the mean of all that are equally near.
    Every pattern counts the same; the variance is that of puzzles within patterns. Negative: what was not trained lags
    behind. Groups: all, n, and each pattern with its match. A held-out pattern without a match does not count.
    """
    if HELD_OUT not in sets or SEEN not in sets:
        return
    matches = matched(sets)
    sides = [_gains(sets[name], seed) for name in (HELD_OUT, SEEN)]
    if not matches or sides[0][0] != sides[1][0]:
        return
    steps = sides[0][0]
    sizes = dict(sets[HELD_OUT].puzzles.select("pattern", "n").iter_rows())
    k = sets[HELD_OUT].samples
    chosen: dict[tuple[str, str], list[str]] = {("all", "all"): list(matches)}
    for pattern in matches:
        chosen.setdefault(("n", str(sizes[pattern])), []).append(pattern)
        others = f" and {len(matches[pattern]) - 1} more" if len(matches[pattern]) > 1 else ""
        chosen["pattern", f"{pattern} vs {matches[pattern][0]}{others}"] = [pattern]
    for (by, group), members in sorted(chosen.items()):
        held = {pattern: 1 / len(members) for pattern in members}
        seen: dict[str, float] = {}
        for pattern in members:
            for match in matches[pattern]:
                seen[match] = seen.get(match, 0.0) + 1 / len(members) / len(matches[pattern])
        (mean, variance, n), (other, other_variance, m) = (
            _weighted(changes, weights, k) for (_, changes), weights in zip(sides, (held, seen), strict=True)
        )
        value = mean - other
        low, high, p = mean_interval(value, variance + other_variance, np.full(len(steps), n + m))
        p = np.where(np.array(steps) > steps[0], p, np.nan)
        columns = [part[:, None] for part in (value, low, high)]
        yield rows(METRIC, HELD_OUT, seed, by, steps, [group], columns, n=n, p=p[:, None])


def matched(sets: Mapping[str, SetCells]) -> dict[str, list[str]]:
    """For each held-out pattern, the seen patterns that it is compared with: one, or all that are equally near."""
    held, seen = (_base(sets[name]) for name in (HELD_OUT, SEEN))
    distance = (pl.col("base") - pl.col("base_seen")).abs().round(9)
    pairs = held.join(seen, on=list(MATCHED_BY), suffix="_seen").with_columns(distance=distance)
    nearest = pairs.filter(pl.col("distance") == pl.col("distance").min().over("pattern"))
    together = nearest.sort("pattern", "pattern_seen").group_by("pattern", maintain_order=True).agg("pattern_seen")
    return dict(together.iter_rows())


def _base(cells: SetCells) -> pl.DataFrame:
    """The patterns of a set with what they are matched by, and their base success over all seeds."""
    first = cells.frame.filter(pl.col("step") == pl.col("step").min().over("seed"))
    base = first.group_by("puzzle").agg(base=pl.col("correct").sum() / pl.col("k").sum())
    indexed = cells.puzzles.with_columns(puzzle=pl.int_range(pl.len(), dtype=pl.Int32))
    return indexed.join(base, on="puzzle").group_by("pattern", *MATCHED_BY).agg(pl.col("base").mean())


def _gains(cells: SetCells, seed: int) -> tuple[list[int], dict[str, np.ndarray]]:
    """The steps; and for each pattern, the gain of each of its puzzles, of shape (steps, puzzles)."""
    (share,) = cells.values(seed, pl.col("correct") / pl.col("k"))
    gain = share - share[:1]
    groups = grouping(cells.puzzles, "pattern")
    return cells.steps(seed), {text: gain[:, groups.codes == code] for code, text in enumerate(groups.names)}


def _weighted(gains: dict[str, np.ndarray], weights: dict[str, float], k: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The weighted mean gain of patterns, its variance, and the number of puzzles.

    The variance within patterns is pooled over them, and never below what sampling k completions twice gives when one
    of all completions is correct, so that few puzzles that agree by chance do not look certain.
    """
    mean = sum((weight * gains[text].mean(1) for text, weight in weights.items()), np.zeros(1))
    rest = sum((((gains[text] - gains[text].mean(1, keepdims=True)) ** 2).sum(1) for text in weights), np.zeros(1))
    n = sum(gains[text].shape[1] for text in weights)
    within = np.fmax(rest / max(n - len(weights), 1), 2 / (n * k) * (1 - 1 / (n * k)) / k)
    return mean, within * sum(weight**2 / gains[text].shape[1] for text, weight in weights.items()), n
