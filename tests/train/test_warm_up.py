"""A supervised warm-up before RL: a run of its own, whose last model every seed starts from."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

from ramify import ConfigError, ExperimentConfig, Run, RunError
from ramify import pipeline as stages
from ramify.doctor import examine
from ramify.models.checkpoints import model_path
from ramify.models.loading import computes_in_half, load_model
from ramify.settings import initial_model
from ramify.stages.warm_up import write_initial

pytestmark = pytest.mark.slow
WARM_UP = {"steps": 2, "save_steps": 1, "examples_per_step": 16, "micro_batch": 8, "learning_rate": 1e-3}


def silent(*_: object) -> None:
    """Reports nothing."""


def warmed(tiny_config: ExperimentConfig, **more: object) -> ExperimentConfig:
    train = tiny_config.model_dump(mode="json")["train"] | {"steps": 2, "save_steps": 2}
    return ExperimentConfig.check(
        tiny_config.model_dump(mode="json") | {"train": train, "warm_up": {**WARM_UP, **more}, "seeds": [1, 2]}
    )


def weights(model: str | Path) -> dict[str, torch.Tensor]:
    return dict(load_model(model).state_dict())


@pytest.fixture(scope="module")
def run(tiny_config: ExperimentConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return stages.run_all(warmed(tiny_config), tmp_path_factory.mktemp("warm"), silent)


def test_the_warm_up_is_a_run_of_its_own(run: Run) -> None:
    inner = Run(run.warm_up_folder)
    assert list(inner.checkpoints(1)) == [1, 2]
    assert inner.seeds == [1]
    assert set(inner.estimates()["step"]) == {0, 1, 2}
    assert inner.report_file.is_file()
    assert inner.puzzles("train").equals(run.puzzles("train"))


def test_every_seed_starts_from_the_model_after_it(run: Run) -> None:
    after = weights(Run(run.warm_up_folder).checkpoints(1)[2])
    assert all(torch.equal(value, after[name]) for name, value in weights(run.initial_folder).items())
    base = run.scan(run.completions_file(1, "test", 0), {"text": pl.String}).collect()["text"]
    inner = Run(run.warm_up_folder)
    same = inner.scan(inner.completions_file(1, "test", 0), {"text": pl.String}).collect()["text"]
    assert base.to_list() != same.to_list()
    trained = weights(run.checkpoints(2)[2])
    assert distance(trained, after) < distance(trained, weights(model_path("bundled"))) / 2


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of two models' weights."""
    return max(float((one[name] - value).abs().max()) for name, value in other.items())


def test_the_report_and_the_doctor_know_it(run: Run) -> None:
    said = "bundled after 2 steps of 16 examples of supervised fine-tuning on one solution a puzzle"
    assert said in re.sub("<[^>]+>", "", run.report_file.read_text())
    states = {one.file: one.state for one in examine(run)}
    assert states["initial"] == states["warm-up/config.json"] == "whole"
    assert [name for name, state in states.items() if state == "stray"] == []


def test_a_lost_initial_model_is_written_again(run: Run, tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    again = Run(shutil.copytree(run.path, tmp_path / "tiny"))
    before = (again.initial_folder / "model.safetensors").read_bytes()
    shutil.rmtree(again.initial_folder)
    with pytest.raises(RunError, match="its warm-up is not finished; train it with ramify train"):
        initial_model(warmed(tiny_config), again)
    stages.run_all(warmed(tiny_config), tmp_path, silent)
    assert (again.initial_folder / "model.safetensors").read_bytes() == before


@pytest.mark.slow
def test_an_adapter_is_merged(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    run = stages.run_all(warmed(tiny_config, lora={"rank": 4}, learning_rate=1e-2), tmp_path, silent)
    inner = Run(run.warm_up_folder)
    assert (inner.checkpoints(1)[2] / "adapter_model.safetensors").is_file()
    assert not (run.initial_folder / "adapter_config.json").exists()
    merged, base = weights(run.initial_folder), weights(inner.checkpoints(1)[2])
    assert all(torch.allclose(merged[name], base[name], atol=1e-6) for name in base)
    modified = (run.initial_folder / "model.safetensors").stat().st_mtime_ns
    write_initial(ExperimentConfig.check(inner.config), inner, run)
    assert (run.initial_folder / "model.safetensors").stat().st_mtime_ns == modified


def test_settings_that_contradict_each_other(tiny_config: ExperimentConfig) -> None:
    plain = tiny_config.model_dump(mode="json")
    untrained = ExperimentConfig.check({**plain, "train": {"kind": "none"}, "warm_up": WARM_UP})
    with pytest.raises(ConfigError, match="warm_up: nothing is trained after it"):
        untrained.checked()
    with pytest.raises(ConfigError, match="warm_up"):
        ExperimentConfig.check({**plain, "warm_up": {"kind": "grpo"}})


def test_a_scaled_experiment_scales_it(tiny_config: ExperimentConfig) -> None:
    small = warmed(tiny_config, steps=40).scaled(0.1)
    assert small.warm_up is not None
    assert small.warm_up.steps == 4
    assert small.before is not None
    assert small.before.task == small.task


def test_bfloat16_is_chosen_by_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from transformers import LlamaConfig

    LlamaConfig(hidden_size=576, num_attention_heads=9, vocab_size=32).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for able, expected in ({}, False), ({"amx_bf16": True}, True), ({"avx512_bf16": True}, True):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able, raising=False)
        assert computes_in_half(tmp_path, "auto") is expected
        assert computes_in_half(tmp_path, "bfloat16")
        assert not computes_in_half(tmp_path, "float32")
    assert not computes_in_half(model_path("bundled"), "auto")  # the compiled decoder is float32
