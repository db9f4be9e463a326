"""Tables and small files on disk: parquet with a schema version, written to another name and then renamed.

A file at its final name is complete, so work that was cut off goes on by skipping what exists.
"""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl

from ramify.algebra.pattern import Pattern
from ramify.algebra.structure import structure
from ramify.errors import RunError
from ramify.records import Completion, Puzzle
from ramify.tasks.grading import GRADER_VERSION
from ramify.tasks.tagging import Tagged

SCHEMA_VERSION = "1"
ANALYSIS_VERSION = "3"
"""Raised when the same annotated tables give other estimates."""

COMPLETIONS = {
    "puzzle_id": pl.String,
    "sample": pl.Int32,  # -1: greedy
    "text": pl.String,
    "tokens": pl.Int32,  # null: not told
    "truncated": pl.Boolean,
}
GRADES = {"puzzle_id": pl.String, "sample": pl.Int32, "verdict": pl.String, "tokens": pl.Int32, "attempts": pl.Int32}
ATTEMPTS = {
    "puzzle_id": pl.String,
    "sample": pl.Int32,
    "start": pl.Int32,
    "end": pl.Int32,
    "expression": pl.String,
    "pattern": pl.String,
    "hits_target": pl.Boolean,
    "is_answer": pl.Boolean,
    "stepwise": pl.Boolean,
    "stated": pl.Int32,
    "miscalculated": pl.Boolean,
}
ESTIMATES = {
    "metric": pl.String,
    "set": pl.String,
    "step": pl.Int32,
    "seed": pl.Int32,  # null: pooled over seeds
    "by": pl.String,
    "group": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int32,  # puzzles; seeds where seed is null
    "p": pl.Float64,  # of a test that the value is 0, where there is one
    "q": pl.Float64,  # the same, adjusted for all groups of the grouping (Benjamini and Hochberg)
    "status": pl.String,  # of an acquisition step: acquired, already present, not acquired, lost again
}

_MADE_BY = {"ramify_grader": str(GRADER_VERSION), "ramify_analysis": ANALYSIS_VERSION}


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a parquet file; it appears under its name when it is complete."""
    metadata = {"ramify_schema": SCHEMA_VERSION, **_MADE_BY}
    _atomic(path, lambda temporary: frame.write_parquet(temporary, metadata=metadata))


def read_table(path: Path) -> pl.DataFrame:
    """Read a parquet file that ramify wrote.

    Raises:
        RunError: there is no such file, or another version of ramify wrote it.
    """
    return scan_table(path).collect()


def scan_table(path: Path) -> pl.LazyFrame:
    """The same, lazily: only what is asked of it is read."""
    if not path.is_file():
        raise RunError(f"{path}: no such table")
    version = pl.read_parquet_metadata(path).get("ramify_schema")
    if version != SCHEMA_VERSION:
        raise RunError(f"{path}: schema version {version}, this ramify reads {SCHEMA_VERSION}; make it again")
    return pl.scan_parquet(path, glob=False)


def is_current(path: Path, estimates: bool = False) -> bool:
    """Whether a derived table exists and was made by this grader (and, for estimates, by this analysis)."""
    if not path.is_file():
        return False
    found = pl.read_parquet_metadata(path)
    names = ["ramify_grader", "ramify_analysis"] if estimates else ["ramify_grader"]
    return all(found.get(name) == _MADE_BY[name] for name in names)


def write_json(data: Any, path: Path) -> None:
    """Write plain data as JSON, atomically."""
    write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a text file, atomically."""
    _atomic(path, lambda temporary: temporary.write_text(text))


def _atomic(path: Path, write: Callable[[Path], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    write(temporary)
    temporary.replace(path)


def puzzle_frame(tagged: Iterable[Tagged]) -> pl.DataFrame:
    """Puzzles with everything that metrics group by, one row a puzzle; null where it has no source pattern.

    >>> from ramify.tasks.tagging import tag
    >>> row = puzzle_frame(tag([Puzzle((3, 7, 8), 29, Pattern.parse("A*B+C"))])).row(0, named=True)
    >>> row["pattern"], row["n"], row["shape_class"], row["forced"]
    ('A*B+C', 3, 'left-heavy', True)
    """
    rows = []
    for entry in tagged:
        puzzle = entry.puzzle
        shape = structure(puzzle.pattern) if puzzle.pattern else None
        rows.append(
            {
                "puzzle_id": puzzle.id,
                "numbers": list(puzzle.numbers),
                "target": puzzle.target,
                "n": len(puzzle.numbers),
                "pattern": puzzle.pattern and puzzle.pattern.text,
                "shape_class": shape and shape.shape_class,
                "split": shape and shape.split,
                "depth": shape and shape.depth,
                "lookahead": shape and shape.lookahead,
                "forced": entry.forced,
                "solving": [pattern.text for pattern in entry.solving],
                "multiplicity": entry.multiplicity,
            }
        )
    schema: dict[str, Any] = {
        "puzzle_id": pl.String,
        "numbers": pl.List(pl.Int32),
        "target": pl.Int32,
        "n": pl.Int32,
        "pattern": pl.String,
        "shape_class": pl.String,
        "split": pl.String,
        "depth": pl.Int32,
        "lookahead": pl.Int32,
        "forced": pl.Boolean,
        "solving": pl.List(pl.String),
        "multiplicity": pl.Int32,
    }
    return pl.DataFrame(rows, schema=schema)


def puzzles_in(frame: pl.DataFrame) -> list[Puzzle]:
    """The puzzles of a frame, in its order."""
    return [
        Puzzle(tuple(numbers), target, pattern and Pattern.parse(pattern))
        for numbers, target, pattern in frame.select("numbers", "target", "pattern").iter_rows()
    ]


def storable(text: str) -> str:
    r"""A text as a table can hold it: half of a surrogate pair, which JSON may bring, becomes a question mark.

    >>> storable("a\ud800b")
    'a?b'
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def completion_frame(completions: Iterable[Completion]) -> pl.DataFrame:
    """Completions as a table, one row a completion."""
    rows = [(c.puzzle_id, c.sample, storable(c.text), c.tokens, c.truncated) for c in completions]
    return pl.DataFrame(rows, schema=COMPLETIONS, orient="row")
