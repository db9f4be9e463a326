"""Attempts in what models write."""

import pytest

from ramify import Puzzle, find_attempts
from ramify.tasks.attempts import statements

PUZZLE = Puzzle((3, 7, 8), 29)


def texts(text: str) -> list[str]:
    return [attempt.expression.text for attempt in find_attempts(PUZZLE, text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Let me try 3 * 7 + 8 and (3+8)*7.", ["3*7+8", "(3+8)*7"]),
        ("3 × 7 + 8 = 29, 8 ÷ (7 − 3)", ["3*7+8", "8/(7-3)"]),
        ("- 3*7+8\n- (3+8)*7\n* 3+7+8", ["3*7+8", "(3+8)*7", "3+7+8"]),
        ("1) 3*7+8\n2) 3+7-8", ["3*7+8", "3+7-8"]),
        ("**3*7+8** is it", ["3*7+8"]),
        ("(e.g. 3*7+8)", ["3*7+8"]),
        ("`3*7+8`", ["3*7+8"]),
        ("29 = 3*7+8", ["3*7+8"]),
        ("3*7+8 = 21+8 = 29", ["3*7+8"]),
        ("3*7+8 = ?", ["3*7+8"]),
        ("3*7+8 = 29!", ["3*7+8"]),
        ("3*7+8=29 (8-7)*3=3", ["3*7+8", "(8-7)*3"]),
        ("3*7+\n8", ["3*7+8"]),
        (r"$3 \times 7 + 8$ and $\frac{8}{7-3}$", ["3*7+8", "8/(7-3)"]),
        ("(3*7=21)+8=29\n3-(7-8=-1)=4", ["3*7+8", "3-(7-8)"]),
        ("3*7", []),
        ("3*7+8+1", []),
        ("3(7+8)*-7", []),
        ("3 ** 7 + 8", []),
        ("3*7.5+8", []),
        ("sqrt(3*7+8)", []),
        ("3*7+8^2", []),
        ("3*7+8!", []),
        ("a3*7+8", []),
    ],
)
def test_what_is_found(text: str, found: list[str]) -> None:
    assert texts(text) == found


@pytest.mark.parametrize("text", ["2.5 + 3 * 4", "sqrt(5+3*4)", "5 + 3 * 4^2", "3(5+2)*-7", "4² + 5 + 3"])
def test_no_false_statement(text: str) -> None:
    assert statements(text) == []


def test_places_values_and_marks() -> None:
    text = "First (3*7=22)+8=30, then 3+7+8. <answer>3*7+8</answer>"
    first, second, answer = find_attempts(PUZZLE, text)
    assert text[first.start : first.end] == "(3*7=22)+8=30"
    assert (first.value, first.hits_target, first.stated, first.miscalculated) == (29, True, 2, True)
    assert (second.value, second.hits_target, second.stated, second.is_answer) == (18, False, 0, False)
    assert (answer.is_answer, answer.pattern.text) == (True, "A*B+C")


def test_division_by_zero_is_an_attempt_without_a_value() -> None:
    (attempt,) = find_attempts(Puzzle((1, 5, 5), 1), "1/(5-5)=0")
    assert attempt.value is None
    assert attempt.miscalculated


@pytest.mark.parametrize("text", ["(" * 100_000, "3+" * 100_000, "\\frac{" * 50_000, "1=" * 50_000, "\n-" * 100_000])
def test_hostile_texts(text: str) -> None:
    assert find_attempts(PUZZLE, text) == []
