"""The grader and the reader of attempts read one language: what one takes for an answer, the other marks as one."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify import Puzzle, Verdict, find_attempts, grade, parse, solve
from ramify.algebra.arrangement import arranged

GOLDEN = [json.loads(line) for line in (Path(__file__).parents[1] / "golden" / "completions.jsonl").open()]

WRAPPINGS = (
    "{}",
    "${}$",
    "$${}$$",
    r"\({}\)",
    r"\[{}\]",
    r"\boxed{{{}}}",
    r"\text{{{}}}",
    r"\mathrm{{{}}}",
    r"\boxed{{\text{{{}}}}}",
    r"$\displaystyle {}$",
    r"\[ \boxed{{{}}} \]",
    r"\fbox{{{}}}",
    "`{}`",
    "```\n{}\n```",
    "```python\n{}\n```",
    "**{}**",
    "{}.",
    "{} ✓",
    "{} ✅",
    "{}<|im_end|>",
    "{}<|eot_id|>\n",
    "{}</s>",
    "\n {} \n",
)
ANSWERS = ("<answer>{}</answer>", "<think>so</think> <answer>{}", "<ANSWER>{}</answer></answer>", r"so \boxed{{{}}}")
ANSWERS += (r"\(\boxed{{{}}}\)", r"\[ \boxed{{{}}} \]", "<answer><answer>{}</answer>")
NOTATIONS = (
    str,
    lambda text: text.replace("*", " × ").replace("-", " – ").replace("/", " ÷ "),
    lambda text: text.replace("*", r" \times ").replace("/", r" \div ").replace("-", " − "),
    lambda text: "".join(chr(ord(c) + 0xFEE0) if c not in " " else c for c in text),
    lambda text: text.replace("*", r"\cdot ").replace("-", " — "),
)
STATED = ("{}", "{} = {target}", "{target} = {}", "{} = {target}.0", "{} == {target}")


@st.composite
def solved(draw: st.DrawFn) -> tuple[Puzzle, str]:
    """A puzzle and a solution of it."""
    while True:
        numbers = tuple(draw(st.lists(st.integers(1, 30), min_size=2, max_size=4)))
        target = draw(st.integers(1, 40))
        if found := solve(numbers, target):
            witness = draw(st.sampled_from(sorted(found.values(), key=lambda expression: expression.text)))
            return Puzzle(numbers, target), witness.text


def written(puzzle: Puzzle, text: str, notation: object, stated: str, wrapping: str, answer: str) -> str:
    assert callable(notation)
    inner = stated.replace("{target}", str(puzzle.target)).format(notation(text))
    return answer.format(wrapping.format(inner))


@settings(max_examples=400, deadline=None)
@given(
    solved(),
    st.sampled_from(NOTATIONS),
    st.sampled_from(STATED),
    st.sampled_from(WRAPPINGS),
    st.sampled_from(ANSWERS),
)
def test_a_right_answer_is_right_however_it_is_wrapped(
    pair: tuple[Puzzle, str], notation: object, stated: str, wrapping: str, answer: str
) -> None:
    puzzle, text = pair
    completion = written(puzzle, text, notation, stated, wrapping, answer)
    result = grade(puzzle, completion)
    assert result.verdict is Verdict.CORRECT, completion
    found = find_attempts(puzzle, completion)
    assert found, completion
    assert all(attempt.is_answer and attempt.hits_target for attempt in found), completion
    assert not any(attempt.miscalculated for attempt in found), completion
    assert result.pattern in {attempt.pattern for attempt in found}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_wrapping_adds_no_value(wrapping: str, answer: str) -> None:
    """What was wrong stays wrong: a power, a factorial, a decimal, a number too many, words."""
    for text in ("2**3+1", "5!+2", "2.5*4", "3*7+8+1", "3*7", "three", "3^2", "29", "3(7)+8", "3 7 8"):
        for puzzle in (Puzzle((2, 3, 1), 9), Puzzle((5, 2), 122), Puzzle((2, 5, 4), 10), Puzzle((3, 7, 8), 29)):
            assert grade(puzzle, answer.format(wrapping.format(text))).verdict is not Verdict.CORRECT


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["id"])
def test_every_right_answer_is_an_attempt_that_hits(case: dict) -> None:
    puzzle = Puzzle(tuple(case["numbers"]), case["target"])
    if grade(puzzle, case["text"]).verdict is Verdict.CORRECT:
        assert any(attempt.is_answer and attempt.hits_target for attempt in find_attempts(puzzle, case["text"]))


@pytest.mark.parametrize(
    ("numbers", "text", "found"),
    [
        ((9, 2, 5, 11), "try (9-2)*(-(5-11)) = 42", ["(9-2)*(11-5)"]),
        ((6, 9, 4), "(-(4-9))*6 = 30", ["(9-4)*6"]),
        ((9, 2, 3), "-2*(3-9) = 12", ["2*(9-3)"]),
        ((9, 2, 3), "9 - -2*3 = 15", ["9+2*3"]),
        ((8, 3, 7), "3 × 7 – 8 = 13", ["3*7-8"]),
        ((8, 3, 7), "３×７＋８", ["3*7+8"]),
        ((8, 3, 7), r"\text{3*7+8}", ["3*7+8"]),
        ((8, 3, 7), "`3*7`+8 = 29", ["3*7+8"]),
        ((8, 3, 7), "so 3*7+8 = 29 — yes", ["3*7+8"]),
    ],
)
def test_attempts_in_the_same_notations(numbers: tuple[int, ...], text: str, found: list[str]) -> None:
    attempts = find_attempts(Puzzle(numbers, 1), text)
    assert [arranged(attempt.expression).text for attempt in attempts] == [
        arranged(parse(expression)).text for expression in found
    ]
    assert not any(attempt.miscalculated for attempt in attempts)


def test_an_attempt_that_no_pattern_has_is_kept_without_one() -> None:
    (attempt,) = find_attempts(Puzzle((9, 2), 18), "-(9*2) = -18")
    assert (attempt.pattern, attempt.value, attempt.miscalculated) == (None, -18, False)
    steps = find_attempts(Puzzle((9, 2, 20), 2), "-9*2 = -18, -18 + 20 = 2")
    assert [(attempt.expression.text, attempt.stepwise, attempt.hits_target) for attempt in steps] == [
        ("20-9*2", True, True)
    ]


def test_a_value_in_a_box_is_no_attempt_but_what_it_states_is_checked() -> None:
    (attempt,) = find_attempts(Puzzle((3, 7, 8), 29), r"3*7+8 = \boxed{30}")
    assert (attempt.is_answer, attempt.miscalculated) == (False, True)


def test_a_truncated_completion_has_the_same_answer_for_both() -> None:
    puzzle, text = Puzzle((3, 7, 8), 29), r"\boxed{3*7+8}, or <answer>3*8"
    assert grade(puzzle, text, truncated=True).verdict is Verdict.CORRECT
    assert [attempt.is_answer for attempt in find_attempts(puzzle, text, truncated=True)] == [True]
    assert grade(puzzle, text).verdict is Verdict.WRONG_NUMBERS
    assert [attempt.is_answer for attempt in find_attempts(puzzle, text)] == [False]
