"""From annotated completions to the table of estimates: every metric for every seed, set, checkpoint and group."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ramify.analysis.acquisition import ABSOLUTE, RELATIVE, acquisition
from ramify.analysis.cells import SetCells, grouping, set_cells
from ramify.analysis.changes import is_paired, paired_changes, unpaired_changes
from ramify.analysis.composition import composition_gaps
from ramify.analysis.effects import effects
from ramify.analysis.estimators import ratios
from ramify.analysis.metrics import measured
from ramify.analysis.order import order
from ramify.analysis.rows import adjusted, pooled, rows
from ramify.analysis.shapes import shape_gap
from ramify.analysis.signal import signal_and_success, zero_advantage
from ramify.analysis.support import pattern_support, support
from ramify.analysis.transfer import transfer
from ramify.analysis.uses import attempted
from ramify.errors import RunError
from ramify.run import Run

GROUPINGS = (
    "all",
    "n",
    "pattern",
    "function_class",
    "n,shape_class",
    "n,split",
    "n,depth",
    "n,lookahead",
    "n,forced",
    "n,known",
    "n,forced,shape_class",
    "n,depth,inverses,shape_class",
)
"""The groupings by the puzzle's source pattern; columns of `cells.attributes`, joined by commas."""

FINE = {"pattern": ("mean@", "greedy", "execution", "substitution"), "function_class": ("mean@",)}
GAINED = ("mean@", "greedy", "pass@", "execution", "attempts")
"""Metrics whose gain is estimated. There are thousands of patterns: of each only some metrics, and the first gain."""
SUPPORT_GROUPINGS = ("all", "n", "n,shape_class")
SOURCELESS = {"all", "n", "forced", "multiplicity"}
"""What puzzles without a source pattern can be grouped by."""
GAIN = " gain"
SIGNED = ("attempts", "gain", "gap", "transfer", "effect", "order", "against")
"""Words in the names of metrics that may be outside of [0, 1]."""


def estimate(run: Run, groupings: Sequence[str] = GROUPINGS) -> pl.DataFrame:
    """Every estimate of a run, of single seeds and, if there are several, pooled (seed null); see `Run.estimates`."""
    sets = {name: cells for name in run.sampled_sets() if len((cells := set_cells(run, name)).frame)}
    if not sets:
        raise RunError(f"{run.path}: there are no completions at the sampling temperature to make estimates of")
    single = [
        frame for cells in sets.values() for seed in cells.seeds for frame in _of_set(run, cells, seed, groupings)
    ]
    for seed in run.seeds:
        mine = {name: cells for name, cells in sets.items() if seed in cells.seeds}
        if mine:
            single += _of_seed(run, mine, seed)
    table = pl.concat(single)
    single.clear()
    if len(run.seeds) > 1:
        bounded = [name for name in table["metric"].unique() if not _is_signed(name)]
        together = [pooled(table.filter(~pl.col("metric").is_in([RELATIVE, ABSOLUTE])), bounded)]
        for cells in sets.values():
            if len(cells.seeds) < 2:
                continue
            by_source = [by for by in groupings if not SOURCELESS.issuperset(by.split(","))]
            together += acquisition(cells, cells.seeds, [by for by in groupings if by not in by_source])
            if len(cells.labelled.seeds) > 1:
                together += acquisition(cells.labelled, cells.labelled.seeds, by_source)
        table = pl.concat([table, *together])
    table = pl.concat([table, *effects([cells.labelled for cells in sets.values()], run.seeds)])
    return adjusted(_possible(table))


