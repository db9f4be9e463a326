"""How many patterns there are, by depth, leaves, functions and shape, and each of them by its number.

The number of trees follows from the numbers of smaller ones: the root is one of the unary functions over a tree that
is one less deep, or one of the binary functions over two trees, the deeper of which is one less deep. So a pattern is
found by its number (unranked) without a list of the others, at any depth.
"""

from functools import cache
from typing import NamedTuple

from ramify.algebra.shape import ShapeClass, shape_class
from ramify.tasks.functions.language import BINARY, LETTERS, UNARY, Program


class Stratum(NamedTuple):
    """Patterns that are equal in all that makes one longer than another.

    Attributes:
        depth: the most functions within each other.
        leaves: how many strings it takes.
        functions: how many functions it applies.
        shape: of the leaves left and right of the topmost binary function; "none" below three leaves.
    """

    depth: int
    leaves: int
    functions: int
    shape: ShapeClass


SHAPES: tuple[ShapeClass, ...] = ("none", "left-heavy", "right-heavy", "balanced")


def count(stratum: Stratum) -> int:
    """How many patterns there are in a stratum.

    >>> count(Stratum(1, 1, 1, "none")), count(Stratum(1, 2, 1, "none")), count(Stratum(2, 4, 3, "balanced"))
    (6, 4, 64)
    """
    return _count(*stratum)


def strata(depth: int, leaves: int, functions: int) -> list[Stratum]:
    """The strata of a depth that have patterns, with at most so many leaves and functions.

    >>> [(s.leaves, s.functions, s.shape) for s in strata(2, leaves=3, functions=2)]
    [(1, 2, 'none'), (2, 2, 'none'), (3, 2, 'left-heavy'), (3, 2, 'right-heavy')]
    """
    listed = (
        Stratum(depth, some, steps, shape)
        for some in range(1, leaves + 1)
        for steps in range(1, functions + 1)
        for shape in SHAPES
    )
    return [stratum for stratum in listed if count(stratum)]


def count_patterns(depth: int, leaves: int, functions: int) -> dict[ShapeClass, int]:
    """How many patterns of a depth there are of each shape, with at most so many leaves and functions.

    >>> count_patterns(2, leaves=4, functions=8)
    {'none': 252, 'left-heavy': 112, 'right-heavy': 112, 'balanced': 64}
    >>> sum(count_patterns(5, leaves=4, functions=8).values())
    328963104
    """
    found = strata(depth, leaves, functions)
    return {shape: sum(count(stratum) for stratum in found if stratum.shape == shape) for shape in SHAPES}


def unrank(stratum: Stratum, number: int) -> Program:
    """The pattern of a number from 0 to `count(stratum) - 1`; each number is another pattern.

    Raises:
        IndexError: there is no such number.

    >>> [unrank(Stratum(2, 2, 2, "none"), number).text for number in (0, 24, 71)]
    ['rev(cat(A,B))', 'cat(A,rev(B))', 'take(comp(A),B)']
    """
    if not 0 <= number < count(stratum):
        raise IndexError(f"{number} is not from 0 to {count(stratum) - 1}")
    return Program(tuple(_unrank(*stratum, number))).filled(LETTERS)


@cache
def _sides(depth: int, leaves: int, functions: int, shape: ShapeClass) -> tuple[tuple[Stratum, Stratum, int], ...]:
    """The strata of both operands of a binary root, whatever their own shapes, with the pairs of patterns in them."""
    depths = [(depth - 1, other) for other in range(depth)] + [(other, depth - 1) for other in range(depth - 1)]
    pairs = [
        (Stratum(one, left, steps, mine), Stratum(two, leaves - left, functions - 1 - steps, other))
        for left in range(1, leaves)
        if shape_class(left, leaves - left) == shape
        for steps in range(functions)
        for one, two in depths
        for mine in SHAPES
        for other in SHAPES
    ]
    found = ((first, second, count(first) * count(second)) for first, second in pairs)
    return tuple(entry for entry in found if entry[2])


@cache
def _count(depth: int, leaves: int, functions: int, shape: ShapeClass) -> int:
    if depth == 0:
        return int(leaves == 1 and functions == 0 and shape == "none")
    if functions < depth:
        return 0
    over_one = len(UNARY) * _count(depth - 1, leaves, functions - 1, shape)
    return over_one + len(BINARY) * sum(pairs for _, _, pairs in _sides(depth, leaves, functions, shape))


def _unrank(depth: int, leaves: int, functions: int, shape: ShapeClass, number: int) -> list[str]:
    """The postfix of a pattern; recursion as deep as the pattern is."""
    if depth == 0:
        return ["A"]
    below = Stratum(depth - 1, leaves, functions - 1, shape)
    inner = count(below)
    if number < len(UNARY) * inner:
        root, rest = divmod(number, inner)
        return [*_unrank(*below, rest), UNARY[root]]
    number -= len(UNARY) * inner
    for left, right, pairs in _sides(depth, leaves, functions, shape):
        if number < len(BINARY) * pairs:
            root, rest = divmod(number, pairs)
            one, two = divmod(rest, count(right))
            return [*_unrank(*left, one), *_unrank(*right, two), BINARY[root]]
        number -= len(BINARY) * pairs
    raise AssertionError("the counts do not add up")
