"""From annotated completions to the table of estimates: every metric for every seed, set, checkpoint and group."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ramify.analysis.acquisition import ABSOLUTE, RELATIVE, acquisition
from ramify.analysis.cells import SetCells, grouping, set_cells
from ramify.analysis.changes import paired_changes
from ramify.analysis.composition import composition_gaps
from ramify.analysis.effects import effects
from ramify.analysis.estimators import ratios
from ramify.analysis.metrics import measured
from ramify.analysis.order import order
from ramify.analysis.rows import adjusted, pooled, rows
from ramify.analysis.shapes import shape_gap
from ramify.analysis.signal import signal_and_success, zero_advantage
from ramify.analysis.support import support
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
            together += acquisition(cells, cells.seeds, groupings) if len(cells.seeds) > 1 else []
        table = pl.concat([table, *together])
    return adjusted(table)


def _of_set(run: Run, cells: SetCells, seed: int, groupings: Sequence[str]) -> Iterator[pl.DataFrame]:
    """What one set says of one seed."""
    steps, ratio_of = cells.steps(seed), measured(cells.samples)
    tables = {name: cells.values(seed, ratio.top, ratio.bottom) for name, ratio in ratio_of.items()}
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
            if steps[0] == 0 and len(steps) > 1 and name.startswith(GAINED[:1] if by in FINE else GAINED):
                change, low, high, p, both = paired_changes(
                    (top[0], bottom[0]), (top[1:], bottom[1:]), cells.samples, groups
                )
                yield rows(name + GAIN, cells.name, seed, by, steps[1:], groups.names, [change, low, high], n=both, p=p)
    acquired = acquisition(cells, [seed], groupings)
    yield from acquired
    for frame in acquired:
        yield from order(cells, frame, seed)
    yield from support(cells, seed, SUPPORT_GROUPINGS)
    yield from shape_gap(cells, seed)
    yield from attempted(run, cells, seed)
    yield from signal_and_success(run, cells, seed)


def _of_seed(run: Run, sets: dict[str, SetCells], seed: int) -> Iterator[pl.DataFrame]:
    """What all sets together say of one seed."""
    yield from composition_gaps(list(sets.values()), seed)
    yield from transfer(sets, seed)
    yield from effects(list(sets.values()), seed)
    yield from zero_advantage(run, seed, sorted({step for cells in sets.values() for step in cells.steps(seed)}))


def _is_signed(metric: str) -> bool:
    """Whether a metric may be outside of [0, 1]."""
    return any(word in metric for word in SIGNED)
