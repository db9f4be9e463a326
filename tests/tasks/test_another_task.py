"""A task of another package, as docs/adding-a-task.md has it: from puzzles to the report."""

from pathlib import Path

import pytest

from installed import blocks, install, python

PAGE = "adding-a-task.md"
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


def test_from_puzzles_to_report(tmp_path: Path) -> None:
    package = install(PAGE, tmp_path)
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
    assert len(blocks(PAGE, "python")[0].splitlines()) < 150


@pytest.mark.parametrize(
    ("module", "reason"),
    [("raise OSError('no')", "OSError: no"), ("NestedTask = int", "is not a ramify.tasks.base")],
)
def test_a_task_that_cannot_be_loaded_is_named(tmp_path: Path, module: str, reason: str) -> None:
    package = install(PAGE, tmp_path, module)
    found = python(package, "-m", "ramify", "run", "quickstart", "--dry-run", "task.kind=nested")
    assert found.returncode == 2
    assert "task.kind = nested" in found.stderr
    assert reason in found.stderr
    assert "Traceback" not in found.stderr
    assert python(package, "-c", "import ramify").returncode == 0
