"""Compute the table of estimates: every metric for every seed, set, checkpoint and group."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from ramify.analysis.acquisition import acquisition
from ramify.analysis.cells import SetCells, cells_by_set, grouping, set_cells
from ramify.analysis.changes import is_paired, unpaired_changes
from ramify.analysis.collapse import collapses
from ramify.analysis.composition import composition_gaps
from ramify.analysis.crossing import crossings
from ramify.analysis.derived_metrics import OVERALL
from ramify.analysis.effects import effects
from ramify.analysis.linear import Part, is_crossed, linear_parts, moderated_rows
from ramify.analysis.matched_base import matched_gaps
from ramify.analysis.metric_record import GAIN
from ramify.analysis.metrics import MEAN, measured, metric_of
from ramify.analysis.rows import KEYS, adjusted, named, pooled, rows, within_bounds
from ramify.analysis.shapes import shape_gaps
from ramify.analysis.signal import signal_and_success, zero_advantage
from ramify.analysis.support import pattern_support, support
from ramify.analysis.timing import timing
from ramify.analysis.training_log import Series, change_points, training_series
from ramify.analysis.transfer import transfer
from ramify.analysis.uses import attempted
from ramify.errors import RunError
from ramify.run import Run
from ramify.tasks.base import Task
from ramify.tasks.registry import default_task

ALWAYS = ("all", "n", "pattern")
"""The groupings that every task has; the others are in `Task.GROUPINGS`."""
UNLABELLED = {"all", "n", "forced", "multiplicity"}
"""Groupings of puzzles without a source pattern."""
AVERAGED = ("crossed", "seed means")
"""Kinds of pooling whose pooled rows may be means over seeds."""

Sets = Mapping[str, SetCells]


def estimate(run: Run, more: Sequence[str] = ()) -> pl.DataFrame:
    """Compute every estimate of a run, for single seeds and, if there are several, pooled (seed null); see
    `Run.estimates`.

    Args:
        more: groupings besides those of the task: columns of `frames.attributed`, joined by commas.
    """
    sets = {name: cells for name in run.sampled_sets() if len((cells := set_cells(run, name)).frame)}
    if not sets:
        raise RunError(f"{run.path}: no completions at the sampling temperature, so nothing can be estimated")
    return _estimates(sets, run.seeds, _groupings(run.task, more), run)


def estimate_cells(cells: pl.DataFrame, task: Task | None = None, more: Sequence[str] = ()) -> pl.DataFrame:
    """Compute the estimates that follow from cells alone, such as those of several runs with the same puzzles.

    Estimates about single attempts (coverage, attempt rate, hit rate, choice) and about training completions (zero
    advantage) need the run. Without them, the table is that of `Run.estimates`.

    Args:
        cells: the frame of `Run.cells`; rows of other seeds may be appended.
        task: the task of the puzzles; the default task if None.
        more: as in `estimate`.

    Raises:
        RunError: a column is missing, a cell is given twice, or there is no cell.
    """
    task = default_task() if task is None else task
    sets = cells_by_set(cells, task)
    if not sets:
        raise RunError("no cells, so nothing can be estimated")
    return _estimates(sets, cells["seed"].unique().sort().to_list(), _groupings(task, more), None)


def _groupings(task: Task, more: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*ALWAYS, *task.GROUPINGS, *more]))


def _estimates(sets: Sets, seeds: Sequence[int], groupings: Sequence[str], run: Run | None) -> pl.DataFrame:
    found: list[pl.DataFrame] = []
    training: list[Series] = []
    for seed in seeds:
        mine = {name: cells for name, cells in sets.items() if seed in cells.seeds}
        if mine:
            found += _linear(mine, [seed], groupings)
            found += _of_seed(mine, seed, groupings)
            if run is not None:
                found += _of_run(run, mine, seed)
                training.append(training_series(run, seed))
                found += change_points(training[-1:], seed, max(cells.steps(seed)[-1] for cells in mine.values()))
    single = pl.concat(found)
    structure = list(effects([cells.labelled for cells in sets.values()], seeds))
    if len(seeds) < 2:
        return adjusted(within_bounds(pl.concat([single, *structure])))
    together = _linear(sets, seeds, groupings)
    if together and training:
        last = int(pl.concat(together)["step"].max())  # type: ignore[arg-type]
        together += change_points(training, None, last)
    rest = _over_seeds(single.filter(named(single, lambda metric: metric.pooling in AVERAGED)), sets)
    if together:
        rest = rest.join(pl.concat(together), on=KEYS, how="anti")
    return adjusted(within_bounds(pl.concat([single, *together, rest, *structure])))


def _over_seeds(single: pl.DataFrame, sets: Sets) -> pl.DataFrame:
    """The mean over seeds of each estimate; of a base that was sampled once, its only estimate."""
    shared = {name: cells.base_seed for name, cells in sets.items() if cells.base_seed is not None}
    of_base = (pl.col("step") == 0) & pl.col("set").is_in(list(shared))
    owner = pl.col("set").replace_strict(shared, default=None, return_dtype=pl.Int32)
    once = single.filter(of_base & (pl.col("seed") == owner)).with_columns(seed=pl.lit(None, pl.Int32))
    return pl.concat([pooled(single.filter(~of_base)), once])


def _linear(sets: Sets, seeds: Sequence[int], groupings: Sequence[str]) -> list[pl.DataFrame]:
    """Levels, gains, gaps, transfer, acquisition, timing and collapse of one seed, or of all seeds that answer the
    same puzzles."""
    parts: list[Part] = []
    found: list[pl.DataFrame] = []
    crossed: dict[str, SetCells] = {}
    acquiring: list[tuple[SetCells, list[int], list[str]]] = []
    label = seeds[0] if len(seeds) == 1 else None
    for name, cells in sets.items():
        mine = [seed for seed in seeds if seed in cells.seeds]
        if label is None and (len(mine) < 2 or not is_crossed(cells, mine)):
            continue
        found += collapses(cells, mine)
        for of, chosen in _by_label(cells, groupings):
            known = [seed for seed in mine if seed in of.seeds]
            if len(known) < min(2, len(seeds)):
                continue
            parts += linear_parts(of, known, chosen)
            acquiring.append((of, known, chosen))
        labelled = cells.labelled
        if all(seed in labelled.seeds for seed in mine):
            crossed[name] = labelled
            parts += shape_gaps(labelled, mine)
            parts += matched_gaps(labelled, mine)
            parts += timing(labelled, mine)
    if crossed:
        common = [seed for seed in seeds if all(seed in cells.seeds for cells in crossed.values())]
        if len(common) >= min(2, len(seeds)):
            parts += transfer(crossed, common)
    table = list(moderated_rows(parts, label))
    gained = [part for frame in table if len(part := frame.filter(named(frame, MEAN.of_gain)))]
    for of, known, chosen in acquiring:
        own = [frame.filter(pl.col("set") == of.name) for frame in gained]
        found += acquisition(of, known, chosen, pl.concat(own)) if own else []
        found += crossings(of, known, [by for by in OVERALL if by in chosen])
    return [*table, *found]


def _by_label(cells: SetCells, groupings: Sequence[str]) -> Iterator[tuple[SetCells, list[str]]]:
    """Pairs of cells and groupings: groupings by source pattern get only the puzzles that have one."""
    if cells.labelled is cells:
        yield cells, list(groupings)
        return
    any_puzzle = [by for by in groupings if UNLABELLED.issuperset(by.split(","))]
    yield cells, any_puzzle
    yield cells.labelled, [by for by in groupings if by not in any_puzzle]


def _of_seed(sets: Sets, seed: int, groupings: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The estimates of one seed that are not linear in the values of puzzles."""
    for cells in sets.values():
        for of, chosen in _by_label(cells, groupings):
            if seed in of.seeds:
                yield from _unpaired_gains(of, seed, chosen)
                yield from support(of, seed, [by for by in OVERALL if by in chosen])
        if seed in cells.labelled.seeds:
            yield from pattern_support(cells.labelled, seed, OVERALL)
    with_source = [cells.labelled for cells in sets.values() if seed in cells.labelled.seeds]
    if with_source:
        yield from composition_gaps(with_source, seed)


