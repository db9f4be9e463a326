"""Data frames for analysis: one row per sample, and one row per cell (a puzzle at one checkpoint).

A cell is a sum over its samples, so each column of `CELLS` follows from the columns of `samples`.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from ramify.tasks.base import Task

SAMPLES = {
    "greedy": "whether it is the completion at temperature 0, whose number `sample` is -1",
    "verdict": "the verdict of `grade`",
    "correct": "whether it is correct",
    "tokens": "its length in tokens; null if unknown",
    "truncated": "whether the length limit ended it",
    "attempts": "attempts in it, without the answer",
    "patternless": "attempts with a minus sign before the whole expression, which have no pattern",
    "stated": "attempts with stated values",
    "right": "attempts whose stated values are all right",
    "tried": "whether an attempt or the answer has a pattern that solves the puzzle",
    "hit": "whether an attempt or the answer hits the target",
    "sound": "whether it is correct, and no attempt nor the answer states a wrong value",
    "answer": "the answer if it is an expression of the numbers; else null",
    "answer_pattern": "the pattern of the answer; null if it has none",
    "substituted": "whether the pattern of a correct answer is neither the source nor a twin of it; else null",
}
"""Columns of a sample besides those of its puzzle."""

CELLS = {
    "k": "completions at the sampling temperature",
    "correct": "correct completions",
    "truncated": "completions that the length limit ended before an answer",
    "attempts": "attempts in the completions, without answers",
    "patternless": "attempts with a minus sign before the whole expression, which have no pattern",
    "stated": "attempts with stated values",
    "right": "attempts whose stated values are all right",
    "placed": "correct completions whose answer has a pattern",
    "substituted": "correct completions whose pattern is neither the source nor a twin of it",
    "tried": "completions in which an attempt or the answer has a pattern that solves the puzzle",
    "hit": "completions in which an attempt or the answer hits the target",
    "sound": "correct completions in which no attempt nor the answer states a wrong value",
    "votes": "completions whose answer is an expression of the numbers",
    "same_answers": "pairs of completions whose answers are equal up to commutativity and associativity",
    "majority": "probability that the majority answer is correct, ties broken at random; 0 without a vote",
    "distinct": "different patterns of the correct answers",
    "same_texts": "pairs of completions with the same text",
    "greedy": "1 or 0: whether the completion at temperature 0 is correct; null if there is none",
}
"""The columns of a cell, over the samples of one puzzle at one checkpoint: counts, except `majority`."""

WHERE = {"seed": pl.Int32, "set": pl.String, "step": pl.Int32}
"""The columns that say of which checkpoint and set a row is."""

STRUCTURE = ("n", "shape_class", "split", "depth", "lookahead")
"""The columns of structure that every task has."""

_REALS = ("majority",)
CELL_TYPES = {column: pl.Float64 if column in _REALS else pl.Int32 for column in CELLS}


def attributed(task: Task, puzzles: pl.DataFrame, trained: Sequence[str]) -> pl.DataFrame:
    """The distinct puzzles of a set, sorted by id, with all columns for grouping, matching and adjustment.

    The columns are those of the puzzle table and of `Task.attributes`, in which shape_class may be "mixed".

    Args:
        trained: the source patterns of the training puzzles.
    """
    puzzles = puzzles.unique("puzzle_id", keep="first", maintain_order=True).sort("puzzle_id")
    return task.attributes(puzzles, trained)


def samples(
    task: Task,
    puzzles: pl.DataFrame,
    completions: pl.LazyFrame,
    grades: pl.LazyFrame,
    attempts: pl.LazyFrame,
    *,
    where: Sequence[str] = (),
) -> pl.LazyFrame:
    """One row per graded completion of a set.

    Args:
        puzzles: the frame of `attributed`.
        completions, grades, attempts: the tables of a checkpoint, or those of several with the columns `where`.

    Returns:
        The columns `where`, puzzle_id, sample, the columns of `SAMPLES`, and text, unordered.
    """
    keys = [*where, "puzzle_id", "sample"]
    solving = puzzles.lazy().select("puzzle_id", pattern="solving").explode("pattern").drop_nulls()
    own = _own_patterns(task, puzzles).lazy().with_columns(is_own=True)
    searched, states = ~pl.col("is_answer"), pl.col("stated") > 0
    counted = (
        attempts.join(solving.unique().with_columns(solves=True), on=["puzzle_id", "pattern"], how="left")
        .group_by(keys)
        .agg(
            patternless=(searched & pl.col("pattern").is_null()).sum(),
            stated=(searched & states).sum(),
            right=(searched & states & ~pl.col("miscalculated")).sum(),
            tried=(pl.col("solves").fill_null(False) | pl.col("hits_target")).any(),
            hit=pl.col("hits_target").any(),
            faulty=pl.col("miscalculated").any(),
        )
    )
    answers = (
        attempts.filter("is_answer")
        .group_by(keys)
        .agg(pl.col("expression", "pattern").sort_by("hits_target", "end").last())
        .rename({"expression": "answer", "pattern": "answer_pattern"})
    )
    correct = pl.col("correct")
    return (
        grades.with_columns(correct=pl.col("verdict") == "correct", greedy=pl.col("sample") < 0)
        .join(completions.unique(keys).select(*keys, "text", "truncated"), on=keys, how="left")
        .join(counted, on=keys, how="left")
        .join(answers, on=keys, how="left")
        .join(puzzles.lazy().select("puzzle_id", source="pattern"), on="puzzle_id", how="left")
        .join(own, left_on=["source", "answer_pattern"], right_on=["source", "pattern"], how="left")
        .with_columns(
            pl.col("patternless", "stated", "right").fill_null(0).cast(pl.Int32),
            tried=pl.col("tried").fill_null(False) | correct,
            hit=pl.col("hit").fill_null(False) | correct,
            sound=correct & ~pl.col("faulty").fill_null(False),
            substituted=pl.when(correct & pl.col("answer_pattern").is_not_null() & pl.col("source").is_not_null()).then(
                pl.col("is_own").is_null()
            ),
        )
        .select(*keys, *SAMPLES, "text")
    )


def placed(frame: pl.LazyFrame, seed: int, name: str, step: int) -> pl.LazyFrame:
    """The frame of a set at a checkpoint, with the columns `WHERE` before the others."""
    where = zip((seed, name, step), WHERE.items(), strict=True)
    return frame.select(*(pl.lit(here, kind).alias(column) for here, (column, kind) in where), pl.all())


def shaped(task: Task, attempts: pl.LazyFrame) -> pl.LazyFrame:
    """The attempts with the structure of their pattern: `STRUCTURE`; null without a pattern."""
    types = task.puzzle_schema()
    return attempts.with_columns(_structure(task, feature, types[feature]) for feature in STRUCTURE)


def _structure(task: Task, feature: str, kind: Any) -> pl.Expr:
    def of(patterns: pl.Series) -> pl.Series:
        texts = patterns.drop_nulls().unique().to_list()
        values = [task.structure(text).get(feature) for text in texts]
        return patterns.replace_strict(texts, values, default=None, return_dtype=kind)

    return pl.col("pattern").map_batches(of, return_dtype=kind, is_elementwise=True).alias(feature)


def cells(task: Task, found: pl.DataFrame) -> pl.DataFrame:
    """The sums over the samples of each puzzle at one checkpoint: puzzle_id and the columns of `CELLS`.

    Args:
        found: the frame of `samples`; greedy samples only count in the column greedy. text_hash may replace text.
    """
    drawn = found.filter(~pl.col("greedy"))
    each = drawn.group_by("puzzle_id")
    placed = pl.col("substituted").is_not_null()
    sums = each.agg(
        pl.col("correct", "attempts", "patternless", "stated", "right", "tried", "hit", "sound").sum(),
        k=pl.len(),
        truncated=(pl.col("verdict") == "truncated").sum(),
        placed=placed.sum(),
        substituted=pl.col("substituted").sum(),
        votes=pl.col("answer").is_not_null().sum(),
        distinct=pl.col("answer_pattern").filter("correct").drop_nulls().n_unique(),
    )
    greedy = found.filter("greedy").select("puzzle_id", greedy=pl.col("correct").cast(pl.Int32))
    return (
        sums.join(_elections(task, drawn), on="puzzle_id", how="left")
        .join(_same_texts(drawn), on="puzzle_id", how="left")
        .join(greedy, on="puzzle_id", how="left")
        .with_columns(pl.col("same_answers", "majority").fill_null(0))
        .select("puzzle_id", *(pl.col(column).cast(kind) for column, kind in CELL_TYPES.items()))
    )


def _elections(task: Task, drawn: pl.DataFrame) -> pl.DataFrame:
    """For each puzzle with a vote: the probability that the majority answer is correct, and pairs of equal answers."""
    voting = drawn.filter(pl.col("answer").is_not_null())
    texts = voting["answer"].unique().to_list()
    named = voting["answer"].replace_strict(texts, list(map(task.same_answer, texts)), return_dtype=pl.String)
    counted = (
        voting.with_columns(answer=named).group_by("puzzle_id", "answer", "correct").agg(votes=pl.len().cast(pl.Int64))
    )
    winners = pl.col("votes") == pl.col("votes").max()
    return counted.group_by("puzzle_id").agg(
        majority=pl.col("correct").filter(winners).mean(),
        same_answers=(pl.col("votes") * (pl.col("votes") - 1) // 2).sum(),
    )


def _same_texts(drawn: pl.DataFrame) -> pl.DataFrame:
    """For each puzzle with texts: the pairs of completions with the same text."""
    text = "text_hash" if "text_hash" in drawn.columns else "text"
    counted = drawn.drop_nulls(text).group_by("puzzle_id", text).agg(times=pl.len().cast(pl.Int64))
    return counted.group_by("puzzle_id").agg(same_texts=(pl.col("times") * (pl.col("times") - 1) // 2).sum())


def _own_patterns(task: Task, puzzles: pl.DataFrame) -> pl.DataFrame:
    """For each source pattern, itself and its twins: columns source, pattern."""
    sources = puzzles["pattern"].drop_nulls().unique(maintain_order=True)
    rows = [(source, same) for source in sources for same in (source, *sorted(task.twins(source)))]
    return pl.DataFrame(rows, schema={"source": pl.String, "pattern": pl.String}, orient="row")
