"""Figures as SVG: line panels over training, scatter plots, tracks; `rows` has those of rows on one axis.

Each kind is a function from plain data to SVG text; a `Figure` adds the metadata for the page and the export.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

import polars as pl

from ramify.report.svg import Scale, dot, drawing, line, linear, standalone, text, thinned, ticks
from ramify.summary import interval_text


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a step, with its intervals if it has them: for new puzzles, and for the same puzzles, retrained."""

    step: int
    value: float
    low: float | None = None
    high: float | None = None
    again_low: float | None = None
    again_high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A line: name, style class, points, and thin lines behind it (one per seed)."""

    name: str
    style: str
    points: Sequence[Point]
    threads: Sequence[Sequence[Point]] = field(default=())


@dataclass(frozen=True, slots=True)
class Mark:
    """A row of an interval plot: label, style class, and one or more points on the axis."""

    label: str
    style: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the report.

    Attributes:
        name: stem of its exported files.
        data: the estimates shown in it.
        legend: names and style classes.
        wide: whether it takes a row of its own.
        note: what is not drawn, and why.
        narrow: the same drawing for narrow screens, if it needs another one.
    """

    name: str
    heading: str
    svg: str
    data: pl.DataFrame
    legend: Sequence[tuple[str, str]] = ()
    wide: bool = False
    note: str = ""
    narrow: str = ""

    @property
    def file(self) -> str:
        """The drawing as a separate SVG file, with title and legend."""
        return standalone(self.svg, self.heading, self.legend)

    @property
    def table(self) -> str:
        """The estimates as CSV."""
        return self.data.write_csv()


