"""All solving patterns of a puzzle, exactly.

Every labelled class of expressions over the numbers is evaluated (see `program`), as numerator and denominator in
float64. With numbers and target up to M, and M at least 2, both are at most M ** n, so this is exact while M ** n is
below 2 ** 53: for numbers to 99, up to eight of them. In the final comparison c*p == d*q one side is exact, and the
other, if inexact, rounds to at least 2 ** 53. Larger numbers are evaluated in Python's integers, a hundred times
slower.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, overload, runtime_checkable

import numpy as np

from ramify.algebra.arrangement import arranged
from ramify.algebra.expression import Expression
from ramify.algebra.pattern import Pattern
from ramify.tasks.countdown.catalog import index_of, patterns
from ramify.tasks.countdown.program import MAX_LISTED, expression, listed_patterns, pattern_indices, program

MAX_SOLVED = 7
_ROWS = 512  # puzzles per thread and call


@runtime_checkable
class Posed(Protocol):
    """An object with numbers and a target, such as a `Puzzle`."""

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers."""

    @property
    def target(self) -> int:
        """The value to reach."""


@overload
def solve(numbers: Posed) -> dict[Pattern, Expression]: ...
@overload
def solve(numbers: Sequence[int], target: int) -> dict[Pattern, Expression]: ...
def solve(numbers: Sequence[int] | Posed, target: int | None = None) -> dict[Pattern, Expression]:
    """All patterns that solve a puzzle, each with one solution, in the order of the catalog.

    Seven numbers take about 0.3 GB and, the first time, some seconds.

    Args:
        numbers: the numbers, or a `Puzzle`, which includes a target.
        target: the value to reach.

    Raises:
        ValueError: not 2 to 7 numbers.
        TypeError: numbers without a target, or a puzzle with an additional target.

    >>> {pattern.text: witness.text for pattern, witness in solve([3, 7, 8], 29).items()}
    {'A*B+C': '3*7+8'}
    >>> from ramify import Puzzle
    >>> solve(Puzzle((3, 7, 8), 29)) == solve([3, 7, 8], 29)
    True
    """
    if isinstance(numbers, Posed):
        if target is not None:
            raise TypeError("a puzzle includes its target; do not pass another")
        target, numbers = numbers.target, numbers.numbers
    if target is None:
        raise TypeError("solve takes a puzzle, or numbers and a target")
    nodes = _hits(numbers, target)
    indices, first = np.unique(pattern_indices(len(numbers), nodes), return_index=True)
    listed = patterns(len(numbers))
    return {
        listed[index]: arranged(expression(numbers, int(nodes[at]))) for index, at in zip(indices, first, strict=True)
    }


def witness(numbers: Sequence[int], target: int, pattern: Pattern) -> Expression | None:
    """The solution by a pattern that `solve` returns; None if there is none.

    Raises:
        ValueError: not 2 to 7 numbers.

    >>> witness([3, 7, 8], 29, Pattern.parse("A*B+C")).text
    '3*7+8'
    """
    nodes = _hits(numbers, target)
    if pattern.size != len(numbers):
        return None
    mine = nodes[pattern_indices(len(numbers), nodes) == index_of(pattern)]
    return arranged(expression(numbers, int(mine[0]))) if len(mine) else None


class Solutions(NamedTuple):
    """The solving patterns of many puzzles of one size, without solutions.

    Attributes:
        multiplicity: number of labelled solutions of each puzzle, up to commutativity and associativity.
        starts: puzzle k is solved by the patterns `indices[starts[k]:starts[k + 1]]`.
        indices: indices into `patterns(n)`, ascending within a puzzle.
    """

    multiplicity: np.ndarray
    starts: np.ndarray
    indices: np.ndarray

    def solving(self, puzzle: int) -> list[int]:
        """The indices into `patterns(n)` of the patterns that solve a puzzle."""
        found: list[int] = self.indices[self.starts[puzzle] : self.starts[puzzle + 1]].tolist()
        return found


