"""For verl 0.9: a reward function, the puzzles of a run as parquet, its settings, and a launch command.

`ramify export verl RUN` writes them to a folder. The ground truth of a row is the puzzle as JSON, since verl's dumps
contain nothing else that identifies it; `ramify import` reads them. Settings go through a file that Hydra reads, not
through its command line, so names and paths need no quoting.
"""

import json
import math
import re
import textwrap
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl

from ramify.adapters.rows import grade_row, prompt_of, puzzle_rows
from ramify.errors import RunError
from ramify.run import Run
from ramify.settings import ExperimentConfig, initial_model, settings_of
from ramify.storage import write_text
from ramify.tables import write_table
from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.rewards import RewardConfig
from ramify.train.base import Trainer
from ramify.train.online import GRPOConfig, OnlineConfig

REWARD_FILE = '''"""The reward of this training; verl calls `compute_score`. It needs ramify where verl runs."""

from ramify.adapters.verl import compute_score

__all__ = ["compute_score"]
'''
AS_IT_IS = '{% for m in messages %}{{ m["content"] }}{% endfor %}'
"""A chat template that leaves text prompts unchanged, since verl applies one to every prompt."""
AGGREGATED = {
    "grpo": "seq-mean-token-mean",
    "dr_grpo": "seq-mean-token-sum-norm",
    "dapo": "token-mean",
    "bnpo": "token-mean",
}
"""Names of losses in TRL, and their counterparts in verl."""


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str | Mapping[str, Any],
    extra_info: Mapping[str, Any] | None = None,
    correct: float = 1.0,
    form: float = 0.0,
    wrong: float = 0.0,
    **_: Any,
) -> dict[str, float]:
    """A reward function for verl (`reward.custom_reward_function`): score, and correct (1 or 0).

    Args:
        ground_truth: numbers and target, as a mapping or JSON; answer_tags if they differ from <answer>.
        correct, form, wrong: rewards of a correct answer, of a well-formed wrong one, and of anything else; set
            with `+reward.custom_reward_function.reward_kwargs.form=0.1`.

    Raises:
        ValueError: the ground truth is not a puzzle, which is an error in the data.

    >>> compute_score("countdown", "<answer>3*7+8</answer>", '{"numbers": [3, 7, 8], "target": 29}')
    {'score': 1.0, 'correct': 1.0}
    >>> compute_score("countdown", "<answer>3*7-8</answer>", {"numbers": [3, 7, 8], "target": 29}, form=0.1)
    {'score': 0.1, 'correct': 0.0}
    """
    row = json.loads(ground_truth) if isinstance(ground_truth, str) else ground_truth
    if not isinstance(row, Mapping) or "numbers" not in row or "target" not in row:
        raise ValueError(f"ground_truth = {str(row)[:80]}: needs numbers and target")
    judged = grade_row(row, solution_str)
    score = RewardConfig(correct=correct, form=form, wrong=wrong).score(judged)
    return {"score": score, "correct": float(judged.verdict.value == "correct")}


def export(run: Run, folder: Path) -> Path:
    """Write train.parquet, a parquet for each evaluation set, reward.py, verl.yaml, and launch.sh with machine.py.

    Raises:
        RunError: the run has no training puzzles, or its trainer has no counterpart in verl.
    """
    settings = settings_of(run)
    if not isinstance(settings, ExperimentConfig):
        raise RunError(f"{run.path}: it was imported; the export needs the settings of grpo or rloo")
    _check(run, settings.train)
    names = [name for name in ("train", *run.evaluation_sets()) if run.puzzles_file(name).is_file()]
    frames = {name: frame for name in names if (frame := dataset(run, name)).height}
    if "train" not in frames:
        raise RunError(f"{run.path}: there are no training puzzles; make some with ramify generate")
    for name, frame in frames.items():
        write_table(frame, folder / f"{name}.parquet")
    write_text(REWARD_FILE, folder / "reward.py")
    write_text(_settings(run, settings, frames), folder / "verl.yaml")
    for name in ("machine.py", "launch.sh"):
        source = resources.files("ramify.adapters.verl_launch").joinpath(name)
        write_text(source.read_text(encoding="utf-8"), folder / name)
    (folder / "launch.sh").chmod(0o755)
    return folder


