"""Draw puzzles for a pattern: uniform over its instances, by vectorised rejection in exact integer arithmetic."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

import numpy as np

from ramify.algebra.pattern import Pattern
from ramify.records import Puzzle

BATCH = 1 << 16
MAX_TRIES = 1 << 25
"""A pattern that gives nothing new in this many draws is said to be short."""

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


def draw(
    pattern: Pattern,
    random: np.random.Generator,
    numbers: Range = (1, 99),
    target: Range = (1, 99),
) -> list[Puzzle]:
    """One batch of draws: the instances of the pattern among `BATCH` random assignments, numbers shuffled.

    >>> puzzles = draw(Pattern.parse("A*B+C"), generator("example"))
    >>> len(puzzles) > 100, all(len(puzzle.numbers) == 3 for puzzle in puzzles)
    (True, True)
    """
    drawn = random.integers(numbers[0], numbers[1] + 1, (BATCH, pattern.size))
    top, bottom = values(pattern, drawn)
    defined = bottom != 0
    bottom = np.where(defined, bottom, 1)
    value = top // bottom
    hit = defined & (value * bottom == top) & (value >= target[0]) & (value <= target[1])
    shuffled = random.permuted(drawn[hit], axis=1)
    return [Puzzle(tuple(row), int(v), pattern) for row, v in zip(shuffled.tolist(), value[hit].tolist(), strict=True)]


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

    Returns fewer than `count` where `MAX_TRIES` draws in a row bring nothing new.
    """
    found: list[Puzzle] = []
    tries = 0
    while len(found) < count and tries < MAX_TRIES:
        tries += BATCH
        fresh = list({puzzle.id: puzzle for puzzle in draw(pattern, random, numbers, target)}.values())
        fresh = [puzzle for puzzle in fresh if puzzle.id not in taken]
        # What is needed as a rule first, so that the costly test does not see a whole batch.
        for start in range(0, len(fresh), 256):
            part = fresh[start : start + 256]
            new = [puzzle for puzzle, good in zip(part, accept(part), strict=True) if good][: count - len(found)]
            found += new
            taken.update(puzzle.id for puzzle in new)
            if new:
                tries = 0
            if len(found) == count:
                break
    return found
