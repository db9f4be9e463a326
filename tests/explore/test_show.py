"""The completions in a terminal."""

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from ramify import Run
from ramify.cli import app
from ramify.explore.text import beside


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["show", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_show_prints_texts_with_trees(known_run_once: Run) -> None:
    pattern = known_run_once.puzzles("test").filter(n=3)["pattern"].drop_nulls()[0]
    printed = shown(str(known_run_once.path), "--pattern", pattern, "--step", "4", "--limit", "3")
    assert f"source pattern {pattern}" in printed
    assert "<answer>" in printed and "└─" in printed and "hits" in printed


def test_wrong_ones_are_at_the_last_step_by_default(known_run_once: Run) -> None:
    found = json.loads(shown(str(known_run_once.path), "--wrong", "--json", "--limit", "1000"))
    wanted = known_run_once.completions().filter((pl.col("step") == 4) & ~pl.col("correct")).collect()
    assert found["total"] == len(wanted) > 0
    assert {row["step"] for row in found["completions"]} == {4}
    assert "correct" not in {row["verdict"] for row in found["completions"]}


def test_control_characters_do_not_reach_the_terminal(known_run_once: Run) -> None:
    assert "\x1b" not in shown(str(known_run_once.path), "--step", "0", "--limit", "20")


@pytest.mark.parametrize(("blocks", "lines"), [([], []), ([["a"], ["b", "c"]], ["a    b", "     c"])])
def test_blocks_stand_side_by_side(blocks: list, lines: list) -> None:
    assert beside(blocks) == lines