def _check(run: Run, train: Trainer) -> None:
    """Raise RunError if verl has no such trainer, or a setting has no counterpart."""
    if not isinstance(train, OnlineConfig):
        raise RunError(f"{run.path}: train.kind = {train.kind}; the export needs the settings of grpo or rloo")
    curriculum = train.curriculum
    lost = {
        "curriculum": bool(curriculum.shares or curriculum.later or curriculum.by_success),
        "lora": train.lora is not None,
    }
    if isinstance(train, GRPOConfig):
        lost["dynamic_sampling"] = train.dynamic_sampling > 0
        lost["scale_rewards = batch"] = train.scale_rewards == "batch"
    for name, is_set in lost.items():
        if is_set:
            raise RunError(f"{run.path}: train.{name} has no counterpart in the export; export a run without it")


def dataset(run: Run, name: str) -> pl.DataFrame:
    """The puzzles of a set in verl's format, with one `data_source` per set and n for separate curves."""
    rows = [
        {
            "data_source": f"countdown/{name}/n{len(row['numbers'])}",
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "ability": "arithmetic",
            "reward_model": {"style": "rule", "ground_truth": json.dumps(_truth(row), ensure_ascii=False)},
            "extra_info": {"index": index, "split": name},
        }
        for index, row in enumerate(puzzle_rows(run, name))
    ]
    return pl.DataFrame(rows)


def _truth(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: row[key] for key in ("id", "numbers", "target", "pattern", "set")}
    return kept if tuple(row["answer_tags"]) == ANSWER_TAGS else {**kept, "answer_tags": row["answer_tags"]}


