"""The Countdown task: its settings and the puzzle sets that they describe."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from ramify.algebra.pattern import Pattern, parse_patterns
from ramify.config import MOST, Config, Seed
from ramify.records import Puzzle
from ramify.tasks.countdown.catalog import index_of, patterns
from ramify.tasks.countdown.families import twins
from ramify.tasks.countdown.generation import automorphisms, draw_distinct, generator, scarcity
from ramify.tasks.countdown.instances import InstanceCounter
from ramify.tasks.countdown.prompts import PromptConfig
from ramify.tasks.countdown.rewards import RewardConfig
from ramify.tasks.countdown.splits import (
    Certificate,
    Rules,
    certify,
    held_out_patterns,
    is_of_known_skills,
    is_reserved,
)
from ramify.tasks.countdown.tagging import Tagged, tag

MAX_SIZE = 6
"""Puzzles have two to so many numbers."""
LARGEST = 10_000
"""Numbers and targets go up to it; with more, the search for rare puzzles takes hours."""
EVALUATION_SETS = ("test", "length", "held_out", "skills")
SETS = (*EVALUATION_SETS, "train")


class CountdownConfig(Config):
    """Which puzzles are made. A set maps n to a number of puzzles, spread evenly over the patterns of that size."""

    kind: Literal["countdown"] = "countdown"
    seed: Seed = 1
    """The seed of the puzzles; runs with other training seeds keep the same puzzles."""
    puzzles: str = ""
    """A run, a folder, a file or a dataset on the hub whose puzzles are taken; none are drawn then, and the settings
    from here to `multiset_disjoint` say nothing."""
    numbers: tuple[int, int] = (1, 99)
    """Smallest and largest number."""
    target: tuple[int, int] = (1, 99)
    """Smallest and largest target."""
    per_pattern: bool = False
    """Whether the counts below are puzzles of each pattern, rather than of all patterns together."""
    train: dict[int, int] = Field({3: 1440, 4: 1440})
    """Puzzles to train on, of patterns that are not held out."""
    test: dict[int, int] = Field({3: 204, 4: 270})
    """Puzzles of the trained sizes and patterns, disjoint from all training."""
    length: dict[int, int] = Field({5: 140})
    """Puzzles of sizes that are not trained."""
    held_out: dict[int, int] = Field({3: 40, 4: 60})
    """Puzzles of the held-out families and patterns."""
    skills: dict[int, int] = Field({2: 32})
    """Puzzles of the small patterns that larger ones are made of, trained or not; the composition gap needs them."""
    hold_out: tuple[str, ...] = Field(("A-B*C",), max_length=1000)
    """Skills whose families solve no training puzzle."""
    hold_out_patterns: tuple[str, ...] = Field((), max_length=10_000)
    """Patterns that, with their twins, solve no training puzzle; larger patterns made of them are trained."""
    reserved: bool = True
    """Whether evaluation puzzles are drawn from the sixteenth of all puzzles that no training ever uses, the bundled
    model's pre-training included."""
    forced: tuple[str, ...] = ()
    """Sets that hold forced puzzles alone, such as ["test", "held_out"]."""
    known_skills: bool = False
    """Whether the length set has only patterns all of whose skills of three leaves or more are trained."""
    multiset_disjoint: bool = False
    """Whether no training puzzle has the numbers of an evaluation puzzle, whatever its target."""
    prompt: PromptConfig = PromptConfig()
    """How a puzzle is put to the model; the name of a template stands for its settings."""
    reward: RewardConfig = RewardConfig()
    """What a completion is worth in training: `pure`, `paper`, or three numbers."""

    @field_validator("train", "test", "length", "held_out", "skills")
    @classmethod
    def _sizes(cls, counts: dict[int, int], info: ValidationInfo) -> dict[int, int]:
        for size, count in counts.items():
            if not 2 <= size <= MAX_SIZE:
                raise ValueError(f"task.{info.field_name}.{size}: puzzles have 2 to {MAX_SIZE} numbers")
            if count < 0:
                raise ValueError(f"task.{info.field_name}.{size} = {count}: a count cannot be negative")
            if count > MOST:
                raise ValueError(f"task.{info.field_name}.{size} = {count}: the most puzzles are {MOST:,}")
        return counts

    @field_validator("numbers", "target")
    @classmethod
    def _range(cls, bounds: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= bounds[0] <= bounds[1] <= LARGEST:
            raise ValueError(f"a range is [smallest, largest] with 1 <= smallest <= largest <= {LARGEST}")
        return bounds

    @field_validator("forced")
    @classmethod
    def _sets(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ("train", *EVALUATION_SETS):
                raise ValueError(f"{name} is not a set; there are train, {', '.join(EVALUATION_SETS)}")
        return names

    @field_validator("hold_out", "hold_out_patterns")
    @classmethod
    def _skills(cls, skills: tuple[str, ...]) -> tuple[str, ...]:
        for skill in parse_patterns(skills):
            if skill.size > MAX_SIZE:
                raise ValueError(f"'{skill}' has {skill.size} leaves; puzzles have up to {MAX_SIZE} numbers")
        return skills

    @model_validator(mode="after")
    def _exact(self) -> "CountdownConfig":
        largest = max(self.numbers[1], self.target[1])
        size = max((n for name in SETS for n in getattr(self, name)), default=2)
        if largest**size >= 2**62:
            raise ValueError(f"numbers = {list(self.numbers)}: with {size} numbers the arithmetic is not exact")
        return self

    def rules(self) -> Rules:
        """What the split promises."""
        sizes = [n for n in range(2, MAX_SIZE + 1) if n in {**self.train, **self.held_out}]
        single = {Pattern.parse(text) for text in self.hold_out_patterns}
        held_out = held_out_patterns(self.hold_out, sizes).union(single, *map(twins, single))
        return Rules(held_out, self.reserved, self.forced, self.known_skills, self.multiset_disjoint)


def puzzles_asked(config: CountdownConfig) -> dict[str, int]:
    """How many puzzles each set is to have; 0 of a size whose patterns are all held out, or none of them is.

    >>> puzzles_asked(CountdownConfig(per_pattern=True, train={3: 10}, test={}, length={}, hold_out=()))
    {'test': 0, 'length': 0, 'held_out': 0, 'skills': 128, 'train': 180}
    """
    rules = config.rules()
    found = dict.fromkeys(SETS, 0)
    for name in SETS:
        for size, count in getattr(config, name).items():
            drawn_from = len(source_patterns(config, name, size, rules)) if count else 0
            found[name] += count * drawn_from if config.per_pattern else count * bool(drawn_from)
    return found


def trained_patterns(config: CountdownConfig) -> list[Pattern]:
    """The patterns that training puzzles can be drawn from."""
    rules = config.rules()
    return [
        pattern
        for size, count in config.train.items()
        if count
        for pattern in source_patterns(config, "train", size, rules)
    ]


def make_puzzles(
    config: CountdownConfig, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[dict[str, list[Tagged]], Certificate]:
    """Draw every set, tag every puzzle, and certify the split. Same settings, same puzzles.

    No puzzle occurs twice. Evaluation sets are drawn before the training set, and in each set the patterns with few
    instances before those with many, so that what is taken already costs rare patterns least.
    """
    rules = config.rules()
    taken: set[str] = set()
    shortages: list[str] = []
    sets: dict[str, list[Puzzle]] = {}
    wanted = sum(
        len(_spread(source_patterns(config, name, size, rules), count, config.per_pattern, ""))
        for name in SETS
        for size, count in getattr(config, name).items()
    )
    drawn_from = 0
    for name in SETS:
        sets[name] = []
        accept = _acceptance(name, rules, [puzzle for some in sets.values() for puzzle in some])
        for size, count in getattr(config, name).items():
            chosen = _rarest_first(config, source_patterns(config, name, size, rules))
            found: dict[Pattern, list[Puzzle]] = {}
            shares = dict(_spread(chosen, count, config.per_pattern, f"{config.seed}/{name}/{size}"))
            for pattern, share in shares.items():
                random = generator(f"{config.seed}/{name}/{pattern.text}")
                fits = partial(accept, pattern)
                drawn = draw_distinct(pattern, share, random, fits, taken, config.numbers, config.target)
                found[pattern] = drawn.puzzles
                drawn_from += 1
                progress(drawn_from, wanted)
                if len(drawn.puzzles) < share:
                    proof = "there are no more" if drawn.all_found else "a long search found no more"
                    shortages.append(f"{name} {pattern.text}: {len(drawn.puzzles)} of {share}, {proof}")
            sets[name] += [puzzle for pattern in sorted(found, key=index_of) for puzzle in found[pattern]]
    tagged = {name: tag(puzzles) for name, puzzles in sets.items()}
    return tagged, certify(tagged, rules, shortages)


def source_patterns(config: CountdownConfig, name: str, size: int, rules: Rules) -> list[Pattern]:
    """The patterns that a set is drawn from."""
    if name not in ("length", "skills"):
        return [pattern for pattern in patterns(size) if (pattern in rules.held_out) == (name == "held_out")]
    if name == "skills" or not config.known_skills:
        return list(patterns(size))
    trained = {pattern for n in config.train for pattern in source_patterns(config, "train", n, rules)}
    return [pattern for pattern in patterns(size) if is_of_known_skills(pattern, trained)]


def _rarest_first(config: CountdownConfig, chosen: Sequence[Pattern]) -> list[Pattern]:
    """Patterns by their number of unordered instances: exact up to four leaves, else from some thousand tries."""
    counter = InstanceCounter(config.numbers, config.target, unordered=True)
    found: dict[Pattern, float] = {}
    for pattern in chosen:
        try:
            if pattern.size > 4:
                raise OverflowError
            found[pattern] = counter.count(pattern)
        except OverflowError:
            random = generator(f"{config.seed}/scarcity/{pattern.text}")
            found[pattern] = scarcity(pattern, random, config.numbers, config.target) / automorphisms(pattern)
    return sorted(chosen, key=found.__getitem__)


def _spread(chosen: Sequence[Pattern], count: int, per_pattern: bool, name: str) -> list[tuple[Pattern, int]]:
    """A share for each pattern: `count`, or an even part of it; what is left over goes to patterns drawn at random."""
    if not chosen:
        return []
    each, rest = (count, 0) if per_pattern else divmod(count, len(chosen))
    order = sorted(chosen, key=index_of)
    lucky = {order[index] for index in generator(name).permutation(len(order))[:rest].tolist()}
    shares = [(pattern, each + (pattern in lucky)) for pattern in chosen]
    return [(pattern, share) for pattern, share in shares if share]


def _acceptance(name: str, rules: Rules, evaluation: Sequence[Puzzle]) -> Callable[..., np.ndarray]:
    """What puzzles of a set have to be, given those of the sets before it: a function of pattern, numbers, targets."""
    kept_apart = {tuple(sorted(puzzle.numbers)) for puzzle in evaluation} if rules.multiset_disjoint else set()

    def accept(pattern: Pattern, numbers: np.ndarray, targets: np.ndarray) -> np.ndarray:
        fits = np.ones(len(targets), dtype=bool)
        if rules.reserved:
            reserved = [is_reserved(row, goal) for row, goal in zip(numbers.tolist(), targets.tolist(), strict=True)]
            fits &= np.array(reserved, dtype=bool) != (name == "train")
        if name == "train" and kept_apart:
            fits &= np.array([tuple(sorted(row)) not in kept_apart for row in numbers.tolist()], dtype=bool)
        if name in rules.forced or (name == "train" and rules.held_out):
            rows, goals = numbers[fits].tolist(), targets[fits].tolist()
            tagged = tag([Puzzle(tuple(row), goal, pattern) for row, goal in zip(rows, goals, strict=True)])
            banned = rules.held_out if name == "train" else frozenset()
            fits[fits] = [
                banned.isdisjoint(entry.solving) and (entry.forced or name not in rules.forced) for entry in tagged
            ]
        return fits

    return accept
