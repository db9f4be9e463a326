"""Example completions for the report, with their attempts marked and drawn as trees."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from ramify.algebra.drawing import SHAPE_STYLES, svg_tree
from ramify.report.figures import interval
from ramify.report.marked import marked
from ramify.report.view import UNSEEN, View, is_vague, point_of
from ramify.run import Run
from ramify.schemas import ATTEMPTS, COMPLETIONS, GRADES
from ramify.tasks.base import Task

WORST = 4
MOST_TREES = 8
LONGEST = 2500
"""The number of characters shown of a completion, from its end."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A completion as pieces of text with attempt styles, and the trees of its attempts."""

    title: str
    verdict: str
    pieces: list[tuple[str, str]]
    trees: list[tuple[str, Markup]]
    more: int


@dataclass(frozen=True, slots=True)
class Example:
    """A puzzle with completions."""

    heading: str
    note: str
    completions: list[Shown]


def drawn(task: Task, pattern: str) -> Markup:
    """The tree of a pattern, coloured by its shape class."""
    return Markup(svg_tree(task.tree(pattern), pattern, SHAPE_STYLES[task.structure(pattern)["shape_class"]]))


def learned_puzzle(run: Run, view: View) -> list[Example]:
    """The first test puzzle, by id, whose first sample is wrong at the start and correct at the last checkpoint."""
    seed = view.seeds[0]
    steps = [(view.first, view.start), (view.last, f"step {view.last}")]
    if not {("test", step) for step, _ in steps} <= set(run.sampled(seed)):
        return []
    before, after = (_solved(run, seed, "test", step) for step, _ in steps)
    for puzzle in run.puzzles("test").sort("n", "puzzle_id").iter_rows(named=True):
        if after.get(puzzle["puzzle_id"]) and before.get(puzzle["puzzle_id"]) is False:
            return [_example(run, view, "test", puzzle, steps, "")]
    return []


def worst_patterns(run: Run, view: View) -> list[Example]:
    """The patterns of trained sizes with the lowest success at the last checkpoint, each with an example.

    Among equals, patterns with more puzzles come first. The example is the first puzzle, by id, whose first sample at
    the last checkpoint is wrong.
    """
    seed = view.seeds[0]
    rows = []
    for name in ("test", "held_out"):
        if (name, view.last) in run.sampled(seed):
            counts = dict(run.puzzles(name).group_by("pattern").len().iter_rows())
            for text in view.groups(view.mean, name, "pattern"):
                row = view.at_end(view.mean, name, "pattern", text)
                if row is not None and row["value"] is not None:
                    rows.append((row["value"], -counts[text], text, name))
    found = []
    for _, _, text, name in sorted(rows):
        solved = _solved(run, seed, name, view.last)
        mine = run.puzzles(name).filter(pl.col("pattern") == text).sort("puzzle_id").iter_rows(named=True)
        puzzle = next((one for one in mine if solved.get(one["puzzle_id"]) is False), None)
        if puzzle is not None:
            found.append(_example(run, view, name, puzzle, [(view.last, f"step {view.last}")], how(view, name, text)))
        if len(found) == WORST:
            break
    return found


def how(view: View, name: str, text: str) -> str:
    """The failure mode of a pattern in words: attempt rate, hit rate and substitution."""
    parts = []
    for metric, by, words in (
        (view.mean, "pattern", "success"),
        ("attempt rate", "pattern", "tried in"),
        ("hit rate given solvable", "pattern", "hit by its tries where it can"),
    ):
        row = view.at_end(metric, name, by, text)
        if row is None or row["value"] is None:
            continue
        if is_vague(metric, row["low"], row["high"]):
            parts.append(f"{words}: too few puzzles ({row['n']}) to say")
        else:
            parts.append(f"{words} {interval(point_of(row))}")
    told = "; ".join(parts)
    return told[:1].upper() + told[1:]


def _example(
    run: Run, view: View, name: str, puzzle: dict[str, Any], steps: Iterable[tuple[int, str]], note: str
) -> Example:
    count = len(puzzle["solving"])
    known = "drawn from" if view.asked == UNSEEN else "source pattern"
    source = f"{known} {puzzle['pattern']}; " if puzzle["pattern"] else ""
    drawn_from = f"{source}{view.described(name)}; {count} solving pattern{'s' * (count != 1)}"
    seed = view.seeds[0]
    completions = [_shown(run, seed, name, step, puzzle["puzzle_id"], title) for step, title in steps]
    return Example(run.task.describe(puzzle), f"{drawn_from}. {note}".strip(), completions)


def _solved(run: Run, seed: int, name: str, step: int) -> dict[str, bool]:
    """For each puzzle with a first sample, whether that sample is correct."""
    grades = run.scan(run.derived_file("grades", seed, name, step), GRADES).filter(pl.col("sample") == 0)
    return dict(grades.select("puzzle_id", pl.col("verdict") == "correct").collect().iter_rows())


def _shown(run: Run, seed: int, name: str, step: int, puzzle_id: str, title: str) -> Shown:
    mine = (pl.col("puzzle_id") == puzzle_id) & (pl.col("sample") == 0)
    text = run.scan(run.completions_file(seed, name, step), COMPLETIONS).filter(mine).collect()["text"].item()
    verdict = run.scan(run.derived_file("grades", seed, name, step), GRADES).filter(mine).collect()["verdict"].item()
    attempts = run.scan(run.derived_file("attempts", seed, name, step), ATTEMPTS).filter(mine).sort("start").collect()
    tried = list(dict.fromkeys(attempts["pattern"].drop_nulls()))  # some attempts have no pattern
    return Shown(
        title,
        verdict,
        marked(text, attempts.iter_rows(named=True), max(0, len(text) - LONGEST)),
        [(pattern, drawn(run.task, pattern)) for pattern in tried[:MOST_TREES]],
        max(0, len(tried) - MOST_TREES),
    )
