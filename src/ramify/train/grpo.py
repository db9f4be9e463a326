"""GRPO by TRL on Countdown puzzles, with every training completion on disk.

Departures from the defaults of TRL, for the tiny model on a CPU: rewards are not divided by the group's standard
deviation, there is no KL term, the loss is `dr_grpo`, and the learning rate is that of a model of a million
parameters. All of it is settings.
"""

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field

from ramify.config import Config
from ramify.errors import ConfigError, require
from ramify.records import Puzzle
from ramify.run import Run
from ramify.tables import puzzles_in, write_table, write_text
from ramify.tasks.attempts import find_attempts
from ramify.tasks.grading import grade
from ramify.tasks.prompts import Template, prompt
from ramify.tasks.rewards import RewardConfig


class GRPOConfig(Config):
    """How the model is trained."""

    kind: Literal["grpo"] = "grpo"
    steps: int = Field(30, ge=1)
    save_steps: int = Field(6, ge=1)
    """A checkpoint every so many steps; the last step always has one."""
    prompts_per_step: int = Field(64, ge=1)
    samples_per_prompt: int = Field(8, ge=2)
    micro_batch: int = Field(256, ge=1)
    """Completions per forward pass."""
    learning_rate: float = Field(2e-4, gt=0)
    warmup_steps: int = Field(3, ge=0)
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(224, ge=1)
    beta: float = Field(0.0, ge=0)
    """Weight of the KL divergence to the base model."""
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo"] = "dr_grpo"
    scale_rewards: Literal["none", "group", "batch"] = "none"
    max_grad_norm: float = Field(1.0, gt=0)

    def checked(self) -> "GRPOConfig":
        """These settings, if a step divides into whole micro-batches.

        Raises:
            ConfigError: it does not.
        """
        if self.prompts_per_step * self.samples_per_prompt % self.micro_batch:
            total = self.prompts_per_step * self.samples_per_prompt
            raise ConfigError(f"train.micro_batch = {self.micro_batch}: must divide the {total} completions of a step")
        return self

    def saved_steps(self) -> list[int]:
        """The steps at which there will be a checkpoint."""
        return sorted({*range(self.save_steps, self.steps + 1, self.save_steps), self.steps})


def train_grpo(
    config: GRPOConfig,
    run: Run,
    seed: int,
    model: str | Path,
    template: Template,
    reward: RewardConfig,
    on_step: Callable[[int], None],
) -> None:
    """Train from the model, or go on from the run's last whole checkpoint; calls `on_step` after each step."""
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    require("training", "train")
    import datasets
    import torch
    from transformers import AutoTokenizer
    from transformers.trainer_callback import PrinterCallback
    from transformers.utils import logging
    from trl.trainer.grpo_config import GRPOConfig as TRLConfig

    from ramify.models.tiny import load_model
    from ramify.train.callbacks import RunCallback
    from ramify.train.compact import CompactGRPOTrainer

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    run.drop_broken_checkpoints(seed)
    done = run.checkpoints(seed)
    last = max(done, default=0)
    _cut_log(run.train_log(seed), last)
    puzzles = puzzles_in(run.puzzles("train"))
    rows = [{"prompt": prompt(puzzle, template), "puzzle": index} for index, puzzle in enumerate(puzzles)]
    on_gpu = torch.cuda.is_available()
    policy = load_model(model)
    if not on_gpu:
        policy.set_attn_implementation("eager")  # faster than fused attention on a CPU at these lengths
    completions = config.prompts_per_step * config.samples_per_prompt
    # TRL still sets what transformers is about to rename.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    arguments = TRLConfig(
        output_dir=str(run.checkpoints_folder(seed)),
        max_steps=config.steps,
        save_steps=config.save_steps,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=completions // config.micro_batch,
        num_generations=config.samples_per_prompt,
        max_completion_length=config.max_new_tokens,
        temperature=config.temperature,
        learning_rate=config.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=config.warmup_steps,
        max_grad_norm=config.max_grad_norm,
        beta=config.beta,
        loss_type=config.loss_type,
        scale_rewards=config.scale_rewards,
        use_cpu=not on_gpu,
        bf16=on_gpu,
        gradient_checkpointing=False,
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
        seed=seed,
        data_seed=seed,
    )
    trainer = CompactGRPOTrainer(
        model=policy,
        args=arguments,
        reward_funcs=_reward(puzzles, reward, run, seed),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(model, padding_side="left"),
        callbacks=[RunCallback(run, seed, on_step)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(done[last]) if done else None)


def _reward(puzzles: list[Puzzle], config: RewardConfig, run: Run, seed: int) -> Callable[..., list[float]]:
    """A reward function for TRL that also writes the completions of the step to disk."""

    def countdown(completions: list[str], puzzle: list[int], trainer_state: Any, **_: Any) -> list[float]:
        grades = [grade(puzzles[index], text) for index, text in zip(puzzle, completions, strict=True)]
        rewards = [config.of(judged) for judged in grades]
        frame = pl.DataFrame(
            {
                "puzzle_id": [puzzles[index].id for index in puzzle],
                "pattern": [str(puzzles[index].pattern) for index in puzzle],
                "text": completions,
                "verdict": [judged.verdict.value for judged in grades],
                "reward": rewards,
                "attempts": [
                    sum(not attempt.is_answer for attempt in find_attempts(puzzles[index], text))
                    for index, text in zip(puzzle, completions, strict=True)
                ],
            }
        )
        write_table(frame, run.rollouts_file(seed, trainer_state.global_step + 1))
        return rewards

    return countdown


def _cut_log(log: Path, last: int) -> None:
    """Drop the lines after a step: what comes after the last checkpoint will be made again."""
    if log.is_file():
        lines = [
            line for line in log.read_text().splitlines() if line.endswith("}") and json.loads(line)["step"] <= last
        ]
        write_text("".join(line + "\n" for line in lines), log)
