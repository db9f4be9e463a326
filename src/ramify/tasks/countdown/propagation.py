"""Instances of rare patterns, by propagating the target back through the root.

The values of a part of the pattern, the core, are tabulated with the number of assignments for each. The other leaves
and the target are drawn or enumerated and determine the required value of the core, for which a lookup finds all
assignments of the core at once: up to a hundred million per draw.
"""

from collections.abc import Iterator
from functools import lru_cache, reduce
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ramify.algebra.expression import calculate
from ramify.algebra.pattern import Pattern

Range = tuple[int, int]
Tree = Any
"""The number of a leaf, or (operator, left, right)."""
Fractions = tuple[np.ndarray, np.ndarray]
"""Numerators and denominators; a denominator of 0 is undefined."""

_LISTED = 1 << 20  # cases enumerated, and instances listed, at a time
_PAIRS = 1 << 20  # pairs of values in the table of a core, at most
_DRAWS = 1 << 16


class _Part(NamedTuple):
    """The values of a tree over all its assignments.

    Attributes:
        top, bottom, keys: every value once, by size: numerator, denominator, and their quotient in float64.
        counts: number of assignments for each value.
        pairs: pairs of values of the two sides (left * number of right values + right), by the value they give.
        before: number of assignments before each pair, and in total.
        starts: start of the pairs of each value.
        sides: the parts of the two operands; None for a leaf.
    """

    top: np.ndarray
    bottom: np.ndarray
    keys: np.ndarray
    counts: np.ndarray
    pairs: np.ndarray
    before: np.ndarray
    starts: np.ndarray
    sides: "tuple[_Part, _Part] | None"

    def find(self, wanted: Fractions) -> tuple[np.ndarray, np.ndarray]:
        """For each required value, its position among the values and the number of its assignments."""
        top, bottom = wanted
        defined = bottom != 0
        key = top / np.where(defined, bottom, 1)
        at = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return at, np.where(defined & (self.keys[at] == key), self.counts[at], 0)

    def assignments(self, at: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """The assignments with these ranks (from 0) among those with the values at these positions."""
        if self.sides is None:
            column: np.ndarray = self.top[at][:, None]
            return column
        left, right = self.sides
        absolute = self.before[self.starts[at]] + ranks
        pair = np.searchsorted(self.before, absolute, side="right") - 1
        x, y = np.divmod(self.pairs[pair], len(right.keys))
        x_rank, y_rank = np.divmod(absolute - self.before[pair], right.counts[y])
        return np.hstack([left.assignments(x, x_rank), right.assignments(y, y_rank)])


class Propagation:
    """The instances of one pattern; created by `for_pattern`."""

    def __init__(self, pattern: Pattern, core: Tree, numbers: Range, target: Range) -> None:
        self.tree, self.core, self.size = nested(pattern), core, pattern.size
        self.numbers, self.target = numbers, target
        self.inside = leaves(core)
        self.outside = [leaf for leaf in range(self.size) if leaf not in self.inside]
        self.part = _part(_shape(core), numbers)

    @classmethod
    def for_pattern(cls, pattern: Pattern, numbers: Range, target: Range) -> "Propagation | None":
        """A propagation for a pattern; None if arithmetic would be inexact, or no core has a determined value.

        The latter happens for a product of two operands that can both be 0 inside a sum, as in A+(B-C)*(D-E), but such
        patterns have many instances.
        """
        largest = max(numbers[1], abs(target[0]), abs(target[1]))
        if largest ** (pattern.size + 1) >= 2**51:
            return None  # quotients in float64 would not distinguish all fractions
        cores = [core for core in _steady(nested(pattern), target[0] > 0) if _gain(_shape(core), numbers)]
        return (
            cls(pattern, max(cores, key=lambda core: _gain(_shape(core), numbers)), numbers, target) if cores else None
        )

    def draw(self, random: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield batches of instances, drawn uniformly: assignments and their targets."""
        most = int(self.part.counts.max())
        while True:
            outside = random.integers(self.numbers[0], self.numbers[1] + 1, (_DRAWS, len(self.outside)))
            targets = random.integers(self.target[0], self.target[1] + 1, _DRAWS)
            at, counts = self._matches(outside, targets)
            # Accept with probability counts / max counts, so that instances are uniform.
            ticket = random.integers(0, most, _DRAWS)
            won = ticket < counts
            yield self._rows(outside[won], at[won], ticket[won]), targets[won]

    @property
    def cases(self) -> int:
        """The number of assignments of the outer leaves and targets to enumerate."""
        span = self.numbers[1] - self.numbers[0] + 1
        return int(span ** len(self.outside)) * (self.target[1] - self.target[0] + 1)

    def listed(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield every instance once, in parts: assignments and their targets."""
        span, goals = self.numbers[1] - self.numbers[0] + 1, self.target[1] - self.target[0] + 1
        for first in range(0, self.cases, _LISTED):
            case, goal = np.divmod(np.arange(first, min(first + _LISTED, self.cases)), goals)
            outside, targets = _digits(case, span, len(self.outside)) + self.numbers[0], goal + self.target[0]
            at, counts = self._matches(outside, targets)
            past = np.cumsum(counts)
            for start in range(0, int(past[-1]), _LISTED):
                number = np.arange(start, min(start + _LISTED, int(past[-1])))
                which = np.searchsorted(past, number, side="right")
                ranks = number - (past - counts)[which]
                yield self._rows(outside[which], at[which], ranks), targets[which]

    def _matches(self, outside: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        columns = dict(zip(self.outside, outside.T, strict=True))
        return self.part.find(_wanted(self.tree, self.core, columns, (targets, np.ones_like(targets))))

    def _rows(self, outside: np.ndarray, at: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """Complete assignments from those of the outer leaves and of the core."""
        rows = np.empty((len(outside), self.size), dtype=np.int64)
        rows[:, self.outside] = outside
        rows[:, self.inside] = self.part.assignments(at, ranks)
        return rows


def nested(pattern: Pattern) -> Tree:
    """A binary tree of a pattern, with leaves numbered in reading order and inverse operands joined first.

    >>> nested(Pattern.parse("A-B*C-D"))
    ('-', 0, ('+', ('*', 1, 2), 3))
    """
    return _nested(pattern, count())


def _nested(pattern: Pattern, numbers: Iterator[int]) -> Tree:
    if pattern.kind == "leaf":
        return next(numbers)
    joins, inverts = ("+", "-") if pattern.kind == "sum" else ("*", "/")
    sides = [[_nested(child, numbers) for child in side] for side in (pattern.plain, pattern.inverse)]
    plain, *inverse = (reduce(lambda left, right: (joins, left, right), side) for side in sides if side)
    return (inverts, plain, inverse[0]) if inverse else plain


def leaves(tree: Tree) -> list[int]:
    """The leaves of a tree, from left to right."""
    return [*leaves(tree[1]), *leaves(tree[2])] if isinstance(tree, tuple) else [tree]


def evaluate(tree: Tree, columns: Any) -> Fractions:
    """Exact values of a tree at many assignments; `columns` has an array of integers per leaf."""
    if not isinstance(tree, tuple):
        return columns[tree], np.ones_like(columns[tree])
    return calculate(tree[0], evaluate(tree[1], columns), evaluate(tree[2], columns))


def _wanted(tree: Tree, core: Tree, columns: dict[int, np.ndarray], goal: Fractions) -> Fractions:
    """The values of the core for which the tree has the values of `goal`; undefined if there are none."""
    if tree == core:
        return goal
    operator, left, right = tree
    in_left = leaves(core)[0] in leaves(left)
    (a, b), (c, d) = goal, evaluate(right if in_left else left, columns)
    match operator, in_left:
        case "+", _:
            goal = a * d - c * b, b * d
        case "-", True:
            goal = a * d + c * b, b * d
        case "-", False:
            goal = c * b - a * d, b * d
        case "*", _:
            goal = a * d, b * c * (d != 0)
        case "/", True:
            goal = a * c, b * d * (c != 0)
        case _:
            goal = c * b, a * d * ((b != 0) & (c != 0))
    return _wanted(left if in_left else right, core, columns, goal)


def _steady(tree: Tree, positive: bool) -> list[Tree]:
    """The subtrees whose required value is always determined; `positive`: whether that of the tree is positive."""
    if not isinstance(tree, tuple):
        return [tree]
    operator, left, right = tree
    if operator == "+":
        return [tree, *_steady(left, False), *_steady(right, False)]
    if operator == "-":
        return [tree, *_steady(left, positive and _is_positive(right)), *_steady(right, False)]
    # For y = 0, 0 = x*y and 0 = y/x hold for every x; but 0 = x/y implies x = 0.
    by_left, by_right = _is_positive(left), _is_positive(right)
    on_left = _steady(left, positive and by_right) if operator == "/" or positive or by_right else []
    on_right = _steady(right, positive and by_left) if positive or by_left else []
    return [tree, *on_left, *on_right]


def _is_positive(tree: Tree) -> bool:
    """Whether a tree over positive numbers is always positive."""
    return not isinstance(tree, tuple) or (tree[0] != "-" and _is_positive(tree[1]) and _is_positive(tree[2]))


def _shape(tree: Tree) -> Tree:
    """The tree without leaf numbers; cores of the same shape share a table."""
    return (tree[0], _shape(tree[1]), _shape(tree[2])) if isinstance(tree, tuple) else None


@lru_cache(maxsize=1024)
def _gain(shape: Tree, numbers: Range) -> float:
    """The assignments covered per draw, over the ratio of rejected draws; 0 if the table would be too large."""
    if shape is None:
        return numbers[1] - numbers[0] + 1
    if not (_gain(shape[1], numbers) and _gain(shape[2], numbers)):
        return 0
    pairs = len(_part(shape[1], numbers).keys) * len(_part(shape[2], numbers).keys)
    if pairs > _PAIRS:
        return 0
    counts = _part(shape, numbers).counts
    return float(counts.sum() / counts.max())


@lru_cache(maxsize=32)
def _part(shape: Tree, numbers: Range) -> _Part:
    if shape is None:
        leaf = np.arange(numbers[0], numbers[1] + 1)
        ones, none = np.ones_like(leaf), np.zeros(0, dtype=np.int64)
        return _Part(leaf, ones, leaf.astype(np.float64), ones, none, none, none, None)
    left, right = _part(shape[1], numbers), _part(shape[2], numbers)
    top, bottom = calculate(shape[0], (left.top[:, None], left.bottom[:, None]), (right.top, right.bottom))
    top, bottom = top.ravel(), bottom.ravel()
    pairs = np.flatnonzero(bottom)
    key = top[pairs] / bottom[pairs]
    order = np.argsort(key, kind="stable")
    pairs = pairs[order]
    keys, starts = np.unique(key[order], return_index=True)
    before = np.append(0, np.cumsum((left.counts[:, None] * right.counts).ravel()[pairs]))
    counts = np.diff(before[np.append(starts, len(pairs))])
    return _Part(top[pairs[starts]], bottom[pairs[starts]], keys, counts, pairs, before, starts, (left, right))


def _digits(numbers: np.ndarray, base: int, count: int) -> np.ndarray:
    """The digits of numbers in a base, of shape (numbers, count)."""
    return numbers[:, None] // base ** np.arange(count) % base
