"""How models write answers and attempts: each case of golden/notations.jsonl, with the verdict of a fair reader."""

import json
import time
from pathlib import Path

import pytest

from ramify import Puzzle, Verdict, find_attempts, grade, parse
from ramify.algebra.arrangement import arranged

CASES = [json.loads(line) for line in (Path(__file__).parents[1] / "golden" / "notations.jsonl").open()]
PUZZLE = Puzzle((3, 7, 8), 29)


@pytest.mark.parametrize("case", [case for case in CASES if case["kind"] == "grade"], ids=lambda case: case["id"])
def test_verdict(case: dict) -> None:
    puzzle = Puzzle(tuple(case["numbers"]), case["target"])
    verdict = grade(puzzle, case["text"], case.get("truncated", False)).verdict
    assert verdict.value == case["expected"]
    answers = [attempt for attempt in find_attempts(puzzle, case["text"]) if attempt.is_answer]
    if verdict is Verdict.CORRECT:
        assert any(attempt.hits_target for attempt in answers)
        assert not any(attempt.miscalculated for attempt in answers)


@pytest.mark.parametrize("case", [case for case in CASES if case["kind"] == "attempts"], ids=lambda case: case["id"])
def test_attempts(case: dict) -> None:
    found = find_attempts(Puzzle(tuple(case["numbers"]), case["target"]), case["text"])
    assert [(arranged(attempt.expression).text, attempt.miscalculated) for attempt in found] == [
        (arranged(parse(text)).text, bool(wrong)) for text, wrong in case["expected"]
    ]


def test_a_number_with_thousands_of_digits_between_commas_is_only_wrong() -> None:
    (attempt,) = find_attempts(PUZZLE, "3*7+8 = " + ",".join(["9" * 999] * 6))
    assert attempt.miscalculated


@pytest.mark.parametrize(
    "text",
    [
        "1+" * 20_000 + "1" + "=1" * 20_000,
        ("(" * 900 + "1" + "+1=2)" * 900 + " so ") * 20,
        "\\boxed{" + "{}" * 500_000,
        "<answer>3*7+8</answer>" * 50_000,
    ],
    ids=["long claims", "nested claims", "braces", "tags"],
)
def test_time_is_linear_in_hostile_texts(text: str) -> None:
    """Each took from ten times the bound to minutes while a part of it was not linear."""
    start = time.process_time()
    find_attempts(PUZZLE, text)
    assert time.process_time() - start < 10