def _of_run(run: Run, sets: Sets, seed: int) -> Iterator[pl.DataFrame]:
    """The estimates of one seed that need its attempts or its training completions."""
    for cells in sets.values():
        if seed in cells.labelled.seeds:
            yield from signal_and_success(run, cells.labelled, seed)
        if not run.task.GIVEN:
            yield from attempted(run, cells, seed)
    yield from zero_advantage(run, seed, sorted({step for cells in sets.values() for step in cells.steps(seed)}))


def _unpaired_gains(cells: SetCells, seed: int, groupings: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Gains where checkpoints were asked different puzzles, as in training."""
    steps = cells.steps(seed)
    if len(steps) < 2 or is_paired(cells.values(seed, pl.col("k"))[0]):
        return
    for name, ratio in measured(cells.samples, cells.task.UNKNOWN).items():
        above, below = cells.values(seed, ratio.numerator, ratio.denominator)
        sides = (above[0], below[0]), (above[1:], below[1:])
        for by in groupings:
            if not metric_of(name).has_gain(by):
                continue
            groups = grouping(cells.puzzles, by)
            change, low, high, p, n = unpaired_changes(*sides, cells.samples, groups)
            yield rows(name + GAIN, cells.name, seed, by, steps[1:], groups.names, [change, low, high], n=n, p=p)
