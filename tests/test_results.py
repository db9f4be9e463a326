"""The study's pages say what its estimates say."""

import importlib.util
import re
from pathlib import Path

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
