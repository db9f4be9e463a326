"""What people compute with: samples, attempts and cells."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ramify import CountdownConfig, Pattern, Run, RunError, structure
from ramify.analysis.cells import set_cells
from ramify.frames import CELLS, SAMPLES, cells, shaped
from ramify.schemas import ATTEMPTS
from ramify.tasks.functions.task import FunctionsConfig

STRUCTURE = {"subtractions", "divisions", "inverses", "function_class", "known", "fractional", "largest"}
STRUCTURE |= {*CountdownConfig.puzzle_schema()}
KEYS = ["seed", "set", "step", "puzzle_id"]


def test_a_row_is_a_sample(known_run: Run) -> None:
    found = known_run.completions().collect()
    assert set(found.columns) == {*KEYS, "sample", *SAMPLES, *STRUCTURE, "text"}
    assert found.columns[-1] == "text"  # the widest
    asked = sum(len(known_run.puzzles(name)) for name in known_run.sampled_sets())
    assert len(found) == asked * 2 * 5  # two checkpoints; four samples and a greedy one
    assert found.select(*KEYS, "sample").is_unique().all()
    assert found.filter("greedy")["sample"].unique().to_list() == [-1]
    assert found.filter(~pl.col("greedy"))["sample"].min() == 0
    last = found.filter(pl.col("step") == 4)
    assert last.filter("correct")["sample"].unique().sort().to_list() == [-1, 0, 2]
    # The run answers with the first pattern that solves the puzzle, and steps are right where it is.
    used = last.filter("correct").select(pl.col("answer_pattern") == pl.col("solving").list.first(), "sound", "hit")
    assert used.to_series(0).all()
    assert used["sound"].all()
    assert used["hit"].all()
    # The others multiply all numbers, state 0, and answer 1+1, which is no expression of the numbers.
    wrong = found.filter(~pl.col("correct"))
    assert wrong["answer"].null_count() == len(wrong)
    assert wrong["verdict"].unique().to_list() == ["wrong numbers"]
    assert (wrong["tried"] == wrong["solving"].list.contains(pl.lit("A*B*C"))).filter(wrong["n"] == 3).all()
    assert "<script>" in wrong["text"][0]


def test_cells_are_the_sums_of_samples(known_run: Run) -> None:
    found = known_run.cells()
    assert set(found.columns) == {*KEYS, *CELLS, *STRUCTURE}
    drawn = known_run.completions().filter(~pl.col("greedy")).collect()
    sums = drawn.group_by(KEYS).agg(k_=pl.len(), correct_=pl.col("correct").sum(), tried_=pl.col("tried").sum())
    both = found.join(sums, on=KEYS, how="full", coalesce=True)
    for column in ("k", "correct", "tried"):
        assert both[column].eq_missing(both[f"{column}_"]).all(), column
    last = found.filter(pl.col("step") == 4)
    # Two samples of four are right, and the same; so are the two that are wrong.
    assert last.select("majority", "votes", "same_answers", "same_texts", "distinct").unique().rows() == [
        (1, 2, 1, 2, 1)
    ]
    assert found.filter(pl.col("step") == 0)["same_texts"].unique().to_list() == [6]
    of_test = set_cells(known_run, "test").frame
    assert of_test["correct"].to_list() == found.filter(pl.col("set") == "test")["correct"].to_list()


def test_estimates_are_means_over_cells(known_run: Run) -> None:
    """Anybody can compute them anew."""
    of_three = known_run.cells().filter(pl.col("set") == "test", pl.col("step") == 4)
    wanted = known_run.estimates().filter(metric="mean@4", set="test", step=4, by="all", seed=1)["value"].item()
    assert (of_three["correct"] / of_three["k"]).mean() == wanted


def test_the_factors_multiply_to_success(known_run: Run) -> None:
    """Attempted, hit given attempted, correct given hit: of each pattern, from the cells, at the last checkpoint."""
    estimates = known_run.estimates().filter(set="test", step=4, by="pattern", seed=1)
    of_pattern = known_run.cells().filter(pl.col("set") == "test", pl.col("step") == 4).partition_by("pattern")
    for mine in of_pattern:
        names = ("mean@4", "attempted", "hit given attempted", "correct given hit")
        here = estimates.filter(group=mine["pattern"][0])
        success, *factors = (here.filter(metric=name)["value"].item() for name in names)
        assert success == pytest.approx(factors[0] * factors[1] * factors[2])
        assert factors[0] == pytest.approx(mine["tried"].sum() / mine["k"].sum())


def test_votes_by_hand() -> None:
    """3 + 7 * 8 thrice in other words beats 2 of 3 * 7 + 8; of two answers with a vote each one is right."""
    table = {
        "puzzle_id": ["a"] * 6 + ["b"] * 3,
        "answer": ["3*7+8", "8+7*3", "3+7*8", "7*8+3", "(8*7)+3", None, "1+2", "2-1", None],
        "correct": [True, True, False, False, False, False, True, False, False],
        "answer_pattern": ["A*B+C"] * 5 + [None, "A+B", "A-B", None],
        "text_hash": [1, 1, 2, 2, 2, None, 4, 5, 6],
    }
    found = pl.DataFrame(table).with_columns(
        greedy=False,
        verdict=pl.lit("x"),
        substituted=pl.lit(None, pl.Boolean),
        **{name: pl.lit(0) for name in ("attempts", "patternless", "stated", "right", "tried", "hit", "sound")},
    )
    wanted = ["votes", "majority", "same_answers", "distinct", "same_texts", "greedy"]
    assert cells(CountdownConfig(), found).sort("puzzle_id").select(wanted).rows() == [
        (5, 0.0, 1 + 3, 1, 1 + 3, None),
        (2, 0.5, 0, 1, 0, None),
    ]


def test_attempts(known_run: Run) -> None:
    found = known_run.attempts().collect()
    assert found.columns == ["seed", "set", "step", *ATTEMPTS, "n", "shape_class", "split", "depth", "lookahead"]
    assert found.equals(found.sort(*KEYS, "sample", "start", maintain_order=True))
    for pattern, *shape in found.select("pattern", "n", "shape_class", "split", "depth", "lookahead").unique().rows():
        known = structure(Pattern.parse(pattern))
        assert shape == [Pattern.parse(pattern).size, known.shape_class, known.split, known.depth, known.lookahead]
    last = found.filter(pl.col("step") == 4, pl.col("is_answer"), pl.col("sample") >= 0)
    assert last["hits_target"].all()
    assert len(last) == known_run.cells().filter(pl.col("step") == 4)["correct"].sum()


def test_an_attempt_without_a_pattern_has_no_structure() -> None:
    table = pl.LazyFrame({"pattern": [None, "A-B*C"]}, schema={"pattern": pl.String})
    assert shaped(CountdownConfig(), table).collect().rows() == [
        (None, None, None, None, None, None),
        ("A-B*C", 3, "right-heavy", "[1]-[2]", 2, 3),
    ]
    assert shaped(CountdownConfig(), table.head(1)).collect().rows() == [(None,) * 6]
    of_calls = shaped(FunctionsConfig(), pl.LazyFrame({"pattern": ["zip(rev(A),B)"]})).collect()
    assert of_calls.select("n", "shape_class", "depth").rows() == [(2, "none", 2)]


def test_texts_are_read_only_where_they_are_selected(known_run: Run) -> None:
    """Without the column of texts, which is gone here, the others can be computed."""
    frame = known_run.completions()
    assert isinstance(frame, pl.LazyFrame)
    for file in known_run.path.glob("seed-*/completions/*/*.parquet"):
        pl.read_parquet(file).drop("text").write_parquet(file)
    assert frame.select(pl.len(), pl.col("correct").sum()).collect().row(0)[0] > 0
    with pytest.raises(pl.exceptions.PolarsError):
        frame.collect()


def test_the_examples_of_the_page_run(
    known_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/diagnose.md, from polars to pandas and the file that R reads."""
    pytest.importorskip("pandas")
    (known_run.path.parent / "runs").mkdir()
    known_run.path.rename(known_run.path.parent / "runs" / "mine")
    monkeypatch.chdir(known_run.path.parent)
    page = (Path(__file__).parents[1] / "docs" / "diagnose.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page.partition("## Compute your own")[2], re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    printed = capsys.readouterr().out
    assert "answer_pattern" in printed  # from polars
    assert re.search(r"4 +left-heavy +0\.5", printed)  # from pandas
    assert pl.read_csv("cells.csv").height == names["cells"].shape[0] == len(Run("runs/mine").cells())


def test_what_is_not_graded_is_said(known_run: Run) -> None:
    for file in known_run.path.glob("seed-*/grades/*/*.parquet"):
        file.unlink()
    for read in (known_run.completions, known_run.attempts, known_run.cells):
        with pytest.raises(RunError, match="ramify score"):
            read()


def test_a_run_offers_what_is_in_it(known_run: Run) -> None:
    """What Python completes after `run.`."""
    offered = {name for name in dir(known_run) if not name.startswith("_")}
    assert {"completions", "attempts", "cells", "estimates", "puzzles", "certificate", "config"} <= offered
    assert all(hasattr(known_run, name) for name in offered)
    assert not [name for name in dir(Run) if name.startswith("drop")]
