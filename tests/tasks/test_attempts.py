"""Attempts in what models write."""

import json
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from ramify import Pattern, Puzzle, find_attempts, parse, patterns
from ramify.algebra.arrangement import arranged
from ramify.tasks.countdown.statements import segments

PUZZLE = Puzzle((3, 7, 8), 29)
GOLDEN = Path(__file__).parents[1] / "golden" / "completions.jsonl"


def texts(text: str) -> list[str]:
    return [attempt.expression.text for attempt in find_attempts(PUZZLE, text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Let me try 3 * 7 + 8 and (3+8)*7.", ["3*7+8", "(3+8)*7"]),
        ("3 × 7 + 8 = 29, 8 ÷ (7 − 3)", ["3*7+8", "8/(7-3)"]),
        ("- 3*7+8\n- (3+8)*7\n* 3+7+8", ["3*7+8", "(3+8)*7", "3+7+8"]),
        ("1) 3*7+8\n2) 3+7-8\n3. 8/(7-3)", ["3*7+8", "3+7-8", "8/(7-3)"]),
        ("**3*7+8** is it, or **8+7** - 3", ["3*7+8"]),
        ("(e.g. 3*7+8)", ["3*7+8"]),
        ("`3*7+8`", ["3*7+8"]),
        ("29 = 3*7+8", ["3*7+8"]),
        ("3*7+8 = 21+8 = 29", ["3*7+8"]),
        ("3*7+8 = ?", ["3*7+8"]),
        ("3*7+8 == 29", ["3*7+8"]),
        ("3*7+8 != 30", ["3*7+8"]),
        ("3*7+8 = 29!", ["3*7+8"]),
        ("3*7+8 - too large", ["3*7+8"]),
        ("3*7+8=29 (8-7)*3=3", ["3*7+8", "(8-7)*3"]),
        ("3*7+\n8", ["3*7+8"]),
        ("3*7+8\n= 21 + 8\n= 29", ["3*7+8"]),
        (r"$3 \times 7 + 8$ and $\frac{8}{7-3}$", ["3*7+8", "8/(7-3)"]),
        (r"\( 3 \cdot 7 + 8 \), \[ \left(3 + 8\right) \times 7 \]", ["3*7+8", "(3+8)*7"]),
        (r"\begin{aligned} 3 \times 7 + 8 &= 21 + 8 \\ &= 29 \end{aligned}", ["3*7+8"]),
        (r"\boxed{3 \times 7 + 8 = 29}", ["3*7+8"]),
        (r"$3$ × $7$ + $8$", ["3*7+8"]),
        (r"\underbrace{3 \times 7}_{21} + 8", ["3*7+8"]),
        ("(3*7=21)+8=29\n3-(7-8=-1)=4", ["3*7+8", "3-(7-8)"]),
        ("-3+7*8 and 7*8+-3", ["7*8-3", "7*8-3"]),
        ("3 x 7 + 8, [3 + 8] * 7", ["3*7+8", "(3+8)*7"]),
        ("print(3*7+8)", ["3*7+8"]),
        ("<answer>\n(3*7)\n+ 8\n</answer>", ["3*7+8"]),
        ("3*7+8" * 2, []),
        ("3*7", []),
        ("3*7+8+1", []),
        ("3(7+8)*-7", []),
        ("3 ** 7 + 8", []),
        ("3*7.5+8", []),
        ("3*07+8", []),
        ("sqrt(3*7+8)", []),
        (r"\sqrt{3*7+8}", []),
        ("f(8) = 3*7", []),
        ("3*7+8^2", []),
        ("(3+7)*8⁰", []),
        ("3*7+8!", []),
        ("3*7+8*y", []),
        ("a3*7+8", []),
        ("3, 7, 8 and [3, 7, 8]", []),
        ("3+7 8", []),
    ],
)
def test_what_is_found(text: str, found: list[str]) -> None:
    assert texts(text) == found


