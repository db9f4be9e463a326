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


def test_a_pattern_is_read_in_any_order_of_its_operands(known_run_once: Run) -> None:
    puzzles = known_run_once.puzzles("test").filter(pl.col("pattern") == "A*B-C")
    assert len(puzzles)
    found = json.loads(shown(str(known_run_once.path), "--pattern", "y*x-z", "--json", "--limit", "1000"))
    assert {row["puzzle_id"] for row in found["completions"] if row["set"] == "test"} == set(puzzles["puzzle_id"])


def test_what_is_no_pattern_is_one_sentence(known_run_once: Run) -> None:
    for pattern in ("A+", "(" * 400, "<b>", "1+1"):
        result = CliRunner().invoke(app, ["show", str(known_run_once.path), f"--pattern={pattern}"])
        assert result.exit_code == 1 and "not a pattern of this task" in str(result.exception or result.output)


def test_greedy_completions_are_told_from_sampled_ones(known_run_once: Run) -> None:
    for option, wanted in (("--greedy", {-1}), ("--sampled", {0, 1, 2, 3})):
        found = json.loads(shown(str(known_run_once.path), option, "--json", "--limit", "1000"))
        assert {row["sample"] for row in found["completions"]} == wanted


def test_a_puzzle_is_compared_at_two_checkpoints(known_run_once: Run) -> None:
    puzzle = known_run_once.puzzles("test")["puzzle_id"][0]
    printed = shown(str(known_run_once.path), "--puzzle", puzzle, "--step", "0", "--step", "4", "--set", "test")
    assert "test at step 0, seed 1, sample 0" in printed and "test at step 4, seed 1, sample 0: correct" in printed
    assert "at step 0: 5 completions, " in printed and "10 of 10 completions" in printed


def test_a_puzzle_is_compared_in_two_runs(known_run_once: Run, known_run: Run) -> None:
    puzzle = known_run.puzzles("test")["puzzle_id"][0]
    paths = str(known_run_once.path), str(known_run.path)
    printed = shown(*paths, "--puzzle", puzzle, "--set", "test", "--greedy")
    names = [run.path.name for run in (known_run_once, known_run)]
    assert all(f"{name}: {puzzle}, test at step 4, seed 1, temperature 0: correct" in printed for name in names)
    assert "2 of 2 completions" in printed
