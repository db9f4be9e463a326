"""The drawings: one value axis for panels side by side, no label cut, nothing drawn that few puzzles cannot tell."""

import re

import numpy as np
import polars as pl
import pytest

from ramify import Run
from ramify.analysis.rows import rows
from ramify.report import sections
from ramify.report.figures import Mark, Point
from ramify.report.lines import Line, Panel, panels
from ramify.report.page import view_of
from ramify.report.rows import interval_plot, stacked_bars
from ramify.report.view import View


def view(values: dict[str, tuple[float, float]], by: str = "n") -> View:
    """mean@4 of groups at two steps, each with its interval."""
    found = [
        rows("mean@4", "test", 1, by, [0, 4], [group], [np.full((2, 1), x) for x in (low, low, high)], n=2)
        for group, (low, high) in values.items()
    ]
    return View("v", pl.concat(found))


def of(one: View, *groups: str) -> list[Panel]:
    return [
        Panel(f"p{group}", f"n = {group}", [Line(one, "mean@4", "test", "n", group, "mean@4", "first")])
        for group in groups
    ]


def ticks_of(svg: str) -> list[str]:
    return re.findall(r'text-anchor="end">([^<]*%)<', svg)


def test_panels_side_by_side_have_one_axis() -> None:
    low, high = panels(of(view({"3": (0.1, 0.15), "4": (0.6, 0.8)}), "3", "4"))
    assert ticks_of(low.svg) == ticks_of(high.svg)
    assert ticks_of(low.svg)[-1] == "80%"


def test_the_panels_of_a_report_have_one_axis(known_run: Run) -> None:
    found = [figure for figure in sections.success(view_of(known_run)) if not figure.wide]
    assert len(found) >= 3
    assert len({tuple(ticks_of(figure.svg)) for figure in found}) == 1


def test_a_band_as_wide_as_the_scale_is_too_few_puzzles() -> None:
    one = view({"3": (0.1, 0.2), "4": (0.0, 0.66)})
    (drawn,) = panels(of(one, "3", "4"))
    assert drawn.heading == "n = 3"
    assert drawn.note == "Too few puzzles to say: n = 4 (2)."
    lines = [line for panel in of(one, "3", "4") for line in panel.lines]
    (drawn,) = panels([Panel("both", "both", lines)])
    assert drawn.svg.count("<polygon") == len(drawn.legend) == 1
    assert drawn.note == "Too few puzzles to say: mean@4 (2)."
    assert set(drawn.data["group"]) == {"3", "4"}  # the table has both
    assert panels(of(one, "4")) == []


def test_a_band_that_fills_the_plot_is_too_few_puzzles() -> None:
    """0 to 40% says something beside values of 60%, and nothing where all values are below 5%."""
    for group, low, high in (("3", 0.02, 0.04), ("5", 0.6, 0.7)):
        found = panels(of(view({group: (low, high), "4": (0.0, 0.4)}), group, "4"))
        assert [figure.heading for figure in found] == (["n = 3"] if group == "3" else ["n = 5", "n = 4"])


def test_a_narrow_band_is_drawn_though_all_values_are_small() -> None:
    (figure,) = panels(of(view({"3": (0.0, 0.04)}), "3"))
    assert figure.svg.count("<polygon") == 1


def test_rows_without_a_step_are_named_and_not_drawn() -> None:
    shapes = {"3,left-heavy": 4.0, "4,left-heavy": np.nan, "3,right-heavy": np.nan, "4,balanced": np.nan}
    table = [rows("mean@4", "test", 1, "n", [0, 8], ["3"], [np.zeros((2, 1))])]
    for group, step in shapes.items():
        status = np.array([["acquired" if step == step else "not acquired"]], object)
        found = [np.array([[value]]) for value in (step, step - 2, step + 2)]
        table.append(rows("acquisition", "test", 1, "n,shape_class", [8], [group], found, status=status))
    (figure,) = sections.learned_by_shape(View("v", pl.concat(table)))
    assert figure.svg.count("<circle") == 1
    assert figure.legend == [("left-heavy", "left")]
    assert figure.note == "Not acquired: n = 3 right-heavy; n = 4 balanced; n = 4 left-heavy."


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize(
    "label", ["A*B", "right-heavy, trained n, uniquely solvable puzzles: 49 puzzles of 37 patterns"]
)
def test_no_label_is_cut(label: str, narrow: bool) -> None:
    """Every text starts and ends inside the drawing, at 7 units a character; the words are all there."""
    svg = interval_plot([Mark(label, "left", [Point(0, 1.0, -0.9, 1.0)])], "x", "axis", width=340 if narrow else 560)
    width = float(re.search(r'viewBox="0 0 ([0-9.]+)', svg)[1])
    assert width <= (340 if narrow else 600)
    for x, anchor, content in re.findall(r'<text [^>]*x="([^"]*)"[^>]*text-anchor="(\w+)">([^<]*)<', svg):
        before = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * 7 * len(content)
        assert float(x) - before >= 0, content
        assert float(x) - before + 7 * len(content) <= width, content
    names = re.findall(r'class="name"[^>]*>([^<]*)<', svg)
    assert " ".join(names) == label


def test_shares_are_drawn_inside_their_figure() -> None:
    svg = stacked_bars([("n = 3, puzzles", [("base only", "fourth", 1.0)])], "x")
    assert 'x="440.0" y="50" text-anchor="middle">100%' in svg  # half of it is 14 units wide, of 20
