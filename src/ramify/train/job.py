"""The common part of the TRL trainers: settings, resuming, and the training loop.

An interrupted run resumes from its last complete checkpoint, with the same puzzles in the same order. On SIGTERM the
trainer saves first.
"""

import json
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from math import gcd
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ramify.config import MOST, Config, Rate
from ramify.errors import ConfigError, RunError, require
from ramify.models.loading import Attention, Decoder, Precision, computes_in_half
from ramify.processes import rank, world_size
from ramify.removal import drop_broken_checkpoints, drop_checkpoints_but
from ramify.storage import saving, write_text
from ramify.train.base import Job, Telemetry, Trainer
from ramify.train.curriculum import CurriculumConfig

MOST_SEQUENCES = 100_000_000
"""The largest number of sequences in a training, whose order is computed beforehand."""


class LoRAConfig(Config):
    """Low-rank adapters (peft) instead of full fine-tuning."""

    rank: int = Field(16, ge=1, le=65_536)
    alpha: int = Field(32, ge=1, le=65_536)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: str | tuple[str, ...] = "all-linear"
    """Names of the adapted layers."""


class TrainerConfig(Trainer, ABC):
    """Settings of all TRL trainers."""

    TRAINS: ClassVar[bool] = True

    steps: int = Field(30, ge=1, le=MOST)
    save_steps: int = Field(6, ge=1, le=MOST)
    """Steps between checkpoints; the last step always has one."""
    micro_batch: int = Field(256, ge=1, le=MOST)
    """Sequences per forward pass and process."""
    learning_rate: Rate = 2e-4
    warmup_steps: int = Field(3, ge=0, le=MOST)
    max_grad_norm: float = Field(1.0, ge=1e-9, le=1e9)
    curriculum: CurriculumConfig = CurriculumConfig()
    lora: LoRAConfig | None = None
    attention: Attention = "auto"
    decoder: Decoder = "auto"
    precision: Precision = "auto"
    gradient_checkpointing: bool = False
    report_to: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    """Trackers to which every step is logged."""

    @model_validator(mode="after")
    def _in_memory(self) -> Self:
        if self.steps * self.sequences_per_step > MOST_SEQUENCES:
            raise ValueError(
                f"train.steps = {self.steps}: with {self.sequences_per_step} sequences a step this exceeds "
                f"{MOST_SEQUENCES:,} sequences; reduce either"
            )
        return self

    @property
    def measures_success(self) -> bool:
        """Whether the trainer can choose prompts by the success measured so far."""
        return False

    @property
    @abstractmethod
    def sequences_per_step(self) -> int:
        """Sequences in an optimizer step, over all processes."""

    @abstractmethod
    def train(self, job: Job) -> None:
        """Train to the last step, or resume from the last complete checkpoint."""

    def saved_steps(self, seed: int = 1) -> list[int]:
        """Steps at which a checkpoint is saved: every `save_steps`, and the last."""
        regular = range(self.save_steps, self.steps + 1, self.save_steps)
        return [*regular, *([] if self.steps in regular else [self.steps])]

    def scaled(self, part: Callable[[int], int]) -> Self:
        """The training with its number of steps scaled, at least two; the curriculum is scaled too."""
        later = {part(step): shares for step, shares in self.curriculum.later.items()}
        changed = {
            "steps": max(2, part(self.steps)),
            "save_steps": part(self.save_steps),
            "curriculum": self.curriculum.model_copy(update={"later": later}),
        }
        return self.model_copy(update=changed)

    def describe(self, model: str) -> str:
        """How a model was trained."""
        return f"The model ({model}) was trained by {self.LABEL}: {self.length}"

    @property
    def length(self) -> str:
        """The length of training, in words."""
        return f"{self.steps} steps"

    def probe(self, steps: int, sequences: int, tokens: int) -> "TrainerConfig":
        """A training for timing: a few steps of bounded size, without the work before the first step.

        Args:
            sequences: the largest number of sequences in a step, per process.
            tokens: the token limit of a sampled completion.
        """
        changed: dict[str, Any] = {"steps": steps, "save_steps": steps, "report_to": ()}
        if self.sequences_per_step > sequences * world_size():
            changed |= self._of_size(sequences)
            changed["micro_batch"] = gcd(changed["micro_batch"], self.micro_batch)
        return self.model_copy(update=changed)

    @abstractmethod
    def _of_size(self, sequences: int) -> dict[str, int]:
        """The settings of a step of at most `sequences` sequences, including `micro_batch`."""

    def checked(self) -> Self:
        """Return the settings if training can start with them.

        Raises:
            ConfigError: a step is not a multiple of the micro-batch, or the curriculum needs a success that is not
                measured.
            MissingExtraError: peft (for LoRA) or a tracker is not installed.
        """
        processes = world_size()
        if self.sequences_per_step % (self.micro_batch * processes):
            over = f" times {processes} processes" if processes > 1 else ""
            raise ConfigError(
                f"train.micro_batch = {self.micro_batch}{over}: must divide the {self.sequences_per_step} sequences "
                "of a step"
            )
        if self.curriculum.by_success and not self.measures_success:
            raise ConfigError("train.curriculum.by_success: only train.kind = grpo measures success during training")
        if self.lora:
            require("train.lora", "lora")
        for tracker in self.report_to:
            require(f"train.report_to = {tracker}", tracker)
        return self


