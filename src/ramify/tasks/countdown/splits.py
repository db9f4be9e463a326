"""Reservation of puzzles for evaluation, the promises of a split, and its certificate."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ramify.algebra.pattern import Pattern
from ramify.algebra.structure import skills
from ramify.tasks import reservation
from ramify.tasks.base import Tagged
from ramify.tasks.countdown.families import family, twins
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.tagging import solving_patterns

KNOWN_SIZE = 2
"""Skills up to this size count as known."""


def is_reserved(numbers: Iterable[int], target: int) -> bool:
    """Whether a puzzle is reserved for evaluation, in every version.

    The result is a hash of the puzzle's identity (sorted numbers, target), so it needs no list and precedes any data
    set: pre-training, fine-tuning and RL draw from unreserved puzzles, evaluation sets from reserved ones. One puzzle
    in `reservation.SHARE` is reserved.

    >>> is_reserved([3, 7, 8], 29) == is_reserved([8, 3, 7], 29)
    True
    >>> sum(is_reserved([a, b], 7) for a in range(1, 101) for b in range(a, 101)) / 5050  # near 1/16 = 0.0625
    0.05881188118811881
    """
    identity = " ".join(map(str, sorted(numbers))) + f" = {target}"
    return reservation.is_reserved(identity)


def held_out_patterns(skills: Iterable[str], sizes: Iterable[int]) -> frozenset[Pattern]:
    """The families of these skills at these sizes, which may solve no training puzzle.

    >>> sorted(pattern.text for pattern in held_out_patterns(["A-B*C"], [3, 4]))[:3]
    ['(A-B*C)*D', '(A-B*C)/D', 'A*B+C-D']
    """
    roots = [Pattern.parse(skill) for skill in skills]
    return frozenset(member for root in roots for size in sizes if size >= root.size for member in family(root, size))


def is_of_known_skills(pattern: Pattern, trained: Collection[Pattern]) -> bool:
    """Whether every proper skill of three leaves or more, or a twin of it, was trained.

    >>> trained = [Pattern.parse("A+B+C"), Pattern.parse("A*B+C")]
    >>> is_of_known_skills(Pattern.parse("A*B+C+D"), trained), is_of_known_skills(Pattern.parse("A*B*C+D"), trained)
    (True, False)
    """
    needed = [skill for skill in skills(pattern) if KNOWN_SIZE < skill.size < pattern.size]
    return all(skill in trained or not twins(skill).isdisjoint(trained) for skill in needed)


@dataclass(frozen=True, slots=True)
class Rules:
    """The promises of a split besides disjoint puzzles.

    Attributes:
        held_out: patterns that may solve no training puzzle.
        reserved: whether evaluation puzzles are reserved ones, and training puzzles are not.
        forced: names of the sets of uniquely solvable puzzles alone.
        known_skills: whether the puzzles of the length set are of known skills.
        multiset_disjoint: whether no evaluation puzzle has the numbers of a training puzzle.
    """

    held_out: frozenset[Pattern] = frozenset()
    reserved: bool = True
    forced: tuple[str, ...] = ()
    known_skills: bool = False
    multiset_disjoint: bool = False


PROMISES = {
    "shared": "puzzles shared between training and evaluation",
    "repeated": "repeated",
    "reserved_in_training": "reserved puzzles in training",
    "unreserved_in_evaluation": "unreserved in evaluation",
    "solved_by_held_out": "training puzzles solvable by a held-out pattern",
    "not_forced": "puzzles that several patterns solve in uniquely solvable sets",
    "of_unknown_skills": "longer puzzles of unknown skills",
    "numbers_in_both": "evaluation puzzles with the numbers of a training puzzle",
}
"""Descriptions of the counts in a certificate; counts of promises that were not made are null."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The result of checking a split on its puzzles.

    The count of a fault is 0 in a clean split, and None if the split made no such promise.

    Attributes:
        puzzles: number of puzzles in each set.
        forced: share of uniquely solvable puzzles in each set.
        shared_numbers: puzzles of an evaluation set that have the numbers of a training puzzle.
        held_out: texts of the held-out patterns.
        shared: puzzles of an evaluation set that are also training puzzles.
        repeated: puzzles that occur twice, in one set or in two.
        reserved_in_training: training puzzles that are reserved for evaluation.
        unreserved_in_evaluation: evaluation puzzles that are not reserved, so that a base model may have seen them.
        solved_by_held_out: training puzzles with a held-out pattern among their solving patterns.
        not_forced: puzzles that several patterns solve, in sets that promise none.
        of_unknown_skills: puzzles of the length set with a skill of three leaves or more that was not trained.
        numbers_in_both: `shared_numbers`, where none is promised.
        shortages: sets and patterns with fewer puzzles than requested, with both numbers.
    """

    puzzles: dict[str, int]
    forced: dict[str, float | None]
    shared_numbers: int
    held_out: tuple[str, ...]
    shared: int
    repeated: int
    reserved_in_training: int | None
    unreserved_in_evaluation: int | None
    solved_by_held_out: int
    not_forced: int | None
    of_unknown_skills: int | None
    numbers_in_both: int | None
    shortages: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether no fault was found."""
        return not any(
            (
                self.shared,
                self.repeated,
                self.reserved_in_training,
                self.unreserved_in_evaluation,
                self.solved_by_held_out,
                self.not_forced,
                self.of_unknown_skills,
                self.numbers_in_both,
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self) | {"is_clean": self.is_clean}


def certify(sets: Mapping[str, Sequence[Tagged]], rules: Rules, shortages: Sequence[str] = ()) -> Certificate:
    """Check a split on its puzzles; the set `train` is for training, all others for evaluation.

    The solving patterns of training puzzles are recomputed, not read from the table.

    >>> from ramify.tasks.countdown.tagging import tag
    >>> sets = {"train": tag([Puzzle((1, 2, 3), 5)]), "test": tag([Puzzle((3, 2, 1), 5)])}
    >>> certify(sets, Rules(reserved=False)).shared
    1
    """
    puzzles = {name: [entry.puzzle for entry in entries] for name, entries in sets.items()}
    trained = puzzles.get("train", [])
    evaluation = [puzzle for name, some in puzzles.items() if name != "train" for puzzle in some]
    everything = [*trained, *evaluation]
    train_ids, train_numbers = {puzzle.id for puzzle in trained}, {tuple(sorted(p.numbers)) for p in trained}
    shared_numbers = sum(tuple(sorted(puzzle.numbers)) in train_numbers for puzzle in evaluation)
    known = {puzzle.pattern for puzzle in trained if puzzle.pattern is not None}
    reserved, open_ = ([is_reserved(p.numbers, p.target) for p in some] for some in (trained, evaluation))
    return Certificate(
        puzzles={name: len(some) for name, some in puzzles.items()},
        forced={name: _share([entry.forced for entry in entries]) for name, entries in sets.items()},
        shared_numbers=shared_numbers,
        held_out=tuple(sorted(pattern.text for pattern in rules.held_out)),
        shared=sum(puzzle.id in train_ids for puzzle in evaluation),
        repeated=len(everything) - len({puzzle.id for puzzle in everything}),
        reserved_in_training=sum(reserved) if rules.reserved else None,
        unreserved_in_evaluation=len(open_) - sum(open_) if rules.reserved else None,
        solved_by_held_out=sum(solved_by(trained, rules.held_out)),
        not_forced=sum(not e.forced for name in rules.forced for e in sets.get(name, ())) if rules.forced else None,
        of_unknown_skills=_unknown(puzzles.get("length", []), known) if rules.known_skills else None,
        numbers_in_both=shared_numbers if rules.multiset_disjoint else None,
        shortages=tuple(shortages),
    )


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _unknown(puzzles: Sequence[Puzzle], trained: set[Pattern]) -> int:
    known = {pattern: is_of_known_skills(pattern, trained) for pattern in {p.pattern for p in puzzles} if pattern}
    return sum(puzzle.pattern is None or not known[puzzle.pattern] for puzzle in puzzles)


def solved_by(puzzles: Sequence[Puzzle], wanted: frozenset[Pattern]) -> list[bool]:
    """For each puzzle, whether one of the patterns solves it."""
    if not wanted:
        return [False] * len(puzzles)
    return [not wanted.isdisjoint(solving) for solving, _ in solving_patterns(puzzles)]
