"""Panels of lines over training, side by side on one value axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import polars as pl

from ramify.report.figures import Figure, Series, extent, interval, line_panel
from ramify.report.view import View, is_vague

LINE_STYLES = ("first", "second", "third", "fourth", "left", "right")
FILLS = 0.8
"""The share of the plot that a band fills where it says nothing, if it spans a quarter of the scale or more."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line to draw: a metric of a group of a view, with name and style class."""

    view: View
    metric: str
    name: str
    by: str
    group: str
    label: str
    style: str

    @property
    def series(self) -> Series:
        """The points of the line, and those of each seed."""
        place = (self.metric, self.name, self.by, self.group)
        return Series(self.label, self.style, self.view.points(*place), self.view.threads(*place))

    def is_vague(self, span: float) -> bool:
        """Whether its median interval is too wide to be drawn as a band.

        Args:
            span: of the values that are drawn with it; an interval that is nearly as wide would fill the plot.
        """
        widths = [p.high - p.low for p in self.series.points if p.low is not None and p.high is not None]
        if not widths:
            return False
        width = median(widths)
        return is_vague(self.metric, 0.0, width) or (width >= FILLS * span and is_vague(self.metric, 0.0, 2 * width))

    @property
    def puzzles(self) -> int:
        """The number of puzzles of its last point."""
        return int(self.view.rows(self.metric, self.name, self.by, self.group)[-1]["n"] or 0)

    @property
    def rows(self) -> pl.DataFrame:
        """The estimates of the line, single seeds included."""
        there = data_of(self.view, [self.metric], self.name, self.by)
        return there.filter(pl.col("group") == self.group).with_columns(run=pl.lit(self.view.name))


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: the name of its files, its heading and its lines."""

    name: str
    heading: str
    lines: Sequence[Line]


def data_of(view: View, metrics: Sequence[str], name: str | None, by: str | None = None) -> pl.DataFrame:
    """The rows behind a figure, including single seeds."""
    wanted = pl.col("metric").is_in(list(metrics))
    if name is not None:
        wanted &= pl.col("set") == name
    if by is not None:
        wanted &= pl.col("by") == by
    return view.estimates.filter(wanted)


def panels(found: Sequence[Panel], percent: bool = True, top: float | None = None) -> list[Figure]:
    """Panels on one value axis, those without a line left out.

    A line whose intervals are too wide (see `Line.is_vague`) is not drawn but named, with its number of puzzles, in the
    note of its panel; of a panel without other lines, in the note of the last panel.

    Args:
        top: the upper end of the axis; slightly above the largest value if None.
    """
    drawn, vague = [], []
    values = [point.value for panel in found for line in panel.lines for point in line.series.points]
    span = max([0.0, *values]) - min([0.0, *values])
    for panel in found:
        there = [line for line in panel.lines if line.series.points]
        clear = [line for line in there if not line.is_vague(span)]
        if clear:
            drawn.append((panel, clear, [line for line in there if line.is_vague(span)]))
        elif there:
            vague.append(f"{panel.heading} ({there[0].puzzles})")
    series = [[line.series for line in clear] for _, clear, _ in drawn]
    low, high = extent([one for of_panel in series for one in of_panel])
    figures = []
    for index, (panel, clear, others) in enumerate(drawn):
        ends = "; ".join(f"{one.name} {interval(one.points[-1], percent)}" for one in series[index])
        axis = (low, high if top is None else top)
        svg = line_panel(series[index], f"{panel.heading}: at the last step {ends}", axis, percent)
        left_out = [f"{line.label} ({line.puzzles})" for line in others]
        left_out += vague if index == len(drawn) - 1 else []
        note = f"Too few puzzles to say: {', '.join(left_out)}." if left_out else ""
        legend = [(one.name, one.style) for one in series[index]]
        data = pl.concat(line.rows for line in (*clear, *others))
        figures.append(Figure(panel.name, panel.heading, svg, data, legend, note=note))
    return figures
