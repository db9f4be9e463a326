"""Verdicts, their order, and answers that other graders get wrong."""

import pytest

from ramify import Puzzle, Verdict, grade

PUZZLE = Puzzle((3, 7, 8), 29)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("3*7+8", Verdict.NO_ANSWER),
        ("<answer>3*7+8</answer>", Verdict.CORRECT),
        ("<ANSWER>\n3*7+8\n</Answer>", Verdict.CORRECT),
        (r"so \boxed{3 \cdot 7+8 = 29}", Verdict.CORRECT),
        (r"\boxed{1} <answer>3*7+8</answer>", Verdict.CORRECT),
        ("<answer></answer>", Verdict.UNPARSABLE),
        ("<answer>three</answer>", Verdict.UNPARSABLE),
        ("<answer>3*7</answer>", Verdict.WRONG_NUMBERS),
        ("<answer>3*7+8+8</answer>", Verdict.WRONG_NUMBERS),
        ("<answer>29</answer>", Verdict.WRONG_NUMBERS),
        ("<answer>3+7+8</answer>", Verdict.WRONG_VALUE),
        ("<answer>3*7+8=30</answer>", Verdict.WRONG_VALUE),
        ("<answer>(3*7=20)+8</answer>", Verdict.WRONG_VALUE),
        ("<answer>3+7</answer> <answer>3*7+8</answer>", Verdict.CORRECT),
        ("<answer>3*7+8</answer> <answer>3+7</answer>", Verdict.WRONG_NUMBERS),
        ("<answer>3*7+8</answer></answer>", Verdict.CORRECT),
        ("<answer><answer>3*7+8</answer>", Verdict.CORRECT),
        ("<answer>3*7+8<answer>", Verdict.CORRECT),
        ("<answer>3*7+8", Verdict.CORRECT),
        ("<answer>3*7+8</ans", Verdict.CORRECT),
        ("<answer>3*7+8<|eot_id|>\n", Verdict.CORRECT),
        ("<answer>3*7+8</answer> then <answer>", Verdict.CORRECT),
        (r"<answer> tags or not, \boxed{3*7+8}", Verdict.CORRECT),
        (r"\boxed{3+7} no: <answer>3*7+8", Verdict.CORRECT),
        (r"\boxed{1} is not it, \fbox{3*7+8} is", Verdict.CORRECT),
        ("<answer>29 = 3*7+8</answer>", Verdict.CORRECT),
        ("<answer>29 = 3*7+8 = 21+8</answer>", Verdict.CORRECT),
        ("<answer>30 = 3*7+8</answer>", Verdict.WRONG_VALUE),
        ("<answer>21+8 = 3*7+8</answer>", Verdict.WRONG_NUMBERS),
        ("<answer>-(3-7)*8</answer>", Verdict.WRONG_VALUE),
        ("<answer>the answer is 3*7+8</answer>", Verdict.UNPARSABLE),
    ],
)
def test_verdicts(text: str, verdict: Verdict) -> None:
    assert grade(PUZZLE, text).verdict is verdict


@pytest.mark.parametrize(
    ("answer", "numbers", "target"),
    [
        ("-2*(3-9)", (9, 2, 3), 12),
        ("(9-2)*(-(5-11))", (9, 2, 11, 5), 42),
        ("-(9*2)", (9, 2), -18),
        ("-9-2", (9, 2), -11),
        ("20 - -5", (5, 20), 25),
        ("８ × ３ ＋ ７", (3, 7, 8), 31),
    ],
)
def test_signs_and_lookalikes(answer: str, numbers: tuple[int, ...], target: int) -> None:
    result = grade(Puzzle(numbers, target), f"<answer>{answer}</answer>")
    assert result.verdict is Verdict.CORRECT
    assert (result.pattern is None) is (target < 0)


def test_undefined_comes_before_wrong_value_and_after_wrong_numbers() -> None:
    puzzle = Puzzle((1, 5, 5), 1)
    assert grade(puzzle, "<answer>1/(5-5)</answer>").verdict is Verdict.UNDEFINED
    assert grade(puzzle, "<answer>2/(5-5)</answer>").verdict is Verdict.WRONG_NUMBERS


def test_truncated_only_without_an_answer() -> None:
    assert grade(PUZZLE, "3*7", truncated=True).verdict is Verdict.TRUNCATED
    assert grade(PUZZLE, "<answer>3*7+8", truncated=True).verdict is Verdict.TRUNCATED
    assert grade(PUZZLE, r"\boxed{3*7+8} or <answer>3", truncated=True).verdict is Verdict.CORRECT
    assert grade(PUZZLE, "<answer>3*7+8</answer> and", truncated=True).verdict is Verdict.CORRECT


@pytest.mark.parametrize(
    ("answer", "numbers", "target"),
    [
        ("2**3+1", (2, 3, 1), 9),
        ("7//2*3", (7, 2, 3), 9),
        ("2.5*4", (2, 5, 4), 10),
        ("50+1/97/98/99", (50, 1, 97, 98, 99), 50),
        ("7+3/(5/(1/49*49-1))", (7, 3, 5, 1, 49, 49, 1), 7),
        ('__import__("os").getpid()*0+3+5', (0, 3, 5), 8),
        ("5!", (5,), 120),
        ("sqrt(9)*5", (9, 5), 15),
        ("37*27+1/101", (37, 27, 1, 101), 999),
        ("9**9**9**9", (9, 9, 9, 9), 1),
    ],
)
def test_exploits_of_other_graders(answer: str, numbers: tuple[int, ...], target: int) -> None:
    assert grade(Puzzle(numbers, target), f"<answer>{answer}</answer>").verdict is not Verdict.CORRECT


@pytest.mark.parametrize(
    "text",
    [
        "<answer>" * 20_000,
        "<answer>" * 5_000 + "</answer>" * 5_000,
        "<answer>" + "9" * 15_000 + "</answer>",
        "<answer>" + "(1=" * 900 + "1" + ")" * 900 + "</answer>",
        "<answer>" + "-" * 19_000 + "</answer>",
        "\\boxed{" * 20_000,
        "<answer>" + "\\frac{" * 3000 + "</answer>",
        "<answer>\ud800</answer>",
        "<answer>\x00</answer>",
    ],
)
def test_hostile_texts_get_a_verdict(text: str) -> None:
    assert grade(PUZZLE, text).verdict is not Verdict.CORRECT
