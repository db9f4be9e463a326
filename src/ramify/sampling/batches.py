"""The sampler protocol, and the division of a puzzle set into batches."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from pydantic import Field, model_validator

from ramify.config import MOST, Config, Temperature
from ramify.records import Completion, Item
from ramify.tasks.base import Prompt

MOST_SAMPLES = 10_000
"""The largest number of samples per puzzle."""


class Sampler(Protocol):
    """A model to sample completions from."""

    def sample(self, puzzles: Sequence[Item], prompt: Prompt, greedy: bool, name: str) -> list[Completion]:
        """Sample a batch: the greedy completion, or all samples, of each puzzle; randomness is seeded by the name."""


class SamplerConfig(Config):
    """Sampling settings of every checkpoint.

    Attributes:
        SERVED: whether models are named as a server names them, so that there are no files to load.
    """

    kind: str
    SERVED: ClassVar[bool] = False
    samples: int = Field(4, ge=1, le=MOST_SAMPLES)
    """Samples per puzzle at the temperature."""
    base_samples: int | None = Field(None, ge=1, le=MOST_SAMPLES)
    """Samples per puzzle of the base model, which is then sampled once for all seeds, such as 32; by default each seed
    samples it `samples` times."""
    greedy: bool = True
    """Whether to add one completion at temperature 0."""
    temperature: Temperature = 1.0
    max_new_tokens: int | None = Field(None, ge=1, le=MOST)
    """Token limit of a completion; by default the context left after the longest prompt, at most 2048."""
    batch_size: int = Field(256, ge=1, le=MOST)
    """Completions sampled, and written to disk, at a time."""

    @model_validator(mode="after")
    def _base_at_least(self) -> Self:
        if self.base_samples is not None and self.base_samples < self.samples:
            raise ValueError(
                f"sample.base_samples = {self.base_samples}: must be at least sample.samples, {self.samples}, since "
                "both models are compared at that number"
            )
        return self

    @abstractmethod
    def checked(self) -> None:
        """Raise MissingExtraError if a required package is not installed; nothing is imported."""

    @abstractmethod
    def build(self, model: str | Path) -> Sampler:
        """Load a model, or connect to one."""

    def resolved(self, model: str | Path, prompts: Iterable[Any]) -> Self:
        """The settings with `max_new_tokens` set to fit the context after every prompt.

        Raises:
            ConfigError: the context is too short for `max_new_tokens`.
        """
        from ramify.models.loading import new_tokens

        limit = new_tokens(model, prompts, self.max_new_tokens, "sample.max_new_tokens")
        return self.model_copy(update={"max_new_tokens": limit})

    def batches(self, puzzles: Sequence[Item]) -> Iterator[tuple[bool, Sequence[Item]]]:
        """The batches of a set as (greedy, puzzles), sorted by size to avoid padding."""
        ordered = sorted(puzzles, key=lambda puzzle: (puzzle.size, puzzle.id))
        for greedy in [True, False] if self.greedy else [False]:
            each = max(1, self.batch_size // (1 if greedy else self.samples))
            for start in range(0, len(ordered), each):
                yield greedy, ordered[start : start + each]
