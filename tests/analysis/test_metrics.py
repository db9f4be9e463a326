"""Metrics of a run whose truth is known, and of cells worked by hand."""

import polars as pl
import pytest

from ramify import Run
from ramify.analysis import metrics
from ramify.experiment import score
from ramify.tables import read_table, write_table


def value(run: Run, **wanted: object) -> dict:
    frame = run.estimates()
    for column, what in wanted.items():
        frame = frame.filter(pl.col(column).is_null() if what is None else pl.col(column) == what)
    return frame.row(0, named=True)


def test_by_hand() -> None:
    cells = pl.DataFrame(
        {
            "k": [4, 4, 4],
            "correct": [0, 1, 3],
            "greedy": [0, 1, None],
            "attempts": [4, 8, 6],
            "stated": [4, 6, 0],
            "right": [2, 6, 0],
            "truncated": [1, 0, 0],
        }
    )
    expected = {
        "mean@4": 1 / 3,
        "pass@4": 2 / 3,
        "greedy": 1 / 2,
        "execution": 0.8,
        "attempts": 1.5,
        "truncated": 1 / 12,
    }
    counts = {"mean@4": 3, "pass@4": 3, "greedy": 2, "execution": 2, "attempts": 3, "truncated": 3}
    for registered in metrics.METRICS:
        name = registered.name.format(k=4)
        estimate = registered.function(cells, name)
        assert estimate.value == pytest.approx(expected[name]), name
        assert estimate.n == counts[name], name


def test_the_known_run(known_run: Run) -> None:
    for name, n in (("test", "3"), ("length", "4"), ("held_out", "3")):
        where = {"set": name, "by": "n", "group": n, "seed": 1}
        assert value(known_run, metric="mean@4", step=0, **where)["value"] == 0
        assert value(known_run, metric="mean@4", step=4, **where)["value"] == 0.5
        assert value(known_run, metric="pass@4", step=4, **where)["value"] == 1
        assert value(known_run, metric="greedy", step=4, **where)["value"] == 1
        assert value(known_run, metric="attempts", step=4, **where)["value"] == 1
        # Half of the sampled attempts at step 4 state "= 0" of a product, which is wrong.
        assert value(known_run, metric="execution", step=4, **where)["value"] == 0.5
        assert value(known_run, metric="execution", step=0, **where)["value"] == 0


def test_pooled_rows_count_seeds(known_run: Run) -> None:
    pooled = value(known_run, metric="mean@4", step=4, set="test", by="n", group="3", seed=None)
    assert (pooled["value"], pooled["low"], pooled["n"]) == (0.5, None, 1)


def test_pooling() -> None:
    """By hand: t for seeds that differ, cut at 0; the puzzles' interval for seeds that agree."""
    differ = pl.DataFrame({"value": [0.0, 0.1, 0.2], "low": [0.0] * 3, "high": [0.3] * 3})
    found = metrics._pooled(differ, bounded=True)
    assert (found.value, found.low) == (pytest.approx(0.1), 0.0)
    assert found.high == pytest.approx(0.1 + 4.3027 * 0.1 / 3**0.5, abs=1e-4)
    agree = pl.DataFrame({"value": [0.2, 0.2, 0.2], "low": [0.1] * 3, "high": [0.3] * 3})
    found = metrics._pooled(agree, bounded=True)
    assert (found.low, found.high, found.n) == (0.1, 0.3, 3)


def test_missing_is_missing(known_run: Run) -> None:
    """Without attempts there is no execution, not an execution of zero."""
    frame = read_table(known_run.derived_file("attempts", 1, "test", 4)).clear()
    write_table(frame, known_run.derived_file("attempts", 1, "test", 4))
    row = (
        metrics.estimate(known_run)
        .filter((pl.col("metric") == "execution") & (pl.col("set") == "test") & (pl.col("step") == 4))
        .filter((pl.col("by") == "all") & (pl.col("seed") == 1))
        .row(0, named=True)
    )
    assert (row["value"], row["n"]) == (None, 0)


def test_derived_tables_are_rebuilt_the_same(known_run: Run) -> None:
    before = known_run.estimates_file.read_bytes()
    for file in known_run.path.glob("seed-*/grades/*/*.parquet"):
        file.unlink()
    score(known_run, lambda *_: None)
    assert known_run.estimates_file.read_bytes() == before


def test_estimates_do_not_outlive_what_they_rest_on(known_run: Run) -> None:
    """Cut off after new grades are written, before new estimates are: the old estimates are gone."""
    known_run.derived_file("grades", 1, "test", 4).unlink()

    def cut(stage: str, done: int, total: int) -> None:
        if done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(known_run, cut)
    assert not known_run.estimates_file.exists()
