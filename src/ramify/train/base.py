"""The interface of trainers for the pipeline, the forecast and the report.

A trainer is a settings class with methods. Those that train by TRL derive from `train.job.TrainerConfig`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import polars as pl

from ramify.config import Config
from ramify.run import Run
from ramify.tasks.base import Task

Telemetry = Callable[[int], pl.DataFrame | None]
"""A function from a step to its telemetry, one row per pattern; None if it is written elsewhere."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training run.

    Attributes:
        model: folder or hub name of the initial model.
        on_step: called after each optimizer step with its number.
    """

    run: Run
    seed: int
    model: str | Path
    task: Task
    on_step: Callable[[int], None]


class Trainer(Config):
    """The settings of a trainer; the defaults are those of a trainer that trains nothing.

    Attributes:
        LABEL: the method in words, for reports.
        TRAINS: whether `train` changes the model.
        WRITES_ROLLOUTS: whether training samples completions, grades them and stores them.
    """

    kind: str
    LABEL: ClassVar[str] = ""
    TRAINS: ClassVar[bool] = False
    WRITES_ROLLOUTS: ClassVar[bool] = False

    def describe(self, model: str) -> str:
        """The training of a model as a clause of a sentence."""
        return f"The model ({model}) was not trained"

    def checked(self) -> Self:
        """Return the settings if training can start with them; else raise an error."""
        return self

    def saved_steps(self, seed: int = 1) -> list[int]:
        """The steps of existing or future checkpoints."""
        return []

    def evaluated_steps(self, seed: int) -> list[int]:
        """The sampled steps; step 0 is the base model."""
        return [0, *self.saved_steps(seed)]

    def models(self, seed: int) -> list[Path | str]:
        """Models besides the base that exist before training and that evaluation loads."""
        return []

    def train(self, job: Job) -> None:
        """Train to the last step, resuming from the last complete checkpoint."""

    def checkpoint(self, run: Run, seed: int, step: int) -> Path | str | None:
        """The model of a step that is stored outside the run; None if the run has it."""
        return None

    def scaled(self, part: Callable[[int], int]) -> Self:
        """The training with its numbers of steps scaled."""
        return self

    def resolved(self, model: str | Path, prompts: Iterable[Any]) -> Self:
        """The settings with token limits that fit the model's context, if training samples.

        Raises:
            ConfigError: a prompt does not fit.
        """
        return self

    def samples_before(self, puzzles: int) -> int:
        """The number of completions sampled before the first step."""
        return 0
