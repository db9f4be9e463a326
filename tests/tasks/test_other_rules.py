"""Graders in use elsewhere, restated: they say what the originals were seen to say."""

import time

import pytest

from ramify import Puzzle, Verdict, grade
from ramify.tasks.countdown.other_rules import is_correct_for_reasoning_gym, is_correct_for_tinyzero


@pytest.mark.parametrize(
    ("answer", "numbers", "target", "ours", "tinyzero", "gym"),
    [
        ("3*7+8", (3, 7, 8), 29, True, True, True),
        ("3*7+7", (3, 7, 8), 29, False, False, False),
        ("3+7+8", (3, 7, 8), 29, False, False, False),
        ("2**3+1", (2, 3, 1), 9, False, True, True),
        ("7//2*3", (7, 2, 3), 9, False, True, True),
        ("2.5*4", (2, 5, 4), 10, False, True, True),
        ("3^7+8", (3, 7, 8), 12, False, False, True),
        ("7%4*3", (7, 4, 3), 9, False, False, True),
        ("3*7+8.0", (3, 7, 8, 0), 29, False, True, True),
        ("-3+5", (3, 5), 2, True, True, True),
        ("(3)(7)+8", (3, 7, 8), 29, False, False, False),
        ("03*7+8", (3, 7, 8), 29, False, False, False),
        ("abs(3-7)", (3, 7), 4, False, False, True),
        ("50+1/97/98/99", (50, 1, 97, 98, 99), 50, False, True, True),
        ("7+3/(5/(1/49*49-1))", (7, 3, 5, 1, 49, 49, 1), 7, False, True, True),
        ("37*27+1/101", (37, 27, 1, 101), 999, False, False, True),
        ("5!", (5,), 120, False, False, True),
        ("sqrt(9)*5", (9, 5), 15, False, False, True),
        ("\n3*7+8\n", (3, 7, 8), 29, True, False, True),
        ("3*7+8 = 29", (3, 7, 8), 29, True, False, False),
        ("3×7+8", (3, 7, 8), 29, True, False, False),
        ("9**9**9**9", (9, 9, 9, 9), 1, False, False, False),
        ('__import__("os").getpid()*0+3+5', (0, 3, 5), 8, False, False, False),
        ("(" * 1000 + "3*7+8" + ")" * 1000, (3, 7, 8), 29, True, False, False),
        ("3*7+8/0", (3, 7, 8, 0), 29, False, False, False),
    ],
)
def test_who_accepts_what(  # the column gym was compared with reasoning-gym 0.1.25 itself
    answer, numbers, target, ours, tinyzero, gym
) -> None:
    puzzle, text = Puzzle(numbers, target), f"<answer>{answer}</answer>"
    assert (grade(puzzle, text).verdict is Verdict.CORRECT) == ours
    assert is_correct_for_tinyzero(puzzle, text) == tinyzero
    assert is_correct_for_reasoning_gym(puzzle, text) == gym


def test_the_last_answer_is_read() -> None:
    puzzle = Puzzle((3, 7, 8), 29)
    for text, expected in (
        ("<answer>1</answer> <answer>3*7+8</answer>", True),
        ("<answer>3*7+8</answer> <answer>1</answer>", False),
        ("<answer> in tags <answer>3*7+8</answer>", False),  # their match begins at the first tag
        ("<answer>\n<answer>3*7+8</answer>", True),  # no line break is matched, so it begins at the second
        ("3*7+8", False),
    ):
        assert is_correct_for_tinyzero(puzzle, text) == expected, text


def test_hostile_texts_take_linear_time() -> None:
    def seconds(length: int) -> float:
        start = time.process_time()
        for unit in ("<answer>", "<answer>\n", "</answer>", "<answer>3</answer>"):
            is_correct_for_tinyzero(Puzzle((3,), 3), unit * (length // len(unit)))
            is_correct_for_reasoning_gym(Puzzle((3,), 3), unit * (length // len(unit)))
        return time.process_time() - start

    assert seconds(800_000) < 24 * max(seconds(100_000), 1e-3)
