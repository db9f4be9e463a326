"""Trees drawn as SVG and as text: of patterns here, and of any task for the report and the explorer."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from ramify.algebra.pattern import Pattern, letter
from ramify.algebra.structure import structure

Tree = str | tuple[str, tuple["Tree", ...]]
"""A leaf, or an operator with its operands."""

SHAPE_STYLES = {"balanced": "balanced", "left-heavy": "left", "right-heavy": "right", "mixed": "third", "none": "third"}
"""The style class of each shape class; the pages of ramify define them in CSS."""
COLOURS: Mapping[str, str] = {"balanced": "#0969c4", "left": "#17805a", "right": "#c2500a", "third": "#6c7680"}
"""The colours of the style classes on a light ground."""
_INK, _SOFT = "#1b1f24", "#59636e"
_SIGNS = {"*": "×", "/": "÷", "-": "−"}
_ROW, _MARGIN, _STEP, _WIDE_STEP = 26, 12, 26, 56
_WIDEST = 2
"""The longest operator, in characters, that fits into a circle."""


@dataclass(frozen=True, slots=True, repr=False)
class Drawing:
    """A drawn tree. A notebook shows the SVG; elsewhere it prints as text.

    Attributes:
        text: lines of text, the root first.
        svg: an SVG element, which is also a valid file.
    """

    text: str
    svg: str

    def __repr__(self) -> str:
        return self.text

    def _repr_svg_(self) -> str:
        return self.svg


def drawing(pattern: Pattern) -> Drawing:
    """The binary tree of a pattern, coloured by its shape class."""
    tree = tree_of(pattern)
    style = SHAPE_STYLES[structure(pattern).shape_class]
    svg = svg_tree(tree, pattern.text, style).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return Drawing("\n".join(tree_lines(tree)), svg)


def tree_of(pattern: Pattern) -> Tree:
    """The binary tree of a pattern, its leaves named in reading order.

    >>> tree_of(Pattern.parse("A*B+C"))
    ('+', (('×', ('A', 'B')), 'C'))
    """
    tree: Tree = pattern.tree.fold(letter, _node)
    return tree


def _node(operator: str, left: Tree, right: Tree) -> Tree:
    return _SIGNS.get(operator, operator), (left, right)


def pattern_html(pattern: Pattern) -> str:
    """A pattern for a notebook: the tree, and below it the text, size and shape."""
    shape = structure(pattern)
    numbers = f"{pattern.size} number{'s' * (pattern.size > 1)}"
    facts = [numbers] if shape.shape_class == "none" else [numbers, shape.shape_class]
    if shape.split:
        facts += [f"split {shape.split}", f"depth {shape.depth}", f"lookahead {shape.lookahead}"]
    caption = f"<code>{escape(pattern.text)}</code><br><small>{escape(', '.join(facts))}</small>"
    return f'<div style="overflow-x: auto">{drawing(pattern).svg}</div><div>{caption}</div>'


def tree_lines(tree: Tree) -> list[str]:
    """A tree as lines of text, the root first.

    >>> print("\\n".join(tree_lines(("-", ("A", ("*", ("B", "C")))))))
    -
    ├─ A
    └─ *
       ├─ B
       └─ C
    """
    if isinstance(tree, str):
        return [tree]
    root, below = tree
    lines = [root]
    for number, part in enumerate(below, start=1):
        first, *others = tree_lines(part)
        is_last = number == len(below)
        lines.append(("└─ " if is_last else "├─ ") + first)
        lines += [("   " if is_last else "│  ") + line for line in others]
    return lines


class _Spot(NamedTuple):
    """A node on a grid: column, level, text, and whether it is a leaf."""

    column: float
    level: int
    text: str
    is_leaf: bool


def svg_tree(tree: Tree, name: str, style: str) -> str:
    """A tree as an element for HTML: operators in circles, leaves below them in reading order.

    Classes and attributes both state the colours: CSS of a page precedes attributes, which serve everywhere else.

    Args:
        name: what the tree represents, for screen readers.
        style: a key of `COLOURS`.

    >>> svg_tree(("+", ("A", "B")), "A+B", "third").count("<circle")
    3
    """
    spots, edges = _placed(tree)
    wide = max((len(spot.text) for spot in spots if not spot.is_leaf), default=1) > _WIDEST
    step = _WIDE_STEP if wide else _STEP

    def at(spot: _Spot) -> tuple[float, float]:
        return round(spot.column * step, 1), _MARGIN + spot.level * _ROW

    shapes: dict[bool, list[str]] = {False: [], True: []}
    texts: dict[bool, list[str]] = {False: [], True: []}
    for spot in spots:
        x, y = at(spot)
        css = "leaf" if spot.is_leaf else f"node {style}"
        if wide and not spot.is_leaf:
            width = 7 * len(spot.text) + 8
            shape = f'<rect class="{css}" x="{x - width / 2}" y="{y - 9}" width="{width}" height="18" rx="9"/>'
        else:
            shape = f'<circle class="{css}" cx="{x}" cy="{y}" r="{7.5 if spot.is_leaf else 9}"/>'
        shapes[spot.is_leaf].append(shape)
        kind = "leaf-text" if spot.is_leaf else "node-text"
        texts[spot.is_leaf].append(f'<text class="{kind}" x="{x}" y="{y + 4}">{escape(spot.text)}</text>')
    path = "".join("M{} {}L{} {}".format(*at(above), *at(below)) for above, below in edges)
    width, height = step * sum(spot.is_leaf for spot in spots), 2 * _MARGIN + _ROW * max(spot.level for spot in spots)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="tree of {escape(name)}" font-family="sans-serif" text-anchor="middle">'
        f'<path class="edge" fill="none" stroke="{_SOFT}" stroke-width="1.4" d="{path}"/>'
        f'<g fill="{COLOURS[style]}">{"".join(shapes[False])}</g>'
        f'<g fill="#fff" stroke="{_SOFT}">{"".join(shapes[True])}</g>'
        f'<g fill="#fff" font-size="13" font-weight="700">{"".join(texts[False])}</g>'
        f'<g fill="{_INK}" font-size="11">{"".join(texts[True])}</g></svg>'
    )


def _placed(tree: Tree) -> tuple[list[_Spot], list[tuple[_Spot, _Spot]]]:
    """The nodes of a tree, and the edges from each operator to its operands."""
    spots: list[_Spot] = []
    edges: list[tuple[_Spot, _Spot]] = []
    leaves = 0

    def place(part: Tree, level: int) -> _Spot:
        nonlocal leaves
        if isinstance(part, str):
            leaves += 1
            spot = _Spot(leaves - 0.5, level, part, True)
        else:
            below = [place(operand, level + 1) for operand in part[1]]
            spot = _Spot((below[0].column + below[-1].column) / 2, level, part[0], False)
            edges.extend((spot, operand) for operand in below)
        spots.append(spot)
        return spot

    place(tree, 0)
    return spots, edges
