"""Read completions: a grade for each, and the attempts in it. What is made here can be deleted and made again."""

import polars as pl

from ramify.records import Attempt, Puzzle
from ramify.tables import ATTEMPTS, GRADES
from ramify.tasks.attempts import find_attempts
from ramify.tasks.grading import grade


def annotate(completions: pl.DataFrame, puzzles: dict[str, Puzzle]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The grades and the attempts of a table of completions.

    >>> from ramify.records import Completion
    >>> from ramify.tables import completion_frame
    >>> puzzle = Puzzle((3, 7, 8), 29)
    >>> table = completion_frame([Completion(puzzle.id, 0, "<answer>3*7+8</answer>", 9, False)])
    >>> grades, attempts = annotate(table, {puzzle.id: puzzle})
    >>> grades["verdict"].to_list(), attempts["pattern"].to_list()
    (['correct'], ['A*B+C'])
    """
    grades, attempts = [], []
    for puzzle_id, sample, text, tokens, truncated in completions.iter_rows():
        puzzle = puzzles[puzzle_id]
        verdict = grade(puzzle, text, truncated).verdict
        found = find_attempts(puzzle, text)
        searched = sum(not attempt.is_answer for attempt in found)
        grades.append((puzzle_id, sample, verdict.value, tokens, searched))
        attempts += [_row(puzzle_id, sample, attempt) for attempt in found]
    return pl.DataFrame(grades, schema=GRADES, orient="row"), pl.DataFrame(attempts, schema=ATTEMPTS, orient="row")


def _row(puzzle_id: str, sample: int, attempt: Attempt) -> tuple:
    return (
        puzzle_id,
        sample,
        attempt.start,
        attempt.end,
        attempt.expression.text,
        attempt.pattern.text,
        attempt.hits_target,
        attempt.is_answer,
        attempt.stepwise,
        attempt.stated,
        attempt.miscalculated,
    )
