"""Grade completions again, and compare with the rules of other graders."""

from collections.abc import Iterable

import polars as pl

from ramify.records import Verdict
from ramify.tasks.answers import answer_span
from ramify.tasks.countdown.grading import grade
from ramify.tasks.countdown.other_rules import is_correct_for_reasoning_gym, is_correct_for_tinyzero
from ramify.tasks.countdown.puzzle import Puzzle

SCHEMA = {
    "puzzle_id": pl.String,
    "text": pl.String,
    "verdict": pl.String,
    "earlier": pl.String,  # null: unknown
    "correct": pl.Boolean,
    "tinyzero": pl.Boolean,
    "reasoning_gym": pl.Boolean,
}
OTHERS = {"tinyzero": "TinyZero-style", "reasoning_gym": "reasoning-gym-style"}


def regrade(completions: Iterable[tuple[Puzzle, str, Verdict | None]]) -> pl.DataFrame:
    """Grade completions: the verdict, whether it is correct, and whether each other grader accepts it.

    Args:
        completions: (puzzle, text, earlier verdict or None).

    >>> regrade([(Puzzle((2, 3, 1), 9), "<answer>2**3+1</answer>", None)]).row(0)[2:]
    ('unparsable', None, False, True, True)
    """
    rows = []
    for puzzle, text, earlier in completions:
        verdict = grade(puzzle, text).verdict
        others = is_correct_for_tinyzero(puzzle, text), is_correct_for_reasoning_gym(puzzle, text)
        rows.append((puzzle.id, text, verdict.value, earlier and earlier.value, verdict is Verdict.CORRECT, *others))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def changed(regraded: pl.DataFrame) -> pl.DataFrame:
    """Verdicts that differ from earlier ones: earlier, verdict, count, most frequent first."""
    pairs = regraded.filter(pl.col("earlier") != pl.col("verdict")).group_by("earlier", "verdict")
    return pairs.agg(count=pl.len()).sort("count", "earlier", "verdict", descending=[True, False, False])


def disagreements(regraded: pl.DataFrame) -> pl.DataFrame:
    """For each other grader: the number it accepts and ramify rejects, and the reverse."""
    rows = []
    for column, name in OTHERS.items():
        theirs, ours = pl.col(column), pl.col("correct")
        counts = regraded.select(
            too_many=(theirs & ~ours).sum(), too_few=(~theirs & ours).sum(), same=(theirs == ours).sum()
        )
        rows.append({"rules": name, "correct": int(regraded[column].sum()), **counts.row(0, named=True)})
    return pl.DataFrame(rows)


def examples(regraded: pl.DataFrame, column: str, count: int = 3) -> list[tuple[str, str, str]]:
    """Completions on which another grader disagrees: puzzle, answer and ramify's verdict, with distinct answers."""
    found: dict[str, tuple[str, str, str]] = {}
    for puzzle_id, text, verdict in regraded.filter(pl.col(column) != pl.col("correct"))[
        "puzzle_id", "text", "verdict"
    ].iter_rows():
        span = answer_span(text)
        answer = text[slice(*span)].strip()[:60] if span else text[-60:]
        found.setdefault(answer, (puzzle_id, answer, verdict))
        if len(found) == count:
            break
    return list(found.values())
