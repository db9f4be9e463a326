"""Relations between patterns: twins, which are the same function, and families of skills."""

from functools import cache
from itertools import permutations

import numpy as np

from ramify.algebra.pattern import Pattern
from ramify.algebra.structure import skills
from ramify.tasks.countdown.catalog import patterns

MAX_COMPARED = 6
"""The largest number of leaves of patterns compared as functions."""
_PRIMES = (2_147_483_629, 2_147_483_587)


@cache
def family(skill: Pattern, size: int) -> tuple[Pattern, ...]:
    """Every pattern of a size with the skill, or a twin of it, among its skills, and the twins of these.

    >>> [pattern.text for pattern in family(Pattern.parse("A-B*C"), 3)]
    ['A-B*C']
    """
    wanted = {skill, *twins(skill)}
    members = {pattern for pattern in patterns(size) if not wanted.isdisjoint(skills(pattern))}
    members |= {twin for pattern in members for twin in twins(pattern)}
    return tuple(pattern for pattern in patterns(size) if pattern in members)


@cache
def twins(pattern: Pattern) -> frozenset[Pattern]:
    """Other patterns that are the same rational function up to renaming the inputs; up to six leaves.

    >>> {twin.text for twin in twins(Pattern.parse("A-(B-C)*D"))}
    {'(A-B)*C+D'}
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
    """A class number for each pattern of a size; patterns of one class are the same function.

    Each pattern is evaluated at one random point, and at every permutation of it, modulo two primes near 2^31: twins
    have the same set of values. Two different functions of degree at most n agree at a random point modulo a prime
    p with probability at most 2n/p (Schwartz 1980), so over all pairs and permutations an error has a probability
    below 1e-6 at n = 6. (The tests leave no chance at n = 4 and 5: they compare twins as polynomials.)

    Raises:
        ValueError: a size above 6.
    """
    if size > MAX_COMPARED:
        raise ValueError(f"size = {size}: functions are compared up to size {MAX_COMPARED}")
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
    """Values of the pattern modulo a prime at points of shape (leaves, points)."""
    numerator, denominator = pattern.tree.fold(
        lambda leaf: (leaves[leaf], np.ones_like(leaves[leaf])), lambda op, a, b: _modular(op, a, b, prime)
    )
    quotients: np.ndarray = numerator * _power(denominator, prime - 2, prime) % prime
    return quotients


def _modular(
    op: str, a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], prime: int
) -> tuple[np.ndarray, np.ndarray]:
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
