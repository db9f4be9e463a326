"""The golden cases: structure, equivalence and verdicts."""

import json
from pathlib import Path

import pytest

from ramify import Pattern, Puzzle, Verdict, grade, parse

CASES = [json.loads(line) for line in (Path(__file__).parent / "golden" / "conformance.jsonl").open()]


def of_kind(kind: str) -> list[dict]:
    found = [case for case in CASES if case["kind"] == kind]
    assert found
    return found


def pattern_of(text: str) -> Pattern:
    return Pattern.parse(text) if any(letter.isalpha() for letter in text) else Pattern.of(parse(text))


def structure_of(text: str) -> Pattern:
    """Read `+[x,x|x]` into a pattern, by a reader that shares nothing with the project's parser."""
    position = 0

    def read() -> Pattern:
        nonlocal position
        if text[position] == "x":
            position += 1
            return Pattern.parse("A")
        kind = {"+": "sum", "*": "product"}[text[position]]
        position += 2
        sides: tuple[list[Pattern], list[Pattern]] = ([], [])
        side = 0
        while text[position] != "]":
            if text[position] == ",":
                position += 1
            elif text[position] == "|":
                side, position = 1, position + 1
            else:
                sides[side].append(read())
        position += 1
        return Pattern.group(kind, *sides)

    return read()


@pytest.mark.parametrize("case", of_kind("canonical"), ids=lambda case: case["expr"][:40])
def test_structure(case: dict) -> None:
    pattern = pattern_of(case["expr"])
    assert pattern == structure_of(case["canonical_class"])
    assert pattern.size == case["n"]


@pytest.mark.parametrize("case", of_kind("equivalent"), ids=lambda case: f"{case['a'][:20]} ~ {case['b'][:20]}")
def test_equivalence(case: dict) -> None:
    assert (pattern_of(case["a"]) == pattern_of(case["b"])) is case["same"]


@pytest.mark.parametrize("case", of_kind("grade"), ids=lambda case: case["answer"][-40:])
def test_verdict(case: dict) -> None:
    verdict = grade(Puzzle(tuple(case["numbers"]), case["target"]), case["answer"]).verdict
    assert (verdict is Verdict.CORRECT) is case["correct"]


def test_a_hundred_thousand_open_brackets() -> None:
    text = "<think>I try a few things.</think>\n<answer>" + "(" * 100_000 + "3+5</answer>"
    assert grade(Puzzle((3, 5), 8), text).verdict is Verdict.UNPARSABLE
