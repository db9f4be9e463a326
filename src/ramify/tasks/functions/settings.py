"""The settings of the task of composed functions."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from ramify.algebra.shape import ShapeClass
from ramify.tasks.base import SETS, Counts, Task
from ramify.tasks.functions.language import LONGEST, Program, ProgramError
from ramify.tasks.functions.prompts import PromptConfig
from ramify.tasks.rewards import RewardConfig

MAX_DEPTH = 8
"""The deepest programs."""
MAX_FUNCTIONS = 16
"""The most functions of a program."""


class FunctionsSettings(Task):
    """Which programs are made. A set maps the depth to a number of programs, spread evenly over strata."""

    SIZES: ClassVar[tuple[int, int]] = (1, MAX_DEPTH)

    kind: Literal["functions"] = "functions"
    digits: tuple[int, int] = (2, 3)
    """The fewest and the most digits of a string of a program."""
    leaves: int = Field(4, ge=1, le=8)
    """The most strings of a program."""
    functions: int = Field(8, ge=1, le=MAX_FUNCTIONS)
    """The most functions of a program."""
    train: Counts = Field({1: 720, 2: 1440})
    """Programs to train on, by depth, of patterns that are not held out."""
    test: Counts = Field({1: 80, 2: 160})
    """Programs of the trained depths and patterns, disjoint from all training."""
    length: Counts = Field({3: 120, 4: 120, 5: 120})
    """Programs of depths that are not trained."""
    held_out: Counts = Field({2: 48})
    """Programs of the trained depths that contain a held-out composition, or have a held-out shape."""
    skills: Counts = Field({1: 40})
    """Programs of the small patterns that larger ones are made of, held out or not; the composition gap needs them."""
    hold_out: tuple[str, ...] = Field(("inc(rev(A))", "zip(sort(A),B)"), max_length=1000)
    """Compositions, such as inc(rev(A)), whose letters stand for anything: no training program contains one."""
    hold_out_shapes: tuple[ShapeClass, ...] = ()
    """Shape classes that no training program has."""
    prompt: PromptConfig = PromptConfig()
    """How a program is put to the model; the name of a template stands for its settings."""
    reward: RewardConfig = RewardConfig()
    """What a completion is worth in training: `pure`, `paper`, or three numbers."""

    @field_validator("digits")
    @classmethod
    def _lengths(cls, digits: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= digits[0] <= digits[1] <= LONGEST:
            raise ValueError(f"give [fewest, most] with 1 <= fewest <= most <= {LONGEST}")
        return digits

    @field_validator("hold_out")
    @classmethod
    def _compositions(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            try:
                fragment = Program.parse(text)
            except ProgramError as error:
                raise ValueError(f"{text[:40]!r}: {error}") from None
            if not fragment.functions or any(leaf.isdigit() for leaf in fragment.leaves):
                raise ValueError(f"{text[:40]!r}: give functions with letters for what they are applied to")
        return texts

    @model_validator(mode="after")
    def _deep_enough(self) -> "FunctionsSettings":
        deepest = max((n for name in SETS for n, count in getattr(self, name).items() if count), default=1)
        if self.functions < deepest:
            raise ValueError(f"functions = {self.functions}: a program of depth {deepest} has at least {deepest}")
        return self

    def fragments(self) -> list[Program]:
        """The held-out compositions."""
        return [Program.parse(text) for text in self.hold_out]
