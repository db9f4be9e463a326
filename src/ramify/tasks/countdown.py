"""The Countdown task: its settings and the puzzle sets that they describe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ramify.algebra.catalog import patterns
from ramify.algebra.parser import ParseError
from ramify.algebra.pattern import Pattern
from ramify.algebra.solver import MAX_SOLVED, solve_many
from ramify.config import Config
from ramify.records import Puzzle
from ramify.tasks.generation import draw_distinct, generator
from ramify.tasks.prompts import Template
from ramify.tasks.rewards import RewardConfig
from ramify.tasks.splits import Certificate, certify, held_out_patterns, is_reserved, solved_by

EVALUATION_SETS = ("test", "length", "held_out")


class CountdownConfig(Config):
    """Which puzzles are made. A set maps n to a number of puzzles, spread evenly over the patterns of that size."""

    kind: Literal["countdown"] = "countdown"
    seed: int = 1
    """The seed of the puzzles; runs with other training seeds keep the same puzzles."""
    numbers: tuple[int, int] = (1, 99)
    """Smallest and largest number."""
    target: tuple[int, int] = (1, 99)
    """Smallest and largest target."""
    train: dict[int, int] = Field({3: 1440, 4: 1440})
    """Puzzles to train on, of patterns that are not held out."""
    test: dict[int, int] = Field({3: 170, 4: 180})
    """Puzzles of the trained sizes and patterns, disjoint from all training."""
    length: dict[int, int] = Field({5: 140})
    """Puzzles of sizes that are not trained."""
    held_out: dict[int, int] = Field({3: 40, 4: 60})
    """Puzzles of the held-out families."""
    hold_out: tuple[str, ...] = ("A-B*C",)
    """Skills whose families solve no training puzzle."""
    prompt: Template = "slots"
    """The text that a model is given."""
    reward: RewardConfig = RewardConfig()

    @field_validator("train", "test", "length", "held_out")
    @classmethod
    def _sizes(cls, counts: dict[int, int]) -> dict[int, int]:
        for size, count in counts.items():
            if not 2 <= size <= MAX_SOLVED:
                raise ValueError(f"n = {size}: puzzles have 2 to {MAX_SOLVED} numbers")
            if count < 0:
                raise ValueError(f"n = {size}: {count} puzzles asked for; a count cannot be negative")
        return counts

    @field_validator("numbers", "target")
    @classmethod
    def _range(cls, bounds: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= bounds[0] <= bounds[1]:
            raise ValueError("a range is [smallest, largest] with 1 <= smallest <= largest")
        return bounds

    @field_validator("hold_out")
    @classmethod
    def _skills(cls, skills: tuple[str, ...]) -> tuple[str, ...]:
        for skill in skills:
            try:
                Pattern.parse(skill)
            except ParseError as error:
                raise ValueError(f"{skill} is not a pattern such as A-B*C: {error}") from None
        return skills

    @model_validator(mode="after")
    def _exact(self) -> "CountdownConfig":
        largest = max(self.numbers[1], self.target[1])
        sizes = [size for name in ("train", *EVALUATION_SETS) for size in getattr(self, name)]
        if sizes and largest ** max(sizes) >= 2**53:
            raise ValueError(f"numbers = {list(self.numbers)}: with {max(sizes)} numbers the arithmetic is not exact")
        return self


@dataclass(frozen=True, slots=True)
class Tagged:
    """A puzzle with what the solver says of it.

    Attributes:
        solving: texts of the solving patterns, in the order of the catalog.
        forced: whether the source pattern and its twins are the only ones.
        multiplicity: number of labelled solutions.
    """

    puzzle: Puzzle
    solving: tuple[str, ...]
    forced: bool
    multiplicity: int


def make_puzzles(config: CountdownConfig) -> tuple[dict[str, list[Tagged]], Certificate]:
    """Draw every set, tag every puzzle, and certify the split. Same settings, same puzzles.

    Evaluation puzzles are reserved ones (see `is_reserved`), training puzzles are not; no puzzle occurs twice.
    """
    sizes = range(2, MAX_SOLVED + 1)
    banned = held_out_patterns(config.hold_out, [n for n in sizes if n in {**config.train, **config.held_out}])
    taken: set[str] = set()
    shortages: list[str] = []
    sets: dict[str, list[Puzzle]] = {}
    for name in (*EVALUATION_SETS, "train"):
        sets[name] = []
        for size, count in getattr(config, name).items():
            chosen = [pattern for pattern in patterns(size) if (pattern in banned) == (name == "held_out")]
            if name == "length":
                chosen = list(patterns(size))
            for pattern, share in _spread(chosen, count, f"{config.seed}/{name}/{size}"):
                accept = _not_reserved(banned) if name == "train" else _reserved
                random = generator(f"{config.seed}/{name}/{pattern.text}")
                found = draw_distinct(pattern, share, random, accept, taken, config.numbers, config.target)
                if len(found) < share:
                    shortages.append(f"{name} {pattern.text}: {len(found)} of {share}")
                sets[name] += found
    tagged = {name: tag(puzzles) for name, puzzles in sets.items()}
    return tagged, certify(sets, banned, shortages)


def tag(puzzles: Sequence[Puzzle]) -> list[Tagged]:
    """Tag puzzles with their solving patterns, forced flag and multiplicity.

    A puzzle without a source pattern is not forced.

    >>> tag([Puzzle((3, 7, 8), 29, Pattern.parse("A*B+C"))])[0].forced
    True
    """
    solutions = solve_many([(puzzle.numbers, puzzle.target) for puzzle in puzzles])
    return [
        Tagged(puzzle, tuple(pattern.text for pattern in found), _is_forced(puzzle, found), solution.multiplicity)
        for puzzle, solution in zip(puzzles, solutions, strict=True)
        for found in [[patterns(len(puzzle.numbers))[index] for index in solution.patterns]]
    ]


def _is_forced(puzzle: Puzzle, found: Sequence[Pattern]) -> bool:
    return puzzle.pattern is not None and set(found) <= {puzzle.pattern, *puzzle.pattern.twins}


def _spread(chosen: Sequence[Pattern], count: int, name: str) -> list[tuple[Pattern, int]]:
    """An even share for each pattern; what is left over goes to patterns drawn at random."""
    if not chosen:
        return []
    each, rest = divmod(count, len(chosen))
    lucky = set(generator(name).permutation(len(chosen))[:rest].tolist())
    shares = [(pattern, each + (index in lucky)) for index, pattern in enumerate(chosen)]
    return [(pattern, share) for pattern, share in shares if share]


def _reserved(puzzles: Sequence[Puzzle]) -> list[bool]:
    return [is_reserved(puzzle.numbers, puzzle.target) for puzzle in puzzles]


def _not_reserved(banned: frozenset[Pattern]) -> Callable[[Sequence[Puzzle]], list[bool]]:
    def accept(puzzles: Sequence[Puzzle]) -> list[bool]:
        open_to_training = [not reserved for reserved in _reserved(puzzles)]
        if not banned:
            return open_to_training
        return [a and not b for a, b in zip(open_to_training, solved_by(puzzles, banned), strict=True)]

    return accept
