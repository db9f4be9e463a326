"""The columns of the tables of a run, with their types; those of puzzles are in `tasks.base.Task.puzzle_schema`."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from ramify.records import Completion

Schema = Mapping[str, Any]
"""Column to type."""
COMPLETIONS: Schema = {
    "puzzle_id": pl.String,
    "sample": pl.Int32,  # -1: greedy
    "text": pl.String,
    "tokens": pl.Int32,  # null: not told
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
    "low": pl.Float64,  # for new puzzles; of groups by structure, for new patterns
    "high": pl.Float64,
    "retrained_low": pl.Float64,  # for the same puzzles and a newly trained model; null for one seed
    "retrained_high": pl.Float64,
    "n": pl.Int32,  # puzzles
    "patterns": pl.Int32,  # source patterns of these; null where they are not counted
    "p": pl.Float64,  # of a test that the value is 0, where there is one
    "q": pl.Float64,  # the same, adjusted for all groups of the grouping, or for all primary contrasts
    "primary": pl.Boolean,  # whether the contrast is one of those named beforehand
    "status": pl.String,  # of an acquisition step: acquired, not acquired ...; else why there is no value or interval
}

ROLLOUTS: Schema = {"puzzle_id": pl.String, "pattern": pl.String, "text": pl.String, "reward": pl.Float64}
"""What every table of training completions has; those of our own training have more."""


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
