"""Metrics by attempted pattern: attempt rate, hit rate, coverage, choice and entropy."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from scipy.special import stdtrit

from ramify.analysis.cells import SetCells, uses
from ramify.analysis.choice import choices
from ramify.analysis.choice_model import choice_effects
from ramify.analysis.derived_metrics import ATTEMPT_RATE, CHOICE, COVERAGE, ENTROPY, HIT_RATE, MOST_USED
from ramify.analysis.estimators import BLOCKS, rarefied, ratios, resampling
from ramify.analysis.rows import rows
from ramify.run import Run
from ramify.tasks.base import Task

_RESAMPLES = 200  # bootstrap resamples of the coverage, for its standard error


def attempted(run: Run, cells: SetCells, seed: int) -> Iterator[pl.DataFrame]:
    """Estimate the metrics by attempted pattern and shape class, at every checkpoint of a seed.

    attempt rate: share of the completions (of puzzles of that n) with an attempt of the pattern.
    hit rate given solvable: share of its attempts that hit the target, over puzzles that the pattern solves.
    choice: see `choice.choices`; choice effect, at the first and last checkpoint: see `choice_model`.
    coverage@m: share of the patterns (of size n, or of a shape class of it) that some attempt uses, expected for m
    completions drawn at random (Hurlbert 1971); m is the largest power of two with at least 2 m completions of that n
    at every checkpoint.
    pattern entropy: entropy of the attempts over the patterns of an n, in bits; most used pattern: the largest share.
    """
    budgets = _budgets(cells)
    ranks = _indexed(cells).select("puzzle_id", "puzzle", "n", rank=pl.int_range(pl.len()).over("n") % BLOCKS)
    solved = (
        cells.puzzles.select("puzzle_id", pattern="solving").explode("pattern").drop_nulls().with_columns(solves=True)
    )
    for step in cells.steps(seed):
        asked = cells.of_seed(seed).filter(pl.col("step") == step).join(ranks, on="puzzle")
        available = asked.join(solved, on="puzzle_id").filter("solves")
        used = uses(run, cells.sampled_by(seed, step), cells.name, step).join(ranks, on="puzzle_id")
        used = used.join(solved, on=["puzzle_id", "pattern"], how="left")
        if step in (cells.steps(seed)[0], cells.steps(seed)[-1]):
            yield from choice_effects(cells.task, used.filter("solves"), available, (cells.name, seed, step))
        for size in sorted(asked["n"].unique().to_list()):
            mine, of_size = used.filter(pl.col("n") == size), asked.filter(pl.col("n") == size)
            completions = np.bincount(of_size["rank"].to_numpy(), of_size["k"].to_numpy(), BLOCKS)
            texts, groups = _groups(cells.task, size, mine["pattern"])
            where = cells.name, seed, step
            with_it = _table(mine, texts, "completions")
            rate = ratios(with_it, np.broadcast_to(completions, with_it.shape), np.full(len(texts), len(of_size)))
            yield _row(ATTEMPT_RATE.name, where, "pattern", texts, rate, len(of_size))
            exact = mine.filter("solves")
            tries, hits = _table(exact, texts, "tries"), _table(exact, texts, "hits")
            for by, members in groups.items():
                above, below = (
                    np.array([table[chosen].sum(0) for chosen in members.values()]) for table in (hits, tries)
                )
                n = _puzzles(exact, texts, members)
                yield _row(HIT_RATE.name, where, by, list(members), ratios(above, below, n), n)
                if CHOICE.has(by):  # the group of all patterns has no alternatives
                    chosen, n = choices(exact, available.filter(pl.col("n") == size), texts, members)
                    yield _row(CHOICE.name, where, by, list(members), chosen, n)
            all_tries = _table(mine, texts, "tries")
            yield _row(ENTROPY.name, where, "n", [str(size)], _entropy(all_tries), len(of_size))
            most = all_tries[[all_tries.sum(1).argmax()]]
            largest = ratios(most, all_tries.sum(0)[None], np.array([len(of_size)]))
            yield _row(MOST_USED.name, where, "n", [str(size)], largest, len(of_size))
            for by in COVERAGE.groupings:
                found = [_coverage(with_it[chosen], completions, budgets[size]) for chosen in groups[by].values()]
                shares = tuple(np.array(part) for part in zip(*found, strict=True))
                yield _row(COVERAGE.named(budgets[size]), where, by, list(groups[by]), shares, len(of_size))


def _row(
    metric: str, where: tuple[Any, ...], by: str, groups: list[str], found: tuple[Any, ...], n: np.ndarray | int
) -> pl.DataFrame:
    name, seed, step = where
    table = rows(metric, name, seed, by, [step], groups, [part[None, :] for part in found], n=n)
    return table.filter(pl.col("value").is_not_null()) if by == "pattern" else table


def _indexed(cells: SetCells) -> pl.DataFrame:
    return cells.puzzles.with_columns(puzzle=pl.int_range(pl.len(), dtype=pl.Int32))


def _groups(task: Task, size: int, tried: pl.Series) -> tuple[list[str], dict[str, dict[str, np.ndarray]]]:
    """Pattern texts of a size (the attempted ones if there are too many), and the members of each group."""
    listed = task.patterns(size)
    texts = list(tried.cast(pl.String).unique().sort()) if listed is None else list(listed)
    shapes = np.array([task.structure(text)["shape_class"] for text in texts], dtype=str)
    return texts, {
        "n": {str(size): np.arange(len(texts))},
        "n,shape_class": {f"{size},{shape}": np.flatnonzero(shapes == shape) for shape in sorted(set(shapes))},
        "pattern": {text: np.array([index]) for index, text in enumerate(texts)},
    }


def _budgets(cells: SetCells) -> dict[int, int]:
    """The number of completions at which coverage is stated, for each n."""
    totals = cells.frame.join(_indexed(cells).select("puzzle", "n"), on="puzzle").group_by("seed", "step", "n")
    fewest = totals.agg(pl.col("k").sum()).group_by("n").agg(pl.col("k").min())
    return {n: 1 << max((total // 2).bit_length() - 1, 0) for n, total in fewest.iter_rows()}


def _table(used: pl.DataFrame, texts: list[str], column: str) -> np.ndarray:
    """Sums of a column by pattern and block of puzzles."""
    codes = used["pattern"].replace_strict(texts, range(len(texts)), return_dtype=pl.Int64).to_numpy()
    where = codes * BLOCKS + used["rank"].to_numpy()
    return np.bincount(where, used[column].to_numpy(), len(texts) * BLOCKS).reshape(len(texts), BLOCKS)


def _puzzles(exact: pl.DataFrame, texts: list[str], members: dict[str, np.ndarray]) -> np.ndarray:
    """The number of puzzles in which a solving pattern of the group was attempted, for each group."""
    owner = {texts[index]: group for group, chosen in members.items() for index in chosen}
    owned = exact.select("puzzle_id", group=pl.col("pattern").replace_strict(owner, return_dtype=pl.String))
    counted = dict(owned.group_by("group").agg(pl.col("puzzle_id").n_unique()).iter_rows())
    return np.array([counted.get(group, 0) for group in members])


def _coverage(with_it: np.ndarray, completions: np.ndarray, drawn: int) -> tuple[float, float, float]:
    """Expected share of the patterns that `drawn` completions use, with a bootstrap standard error.

    Args:
        with_it: completions with an attempt of each pattern, of shape (patterns, blocks).
        completions: all completions, of shape (blocks,).
    """
    used, kinds = completions > 0, len(with_it)
    with_it = with_it[with_it.any(1)]  # patterns without attempts add 0
    weights = resampling(int(used.sum()))[:_RESAMPLES]
    value = rarefied(with_it.sum(1), completions.sum(), drawn) / kinds
    again = rarefied(weights @ with_it[:, used].T, weights @ completions[used], drawn) / kinds
    half = stdtrit(max(used.sum() - 1, 1), 0.975) * again.std(ddof=1)
    return float(value), max(0.0, float(value - half)), min(1.0, float(value + half))


def _entropy(tries: np.ndarray) -> tuple[np.ndarray, ...]:
    """The entropy of the attempts over patterns, in bits, with the correction of Miller and Madow (1955).

    The interval is Student's t with the standard error of the bootstrap; NaN for a single block.

    Args:
        tries: attempts of each pattern, of shape (patterns, blocks).

    >>> value, _, _ = _entropy(np.array([[500.0, 500], [500, 500], [0, 0]]))
    >>> value.round(3).tolist()
    [1.0]
    """
    total, used = tries.sum(), tries.any(0)
    if not total:
        return tuple(np.full(1, np.nan) for _ in range(3))
    most, tries = float(np.log2(len(tries))), tries[tries.any(1)]
    value = min(float(_bits(tries.sum(1)[None])[0]) + (len(tries) - 1) / (2 * total * np.log(2)), most)
    if used.sum() < 2:
        return np.array([value]), np.full(1, np.nan), np.full(1, np.nan)
    again = _bits(resampling(int(used.sum()))[:_RESAMPLES] @ tries[:, used].T)
    half = stdtrit(used.sum() - 1, 0.975) * again.std(ddof=1)
    return tuple(np.array([end]) for end in (value, max(0.0, value - half), min(most, value + half)))


def _bits(counts: np.ndarray) -> np.ndarray:
    """Entropies of counts of shape (draws, kinds)."""
    shares = counts / counts.sum(1, keepdims=True)
    entropy: np.ndarray = -(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(1)
    return entropy
