"""Supervised fine-tuning with TRL on one solution per puzzle, by its source pattern."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import polars as pl
from pydantic import Field

from ramify.config import MOST
from ramify.models.loading import load_model, load_tokenizer, prompt_ids
from ramify.train.base import Job
from ramify.train.curriculum import schedule
from ramify.train.job import TrainerConfig, fit, peft_config

IGNORED = -100
"""The label of tokens without loss: those of the prompt."""


class Example(NamedTuple):
    """A training example.

    Attributes:
        row: row of the puzzle in the training table.
        completion: token ids, including the end token.
    """

    row: int
    completion: list[int]


class SFTConfig(TrainerConfig):
    """Supervised fine-tuning on witness solutions."""

    kind: Literal["sft"] = "sft"
    LABEL: ClassVar[str] = "supervised fine-tuning on one solution a puzzle"
    examples_per_step: int = Field(128, ge=1, le=MOST)
    micro_batch: int = Field(128, ge=1, le=MOST)
    """Sequences per forward pass and process."""

    @property
    def sequences_per_step(self) -> int:
        """Examples in a step."""
        return self.examples_per_step

    @property
    def length(self) -> str:
        """The length of training, in words."""
        return f"{super().length} of {self.examples_per_step} examples"

    def _of_size(self, sequences: int) -> dict[str, int]:
        return {"examples_per_step": sequences, "micro_batch": sequences}

    def train(self, job: Job) -> None:
        """Train to the last step, or resume from the last complete checkpoint."""
        puzzles = job.task.puzzles_in(job.run.puzzles("train"))
        tokenizer = load_tokenizer(job.model)
        texts = [job.task.demonstrate(puzzle) for puzzle in puzzles]
        ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
        fine_tune(self, job, [Example(row, [*one, tokenizer.eos_token_id]) for row, one in enumerate(ids)])


def fine_tune(config: SFTConfig, job: Job, examples: Sequence[Example]) -> None:
    """Fine-tune on examples, in the order of the curriculum; only completions have loss."""
    frame = job.run.puzzles("train")[[example.row for example in examples]]
    order = schedule(frame, config.curriculum, config.steps, config.examples_per_step, job.seed)

    def build(arguments: dict[str, Any]) -> Any:
        import datasets
        from trl.trainer.sft_config import SFTConfig as Arguments
        from trl.trainer.sft_trainer import SFTTrainer

        tokenizer = load_tokenizer(job.model)
        puzzles = job.task.puzzles_in(frame)
        prompts = [prompt_ids(tokenizer, job.task.prompt.to_model_input(puzzle)) for puzzle in puzzles]

        def rows() -> Any:
            for index in order:
                asked, written = prompts[index], examples[index].completion
                yield {"input_ids": asked + written, "labels": [IGNORED] * len(asked) + written}

        return SFTTrainer(
            model=load_model(job.model, config.attention, decoder=config.decoder),
            args=Arguments(
                **arguments,
                max_length=None,
                train_sampling_strategy="sequential",
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=datasets.Dataset.from_list(list(rows())),
            processing_class=tokenizer,
            peft_config=peft_config(config.lora),
        )

    def telemetry(step: int) -> pl.DataFrame:
        taken = order[(step - 1) * config.examples_per_step : step * config.examples_per_step]
        seen = (
            frame[taken].select("pattern").with_columns(tokens=pl.Series([len(examples[i].completion) for i in taken]))
        )
        return seen.group_by("pattern").agg(pl.len().alias("examples"), pl.col("tokens").mean()).sort("pattern")

    fit(config, job, build, telemetry)
