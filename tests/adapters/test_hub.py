"""Puzzle sets and models as folders for the hub, and puzzle sets taken from folders. No network."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from ramify import ExperimentConfig, Run, RunError
from ramify.adapters import hub
from ramify.adapters.export import export
from ramify.adapters.hub import push
from ramify.adapters.puzzles import load_sets
from ramify.experiment import open_run
from ramify.models.checkpoints import model_path
from ramify.models.loading import load_model, load_tokenizer
from ramify.stages.generate import generate


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
    known_run.completion_marker(checkpoint).touch()
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


def test_puzzles_that_are_there_twice_are_asked_once(tmp_path: Path) -> None:
    rows = [{"nums": numbers, "target": 6} for numbers in ([1, 2, 3], [2, 3, 1])]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = taken(tmp_path / "test.jsonl", tmp_path)
    assert run.puzzles("test").height == 1
    assert (run.certificate() or {})["repeated"] == 1


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"train.jsonl": [3, 7, 8]}, "only training puzzles found"),
        ({"test.jsonl": [3]}, "puzzles have 2 to 6 numbers"),
        ({"test.jsonl": [1, 2, 3, 4, 5, 6, 7, 8]}, "puzzles have 2 to 6 numbers"),
        ({"test.jsonl": [10**12, 2]}, "puzzles have 2 to 6 numbers below"),
        ({"test.jsonl": [3, 7, 8], "train.jsonl": [1, 1]}, "1 training puzzles have no solution"),
    ],
)
def test_sets_that_cannot_be_used(files: dict, words: str, tmp_path: Path) -> None:
    for name, numbers in files.items():
        (tmp_path / name).write_text(json.dumps({"nums": numbers, "target": 29}) + "\n")
    with pytest.raises(RunError, match=words):
        taken(tmp_path, tmp_path / "runs")


def test_parts_as_the_hub_names_them_and_a_certificate_that_is_none(tmp_path: Path) -> None:
    for part in range(2):
        frame = pl.DataFrame({"nums": [[3, 7, 8 + part]], "target": [29 + part]})
        frame.write_parquet(tmp_path / f"test-{part:05d}-of-00002.parquet")
    (tmp_path / "certificate.json").write_text("[]")
    run = taken(tmp_path, tmp_path / "runs")
    assert run.puzzles("test").height == 2
    assert (run.certificate() or {})["shared"] == 0


def test_an_imported_run_is_a_source_of_puzzles(tmp_path: Path) -> None:
    from ramify.adapters.foreign import import_run
    from ramify.adapters.import_settings import ImportConfig

    row = {"numbers": [3, 7, 8], "target": 29, "completion": "x", "step": 0}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    found = import_run([tmp_path / "rows.jsonl"], "theirs", tmp_path, ImportConfig(), silent)
    assert taken(found.run.path, tmp_path / "runs").puzzles("test")["puzzle_id"].to_list() == ["3,7,8=29"]
    export("lm-eval", found.run, tmp_path / "tasks")
    asked = json.loads((tmp_path / "tasks" / "test.jsonl").read_text().splitlines()[0])["prompt"]
    assert "Using the numbers [3, 7, 8], create an equation that equals 29" in asked
    export("dataset", found.run, tmp_path / "set")
    assert "license: unknown" in (tmp_path / "set" / "README.md").read_text()


def test_no_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(RunError, match="nobody/nothing: cannot be loaded from the hub"):
        load_sets("nobody/nothing")
    with pytest.raises(RunError, match="nobody/nothing: the hub rejected the upload"):
        push(tmp_path, "nobody/nothing")


def test_a_card_of_what_is_missing(known_run: Run, tmp_path: Path) -> None:
    row = {"set": "test", "group": "3", "metric": "mean@4", "value": float("nan"), "low": None, "high": 0.5, "n": 3}
    assert hub._estimate_row(row) == "| test | 3 | mean@4 |  |  | 3 |"
    for bad in ("mit\nlicense_name: x", "a b", "", "[x]"):
        with pytest.raises(RunError, match="not an identifier"):
            hub.write_dataset(known_run, tmp_path / "data", bad)
    assert not (tmp_path / "data").exists()
