"""From programs to the report, with a model whose truth is known."""

from pathlib import Path

import polars as pl
import pytest

from ramify import RunError
from ramify.adapters.export import export
from ramify.experiment import ExperimentConfig, open_run
from ramify.report.page import write_report
from ramify.sampling.oracle import play, succeeding
from ramify.stages.generate import generate
from ramify.stages.score import score
from ramify.tasks.functions.puzzle import ProgramPuzzle

SETTINGS = ["name=functions-tiny", "model=none", "train.kind=none", "task.kind=functions"]
SETTINGS += ["task.train={2=200}", "task.test={2=120}", "task.length={3=96}", "task.held_out={2=16}"]


def quiet(*_: object) -> None:
    """Reports nothing."""


def test_from_programs_to_the_report(tmp_path: Path) -> None:
    config = ExperimentConfig.load(None, SETTINGS)
    run = open_run(config, tmp_path)
    generate(config, run, quiet)
    assert run.certificate()["is_clean"]

    def chance(puzzle: ProgramPuzzle, step: int, seed: int) -> float:
        return {1: 0.9, 2: 0.1, 3: 0.0}[puzzle.size] + (step / 20 if puzzle.size > 1 else 0)

    play(succeeding(run.task, chance), run, [0, 10], [1], 8)
    score(run, quiet)
    rows = run.estimates()
    mean = rows.filter((pl.col("metric") == "mean@8") & (pl.col("by") == "n"))
    found = {(row["set"], row["step"]): row["value"] for row in mean.iter_rows(named=True)}
    assert abs(found["test", 0] - 0.1) < 0.05  # what is planted
    assert abs(found["test", 10] - 0.6) < 0.06
    assert abs(found["length", 10] - 0.5) < 0.07
    assert abs(found["skills", 0] - 0.9) < 0.06
    gaps = rows.filter((pl.col("metric") == "composition gap") & (pl.col("by") == "n") & (pl.col("step") == 0))
    of_two = gaps.filter(pl.col("group") == "2")["value"].to_list()
    assert of_two and max(of_two) < -0.4  # 0.1 where about 0.9 ** 2 is expected
    executed = rows.filter((pl.col("metric") == "execution") & (pl.col("by") == "n") & (pl.col("set") == "test"))
    first, last = executed.sort("step")["value"].to_list()
    assert abs(first - 0.1) < 0.05 < last  # a mistake of the oracle is one of execution
    assert not rows["metric"].str.contains("coverage").any()  # the pattern is given
    shapes = rows.filter(pl.col("by") == "n,shape_class")["group"].unique().to_list()
    assert {"3,left-heavy", "3,right-heavy", "3,balanced"} <= {*shapes}
    write_report(run)
    page = (run.path / "report.html").read_text()
    assert "Composed functions" in page
    assert "Countdown" not in page
    with pytest.raises(RunError, match="only puzzles of countdown are exported; this run has functions"):
        export("verl", run, tmp_path / "exported")
