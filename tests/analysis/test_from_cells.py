"""Estimates from a table of cells are those of the run."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ramify import Run, RunError
from ramify.analysis.estimate import estimate_cells

COMMITTED = Path(__file__).parents[2] / "docs" / "results" / "estimates"
KEYS = ["metric", "set", "step", "seed", "by", "group"]
OF_ATTEMPTS = "^(coverage@|attempt rate|hit rate|choice|most used|pattern entropy|zero advantage)"


def without_attempts(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(~pl.col("metric").str.contains(OF_ATTEMPTS)).sort(KEYS)


def test_they_are_those_of_the_run(known_run: Run) -> None:
    found, whole = estimate_cells(known_run.cells(), known_run.task), known_run.estimates()
    assert len(found) > 500
    assert_frame_equal(without_attempts(found), without_attempts(whole))
    assert without_attempts(found).height == found.height


def test_seeds_of_several_runs_are_joined(known_run: Run) -> None:
    cells = known_run.cells().filter(set="test")
    other = cells.with_columns(pl.lit(2, pl.Int32).alias("seed"))
    found = estimate_cells(pl.concat([cells, other]))
    assert sorted(found["seed"].drop_nulls().unique()) == [1, 2]
    both = found.filter(pl.col("seed").is_null(), metric="mean@4", by="all", set="test", step=4)
    assert both["value"].to_list() == [0.5]


def test_a_base_that_one_seed_has_is_shared(known_run: Run) -> None:
    cells = known_run.cells().filter(set="test")
    other = cells.filter(pl.col("step") > 0).with_columns(pl.lit(2, pl.Int32).alias("seed"))
    found = estimate_cells(pl.concat([cells, other]))
    gains = found.filter(metric="mean@4 gain", by="all", set="test", step=4).sort("seed", nulls_last=True)
    assert gains.select("seed", "value").rows() == [(1, 0.5), (2, 0.5), (None, 0.5)]


def test_what_is_not_a_table_of_cells(known_run: Run) -> None:
    cells = known_run.cells()
    with pytest.raises(RunError, match="no column hit"):
        estimate_cells(cells.drop("hit"))
    with pytest.raises(RunError, match=r"given twice: \{'seed': 1"):
        estimate_cells(pl.concat([cells, cells.head(1)]))
    with pytest.raises(RunError, match="no cells"):
        estimate_cells(cells.clear())


@pytest.mark.slow
def test_the_committed_cells_give_the_committed_estimates() -> None:
    kept = pl.read_parquet(COMMITTED / "study-200.parquet")
    found = estimate_cells(pl.read_parquet(COMMITTED / "study-200-cells.parquet"))
    found = found.filter(pl.col("by").is_in(kept["by"].unique().to_list()))
    assert_frame_equal(found.sort(KEYS), kept.sort(KEYS), rel_tol=1e-6, abs_tol=1e-9)
