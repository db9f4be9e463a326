"""Exact counts of the instances of a pattern for any range of numbers and targets, without listing them.

Two kinds of tables meet in the middle. One has the values of a small part of the pattern (up to about three leaves),
with the number of assignments for each value. The other has the required values of a part: for the pattern these are
the targets, and for an operand of a group they follow from those of the group and the values of the other operands.

Unordered instances are orbits under the exchange of equal operands. Their number is Pólya's cycle index: m equal
operands contribute, for each partition of m into cycle lengths k, operands that represent k equal values (k times the
value in a sum, its k-th power in a product), weighted by the share of such permutations.

Values are fractions of two integers, compared by their quotient in float64. This is exact while numerator times
denominator is below 2 ** 51 (which is checked): different fractions then differ by more than the rounding error.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import combinations, product
from math import factorial, prod
from typing import NamedTuple

import numpy as np

from ramify.algebra.pattern import LEAF, Kind, Pattern

Range = tuple[int, int]

_PART = 1 << 20
"""The largest number of assignments of a part with a table of values."""
_ENTRIES = 1 << 24
"""The largest number of required values of a part."""


class InstanceCount(NamedTuple):
    """The number of instances of a pattern.

    Attributes:
        ordered: assignments of numbers to its leaves whose value is a target.
        unordered: ordered instances up to the exchange of equal operands.
    """

    ordered: int
    unordered: int


def count_instances(pattern: Pattern, numbers: Range = (1, 99), target: Range = (1, 99)) -> InstanceCount:
    """The exact number of instances of a pattern.

    Args:
        numbers, target: smallest and largest value, inclusive.

    Raises:
        ValueError: a range is empty, or the tables would not fit into memory. With numbers and targets to 99, patterns
            of five leaves take a moment; six leaves take up to a minute, and some are refused.

    >>> count_instances(Pattern.parse("A*B+C"))
    InstanceCount(ordered=20848, unordered=10727)
    >>> count_instances(Pattern.parse("A+B"), (1, 2), (2, 4))
    InstanceCount(ordered=4, unordered=3)
    """
    if not (1 <= numbers[0] <= numbers[1] and target[0] <= target[1]):
        raise ValueError(f"numbers {numbers}, target {target}: a range is (smallest, largest), numbers from 1 on")
    try:
        return InstanceCount(
            *(InstanceCounter(numbers, target, unordered).count(pattern) for unordered in (False, True))
        )
    except OverflowError:
        ranges = f"numbers {list(numbers)}, target {list(target)}"
        raise ValueError(f"{pattern.text} with {ranges}: too many instances to count exactly") from None


class _Table(NamedTuple):
    """Values with weights.

    Attributes:
        top, bottom: numerators and positive denominators.
        every: an additional weight of every defined value (for required values; 0 otherwise).
    """

    top: np.ndarray
    bottom: np.ndarray
    weight: np.ndarray
    every: int = 0

    @property
    def key(self) -> np.ndarray:
        values: np.ndarray = self.top / self.bottom
        return values

    @property
    def largest(self) -> tuple[float, float]:
        """The largest absolute numerator and the largest denominator."""
        return (float(np.abs(self.top).max()), float(self.bottom.max())) if len(self.top) else (0.0, 1.0)


class _Factor(NamedTuple):
    """One operand of a group, or `repeat` equal operands."""

    pattern: Pattern
    inverse: bool
    repeat: int

    @property
    def size(self) -> int:
        return self.pattern.size


Path = tuple[tuple[Kind, _Factor | None, bool], ...]
"""The path from the pattern to a part: at each step the kind of group and a removed factor, or None and whether the
remaining operand is inverse."""


class InstanceCounter:
    """A counter for one pair of ranges; caches the tables that patterns share.

    Args:
        unordered: whether unordered instances are counted.
    """

    def __init__(self, numbers: Range, target: Range, unordered: bool) -> None:
        self.numbers, self.target, self.unordered = numbers, target, unordered
        self.span = numbers[1] - numbers[0] + 1
        self.wanted = lru_cache(maxsize=24)(self._wanted)
        self.values = cache(self._values)
        self.joined = lru_cache(maxsize=64)(self._joined)

    def count(self, pattern: Pattern) -> int:
        """The number of instances of a pattern."""
        return self._count(pattern, ())

    def _count(self, pattern: Pattern, path: Path) -> int:
        """The required weights at `path`, summed over the instances of the part there."""
        if pattern == LEAF:
            return _dot(self.wanted(path), self.values(LEAF))
        total = 0
        kind = pattern.kind
        for weight, factors in self._terms(pattern):
            kept = self._kept(factors)
            taken = [(kind, factor, False) for number, factor in enumerate(factors) if number not in kept]
            here = (*path, *taken)
            last = tuple(factors[number] for number in kept)
            if self._is_part(last):
                total += weight * sum(_dot(part, self.joined(kind, last)) for part in self._parts(here))
            else:
                total += weight * self._count(last[0].pattern, (*here, (kind, None, last[0].inverse)))
        return total // self._divisor(pattern)

    def _parts(self, path: Path) -> Iterator[_Table]:
        """The required values at a path, in several tables if one would be too large."""
        kind, factor, _ = path[-1] if path else ("sum", None, False)
        if factor is None:
            yield self.wanted(path)
            return
        group, known = self.wanted(path[:-1]), self._factor(kind, factor)
        if len(group.top) * len(known.top) <= _ENTRIES:
            yield self.wanted(path)
            return
        rows = max(1, _ENTRIES // 4 // len(known.top))
        for start in range(0, len(group.top), rows):
            chosen = slice(start, start + rows)
            part = _Table(group.top[chosen], group.bottom[chosen], group.weight[chosen], 0 if start else group.every)
            yield _taken(kind, part, known)

    def _kept(self, factors: Sequence[_Factor]) -> tuple[int, ...]:
        """The factors that remain after removing the others: as large a part as possible, or a factor that is too
        large."""
        sets = [kept for count in range(1, len(factors) + 1) for kept in combinations(range(len(factors)), count)]
        parts = {kept: sum(factors[number].size for number in kept) for kept in sets}
        largest = max(range(len(factors)), key=lambda number: factors[number].size)
        if not self._is_part((factors[largest],)):
            return (largest,)
        return max((kept for kept in sets if self._is_part([factors[n] for n in kept])), key=parts.__getitem__)

    def _is_part(self, factors: Sequence[_Factor]) -> bool:
        """Whether the values of these factors fit a table; those of equal operands must."""
        if len(factors) == 1 and factors[0].repeat > 1:
            return True
        return bool(self.span ** sum(factor.size for factor in factors) <= _PART)

    def _terms(self, pattern: Pattern) -> Iterator[tuple[int, list[_Factor]]]:
        """The cycle index of a group: weights with factors; the sum is divided by `_divisor`."""
        choices = []
        for (child, inverse), count in _operands(pattern).items():
            if self.unordered:
                choices.append(
                    [(w, [_Factor(child, inverse, k) for k in cycles]) for w, cycles in _permutations(count)]
                )
            else:
                choices.append([(1, [_Factor(child, inverse, 1)] * count)])
        for chosen in product(*choices):
            yield prod(weight for weight, _ in chosen), [factor for _, factors in chosen for factor in factors]

    def _divisor(self, pattern: Pattern) -> int:
        return prod(factorial(count) for count in _operands(pattern).values()) if self.unordered else 1

    def _values(self, pattern: Pattern) -> _Table:
        """The values of a part."""
        if pattern == LEAF:
            leaves = np.arange(self.numbers[0], self.numbers[1] + 1)
            return _Table(leaves, np.ones_like(leaves), np.ones_like(leaves))
        tables = [(w, self.joined(pattern.kind, tuple(factors))) for w, factors in self._terms(pattern)]
        top, bottom = (np.concatenate([getattr(table, side) for _, table in tables]) for side in ("top", "bottom"))
        whole = _merged(_Table(top, bottom, np.concatenate([weight * table.weight for weight, table in tables])))
        return whole._replace(weight=whole.weight // self._divisor(pattern))

    def _joined(self, kind: Kind, factors: tuple[_Factor, ...]) -> _Table:
        """The combined values of several operands of a group."""
        table = self._factor(kind, factors[-1])
        if len(factors) == 1:
            return table
        rest = self.joined(kind, factors[:-1])
        if len(table.top) * len(rest.top) > _ENTRIES:
            raise OverflowError
        _check_products(table, rest)
        a, b, c, d = table.top[:, None], table.bottom[:, None], rest.top, rest.bottom
        top = a * d + c * b if kind == "sum" else a * c
        return _merged(_Table(top.ravel(), (b * d).ravel(), (table.weight[:, None] * rest.weight).ravel()))

    def _factor(self, kind: Kind, factor: _Factor) -> _Table:
        """The values that an operand adds, or multiplies by."""
        table, k = self.values(factor.pattern), factor.repeat
        if kind == "sum":
            return _merged(table._replace(top=(-k if factor.inverse else k) * table.top))
        table = _merged(table._replace(top=table.top**k, bottom=table.bottom**k))
        return _reciprocal(table) if factor.inverse else table

    def _wanted(self, path: Path) -> _Table:
        """The required values at the end of a path."""
        if not path:
            targets = np.arange(self.target[0], self.target[1] + 1)
            return _Table(targets, np.ones_like(targets), np.ones_like(targets))
        kind, factor, inverse = path[-1]
        group = self.wanted(path[:-1])
        if factor is None:
            if not inverse:
                return group
            return _reciprocal(group) if kind == "product" else _merged(group._replace(top=-group.top))
        known = self._factor(kind, factor)
        if len(group.top) * len(known.top) > _ENTRIES:
            raise OverflowError
        return _merged(_taken(kind, group, known))


def _taken(kind: Kind, group: _Table, known: _Table) -> _Table:
    """The required values of the other operands of a group, given the values of one."""
    _check_products(group, known)
    every = group.every * int(known.weight.sum())
    a, b, c, d = group.top[:, None], group.bottom[:, None], known.top, known.bottom
    if kind == "sum":
        top, bottom, weight = a * d - c * b, b * d, group.weight[:, None] * known.weight
    else:
        zero = c == 0  # zero times any value is zero
        every += int(known.weight[zero].sum()) * int(group.weight[group.top == 0].sum())
        c, d = c[~zero], d[~zero]
        top, bottom, weight = a * d * np.sign(c), b * np.abs(c), group.weight[:, None] * known.weight[~zero]
    return _Table(top.ravel(), bottom.ravel(), weight.ravel(), every)


def _operands(pattern: Pattern) -> Counter[tuple[Pattern, bool]]:
    return Counter([(child, False) for child in pattern.plain] + [(child, True) for child in pattern.inverse])


@cache
def _permutations(count: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """The cycle types of the permutations of `count` items, with the number of each.

    >>> _permutations(3)
    ((1, (1, 1, 1)), (3, (2, 1)), (2, (3,)))
    """

    def types(left: int, largest: int) -> Iterator[tuple[int, ...]]:
        if left == 0:
            yield ()
        for cycle in range(1, min(left, largest) + 1):
            for rest in types(left - cycle, cycle):
                yield (cycle, *rest)

    return tuple(
        (factorial(count) // prod(k**m * factorial(m) for k, m in Counter(cycles).items()), cycles)
        for cycles in types(count, count)
    )


def _reciprocal(table: _Table) -> _Table:
    """The reciprocals of the values, without 0; `every` then covers every value but 0."""
    some = table.top != 0
    top, bottom, weight = table.top[some], table.bottom[some], table.weight[some]
    top, bottom = bottom * np.sign(top), np.abs(top)
    if table.every:
        top, bottom, weight = np.append(top, 0), np.append(bottom, 1), np.append(weight, -table.every)
    return _merged(_Table(top, bottom, weight, table.every))


def _merged(table: _Table) -> _Table:
    """The table sorted by value, with duplicates merged."""
    if not len(table.top):
        return table
    _check_keys(table, table)
    key = table.key
    order = np.argsort(key)
    starts = np.flatnonzero(np.diff(key[order], prepend=-np.inf))
    first = order[starts]
    weight = np.add.reduceat(table.weight[order], starts)
    return _Table(table.top[first], table.bottom[first], weight, table.every)


def _dot(wanted: _Table, values: _Table) -> int:
    """The sum over the values of the required weights."""
    if not len(values.top):
        return 0
    _check_keys(wanted, values)
    keys, key = values.key, wanted.key
    at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    hit = keys[at] == key
    return int((wanted.weight[hit] * values.weight[at[hit]]).sum()) + wanted.every * int(values.weight.sum())


def _check_keys(one: _Table, other: _Table) -> None:
    """Check that equal quotients are equal fractions."""
    if max(one.largest[0] * other.largest[1], other.largest[0] * one.largest[1]) >= 2**51:
        raise OverflowError


def _check_products(one: _Table, other: _Table) -> None:
    """Check that sums of two products of entries fit into 64 bits."""
    if max(one.largest) * max(other.largest) >= 2**61:
        raise OverflowError
