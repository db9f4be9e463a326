"""What the terminal is shown: nothing of the data steers it, progress goes to stderr, and Ctrl-C says what is kept."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from ramify import ExperimentConfig, Run
from ramify.adapters.export import export
from ramify.pipeline import run_all
from ramify.tasks.countdown.sets import make_puzzles
from ramify.tasks.countdown.task import CountdownConfig

ESCAPE = "\x1b]0;owned\x07\x1b[31mred\u202e"
FEW = ["task.train={3=60}", "task.test={3=4}", "task.length={}", "task.held_out={}", "task.skills={}"]


def ramify(*arguments: str, cwd: Path, **settings: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "ramify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, **settings)  # type: ignore[call-overload]


def is_calm(*texts: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for text in texts for letter in text)


def test_names_of_files_and_what_they_hold_are_shown_as_escapes(tmp_path: Path) -> None:
    folder = tmp_path / f"train{ESCAPE}[bold]"
    folder.mkdir()
    row = {"numbers": [3, 7, 8], "target": 29, "completion": f"<answer>3**7{ESCAPE}</answer>"}
    (folder / "a.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({"numbers": ESCAPE, "target": 1}) + "\n")
    checked = ramify("verify-split", str(folder), str(tmp_path), cwd=tmp_path)
    graded = ramify("regrade", str(folder / "a.jsonl"), cwd=tmp_path)
    refused = ramify("regrade", str(folder / f"no{ESCAPE}.json"), cwd=tmp_path)
    for done in (checked, graded, refused):
        assert is_calm(done.stdout, done.stderr)
    assert "\\x1b]0;owned\\x07" in checked.stdout
    assert "[bold]" in checked.stdout.replace("\n", "")
    assert "\\x1b[31mred\\u202e" in refused.stderr
    assert (checked.returncode, graded.returncode, refused.returncode) == (0, 0, 2)


def test_a_terminal_that_does_not_know_a_letter(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = ramify("run", "./größe.toml", cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert "gr\\xf6\\xdfe.toml" in done.stderr


@pytest.mark.parametrize("verb", ["regrade", "verify-split", "import"])
def test_what_has_the_name_of_a_data_file_and_is_none(verb: str, tmp_path: Path) -> None:
    """A FIFO would be read for ever."""
    os.mkfifo(tmp_path / "fifo.jsonl")
    done = ramify(verb, str(tmp_path / "fifo.jsonl"), cwd=tmp_path)
    assert done.returncode == 2
    assert "fifo.jsonl: a FIFO, not a file" in done.stderr
    if verb == "regrade":
        (tmp_path / "a.json").mkdir()
        assert "a.json: a folder, not a file" in ramify(verb, "a.json", cwd=tmp_path).stderr
    else:
        row = {"numbers": [3, 7, 8], "target": 29, "completion": "<answer>3*7+8</answer>", "step": 3}
        (tmp_path / "good.jsonl").write_text(json.dumps(row) + "\n")
        done = ramify(verb, ".", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "skipped fifo.jsonl: a FIFO" in done.stderr


def test_numbers_that_no_integer_is(tmp_path: Path) -> None:
    bad = ["1e400", "NaN", "-Infinity", "9" * 5000, "29.5"]
    rows = [f'{{"numbers": [3, 7, 8], "target": {each}, "completion": "x"}}' for each in [*bad, "29.0"]]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    done = ramify("regrade", "a.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "5 rows could not be read" in done.stdout
    assert "1 completions: 1 no answer" in done.stdout


def test_a_path_is_named_once(tmp_path: Path) -> None:
    for arguments in (["regrade", "nowhere.json"], ["run", "nowhere.toml"], ["verify-split", "nowhere"]):
        assert ramify(*arguments, cwd=tmp_path).stderr.count("nowhere") == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"train": {3: 5, 4: 300}, "test": {3: 2}},
        {"train": {3: 2}, "per_pattern": True, "test": {3: 0, 4: 1}},
        {"train": {}, "hold_out": ["A+B", "A-B", "A*B", "A/B"], "held_out": {3: 7}},
    ],
)
def test_the_bar_of_the_puzzles_ends(settings: dict) -> None:
    config = CountdownConfig.check({"test": {}, "length": {}, "held_out": {}, "skills": {}, "hold_out": [], **settings})
    told: list[tuple[int, int]] = []
    make_puzzles(config, lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == list(range(1, len(told) + 1))


@pytest.mark.slow
def test_every_stage_ends(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    last: dict[str, tuple[int, int]] = {}
    run_all(tiny_config, tmp_path, lambda stage, done, total: last.update({stage: (done, total)}))
    assert len(last) == 6
    assert all(done == total > 0 for done, total in last.values()), last


def test_progress_is_a_line_a_stage_on_stderr_and_in_the_log(tmp_path: Path) -> None:
    done = ramify("generate", "quickstart", *FEW, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "puzzles: runs/quickstart/puzzles",
        "certificate: runs/quickstart/certificate.json",
    ]
    (line,) = done.stderr.splitlines()
    assert line.startswith("patterns to draw from: ")
    drawn, total = line.removeprefix("patterns to draw from: ").split(" (")[0].split(" of ")
    assert drawn == total
    log = (tmp_path / "runs" / "quickstart" / "ramify.log").read_text()
    assert "generate quickstart" in log
    assert f"patterns to draw from: {total} of {total}" in log


@pytest.mark.slow
def test_quiet_and_verbose(tmp_path: Path) -> None:
    assert ramify("--quiet", "generate", "quickstart", *FEW, cwd=tmp_path).stderr == ""
    shown = ramify("--verbose", "generate", "quickstart", "name=other", *FEW, cwd=tmp_path).stderr
    assert "INFO patterns to draw from: begins" in shown
    refused = ramify("--quiet", "--verbose", "config", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (2, "error: --quiet --verbose: give one of the two\n")
    failed = ramify("--quiet", "generate", "quickstart", "train.steps=4", *FEW, cwd=tmp_path)
    assert failed.stderr.startswith("error: ")


@pytest.mark.slow
def test_bars_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ramify", "generate", "quickstart", *FEW]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert process.wait(timeout=60) == 0
    assert "━" in shown.decode(errors="replace")


def test_ctrl_c_says_what_is_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ramify", "generate", "quickstart", "task.train={5=100000}"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "runs" / "quickstart" / "ramify.log").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; runs/quickstart keeps its settings, and the same command resumes" in said
    assert "Traceback" not in said


def test_what_export_says_to_do_next_is_quoted(known_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "a folder; rm -rf $HOME"
    for kind in ("verl", "lm-eval", "inspect", "verifiers", "dataset"):
        words = shlex.split(export(kind, known_run, folder))
        assert any(str(folder) in word for word in words), words
        assert not {"rm", "-rf", "$HOME"} & set(words)
    assert pl.read_parquet(folder / "train.parquet").height
