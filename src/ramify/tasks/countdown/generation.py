"""Draw puzzles for a pattern, without replacement and uniformly over its puzzles, in exact integer arithmetic.

Instances come from random assignments; if these hit too rarely, from propagation of the target; and if neither
suffices, from a complete list, which also proves a shortage. A puzzle with k assignments is kept with probability 1/k,
so all puzzles are equally likely.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice, permutations
from math import factorial, prod
from typing import NamedTuple

import numpy as np

from ramify.algebra.pattern import Pattern
from ramify.tasks.countdown.instances import count_instances
from ramify.tasks.countdown.propagation import Fractions, Propagation, evaluate, nested
from ramify.tasks.countdown.puzzle import Puzzle

Range = tuple[int, int]
Accept = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A predicate for usable puzzles, from numbers of shape (puzzles, n) and targets to an array of bool."""

ENUMERATED = 1 << 20
"""Up to this number, all assignments are listed instead of drawn."""
_FIRST_BATCH, _LARGEST_BATCH = 1 << 12, 1 << 16
_EFFORTS = 4  # each with eight times the tries, and a list of 64 times the cases, of the previous round
_TRIES, _DRAWS, _CASES = 1 << 20, 1 << 6, 1 << 21
_LISTED = 1 << 24  # instances listed for drawing, at most
_COUNTED = 1 << 26  # instances listed for counting puzzles, at most
_PART = 512


def values(pattern: Pattern, numbers: np.ndarray) -> Fractions:
    """Exact numerators and denominators of a pattern at many assignments; a denominator of 0 is undefined.

    Args:
        numbers: integers of shape (draws, n), in the pattern's reading order. Exact while max ** n < 2 ** 62.
    """
    return evaluate(nested(pattern), numbers.T.astype(np.int64))


class Drawn(NamedTuple):
    """Puzzles drawn for a pattern.

    Attributes:
        all_found: whether it is proved that no more exist.
    """

    puzzles: list[Puzzle]
    all_found: bool


def draw_distinct(
    pattern: Pattern,
    count: int,
    random: np.random.Generator,
    accept: Accept,
    taken: set[str],
    numbers: Range = (1, 99),
    target: Range = (1, 99),
) -> Drawn:
    """Draw accepted puzzles of a pattern whose identities are not taken, and mark these as taken.

    Each is drawn uniformly from the remaining puzzles of the pattern. Fewer than `count` are returned if no more exist
    or, where all instances cannot be listed, if a very long search finds no more.

    >>> from ramify.randomness import generator
    >>> drawn = draw_distinct(Pattern.parse("A+B"), 9, generator("x"), lambda n, t: t < 9, set(), (1, 2))
    >>> sorted(puzzle.id for puzzle in drawn.puzzles), drawn.all_found
    (['1,1=2', '1,2=3', '2,2=4'], True)
    """
    found: list[Puzzle] = []

    def take(rows: np.ndarray, targets: np.ndarray) -> bool:
        """Accept candidate puzzles in order; returns whether there are enough."""
        for start in range(0, len(rows), _PART):  # apply the expensive test to parts of a batch
            part, goals = rows[start : start + _PART], targets[start : start + _PART]
            fits = accept(part, goals)
            shown = random.permuted(part[fits], axis=1).tolist()
            for row, goal in zip(shown, goals[fits].tolist(), strict=True):
                puzzle = Puzzle(tuple(row), goal, pattern)
                if puzzle.id not in taken and len(found) < count:
                    taken.add(puzzle.id)
                    found.append(puzzle)
            if len(found) == count:
                return True
        return len(found) == count

    for source in _sources(pattern, random, numbers, target):
        if source.is_all:
            puzzles = random.permutation(_distinct(np.column_stack([np.sort(source.numbers, axis=1), source.targets])))
            take(puzzles[:, :-1], puzzles[:, -1])
            return Drawn(found, len(found) < count)
        if take(*_evenly(pattern, source.numbers, source.targets, random)):
            break
    return Drawn(found, False)


class _Source(NamedTuple):
    """A source of instances, complete or random: assignments in reading order, and targets."""

    numbers: np.ndarray
    targets: np.ndarray
    is_all: bool = False


def _sources(pattern: Pattern, random: np.random.Generator, numbers: Range, target: Range) -> Iterator[_Source]:
    """Sources of instances, to be used in order until there are enough puzzles."""
    span = numbers[1] - numbers[0] + 1
    if span**pattern.size <= ENUMERATED:
        axes = np.meshgrid(*[np.arange(numbers[0], numbers[1] + 1)] * pattern.size, indexing="ij")
        yield _Source(*_hits(pattern, np.stack([axis.ravel() for axis in axes], axis=1), target), is_all=True)
        return
    propagation: Propagation | None = None
    for effort in range(_EFFORTS):
        batch, tries = _FIRST_BATCH, 0
        while tries < _TRIES << 3 * effort:
            yield _Source(*_hits(pattern, random.integers(numbers[0], numbers[1] + 1, (batch, pattern.size)), target))
            tries += batch
            batch = min(2 * batch, _LARGEST_BATCH)
        propagation = propagation or Propagation.for_pattern(pattern, numbers, target)
        if propagation is not None:
            if pattern.size > 4:
                for instances in islice(propagation.draw(random), _DRAWS << 3 * effort):
                    yield _Source(*instances)
            listed = _all(propagation) if propagation.cases <= _CASES << 6 * effort else None
            if listed is not None:
                yield listed
                return


