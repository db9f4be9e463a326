"""The structure of a pattern: what makes one harder than another, which skills it is made of, who its relatives are."""

from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations
from typing import Literal

import numpy as np

from ramify.algebra.catalog import patterns
from ramify.algebra.expression import Expression
from ramify.algebra.pattern import LEAF, Pattern, signed_children

ShapeClass = Literal["balanced", "left-heavy", "right-heavy", "none"]
SHAPE_CLASSES: tuple[ShapeClass, ...] = ("balanced", "left-heavy", "right-heavy")

MAX_COMPARED = 6
"""Patterns of up to so many leaves are compared as functions."""
_PRIMES = (2_147_483_629, 2_147_483_587)


@dataclass(frozen=True, slots=True)
class Structure:
    """Everything that is computed from the normal form of one pattern.

    Attributes:
        left, right: leaves left and right of the root operator of the binary tree (0 for a single leaf).
        root: the root operator; empty for a single leaf.
        depth: height of the binary tree.
        min_depth: height of the shallowest binary tree of the class.
        lookahead: values held while writing and evaluating left to right.
        alternation: nested groups on the longest path.
        shape_class: balanced, left-heavy or right-heavy; "none" below three leaves.
        operators: how many of + - * / are in the binary tree.
    """

    left: int
    right: int
    root: str
    depth: int
    min_depth: int
    lookahead: int
    alternation: int
    shape_class: ShapeClass
    operators: tuple[int, int, int, int]

    @property
    def split(self) -> str:
        """The paper's shape signature, for example `[2]-[1]`; empty for a single leaf."""
        return f"[{self.left}]{self.root}[{self.right}]" if self.root else ""

    @property
    def balance(self) -> float:
        """The smaller side of the root over the larger; 0 for a single leaf."""
        return min(self.left, self.right) / max(self.left, self.right, 1)


@cache
def structure(pattern: Pattern) -> Structure:
    """The structure of a pattern.

    >>> s = structure(Pattern.parse("A/(B-C/D)"))
    >>> s.split, s.depth, s.lookahead, s.shape_class
    ('[1]/[3]', 3, 4, 'right-heavy')
    >>> s = structure(Pattern.parse("A+B+C+D"))  # ((A+B)+C)+D
    >>> s.depth, s.min_depth, s.lookahead, s.alternation
    (3, 2, 2, 1)
    >>> s = structure(Pattern.parse("(A+B)*(C+D)"))
    >>> s.split, s.depth, s.lookahead, s.alternation, s.shape_class, s.balance
    ('[2]*[2]', 2, 3, 2, 'balanced', 1.0)
    """
    postfix = pattern.tree.postfix
    left, right, root = _root(pattern)
    return Structure(
        left,
        right,
        root,
        pattern.tree.fold(lambda _: 0, lambda _, a, b: 1 + max(a, b)),
        _min_depth(pattern),
        pattern.tree.fold(lambda _: 1, lambda _, a, b: max(a, 1 + b)),
        _alternation(pattern),
        _shape_class(left, right),
        (postfix.count("+"), postfix.count("-"), postfix.count("*"), postfix.count("/")),
    )


def _root(pattern: Pattern) -> tuple[int, int, str]:
    if pattern == LEAF:
        return 0, 0, ""
    symbol, last = signed_children(pattern)[-1]
    return pattern.size - last.size, last.size, symbol


def _shape_class(left: int, right: int) -> ShapeClass:
    if left + right < 3:
        return "none"
    if abs(left - right) <= 1 and left + right >= 4:
        return "balanced"
    return "left-heavy" if left > right else "right-heavy"


def _alternation(pattern: Pattern) -> int:
    children = pattern.plain + pattern.inverse
    return 1 + max(map(_alternation, children)) if children else 0


@cache
def _min_depth(pattern: Pattern) -> int:
    """Join the two shallowest children until one is left: optimal for a binary tree over given heights.

    Inverse children cost nothing extra: with one plain child at hand, any two operands of a group can be joined
    first (a-b, or b+c to be subtracted later).
    """
    heights = sorted(_min_depth(child) for child in pattern.plain + pattern.inverse)
    while len(heights) > 1:
        heights = sorted([max(heights[0], heights[1]) + 1, *heights[2:]])
    return heights[0] if heights else 0


@cache
def skills(pattern: Pattern) -> frozenset[Pattern]:
    """Every subtree of every binary tree in the pattern's class, the pattern itself included.

    Any part of a group is one, with its signs as they are, or all of them turned where it can be subtracted (divided
    by) as a whole: B-A is a skill of C-A+B and so is A-B, through C-(A-B).

    >>> sorted(skill.text for skill in skills(Pattern.parse("A+B-C")))
    ['A', 'A+B', 'A+B-C', 'A-B']
    >>> sorted(skill.text for skill in skills(Pattern.parse("A-B-C")))
    ['A', 'A+B', 'A-B', 'A-B-C']
    """
    found = {pattern}
    children = [(0, child) for child in pattern.plain] + [(1, child) for child in pattern.inverse]
    for child in {child for _, child in children}:
        found |= skills(child)
    for taken in range(2, len(children)):
        for part in combinations(range(len(children)), taken):
            sides: tuple[list[Pattern], list[Pattern]] = ([], [])
            for index in part:
                sides[children[index][0]].append(children[index][1])
            rest_has_plain = len(sides[0]) < len(pattern.plain)
            if sides[0]:
                found.add(Pattern.group(pattern.kind, *sides))
            if sides[1] and rest_has_plain:
                found.add(Pattern.group(pattern.kind, sides[1], sides[0]))
    return frozenset(found)


