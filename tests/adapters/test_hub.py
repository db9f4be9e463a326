"""Puzzle sets and models as folders for the hub, and puzzle sets taken from folders. No network."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from ramify import ExperimentConfig, Run, RunError
from ramify.adapters.export import export
from ramify.adapters.hub import push
from ramify.adapters.puzzles import load_sets
from ramify.experiment import generate, open_run
from ramify.models.checkpoints import model_path
from ramify.models.loading import load_model, load_tokenizer


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


def taken(source: str | Path, root: Path) -> Run:
    config = ExperimentConfig.check({"name": "taken", "task": {"puzzles": str(source)}})
    run = open_run(config, root)
    generate(config, run, silent)
    return run


def test_a_dataset_goes_out_and_comes_back(known_run: Run, tmp_path: Path) -> None:
    export("dataset", known_run, tmp_path / "set")
    card = (tmp_path / "set" / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "| train | 51 | 3 | " in card
    assert "Split certificate: clean: 0 puzzles of an evaluation set are training puzzles" in card
    assert "path: data/held_out.parquet" in card
    run = taken(tmp_path / "set", tmp_path)
    for name in ("train", "test", "length", "held_out", "skills"):
        assert run.puzzles(name).equals(known_run.puzzles(name))
    assert run.certificate() == known_run.certificate()


def test_the_library_of_the_hub_reads_the_folder(known_run: Run, tmp_path: Path) -> None:
    import datasets

    export("dataset", known_run, tmp_path / "set")
    found = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in found.items()} == {
        name: known_run.puzzles(name).height for name in ("train", "test", "length", "held_out", "skills")
    }
    assert found["test"][0]["puzzle_id"] == known_run.puzzles("test")["puzzle_id"][0]


def test_a_model_goes_out_and_is_loaded(known_run: Run, tmp_path: Path) -> None:
    checkpoint = known_run.checkpoints_folder(1) / "checkpoint-4"
    shutil.copytree(model_path("bundled"), checkpoint)
    (checkpoint / "optimizer.pt").write_bytes(b"not for the hub")
    known_run.whole_mark(checkpoint).touch()
    assert export("model", known_run, tmp_path / "model").endswith(f"model={tmp_path / 'model'}")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| test | 3 | mean@4 | 50.0% |" in card
    assert not (tmp_path / "model" / "optimizer.pt").exists()
    load_model(tmp_path / "model")
    load_tokenizer(tmp_path / "model")
    with pytest.raises(RunError, match="no checkpoint of step 9; there are 4"):
        export("model", known_run, tmp_path / "other", step=9)


def test_sets_of_any_file(tmp_path: Path) -> None:
    puzzles = pl.DataFrame({"nums": [[3, 7, 8], [1, 2, 3]], "target": [29, 6]})
    puzzles.write_parquet(tmp_path / "all.parquet")
    found, _ = load_sets(str(tmp_path / "all.parquet"))
    assert {name: [p.id for p in some] for name, some in found.items()} == {"test": ["3,7,8=29", "1,2,3=6"]}
    run = taken(tmp_path / "all.parquet", tmp_path)
    assert run.puzzles("test")["pattern"].to_list() == ["A*B+C", None]
    assert (run.certificate() or {})["puzzles"] == {"test": 2, "length": 0, "held_out": 0, "skills": 0, "train": 0}


def test_sets_that_cannot_be_told_apart_or_read(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"nums": [3, 7, 8], "target": 29}) + "\n")
    with pytest.raises(RunError, match="of the sets one, two, which is test"):
        load_sets(str(tmp_path))
    (tmp_path / "one.jsonl").write_text(json.dumps({"nums": "x", "target": 29}) + "\n")
    with pytest.raises(RunError, match="1 rows could not be read"):
        load_sets(str(tmp_path / "one.jsonl"))
    with pytest.raises(RunError, match="no such file or folder"):
        load_sets(str(tmp_path / "none"))


def test_no_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(RunError, match="nobody/nothing: cannot be loaded from the hub"):
        load_sets("nobody/nothing")
    with pytest.raises(RunError, match="nobody/nothing: the hub did not take it"):
        push(tmp_path, "nobody/nothing")
