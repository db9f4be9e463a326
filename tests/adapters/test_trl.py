"""TRL scripts of others: the reward, the diagnosis beside a training, and the completions that TRL itself keeps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ramify import CountdownConfig, Puzzle, Run, RunError, grade
from ramify.adapters.foreign import import_run
from ramify.adapters.import_settings import ImportConfig
from ramify.adapters.trl import Diagnosis, countdown_reward
from ramify.models.checkpoints import model_path
from ramify.report.page import render
from ramify.sampling.hf import HFSamplerConfig
from ramify.stages.sample import sample
from ramify.stages.score import score
from ramify.tables import read_table
from ramify.tasks.countdown.prompts import PromptConfig
from ramify.tasks.rewards import REWARDS
from trl_scripts import PUZZLES, settings

ROOT = Path(__file__).parents[2]


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


def test_what_the_reward_pays() -> None:
    texts = ["<answer>3*7+8</answer>", "<answer>3+7+8</answer>", "29"]
    many = {"numbers": [[3, 7, 8]] * 3, "target": [29] * 3}
    assert countdown_reward(texts, **many, prompts=["?"] * 3) == [1.0, 0.0, 0.0]
    assert countdown_reward(texts, **many, reward=REWARDS["paper"]) == [1.0, 0.1, 0.0]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    assert countdown_reward(chats, **many) == [1.0, 0.0, 0.0]
    assert countdown_reward(["[[3*7+8]]"], [[3, 7, 8]], [29], answer_tags=("[[", "]]")) == [1.0]


def test_the_completions_that_trl_keeps_are_read(tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import GRPOTrainer

    rows = [{"prompt": PromptConfig().text(p), "numbers": list(p.numbers), "target": p.target} for p in PUZZLES]
    GRPOTrainer(
        str(model_path("bundled")),
        countdown_reward,
        args=settings(tmp_path / "out", log_completions=True),
        train_dataset=Dataset.from_list(rows),
    ).train()
    found = import_run([tmp_path / "out"], "back", tmp_path, ImportConfig(), silent)
    assert (found.format, found.steps, found.completions, found.unread.total()) == ("trl", [1, 2], 16, 0)
    assert set(found.run.puzzles("test")["puzzle_id"]) <= {puzzle.id for puzzle in PUZZLES}
    assert found.run.rollout_steps(1) == [1, 2]
    score(found.run, silent)
    assert "the sampled training puzzles" in render(found.run)


@pytest.mark.slow
def test_a_diagnosis_beside_a_training(tmp_path: Path) -> None:
    from trl import GRPOTrainer

    task = CountdownConfig(train={3: 36}, test={3: 6}, length={}, held_out={}, skills={}, hold_out=())
    model, out = model_path("bundled"), tmp_path / "out"

    def trained(name: str, sampler: HFSamplerConfig | None) -> tuple[Run, bytes]:
        diagnosis = Diagnosis(tmp_path / name, model, out / name, task, sampler)
        GRPOTrainer(
            str(model),
            diagnosis.reward,
            args=settings(out / name, save_steps=1),
            train_dataset=diagnosis.train_dataset,
            callbacks=[diagnosis.callback],
        ).train()
        return diagnosis.run, (out / name / "checkpoint-2" / "model.safetensors").read_bytes()

    sampler = HFSamplerConfig(samples=2, max_new_tokens=48)
    run, weights = trained("during", sampler)
    assert run.sampled(1) == [("test", 0), ("test", 1), ("test", 2)]
    rollouts = read_table(run.rollouts_file(1, 1))
    assert rollouts.height == 8
    trains = dict(run.puzzles("train").select("puzzle_id", "numbers").iter_rows())
    for puzzle_id, text, reward in rollouts.select("puzzle_id", "text", "reward").iter_rows():
        puzzle = Puzzle(tuple(trains[puzzle_id]), int(puzzle_id.split("=")[1]))
        assert reward == float(grade(puzzle, text).verdict == "correct")
    seen = read_table(run.telemetry_file(1, 1))
    assert seen["groups"].sum() == 2
    score(run, silent)
    assert run.estimates().filter(metric="mean@2 gain", by="all")["step"].to_list() == [1, 2]
    # Sampling leaves the training as it is, and can be done after it.
    later, same = trained("after", None)
    assert same == weights
    assert later.sampled(1) == []
    from ramify import ExperimentConfig

    config = ExperimentConfig.check(later.config)
    sample(config.model_copy(update={"sample": sampler}), later, silent)
    assert later.sampled(1) == run.sampled(1)
    first, second = (read_table(one.completions_file(1, "test", 2)) for one in (run, later))
    assert first.equals(second)
    with pytest.raises(RunError, match="other settings"):
        Diagnosis(tmp_path / "during", model, out / "during", task.model_copy(update={"seed": 2}), sampler)


@pytest.mark.slow
def test_the_example_works(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(ROOT / "examples" / "trl_grpo.py")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    run = Run(tmp_path / "runs" / "my-grpo")
    assert {step for _, step in run.sampled(1)} == {0, 4, 8}
    assert json.loads((run.path / "config.json").read_text())["config"]["train"]["kind"] == "checkpoints"


def test_rows_without_a_puzzle_have_no_reward() -> None:
    """Other tasks in the same data set leave gaps, and a column with gaps is one of floats."""
    nan, inf = float("nan"), float("inf")
    numbers: list = [[3.0, 7.0, 8.0], None, [3, 7, None], [3, 7, 8], [3, 7, 8], [3, 7, inf], [], [3, 7.5, 8]]
    target: list = [29.0, 29, 29, None, nan, 29, 29, 29]
    rewards = countdown_reward(["<answer>3*7+8</answer>"] * 8, numbers=numbers, target=target)
    assert rewards == [1.0] + [None] * 7
