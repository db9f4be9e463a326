"""A task of another package, as docs/adding-a-task.md has it: from puzzles to the report."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/adding-a-task.md"
RUN = """
from pathlib import Path
import polars as pl
from ramify.experiment import open_run
from ramify.settings import ExperimentConfig
from ramify.report.page import write_report
from ramify.sampling.oracle import play, succeeding
from ramify.stages.generate import generate
from ramify.stages.score import score

settings = ["name=nested", "model=none", "train.kind=none", "task.kind=nested", "task.test={2=8, 3=40, 4=80}"]
config = ExperimentConfig.load(None, settings)
run, quiet = open_run(config, Path.cwd()), lambda *_: None
generate(config, run, quiet)
chance = lambda puzzle, step, seed: (0.2 if puzzle.size > 3 else 0.4) + step / 20
play(succeeding(run.task, chance), run, [0, 5, 10], [1], 8)
score(run, quiet)
write_report(run)
rows = run.estimates().filter((pl.col("metric") == "mean@8") & (pl.col("by") == "n,shape_class"))
print(sorted(rows["group"].unique()))
print(run.estimates().filter((pl.col("metric") == "mean@8 gain") & (pl.col("by") == "all"))["value"][-1])
print(run.estimates().filter(pl.col("metric") == "right-heavy gap").height > 0)
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the module of the page and its entry point, as pip would lay it out."""
    (tmp_path / "nested.py").write_text(blocks("python")[0])
    info = tmp_path / "nested-1.0.dist-info"
    info.mkdir()
    point = re.search(r'^nested = "(.*)"$', blocks("toml")[0], re.M)
    assert point is not None
    (info / "entry_points.txt").write_text(f"[ramify.tasks]\nnested = {point.group(1)}\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nested\nVersion: 1.0\n")
    return tmp_path


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )


def test_from_puzzles_to_report(package: Path) -> None:
    found = python(package, "-c", RUN)
    assert found.returncode == 0, found.stderr
    groups, gain, compared = found.stdout.splitlines()
    assert groups == str(["2,none", "3,left-heavy", "3,right-heavy", "4,balanced", "4,left-heavy", "4,right-heavy"])
    assert 0.3 < float(gain) < 0.7  # 0.5 is planted
    assert compared == "True"
    page = (package / "nested" / "report.html").read_text()
    assert "Nested max and min" in page
    assert "Countdown" not in page
    assert "max(A,min(B,C))" in page


def test_the_page_is_short() -> None:
    assert len(blocks("python")[0].splitlines()) < 180


@pytest.mark.parametrize(
    ("module", "reason"), [("raise OSError('no')", "OSError: no"), ("NestedTask = int", "not a subclass of")]
)
def test_a_task_that_cannot_be_loaded_is_named(package: Path, module: str, reason: str) -> None:
    (package / "nested.py").write_text(module)
    found = python(package, "-m", "ramify", "run", "quickstart", "--dry-run", "task.kind=nested")
    assert found.returncode == 2
    assert "task.kind = nested" in found.stderr
    assert reason in found.stderr
    assert "Traceback" not in found.stderr
    assert python(package, "-c", "import ramify").returncode == 0
