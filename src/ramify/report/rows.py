"""Figures of rows on one axis: intervals and stacked bars."""

from collections.abc import Sequence
from html import escape
from textwrap import wrap

import polars as pl

from ramify.report.figures import ALONE, BESIDE, CAP, NARROW, Figure, Mark, Point, intervals, spoken
from ramify.report.svg import Scale, dot, drawing, line, linear, text, ticks

MOST_LEFT = 300
"""The width left to the rows for labels; longer ones stand above their row."""


def interval_plot(
    marks: Sequence[Mark],
    label: str,
    axis: str,
    percent: bool = True,
    bounds: tuple[float, float] | None = None,
    width: float = 560,
) -> str:
    """Draw rows of intervals on one axis, with a line at zero.

    Lines are 95% intervals for new puzzles; short strokes across are the ends of those for the same puzzles,
    retrained. The axis always includes all values; an arrow marks the end of an interval that extends beyond it.

    Args:
        axis: label of the axis.
        bounds: ends of the axis; computed if None.
        width: of the drawing, at least; of `NARROW`, and with long labels, the labels are above the rows.
    """
    points = [point for mark in marks for point in mark.points]
    if not points:
        return ""
    left = 14 + max(len(mark.label) for mark in marks) * 7.2
    above = width <= NARROW or left > MOST_LEFT
    left, width = (24.0, width) if above else (left, max(width, left + 260))
    labels = [
        wrap(mark.label, int((width - 16) / 7.2), break_on_hyphens=False) if above else [mark.label] for mark in marks
    ]
    top, bottom, row = 6, 36, 22
    heights = [row + 14 * len(lines) if above else row for lines in labels]
    height = top + sum(heights) + bottom
    low, high = bounds or _range(points)
    values = ticks(low, high)
    low, high = bounds or (values[0], values[-1])
    x = linear(low, high, left, width - (24 if above else 20))
    parts = []
    for value in values:
        if low <= value <= high:
            parts.append(line("zero" if value == 0 else "grid", x(value), top, x(value), height - bottom + 4))
            parts.append(text(x(value), height - bottom + 18, spoken(value, percent)))
    parts.append(text((left + width) / 2, height - 4, axis))
    end = top
    for mark, lines, tall in zip(marks, labels, heights, strict=True):
        start, end = end, end + tall
        middle = end - row / 2
        if above:
            parts += [text(4, start + 12 + 14 * i, words, "name", "start") for i, words in enumerate(lines)]
        else:
            parts.append(text(left - 10, middle + 4, mark.label, "name", "end"))
        for order, p in enumerate(mark.points):
            y = middle + (order - (len(mark.points) - 1) / 2) * 8
            parts += _interval(mark, order, p, x, y, (low, high), percent)
    return drawing(width, height, label, parts)


def _interval(
    mark: Mark, order: int, p: Point, x: Scale, y: float, ends: tuple[float, float], percent: bool
) -> list[str]:
    """A point of a row with its intervals; of several points the first is hollow."""
    low, high = ends
    kind = "hollow" if order == 0 and len(mark.points) > 1 else "dot"
    parts = []
    if p.low is not None and p.high is not None:
        parts.append(line(f"line {mark.style}", x(p.low), y, x(p.high), y))
        parts += [text(x(low) - 3, y + 4, "‹", "tick", "end")] if p.low < low else []
        parts += [text(x(high) + 3, y + 4, "›", "tick", "start")] if p.high > high else []
    again = [x(end) for end in (p.again_low, p.again_high) if end is not None and low <= end <= high]
    parts += [line(f"line {mark.style} again", end, y - CAP, end, y + CAP) for end in again]
    return [*parts, dot(f"{kind} {mark.style}", x(p.value), y, 3.6, f"{mark.label}: {intervals(p, percent)}")]


def _range(points: Sequence[Point]) -> tuple[float, float]:
    """The range of an axis with zero, all values, and the ends of most intervals."""
    ends = sorted(abs(end) for p in points for end in (p.value, p.low, p.high) if end is not None)
    most = ends[len(ends) // 2] * 6
    lows = [p.value if p.low is None else max(p.low, min(p.value, -most)) for p in points]
    highs = [p.value if p.high is None else min(p.high, max(p.value, most)) for p in points]
    return min(0.0, *lows), max(0.0, *highs)


def stacked_bars(rows: Sequence[tuple[str, Sequence[tuple[str, str, float]]]], label: str, width: float = 460) -> str:
    """Draw one bar of shares per row; each part is (name, style class, share)."""
    row, left = 30, 112
    height = row * len(rows) + 26
    x = linear(0, 1, left, width - 20)
    parts = []
    for index, (name, shares) in enumerate(rows):
        y, at = 4 + index * row, 0.0
        parts.append(text(left - 10, y + 15, name, "name", "end"))
        for part, style, share in shares:
            start, end = x(at), x(at + share)
            title = f"<title>{escape(name)}: {escape(part)} {share:.1%}</title>"
            box = f'x="{start}" y="{y}" width="{max(end - start, 0):.1f}" height="20"'
            parts.append(f'<rect class="bar {style}" {box}>{title}</rect>')
            if share > 0.09:
                parts.append(text((start + end) / 2, y + 14, f"{share:.0%}", "on-box" if style == "box" else "on-bar"))
            at += share
    parts += [text(x(mark), height - 6, f"{mark:.0%}") for mark in (0, 0.25, 0.5, 0.75, 1)]
    return drawing(width, height, label, parts)


def rows_figure(
    name: str,
    heading: str,
    marks: Sequence[Mark],
    axis: str,
    data: pl.DataFrame,
    legend: Sequence[tuple[str, str]] = (),
    note: str = "",
    percent: bool = True,
) -> list[Figure]:
    """A figure of rows as a list; empty if no row has a point.

    Rows without a point are left out, and so is what no row has of the legend.

    Args:
        axis: label of the axis.
    """
    drawn = [mark for mark in marks if mark.points]
    if not drawn:
        return []
    used = {mark.style for mark in drawn}
    shown = [(label, style) for label, style in legend if style in used]
    widths = (BESIDE if note else ALONE, NARROW)
    wide, narrow = (interval_plot(drawn, heading, axis, percent, width=width) for width in widths)
    return [Figure(name, heading, wide, data, shown, wide=True, note=note, narrow=narrow)]


def by_reason(others: Sequence[tuple[str, str]]) -> str:
    """What is not drawn, by reason.

    >>> by_reason([("not acquired", "n = 3 left-heavy"), ("not acquired", "n = 4 balanced")])
    'Not acquired: n = 3 left-heavy; n = 4 balanced.'
    """
    reasons: dict[str, list[str]] = {}
    for status, label in others:
        reasons.setdefault(status, []).append(label)
    return " ".join(f"{status[:1].upper()}{status[1:]}: {'; '.join(of)}." for status, of in reasons.items())
