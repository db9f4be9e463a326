"""Paired tests between two runs or checkpoints, on the puzzles that both sides were asked."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import stdtr, stdtrit

from ramify.analysis.cells import Grouping, SetCells, grouping, set_cells
from ramify.analysis.changes import paired_changes
from ramify.analysis.estimators import mean_interval
from ramify.analysis.metrics import measured, metric_of
from ramify.analysis.rows import adjusted, rows
from ramify.errors import RunError
from ramify.run import Run

GROUPINGS = ("all", "n", "pattern", "n,shape_class")


class Side(NamedTuple):
    """One side of a comparison: all seeds of a run at one checkpoint."""

    run: Run
    step: int


def side(text: str) -> Side:
    """Parse RUN or RUN@step into a side; without a step, the last checkpoint.

    Raises:
        RunError: there is no such run, or no completions at that checkpoint.
    """
    named = re.fullmatch(r"(.+)@([0-9]{1,9})", text, re.DOTALL)
    folder, wanted = named.groups() if named else (text, "")
    if not named and "@" in text and not Path(text).exists():
        raise RunError(f"{text}: after @ comes a step, in the digits 0 to 9, as in RUN@50")
    run = Run(folder)
    steps = sorted({step for seed in run.seeds for _, step in run.sampled(seed)})
    if not steps or (wanted and int(wanted) not in steps):
        raise RunError(f"{text}: no completions there; the checkpoints are {', '.join(map(str, steps)) or 'none'}")
    return Side(run, int(wanted) if wanted else steps[-1])


def compare(first: Side, second: Side, groupings: Sequence[str] = GROUPINGS) -> pl.DataFrame:
    """Test the difference of each metric, second side minus first; columns as in `Run.estimates`.

    Only puzzles asked on both sides count. If either side has one seed, the test is paired by puzzle (the seeds of the
    other side are averaged) and n counts puzzles. If both have several, it is Welch's t over seed means, paired by seed
    for two checkpoints of one run, and n counts seeds. q is p adjusted over the groups.

    Raises:
        RunError: no puzzle was asked on both sides.
    """
    found = []
    for name in sorted({*first.run.sampled_sets()} & {*second.run.sampled_sets()}):
        sides = [_at(set_cells(side.run, name), side.step) for side in (first, second)]
        common = sides[0].puzzles.join(sides[1].puzzles, on="puzzle_id", how="semi")["puzzle_id"]
        cells = [side.of_puzzles(pl.col("puzzle_id").is_in(common.to_list())) for side in sides]
        if any(side.frame.is_empty() for side in cells):
            continue
        k = min(side.samples for side in cells)
        for metric, ratio in measured(k).items():
            if "compare" not in metric_of(metric).shown:
                continue
            tables = [
                {seed: side.values(seed, ratio.numerator, ratio.denominator) for seed in side.seeds} for side in cells
            ]
            for by in groupings:
                groups = grouping(cells[0].puzzles, by)
                value, low, high, p, n = _tested(
                    tables, k, groups, first.run.path.resolve() == second.run.path.resolve()
                )
                where = metric, name, None, by, [second.step], groups.names
                found.append(rows(*where, [value, low, high], n=n, p=p))
    if not found:
        raise RunError(f"{first.run.path} and {second.run.path}: no puzzle was asked of both at these checkpoints")
    return adjusted(pl.concat(found))


def _at(cells: SetCells, step: int) -> SetCells:
    return SetCells(cells.name, cells.puzzles, cells.frame.filter(pl.col("step") == step), cells.task)


Table = list[np.ndarray]
"""Numerator and denominator, each of shape (1, puzzles)."""


def _tested(sides: list[dict[int, Table]], k: int, groups: Grouping, same_run: bool) -> tuple[np.ndarray, ...]:
    """Difference, interval, p and n, of shape (1, groups), of two sides with one table per seed.

    Where the seeds agree exactly, the test over seeds has no variance, and the test over puzzles is used.
    """
    before, after = ([np.mean(part, axis=0) for part in zip(*side.values(), strict=True)] for side in sides)
    by_puzzle = paired_changes((before[0][0], before[1][0]), (after[0], after[1]), k, groups)
    common = sorted(set(sides[0]) & set(sides[1]))
    if min(map(len, sides)) < 2 or (same_run and len(common) < 2):
        return by_puzzle
    seeds = [common, common] if same_run else [sorted(side) for side in sides]
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (
            np.array([groups.totals(side[seed][0]) / groups.totals(side[seed][1]) for seed in chosen])
            for side, chosen in zip(sides, seeds, strict=True)
        )
    if same_run:
        change = second - first
        count, value = np.full(change.shape[1:], len(change)), change.mean(0)
        by_seed = value, *mean_interval(value, change.var(0, ddof=1) / len(change), count), count
        spread = np.ptp(change, axis=0)
    else:
        by_seed = _welch(first, second)
        spread = np.maximum(np.ptp(first, axis=0), np.ptp(second, axis=0))
    return tuple(np.where(spread < 1e-9, one, other) for one, other in zip(by_puzzle, by_seed, strict=True))


def _welch(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, ...]:
    """Welch's t between means of seeds, each of shape (seeds, 1, groups)."""
    value = second.mean(0) - first.mean(0)
    a, b = (side.var(0, ddof=1) / len(side) for side in (first, second))
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
        half = stdtrit(freedom, 0.975) * np.sqrt(a + b)
        p = 2 * stdtr(freedom, -np.abs(value) / np.sqrt(a + b))
    return value, value - half, value + half, p, np.full(value.shape, len(first) + len(second))
