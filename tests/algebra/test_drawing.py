"""Drawn trees: each node once, what is not ours escaped, at any size."""

from xml.etree import ElementTree

import pytest

from ramify import Pattern, patterns
from ramify.algebra.drawing import COLOURS, SHAPE_STYLES, svg_tree, tree_lines
from ramify.algebra.pattern import LEAF, MAX_SIZE

HOSTILE = '</text></svg><script>alert("1")</script>&\''


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iterfind(".//{*}text")]


@pytest.mark.parametrize("pattern", [LEAF, *patterns(2), *patterns(3), Pattern.parse("A/(B-C/(D-E))")], ids=str)
def test_a_tree_has_a_circle_and_a_line_of_text_per_node(pattern: Pattern) -> None:
    drawn = pattern.draw()
    nodes = 2 * pattern.size - 1
    assert len(list(ElementTree.fromstring(drawn.svg).iterfind(".//{*}circle"))) == nodes
    assert sorted(texts(drawn.svg)) == sorted(line.strip("│├└─ ") for line in drawn.text.splitlines())
    assert len(drawn.text.splitlines()) == nodes
    assert ElementTree.fromstring(drawn.svg).tag == "{http://www.w3.org/2000/svg}svg"  # as a file needs
    assert repr(drawn) == str(drawn) == drawn.text
    assert drawn._repr_svg_() == drawn.svg


def test_the_shape_has_its_colour() -> None:
    for text, shape in (
        ("A/(B-C)", "right-heavy"),
        ("A*B+C", "left-heavy"),
        ("(A+B)*(C+D)", "balanced"),
        ("A-B", "none"),
    ):
        others = {*COLOURS.values()} - {COLOURS[SHAPE_STYLES[shape]]}
        svg = Pattern.parse(text).draw().svg
        assert COLOURS[SHAPE_STYLES[shape]] in svg
        assert not [colour for colour in others if colour in svg]


def test_names_of_nodes_are_escaped() -> None:
    """Operators and leaves of a task of another package are any text."""
    svg = svg_tree((HOSTILE, ("A", HOSTILE)), HOSTILE, "left")
    assert texts(svg) == [HOSTILE, "A", HOSTILE]
    assert ElementTree.fromstring(svg).get("aria-label") == f"tree of {HOSTILE}"


def test_long_operators_have_a_box_that_fits() -> None:
    svg = svg_tree(("zip", (("rev", ("A",)), "B")), "zip(rev(A),B)", "left")
    boxes = list(ElementTree.fromstring(svg).iterfind(".//{*}rect"))
    assert len(boxes) == 2
    assert all(float(box.attrib["width"]) > 7 * 3 for box in boxes)


def test_the_largest_pattern_is_drawn() -> None:
    pattern = Pattern.parse("-".join("A" * MAX_SIZE))
    assert len(texts(pattern.draw().svg)) == 2 * MAX_SIZE - 1


def test_a_notebook_shows_tree_text_size_and_shape() -> None:
    html = Pattern.parse("A/(B-C)")._repr_html_()
    assert Pattern.parse("A/(B-C)").draw().svg in html
    assert "<code>A/(B-C)</code>" in html
    assert "3 numbers, right-heavy, split [1]/[2], depth 2, lookahead 3" in html
    assert "<small>1 number</small>" in LEAF._repr_html_()


def test_a_deep_tree_has_a_line_for_every_node() -> None:
    tree = "A"
    for _ in range(12):
        tree = ("-", (tree, "B"))
    assert len(tree_lines(tree)) == 25
