"""The columns of the tables of a run, with their types; those of puzzles are in `tasks.base.Task.puzzle_schema`."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from ramify.records import Completion

Schema = Mapping[str, Any]
"""Column types by name."""
COMPLETIONS: Schema = {
    "puzzle_id": pl.String,
    "sample": pl.Int32,  # -1: greedy
    "text": pl.String,
    "tokens": pl.Int32,  # null: unknown
    "truncated": pl.Boolean,
}
GRADES: Schema = {
    "puzzle_id": pl.String,
    "sample": pl.Int32,
    "verdict": pl.String,
    "tokens": pl.Int32,
    "attempts": pl.Int32,
}
ATTEMPTS: Schema = {
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
ESTIMATES: Schema = {
    "metric": pl.String,
    "set": pl.String,
    "step": pl.Int32,
    "seed": pl.Int32,  # null: pooled over seeds
    "by": pl.String,
    "group": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,  # interval for new puzzles (new patterns, for groups by structure)
    "high": pl.Float64,
    "retrained_low": pl.Float64,  # interval for the same puzzles, retrained; null for one seed
    "retrained_high": pl.Float64,
    "n": pl.Int32,  # number of puzzles
    "patterns": pl.Int32,  # number of source patterns; null if not counted
    "p": pl.Float64,  # p of the test that the value is 0, if there is one
    "q": pl.Float64,  # p adjusted over the groups of the grouping, or over the primary contrasts
    "primary": pl.Boolean,  # whether the contrast is pre-specified
    "status": pl.String,  # status of an acquisition step, or the reason for a missing value or interval
}

ROLLOUTS: Schema = {"puzzle_id": pl.String, "pattern": pl.String, "text": pl.String, "reward": pl.Float64}
"""Columns of every table of training completions; ramify's own training adds more."""


def storable(text: str) -> str:
    r"""A text without unpaired surrogates, which JSON may contain; they become question marks.

    >>> storable("a\ud800b")
    'a?b'
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def completion_frame(completions: Iterable[Completion]) -> pl.DataFrame:
    """Completions as a table, one per row."""
    rows = [(c.puzzle_id, c.sample, storable(c.text), c.tokens, c.truncated) for c in completions]
    return pl.DataFrame(rows, schema=COMPLETIONS, orient="row")
