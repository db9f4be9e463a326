"""Rejection fine-tuning (Yuan et al. 2023, arXiv 2308.01825): sample, keep correct completions, fine-tune on them.

Departures: completions are deduplicated by text, not by their list of equations; the sampled model is fine-tuned once.
"""

import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import polars as pl
from pydantic import Field, field_validator

from ramify.algebra.pattern import parse_patterns
from ramify.config import MOST, Temperature
from ramify.errors import RunError
from ramify.models.loading import new_tokens
from ramify.processes import rank, world_size
from ramify.records import Item, Verdict
from ramify.sampling.batches import MOST_SAMPLES
from ramify.sampling.hf import HFSamplerConfig
from ramify.schemas import Schema
from ramify.tables import fault, write_table
from ramify.train.base import Job
from ramify.train.curriculum import check_groups
from ramify.train.job import TrainerConfig
from ramify.train.sft import Example, SFTConfig, fine_tune

SAMPLED: Schema = {
    "puzzle_id": pl.String,
    "sample": pl.Int32,
    "text": pl.String,
    "ids": pl.List(pl.Int32),
    "verdict": pl.String,
    "answer_pattern": pl.String,
}
"""Columns of the sampled completions."""


class RFTConfig(SFTConfig):
    """Fine-tuning on the model's own correct completions."""

    kind: Literal["rft"] = "rft"  # type: ignore[assignment]
    LABEL: ClassVar[str] = "fine-tuning on its own right completions"
    samples_per_puzzle: int = Field(8, ge=1, le=MOST_SAMPLES)
    per_puzzle: int = Field(4, ge=1, le=MOST_SAMPLES)
    """The largest number of completions kept per puzzle, in order."""
    keep: tuple[str, ...] = ()
    """Patterns such as `A-B*C`; correct answers by other patterns are rejected. Empty to keep all."""
    reject: tuple[str, ...] = ()
    """Patterns whose correct answers are rejected."""
    temperature: Temperature = 1.0
    max_new_tokens: int | None = Field(None, ge=1, le=MOST)
    """Token limit of a completion; by default the context left after the longest prompt, at most 2048."""
    sample_batch: int = Field(512, ge=1, le=MOST)
    """Completions per sampling batch."""

    @field_validator("keep", "reject")
    @classmethod
    def _patterns(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        parse_patterns(texts)
        return texts

    def resolved(self, model: str | Path, prompts: Iterable[Any]) -> Self:
        """The settings with a token limit that fits the model's context.

        Raises:
            ConfigError: a prompt does not fit.
        """
        limit = new_tokens(model, prompts, self.max_new_tokens, "train.max_new_tokens")
        return self.model_copy(update={"max_new_tokens": limit})

    def samples_before(self, puzzles: int) -> int:
        """The number of completions to select from."""
        return puzzles * self.samples_per_puzzle

    def probe(self, steps: int, sequences: int, tokens: int) -> TrainerConfig:
        """A training for timing on solutions, since sampling is timed separately; see `TrainerConfig.probe`."""
        shared = {name: getattr(self, name) for name in SFTConfig.model_fields if name != "kind"}
        return SFTConfig(**shared).probe(steps, sequences, tokens)

    def train(self, job: Job) -> None:
        """Sample missing completions, then train to the last step."""
        check_groups(job.run.puzzles("train"), self.curriculum)  # before hours of sampling
        self._sample(job)
        fine_tune(self, job, self._kept(job))

    def _parts(self, job: Job) -> list[list[Item]]:
        puzzles = job.task.puzzles_in(job.run.puzzles("train"))
        each = max(1, self.sample_batch // self.samples_per_puzzle)
        return [puzzles[start : start + each] for start in range(0, len(puzzles), each)]

    def _sample(self, job: Job) -> None:
        parts = self._parts(job)

        def missing() -> list[int]:
            return [index for index in range(len(parts)) if fault(job.run.rejection_part(job.seed, index))]

        mine = [index for index in missing() if index % world_size() == rank()]
        if mine:
            self._sample_parts(job, parts, mine)
        while missing():  # other processes sample them
            time.sleep(0.5)

    def _sample_parts(self, job: Job, parts: list[list[Item]], missing: list[int]) -> None:
        prompts = [job.task.prompt.to_model_input(puzzle) for part in parts for puzzle in part]
        settings = HFSamplerConfig(
            samples=self.samples_per_puzzle,
            temperature=self.temperature,
            max_new_tokens=self.resolved(job.model, prompts).max_new_tokens,
            attention=self.attention,
            decoder=self.decoder,
            precision=self.precision,
        )
        sampler = settings.build(job.model)
        for index in missing:
            name = f"{job.seed}/rejection/{index}"
            rows = []
            by_id = {puzzle.id: puzzle for puzzle in parts[index]}
            for completion, ids in sampler.sample_tokens(parts[index], job.task.prompt, greedy=False, name=name):
                judged = job.task.grade(by_id[completion.puzzle_id], completion.text, completion.truncated)
                used = judged.pattern and judged.pattern.text
                # Truncated completions would teach the model not to end.
                verdict = Verdict.TRUNCATED if completion.truncated else judged.verdict
                rows.append((completion.puzzle_id, completion.sample, completion.text, ids, verdict.value, used))
            frame = pl.DataFrame(rows, schema=SAMPLED, orient="row")
            write_table(frame, job.run.rejection_part(job.seed, index), SAMPLED)

    def _kept(self, job: Job) -> list[Example]:
        """The correct completions, without unwanted patterns and duplicate texts."""
        keep, reject = ({pattern.text for pattern in parse_patterns(texts)} for texts in (self.keep, self.reject))
        row_of = {puzzle_id: row for row, puzzle_id in enumerate(job.run.puzzles("train")["puzzle_id"])}
        kept: dict[int, dict[str, list[int]]] = defaultdict(dict)
        for index in range(len(self._parts(job))):
            found = job.run.scan(job.run.rejection_part(job.seed, index), SAMPLED)
            found = found.filter(pl.col("verdict") == Verdict.CORRECT)
            right = found.select("puzzle_id", "text", "ids", "answer_pattern").collect()
            for puzzle_id, text, ids, used in right.iter_rows():
                texts = kept[row_of[puzzle_id]]
                wanted = used not in reject and (not keep or used in keep)
                if wanted and text not in texts and len(texts) < self.per_puzzle:
                    texts[text] = ids
        examples = [Example(row, ids) for row in sorted(kept) for ids in kept[row].values()]
        if not examples:
            raise RunError(
                f"{job.run.path}: no completion of seed {job.seed} is correct with a wanted pattern; "
                "raise train.samples_per_puzzle, or widen train.keep"
            )
        return examples
