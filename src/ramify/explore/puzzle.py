"""All samples of one puzzle at several checkpoints, side by side."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl
from markupsafe import Markup

from ramify.explore.source import Part, Source
from ramify.report.examples import drawn
from ramify.report.marked import marked
from ramify.tasks.base import Task

MOST_SAMPLES = 64
"""The number of samples shown of a column."""
MOST_TREES = 8
LONGEST = 20_000
"""The number of characters shown of a completion, from its end."""


class Drawn(NamedTuple):
    """An attempt: its tree, empty if it has no pattern, its expression, and whether it hits and is miscalculated."""

    tree: Markup
    expression: str
    hits: bool
    miscalculated: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """A completion with its attempts marked; number -1 is the completion at temperature 0.

    Attributes:
        trees: its last attempts; `more` are left out.
    """

    number: int
    verdict: str
    tokens: int | None
    pieces: Sequence[tuple[str, str]]
    trees: Sequence[Drawn]
    more: int


@dataclass(frozen=True, slots=True)
class Column:
    """The samples of a puzzle at one checkpoint, with the patterns of their attempts and how often each is used."""

    part: Part
    samples: Sequence[Sample]
    correct: int
    k: int
    used: Counter[str]
    more: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Two columns compared: patterns attempted only in the first, in both, only in the second."""

    only_first: Sequence[str]
    both: Sequence[str]
    only_second: Sequence[str]


def column(source: Source, part: Part, puzzle_id: str) -> Column:
    """The samples of a puzzle at a checkpoint; sampled ones first, then the one at temperature 0."""
    mine = pl.col("puzzle_id") == puzzle_id
    tables = source.completions(part), source.grades(part, [puzzle_id]), source.attempts(part, [puzzle_id])
    texts, grades, attempts = pl.collect_all([table.filter(mine) for table in tables])
    written = dict(texts.select("sample", "text").rows())
    found: list[Sample] = []
    used: Counter[str] = Counter()
    drawn_first = pl.col("sample") < 0
    of_sample = attempts.sort("start").partition_by("sample", as_dict=True)
    task = source.run(part.run).task
    for row in grades.unique("sample").sort(drawn_first, "sample").iter_rows(named=True):
        mine_only = of_sample.get((row["sample"],), attempts.clear())
        used.update({pattern for pattern in mine_only["pattern"] if pattern is not None})
        if len(found) < MOST_SAMPLES:
            text = written.get(row["sample"], "")
            rows = mine_only.to_dicts()
            trees = [_attempt(task, each) for each in rows[-MOST_TREES:]]
            pieces = marked(text, rows, max(0, len(text) - LONGEST))
            found.append(Sample(row["sample"], row["verdict"], row["tokens"], pieces, trees, len(rows) - len(trees)))
    sampled = grades.filter(pl.col("sample") >= 0)
    correct = int((sampled["verdict"] == "correct").sum())
    return Column(part, found, correct, len(sampled), used, len(grades) - len(found))


def _attempt(task: Task, row: dict[str, Any]) -> Drawn:
    tree = drawn(task, row["pattern"]) if row["pattern"] else Markup("")
    return Drawn(tree, row["expression"], row["hits_target"], row["miscalculated"])


def difference(first: Column, second: Column) -> Difference:
    """The patterns that the samples of two columns attempt, the most frequent first."""
    a, b = first.used, second.used
    both = sorted((pattern for pattern in a if pattern in b), key=lambda pattern: (-a[pattern] - b[pattern], pattern))
    return Difference(
        [pattern for pattern, _ in a.most_common() if pattern not in b],
        both,
        [pattern for pattern, _ in b.most_common() if pattern not in a],
    )