def fit(config: TrainerConfig, job: Job, build: Callable[[dict[str, Any]], Any], telemetry: Telemetry) -> None:
    """Build a TRL trainer from the common arguments, and train.

    Args:
        build: creates a trainer from keyword arguments of `transformers.TrainingArguments`.

    Raises:
        RunError: SIGTERM ended training; the last finished step is saved.
    """
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    require("training", "train")
    import torch
    from transformers.trainer_callback import PrinterCallback
    from transformers.utils import logging

    from ramify.train.callbacks import RunCallback

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # TRL still sets arguments that transformers renames.
    renamed = r"`(is_)?gradient_checkpointing` is deprecated"
    warnings.filterwarnings("ignore", message=renamed, category=FutureWarning, module="transformers")
    run, seed = job.run, job.seed
    done = run.checkpoints(seed)
    last = max(done, default=0)
    if done and (saved_by := run.saved_by(done[last])) != world_size():
        raise RunError(
            f"{done[last]}: {saved_by} processes wrote this checkpoint, and {world_size()} are running; resume "
            "with the same number, or delete the run's checkpoints"
        )
    if torch.cuda.device_count() > 1 and world_size() == 1:
        raise ConfigError("several GPUs are visible: train with torchrun, or select one by CUDA_VISIBLE_DEVICES=0")
    if rank() == 0:
        drop_broken_checkpoints(run, seed)
        _cut_log(run.train_log(seed), last)
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(run.tracker_folder(seed))
    trainer = build(_arguments(config, job))
    trainer.remove_callback(PrinterCallback)
    callback = RunCallback(run, seed, job.on_step, telemetry)
    trainer.add_callback(callback)
    try:
        with callback.saving_on_sigterm(), saving(run.checkpoints_folder(seed)):
            trainer.train(resume_from_checkpoint=str(done[last]) if done else None)
    except RunError:
        if rank() == 0:
            drop_broken_checkpoints(run, seed)  # it may fill the disk
        raise
    if "wandb" in config.report_to:  # else the next seed would continue the same tracker run
        import wandb

        wandb.finish()
    if callback.is_stopping:
        raise RunError(
            f"{run.path}: stopped by SIGTERM; seed {seed} is saved at step {trainer.state.global_step} of "
            f"{config.steps}, and the same command resumes"
        )
    if rank() == 0:
        drop_checkpoints_but(run, seed, config.saved_steps())


def peft_config(lora: LoRAConfig | None) -> Any:
    """The peft settings; None without LoRA."""
    if lora is None:
        return None
    from peft import LoraConfig

    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    return LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets)


def _arguments(config: TrainerConfig, job: Job) -> dict[str, Any]:
    import torch

    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": str(job.run.checkpoints_folder(job.seed)),
        "max_steps": config.steps,
        "save_steps": config.save_steps,
        "per_device_train_batch_size": config.micro_batch,
        "gradient_accumulation_steps": config.sequences_per_step // (config.micro_batch * world_size()),
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": config.warmup_steps,
        "max_grad_norm": config.max_grad_norm,
        "use_cpu": not on_gpu,
        "bf16": computes_in_half(job.model, config.precision),
        "gradient_checkpointing": config.gradient_checkpointing,
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": list(config.report_to) or "none",
        "run_name": f"{job.run.path.name}-seed-{job.seed}",
        "seed": job.seed,
        "data_seed": job.seed,
    }


def _cut_log(log: Path, last: int) -> None:
    """Drop the log lines after a step, since training repeats the steps after the last checkpoint."""
    if log.is_file():
        lines = log.read_text(errors="replace").splitlines()
        write_text("".join(line + "\n" for line in lines if 0 <= _step(line) <= last), log)


def _step(line: str) -> int:
    """The step of a log line; -1 for a damaged line, such as the last one after a kill."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return -1