@pytest.mark.parametrize("text", ["2.5 + 3 * 4", "sqrt(5+3*4)", "5 + 3 * 4^2", "3(5+2)*-7", "4² + 5 + 3", "0.5*3+4"])
def test_no_false_attempt(text: str) -> None:
    for numbers in ((3, 4), (5, 3, 4), (5, 3), (3, 5, 2, 7), (5, 2), (2, 5, 3, 4), (4, 5, 3)):
        assert find_attempts(Puzzle(numbers, 1), text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3*7 = 21, then 21 + 8 = 29", [("3*7+8", False)]),
        ("3*7 = 22, then 22 + 8 = 30", [("3*7+8", True)]),
        ("3*7 = 21, then 21 + 8 = 30", [("3*7+8", True)]),
        ("3 × 7 → 21\n8 + 21 → 29", [("8+3*7", False)]),
        ("3*7 gives 22. 22 + 8 is 30.", [("3*7+8", True)]),
        ("3*7 = 21 + 8 = 29", [("3*7+8", False)]),  # several steps in one breath
        ("21 = 3*7, 29 = 21+8", [("3*7+8", False)]),
        ("3 - 8 = -5. -5 * 7 = -35", [("(3-8)*7", False)]),
        ("3 - 8 = -5, 7 - (-5) = 12", [("7-(3-8)", False)]),
        ("7/8 = 0.875, 0.875 * 3 = 2.625", [("7/8*3", False)]),
        ("7/3 = 2.33, 2.33 * 8 = 18.67", [("7/3*8", False)]),  # rightly rounded
        ("8/3 = 2.66, 2.66 * 7", [("8/3*7", True)]),
        ("3*7 = 21. 21 + 8 = 29. 21 - 8 = 13.", [("3*7+8", False), ("3*7-8", False)]),
        ("8 - 7 = 1, 1 * 7 = 7", []),
        ("3*7 = 21, 29 - 21 = 8", []),
        ("21 + 8 = 29", []),
    ],
)
def test_steps_are_linked_into_one_tree(text: str, found: list[tuple[str, bool]]) -> None:
    attempts = find_attempts(PUZZLE, text)
    assert [(attempt.expression.text, attempt.miscalculated) for attempt in attempts] == found
    assert all(attempt.stepwise for attempt in attempts)


def test_a_value_that_is_also_a_number_of_the_puzzle() -> None:
    puzzle = Puzzle((2, 4, 8, 3), 1)
    just_before = find_attempts(puzzle, "2 * 4 = 8, 8 * 8 = 64, 64 - 3 = 61")
    assert [a.expression.text for a in just_before] == ["2*4*8-3"]
    used_up = find_attempts(puzzle, "2 * 4 = 8. 8 - 3 = 5. 5 + 8 = 13")
    assert [a.expression.text for a in used_up] == ["2*4-3+8"]
    long_before = find_attempts(puzzle, "2 * 4 = 8. 3 + 4 = 7. 8 - 7 = 1. 1 / 2")
    assert [a.expression.text for a in long_before] == ["(8-(3+4))/2"]


def test_partial_attempts_use_some_of_the_numbers() -> None:
    found = find_attempts(PUZZLE, "3*7 = 21, 21 + 8 = 29; 9*7; 8-3", partial=True)
    assert [(a.expression.text, a.stepwise) for a in found] == [("3*7", False), ("3*7+8", True), ("8-3", False)]


def test_places_values_and_marks() -> None:
    text = "First (3*7=22)+8=30, then 3+7+8. 7*8 = 56 and 56 - 3 = 53. <answer>3*7+8</answer>"
    first, second, third, answer = find_attempts(PUZZLE, text)
    assert text[first.start : first.end] == "(3*7=22)+8=30"
    assert (first.value, first.hits_target, first.stated, first.miscalculated) == (29, True, 2, True)
    assert (second.value, second.hits_target, second.stated, second.is_answer) == (18, False, 0, False)
    assert text[third.start : third.end] == "7*8 = 56 and 56 - 3 = 53"
    assert (third.stepwise, third.stated, third.miscalculated) == (True, 2, False)
    assert text[answer.start : answer.end] == "3*7+8"
    assert (answer.is_answer, answer.pattern.text) == (True, "A*B+C")


def test_division_by_zero_is_an_attempt_without_a_value() -> None:
    (attempt,) = find_attempts(Puzzle((1, 5, 5), 1), "1/(5-5)=0")
    assert attempt.value is None
    assert attempt.miscalculated


NOTATIONS = {
    "bold": "**{}**",
    "numbered": "1) {}",
    "example": "(e.g. {})",
    "line breaks": "{}",
    "signs": "{}",
    "latex": "\\({}\\)",
    "square brackets": "{}",
    "leading minus": "{}",
    "step-wise": "{}",
}


