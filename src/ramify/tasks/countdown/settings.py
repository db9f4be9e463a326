"""The settings of the Countdown task."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from ramify.algebra.pattern import Pattern, parse_patterns
from ramify.tasks.base import EVALUATION_SETS, SETS, Counts, Task
from ramify.tasks.countdown.families import twins
from ramify.tasks.countdown.prompts import PromptConfig
from ramify.tasks.countdown.splits import Rules, held_out_patterns
from ramify.tasks.rewards import RewardConfig

MAX_SIZE = 6
"""The largest number of numbers in a puzzle."""
LARGEST = 10_000
"""The largest number or target; with larger ones, the search for rare puzzles takes hours."""


class CountdownSettings(Task):
    """Settings of the puzzle sets; a set maps n to a number of puzzles, equally spread over the patterns of that
    size."""

    SIZES: ClassVar[tuple[int, int]] = (2, MAX_SIZE)

    kind: Literal["countdown"] = "countdown"
    numbers: tuple[int, int] = (1, 99)
    """Smallest and largest number."""
    target: tuple[int, int] = (1, 99)
    """Smallest and largest target."""
    per_pattern: bool = False
    """Whether the counts below are per pattern, rather than in total."""
    train: Counts = Field({3: 1440, 4: 1440})
    """Training puzzles, of patterns that are not held out."""
    test: Counts = Field({3: 204, 4: 270})
    """Puzzles of trained sizes and patterns, disjoint from training."""
    length: Counts = Field({5: 140})
    """Puzzles of untrained sizes."""
    held_out: Counts = Field({3: 40, 4: 60})
    """Puzzles of the held-out families and patterns."""
    skills: Counts = Field({2: 32})
    """Puzzles of the parts of larger patterns, trained or not, for the composition gap."""
    hold_out: tuple[str, ...] = Field(("A-B*C",), max_length=1000)
    """Skills whose families solve no training puzzle."""
    hold_out_patterns: tuple[str, ...] = Field((), max_length=10_000)
    """Patterns that, with their twins, solve no training puzzle; larger patterns that contain them are trained."""
    reserved: bool = True
    """Whether evaluation uses the reserved sixteenth of all puzzles, which no training uses, including the pre-training
    of the bundled model."""
    forced: tuple[str, ...] = ()
    """Sets of uniquely solvable puzzles alone, such as ["test", "held_out"]."""
    known_skills: bool = False
    """Whether every skill of three leaves or more of the length set is trained."""
    multiset_disjoint: bool = False
    """Whether no training puzzle has the numbers of an evaluation puzzle, whatever its target."""
    prompt: PromptConfig = PromptConfig()
    """Prompt settings, or the name of a template."""
    reward: RewardConfig = RewardConfig()
    """What a completion is worth in training: `pure`, `paper`, or three numbers."""

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
            if name not in SETS:
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
    def _exact(self) -> "CountdownSettings":
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
