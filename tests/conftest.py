"""A run folder that no model made, whose truth is known."""

import shutil
from pathlib import Path

import pytest

from ramify import ExperimentConfig, Run
from ramify.experiment import open_run
from ramify.records import Completion
from ramify.schemas import completion_frame
from ramify.stages.generate import generate
from ramify.stages.score import score
from ramify.tables import write_table
from ramify.tasks.base import EVALUATION_SETS

HOSTILE = "<script>alert('x')</script> & </div><b>\"bold\"</b> <answer>1+1</answer>"


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


@pytest.fixture(scope="session")
def tiny_config() -> ExperimentConfig:
    task = {"train": {3: 51}, "test": {3: 34}, "length": {4: 8}, "held_out": {3: 4}, "skills": {2: 4}}
    train = {"steps": 4, "save_steps": 2, "prompts_per_step": 4, "samples_per_prompt": 4, "micro_batch": 8}
    train["max_new_tokens"] = 48
    sample = {"samples": 4, "batch_size": 64, "max_new_tokens": 48}
    return ExperimentConfig.check({"name": "tiny", "task": task, "train": train, "sample": sample})


@pytest.fixture
def known_run(tmp_path: Path, known_run_once: Run) -> Run:
    """At step 0 nobody solves anything; at step 4 every second sample is right, and so is the greedy one."""
    return Run(shutil.copytree(known_run_once.path, tmp_path / "known"))


@pytest.fixture(scope="session")
def known_run_once(tmp_path_factory: pytest.TempPathFactory, tiny_config: ExperimentConfig) -> Run:
    """What `known_run` is a copy of."""
    run = open_run(tiny_config, tmp_path_factory.mktemp("known"))
    generate(tiny_config, run, silent)
    for name in EVALUATION_SETS:
        for step in (0, 4):
            rows = []
            for puzzle_id, numbers, solved in run.puzzles(name).select("puzzle_id", "numbers", "solving").iter_rows():
                target = int(puzzle_id.split("=")[1])
                right = _solution(numbers, target, solved[0])
                wrong = "*".join(map(str, numbers)) + f"=0\n{HOSTILE}"
                for sample in range(-1, 4):
                    solves = step == 4 and sample in (-1, 0, 2)
                    text = f"{right}={target}\n<answer>{right}</answer>" if solves else wrong
                    rows.append(Completion(puzzle_id, sample, text, len(text), False))
            write_table(completion_frame(rows), run.completions_file(1, name, step))
    score(run, silent)
    return run


def _solution(numbers: list[int], target: int, pattern: str) -> str:
    from ramify import Pattern, solve

    return solve(numbers, target)[Pattern.parse(pattern)].text
