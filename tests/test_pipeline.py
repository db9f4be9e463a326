"""The whole way of the data on the bundled model: it can be cut off anywhere and goes on to the same end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from ramify import ExperimentConfig, Run, experiment
from ramify import pipeline as stages
from ramify.removal import drop_broken_checkpoints
from ramify.tables import read_table


class CutOff(BaseException):
    """Stands for a kill: nothing in the project may catch it."""


def checkpoint_bytes(run: Run) -> dict[int, bytes]:
    return {step: (folder / "model.safetensors").read_bytes() for step, folder in run.checkpoints(1).items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_config: ExperimentConfig) -> Run:
    return stages.run_all(tiny_config, tmp_path_factory.mktemp("whole"), lambda *_: None)


def test_what_a_run_leaves(whole: Run) -> None:
    assert sorted(whole.checkpoints(1)) == [2, 4]
    assert whole.report_file.is_file()
    assert len(whole.train_log(1).read_text().splitlines()) == 4
    for step in range(1, 5):
        rollouts = read_table(whole.rollouts_file(1, step))
        assert len(rollouts) == 16
        assert set(rollouts["reward"]) <= {0.0, 1.0}
    estimates = whole.estimates()
    assert set(estimates["step"]) == {0, 2, 4}
    assert set(estimates["set"]) == {"test", "length", "held_out", "skills", "all", "train"}
    assert set(estimates.filter(pl.col("by") == "n")["metric"]) >= {"mean@4", "pass@4", "greedy", "execution"}
    assert not list(whole.path.rglob("*.parts/*"))
    assert not list(whole.path.rglob("*.tmp"))


def test_training_changed_the_model(whole: Run) -> None:
    first, last = checkpoint_bytes(whole).values()
    assert first != last


@pytest.mark.parametrize(
    ("stage", "done"),
    [
        ("training, seed 1", 3),
        pytest.param("sampling step 2, seed 1", 2, marks=pytest.mark.slow),
        pytest.param("scoring", 4, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_cut_off_ends_the_same(
    whole: Run, tiny_config: ExperimentConfig, tmp_path: Path, stage: str, done: int
) -> None:
    def cut(name: str, at: int, total: int) -> None:
        if (name, at) == (stage, done):
            raise CutOff

    with pytest.raises(CutOff):
        stages.run_all(tiny_config, tmp_path, cut)
    for folder in tmp_path.rglob("*.parts"):  # as a kill in the middle of writing leaves it
        (folder / ".batch-00009.parquet.1.tmp").write_text("half")
    run = stages.run_all(tiny_config, tmp_path, lambda *_: None)
    assert checkpoint_bytes(run) == checkpoint_bytes(whole)
    assert run.estimates_file.read_bytes() == whole.estimates_file.read_bytes()
    assert [line.count("loss") for line in run.train_log(1).read_text().splitlines()] == [1] * 4


def test_a_broken_checkpoint_does_not_count(whole: Run, tmp_path: Path, tiny_config: ExperimentConfig) -> None:
    run = experiment.open_run(tiny_config, tmp_path)
    (run.checkpoints_folder(1) / "checkpoint-2").mkdir(parents=True)
    assert run.checkpoints(1) == {}
    drop_broken_checkpoints(run, 1)
    assert not list(run.checkpoints_folder(1).iterdir())


def test_a_second_call_does_nothing(whole: Run, tiny_config: ExperimentConfig) -> None:
    files = {file: file.stat().st_mtime_ns for file in whole.path.rglob("*.parquet")}
    stages.run_all(tiny_config, whole.path.parent, lambda *_: None)
    assert files == {file: file.stat().st_mtime_ns for file in whole.path.rglob("*.parquet")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "appears",
    [
        "seed-1/rollouts/step-000003.parquet",
        "seed-1/completions/*/*.parts/*.parquet",
        "seed-1/grades/test/step-000000.parquet",
    ],
    ids=["training", "sampling", "tables"],
)
def test_sigkill(whole: Run, tiny_config: ExperimentConfig, tmp_path: Path, appears: str) -> None:
    """Killed for good as soon as a certain file appears, and started again."""
    code = """
import sys
from pathlib import Path
from ramify import ExperimentConfig
from ramify.pipeline import run_all
run_all(ExperimentConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2]), lambda *_: None)
"""
    command = [sys.executable, "-c", code, tiny_config.model_dump_json(), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "tiny").glob(appears)):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, capture_output=True)
    run = Run(tmp_path / "tiny")
    assert run.estimates_file.read_bytes() == whole.estimates_file.read_bytes()
    assert checkpoint_bytes(run) == checkpoint_bytes(whole)
