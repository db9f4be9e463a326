"""Every labelled class of expressions over n numbers, each once, as a short list of array tasks.

A labelled class is an expression up to commutativity and associativity. In a group over a set of numbers, the child x
that holds the smallest of them is split off; the rest g is a group in normal form, or a single child. The group is then
x+g or g-x, or x-g if no child of g is subtracted; likewise for products. So each class comes once.

The classes over a set stand in one run, in four sections: products with a division, products without, sums without a
subtraction, sums with one. Then every kind of x, and of g, is one slice, and all the classes are outer products of
slices: a few hundred tasks stand for 1,085,952 classes over six numbers. The run depends only on how many numbers
there are, the smallest first, so that all sets of a size share one `Layout`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from ramify.algebra.expression import Expression
from ramify.algebra.pattern import combine
from ramify.tasks.countdown.catalog import index_of, patterns

OPERATIONS = (("+", False), ("-", False), ("-", True), ("*", False), ("/", False), ("/", True))
"""The operator of each operation on x and y, and whether it is y op x."""
_SWAPPED = (0, 2, 1, 3, 5, 4)  # the operation with swapped operands
MAX_LISTED = 6
"""The largest size with a table of the pattern of every class."""


class Task(NamedTuple):
    """Every x over a part of the set with every y over the rest: the first x with each y, then the next.

    Attributes:
        operation: index into `OPERATIONS`.
        x, y: slices of the runs of the two parts; y is the longer one, for the inner loop.
        x_part, y_part: bit sets of positions in the set.
        first: where the results begin in the run of the set.
    """

    operation: int
    x_part: int
    y_part: int
    x: slice
    y: slice
    first: int

    @property
    def results(self) -> int:
        """Number of results."""
        return _length(self.x) * _length(self.y)


@dataclass(frozen=True)
class Layout:
    """The classes over a set of `size` numbers.

    Attributes:
        cuts: the starts of the second, third and fourth section, and the end.
    """

    size: int
    tasks: tuple[Task, ...]
    cuts: tuple[int, int, int, int]

    def children(self, product: bool) -> slice:
        """The classes that can be a child of a product (of a sum)."""
        if self.size == 1:
            return slice(0, 1)
        return slice(self.cuts[1], self.cuts[3]) if product else slice(0, self.cuts[1])

    def plain(self, product: bool) -> slice:
        """The rests of a product (of a sum) without an inverse child."""
        if self.size == 1:
            return slice(0, 1)
        return slice(self.cuts[0], self.cuts[3]) if product else slice(0, self.cuts[2])

    def mixed(self, product: bool) -> slice:
        """The rests of a product (of a sum) with an inverse child."""
        if self.size == 1:
            return slice(0, 0)
        return slice(0, self.cuts[0]) if product else slice(self.cuts[2], self.cuts[3])


@cache
def layout(size: int) -> Layout:
    """The classes over a set of this size.

    >>> [layout(n).cuts[-1] for n in range(1, 8)]
    [1, 6, 68, 1260, 32632, 1085952, 44158256]
    """
    if size == 1:
        return Layout(1, (), (0, 0, 1, 1))
    tasks: list[Task] = []
    cuts = []
    count = 0
    for product, mixed in ((True, True), (True, False), (False, False), (False, True)):
        base = 3 if product else 0
        for block, rest in _blocks(size):
            x, g = layout(block.bit_count()), layout(rest.bit_count())
            rests = [(0, g.plain(product))]
            if mixed:
                rests = [(0, g.mixed(product)), (2, slice(0, g.cuts[3])), (1, g.plain(product))]
            for kind, chosen in rests:
                tasks.append(_task(base + kind, (block, rest), (x.children(product), chosen), count))
                count += tasks[-1].results
        cuts.append(count)
    first, second, third, last = cuts
    return Layout(size, tuple(task for task in tasks if task.results), (first, second, third, last))


def _task(operation: int, parts: tuple[int, int], chosen: tuple[slice, slice], first: int) -> Task:
    (one, other), (x, y) = parts, chosen
    if _length(x) > _length(y):
        return Task(_SWAPPED[operation], other, one, y, x, first)
    return Task(operation, one, other, x, y, first)


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def _blocks(size: int) -> Iterator[tuple[int, int]]:
    """Proper subsets that contain the first position, each with its complement."""
    whole = (1 << size) - 1
    for others in range(1 << (size - 1)):
        block = others << 1 | 1
        if block != whole:
            yield block, whole ^ block


class Program(NamedTuple):
    """The tasks over n numbers as tables for the kernel; nodes 0 to n - 1 are the numbers.

    Attributes:
        inner: tasks over proper subsets, smaller first.
        outer: tasks over all numbers, with nodes numbered from 0 again.
        nodes: number of nodes of `inner` and the numbers.
    """

    inner: np.ndarray
    outer: np.ndarray
    nodes: int


@cache
def program(size: int) -> Program:
    """The tasks over `size` numbers; a table of a few hundred rows."""
    offsets, nodes = _offsets(size)
    inner = [row for subset in offsets if subset.bit_count() > 1 for row in _rows(subset, offsets[subset], offsets)]
    whole = (1 << size) - 1
    return Program(_table(inner), _table(_rows(whole, 0, offsets)), nodes)


@cache
def _offsets(size: int) -> tuple[dict[int, int], int]:
    """The first inner node of each proper subset, and the number of inner nodes."""
    offsets, nodes = {}, 0
    for subset in sorted(range(1, (1 << size) - 1), key=lambda subset: (subset.bit_count(), subset)):
        offsets[subset] = nodes
        nodes += layout(subset.bit_count()).cuts[3]
    return offsets, nodes


def _rows(subset: int, offset: int, offsets: dict[int, int]) -> list[list[int]]:
    rows = []
    for task in layout(subset.bit_count()).tasks:
        x, y = offsets[_spread(task.x_part, subset)], offsets[_spread(task.y_part, subset)]
        ranges = [x + task.x.start, x + task.x.stop, y + task.y.start, y + task.y.stop]
        rows.append([task.operation, *ranges, offset + task.first])
    return rows


def _table(rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, dtype=np.int64).reshape(-1, 6)


def _spread(positions: int, subset: int) -> int:
    """The members of the subset at these positions, as a bit set.

    >>> bin(_spread(0b101, 0b11010))
    '0b10010'
    """
    members = [bit for bit in range(subset.bit_length()) if subset >> bit & 1]
    return sum(1 << member for position, member in enumerate(members) if positions >> position & 1)


def pattern_indices(size: int, nodes: np.ndarray) -> np.ndarray:
    """The pattern of classes over `size` numbers, as an index into `patterns(size)`.

    >>> [patterns(3)[index].text for index in pattern_indices(3, np.array([0, 67]))]
    ['A*B/C', 'A*B-C']
    """
    return listed_patterns(size)[nodes] if size <= MAX_LISTED else _decoded(size, nodes)


@cache
def listed_patterns(size: int) -> np.ndarray:
    """The pattern of every class of a size up to `MAX_LISTED`."""
    return _decoded(size, np.arange(layout(size).cuts[3]))


def _decoded(size: int, nodes: np.ndarray) -> np.ndarray:
    if size == 1:
        return np.zeros(len(nodes), dtype=np.int32)
    tasks = layout(size).tasks
    numbers = np.searchsorted([task.first for task in tasks], nodes, side="right") - 1
    found = np.empty(len(nodes), dtype=np.int32)
    for number in np.unique(numbers):
        task, chosen = tasks[number], numbers == number
        x, y = np.divmod(nodes[chosen] - task.first, _length(task.y))
        x_size, y_size = task.x_part.bit_count(), task.y_part.bit_count()
        pairs = pattern_indices(x_size, task.x.start + x) * np.int64(1 << 32)
        pairs += pattern_indices(y_size, task.y.start + y)
        unique, inverse = np.unique(pairs, return_inverse=True)
        found[chosen] = np.array([_index(task.operation, x_size, y_size, int(pair)) for pair in unique])[inverse]
    return found


def _index(operation: int, x_size: int, y_size: int, pair: int) -> int:
    operator, swapped = OPERATIONS[operation]
    x, y = patterns(x_size)[pair >> 32], patterns(y_size)[pair & 0xFFFFFFFF]
    return index_of(combine(operator, y, x) if swapped else combine(operator, x, y))


def expression(numbers: Sequence[int], node: int) -> Expression:
    """The expression of a class over these numbers.

    >>> expression((3, 7, 8), 67).text
    '3*8-7'
    """
    if len(numbers) == 1:
        return Expression.leaf(int(numbers[0]))
    tasks = layout(len(numbers)).tasks
    task = max((task for task in tasks if task.first <= node), key=lambda task: task.first)
    x, y = divmod(node - task.first, _length(task.y))
    left, right = (
        expression([number for position, number in enumerate(numbers) if part >> position & 1], start + index)
        for part, start, index in ((task.x_part, task.x.start, x), (task.y_part, task.y.start, y))
    )
    operator, swapped = OPERATIONS[task.operation]
    return right.join(operator, left) if swapped else left.join(operator, right)