def _possible(table: pl.DataFrame) -> pl.DataFrame:
    """Intervals without what cannot be: a share changes by 1 at most, and nobody makes fewer than no attempts."""
    name, least, most = pl.col("metric"), pl.lit(-np.inf), pl.lit(np.inf)
    of_shares = ~name.str.starts_with("attempts") & name.str.contains(r"gain$|gap|transfer")
    attempts = (name == "attempts") | name.str.starts_with("acquisition")
    low = pl.when(of_shares).then(pl.lit(-1.0)).when(attempts).then(pl.lit(0.0)).otherwise(least)
    high = pl.when(of_shares).then(pl.lit(1.0)).otherwise(most)
    return table.with_columns(low=pl.col("low").clip(low, high), high=pl.col("high").clip(low, high))


def _of_set(run: Run, cells: SetCells, seed: int, groupings: Sequence[str]) -> Iterator[pl.DataFrame]:
    """What one set says of one seed; by the source pattern, of those puzzles that have one."""
    labelled = cells.labelled
    if labelled is cells:
        yield from _of_groups(cells, seed, groupings, cells.samples)
    else:
        any_puzzle = [by for by in groupings if SOURCELESS.issuperset(by.split(","))]
        yield from _of_groups(cells, seed, any_puzzle, cells.samples)
        if seed in labelled.seeds:
            yield from _of_groups(labelled, seed, [by for by in groupings if by not in any_puzzle], cells.samples)
    if seed in labelled.seeds:
        yield from pattern_support(labelled, seed, SUPPORT_GROUPINGS)
        yield from shape_gap(labelled, seed)
        yield from signal_and_success(run, labelled, seed)
    yield from attempted(run, cells, seed)


def _of_groups(cells: SetCells, seed: int, groupings: Sequence[str], samples: int) -> Iterator[pl.DataFrame]:
    """Ratios, gains, acquisitions and support of some groupings; most puzzles have so many samples."""
    steps, ratio_of = cells.steps(seed), measured(samples)
    tables = {name: cells.values(seed, ratio.top, ratio.bottom) for name, ratio in ratio_of.items()}
    paired = is_paired(cells.values(seed, pl.col("k"))[0])
    for by in groupings:
        groups = grouping(cells.puzzles, by)
        for name, (top, bottom) in tables.items():
            if not name.startswith(FINE.get(by, "")):
                continue
            n = groups.totals(bottom > 0)
            tops, bottoms = groups.sums(np.where(bottom > 0, top, 0.0)), groups.sums(bottom)
            shape = (len(steps), len(groups.names))
            found = ratios(
                tops.reshape(-1, groups.width), bottoms.reshape(-1, groups.width), n.ravel(), ratio_of[name].kind
            )
            table = rows(name, cells.name, seed, by, steps, groups.names, [part.reshape(shape) for part in found], n=n)
            yield table.filter(pl.col("value").is_not_null()) if by in FINE else table
            if len(steps) > 1 and name.startswith(GAINED[:1] if by in FINE else GAINED):
                changed = paired_changes if paired else unpaired_changes
                change, low, high, p, both = changed((top[0], bottom[0]), (top[1:], bottom[1:]), samples, groups)
                yield rows(name + GAIN, cells.name, seed, by, steps[1:], groups.names, [change, low, high], n=both, p=p)
    acquired = acquisition(cells, [seed], groupings)
    yield from acquired
    for frame in acquired:
        yield from order(cells, frame, seed)
    yield from support(cells, seed, [by for by in SUPPORT_GROUPINGS if by in groupings])


def _of_seed(run: Run, sets: dict[str, SetCells], seed: int) -> Iterator[pl.DataFrame]:
    """What all sets together say of one seed: of their puzzles with a source pattern."""
    labelled = {name: cells.labelled for name, cells in sets.items() if seed in cells.labelled.seeds}
    if labelled:
        yield from composition_gaps(list(labelled.values()), seed)
        yield from transfer(labelled, seed)
    yield from zero_advantage(run, seed, sorted({step for cells in sets.values() for step in cells.steps(seed)}))


def _is_signed(metric: str) -> bool:
    """Whether a metric may be outside of [0, 1]."""
    return any(word in metric for word in SIGNED)
