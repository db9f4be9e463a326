"""All samples of one puzzle at several checkpoints, side by side."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from ramify.explore.source import Part, Source
from ramify.report.examples import drawn
from ramify.report.marked import marked

MOST_SAMPLES = 64
"""The number of samples shown of a column."""
MOST_TREES = 8
LONGEST = 20_000
"""The number of characters shown of a completion, from its end."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A completion with its attempts marked, and their trees.

    Attributes:
        number: -1 is the completion at temperature 0.
        trees: pattern, its tree (none if it has no pattern), expression, and whether it hits and is miscalculated.
    """

    number: int
    verdict: str
    tokens: int | None
    pieces: Sequence[tuple[str, str]]
    trees: Sequence[tuple[str, Markup, str, bool, bool]]
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
    tables = source.tables(part)
    texts, grades, attempts = pl.collect_all([table.filter(mine) for table in tables])
    written = dict(texts.select("sample", "text").rows())
    found = []
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
            trees = [
                (each["pattern"] or "", drawn(task, each["pattern"]) if each["pattern"] else Markup(""), each["expression"])
                + (each["hits_target"], each["miscalculated"])
                for each in rows[-MOST_TREES:]
            ]
            pieces = marked(text, rows, max(0, len(text) - LONGEST))
            found.append(Sample(row["sample"], row["verdict"], row["tokens"], pieces, trees, len(rows) - len(trees)))
    sampled = grades.filter(pl.col("sample") >= 0)
    correct = int((sampled["verdict"] == "correct").sum())
    return Column(part, found, correct, len(sampled), used, len(grades) - len(found))


def difference(first: Column, second: Column) -> Difference:
    """The patterns that the samples of two columns attempt, the most frequent first."""
    a, b = first.used, second.used
    both = sorted((pattern for pattern in a if pattern in b), key=lambda pattern: (-a[pattern] - b[pattern], pattern))
    return Difference(
        [pattern for pattern, _ in a.most_common() if pattern not in b],
        both,
        [pattern for pattern, _ in b.most_common() if pattern not in a],
    )
