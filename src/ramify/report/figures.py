"""Figures as plain SVG text: line panels with bands, interval bars, pattern trees. Colours are classes of the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

from ramify.algebra.pattern import LETTERS, Pattern


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a step, with its interval where there is one."""

    step: int
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name, its style class, its points, and thin lines behind it (one a seed)."""

    name: str
    style: str
    points: Sequence[Point]
    threads: Sequence[Sequence[Point]] = field(default=())


WIDTH, HEIGHT = 360, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 12, 34


def line_panel(series: Sequence[Series], label: str, top: float | None = None, percent: bool = True) -> str:
    """A panel of lines over training steps, with 95 % bands; `label` is what a screen reader says.

    Args:
        top: upper end of the value axis; a little above the largest value where it is None.
    """
    everything = [point for line in series for thread in (line.points, *line.threads) for point in thread]
    if not everything:
        return ""
    highest = max(point.high if point.high is not None else point.value for point in everything)
    ticks = _ticks(top if top is not None else highest)
    last = max(point.step for point in everything) or 1

    def x(step: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * step / last, 1)

    def y(value: float) -> float:
        share = min(max(value, 0.0), ticks[-1]) / ticks[-1]
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)

    parts = []
    for tick in ticks:
        text = f"{tick * 100:g}%" if percent else f"{tick:g}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{text}</text>')
    for step in sorted({point.step for point in everything}):
        parts.append(f'<text class="tick" x="{x(step)}" y="{HEIGHT - 18}" text-anchor="middle">{step}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(
        f'<text class="tick" x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">training step (0: base)</text>'
    )
    for line in series:
        parts += [_path(thread, x, y, f"thread {line.style}") for thread in line.threads]
        banded = [point for point in line.points if point.low is not None and point.high is not None]
        if len(banded) > 1:
            above = [f"{x(p.step)},{y(p.high or 0.0)}" for p in banded]
            below = [f"{x(p.step)},{y(p.low or 0.0)}" for p in reversed(banded)]
            parts.append(f'<polygon class="band {line.style}" points="{" ".join(above + below)}"/>')
    for line in series:
        parts.append(_path(line.points, x, y, f"line {line.style}"))
        parts += [f'<circle class="dot {line.style}" cx="{x(p.step)}" cy="{y(p.value)}" r="2.6"/>' for p in line.points]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _path(points: Sequence[Point], x: Callable[[float], float], y: Callable[[float], float], style: str) -> str:
    return f'<polyline class="{style}" points="{" ".join(f"{x(p.step)},{y(p.value)}" for p in points)}"/>'


def _ticks(highest: float) -> list[float]:
    """Three to six round values from 0 to at least `highest`.

    >>> _ticks(0.34), _ticks(2.9)
    ([0.0, 0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 2.0, 3.0])
    """
    for unit in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0):
        count = max(2, -int(-highest // unit))
        if count <= 5:
            return [round(unit * k, 4) for k in range(count + 1)]
    return [0.0, highest / 2, highest]


def change_bar(before: Point, after: Point, style: str, label: str) -> str:
    """Two intervals on one axis from 0 to 1: hollow before, filled after."""
    width, height = 150, 22

    def x(value: float) -> float:
        return round(4 + (width - 8) * min(max(value, 0.0), 1.0), 1)

    parts = [f'<line class="grid" x1="{x(0)}" x2="{x(1)}" y1="11" y2="11"/>']
    for point, y, kind in ((before, 7, "hollow"), (after, 15, "dot")):
        if point.low is not None and point.high is not None:
            parts.append(f'<line class="line {style}" x1="{x(point.low)}" x2="{x(point.high)}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="{kind} {style}" cx="{x(point.value)}" cy="{y}" r="3.2"/>')
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def tree(pattern: Pattern, style: str) -> str:
    """The binary tree of a pattern: operators in circles, leaves as letters."""
    placed: list[tuple[float, int, str, bool]] = []
    edges: list[tuple[float, int, float, int]] = []
    leaves = 0

    # The tree is folded bottom-up; what is placed is shifted down a level with each operator above it.
    Part = tuple[float, list[tuple[float, int, str, bool]], list[tuple[float, int, float, int]]]

    def leaf(index: int) -> Part:
        nonlocal leaves
        leaves += 1
        return index + 0.5, [(index + 0.5, 0, LETTERS[index], True)], []

    def node(operator: str, left: Part, right: Part) -> Part:
        at = (left[0] + right[0]) / 2
        nodes = [(px, level + 1, text, is_leaf) for px, level, text, is_leaf in left[1] + right[1]]
        lines = [(a, b + 1, c, d + 1) for a, b, c, d in left[2] + right[2]]
        lines += [(at, 0, left[0], 1), (at, 0, right[0], 1)]
        return at, [(at, 0, {"*": "×", "/": "÷", "-": "−"}.get(operator, operator), False), *nodes], lines

    _, placed, edges = pattern.tree.fold(leaf, node)
    depth = max(level for _, level, _, _ in placed)
    step, row, margin = 26, 26, 12

    def spot(px: float, level: int) -> tuple[float, float]:
        return round(px * step, 1), margin + level * row

    parts = []
    for a, b, c, d in edges:
        (x1, y1), (x2, y2) = spot(a, b), spot(c, d)
        parts.append(f'<line class="edge" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    for px, level, text, is_leaf in placed:
        x, y = spot(px, level)
        radius, kind = (7.5, "leaf") if is_leaf else (9, f"node {style}")
        parts.append(f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}"/>')
        parts.append(f'<text class="{"leaf-text" if is_leaf else "node-text"}" x="{x}" y="{y + 4}">{text}</text>')
    width, height = leaves * step, 2 * margin + depth * row
    label = escape(f"tree of {pattern.text}")
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )
