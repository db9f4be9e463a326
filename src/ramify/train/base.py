"""The interface of a trainer: what the pipeline, the forecast and the report ask of `[train]`, whatever its kind.

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
"""From a step to what it trained on, one row a pattern; None where that is written elsewhere."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training run.

    Attributes:
        model: the folder or hub name to start from.
        on_step: called after each optimizer step with its number.
    """

    run: Run
    seed: int
    model: str | Path
    task: Task
    on_step: Callable[[int], None]


class Trainer(Config):
    """A trainer's settings. The defaults are those of one that trains nothing.

    Attributes:
        LABEL: the method in words, for reports.
        TRAINS: whether `train` changes the model.
        WRITES_ROLLOUTS: whether training samples completions, grades them and writes them down.
    """

    kind: str
    LABEL: ClassVar[str] = ""
    TRAINS: ClassVar[bool] = False
    WRITES_ROLLOUTS: ClassVar[bool] = False

    def describe(self, model: str) -> str:
        """What was done to a model, in a clause of a sentence that the report ends."""
        return f"The model ({model}) was not trained"

    def checked(self) -> Self:
        """Return these settings if training could start with them; else raise an error of ramify."""
        return self

    def saved_steps(self, seed: int = 1) -> list[int]:
        """Steps of the checkpoints that there are, or will be."""
        return []

    def evaluated_steps(self, seed: int) -> list[int]:
        """Steps that are sampled; step 0 is the base model."""
        return [0, *self.saved_steps(seed)]

    def models(self, seed: int) -> list[Path | str]:
        """Models besides the base that evaluation loads and that exist before training."""
        return []

    def train(self, job: Job) -> None:
        """Train to the last step, going on from the last complete checkpoint."""

    def checkpoint(self, run: Run, seed: int, step: int) -> Path | str | None:
        """The model of a step that is kept outside the run; None: the run has it."""
        return None

    def scaled(self, part: Callable[[int], int]) -> Self:
        """The same training with other numbers of steps."""
        return self

    def resolved(self, model: str | Path, prompts: Iterable[Any]) -> Self:
        """The same settings with the token limit that the model's context leaves, where training samples.

        Raises:
            ConfigError: a prompt does not fit.
        """
        return self

    def samples_before(self, puzzles: int) -> int:
        """Completions that are sampled before the first step."""
        return 0
