"""Drawing puzzles: all of them, each as likely as any other, none twice."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from ramify import Pattern, Puzzle, count_puzzles, patterns
from ramify.randomness import generator
from ramify.tasks.countdown import generation
from ramify.tasks.countdown.generation import draw_distinct, values
from ramify.tasks.countdown.propagation import Propagation


def everything(numbers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.ones(len(targets), dtype=bool)


def all_puzzles(pattern: Pattern, numbers: tuple[int, int], target: tuple[int, int]) -> set[str]:
    rows = np.array(list(product(range(numbers[0], numbers[1] + 1), repeat=pattern.size)))
    top, bottom = values(pattern, rows)
    return {
        Puzzle(tuple(row), t // b).id
        for row, t, b in zip(rows.tolist(), top.tolist(), bottom.tolist(), strict=True)
        if b and t % b == 0 and target[0] <= t // b <= target[1]
    }


def sources(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Make small examples take the way of large ones."""
    monkeypatch.setattr(generation, "ENUMERATED", 0)
    if way == "propagation":
        monkeypatch.setattr(generation, "_TRIES", 0)
    if way == "list":
        monkeypatch.setattr(generation, "_TRIES", 0)
        monkeypatch.setattr(generation, "_DRAWS", 0)


WAYS = ("enumeration", "rejection", "propagation", "list")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", ["A*B+C", "A/(B-C)", "A+B+C+D", "(A-B)*(C-D)", "A/B-C*D+E"])
def test_each_puzzle_is_as_likely_as_any_other(way: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chi-square over all puzzles of a small range; the limit is passed once in 10,000 times by a uniform draw."""
    if way != "enumeration":
        sources(monkeypatch, way)
    monkeypatch.setattr(generation, "_FIRST_BATCH", 16)
    monkeypatch.setattr(generation, "_LARGEST_BATCH", 64)
    monkeypatch.setattr("ramify.tasks.countdown.propagation._DRAWS", 64)
    pattern = Pattern.parse(text)
    ranges = {3: ((1, 7), (1, 5)), 4: ((1, 4), (1, 5)), 5: ((1, 3), (1, 2))}[pattern.size]
    puzzles = all_puzzles(pattern, *ranges)
    draws = 25 * len(puzzles)
    random = generator(f"{way}/{text}")
    counts = Counter(draw_distinct(pattern, 1, random, everything, set(), *ranges).puzzles[0].id for _ in range(draws))
    assert set(counts) <= puzzles
    statistic = sum((counts[puzzle] - 25) ** 2 / 25 for puzzle in puzzles)
    freedom = len(puzzles) - 1
    limit = freedom * (1 - 2 / (9 * freedom) + 3.72 * (2 / (9 * freedom)) ** 0.5) ** 3  # Wilson and Hilferty 1931
    assert statistic < limit


@pytest.mark.parametrize("way", WAYS)
def test_a_shortage_is_proved(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern, ranges = Pattern.parse("A/(B+C)"), ((1, 9), (1, 9))
    if way != "enumeration":
        sources(monkeypatch, way)
    drawn = draw_distinct(pattern, 10_000, generator("all"), everything, set(), *ranges)
    assert drawn.all_found
    assert {puzzle.id for puzzle in drawn.puzzles} == all_puzzles(pattern, *ranges)
    assert len(drawn.puzzles) == len({puzzle.id for puzzle in drawn.puzzles})


def test_a_shortage_that_cannot_be_proved_is_not_called_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    sources(monkeypatch, "propagation")
    monkeypatch.setattr(Propagation, "for_pattern", lambda *_: None)
    monkeypatch.setattr(generation, "_EFFORTS", 1)
    monkeypatch.setattr(generation, "_TRIES", 1 << 12)
    drawn = draw_distinct(Pattern.parse("A+B"), 100, generator("x"), everything, set(), (1, 3), (1, 99))
    assert (len(drawn.puzzles), drawn.all_found) == (6, False)


def test_taken_puzzles_are_not_given_twice() -> None:
    taken: set[str] = set()
    pattern = Pattern.parse("A+B")
    first = draw_distinct(pattern, 20, generator("a"), everything, taken, (1, 9), (1, 9)).puzzles
    second = draw_distinct(pattern, 20, generator("a"), everything, taken, (1, 9), (1, 9)).puzzles
    assert len(first) == 20 > len(second)  # 1+1 … 1+8, 2+2 … : 20 pairs of sum up to 9
    assert not {p.id for p in first} & {p.id for p in second}


@pytest.mark.parametrize("size", [3, 4, 5])
def test_propagation_lists_every_instance(size: int) -> None:
    numbers, target = (1, 4), (1, 6)
    for pattern in patterns(size)[:: {3: 1, 4: 3, 5: 23}[size]]:
        propagation = Propagation.for_pattern(pattern, numbers, target)
        rows = np.array(list(product(range(1, 5), repeat=size)))
        top, bottom = values(pattern, rows)
        safe = np.where(bottom == 0, 1, bottom)
        hit = (bottom != 0) & (top % safe == 0) & (top // safe >= 1) & (top // safe <= 6)
        expected = {(*row, value) for row, value in zip(rows[hit].tolist(), (top // safe)[hit].tolist(), strict=True)}
        if propagation is None:  # 0 times anything
            assert pattern.size > 4
            continue
        found = [
            (*row, goal)
            for rows, goals in propagation.listed()
            for row, goal in zip(rows.tolist(), goals.tolist(), strict=True)
        ]
        assert len(found) == len(expected)
        assert set(found) == expected, pattern


@pytest.mark.parametrize("text", ["A/B/C/D/E/F", "A/(B+C)/(D+E)/F", "A*B*C*D*E+F"])
def test_the_rarest_patterns_have_puzzles(text: str) -> None:
    pattern = Pattern.parse(text)
    drawn = draw_distinct(pattern, 1, generator(text), everything, set()).puzzles
    assert len(drawn) == 1
    assert Propagation.for_pattern(pattern, (1, 99), (1, 99)) is not None


def test_distinct_puzzles_are_counted() -> None:
    assert count_puzzles(Pattern.parse("A*B+C")) == 8326
    assert count_puzzles(Pattern.parse("A/B/C"), (1, 9), (1, 9)) == len(
        all_puzzles(Pattern.parse("A/B/C"), (1, 9), (1, 9))
    )
    assert count_puzzles(Pattern.parse("A*B*C*D"), (1, 30), (1, 99)) == len(
        all_puzzles(Pattern.parse("A*B*C*D"), (1, 30), (1, 99))
    )
    with pytest.raises(ValueError, match="too many"):
        count_puzzles(Pattern.parse("A+B+C+D-E"))
