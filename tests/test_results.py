"""The study's pages say what its estimates say."""

import importlib.util
import re
from pathlib import Path

import polars as pl
import pytest

RESULTS = Path(__file__).parents[1] / "docs" / "results"
spec = importlib.util.spec_from_file_location("study", RESULTS / "study.py")
assert spec is not None
assert spec.loader is not None
study = importlib.util.module_from_spec(spec)
spec.loader.exec_module(study)

PAGES = sorted(page for page in RESULTS.glob("*.md") if "<!-- table" in page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_estimates(page: Path) -> None:
    text = page.read_text()
    assert study.filled(text) == text


def test_every_table_stands_in_a_page_and_every_picture_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"<!-- table (\w+) -->", page.read_text())}
    assert named == set(study.TABLES)
    for page in RESULTS.glob("*.md"):
        for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text()):
            assert (RESULTS / picture).is_file(), picture


def test_acquired_patterns_have_the_q_of_their_gains() -> None:
    """Acquisition rows have none of their own, so without the join nothing could survive a correction."""
    common = {"by": "pattern", "set": "test", "step": 32, "group": "A*B+C"}
    frame = pl.DataFrame(
        [
            {**common, "seed": 1, "metric": "mean@4", "status": None, "q": None},
            {**common, "seed": None, "metric": "mean@4 gain", "status": None, "q": 0.01},
            {**common, "seed": None, "metric": "acquisition", "status": "acquired", "q": None},
        ]
    )
    assert study.acquired_with_gains(frame).select("status", "q").rows() == [("acquired", 0.01)]
