"""The solver against brute force."""

from random import Random

import numpy as np
import pytest

import brute
from ramify import Expression, Pattern, Puzzle, solve
from ramify.tasks.countdown.catalog import patterns
from ramify.tasks.countdown.program import layout, listed_patterns
from ramify.tasks.countdown.solver import solve_many


@pytest.mark.parametrize(("size", "labelled"), [(2, 6), (3, 68), (4, 1260), (5, 32632)])
def test_each_labelled_class_comes_once(size: int, labelled: int) -> None:
    assert layout(size).cuts[-1] == labelled
    assert set(listed_patterns(size).tolist()) == set(range(len(patterns(size))))


def check(size: int, puzzles: int, largest: int, seed: str) -> None:
    """Solving patterns, witnesses and multiplicity of random puzzles with distinct numbers."""
    random = Random(f"{seed}/{size}")
    for _ in range(puzzles):
        numbers = tuple(random.sample(range(1, largest + 1), size))
        target = random.randint(1, largest)
        trees = brute.solutions(numbers, target)
        found = solve(numbers, target)
        assert set(found) == {Pattern.of(Expression(brute.postfix(tree))) for tree in trees}, (numbers, target)
        for pattern, witness in found.items():
            assert Pattern.of(witness) == pattern
            assert witness.value == target
            assert witness.uses(numbers)
        many = solve_many([numbers], [target])
        assert [patterns(size)[index] for index in many.solving(0)] == list(found)
        assert many.multiplicity[0] == len({brute.labelled_class(tree) for tree in trees}), (numbers, target)


@pytest.mark.parametrize(("size", "puzzles", "largest"), [(2, 500, 12), (3, 2000, 30), (4, 150, 20), (5, 1, 9)])
def test_solutions_are_all_and_only_those(size: int, puzzles: int, largest: int) -> None:
    check(size, puzzles, largest, "solver")


@pytest.mark.slow
@pytest.mark.parametrize(("size", "puzzles", "largest"), [(3, 5000, 99), (4, 2500, 99), (5, 40, 20), (5, 20, 99)])
def test_solutions_of_thousands(size: int, puzzles: int, largest: int) -> None:
    check(size, puzzles, largest, "thousands")


def test_equal_numbers_are_different_leaves() -> None:
    assert solve_many([[5, 5]], [10]).multiplicity.tolist() == [1]
    assert solve_many([[5, 5]], [1]).multiplicity.tolist() == [2]  # either five over the other
    assert set(solve([5, 5, 5], 5)) == {Pattern.parse(text) for text in ("A*B/C", "A+B-C")}


def test_zeros_and_negative_targets_are_exact() -> None:
    assert {p.text for p in solve([4, 4, 7], 0)} == {"(A-B)*C", "(A-B)/C"}
    assert "A/B/C" not in {p.text for p in solve([1, 2, 3], 0)}
    assert {p.text: w.text for p, w in solve([3, 8], -5).items()} == {"A-B": "3-8"}
    for numbers in ([2, 2, 3, 3], [1, 1, 2, 5]):
        for target in (-3, 0, 1):
            trees = brute.solutions(tuple(numbers), target)
            assert set(solve(numbers, target)) == {Pattern.of(Expression(brute.postfix(tree))) for tree in trees}


def test_fractions_inside_count() -> None:
    assert Pattern.parse("(A-B/C)*D") in solve([1, 8, 11, 99], 27)  # (1-8/11)*99
    assert Pattern.parse("A/(B/C-D)") in solve([24, 82, 35, 2], 70)  # 24/(82/35-2)
    assert Pattern.parse("A/(B/C-D/E)") in solve([87, 96, 48, 21, 25], 75)  # 87/(96/48-21/25)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_many_at_once_agree_with_one_at_a_time(size: int) -> None:
    random = np.random.default_rng(size)
    numbers, targets = random.integers(1, 30, (600, size)), random.integers(1, 30, 600)
    many = solve_many(numbers, targets)
    for row in range(0, 600, 10):
        expected = list(solve(numbers[row].tolist(), int(targets[row])))
        assert [patterns(size)[index] for index in many.solving(row)] == expected
    assert (solve_many(numbers, targets, threads=1).multiplicity == many.multiplicity).all()


def test_no_puzzles_have_no_solutions() -> None:
    assert len(solve_many([], []).multiplicity) == 0


def test_beyond_float64_integers_take_over() -> None:
    # 3 * 10**15 + 1 and its like would be lost among float64s.
    big = 9_007_199_254_740_993  # 2**53 + 1
    assert {p.text for p in solve([big, 2, 3], big + 5)} == {"A+B+C"}
    assert solve([big, 2, 3], big + 4) == {}
    random = Random("integers")
    for size, count in ((2, 40), (3, 40), (4, 10)):
        for _ in range(count):
            numbers = tuple(random.sample(range(1, 15), size))
            target = random.randint(1, 15)
            factor = 10**18  # every sum of the numbers scales with it
            scaled = {p for p in solve([n * factor for n in numbers], target * factor) if not set(p.text) & set("*/")}
            assert scaled == {p for p in solve(numbers, target) if not set(p.text) & set("*/")}
    many = solve_many([[big, 2, 3], [3, 7, 8]], [big + 5, 29])
    assert many.multiplicity.tolist() == [1, 1]
    assert many.solving(1) == [1]


def test_integers_agree_with_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    numbers, targets = random.integers(1, 10, (20, 4)), random.integers(0, 10, 20)
    expected = solve_many(numbers, targets)
    monkeypatch.setattr("ramify.tasks.countdown.solver._is_exact", lambda largest, size: False)
    again = solve_many(numbers, targets)
    assert again.multiplicity.tolist() == expected.multiplicity.tolist()
    assert again.indices.tolist() == expected.indices.tolist()


@pytest.mark.parametrize("numbers", [[1], [1] * 8])
def test_sizes_that_are_not_solved(numbers: list[int]) -> None:
    with pytest.raises(ValueError, match="2 to 7"):
        solve(numbers, 1)


@pytest.mark.slow
def test_seven_numbers() -> None:
    found = solve([1, 2, 3, 4, 5, 6, 7], 91)
    assert len(found) > 1000
    for pattern, witness in list(found.items())[::97]:
        assert Pattern.of(witness) == pattern
        assert witness.value == 91
        assert witness.uses((1, 2, 3, 4, 5, 6, 7))


def test_a_puzzle_is_solved_as_its_numbers_and_target() -> None:
    assert solve(Puzzle((3, 7, 8), 29)) == solve((3, 7, 8), 29) == solve(np.array([3, 7, 8]), 29)
    for wrong in ((Puzzle((3, 7, 8), 29), 30), ([3, 7, 8],)):
        with pytest.raises(TypeError, match="target"):
            solve(*wrong)