def solve_many(
    numbers: Sequence[Sequence[int]] | np.ndarray, targets: Sequence[int] | np.ndarray, threads: int | None = None
) -> Solutions:
    """The solving patterns and the multiplicity of many puzzles of one size.

    Args:
        numbers: of shape (puzzles, n).
        targets: of shape (puzzles,).
        threads: number of threads; all cores by default.

    Raises:
        ValueError: not 2 to 7 numbers.

    >>> many = solve_many([[3, 7, 8], [1, 1, 1]], [29, 50])
    >>> many.multiplicity.tolist(), many.solving(0), many.solving(1)
    ([1, 0], [1], [])
    """
    if not len(numbers):
        return Solutions(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64))
    rows, goals = np.asarray(numbers), np.asarray(targets)
    if rows.shape[1] > MAX_LISTED or not _is_exact(_largest(rows, goals), rows.shape[1]):
        return _one_by_one(rows.tolist(), goals.tolist())
    chunks = [slice(start, start + _ROWS) for start in range(0, len(rows), _ROWS)]
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        parts = list(pool.map(lambda chunk: _solve_rows(rows[chunk], goals[chunk]), chunks))
    counts = np.concatenate([part[1] for part in parts])
    return Solutions(
        np.concatenate([part[0] for part in parts]),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([part[2] for part in parts]),
    )


def _solve_rows(numbers: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Multiplicity, number of solving patterns, and solving patterns of each row."""
    from ramify.tasks.countdown.kernel import solve_all  # imports numba, which is slow

    size = numbers.shape[1]
    solved = np.zeros((len(numbers), len(patterns(size))), dtype=np.bool_)
    multiplicity = np.zeros(len(numbers), dtype=np.int64)
    table = program(_checked(size))
    solve_all(
        numbers.astype(np.float64), targets.astype(np.float64), *table, listed_patterns(size), solved, multiplicity
    )
    return multiplicity, solved.sum(axis=1), solved.nonzero()[1]


def _one_by_one(numbers: list[list[int]], targets: list[int]) -> Solutions:
    hits = [_hits(row, target) for row, target in zip(numbers, targets, strict=True)]
    found = [np.unique(pattern_indices(len(numbers[0]), nodes)) for nodes in hits]
    return Solutions(
        np.array([len(nodes) for nodes in hits]),
        np.cumsum([0, *map(len, found)]),
        np.concatenate(found),
    )


def _hits(numbers: Sequence[int], target: int) -> np.ndarray:
    """The classes over the numbers that equal the target."""
    table = program(_checked(len(numbers)))
    if not _is_exact(max(abs(number) for number in (*numbers, target)), len(numbers)):
        return _hits_in_integers(numbers, target)
    from ramify.tasks.countdown.kernel import solve_one

    found: np.ndarray = solve_one(np.array(numbers, dtype=np.float64), float(target), *table)
    return found


def _checked(size: int) -> int:
    if not 2 <= size <= MAX_SOLVED:
        raise ValueError(f"{size} numbers: the solver handles 2 to {MAX_SOLVED} numbers")
    return size


def _largest(numbers: np.ndarray, targets: np.ndarray) -> int:
    return int(max(abs(bound) for array in (numbers, targets) for bound in (array.min(), array.max())))


def _is_exact(largest: int, size: int) -> bool:
    return bool(max(largest, 2) ** size < 2**53)


def _hits_in_integers(numbers: Sequence[int], target: int) -> np.ndarray:
    """The computation of the kernel in Python's integers; undefined values are 0/0."""
    table = program(len(numbers))
    top, bottom = np.zeros(table.nodes, dtype=object), np.zeros(table.nodes, dtype=object)
    top[: len(numbers)] = [int(number) for number in numbers]
    bottom[: len(numbers)] = 1
    for row in table.inner:
        numerators, denominators = _outer(row, top, bottom)
        top[row[5] : row[5] + len(numerators)] = numerators
        bottom[row[5] : row[5] + len(denominators)] = denominators
    hits = []
    for row in table.outer:
        numerators, denominators = _outer(row, top, bottom)
        equal = (denominators != 0) & (numerators == denominators * int(target))
        hits.append(row[5] + equal.astype(bool).nonzero()[0])
    return np.concatenate(hits)


def _outer(row: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    operation, x0, x1, y0, y1, _ = row
    a, b = top[x0:x1, None], bottom[x0:x1, None]
    c, d = top[y0:y1], bottom[y0:y1]
    match operation:
        case 0:
            pair = a * d + c * b, b * d
        case 1:
            pair = a * d - c * b, b * d
        case 2:
            pair = c * b - a * d, b * d
        case 3:
            pair = a * c, b * d
        case 4:
            pair = a * d * (c != 0), b * c
        case _:
            pair = c * b * (a != 0), d * a
    return pair[0].ravel(), pair[1].ravel()
