"""All solving patterns of a puzzle, exactly.

Each labelled class of expressions (up to commutativity and associativity) over each subset of the numbers is one node
of a table that is built once per size: an operator and two earlier nodes. Solving a puzzle evaluates the nodes in
order, as pairs numerator, denominator in float64. That is exact while largest ** size < 2 ** 53 (numbers to 99: up to
seven of them), since |numerator| and |denominator| of an expression over n integers are at most largest ** n; beyond,
`solve` raises. Division by zero makes a NaN, which equals nothing.

How each class comes once: in a group over a set S, the child x that holds the smallest element of S is split off and
the rest g is a group (or a single child) in normal form. The group is then x+g or g-x, or, if no child of g is
subtracted, x-g; likewise for products.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ramify.algebra.catalog import patterns
from ramify.algebra.expression import Expression
from ramify.algebra.pattern import Pattern, combine

MAX_SOLVED = 6
_SYMBOLS = "+-*/"


@dataclass(frozen=True, slots=True)
class Program:
    """Every labelled class over n numbers, as nodes in an order in which operands come first.

    Attributes:
        operator, left, right: arrays over the inner nodes; operand k < n is number k, and k >= n inner node k - n.
        first_full: index of the first inner node that uses every number.
        pattern: pattern index (within its size) of each inner node from `first_full` on.
    """

    size: int
    operator: np.ndarray
    left: np.ndarray
    right: np.ndarray
    first_full: int
    pattern: np.ndarray

    def expression(self, node: int, numbers: Sequence[int]) -> Expression:
        """The expression of an operand over these numbers."""
        if node < self.size:
            return Expression.of(int(numbers[node]))
        inner = node - self.size
        left, right = (self.expression(int(side[inner]), numbers) for side in (self.left, self.right))
        return left.join(_SYMBOLS[self.operator[inner]], right)


@cache
def program(size: int) -> Program:
    """Build the table of a size.

    >>> [len(program(n).pattern) for n in (2, 3, 4)]
    [6, 68, 1260]
    """
    if not 2 <= size <= MAX_SOLVED:
        raise ValueError(f"size = {size}: puzzles of 2 to {MAX_SOLVED} numbers are solved")
    known = [pattern for n in range(1, size + 1) for pattern in patterns(n)]
    ids = {pattern: index for index, pattern in enumerate(known)}
    tables: dict[int, dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    count, first_full, full_patterns = size, 0, []
    for subset in sorted(range(1, 1 << size), key=lambda s: (s.bit_count(), s)):
        if subset.bit_count() == 1:
            one = (np.array([subset.bit_length() - 1]), np.array([0]), np.array([True]))
            tables[subset] = {"leaf": one}
            continue
        if subset == (1 << size) - 1:
            first_full = count - size
        tables[subset] = {}
        for kind, (plus, minus) in (("sum", (0, 1)), ("product", (2, 3))):
            operators, lefts, rights, found, plain = [], [], [], [], []
            for block, rest in _blocks(subset):
                x_index, x_pattern, _ = _joined(tables[block], kind, groups=False)
                g_index, g_pattern, g_plain = _joined(tables[rest], kind, groups=True)
                everything = np.ones(len(g_index), dtype=bool)
                for op, swap, chosen in ((plus, False, everything), (minus, True, everything), (minus, False, g_plain)):
                    a, b = np.repeat(x_index, chosen.sum()), np.tile(g_index[chosen], len(x_index))
                    pa, pb = np.repeat(x_pattern, chosen.sum()), np.tile(g_pattern[chosen], len(x_index))
                    if swap:
                        a, b, pa, pb = b, a, pb, pa
                    lefts.append(a)
                    rights.append(b)
                    operators.append(np.full(len(a), op, dtype=np.int8))
                    found.append(_combined(op, pa, pb, known, ids))
                    plain.append(np.tile(g_plain[chosen], len(x_index)) & (op == plus))
            size_here = sum(map(len, lefts))
            index = np.arange(count, count + size_here)
            count += size_here
            columns.append((np.concatenate(operators), np.concatenate(lefts), np.concatenate(rights)))
            tables[subset][kind] = (index, np.concatenate(found), np.concatenate(plain))
            if subset == (1 << size) - 1:
                full_patterns.append(tables[subset][kind][1])
    operator, left, right = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    offset = ids[patterns(size)[0]]
    return Program(
        size,
        operator,
        left.astype(np.int32),
        right.astype(np.int32),
        first_full,
        (np.concatenate(full_patterns) - offset).astype(np.int32),
    )


def _blocks(subset: int) -> list[tuple[int, int]]:
    """Proper parts of the subset that hold its smallest element, each with the rest."""
    smallest = subset & -subset
    others = subset ^ smallest
    parts, part = [], others
    while part:  # every non-empty part of the others is a rest
        parts.append((subset ^ part, part))
        part = (part - 1) & others
    return parts


def _joined(table: dict, kind: str, groups: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes over a subset that may stand in a group of this kind: no group of the kind itself unless `groups`.

    A node of another kind is one plain child.
    """
    chosen = []
    for name, (index, pattern, plain) in table.items():
        if name != kind:
            chosen.append((index, pattern, np.ones(len(index), dtype=bool)))
        elif groups:
            chosen.append((index, pattern, plain))
    index, pattern, plain = (np.concatenate(parts) for parts in zip(*chosen, strict=True))
    return index, pattern, plain


