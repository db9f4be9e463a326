"""Run the tools of others, each in the environment that `make integrations` made for it."""

import os
import subprocess
from pathlib import Path

import pytest

from ramify import ExperimentConfig, Run
from ramify.experiment import open_run
from ramify.stages.generate import generate

ROOT = Path(__file__).parents[2]


def tool(environment: str, name: str) -> str:
    """A program of an environment; the test is skipped where there is none."""
    path = ROOT / f".venv-{environment}" / "bin" / name
    if not path.is_file():
        pytest.skip(f"no {path}: make integrations")
    return str(path)


def called(*command: str | Path, cwd: Path, **variables: str) -> str:
    """The output of a command that succeeds, without a network."""
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HOME": str(cwd / "hf"), "HOME": str(cwd)}
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **offline, **variables}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def small_run(root: Path, **settings: object) -> Run:
    """A run with a few puzzles, some of them longer."""
    task = {"train": {3: 16}, "test": {3: 4}, "length": {4: 2}, "held_out": {}, "skills": {}, "hold_out": []}
    sample = {"samples": 2, "max_new_tokens": 96}
    config = ExperimentConfig.check({"name": "small", "task": task, "sample": sample, **settings})
    run = open_run(config, root)
    generate(config, run, lambda stage, done, total: None)
    return run