WIDTH, HEIGHT = 360, 220
NARROW, BESIDE, ALONE = 340, 740, 1060
"""The widths of drawings of rows: on a narrow screen, beside a legend or a note, across the page."""
CAP = 4
"""Half the length of the strokes that end an interval for the same puzzles, retrained."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 16, 12, 34


def spoken(value: float, percent: bool) -> str:
    """A number as an axis label.

    >>> spoken(0.1, True), spoken(-2.0, False)
    ('10%', '−2')
    """
    return (f"{value * 100:g}%" if percent else f"{value:g}").replace("-", "−")


def line_panel(
    series: Sequence[Series],
    label: str,
    axis: tuple[float, float] | None = None,
    percent: bool = True,
    link: Callable[[Series, Point], str] | None = None,
) -> str:
    """Draw lines over training steps; `label` is for screen readers.

    Bands are 95% intervals for new puzzles, upright strokes those for the same puzzles, retrained.

    Args:
        axis: the range of the value axis; that of the values, intervals and 0 if None.
        link: the address to which a point leads.
    """
    everything = [point for one in series for thread in (one.points, *one.threads) for point in thread]
    if not everything:
        return ""
    marks = ticks(*(axis or extent(series)))
    last = max(point.step for point in everything) or 1
    x = linear(0, last, _LEFT, WIDTH - _RIGHT)
    y = linear(marks[0], marks[-1], HEIGHT - _BOTTOM, _TOP)
    parts = []
    for mark in marks:
        style = "zero" if mark == 0 and marks[0] < 0 else "grid"
        parts.append(line(style, _LEFT, y(mark), WIDTH - _RIGHT, y(mark)))
        parts.append(text(_LEFT - 6, y(mark) + 4, spoken(mark, percent), anchor="end"))
    steps = thinned(sorted({point.step for point in everything}))
    at = [x(steps[0])] if steps else []
    for step in steps[1:]:  # checkpoints may be spaced unevenly
        at.append(x(step) if x(step) - max(at) > 24 else at[0])
    parts += [text(place, HEIGHT - 18, str(step)) for step, place in zip(steps, at, strict=True) if place == x(step)]
    parts.append(
        text(
            (_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 3, "training step (0: base)" if steps[:1] == [0] else "training step"
        )
    )
    for one in series:
        parts += [_path(thread, x, y, f"thread {one.style}") for thread in one.threads]
        banded = [point for point in one.points if point.low is not None and point.high is not None]
        if len(banded) > 1:
            above = [f"{x(p.step)},{y(p.high or 0.0)}" for p in banded]
            below = [f"{x(p.step)},{y(p.low or 0.0)}" for p in reversed(banded)]
            parts.append(f'<polygon class="band {one.style}" points="{" ".join(above + below)}"/>')
    for one in series:
        parts.append(_path(one.points, x, y, f"line {one.style}"))
        for p in one.points:
            if p.again_low is not None and p.again_high is not None:
                low, high = y(p.again_low), y(p.again_high)
                parts.append(line(f"line {one.style} again", x(p.step), low, x(p.step), high))
                parts += [
                    line(f"line {one.style} again", x(p.step) - CAP, end, x(p.step) + CAP, end) for end in (low, high)
                ]
            title = f"{one.name}, step {p.step}: {intervals(p, percent)}"
            point = dot(f"dot {one.style}", x(p.step), y(p.value), 2.6, title)
            if link is not None:
                reach = dot("reach", x(p.step), y(p.value), 8, title)
                point = f'<a href="{escape(link(one, p))}" aria-label="{escape(title)}">{point}{reach}</a>'
            parts.append(point)
    return drawing(WIDTH, HEIGHT, label, parts)


def extent(series: Sequence[Series]) -> tuple[float, float]:
    """The range of all values and intervals, with 0."""
    everything = [point for one in series for thread in (one.points, *one.threads) for point in thread]
    ends = [
        end
        for point in everything
        for end in (point.value, point.low, point.high, point.again_low, point.again_high)
        if end is not None
    ]
    return min([0.0, *ends]), max([0.0, *ends])


def _path(points: Sequence[Point], x: Scale, y: Scale, style: str) -> str:
    return f'<polyline class="{style}" points="{" ".join(f"{x(p.step)},{y(p.value)}" for p in points)}"/>'


def interval(point: Point, percent: bool = True) -> str:
    """A value with its interval as text."""
    return interval_text(point.value, point.low, point.high, percent)


def intervals(point: Point, percent: bool = True) -> str:
    """A value with both intervals as text, as far as it has them.

    >>> intervals(Point(0, 0.131, 0.1, 0.17, 0.11, 0.15))
    '13.1% [10.0, 17.0], retrained [11.0, 15.0]'
    """
    if point.again_low is None or point.again_high is None:
        return interval(point, percent)
    again = interval(Point(point.step, point.value, point.again_low, point.again_high), percent)
    return f"{interval(point, percent)}, retrained {again.partition(' ')[2]}"


def cloud(points: Sequence[tuple[float, float, str, str]], label: str, axes: tuple[str, str]) -> str:
    """Draw a scatter plot of shares; each point is (x, y, style class, name)."""
    if not points:
        return ""
    right, high = ticks(0, max(p[0] for p in points)), ticks(0, max(p[1] for p in points))
    x = linear(0, right[-1], _LEFT, WIDTH - _RIGHT)
    y = linear(0, high[-1], HEIGHT - _BOTTOM, _TOP + 12)
    parts = []
    for mark in high:
        parts.append(line("grid", _LEFT, y(mark), WIDTH - _RIGHT, y(mark)))
        parts.append(text(_LEFT - 6, y(mark) + 4, spoken(mark, True), anchor="end"))
    parts += [text(x(mark), HEIGHT - 18, spoken(mark, True)) for mark in right]
    parts += [text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 3, axes[0]), text(_LEFT, 9, axes[1], anchor="start")]
    parts += [dot(f"dot {style}", x(a), y(b), 3.4, f"{name}: {a:.1%}, {b:.1%}") for a, b, style, name in points]
    return drawing(WIDTH, HEIGHT, label, parts)


def track(status: str, at: Point | None, last: int, style: str) -> str:
    """Draw the acquisition step of a pattern on a line from step 0 to the last; only the line if it was not
    acquired."""
    width, height, middle = 170, 22, 11
    x = linear(0, last, 8, width - 8)
    parts = [line("grid", x(0), middle, x(last), middle)]
    if at is not None:
        low, high = at.low if at.low is not None else at.value, at.high if at.high is not None else float(last)
        parts.append(line(f"line {style}", x(low), middle, x(high), middle))
        parts.append(dot(f"dot {style}", x(at.value), middle, 4.4, f"step {at.value:g}"))
    elif status == "already present":
        parts.append(dot(f"hollow {style}", x(0), middle, 4.4, status))
    return drawing(width, height, status if at is None else f"acquired at step {at.value:g}", parts)
