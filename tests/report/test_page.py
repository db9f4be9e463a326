"""The page: complete, self-contained, and deaf to what completions say."""

import re
from html.parser import HTMLParser

import pytest

from ramify import Pattern, Run, patterns
from ramify.report.figures import Point, Series, line_panel, tree
from ramify.report.page import render
from ramify.report.summary import changes, sentences


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.crossed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "br", "line", "circle", "polyline", "polygon"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "circle", "polyline", "polygon") and self.open.pop() != tag:
            self.crossed.append(tag)


def test_completions_are_text(known_run: Run) -> None:
    page = render(known_run)
    tags = Tags()
    tags.feed(page)
    assert tags.open == tags.crossed == []
    assert "script" not in tags.seen
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_it_needs_no_network(known_run: Run) -> None:
    page = render(known_run)
    assert not re.search(r"(src|href)=|https?://|@import|url\(", page)
    assert len(page) < 1_500_000


def test_its_story(known_run: Run) -> None:
    page = render(known_run)
    for heading in (
        "Success over training",
        "By shape",
        "Seen against held out",
        "Pattern by pattern",
        "How it was made",
    ):
        assert heading in page
    assert "mean@4 rose from 0.0%" in page
    assert "clean: 0 puzzles shared" in page
    assert page.count('aria-label="tree of') == 18


def test_sentences_say_rose_only_beyond_both_intervals(known_run: Run) -> None:
    rows = {(row.short, row.metric): row.verdict for row in changes(known_run.estimates())}
    assert rows["n = 3", "mean@4"] == "rose"
    assert rows["n = 3", "attempts"] == "no clear change" or rows["n = 3", "attempts"] == "no interval"
    assert any("Execution at n = 3" in sentence for sentence in sentences(known_run.estimates()))


@pytest.mark.parametrize("pattern", [*patterns(3), Pattern.parse("A/(B-C/(D-E))")], ids=str)
def test_trees_have_a_circle_a_node(pattern: Pattern) -> None:
    assert tree(pattern, "left").count("<circle") == 2 * pattern.size - 1


def test_a_panel_draws_what_it_is_given() -> None:
    lines = [Series("one", "first", [Point(0, 0.1, 0.05, 0.2), Point(10, 0.4, 0.3, 0.5)], [[Point(0, 0.1)]])]
    svg = line_panel(lines, "a & b")
    assert svg.count("<polygon") == 1
    assert svg.count("<polyline") == 2
    assert "a &amp; b" in svg
    assert line_panel([], "nothing") == ""