def _all(propagation: Propagation) -> _Source | None:
    """Every instance; None if there are more than `_LISTED`."""
    parts, total = [], 0
    for part in propagation.listed():
        parts.append(part)
        total += len(part[1])
        if total > _LISTED:
            return None
    rows, targets = zip(*parts, strict=True) if parts else ([np.empty((0, propagation.size), int)], [np.empty(0, int)])
    return _Source(np.concatenate(rows), np.concatenate(targets), is_all=True)


def count_puzzles(pattern: Pattern, numbers: Range = (1, 99), target: Range = (1, 99)) -> int:
    """The exact number of distinct puzzles of a pattern, by listing its instances.

    Raises:
        ValueError: there are too many, as for five or more leaves with numbers to 99.

    >>> count_puzzles(Pattern.parse("A*B+C"))
    8326
    """
    if count_instances(pattern, numbers, target).ordered > _COUNTED:
        raise ValueError(f"{pattern.text}: too many instances to count the distinct puzzles among them")
    propagation = Propagation.for_pattern(pattern, numbers, target)
    if propagation is None:
        raise ValueError(f"{pattern.text}: too many instances to count the distinct puzzles among them")
    spans = (numbers[1] - numbers[0] + 1,) * pattern.size + (target[1] - target[0] + 1,)
    found, waiting = np.empty(0, dtype=np.int64), [np.empty(0, dtype=np.int64)]
    for rows, targets in propagation.listed():
        table = np.column_stack([np.sort(rows, axis=1) - numbers[0], targets - target[0]])
        waiting.append(np.unique(np.ravel_multi_index(tuple(table.T), spans)))  # one integer per puzzle
        if sum(map(len, waiting)) > max(len(found), _LISTED):
            found, waiting = np.unique(np.concatenate([found, *waiting])), []
    return len(np.unique(np.concatenate([found, *waiting])))


def _hits(pattern: Pattern, rows: np.ndarray, target: Range) -> tuple[np.ndarray, np.ndarray]:
    """The assignments that are instances, and their targets."""
    top, bottom = values(pattern, rows)
    defined = bottom != 0
    bottom = np.where(defined, bottom, 1)
    value = top // bottom
    hit = defined & (value * bottom == top) & (value >= target[0]) & (value <= target[1])
    return rows[hit], value[hit]


def _distinct(table: np.ndarray) -> np.ndarray:
    """The distinct rows, sorted."""
    lowest = table.min(axis=0, initial=2**62)
    spans = table.max(axis=0, initial=0) - lowest + 1
    if not len(table) or prod(spans.tolist()) >= 2**62:
        return np.unique(table, axis=0)
    codes = np.unique(
        np.ravel_multi_index(tuple((table - lowest).T), tuple(spans))
    )  # one integer per row is much faster
    rows: np.ndarray = np.column_stack(np.unravel_index(codes, tuple(spans))) + lowest
    return rows


def _evenly(
    pattern: Pattern, rows: np.ndarray, targets: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Thin instances so that puzzles are equally likely: one of k assignments is kept with probability 1/k."""
    rows = np.sort(rows, axis=1)
    ticket = random.random(len(rows))
    # k is (orders of the numbers that hit) / (orders that show the same), and at least (exchanges of equal operands) /
    # (orders that show the same), which excludes most without another evaluation.
    same = _same_orders(rows)
    likely = ticket * automorphisms(pattern) < same
    rows, targets, ticket, same = rows[likely], targets[likely], ticket[likely], same[likely]
    orders = _orders(pattern.size)
    hits = np.empty(len(rows))
    for start in range(0, len(rows), _PART):
        chosen = slice(start, start + _PART)
        top, bottom = values(pattern, rows[chosen][:, orders].reshape(-1, pattern.size))
        right = (bottom != 0) & (top == bottom * np.repeat(targets[chosen], len(orders)))
        hits[chosen] = right.reshape(-1, len(orders)).sum(axis=1)
    kept = ticket * hits < same
    return rows[kept], targets[kept]


def _same_orders(rows: np.ndarray) -> np.ndarray:
    """The number of permutations that leave sorted numbers unchanged: 2 for each equal pair, 6 for each triple."""
    runs, run = np.ones(len(rows)), np.ones(len(rows))
    for column in range(1, rows.shape[1]):
        run = np.where(rows[:, column] == rows[:, column - 1], run + 1, 1)
        runs *= run
    return runs


@cache
def _orders(size: int) -> np.ndarray:
    return np.array(list(permutations(range(size))))


@cache
def automorphisms(pattern: Pattern) -> int:
    """The number of exchanges of equal operands.

    >>> automorphisms(Pattern.parse("A*B+C*D"))
    8
    """
    sides = (pattern.plain, pattern.inverse)
    own = prod(factorial(side.count(child)) for side in sides for child in set(side))
    return own * prod(automorphisms(child) for side in sides for child in side)


def scarcity(pattern: Pattern, random: np.random.Generator, numbers: Range, target: Range) -> int:
    """The number of instances among a few thousand random assignments, to draw rare patterns first."""
    rows = random.integers(numbers[0], numbers[1] + 1, (_FIRST_BATCH * 2, pattern.size))
    return len(_hits(pattern, rows, target)[0])