@cache
def parts(pattern: Pattern) -> tuple[Pattern, ...]:
    """The immediate non-leaf children of the binary tree, left before right.

    >>> [part.text for part in parts(Pattern.parse("(A+B)*C+D"))], parts(Pattern.parse("A/B"))
    (['(A+B)*C'], ())
    >>> [part.text for part in parts(Pattern.parse("A+B-C*D"))]
    ['A+B', 'A*B']
    """
    if pattern == LEAF:
        return ()
    postfix = pattern.tree.postfix[:-1]
    needed, cut = 1, len(postfix)  # the right child is the shortest tail that leaves one value
    while needed:
        cut -= 1
        needed += 1 if isinstance(postfix[cut], str) else -1
    return tuple(Pattern.of(Expression(part)) for part in (postfix[:cut], postfix[cut:]) if len(part) > 1)


@cache
def family(skill: Pattern, size: int) -> tuple[Pattern, ...]:
    """Every pattern of this size that has the skill, or a twin of it, among its skills, and the twins of these.

    >>> [pattern.text for pattern in family(Pattern.parse("A-B*C"), 3)]
    ['A-B*C']
    """
    wanted = {skill, *twins(skill)}
    members = {pattern for pattern in patterns(size) if not wanted.isdisjoint(skills(pattern))}
    members |= {twin for pattern in members for twin in twins(pattern)}
    return tuple(pattern for pattern in patterns(size) if pattern in members)


@cache
def twins(pattern: Pattern) -> frozenset[Pattern]:
    """The other patterns that are the same rational function up to renaming the inputs; for up to six leaves.

    >>> [len(set(function_classes(n).values())) for n in (3, 4, 5)]
    [18, 93, 500]
    """
    return _members(pattern.size)[function_classes(pattern.size)[pattern]] - {pattern}


@cache
def _members(size: int) -> dict[int, frozenset[Pattern]]:
    members: dict[int, set[Pattern]] = {}
    for pattern, number in function_classes(size).items():
        members.setdefault(number, set()).add(pattern)
    return {number: frozenset(same) for number, same in members.items()}


@cache
def function_classes(size: int) -> dict[Pattern, int]:
    """A number for each pattern of this size; two patterns have the same number iff they are the same function.

    Each pattern is evaluated at one random point, and at every permutation of it, modulo two primes near 2^31: twins
    have the same set of values. Two different functions of degree at most n agree at a random point modulo a prime
    p with probability at most 2n/p (Schwartz 1980), so over all pairs and permutations an error has a probability
    below 1e-6 at n = 6. (The tests leave no chance at n = 4 and 5: they compare twins as polynomials.)

    Raises:
        ValueError: a size above 6.
    """
    if size > MAX_COMPARED:
        raise ValueError(f"size = {size}: functions are compared for sizes to {MAX_COMPARED}")
    random = np.random.default_rng(size)
    keys: dict[Pattern, bytes] = dict.fromkeys(patterns(size), b"")
    for prime in _PRIMES:
        point = random.integers(2, prime, size)
        points = np.array([point[list(order)] for order in permutations(range(size))]).T
        for pattern in keys:
            keys[pattern] += np.sort(_evaluate(pattern, points, prime)).tobytes()
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys.values()))}
    return {pattern: numbers[key] for pattern, key in keys.items()}


def _evaluate(pattern: Pattern, leaves: np.ndarray, prime: int) -> np.ndarray:
    """Values modulo a prime of the pattern at points of shape (leaves, points)."""
    numerator, denominator = pattern.tree.fold(
        lambda leaf: (leaves[leaf], np.ones_like(leaves[leaf])), lambda op, a, b: _modular(op, a, b, prime)
    )
    return numerator * _power(denominator, prime - 2, prime) % prime


def _modular(op: str, a: tuple, b: tuple, prime: int) -> tuple[np.ndarray, np.ndarray]:
    if op in "+-":
        cross = b[0] * a[1] % prime
        return (a[0] * b[1] + (cross if op == "+" else prime - cross)) % prime, a[1] * b[1] % prime
    c, d = b if op == "*" else b[::-1]
    return a[0] * c % prime, a[1] * d % prime


def _power(base: np.ndarray, exponent: int, prime: int) -> np.ndarray:
    result = np.ones_like(base)
    while exponent:
        if exponent & 1:
            result = result * base % prime
        base = base * base % prime
        exponent >>= 1
    return result
