"""The command line: what it prints, and the errors a user can cause."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from ramify import MissingExtraError, Run, __version__
from ramify.models.checkpoints import model_path
from ramify.stages.score import score

ROOT = Path(__file__).parents[1]


def ramify(
    *arguments: str, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    code = "from ramify.cli import main; main()"
    environment = {**os.environ, **(environment or {})}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, env=environment
    )


def test_version() -> None:
    assert ramify("--version").stdout == f"ramify {__version__}\n"


def test_shell_completion() -> None:
    script = ramify("--show-completion", "bash").stdout
    variable = re.search(r"(\w+)=complete_bash", script)
    assert variable
    asked = {variable[1]: "complete_bash", "COMP_WORDS": "ramify s", "COMP_CWORD": "1"}
    assert {"sample", "score", "solve"} <= set(ramify(environment=asked).stdout.split())


@pytest.mark.parametrize(
    ("shell", "sign"), [("bash", "complete -o"), ("zsh", "#compdef ramify"), ("fish", "--command")]
)
def test_scripts_for_other_shells_are_printed_as_the_docs_say(shell: str, sign: str) -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    assert "_RAMIFY_COMPLETE=source_zsh ramify" in page
    assert f"source_{shell}" in page
    environment = {**os.environ, "_RAMIFY_COMPLETE": f"source_{shell}"}
    program = Path(sys.executable).with_name("ramify")
    script = subprocess.run([program], env=environment, capture_output=True, text=True).stdout
    assert sign in script
    assert f"_RAMIFY_COMPLETE=complete_{shell}" in script


def test_puzzles_are_drawn_without_the_model(tmp_path: Path) -> None:
    sets = ["task.train={3=8}", "task.test={3=2}", "task.length={}", "task.skills={}", "task.held_out={}"]
    done = ramify("generate", "quickstart", "name=mine", "model=no/such-model", *sets, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "mine" / "puzzles" / "train.parquet").is_file()


def test_solve() -> None:
    assert ramify("solve", "3", "7", "8", "--target", "29").stdout.split() == ["A*B+C", "3*7+8", "=", "29"]
    assert json.loads(ramify("solve", "3", "7", "8", "--target", "29", "--json").stdout) == {"A*B+C": "3*7+8"}
    assert "no expression" in ramify("solve", "1", "1", "--target", "50").stdout


def test_patterns() -> None:
    rows = json.loads(ramify("patterns", "--size", "4", "--json").stdout)
    assert len(rows) == 96
    row = json.loads(ramify("patterns", "A/(B-C/D)", "--json").stdout)
    assert (row["shape class"], row["lookahead"], row["split"]) == ("right-heavy", 4, "[1]/[3]")


def test_config_is_a_start() -> None:
    assert "quickstart" in ramify("config").stdout
    assert 'hold_out = ["A-B*C"]' in ramify("config", "quickstart").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "quickstart", "train.stepz=3"], "did you mean steps?"),
        (["run", "quickstart", "task.test.3=-5"], "cannot be negative"),
        (["run", "quickstart", "task.test.12=5"], "n is 2 to 6"),
        (["run", "quickstart", "task.target=[5,0]"], "smallest <= largest"),
        (["run", "quickstart", "train.steps=many"], "train.steps = many"),
        (["run", "quickstart", "train.micro_batch=100"], "must divide"),
        (["run", "quickstart", "model=./nowhere"], "no model folder"),
        (["run", "quickstart", "train"], "setting=value"),
        (["run", "quickstart", "name=../elsewhere"], "name = ../elsewhere"),
        (["run", "quickstar"], "there are base, base-context, base-gpu, base-last, base-naive"),
        (["run", "nowhere.toml"], "no such file"),
        (["sample", "nowhere"], "not a run folder"),
        (["plan", "nowhere"], "no such preset"),
        (["plan", "quickstart", "--detect", "4"], "--detect 4: a difference is a share"),
        (["report", "nowhere"], "not a run folder"),
        (["patterns", "A-"], "not a pattern"),
        (["patterns", "--size", "0"], "sizes 1 to 8"),
        (["patterns"], "--size"),
        (["solve", "1", "--target", "1"], "2 to 7 numbers"),
        (["verify-split", "nowhere"], "no such folder or file"),
        (["verify-split", ".", "--hold-out", "A-"], "not a pattern"),
        (["regrade", "nowhere.json"], "cannot be read as json"),
    ],
)
def test_errors_are_one_sentence_and_write_nothing(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = ramify(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not list(tmp_path.iterdir())


def test_verify_split_of_foreign_data(tmp_path: Path) -> None:
    pl.DataFrame({"nums": [[3, 7, 8], [9, 2, 3]], "target": [29, 3]}).write_parquet(tmp_path / "train.parquet")
    (tmp_path / "test.json").write_text(json.dumps([{"nums": [8, 3, 7], "target": 29}, {"nums": [1], "target": "x"}]))
    done = ramify("verify-split", str(tmp_path), "--hold-out", "A-B*C")
    assert done.returncode == 1
    assert "1 rows could not be read, the first is row 2" in done.stdout
    checks = json.loads(ramify("verify-split", str(tmp_path), "--hold-out", "A-B*C", "--json").stdout)
    test, train = checks
    assert (test["name"], test["in_training"], test["forced"]) == ("test", 1, 1.0)
    assert (train["name"], train["solved_by_held_out"]) == ("train", 1)


@pytest.mark.slow
def test_verify_split_of_our_own_data(tmp_path: Path) -> None:
    sets = ["task.train={3=18}", "task.test={3=17}", "task.length={}", "task.held_out={3=1}"]
    assert ramify("generate", "quickstart", *sets, cwd=tmp_path).returncode == 0
    done = ramify("verify-split", "runs/quickstart", "--hold-out", "A-B*C", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "training: train" in done.stdout


def test_regrade(tmp_path: Path) -> None:
    outputs = ["<answer>3*7+8</answer>", "<answer>3*7+8 = 29</answer>", "<answer>3**7//8</answer>", "hm"]
    (tmp_path / "a.json").write_text(json.dumps([{"nums": [3, 7, 8], "target": 273, "outputs": outputs}]))
    done = ramify("regrade", "a.json", "--output", "rows.parquet", cwd=tmp_path)
    assert "4 completions: 2 wrong value, 1 unparsable, 1 no answer" in done.stdout
    assert "TinyZero-style accepts '3**7//8' for 3,7,8=273: unparsable" in done.stdout
    table = pl.read_parquet(tmp_path / "rows.parquet")
    assert table["tinyzero"].to_list() == [False, False, True, False]
    earlier = table.with_columns(verdict=pl.Series(["correct", "unparsable", "unparsable", "unparsable"]))
    earlier.write_parquet(tmp_path / "earlier.parquet")
    done = ramify("regrade", "earlier.parquet", cwd=tmp_path)
    changes = "1 correct → wrong value, 1 unparsable → no answer, 1 unparsable → wrong value"
    assert f"3 of 4 verdicts in the file changed: {changes}" in done.stdout


def test_a_run_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    from ramify.experiment import open_run
    from ramify.settings import ExperimentConfig

    open_run(ExperimentConfig.load("quickstart"), tmp_path / "runs")
    done = ramify("generate", "quickstart", "train.steps=3", cwd=tmp_path)
    assert done.returncode == 2
    assert "train.steps: 36 there, 3 here" in done.stderr
    assert sorted(file.name for file in tmp_path.rglob("*.*")) == ["config.json"]


def test_a_missing_checkpoint_is_named(known_run: Run) -> None:
    known_run.completions_file(1, "test", 4).unlink()
    done = ramify("sample", str(known_run.path))
    assert done.returncode == 2
    assert "seed 1 has no checkpoint of step" in done.stderr


def test_report_says_where_it_is(known_run: Run) -> None:
    done = ramify("report", str(known_run.path))
    assert done.returncode == 0, done.stderr
    assert str(known_run.report_file) in done.stdout
    assert known_run.report_file.is_file()


def test_report_tells_the_story_in_the_terminal_and_exports(known_run: Run, tmp_path: Path) -> None:
    done = ramify("report", str(known_run.path), "--text", "--export", str(tmp_path / "figures"))
    assert done.returncode == 0, done.stderr
    assert "What training taught: tiny" in done.stdout
    assert (tmp_path / "figures" / "success-test-n3.png").is_file()
    assert not known_run.report_file.exists()


def test_report_of_stale_estimates_makes_them_again(known_run: Run) -> None:
    pl.DataFrame({"metric": ["old"]}).write_parquet(known_run.estimates_file, metadata={"ramify_schema": "1"})
    assert ramify("report", str(known_run.path)).returncode == 0
    assert "mean@4" in known_run.report_file.read_text()


def test_report_of_several_runs(known_run: Run, tmp_path: Path) -> None:
    page = tmp_path / "both.html"
    done = ramify("report", str(known_run.path), str(known_run.path), "--output", str(page))
    assert done.returncode == 0, done.stderr
    assert "Side by side" in page.read_text()


def test_compare_two_checkpoints(known_run: Run) -> None:
    """By hand: nobody solves anything at step 0, and half of the samples at step 4."""
    done = ramify("compare", f"{known_run.path}@0", f"{known_run.path}@4", "--by", "n", "--json")
    rows = {(row["set"], row["metric"]): row for row in json.loads(done.stdout)}
    assert rows["test", "mean@4"]["value"] == 0.5
    assert rows["test", "mean@4"]["low"] > 0
    assert rows["test", "mean@4"]["p"] < 0.001
    assert rows["test", "greedy"]["value"] == 1
    assert "mean@4" in ramify("compare", f"{known_run.path}@0", str(known_run.path)).stdout


@pytest.mark.parametrize(
    ("second", "by", "words"),
    [
        ("{run}@3", "n", "the checkpoints are 0, 4"),
        ("{run}x", "n", "not a run"),
        ("{run}", "nn", "cannot be grouped by nn"),
    ],
)
def test_comparisons_that_cannot_be(known_run: Run, second: str, by: str, words: str) -> None:
    done = ramify("compare", str(known_run.path), second.format(run=known_run.path), "--by", by)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.mark.slow
def test_score_by_another_grouping(known_run: Run) -> None:
    assert ramify("score", str(known_run.path), "--by", "n,split,forced").returncode == 0
    assert "n,split,forced" in known_run.estimates()["by"].to_list()
    done = ramify("score", str(known_run.path), "--by", "colour")
    assert done.returncode == 2
    assert "cannot be grouped by colour" in done.stderr


def test_import_is_a_diagnosis_in_one_command(tmp_path: Path) -> None:
    golden = Path(__file__).parent / "golden" / "foreign" / "verl"
    done = ramify("import", str(golden), "--root", str(tmp_path), "--name", "theirs")
    assert done.returncode == 0, done.stderr
    assert "16 completions of 4 puzzles from 5 files (verl) at steps 0, 50" in done.stdout
    assert "What training taught: theirs" in done.stdout
    assert str(tmp_path / "theirs" / "report.html") in done.stdout.replace("\n", "")


@pytest.mark.slow
def test_a_sweep_in_one_command(tmp_path: Path) -> None:
    for step in (5, 10):
        shutil.copytree(model_path("bundled"), tmp_path / "mine" / "checkpoints" / f"checkpoint-{step}")
    few = ["task.test={3=4}", "task.length={}", "task.skills={}", "task.prompt=slots", "sample.max_new_tokens=48"]
    where = ["--checkpoints", str(tmp_path / "mine" / "checkpoints"), "--root", str(tmp_path / "runs")]
    done = ramify("sample", *few, "sample.samples=2", *where)
    assert done.returncode == 0, done.stderr
    assert Run(tmp_path / "runs" / "mine").sampled(1) == [("test", 5), ("test", 10)]


@pytest.mark.slow
def test_a_folder_among_the_runs_is_not_the_run_that_it_is_made_into(tmp_path: Path) -> None:
    golden = Path(__file__).parent / "golden" / "foreign" / "verl"
    shutil.copytree(golden, tmp_path / "runs" / "mine-verl")
    done = ramify("import", "runs/mine-verl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Run(tmp_path / "runs" / "mine-verl-import").sampled(1) == [("test", 0), ("test", 50)]
    done = ramify("sample", "runs/mine-verl-import", cwd=tmp_path)
    assert "an imported run has no model; use ramify sample --checkpoints DIR" in done.stderr


def test_a_run_keeps_its_settings(known_run: Run) -> None:
    done = ramify("sample", str(known_run.path), "sample.samples=9")
    assert done.returncode == 2
    assert "sample.samples=9: the settings of a run cannot be changed" in done.stderr


def test_export_says_what_to_do_next(known_run: Run, tmp_path: Path) -> None:
    done = ramify("export", "dataset", str(known_run.path))
    assert done.returncode == 0, done.stderr
    assert f"dataset: {known_run.path}-dataset" in done.stdout.replace("\n", "")
    refused = ramify("export", "verl", str(known_run.path), "--push", "me/mine")
    assert "only a dataset or a model can be uploaded, not verl" in refused.stderr


def test_scoring_on_ray_names_what_is_missing(known_run: Run) -> None:
    shutil.rmtree(known_run.path / "seed-1" / "grades")
    with pytest.raises(MissingExtraError, match=r"\[ray\]"):
        score(known_run, lambda stage, done, total: None, ray="local")


def test_answers_in_other_tags_are_told(tmp_path: Path) -> None:
    row = {"numbers": [3, 7, 8], "target": 29, "completion": "[[3*7+8]]", "step": 0}
    (tmp_path / "mine.jsonl").write_text(json.dumps(row) + "\n")
    done = ramify("import", "mine.jsonl", cwd=tmp_path)
    assert "warning: 100% of the completions have no answer in <answer> </answer>" in done.stderr
    done = ramify("import", "mine.jsonl", "--answer-tags", "[[", "]]", "--name", "own", cwd=tmp_path)
    assert "warning" not in done.stderr
    assert "100.0%" in done.stdout


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = ramify("generate", "quickstart", "--root", str(tmp_path / "file"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
