"""Reinforcement learning with TRL: GRPO and RLOO, with every training completion stored.

Departures from the defaults of TRL, for the tiny model on a CPU: rewards are not divided by the group's standard
deviation, there is no KL term, the loss is `dr_grpo`, and the learning rate is that of a model of a million
parameters. All of these are settings.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import polars as pl
from pydantic import Field

from ramify.config import MOST, Temperature
from ramify.errors import ConfigError
from ramify.processes import rank, world_size
from ramify.records import Item, Verdict
from ramify.run import Run
from ramify.sampling.batches import MOST_SAMPLES
from ramify.schemas import ROLLOUTS, Schema
from ramify.tables import write_table
from ramify.tasks.base import Task
from ramify.train.base import Job
from ramify.train.curriculum import schedule
from ramify.train.job import TrainerConfig, fit, peft_config
from ramify.train.success import PromptSource

SAMPLED: Schema = {**ROLLOUTS, "verdict": pl.String, "attempts": pl.Int64, "tokens": pl.Int64}
"""Columns of the training completions of a step."""


class OnlineConfig(TrainerConfig):
    """Settings of trainers that sample from the policy."""

    WRITES_ROLLOUTS: ClassVar[bool] = True

    prompts_per_step: int = Field(64, ge=1, le=MOST)
    samples_per_prompt: int = Field(8, ge=2, le=MOST_SAMPLES)
    temperature: Temperature = 1.0
    max_new_tokens: int | None = Field(None, ge=1, le=MOST)
    """Token limit of a completion; by default the context left after the longest prompt, at most 2048."""
    beta: float = Field(0.0, ge=0, le=1000)
    """Weight of the KL divergence to the initial model."""

    @property
    def sequences_per_step(self) -> int:
        """Completions in a step."""
        return self.prompts_per_step * self.samples_per_prompt

    @property
    def length(self) -> str:
        """The length of training, in words."""
        return f"{super().length} of {self.prompts_per_step} puzzles × {self.samples_per_prompt} samples"

    def resolved(self, model: str | Path, prompts: Iterable[Any]) -> Self:
        """The settings with a token limit that fits the model's context.

        Raises:
            ConfigError: a prompt does not fit.
        """
        from ramify.models.loading import new_tokens

        limit = new_tokens(model, prompts, self.max_new_tokens, "train.max_new_tokens")
        return self.model_copy(update={"max_new_tokens": limit})

    def probe(self, steps: int, sequences: int, tokens: int) -> TrainerConfig:
        """A training for timing, with completions of bounded length; see `TrainerConfig.probe`."""
        short = min(self.max_new_tokens or tokens, tokens)
        return super().probe(steps, sequences, tokens).model_copy(update={"max_new_tokens": short})

    def _of_size(self, sequences: int) -> dict[str, int]:
        samples = min(self.samples_per_prompt, sequences)
        prompts = max(1, sequences // samples)
        return {"samples_per_prompt": samples, "prompts_per_step": prompts, "micro_batch": samples}

    def _chosen(self, job: Job, frame: pl.DataFrame, puzzles: list[Item], tokenizer: Any) -> dict[str, Any]:
        """Additional trainer arguments for prompts that are chosen during training."""
        return {}

    def _train(self, job: Job, build: Callable[[dict[str, Any]], Any]) -> None:
        """Train with the trainer that `build` creates from keyword arguments."""
        from ramify.models.loading import load_model, load_tokenizer

        tokenizer = load_tokenizer(job.model)
        frame = job.run.puzzles("train")
        puzzles = job.task.puzzles_in(frame)
        prompts = map(job.task.prompt.to_model_input, puzzles)
        limit = self.resolved(job.model, prompts).max_new_tokens
        rows = schedule(frame, self.curriculum, self.steps, self.prompts_per_step, job.seed)

        def make(arguments: dict[str, Any]) -> Any:
            import datasets

            policy = load_model(job.model, self.attention, decoder=self.decoder)
            policy.config._name_or_path = str(job.model)  # TRL loads the reference model of the KL term from here
            prompts = [{"prompt": job.task.prompt.to_model_input(puzzles[row]), "puzzle": row} for row in rows]
            arguments |= {
                "num_generations": self.samples_per_prompt,
                "max_completion_length": limit,
                "temperature": self.temperature,
                "beta": self.beta,
                "shuffle_dataset": False,
            }
            trainer = {
                "model": policy,
                "reward_funcs": reward_of(
                    puzzles, job.run, job.seed, job.task, tokenizer, lambda: self.samples_per_prompt
                ),
                "train_dataset": datasets.Dataset.from_list(prompts),
                "processing_class": tokenizer,
                "peft_config": peft_config(self.lora),
                **self._chosen(job, frame, puzzles, tokenizer),
            }
            return build({"arguments": arguments, "trainer": trainer})

        fit(self, job, make, lambda step: None)  # the reward function writes telemetry


class GRPOConfig(OnlineConfig):
    """Group relative policy optimization (Shao et al. 2024, arXiv 2402.03300) and its variants."""

    kind: Literal["grpo"] = "grpo"
    LABEL: ClassVar[str] = "GRPO"
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo"] = "dr_grpo"
    scale_rewards: Literal["none", "group", "batch"] = "none"
    dynamic_sampling: int = Field(0, ge=0, le=100)
    """Rounds of fresh prompts that replace groups with equal rewards (DAPO); 0 for none."""

    @property
    def measures_success(self) -> bool:
        """True: every prompt is scored before the prompts of the next step are chosen."""
        return True

    def checked(self) -> Self:
        """Return the settings if training can start with them.

        Raises:
            ConfigError: as in `TrainerConfig`; or several processes would each choose prompts.
        """
        if world_size() > 1:
            for name, is_set in self._chooses().items():
                if is_set:
                    raise ConfigError(f"{name}: needs a single process, and {world_size()} are running; leave it unset")
        return super().checked()

    def _chooses(self) -> dict[str, bool]:
        return {
            "train.dynamic_sampling": self.dynamic_sampling > 0,
            "train.curriculum.by_success": self.curriculum.by_success,
        }

    def _chosen(self, job: Job, frame: pl.DataFrame, puzzles: list[Item], tokenizer: Any) -> dict[str, Any]:
        if not any(self._chooses().values()):
            return {}
        from ramify.train.dynamic import RolloutState, rollouts

        task, source = job.task, PromptSource(frame, self.curriculum, self.steps, self.prompts_per_step, job.seed)

        def judge(row: int, ids: list[int]) -> tuple[float, bool]:
            judged = task.grade(puzzles[row], tokenizer.decode(ids, skip_special_tokens=True))
            return task.reward.score(judged), judged.verdict == Verdict.CORRECT

        def prompt(row: int) -> Any:
            return task.prompt.to_model_input(puzzles[row])

        return {
            "rollout_func": rollouts(source, self.dynamic_sampling, prompt, judge, tokenizer),
            "callbacks": [RolloutState(source)],
        }

    def train(self, job: Job) -> None:
        """Train to the last step, or resume from the last complete checkpoint."""

        def build(parts: dict[str, Any]) -> Any:
            from trl.trainer.grpo_config import GRPOConfig as Arguments

            from ramify.train.compact import CompactGRPOTrainer

            own: dict[str, Any] = {"loss_type": self.loss_type, "scale_rewards": self.scale_rewards}
            return CompactGRPOTrainer(args=Arguments(**parts["arguments"], **own), **parts["trainer"])

        self._train(job, build)


class RLOOConfig(OnlineConfig):
    """REINFORCE, leave-one-out baseline (Ahmadian et al. 2024, arXiv 2402.14740); its KL term is in the reward."""

    kind: Literal["rloo"] = "rloo"
    LABEL: ClassVar[str] = "RLOO"

    def train(self, job: Job) -> None:
        """Train to the last step, or resume from the last complete checkpoint."""

        def build(parts: dict[str, Any]) -> Any:
            from trl.trainer.rloo_config import RLOOConfig as Arguments

            from ramify.train.compact import CompactRLOOTrainer

            return CompactRLOOTrainer(args=Arguments(**parts["arguments"]), **parts["trainer"])

        self._train(job, build)


def reward_of(
    puzzles: list[Item], run: Run, seed: int, task: Task, tokenizer: Any, samples: Callable[[], int]
) -> Callable[..., list[float]]:
    """A TRL reward function that also stores the completions and the telemetry of a step.

    Online DPO calls it without `log_metric`, with a whole batch of first completions before the second ones.

    Args:
        puzzles: the puzzles that the column `puzzle` of the data set indexes.
        samples: returns the completions per group, called at the first step.
    """
    of_step: dict[str, Any] = {"step": 0, "rows": []}

    def task_reward(
        completion_ids: list[list[int]],
        puzzle: list[int],
        trainer_state: Any,
        log_metric: Callable[[str, float], None] | None = None,
        chosen: list[dict[str, float]] | None = None,
        **_: Any,
    ) -> list[float]:
        from accelerate.utils import gather_object

        # Decode the tokens, since TRL may have parsed the messages of a chat.
        texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in completion_ids]
        asked = [puzzles[index] for index in puzzle]
        grades = [task.grade(one, text) for one, text in zip(asked, texts, strict=True)]
        rewards = [task.reward.score(judged) for judged in grades]
        rows = [
            {
                "puzzle_id": one.id,
                "pattern": one.pattern and one.pattern.text,
                "text": text,
                "verdict": judged.verdict.value,
                "reward": reward,
                "attempts": sum(not attempt.is_answer for attempt in task.find_attempts(one, text)),
                "tokens": _length(ids, tokenizer.eos_token_id),
            }
            for one, text, judged, reward, ids in zip(asked, texts, grades, rewards, completion_ids, strict=True)
        ]
        if log_metric is None:
            half = len(rows) // 2
            rows = [row for pair in zip(rows[:half], rows[half:], strict=True) for row in pair]
        step = trainer_state.global_step + 1
        if of_step["step"] != step:
            of_step.update(step=step, rows=[])
        of_step["rows"] += gather_object(rows)  # over all processes; a step may generate several times
        frame = pl.DataFrame(of_step["rows"], schema=SAMPLED)
        seen = telemetry(frame, samples())
        if rank() == 0:
            write_table(frame, run.rollouts_file(seed, step), SAMPLED)
            write_table(seen, run.telemetry_file(seed, step))
        if log_metric is None:
            return rewards
        for name, value in (chosen[0] if chosen else {}).items():
            log_metric(name, value)
        for row in seen.drop_nulls("pattern").iter_rows(named=True):
            for name in ("reward", "success", "attempts", "tokens", "zero_advantage"):
                log_metric(f"pattern/{row['pattern']}/{name}", row[name])
        return rewards

    return task_reward


def _length(ids: list[int], end: int) -> int:
    """The length of a completion up to the end of its text; Online DPO pads after it.

    >>> _length([5, 6, 1, 0, 0], 1), _length([5, 6], 1)
    (3, 2)
    """
    return ids.index(end) + 1 if end in ids else len(ids)


def telemetry(rollouts: pl.DataFrame, samples: int) -> pl.DataFrame:
    """Telemetry of a step by pattern.

    Args:
        rollouts: one row per completion, sorted by group.
        samples: completions per group.

    Returns:
        One row per pattern: groups, zero_advantage (the share of groups with equal rewards), and means of reward,
        success, attempts and tokens over completions.

    >>> rollouts = pl.DataFrame({"pattern": ["A+B"] * 4, "reward": [1.0, 0.0, 1.0, 1.0], "attempts": [1, 1, 2, 2],
    ...     "verdict": ["correct", "wrong value", "correct", "correct"], "tokens": [9, 9, 9, 13]})
    >>> telemetry(rollouts, 2).row(0)
    ('A+B', 2, 0.5, 0.75, 0.75, 1.5, 10.0)
    """
    groups = (
        rollouts.with_columns(group=pl.int_range(pl.len()) // samples)
        .group_by("group", "pattern")
        .agg(
            equal=pl.col("reward").min() == pl.col("reward").max(),
            reward=pl.col("reward").mean(),
            success=(pl.col("verdict") == "correct").mean(),
            attempts=pl.col("attempts").mean(),
            tokens=pl.col("tokens").mean(),
        )
    )
    means = [pl.col(name).mean() for name in ("reward", "success", "attempts", "tokens")]
    found = groups.sort("group").group_by("pattern", maintain_order=True)
    return found.agg(pl.len().alias("groups"), pl.col("equal").mean().alias("zero_advantage"), *means).sort("pattern")
