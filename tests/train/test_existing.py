"""Checkpoints that others trained, swept without a training of ours."""

import shutil
from pathlib import Path

import pytest

from ramify import ConfigError, ExperimentConfig, RunError
from ramify.models.checkpoints import find_checkpoints, model_path, whole_model
from ramify.pipeline import run_all


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


def settings(**train: object) -> dict:
    task = {"train": {}, "test": {3: 6}, "length": {}, "held_out": {}, "skills": {}, "hold_out": []}
    sample = {"samples": 2, "max_new_tokens": 48}
    return {"name": "swept", "task": task, "train": {"kind": "checkpoints", **train}, "sample": sample}


def test_a_folder_is_swept_and_what_is_new_is_added(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(model_path("bundled"), folder / "checkpoint-5")
    shutil.copytree(model_path("bundled-naive"), folder / "checkpoint-10")
    (folder / "runs").mkdir()
    (folder / "checkpoint-15").mkdir()  # not whole: no model in it
    config = ExperimentConfig.check(settings(folder=str(folder)))
    run = run_all(config, tmp_path, silent)
    assert run.sampled(1) == [("test", 5), ("test", 10)]
    assert run.report_file.is_file()
    shutil.copytree(model_path("bundled"), folder / "checkpoint-20")
    before = run.completions_file(1, "test", 5).stat().st_mtime_ns
    assert run_all(config, tmp_path, silent).sampled(1) == [("test", 5), ("test", 10), ("test", 20)]
    assert run.completions_file(1, "test", 5).stat().st_mtime_ns == before
    assert run.estimates().filter(metric="mean@2 gain", by="all")["step"].to_list() == [10, 20]


def test_copies_beside_checkpoints_do_not_count(tmp_path: Path) -> None:
    for name in ("checkpoint-5", "checkpoint-5-backup", "checkpoint-5.old", "global_step_7-best"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    assert {step: path.name for step, path in find_checkpoints(tmp_path).items()} == {
        5: "checkpoint-5",
        7: "global_step_7-best",
    }


@pytest.mark.slow
def test_names_seeds_and_the_base(tmp_path: Path) -> None:
    names = {50: str(model_path("bundled-naive"))}
    run = run_all(ExperimentConfig.check(settings(names=names, base=True)), tmp_path, silent)
    assert run.sampled(1) == [("test", 0), ("test", 50)]
    for seed in (1, 2):
        shutil.copytree(model_path("bundled"), tmp_path / f"seed{seed}" / "checkpoint-5")
    both = {**settings(folder=str(tmp_path / "seed{seed}")), "seeds": [1, 2], "name": "seeds"}
    run = run_all(ExperimentConfig.check(both), tmp_path, silent)
    assert [run.sampled(seed) for seed in (1, 2)] == [[("test", 5)]] * 2


def test_settings_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="either folder or names"):
        ExperimentConfig.check(settings())
    with pytest.raises(ConfigError, match="either folder or names"):
        ExperimentConfig.check(settings(folder="x", names={1: "y"}))
    with pytest.raises(ConfigError, match="0 is the model itself"):
        ExperimentConfig.check(settings(names={0: "y"}, base=True))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="no checkpoints there"):
        ExperimentConfig.check(settings(folder=str(tmp_path / "empty"))).checked()


def test_two_of_one_step(tmp_path: Path) -> None:
    for name in ("checkpoint-5", "step_5"):
        shutil.copytree(model_path("bundled"), tmp_path / name)
    with pytest.raises(RunError, match="checkpoint-5 and step_5 are both step 5"):
        find_checkpoints(tmp_path)


def test_shards_without_verl(tmp_path: Path) -> None:
    actor = tmp_path / "global_step_10" / "actor"
    actor.mkdir(parents=True)
    (actor / "model_world_size_1_rank_0.pt").write_bytes(b"")
    assert list(find_checkpoints(tmp_path)) == [10]
    with pytest.raises(RunError, match=r"verl\.model_merger merge .* failed: .*train\.verl_python"):
        import sys

        whole_model(tmp_path / "global_step_10", tmp_path / "merged", sys.executable)
    with pytest.raises(RunError, match=r"train\.verl_python = /no/python"):
        whole_model(tmp_path / "global_step_10", tmp_path / "merged", "/no/python")
    shutil.copytree(model_path("bundled"), actor / "huggingface")
    (actor / "model_world_size_1_rank_0.pt").unlink()
    assert list(find_checkpoints(tmp_path)) == [10]
    assert whole_model(tmp_path / "global_step_10", tmp_path / "merged", "/no/python") == actor / "huggingface"


def test_what_is_there_loads_no_model(tmp_path: Path) -> None:
    shutil.copytree(model_path("bundled"), tmp_path / "out" / "checkpoint-5")
    config = ExperimentConfig.check(settings(folder=str(tmp_path / "out")))
    run_all(config, tmp_path, silent)
    (tmp_path / "out" / "checkpoint-5" / "model.safetensors").unlink()
    run_all(config, tmp_path, silent)  # nothing is missing, so nothing is loaded


def test_an_adapter_without_a_base(tmp_path: Path) -> None:
    from ramify.models.loading import load_model

    for text in ("{}", '{"base_model_name_or_path": null}', "no"):
        (tmp_path / "adapter_config.json").write_text(text)
        with pytest.raises(RunError, match="cannot be loaded as an adapter"):
            load_model(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "' + str(tmp_path) + '"}')
    with pytest.raises(RunError, match="is also an adapter"):
        load_model(tmp_path)
