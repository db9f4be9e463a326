"""A format of another package, as docs/adding-a-format.md has it."""

import json
from pathlib import Path

import polars as pl
import pytest

from installed import command, install, python
from ramify import Run

PAGE = "adding-a-format.md"


def episode(*texts: str) -> str:
    rollouts = [{"pieces": [text[:12], text[12:]], "return": 1.0} for text in texts]
    return json.dumps({"goal": "3 7 8 -> 29", "rollouts": rollouts})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written = tmp_path / "my-episodes"
    written.mkdir()
    for step, right in ((10, 1), (20, 3)):
        texts = ["<answer>3*7+8</answer>"] * right + ["<answer>3+7+8</answer>"] * (4 - right)
        (written / f"episodes-{step}.jsonl").write_text(episode(*texts) + "\n")
    return tmp_path


def test_the_page_adds_a_format(folder: Path) -> None:
    done = python(install(PAGE, folder / "site"), *command(PAGE, "ramify import"), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "(episodes)" in done.stdout
    run = Run(folder / "runs" / "my-episodes")
    found = run.completions().group_by("step").agg(pl.col("correct").mean()).sort("step").collect()
    assert found.rows() == [(10, 0.25), (20, 0.75)]


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_listed(folder: Path) -> None:
    (folder / "my-episodes" / "episodes-30.jsonl").write_text("{")
    done = python(install(PAGE, folder / "site"), *command(PAGE, "ramify import"), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "cannot be read" in done.stdout + done.stderr


def test_without_the_package_it_cannot_be_read(folder: Path) -> None:
    done = python(folder, *command(PAGE, "ramify import"))
    assert done.returncode == 2
    assert "not one of 2 rows could be read" in done.stderr
    assert "Traceback" not in done.stderr
    named = python(folder, *command(PAGE, "ramify import"), "--format", "episodes")
    assert "--format episodes" in named.stderr
