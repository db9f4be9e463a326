"""Draw puzzles for a pattern, by enumeration or vectorised rejection, in exact integer arithmetic."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b

import numpy as np

from ramify.algebra.pattern import Pattern
from ramify.records import Puzzle

BATCH = 1 << 16
MAX_TRIES = 1 << 25
"""Random assignments that are tried for one pattern before it is said to be short."""
ENUMERATED = 1 << 20
"""Up to so many assignments are listed instead of drawn."""

Range = tuple[int, int]


def generator(name: str) -> np.random.Generator:
    """Random numbers that follow from a name, such as `"1/test/A+B*C"`."""
    return np.random.default_rng(int.from_bytes(blake2b(name.encode(), digest_size=16).digest()))


def values(pattern: Pattern, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators of a pattern at many assignments, exactly; a denominator of 0 is undefined.

    Args:
        numbers: integers of shape (draws, n), in the pattern's reading order. Exact while max ** n < 2 ** 62.
    """
    leaves = numbers.T.astype(np.int64)
    one = np.ones(len(numbers), dtype=np.int64)
    return pattern.tree.fold(lambda leaf: (leaves[leaf], one), _apply)


def _apply(op: str, left: tuple, right: tuple) -> tuple[np.ndarray, np.ndarray]:
    (a, b), (c, d) = left, right
    match op:
        case "+":
            return a * d + c * b, b * d
        case "-":
            return a * d - c * b, b * d
        case "*":
            return a * c, b * d
        case _:  # dividing by an undefined value (d = 0) or by zero (c = 0) is undefined
            return a * d, b * c * (d != 0)


def instances(pattern: Pattern, numbers: np.ndarray, target: Range) -> np.ndarray:
    """The distinct puzzles among these assignments: rows of sorted numbers and the target, sorted.

    >>> instances(Pattern.parse("A-B"), np.array([[3, 1], [1, 3], [5, 3]]), (1, 99)).tolist()
    [[1, 3, 2], [3, 5, 2]]
    """
    top, bottom = values(pattern, numbers)
    defined = bottom != 0
    bottom = np.where(defined, bottom, 1)
    value = top // bottom
    hit = defined & (value * bottom == top) & (value >= target[0]) & (value <= target[1])
    return np.unique(np.column_stack([np.sort(numbers[hit], axis=1), value[hit]]), axis=0)


def _batches(pattern: Pattern, random: np.random.Generator, numbers: Range, target: Range) -> Iterator[np.ndarray]:
    """Distinct puzzles in random order: all of them at once where that is cheap, else batch after batch."""
    span = numbers[1] - numbers[0] + 1
    if span**pattern.size <= ENUMERATED:
        axes = np.meshgrid(*[np.arange(numbers[0], numbers[1] + 1)] * pattern.size, indexing="ij")
        yield random.permutation(instances(pattern, np.stack([axis.ravel() for axis in axes], axis=1), target))
        return
    for _ in range(MAX_TRIES // BATCH):
        drawn = random.integers(numbers[0], numbers[1] + 1, (BATCH, pattern.size))
        yield random.permutation(instances(pattern, drawn, target))


def draw_distinct(
    pattern: Pattern,
    count: int,
    random: np.random.Generator,
    accept: Callable[[Sequence[Puzzle]], Iterable[bool]],
    taken: set[str],
    numbers: Range = (1, 99),
    target: Range = (1, 99),
) -> list[Puzzle]:
    """Puzzles of a pattern that are accepted and whose identity is not taken yet; takes their identities.

    Where all assignments can be listed (`ENUMERATED`) the draw is uniform over the pattern's puzzles, and fewer than
    `count` means that there are no more. Elsewhere it is uniform over the instances, and fewer than `count` means
    that `MAX_TRIES` random assignments held no more.

    >>> found = draw_distinct(Pattern.parse("A+B"), 9, generator("x"), lambda p: [True] * len(p), set(), (1, 2))
    >>> sorted(puzzle.id for puzzle in found)
    ['1,1=2', '1,2=3', '2,2=4']
    """
    found: list[Puzzle] = []
    for rows in _batches(pattern, random, numbers, target):
        for start in range(0, len(rows), 256):  # the costly test is not put to a whole batch
            part = rows[start : start + 256]
            shown = random.permuted(part[:, :-1], axis=1)
            puzzles = [Puzzle(tuple(r), t, pattern) for r, t in zip(shown.tolist(), part[:, -1].tolist(), strict=True)]
            puzzles = [puzzle for puzzle in puzzles if puzzle.id not in taken]
            good = [puzzle for puzzle, fits in zip(puzzles, accept(puzzles), strict=True) if fits]
            good = good[: count - len(found)]
            found += good
            taken.update(puzzle.id for puzzle in good)
            if len(found) == count:
                return found
    return found
