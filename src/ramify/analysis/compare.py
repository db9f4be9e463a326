"""Paired tests between two runs or checkpoints, on the puzzles that both sides were asked."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from ramify.analysis.cells import Grouping, SetCells, grouping, set_cells
from ramify.analysis.crossed import Components
from ramify.analysis.linear import Curves, Part, claims_shape, gains, levels, moderated_rows, pattern_codes
from ramify.analysis.metric_record import Ratio
from ramify.analysis.metrics import measured, metric_of
from ramify.analysis.rows import adjusted
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

    Only puzzles asked on both sides count, and differences are paired by puzzle. Intervals are those of gains (see
    `crossed`): low and high for new puzzles; retrained_low and retrained_high for the same puzzles and newly trained
    models, null where a side has one seed. Two checkpoints of one run are paired by seed. p is of the interval for new
    puzzles; q is p adjusted over the groups.

    Raises:
        RunError: no puzzle was asked on both sides.
    """
    parts: list[Part] = []
    same_run = first.run.path.resolve() == second.run.path.resolve()
    for name in sorted({*first.run.sampled_sets()} & {*second.run.sampled_sets()}):
        sides = [_at(set_cells(side.run, name), side.step) for side in (first, second)]
        common = sides[0].puzzles.join(sides[1].puzzles, on="puzzle_id", how="semi")["puzzle_id"]
        before, after = (side.of_puzzles(pl.col("puzzle_id").is_in(common.to_list())) for side in sides)
        if before.frame.is_empty() or after.frame.is_empty():
            continue
        k = min(before.samples, after.samples)
        codes = pattern_codes(before.puzzles)
        for metric, ratio in measured(k, before.task.UNKNOWN).items():
            if "compare" not in metric_of(metric).shown:
                continue
            steps = [first.step, second.step]
            tables = [
                _tables(
                    side, ratio, None if same_run else [*dict.fromkeys(side.sampled_by(s, step) for s in side.seeds)]
                )
                for side, step in zip((before, after), steps, strict=True)
            ]
            for by in groupings:
                groups = grouping(before.puzzles, by)
                by_pattern = claims_shape(by, before.task)
                base = before.base_samples if first.step == 0 else 0
                of, seeds = _difference(tables, steps, ratio.kind, k, groups, codes, by_pattern, same_run, base)
                parts.append(Part(metric, name, by, [second.step], groups.names, of, seeds, tested=True))
    if not parts:
        raise RunError(f"{first.run.path} and {second.run.path}: no puzzle was asked of both at these checkpoints")
    return adjusted(pl.concat(moderated_rows(parts, None)))


def _at(cells: SetCells, step: int) -> SetCells:
    return replace(cells, frame=cells.frame.filter(pl.col("step") == step))


Tables = dict[int, list[np.ndarray]]
"""By seed, the numerator and denominator of a metric at one checkpoint, each of shape (1, puzzles)."""


def _tables(side: SetCells, ratio: Ratio, seeds: Sequence[int] | None = None) -> Tables:
    """The values of some seeds; None for all."""
    return {seed: side.values(seed, ratio.numerator, ratio.denominator) for seed in seeds or side.seeds}


def _difference(
    sides: Sequence[Tables],
    steps: list[int],
    kind: str,
    k: int,
    groups: Grouping,
    codes: np.ndarray,
    by_pattern: bool,
    same_run: bool,
    base: int = 0,
) -> tuple[Components, int]:
    """The error components of the difference of two sides, and the number of seeds that its freedom is worth."""
    common = sorted(set(sides[0]) & set(sides[1]))
    if same_run and common:  # paired by seed, as a gain
        numerator, denominator = (
            np.array([np.concatenate([side[seed][part] for side in sides]) for seed in common]) for part in (0, 1)
        )
        return gains(Curves(steps, numerator, denominator, kind, k, base), groups, codes, by_pattern), len(common)
    before, after = (_curves([*side.values()], step, kind, k) for side, step in zip(sides, steps, strict=True))
    means = [_curves([np.mean([*side.values()], axis=0)], steps[1], kind, k) for side in sides]
    both = means[0]._replace(
        steps=steps,
        numerator=np.concatenate([mean.numerator for mean in means], axis=1),
        denominator=np.concatenate([mean.denominator for mean in means], axis=1),
    )
    paired = gains(both, groups, codes, by_pattern)
    counts = len(before.numerator), len(after.numerator)
    if min(counts) < 2:
        return paired, 1
    one, two = (levels(side, groups, codes, by_pattern) for side in (before, after))
    cell = one.cell + two.cell
    with np.errstate(divide="ignore", invalid="ignore"):
        cell_freedom = cell**2 / (one.cell**2 / one.cell_freedom + two.cell**2 / two.cell_freedom)
    # As one sample of this many seeds, with the variance of a difference of two means.
    seeds = sum(counts) - 1
    return paired._replace(
        between=seeds * (one.between / counts[0] + two.between / counts[1]),
        puzzle=np.fmax(paired.puzzle, cell),  # of one mean a side, the interaction of seeds with patterns is not seen
        cell=cell,
        cell_freedom=np.nan_to_num(cell_freedom),
        scale=paired.scale * np.sqrt(seeds * (1 / counts[0] + 1 / counts[1])),
    ), seeds


def _curves(tables: Sequence[Sequence[np.ndarray]], step: int, kind: str, k: int) -> Curves:
    numerator, denominator = (np.array([table[part] for table in tables]) for part in (0, 1))
    return Curves([step], numerator, denominator, kind, k)