def _combined(op: int, a: np.ndarray, b: np.ndarray, known: list[Pattern], ids: Mapping[Pattern, int]) -> np.ndarray:
    """Pattern ids of `a op b`, each distinct pair computed once."""
    pairs, inverse = np.unique(a.astype(np.int64) << 32 | b, return_inverse=True)
    symbol = _SYMBOLS[op]
    values = [ids[combine(symbol, known[int(pair >> 32)], known[int(pair & 0xFFFFFFFF)])] for pair in pairs]
    return np.array(values, dtype=np.int64)[inverse]


def _hits(numbers: Sequence[int], target: int, buffers: tuple[np.ndarray, ...]) -> tuple[np.ndarray, Program]:
    table = program(len(numbers))
    largest = max(*map(abs, numbers), abs(target))
    if largest ** len(numbers) >= 2**53:
        raise ValueError(f"numbers to {largest}: {len(numbers)} of them are beyond exact arithmetic in float64")
    top, bottom, hits = buffers
    values = np.array(numbers, dtype=np.float64)
    from ramify.algebra.kernel import evaluate  # imports numba, which takes a while

    count = evaluate(
        values, table.operator, table.left, table.right, table.first_full, float(target), top, bottom, hits
    )
    return hits[:count], table


def _buffers(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = program(size)
    inner = size + table.first_full
    return np.empty(inner), np.empty(inner), np.empty(len(table.operator), dtype=np.int64)


def solve(numbers: Sequence[int], target: int) -> dict[Pattern, Expression]:
    """All patterns that solve a puzzle, each with one expression that does; in the order of the catalog.

    Raises:
        ValueError: not 2 to 6 numbers, or numbers so large that the arithmetic would not be exact.

    >>> {pattern.text: witness.text for pattern, witness in solve([3, 7, 8], 29).items()}
    {'A*B+C': '3*7+8'}
    """
    hits, table = _hits(numbers, target, _buffers(len(numbers)))
    witnesses: dict[int, int] = {}
    for node in hits:
        witnesses.setdefault(int(table.pattern[node - table.first_full]), int(node))
    listed = patterns(len(numbers))
    return {listed[index]: table.expression(len(numbers) + node, numbers) for index, node in sorted(witnesses.items())}


@dataclass(frozen=True, slots=True)
class Solutions:
    """The solutions of one puzzle, without witnesses.

    Attributes:
        patterns: indices into `patterns(n)` of the solving patterns, ascending.
        multiplicity: number of labelled solutions, up to commutativity and associativity.
    """

    patterns: tuple[int, ...]
    multiplicity: int


def solve_many(puzzles: Sequence[tuple[Sequence[int], int]]) -> list[Solutions]:
    """The solving patterns and the multiplicity of many puzzles, given as (numbers, target).

    >>> solve_many([([3, 7, 8], 29), ([1, 1, 1], 50)])
    [Solutions(patterns=(1,), multiplicity=1), Solutions(patterns=(), multiplicity=0)]
    """
    buffers: dict[int, tuple[np.ndarray, ...]] = {}
    results = []
    for numbers, target in puzzles:
        size = len(numbers)
        if size not in buffers:
            buffers[size] = _buffers(size)
        hits, table = _hits(numbers, target, buffers[size])
        found = np.unique(table.pattern[hits - table.first_full])
        results.append(Solutions(tuple(found.tolist()), len(hits)))
    return results
