"""Which puzzles may be trained on, which are kept for evaluation, and the certificate that says so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b

from ramify.algebra.catalog import patterns
from ramify.algebra.pattern import Pattern
from ramify.algebra.solver import solve_many
from ramify.algebra.structure import family
from ramify.records import Puzzle

RESERVED_SHARE = 16
"""One puzzle in this many is reserved for evaluation."""


def is_reserved(numbers: Iterable[int], target: int) -> bool:
    """Whether a puzzle is reserved for evaluation, now and for ever.

    The answer depends on the puzzle's identity (sorted numbers, target) alone, through a hash, so the reservation
    needs no list and holds before any data set exists: pre-training, fine-tuning and RL draw from the puzzles that
    are not reserved, every evaluation set from those that are. One puzzle in `RESERVED_SHARE` is reserved.

    >>> is_reserved([3, 7, 8], 29) == is_reserved([8, 3, 7], 29)
    True
    >>> sum(is_reserved([a, b], 7) for a in range(1, 101) for b in range(a, 101)) / 5050  # near 1/16 = 0.0625
    0.05881188118811881
    """
    identity = " ".join(map(str, sorted(numbers))) + f" = {target}"
    return int.from_bytes(blake2b(identity.encode(), digest_size=8).digest()) % RESERVED_SHARE == 0


def held_out_patterns(skills: Iterable[str], sizes: Iterable[int]) -> frozenset[Pattern]:
    """The families of these skills at these sizes: what may solve no training puzzle.

    >>> sorted(pattern.text for pattern in held_out_patterns(["A-B*C"], [3, 4]))[:3]
    ['(A-B*C)*D', '(A-B*C)/D', 'A*B+C-D']
    """
    roots = [Pattern.parse(skill) for skill in skills]
    return frozenset(member for root in roots for size in sizes if size >= root.size for member in family(root, size))


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was checked about a split, on the puzzles themselves, and what was found.

    Every count of a fault is 0 in a clean split.

    Attributes:
        puzzles: number of puzzles in each set.
        held_out: texts of the patterns that may solve no training puzzle.
        shared: puzzles of an evaluation set that are also training puzzles.
        repeated: puzzles that occur twice, in one set or in two.
        reserved_in_training: training puzzles that are reserved for evaluation.
        unreserved_in_evaluation: evaluation puzzles that are not reserved, so that a base model may have seen them.
        solved_by_held_out: training puzzles with a held-out pattern among their solving patterns.
        shortages: sets and patterns that have fewer puzzles than were asked for, with asked and found.
    """

    puzzles: dict[str, int]
    held_out: tuple[str, ...]
    shared: int
    repeated: int
    reserved_in_training: int
    unreserved_in_evaluation: int
    solved_by_held_out: int
    shortages: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether no fault was found."""
        faults = (self.shared, self.repeated, self.reserved_in_training, self.unreserved_in_evaluation)
        return not any(faults) and not self.solved_by_held_out

    def to_dict(self) -> dict:
        """Plain data, for JSON."""
        return asdict(self) | {"is_clean": self.is_clean}


def certify(
    sets: Mapping[str, Sequence[Puzzle]], held_out: frozenset[Pattern], shortages: Sequence[str] = ()
) -> Certificate:
    """Check a split from its puzzles alone; the set called `train` is trained on, every other one evaluates.

    >>> puzzles = {"train": [Puzzle((1, 2, 3), 5)], "test": [Puzzle((3, 2, 1), 5)]}
    >>> certify(puzzles, frozenset()).shared
    1
    """
    train = {puzzle.id for puzzle in sets.get("train", ())}
    evaluation = [puzzle for name, puzzles in sets.items() if name != "train" for puzzle in puzzles]
    trained = list(sets.get("train", ()))
    everything = [puzzle.id for puzzles in sets.values() for puzzle in puzzles]
    return Certificate(
        puzzles={name: len(puzzles) for name, puzzles in sets.items()},
        held_out=tuple(sorted(pattern.text for pattern in held_out)),
        shared=sum(puzzle.id in train for puzzle in evaluation),
        repeated=len(everything) - len(set(everything)),
        reserved_in_training=sum(is_reserved(puzzle.numbers, puzzle.target) for puzzle in trained),
        unreserved_in_evaluation=sum(not is_reserved(puzzle.numbers, puzzle.target) for puzzle in evaluation),
        solved_by_held_out=sum(solved_by(trained, held_out)) if held_out else 0,
        shortages=tuple(shortages),
    )


def solved_by(puzzles: Sequence[Puzzle], wanted: frozenset[Pattern]) -> list[bool]:
    """For each puzzle, whether one of these patterns solves it."""
    solutions = solve_many([(puzzle.numbers, puzzle.target) for puzzle in puzzles])
    return [
        any(patterns(len(puzzle.numbers))[index] in wanted for index in solution.patterns)
        for puzzle, solution in zip(puzzles, solutions, strict=True)
    ]
