"""Text of a page: patterns, intervals and numbers with units stay on one line, and everything is escaped."""

import time

import pytest

from ramify.report.unbroken import LONGEST, unbroken


@pytest.mark.parametrize(
    "text",
    ["(A-B)*C", "A/B-C", "13.1% [10.0, 17.0]", "+0.0 points [−65.8, +65.8]", "[17.1, 82.9]", "n = 3", "step 7", "95 %"],
)
def test_what_stays_on_one_line(text: str) -> None:
    assert f'<span class="whole">{text}' in unbroken(f"before {text} after")


@pytest.mark.parametrize("text", ["right-heavy", "A pattern", "and/or", "10.0% to 13.2%", "x" * 99, "A-" * LONGEST])
def test_what_may_break(text: str) -> None:
    assert unbroken(text) == text


def test_everything_is_escaped_and_kept() -> None:
    hostile = "<b>A-B</b> & \"n = 3\" '[1, 2]' <script>"
    assert unbroken(hostile).striptags().split() == hostile.split()
    assert "<b>" not in unbroken(hostile) and "<script>" not in unbroken(hostile)


@pytest.mark.parametrize("text", ["1" * 100_000, "[" * 100_000, "A-" * 50_000, "n = " * 30_000, "−1 [" * 30_000])
def test_time_is_linear(text: str) -> None:
    started = time.process_time()
    unbroken(text)
    assert time.process_time() - started < 2
