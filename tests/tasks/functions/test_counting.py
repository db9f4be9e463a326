"""Numbers of patterns by the recurrence, against lists of all trees that are made another way."""

from collections import Counter
from itertools import product

import pytest

from ramify.tasks.functions.counting import Stratum, count, count_patterns, strata, unrank
from ramify.tasks.functions.language import BINARY, UNARY, Program
from ramify.tasks.functions.structure import structure


def trees(depth: int, leaves: int, functions: int) -> list[tuple[str, ...]]:
    """The postfix of all trees of at most a depth, with at most so many leaves and functions."""
    found: list[tuple[str, ...]] = [("A",)]
    for _ in range(depth):
        below = found
        found = [("A",)]
        found += [(*tree, name) for tree in below for name in UNARY]
        for left, right in product(below, below):
            sizes = [sum(item == "A" for item in tree) for tree in (left, right)]
            steps = len(left) + len(right) - sum(sizes)
            if sum(sizes) <= leaves and steps < functions:
                found += [(*left, *right, name) for name in BINARY]
        found = [tree for tree in found if len(tree) - tree.count("A") <= functions]
    return found


@pytest.mark.parametrize(("depth", "leaves", "functions"), [(1, 4, 8), (2, 4, 8), (3, 3, 3), (3, 2, 4), (4, 1, 4)])
def test_counts_are_those_of_a_list(depth: int, leaves: int, functions: int) -> None:
    listed = [structure(Program(tree)) for tree in trees(depth, leaves, functions)]
    assert len(listed) > 5
    exact = Counter(each.stratum for each in listed if each.depth == depth)
    assert {stratum: count(stratum) for stratum in strata(depth, leaves, functions)} == dict(exact)
    shapes = Counter(each.shape_class for each in listed if each.depth == depth)
    assert count_patterns(depth, leaves, functions) == {shape: shapes[shape] for shape in count_patterns(1, 1, 1)}


def test_every_number_is_another_pattern_of_its_stratum() -> None:
    for stratum in strata(2, 4, 8):
        found = [unrank(stratum, number) for number in range(count(stratum))]
        assert len({pattern.text for pattern in found}) == count(stratum)
        assert {structure(pattern).stratum for pattern in found} == {stratum}
        assert all(pattern.pattern == pattern for pattern in found)


def test_deep_patterns_are_found_without_a_list() -> None:
    for depth in (5, 8):
        for stratum in strata(depth, 4, 9):
            total = count(stratum)
            numbers = {number for number in (0, 1, total // 3, total // 2, total - 1) if number < total}
            found = {unrank(stratum, number).text for number in numbers}
            assert len(found) == len(numbers)
            assert all(structure(Program.parse(text)).stratum == stratum for text in found)


def test_mirror_shapes_are_as_many() -> None:
    for depth in range(1, 9):
        counted = count_patterns(depth, 4, 8)
        assert counted["left-heavy"] == counted["right-heavy"]


@pytest.mark.parametrize("number", [-1, 6])
def test_there_is_no_pattern_beyond_the_count(number: int) -> None:
    with pytest.raises(IndexError):
        unrank(Stratum(1, 1, 1, "none"), number)
