"""Check external data sets: overlap, solving patterns, wrong labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ramify.algebra.pattern import Pattern
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.tagging import is_one_function, tag

MAX_CHECKED = 6
"""The largest number of numbers of the solved puzzles."""


@dataclass(frozen=True, slots=True)
class SetCheck:
    """The result for one set; fields from `solved` on cover the solved puzzles only.

    Attributes:
        puzzles: number of rows.
        sizes: number of rows of each n.
        repeated: rows whose puzzle occurred earlier in the same set.
        in_training: rows whose puzzle is a training puzzle.
        numbers_in_training: rows with the numbers of a training puzzle, whatever the target.
        solved: rows with two to six numbers.
        unsolvable: rows without any solution.
        forced: share of uniquely solvable puzzles; None if none was solved.
        solving_patterns: mean number of solving patterns.
        mislabelled: rows whose pattern does not solve them.
        solved_by_held_out: rows that a held-out pattern solves.
    """

    name: str
    puzzles: int
    sizes: dict[int, int]
    repeated: int
    in_training: int
    numbers_in_training: int
    solved: int
    unsolvable: int
    forced: float | None
    solving_patterns: float | None
    mislabelled: int
    solved_by_held_out: int

    @property
    def trains(self) -> bool:
        """Whether this is a training set, by its name."""
        return "train" in self.name.lower()

    @property
    def is_clean(self) -> bool:
        """Whether the set shares no puzzle with training or, for a training set, no held-out pattern solves it."""
        return not (self.solved_by_held_out if self.trains else self.in_training)


def check_sets(sets: Mapping[str, Sequence[Puzzle]], held_out: frozenset[Pattern] = frozenset()) -> list[SetCheck]:
    """Check every set against the training sets, whose names contain `train`.

    >>> puzzles = [Puzzle((1, 2, 3), 6), Puzzle((3, 7, 8), 29)]
    >>> train, test = check_sets({"train": puzzles, "test": puzzles[:1]})
    >>> test.in_training, train.forced, train.solving_patterns
    (1, 0.5, 2.0)
    """
    training = [puzzle for name, puzzles in sets.items() if "train" in name.lower() for puzzle in puzzles]
    ids, numbers = {puzzle.id for puzzle in training}, {tuple(sorted(puzzle.numbers)) for puzzle in training}
    return [_check(name, puzzles, ids, numbers, held_out) for name, puzzles in sets.items()]


def _check(
    name: str,
    puzzles: Sequence[Puzzle],
    ids: set[str],
    numbers: set[tuple[int, ...]],
    held_out: frozenset[Pattern],
) -> SetCheck:
    tagged = tag([puzzle for puzzle in puzzles if 2 <= len(puzzle.numbers) <= MAX_CHECKED])
    solvable = [entry for entry in tagged if entry.solving]
    sizes = sorted({len(puzzle.numbers) for puzzle in puzzles})
    forced = sum(is_one_function(entry.solving) for entry in solvable)
    return SetCheck(
        name=name,
        puzzles=len(puzzles),
        sizes={size: sum(len(puzzle.numbers) == size for puzzle in puzzles) for size in sizes},
        repeated=len(puzzles) - len({puzzle.id for puzzle in puzzles}),
        in_training=sum(puzzle.id in ids for puzzle in puzzles),
        numbers_in_training=sum(tuple(sorted(puzzle.numbers)) in numbers for puzzle in puzzles),
        solved=len(tagged),
        unsolvable=len(tagged) - len(solvable),
        forced=forced / len(tagged) if tagged else None,
        solving_patterns=sum(len(entry.solving) for entry in tagged) / len(tagged) if tagged else None,
        mislabelled=sum(e.puzzle.pattern is not None and e.puzzle.pattern not in e.solving for e in tagged),
        solved_by_held_out=sum(not held_out.isdisjoint(entry.solving) for entry in tagged) if held_out else 0,
    )
