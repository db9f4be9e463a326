"""What all samplers share: how often a model is asked, and in which batches."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from pydantic import Field

from ramify.config import MOST, Config, Temperature
from ramify.records import Completion, Item
from ramify.tasks.base import Prompt

MOST_SAMPLES = 10_000
"""Completions of a puzzle."""


class Sampler(Protocol):
    """A model that can be asked."""

    def sample(self, puzzles: Sequence[Item], prompt: Prompt, greedy: bool, name: str) -> list[Completion]:
        """One batch: the greedy completion, or all sampled ones, of each puzzle; randomness follows from the name."""


class SamplerConfig(Config):
    """How every checkpoint is sampled.

    Attributes:
        SERVED: whether models are named as a server names them, so that there are no files to load.
    """

    kind: str
    SERVED: ClassVar[bool] = False
    samples: int = Field(4, ge=1, le=MOST_SAMPLES)
    """Completions a puzzle at the temperature."""
    greedy: bool = True
    """Whether to add one completion at temperature 0."""
    temperature: Temperature = 1.0
    max_new_tokens: int | None = Field(None, ge=1, le=MOST)
    """Tokens of a completion; by default what the model's context leaves after the longest prompt, at most 2048."""
    batch_size: int = Field(256, ge=1, le=MOST)
    """Completions that are made, and written to disk, at once."""

    @abstractmethod
    def checked(self) -> None:
        """Raise MissingExtraError if what it needs is not installed; nothing is imported."""

    @abstractmethod
    def build(self, model: str | Path) -> Sampler:
        """Load a model, or connect to it."""

    def resolved(self, model: str | Path, prompts: Iterable[Any]) -> Self:
        """These settings with a number of tokens that fits the model after each of the prompts.

        Raises:
            ConfigError: the context leaves fewer than are given.
        """
        from ramify.models.loading import new_tokens

        limit = new_tokens(model, prompts, self.max_new_tokens, "sample.max_new_tokens")
        return self.model_copy(update={"max_new_tokens": limit})

    def batches(self, puzzles: Sequence[Item]) -> Iterator[tuple[bool, Sequence[Item]]]:
        """The batches that cover a set: (greedy, puzzles). Puzzles of one size go together, which wastes no padding."""
        ordered = sorted(puzzles, key=lambda puzzle: (puzzle.size, puzzle.id))
        for greedy in [True, False] if self.greedy else [False]:
            each = max(1, self.batch_size // (1 if greedy else self.samples))
            for start in range(0, len(ordered), each):
                yield greedy, ordered[start : start + each]
