"""SVG primitives as text; colours are CSS classes, defined by the page, or by `standalone` for files."""

from collections.abc import Callable, Sequence
from html import escape

from ramify.algebra.drawing import COLOURS

_LIGHT = {
    "first": "#0969c4",
    "second": "#8250b9",
    "fourth": "#b3347e",
    **COLOURS,
}
_DASHES = {"second": "6 3", "third": "2 3", "fourth": "8 2 2 2", "right": "7 3", "left": "3 2"}

Scale = Callable[[float], float]


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """A linear scale from values to positions, clipped at both ends.

    >>> linear(0, 1, 10, 20)(0.25), linear(0, 1, 10, 20)(7)
    (12.5, 20.0)
    """
    width = (high - low) or 1.0

    def place(value: float) -> float:
        return round(start + (end - start) * min(max((value - low) / width, 0.0), 1.0), 1)

    return place


def ticks(low: float, high: float) -> list[float]:
    """Three to six round values that span a range.

    >>> ticks(0, 0.34), ticks(-0.3, 0.1), ticks(0, 2.9)
    ([0.0, 0.1, 0.2, 0.3, 0.4], [-0.3, -0.2, -0.1, 0.0, 0.1], [0.0, 1.0, 2.0, 3.0])
    """
    for unit in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0):
        first, last = int((low + 1e-9) // unit), -int((1e-9 - high) // unit)
        if last - first <= 5:
            last = max(last, first + 2)
            return [round(unit * k, 4) for k in range(first, last + 1)]
    return [low, (low + high) / 2, high]


def thinned(values: Sequence[int], most: int = 6) -> list[int]:
    """At most `most` of the sorted values, including the first and the last.

    >>> thinned(range(0, 330, 10), 4)
    [0, 110, 210, 320]
    """
    listed = list(values)
    if len(listed) <= most:
        return listed
    return [listed[round(k * (len(listed) - 1) / (most - 1))] for k in range(most)]


def text(x: float, y: float, content: str, style: str = "tick", anchor: str = "middle") -> str:
    """A line of text."""
    return f'<text class="{style}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(content)}</text>'


def line(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight line."""
    return f'<line class="{style}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def dot(style: str, x: float, y: float, radius: float, title: str = "") -> str:
    """A circle with a tooltip."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle class="{style}" cx="{x}" cy="{y}" r="{radius}">{inside}</circle>'


def drawing(width: float, height: float, label: str, parts: Sequence[str], fixed: bool = False) -> str:
    """An SVG element; `label` is for screen readers."""
    size = f' width="{width}" height="{height}"' if fixed else ""
    return f'<svg viewBox="0 0 {width} {height}"{size} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def standalone(svg: str, title: str, legend: Sequence[tuple[str, str]]) -> str:
    """A drawing as a separate file, with title, legend, and light colours."""
    head, _, inside = svg.partition(">")
    width, height = (float(number) for number in head.split('viewBox="0 0 ')[1].split('"')[0].split())
    top, bottom = 26, 22 * len(legend) and 24
    parts, at = [text(8, 17, title, "title", "start")], 12.0
    for name, style in legend:
        y = top + height + 12
        parts += [line(f"line {style}", at, y, at + 24, y), dot(f"dot {style}", at + 12, y, 3)]
        parts.append(text(at + 30, y + 4, name, "tick", "start"))
        at += 48 + 7 * len(name)
    whole, total = f"{max(width, at, 16 + 6.8 * len(title)):g}", f"{top + height + bottom:g}"
    body = inside.rpartition("</svg>")[0]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {total}" width="{whole}" height="{total}">'
        f'<style>{_rules()}</style><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<g transform="translate(0 {top})">{body}</g>{"".join(parts)}</svg>\n'
    )


def _rules() -> str:
    """The CSS rules of a standalone file; the page has its own in its template."""
    rules = [
        "text{font:12px 'DejaVu Sans',Arial,sans-serif;fill:#1b1f24}.tick{fill:#59636e;font-size:11px}",
        ".on-bar{fill:#fff;font-size:11px}.on-box{font-size:11px}",
        ".title{font-size:13px;font-weight:700}.grid{stroke:#d7dce2}.zero{stroke:#59636e}.line,.thread{fill:none}",
        ".line{stroke-width:2}.thread{opacity:.45}.again{stroke-width:1}.band{opacity:.16}.hollow{fill:#fff;stroke-width:1.6}",
        ".edge{stroke:#59636e;stroke-width:1.4}.leaf{fill:#fff;stroke:#59636e}.box{fill:#d7dce2}",
        ".leaf-text,.node-text{text-anchor:middle;font-size:11px}.node-text{fill:#fff;font-size:13px;font-weight:700}",
    ]
    for style, colour in _LIGHT.items():
        rules.append(f".line.{style},.thread.{style},.hollow.{style}{{stroke:{colour}}}")
        rules.append(f".band.{style},.dot.{style},.node.{style},.bar.{style}{{fill:{colour}}}")
    rules += [f"polyline.line.{style}{{stroke-dasharray:{dash}}}" for style, dash in _DASHES.items()]
    return "".join(rules)
