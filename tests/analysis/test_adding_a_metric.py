"""A metric from outside of the package, added as docs/adding-a-metric.md says, in a process of its own."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest

from ramify import Run

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-metric.md").read_text()
METHOD = re.findall(r"```(python|toml)\n(.*?)```", PAGE, re.DOTALL)


def installed(folder: Path, module: str, entry: str = "answered = my_metrics:ANSWERED") -> Path:
    """A folder as an installer leaves it."""
    found = folder / "my_metrics-1.0.dist-info"
    found.mkdir(parents=True)
    (folder / "my_metrics.py").write_text(module)
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: my-metrics\nVersion: 1.0\n")
    (found / "entry_points.txt").write_text(f"[ramify.metrics]\n{entry}\n")
    return folder


def ramify(*arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    folders = [*([str(path)] if path else []), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    command = [sys.executable, "-m", "ramify", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def code(language: str) -> str:
    return next(text for kind, text in METHOD if kind == language)


@pytest.mark.slow
def test_the_page_adds_a_metric(known_run: Run, tmp_path: Path) -> None:
    project = tomllib.loads(code("toml"))["project"]
    ((name, value),) = project["entry-points"]["ramify.metrics"].items()
    folder = installed(tmp_path / "site", code("python"), f"{name} = {value}")
    before = known_run.estimates()
    for command in re.findall(r"^    ramify (\w+) runs/quickstart$", PAGE, re.MULTILINE):
        done = ramify(command, known_run.path, path=folder)
        assert done.returncode == 0, done.stderr
    after = known_run.estimates()
    is_new = pl.col("metric").is_in([name, f"{name} gain"])
    of_n = after.filter((pl.col("metric") == name) & (pl.col("set") == "test") & (pl.col("by") == "n")).sort("step")
    assert of_n.select("step", "value").rows() == [(0, 0.0), (4, 0.5)]  # half of the answers are right, the others no
    assert of_n["low"].min() >= 0  # type: ignore[operator]
    gain = after.filter((pl.col("metric") == f"{name} gain") & (pl.col("set") == "test") & (pl.col("by") == "n"))
    assert gain["value"].to_list() == [0.5]
    assert (
        after.filter(is_new)["by"].unique().sort().to_list()
        == before.filter(pl.col("metric").is_in(["greedy", "greedy gain"]))["by"].unique().sort().to_list()
    )
    assert after.filter(~is_new).equals(before)
    page = known_run.report_file.read_text()
    assert "Answered: completions whose answer is an expression of the numbers" in page
    assert f"<td>{name}</td>" in page
    # Where the package is not installed, the rows are read all the same.
    done = ramify("report", known_run.path)
    assert done.returncode == 0, done.stderr
    assert f"<td>{name}</td>" not in known_run.report_file.read_text()


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import nowhere", "No module named 'nowhere'"),
        ("", "has no attribute 'ANSWERED'"),
        ("ANSWERED = 3", "it is a int, not a ramify.Metric"),
        (code("python").replace('"votes"', '"voters"'), 'unable to find column "voters"'),
        (code("python").replace('"share"', '"shares"'), "kind of the metric 'answered' is 'shares', not one of trials"),
        (code("python").replace('"answered"', '"pass@8"'), "the name pass@8 is taken by another metric"),
        (code("python").replace("compute=answered,", ""), "answered is not a ratio of the sums of cells"),
        (code("python").replace('("coarse",)', '"coarse"'), "gain of the metric 'answered' is 'coarse', not a tuple"),
    ],
)
def test_a_broken_entry_point_is_one_sentence(module: str, said: str, known_run: Run, tmp_path: Path) -> None:
    done = ramify("score", known_run.path, path=installed(tmp_path / "site", module))
    assert done.returncode == 2, done.stderr
    told = " ".join(done.stderr.split())
    assert "the entry point answered = my_metrics:ANSWERED of my-metrics is not a metric for ramify.metrics: " in told
    assert said in told
    assert "Traceback" not in done.stderr
