"""Puzzles as rows for other evaluators and trainers, and the grading of such rows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ramify.records import Grade
from ramify.run import Run
from ramify.storage import write_text
from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.countdown.grading import grade
from ramify.tasks.countdown.prompts import PromptConfig
from ramify.tasks.countdown.puzzle import Puzzle


def puzzle_rows(run: Run, name: str) -> list[dict[str, Any]]:
    """The puzzles of a set of a run, with their prompts."""
    prompt = prompt_of(run)
    return [
        {
            "id": puzzle.id,
            "numbers": list(puzzle.numbers),
            "target": puzzle.target,
            "pattern": puzzle.pattern and puzzle.pattern.text,
            "set": name,
            "prompt": prompt.text(puzzle),
            "answer_tags": list(prompt.answer_tags),
        }
        for puzzle in run.task.puzzles_in(run.puzzles(name))
    ]


def prompt_of(run: Run) -> PromptConfig:
    """The prompt settings of a run."""
    asked: PromptConfig = run.task.prompt
    if run.imported() is None:
        return asked
    # An import has no prompt settings, so the default prompt is used.
    return PromptConfig.check({"template": "tinyzero"}) if asked.answer_tags == ANSWER_TAGS else asked


def write_rows(run: Run, name: str, path: Path) -> int:
    """Write the puzzles of a set as JSON lines; returns their number."""
    rows = puzzle_rows(run, name)
    write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), path)
    return len(rows)


def grade_row(row: Mapping[str, Any], text: str, truncated: bool = False) -> Grade:
    """Grade a completion of a row.

    >>> grade_row({"numbers": [3, 7, 8], "target": 29}, "<answer>3*7+8</answer>").verdict.value
    'correct'
    """
    opening, closing = row.get("answer_tags") or ANSWER_TAGS
    return grade(Puzzle(tuple(row["numbers"]), row["target"]), text, truncated, (opening, closing))