def overrides(run: Run, settings: ExperimentConfig, frames: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """The settings of a run by verl's dotted names; `${ramify...}` is a setting of the machine."""
    train: Any = settings.train
    sample, prompt, reward = settings.sample, prompt_of(run), settings.task.reward
    longest = max(len(row["prompt"][0]["content"]) for frame in frames.values() for row in frame.to_dicts())
    rows, sequences = len(frames["train"]), train.prompts_per_step
    if rows < sequences:
        raise RunError(f"{run.path}: {rows} training puzzles; verl needs the {sequences} of a step at least")
    asked, answered = max(256, math.ceil(longest / 2 / 64) * 64), train.max_new_tokens or 1024
    own = "reward.custom_reward_function"
    policy = "actor_rollout_ref"
    found = {
        "algorithm.adv_estimator": train.kind,
        "data.train_files": "${ramify.folder}/train.parquet",
        "data.val_files": [f"${{ramify.folder}}/{name}.parquet" for name in frames if name != "train"],
        "data.train_batch_size": sequences,
        "data.max_prompt_length": asked,
        "data.max_response_length": answered,
        f"{policy}.model.path": "${ramify.model}",
        f"{policy}.model.enable_gradient_checkpointing": True,
        f"{policy}.actor.optim.lr": train.learning_rate,
        f"{policy}.actor.optim.lr_warmup_steps": train.warmup_steps,
        f"{policy}.actor.grad_clip": train.max_grad_norm,
        f"{policy}.actor.ppo_mini_batch_size": sequences,
        f"{policy}.actor.use_dynamic_bsz": True,
        f"{policy}.actor.ppo_max_token_len_per_gpu": max(16384, asked + answered),
        f"{policy}.actor.fsdp_config.param_offload": False,
        f"{policy}.actor.fsdp_config.optimizer_offload": False,
        f"{policy}.rollout.name": "vllm",
        f"{policy}.rollout.n": train.samples_per_prompt,
        f"{policy}.rollout.temperature": train.temperature,
        f"{policy}.rollout.tensor_model_parallel_size": 1,
        f"{policy}.rollout.gpu_memory_utilization": 0.5,
        f"{policy}.rollout.val_kwargs.n": sample.samples,
        f"{policy}.rollout.val_kwargs.do_sample": True,
        f"{policy}.rollout.val_kwargs.temperature": sample.temperature,
        "trainer.total_training_steps": train.steps,
        "trainer.total_epochs": math.ceil(train.steps / (rows // sequences)) + 1,
        "trainer.save_freq": train.save_steps,
        "trainer.max_actor_ckpt_to_keep": "${ramify.keep}",
        "trainer.test_freq": train.save_steps,
        "trainer.val_before_train": True,
        "trainer.rollout_data_dir": "${ramify.folder}/rollouts",
        "trainer.validation_data_dir": "${ramify.folder}/validation",
        "trainer.default_local_dir": "${ramify.folder}/checkpoints",
        "trainer.project_name": "ramify",
        "trainer.experiment_name": settings.name,
        "trainer.n_gpus_per_node": "${ramify.gpus}",
        "trainer.nnodes": "${ramify.nodes}",
        "trainer.logger": "${ramify.logger}",
        f"{own}.path": "${ramify.folder}/reward.py",
        f"{own}.name": "compute_score",
        **{f"{own}.reward_kwargs.{name}": getattr(reward, name) for name in ("correct", "form", "wrong")},
    }
    if train.kind == "rloo":  # the KL term is in the reward
        found |= {"algorithm.use_kl_in_reward": train.beta > 0, "algorithm.kl_ctrl.kl_coef": train.beta}
    else:
        found[f"{policy}.actor.use_kl_loss"] = train.beta > 0
        found[f"{policy}.actor.kl_loss_coef"] = train.beta
        found[f"{policy}.actor.kl_loss_type"] = "low_var_kl"
        found["algorithm.norm_adv_by_std_in_grpo"] = train.scale_rewards != "none"
        found[f"{policy}.actor.loss_agg_mode"] = AGGREGATED[train.loss_type]
    if not prompt.chat:
        found[f"{policy}.model.custom_chat_template"] = AS_IT_IS
    return found


def _settings(run: Run, settings: ExperimentConfig, frames: Mapping[str, pl.DataFrame]) -> str:
    """The text of verl.yaml.

    Raises:
        RunError: the model is named by an interpolation of Hydra.
    """
    model = str(initial_model(settings, run))
    if "${" in model:
        raise RunError(f"{run.path}: model = {model[:80]}: Hydra would replace ${{...}}")
    machine = {"folder": "???", "model": model, "gpus": 8, "nodes": 1, "logger": ["console"], "keep": None}
    found = {f"ramify.{name}": value for name, value in machine.items()} | overrides(run, settings, frames)
    name = re.sub(r"[^\w.-]", "-", settings.name)
    return f"""# {name}: the settings of ./launch.sh for verl 0.9, over those of its ppo_trainer.yaml.
# Memory: gpu_memory_utilization is vLLM's share of each GPU; ppo_max_token_len_per_gpu bounds a micro-batch; the two
# offloads, tensor_model_parallel_size and gradient checkpointing trade time for memory. ramify.keep is the number of
# latest checkpoints to keep, null for all. launch.sh writes here.yaml, with what it is told about the machine.
defaults: [ppo_trainer, _self_, here]
{_yaml(found)}"""


def _yaml(values: Mapping[str, Any]) -> str:
    """Values by dotted names as YAML, with scalars as JSON.

    >>> print(_yaml({"a.b": 1, "a.c.d": "x: 'y'", "e": [True, None]}), end="")
    e: [true, null]
    a:
      b: 1
      c:
        d: "x: 'y'"
    """
    parts: dict[str, dict[str, Any]] = {}
    lines = []
    for name, value in values.items():
        first, dot, rest = name.partition(".")
        if dot:
            parts.setdefault(first, {})[rest] = value
        else:
            lines.append(f"{name}: {json.dumps(value, ensure_ascii=False)}\n")
    inner = (f"{first}:\n{textwrap.indent(_yaml(below), '  ')}" for first, below in parts.items())
    return "".join([*lines, *inner])
