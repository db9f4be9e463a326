"""Exact numbers of instances, against published figures and against looking at every assignment."""

import csv
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ramify import Pattern, count_instances, patterns
from ramify.algebra.pattern import LEAF
from ramify.tasks.countdown.generation import automorphisms, values
from ramify.tasks.countdown.instances import InstanceCounter

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("size", [3, 4])
def test_every_pattern_has_the_golden_number(size: int) -> None:
    with (GOLDEN / f"instances_n{size}.csv").open() as file:
        rows = {row["pattern"]: row for row in csv.DictReader(file)}
    counters = [InstanceCounter((1, 99), (1, 99), unordered) for unordered in (False, True)]
    assert len(rows) == len(patterns(size))
    for pattern in patterns(size):
        expected = int(rows[pattern.text]["ordered"]), int(rows[pattern.text]["mod_symmetry"])
        assert tuple(counter.count(pattern) for counter in counters) == expected, pattern


def looked_at(pattern: Pattern, numbers: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Ordered and unordered instances, every assignment looked at."""
    rows = np.array(list(product(range(numbers[0], numbers[1] + 1), repeat=pattern.size)))
    top, bottom = values(pattern, rows)
    hits = [
        (tuple(row), t // b)
        for row, t, b in zip(rows.tolist(), top.tolist(), bottom.tolist(), strict=True)
        if b and t % b == 0 and target[0] <= t // b <= target[1]
    ]
    return len(hits), len({arranged(pattern, iter(row)) for row, _ in hits})


def arranged(pattern: Pattern, numbers) -> object:
    """An assignment up to the exchange of equal operands."""
    if pattern == LEAF:
        return next(numbers)
    sides = [[(child.text, arranged(child, numbers)) for child in side] for side in (pattern.plain, pattern.inverse)]
    return tuple(tuple(sorted(side, key=repr)) for side in sides)


@pytest.mark.parametrize(
    ("size", "numbers", "target", "every"),
    [
        (2, (1, 9), (-3, 9), 1),
        (3, (1, 9), (0, 30), 1),
        (4, (2, 6), (1, 20), 5),
        (4, (1, 5), (-9, 9), 7),
        (5, (1, 4), (0, 9), 31),
    ],
)
def test_small_ranges_agree_with_looking_at_every_assignment(size, numbers, target, every) -> None:
    for pattern in patterns(size)[::every]:
        counted = count_instances(pattern, numbers, target)
        assert tuple(counted) == looked_at(pattern, numbers, target), pattern


def test_zero_times_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that are wanted to have any value at all, which large ranges meet and small ones hold in one table."""
    monkeypatch.setattr("ramify.tasks.countdown.instances._PART", 5)
    for text in ("A+(B-C)*(D-E)", "A-(B-C)/(D-E)", "(A-B)*(C-D)", "A+(B-C)*D/(E-D)", "(A-B)/(C-D/E)"):
        pattern = Pattern.parse(text)
        for target in ((0, 0), (-2, 3), (1, 4)):
            assert tuple(count_instances(pattern, (1, 4), target)) == looked_at(pattern, (1, 4), target), text


def test_large_tables_are_gone_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = count_instances(Pattern.parse("(A*B+C/D)*E"), (1, 20), (1, 20))
    monkeypatch.setattr("ramify.tasks.countdown.instances._PART", 400)
    monkeypatch.setattr("ramify.tasks.countdown.instances._ENTRIES", 20_000)
    assert count_instances(Pattern.parse("(A*B+C/D)*E"), (1, 20), (1, 20)) == expected


def test_unordered_times_exchanges_is_at_least_ordered() -> None:
    for pattern in patterns(5)[::41]:
        ordered, unordered = count_instances(pattern, (1, 12), (1, 12))
        assert unordered <= ordered <= unordered * automorphisms(pattern)


@pytest.mark.parametrize(
    ("numbers", "target", "words"),
    [((0, 9), (1, 9), "numbers from 1 on"), ((5, 4), (1, 9), "a range is"), ((1, 10**6), (1, 10**6), "too many")],
)
def test_ranges_that_cannot_be_counted(numbers, target, words) -> None:
    with pytest.raises(ValueError, match=words):
        count_instances(Pattern.parse("A/(B-C/D)"), numbers, target)


@pytest.mark.slow
def test_all_of_size_five_and_the_rarest_of_size_six() -> None:
    counter = InstanceCounter((1, 99), (1, 99), unordered=False)
    counts = {pattern: counter.count(pattern) for pattern in patterns(5)}
    assert min(counts.values()) > 0
    for pattern in patterns(5)[::60]:  # the share of hits among random assignments is within five sigma
        rows = np.random.default_rng(len(pattern.text)).integers(1, 100, (1 << 20, 5))
        top, bottom = values(pattern, rows)
        safe = np.where(bottom == 0, 1, bottom)
        hits = ((bottom != 0) & (top % safe == 0) & (top // safe >= 1) & (top // safe <= 99)).sum()
        expected = counts[pattern] * len(rows) / 99**5
        assert abs(hits - expected) <= 5 * np.sqrt(expected) + 5, pattern
    assert count_instances(Pattern.parse("A/B/C/D/E/F")) == (13952, 973)
