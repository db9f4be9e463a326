"""The solver against brute force."""

from random import Random

import pytest

import brute
from ramify import Expression, Pattern, solve
from ramify.algebra.catalog import patterns
from ramify.algebra.solver import program, solve_many


@pytest.mark.parametrize(("size", "labelled"), [(2, 6), (3, 68), (4, 1260), (5, 32632)])
def test_each_labelled_class_comes_once(size: int, labelled: int) -> None:
    assert len(program(size).pattern) == labelled
    assert set(program(size).pattern.tolist()) == set(range(len(patterns(size))))


def brute_force(numbers: tuple[int, ...], target: int) -> set[Pattern]:
    return {
        Pattern.of(Expression(brute.postfix(tree)))
        for order in brute.orders(numbers)
        for tree in brute.trees(order)
        if brute.value(tree) == target
    }


@pytest.mark.parametrize(("size", "puzzles", "largest"), [(2, 300, 12), (3, 150, 12), (4, 4, 9)])
def test_solving_patterns_are_all_and_only_those(size: int, puzzles: int, largest: int) -> None:
    random = Random(f"solver/{size}")
    for _ in range(puzzles):
        numbers = tuple(random.randint(1, largest) for _ in range(size))
        target = random.randint(1, largest)
        found = solve(numbers, target)
        assert set(found) == brute_force(numbers, target), (numbers, target)
        for pattern, witness in found.items():
            assert Pattern.of(witness) == pattern
            assert witness.value == target
            assert witness.uses(numbers)


def test_fractions_inside_count() -> None:
    assert Pattern.parse("(A-B/C)*D") in solve([1, 8, 11, 99], 27)  # (1-8/11)*99
    assert Pattern.parse("A/(B/C-D)") in solve([24, 82, 35, 2], 70)  # 24/(82/35-2)
    assert Pattern.parse("A/(B/C-D/E)") in solve([87, 96, 48, 21, 25], 75)  # 87/(96/48-21/25)


def test_many_at_once_agree_with_one_at_a_time() -> None:
    random = Random("many")
    puzzles = [([random.randint(1, 99) for _ in range(random.randint(2, 5))], random.randint(1, 99)) for _ in range(60)]
    for (numbers, target), solution in zip(puzzles, solve_many(puzzles), strict=True):
        assert [patterns(len(numbers))[index] for index in solution.patterns] == list(solve(numbers, target))


def test_inexact_ranges_are_refused() -> None:
    with pytest.raises(ValueError, match="beyond exact"):
        solve([10_000] * 5, 1)
    with pytest.raises(ValueError, match="2 to 6"):
        solve([1], 1)