def written(pattern: Pattern, numbers: list[int], notation: str) -> str:
    """An expression of the pattern as models write it."""
    text = pattern.tree.render(lambda leaf: str(numbers[leaf]))
    match notation:
        case "line breaks":
            text = "".join(c + "\n" if c in "+-*/" else c for c in text)
        case "signs":
            text = text.translate(str.maketrans("*/-", "×÷−"))
        case "latex":
            text = (
                text.replace("*", " \\times ").replace("/", " \\div ").replace("(", "\\left(").replace(")", "\\right)")
            )
        case "square brackets":
            text = text.translate(str.maketrans("()", "[]"))
        case "leading minus":
            first, minus, last = text.rpartition("-")
            text = f"-{last}+{first}" if minus and last.isdigit() and first.count("(") == first.count(")") else text
        case "step-wise":
            steps: list[str] = []

            def step(op: str, left, right):
                value = {"+": left + right, "-": left - right, "*": left * right}.get(op) if op != "/" else None
                value = value if value is not None else (left // right if right and left % right == 0 else None)
                if value is None:
                    raise ZeroDivisionError
                steps.append(f"{left} {op} {right} = {value}" if right >= 0 else f"{left} {op} ({right}) = {value}")
                return value

            pattern.tree.fold(lambda leaf: numbers[leaf], step)
            text = ", ".join(steps)
    return NOTATIONS[notation].format(text)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_two_hundred_of_two_hundred(notation: str) -> None:
    random = Random(notation)
    found = tried = 0
    while tried < 200:
        pattern = random.choice(patterns(random.choice([3, 4])))
        numbers = random.sample(range(30, 99), pattern.size)
        if notation == "step-wise":  # of quotients that come out even, and results that are not numbers of the puzzle
            numbers = [number * random.choice([1, 1, 2]) for number in numbers]
            if len(set(numbers)) < len(numbers):
                continue
        try:
            text = written(pattern, numbers, notation)
        except ZeroDivisionError:
            continue
        if notation == "step-wise" and {int(part.split("=")[1]) for part in text.split(",")} & set(numbers):
            continue
        tried += 1
        attempts = find_attempts(Puzzle(tuple(numbers), 1), f"I try\n{text}\nand see.")
        found += [attempt.pattern for attempt in attempts] == [pattern]
    assert found == 200


def labelled() -> list[dict]:
    return [json.loads(line) for line in GOLDEN.read_text().splitlines()]


def test_the_labelled_set() -> None:
    """Precision and recall over attempts; an attempt counts if its tree and whether it is miscalculated are right."""
    right = wrong = missed = 0
    for entry in labelled():
        puzzle = Puzzle(tuple(entry["numbers"]), entry["target"])
        expected = Counter((arranged(parse(a["expression"])), a["miscalculated"]) for a in entry["attempts"])
        found = Counter((arranged(a.expression), a.miscalculated) for a in find_attempts(puzzle, entry["text"]))
        right += (expected & found).total()
        wrong += (found - expected).total()
        missed += (expected - found).total()
    assert len(labelled()) >= 300
    assert right / (right + wrong) >= 0.99
    assert right / (right + missed) >= 0.98


def test_labels_use_each_number_once() -> None:
    for entry in labelled():
        for attempt in entry["attempts"]:
            assert parse(attempt["expression"]).uses(tuple(entry["numbers"])), entry["id"]


HOSTILE = (
    *("(", "3+", "\\frac{", "1=", "\n-", "3*7=21, 21+8=29\n", "<answer>", "\\boxed{", "9", "9*", "3x", "3(", "3 "),
    *("<answer>3*7+8</answer>", "1,", "1.", "-3", "$3$+", "3*7 is ", "\\\\\n", "sqrt(", "{3}_{", "3*7+8=", "3*7 ", "a"),
    *("(3*7=21)+8=29 ", "7*8=56 gives 56 ", "3/0 ", "| 3*7+8 | 29 |\n", " ", "\0", "**", "3 - 8 = -5. "),
)


def seconds(unit: str, length: int) -> float:
    text = (unit * (length // len(unit) + 1))[:length]
    times = []
    for _ in range(2):
        start = time.process_time()
        find_attempts(PUZZLE, text)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("largest", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("unit", HOSTILE)
def test_time_is_linear_in_hostile_texts(unit: str, largest: int) -> None:
    """Eight times the text takes far less than the 64 times the time of anything quadratic."""
    assert seconds(unit, largest) < 24 * max(seconds(unit, largest // 8), 5e-3)


@pytest.mark.parametrize(
    ("before", "unit", "after"),
    [
        ("3*7+8", "\n", "=29"),
        ("3*7+8 \\\\", " ", "= 29"),
        ("3*7+8", " ", "gives"),
        ("3*7+8 =", "\n", "29"),
        ("3", "x", "("),
    ],
)
def test_time_is_linear_in_gaps(before: str, unit: str, after: str) -> None:
    def gap(length: int) -> float:
        start = time.process_time()
        find_attempts(PUZZLE, f"{before}{unit * length}{after}")
        return time.process_time() - start

    assert min(gap(200_000), gap(200_000)) < 24 * max(gap(25_000), 5e-3)


def test_time_is_linear_in_steps_of_one_breath() -> None:
    def breath(length: int) -> float:
        text = "1+2" + "=3-1=2+1" * length
        start = time.process_time()
        find_attempts(Puzzle((1, 2, 3), 7), text)
        return time.process_time() - start

    assert min(breath(4000), breath(4000)) < 24 * max(breath(500), 5e-3)


def test_segments_of_one_shape_are_read_once() -> None:
    one, two = (next(segments(text)).shape for text in ("3*7+8 = 29", "11*2+5 = 27"))
    assert one is two


@pytest.mark.parametrize("answer", [r"\boxed{3*7+8}", r"\boxed{(3*7)+8}", "<answer>(3*7)+8</answer>"])
def test_an_answer_is_marked_as_one(answer: str) -> None:
    found = find_attempts(Puzzle((3, 7, 8), 29), f"(8-3)*7 = 35\nso {answer}")
    assert [attempt.is_answer for attempt in found] == [False, True]
