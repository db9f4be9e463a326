"""TRL trainings of tiny Qwen- and GPT-2-like models: messages, several rewards, intervals of logging, Online DPO."""

import os
import pickle
import subprocess
import sys
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ramify import CountdownConfig, Run, RunError
from ramify.adapters.foreign import import_run
from ramify.adapters.import_settings import ImportConfig
from ramify.adapters.trl import Diagnosis, countdown_reward
from ramify.progress import silent
from ramify.sampling.hf import HFSamplerConfig
from ramify.tables import read_table
from ramify.tasks.countdown.prompts import WORDS, PromptConfig
from random_chats import random_folder
from trl_scripts import PUZZLES, settings

ROOT = Path(__file__).parents[2]
SHORT = {"max_completion_length": 12}


def brevity(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """Differs within nearly every group, unlike the reward of a random model."""
    return [-len(set(ids)) / 100 for ids in completion_ids]


def diagnosis_of(folder: Path, kind: str) -> tuple[Diagnosis, Path]:
    model = random_folder(folder / kind, kind)
    prompt = {"template": WORDS, "chat": kind == "qwen"}
    task = CountdownConfig(
        train={3: 16}, test={3: 4}, length={}, held_out={}, skills={}, hold_out=(), prompt=PromptConfig(**prompt)
    )
    sampler = HFSamplerConfig(samples=2, max_new_tokens=12)
    return Diagnosis(folder / "run", model, folder / "out", task, sampler), model


@pytest.mark.parametrize("kind", [pytest.param("qwen", marks=pytest.mark.slow), "gpt2"])
def test_a_diagnosis_with_messages_or_text_and_two_rewards(tmp_path: Path, kind: str) -> None:
    from trl import GRPOTrainer

    diagnosis, model = diagnosis_of(tmp_path, kind)
    asked = diagnosis.train_dataset[0]["prompt"]
    assert (asked[0]["role"] == "user") if kind == "qwen" else asked.startswith("Using the numbers")
    more = {"save_steps": 1, "log_completions": True, "reward_weights": [1.0, 0.5], **SHORT}
    GRPOTrainer(
        str(model),
        [diagnosis.reward, brevity],
        args=settings(tmp_path / "out", **more),
        train_dataset=diagnosis.train_dataset,
        callbacks=[diagnosis.callback],
    ).train()
    run = diagnosis.run
    assert run.sampled(1) == [("test", 0), ("test", 1), ("test", 2)]
    kept = read_table(run.rollouts_file(1, 1))
    logged = pl.read_parquet(tmp_path / "out" / "completions" / "completions_00001.parquet")
    said = logged["completion"].list.last().struct.field("content") if kind == "qwen" else logged["completion"]
    assert kept["text"].to_list() == said.to_list()
    assert kept["reward"].to_list() == [0.0] * 8, "the diagnosis records its own reward only"
    assert logged["brevity"].n_unique() > 1
    assert read_table(run.telemetry_file(1, 1))["zero_advantage"].to_list() == [1.0, 1.0]
    # What TRL trained on is the weighted sum, and this is what an import measures.
    found = import_run([tmp_path / "out"], "back", tmp_path, ImportConfig(), silent)
    assert (found.completions, found.steps, found.unread.total()) == (16, [1, 2], 0)
    rewards = read_table(found.run.rollouts_file(1, 1))["reward"].to_list()
    assert rewards == pytest.approx(logged["advantage"].to_list())
    assert max(rewards) > 0


@pytest.mark.parametrize("kind", [pytest.param("qwen", marks=pytest.mark.slow), "gpt2"])
def test_a_diagnosis_of_online_dpo(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from transformers import AutoTokenizer
    from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

    diagnosis, model = diagnosis_of(tmp_path, kind)
    sizes = {"max_steps": 2, "save_steps": 1, "max_new_tokens": 12, "per_device_train_batch_size": 4}
    common = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True}
    common["gradient_checkpointing"] = False
    OnlineDPOTrainer(
        str(model),
        reward_funcs=[diagnosis.reward, brevity],
        args=OnlineDPOConfig(str(tmp_path / "out"), **sizes, **common),
        train_dataset=diagnosis.train_dataset,
        processing_class=AutoTokenizer.from_pretrained(model, padding_side="left"),
        callbacks=[diagnosis.callback],
    ).train()
    kept = read_table(diagnosis.run.rollouts_file(1, 2))
    asked = kept["puzzle_id"].to_list()
    assert asked[::2] == asked[1::2], "the two completions of a puzzle are one group"
    assert len(set(asked)) == 4
    assert set(kept["tokens"]) <= set(range(1, 13))
    assert read_table(diagnosis.run.telemetry_file(1, 2))["groups"].sum() == 4
    assert diagnosis.run.sampled(1) == [("test", 0), ("test", 1), ("test", 2)]


def test_async_grpo_is_refused_by_a_diagnosis_and_takes_the_reward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.async_grpo import AsyncGRPOConfig

    diagnosis, _ = diagnosis_of(tmp_path, "gpt2")
    arguments: Any = AsyncGRPOConfig(str(tmp_path / "out"), use_cpu=True, bf16=False, report_to="none")
    with pytest.raises(RunError, match="AsyncGRPOConfig calls rewards in another process"):
        diagnosis.callback.on_init_end(arguments, None, None)  # type: ignore[arg-type]
    # Its worker pickles the reward, and calls it with these keywords only.
    reward = pickle.loads(pickle.dumps(partial(countdown_reward, answer_tags=("[[", "]]"))))
    columns = {"numbers": [[3, 7, 8]] * 2, "target": [29] * 2}
    assert reward(prompts=["?"] * 2, completions=["[[3*7+8]]", "29"], completion_ids=[[5], [6]], **columns) == [
        1.0,
        0.0,
    ]


def logged_by(folder: Path, model: Path, messages: bool = True, **more: Any) -> Path:
    """The output of a training on four puzzles with logged completions."""
    from datasets import Dataset
    from trl import GRPOTrainer

    prompt = PromptConfig(template=WORDS, chat=messages)
    rows = [{"prompt": prompt.to_model_input(p), "numbers": list(p.numbers), "target": p.target} for p in PUZZLES]
    arguments = settings(folder, log_completions=True, save_strategy="no", **{**SHORT, **more})
    GRPOTrainer(str(model), countdown_reward, args=arguments, train_dataset=Dataset.from_list(rows)).train()
    return folder


@pytest.mark.parametrize(
    ("more", "steps", "completions", "note"),
    [
        ({"logging_steps": 2, "max_steps": 5}, [2, 4, 5], 24, None),
        ({"num_iterations": 2, "max_steps": 4}, [1, 3], 16, "2 of 4 files repeat"),
        ({"steps_per_generation": 2, "max_steps": 4}, [1, 3], 32, "2 of 4 files repeat"),
    ],
)
def test_completions_logged_at_intervals(
    tmp_path: Path, more: dict[str, int], steps: list[int], completions: int, note: str | None
) -> None:
    """Between two logs TRL keeps nothing, and a batch that is trained on twice is logged twice."""
    out = logged_by(tmp_path / "out", random_folder(tmp_path / "qwen", "qwen"), **more)
    found = import_run([out], "back", tmp_path, ImportConfig(), silent)
    assert (found.steps, found.completions, found.unread.total()) == (steps, completions, 0)
    assert (note is None) == (not found.notes)
    assert note is None or note in found.notes[0]


@pytest.mark.slow
def test_the_example_with_messages_works(tmp_path: Path) -> None:
    model = random_folder(tmp_path / "qwen", "qwen")
    script = (ROOT / "examples" / "trl_messages.py").read_text().replace("max_steps=8", "max_steps=4, bf16=False")
    (tmp_path / "mine.py").write_text(script)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "mine.py", str(model)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    run = Run(tmp_path / "runs" / "my-chat")
    assert {step for _, step in run.sampled(1)} == {0, 4}
    assert read_table(run.rollouts_file(1, 4)).height == 8


def test_the_settings_of_vllm_in_the_docs_are_those_of_trl() -> None:
    from trl import GRPOConfig

    page = (ROOT / "docs" / "gpu.md").read_text()
    named = {word for word in page.replace("(", " ").replace("`", " ").replace("=", " ").split() if "vllm_" in word}
    assert {"vllm_mode", "vllm_gpu_memory_utilization"} <= named
    assert named <= {one.name for one in fields(GRPOConfig)}
