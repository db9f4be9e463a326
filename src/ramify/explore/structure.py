"""Success by structure at one checkpoint: shape class → pattern → its puzzles and what was used instead."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import polars as pl
from markupsafe import Markup

from ramify.explore.source import Part, Source
from ramify.frames import cells
from ramify.report.examples import drawn
from ramify.tasks.base import SHAPE_CLASSES, Task

_SUMS = ("k", "correct", "tried", "hit", "substituted", "placed")


@dataclass(frozen=True, slots=True)
class PatternCell:
    """A pattern at a checkpoint.

    Attributes:
        success: share of correct samples; tried: of samples with an attempt that can solve the puzzle.
        hits: share of the tried samples that hit the target; None without any.
        coverage: share of the puzzles with a correct sample.
        puzzles: number of puzzles.
    """

    pattern: str
    shape: str
    depth: int
    puzzles: int
    success: float
    tried: float
    hits: float | None
    coverage: float
    tree: Markup


@dataclass(frozen=True, slots=True)
class ShapeCell:
    """The patterns of a shape class at a checkpoint, the least successful first, and the mean of their successes."""

    shape: str
    success: float
    patterns: list[PatternCell]


@dataclass(frozen=True, slots=True)
class PuzzleCell:
    """A puzzle at a checkpoint: correct of k samples."""

    puzzle_id: str
    described: str
    set: str
    correct: int
    k: int


def cells_at(source: Source, parts: list[Part]) -> pl.DataFrame:
    """The cells of some parts of one run with the columns of their puzzles, one row per puzzle, seed and set."""
    frames = []
    for part in parts:
        frame = source.kept.get(("cells", part, source.stamp(part)), partial(_cells, source, part))
        puzzles = source.puzzles(part.run, part.set)
        frames.append(
            frame.join(puzzles, on="puzzle_id", how="left").with_columns(set=pl.lit(part.set), seed=pl.lit(part.seed))
        )
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def _cells(source: Source, part: Part) -> pl.DataFrame:
    hashed = source.samples(part).with_columns(text_hash=pl.col("text").hash()).drop("text")
    return cells(source.run(part.run).task, hashed.collect())


def patterns(source: Source, name: str, found: pl.DataFrame) -> list[PatternCell]:
    """The patterns of some cells, the least successful first, of these the most sampled."""
    if not len(found):
        return []
    each = (
        found.drop_nulls("pattern")
        .group_by("pattern")
        .agg(
            pl.col("shape_class", "depth").first(),
            pl.col(_SUMS).sum(),
            puzzles=pl.col("puzzle_id").n_unique(),
            covered=pl.col("puzzle_id").filter(pl.col("correct") > 0).n_unique(),
        )
        .with_columns(success=pl.col("correct") / pl.col("k"))
        .sort("success", "k", "pattern", descending=[False, True, False])
    )
    task = source.run(name).task
    return [
        PatternCell(
            row["pattern"],
            row["shape_class"],
            row["depth"],
            row["puzzles"],
            row["success"],
            row["tried"] / row["k"],
            row["hit"] / row["tried"] if row["tried"] else None,
            row["covered"] / row["puzzles"],
            drawn(task, row["pattern"]),
        )
        for row in each.iter_rows(named=True)
        if row["k"]
    ]


def by_shape(found: list[PatternCell]) -> list[ShapeCell]:
    """Patterns by shape class, in the order of `SHAPE_CLASSES`, then others."""
    order = [*SHAPE_CLASSES, *sorted({cell.shape for cell in found} - {*SHAPE_CLASSES})]
    groups = [(shape, [cell for cell in found if cell.shape == shape]) for shape in order]
    return [
        ShapeCell(shape, sum(cell.success for cell in cells) / len(cells), cells) for shape, cells in groups if cells
    ]


def family(task: Task, pattern: str, others: Collection[str]) -> list[str]:
    """The patterns among others that have a pattern, or a twin of it, among their sub-patterns, and twins of these.

    >>> from ramify.tasks.registry import default_task
    >>> family(default_task(), "A-B", ["A-B", "A-B*C", "(A-B)*C+D", "A-(B-C)*D"])
    ['(A-B)*C+D', 'A-(B-C)*D']
    """
    wanted = {pattern, *task.twins(pattern)}
    members = {other for other in others if not wanted.isdisjoint(task.sub_patterns(other))}
    members |= {other for other in others if not members.isdisjoint(task.twins(other))}
    return [other for other in others if other in members - wanted]


def puzzles_of(source: Source, name: str, found: pl.DataFrame) -> list[PuzzleCell]:
    """The puzzles of some cells, the least successful first."""
    task = source.run(name).task
    columns = [*task.PUZZLE_COLUMNS]
    each = (
        found.group_by("puzzle_id", "set", maintain_order=True)
        .agg(pl.col("correct", "k").sum(), pl.col([*columns, "n", "pattern"]).first())
        .sort(pl.col("correct") / pl.col("k"), "puzzle_id")
    )
    return [
        PuzzleCell(row["puzzle_id"], task.describe(row), row["set"], row["correct"], row["k"])
        for row in each.iter_rows(named=True)
    ]


def substitutes(source: Source, parts: list[Part], pattern: str) -> list[tuple[str, int]]:
    """The patterns of the correct sampled answers to the puzzles of a pattern, with their numbers, the most frequent
    first."""
    frames = []
    for part in parts:
        puzzles = source.puzzles(part.run, part.set).filter(pl.col("pattern") == pattern).select("puzzle_id")
        answers = (
            source.samples(part)
            .filter(pl.col("correct") & ~pl.col("greedy"))
            .join(puzzles.lazy(), on="puzzle_id", how="semi")
        )
        frames.append(answers.select("answer_pattern").drop_nulls().collect())
    if not frames:
        return []
    counted = pl.concat(frames).group_by("answer_pattern").len()
    return counted.sort("len", "answer_pattern", descending=[True, False]).rows()
