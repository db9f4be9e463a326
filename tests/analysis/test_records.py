"""The records of metrics say of the table of estimates what it holds."""

from math import inf

import polars as pl
import pytest

from ramify import Metric, Run
from ramify.analysis.cells import set_cells
from ramify.analysis.metric_record import SHARE, UNBOUNDED
from ramify.analysis.metrics import BUILT_IN, METRICS, installed, lacking, measured, metric_of
from ramify.report.page import render, view_of
from ramify.report.terminal import story_text
from ramify.schemas import ESTIMATES
from ramify.tables import read_table, write_table


def test_every_row_is_as_its_record_says(known_run: Run) -> None:
    table = known_run.estimates()
    assert table["metric"].n_unique() > 40
    for name in table["metric"].unique():
        metric = metric_of(name)
        assert metric.is_named(name)
        assert any(metric in (one, one.of_gain) for one in BUILT_IN), name
        mine = table.filter(pl.col("metric") == name)
        assert {by for by in mine["by"].unique() if not metric.has(by)} == set(), name
        low, high = metric.bounds
        ends = pl.concat([mine[end] for end in ("low", "high", "retrained_low", "retrained_high")]).drop_nulls()
        assert ((ends >= low) & (ends <= high)).all(), name


def test_fine_groupings_have_the_metrics_that_ask_for_them(known_run: Run) -> None:
    table = known_run.estimates()
    for by in ("pattern", "function_class"):
        found = set(table.filter(pl.col("by") == by)["metric"])
        cells = {name for name in measured(4) if metric_of(name).has(by)}
        assert cells == {name for name in found if name in measured(4)}
        gains = {f"{name} gain" for name in measured(4) if metric_of(name).has_gain(by)}
        assert gains == {"mean@4 gain"} == {name for name in found if name.endswith(" gain")}


def test_no_two_metrics_have_one_name() -> None:
    names = [metric.named(4, j) for metric in BUILT_IN for j in ((2, 4) if "{j}" in metric.name else (4,))]
    assert len(names) == len(set(names))
    assert installed() == ()
    for name in names:
        assert metric_of(name).is_named(name)


def test_what_records_say_of_names() -> None:
    assert metric_of("CoT-pass@1").number("CoT-pass@1") is None  # a metric of its own
    assert metric_of("CoT-pass@2").number("CoT-pass@2") == 2
    assert metric_of("coverage@256").number("coverage@256") == 256
    assert metric_of("mean@4 gain").bounds == (-1.0, 1.0)
    assert metric_of("attempts gain").bounds == UNBOUNDED
    assert metric_of("gain fraction").pooling == "crossed only"
    assert [metric.name for metric in METRICS if metric.compute is None] == []
    with pytest.raises(ValueError, match="transfer is not a ratio"):
        metric_of("transfer").ratio(4)


@pytest.mark.parametrize("name", ["precision@8", "truncated gain", "mean@", "a{k}b{", "", "gain", "mean@٤", "mean@4\n"])
def test_a_name_of_another_version_is_a_share_without_bounds(name: str) -> None:
    metric = metric_of(name)
    assert (metric.name, metric.kind, metric.bounds, metric.shown) == (name, "share", UNBOUNDED, ())
    assert metric.in_percent


def test_a_table_with_names_of_another_version_is_reported(known_run: Run) -> None:
    before = render(known_run), story_text(view_of(known_run))
    table = read_table(known_run.estimates_file)
    other = table.filter(pl.col("metric") == "execution")
    names = ["precision@8", "{j}", "mean@4 loss"]
    others = [other.with_columns(metric=pl.lit(name), value=pl.col("value") * 1e9) for name in names]
    write_table(pl.concat([*others, table]), known_run.estimates_file, ESTIMATES)
    assert (render(known_run), story_text(view_of(known_run))) == before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "percent"}, "kind of the metric 'x' is 'percent', not one of trials, share"),
        ({"pooling": "mean"}, "pooling of the metric 'x' is 'mean'"),
        ({"shown": ("everywhere",)}, "shown of the metric 'x' is 'everywhere'"),
        ({"shown": "figure"}, "shown of the metric 'x' is 'figure', not a tuple"),
        ({"bounds": (1.0, 0.0)}, "bounds of the metric 'x' are 1.0 and 0.0, not in order"),
        ({"kind": "bits", "compute": lambda k: k}, "kind of the metric 'x' is 'bits', not one of trials, share, mean"),
    ],
)
def test_a_record_that_cannot_be(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Metric(**{"name": "x", "label": "X", "kind": "mean", "bounds": (0.0, inf), **fields})


def test_files_are_named_by_the_metric() -> None:
    assert Metric("../../x y@{k}", "", "share", SHARE).slug == "x-y"


def test_a_table_lacks_what_was_installed_since(monkeypatch: pytest.MonkeyPatch) -> None:
    new = Metric("tries@{k}", "Tries", "mean", (0.0, inf))
    monkeypatch.setattr("ramify.analysis.metrics.installed", lambda: (new,))
    assert lacking(["mean@4", "tries@4 gain"]) == ["tries@{k}"]
    assert lacking(["mean@4", "tries@4"]) == []


def test_places_of_cells_are_found_once(known_run: Run) -> None:
    cells = set_cells(known_run, "test")
    assert cells.seeds == [1]
    first, again = (cells.of_seed(1) for _ in range(2))
    assert first is again
    assert cells.steps(1) == [0, 4]
    assert (cells.of_seed(2).is_empty(), cells.of_seed(2).columns, cells.steps(2)) == (True, cells.frame.columns, [])
    (correct,) = cells.values(1, pl.col("correct"))
    assert correct.sum(1).tolist() == [0.0, 2.0 * len(cells.puzzles)]
