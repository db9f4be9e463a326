"""The training signal: the share of groups whose rewards are all equal, which have no gradient."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells, grouping
from ramify.analysis.derived_metrics import SIGNAL, ZERO_ADVANTAGE, ZERO_ADVANTAGE_OVERALL
from ramify.analysis.estimators import wilson_limits
from ramify.analysis.rows import rows
from ramify.run import Run
from ramify.schemas import ROLLOUTS

FEWEST_PATTERNS = 8


_READ = {name: ROLLOUTS[name] for name in ("puzzle_id", "pattern", "reward")}


def zero_advantage(run: Run, seed: int, checkpoints: list[int]) -> Iterator[pl.DataFrame]:
    """The share of training groups with zero advantage since the previous checkpoint, at each checkpoint.

    A group is the completions of one puzzle in one step. The rows have the set "train", and n counts groups; the last
    rows, of the metric "zero advantage, whole run", cover all steps.
    """
    seen = _groups(run, seed)
    if seen is None:
        return
    later = [step for step in checkpoints if step > 0]
    last = run.rollout_steps(seed)[-1]
    windows = [(ZERO_ADVANTAGE, a, b) for a, b in zip([0, *later], later, strict=False)]
    for metric, after, until in [*windows, (ZERO_ADVANTAGE_OVERALL, 0, last)]:
        part = seen.filter((pl.col("step") > after) & (pl.col("step") <= until))
        if part.is_empty():
            continue
        for by in metric.groupings:
            part = part if by in ("all", "n") else part.drop_nulls("pattern")
            groups = grouping(part, by)
            n = groups.sizes.astype(float)
            share = groups.totals(part["equal"].cast(pl.Float64).to_numpy()[None])[0] / n
            low, high = wilson_limits(share, n)
            ends = [part[None] for part in (share, low, high)]
            yield rows(metric.name, "train", seed, by, [until], groups.names, ends, n=n)


def signal_and_success(run: Run, cells: SetCells, seed: int) -> Iterator[pl.DataFrame]:
    """Spearman's ρ over the patterns of an n between the zero-advantage share of the run and final success.

    The interval is that of Bonett and Wright (2000).
    """
    from scipy.stats import spearmanr

    seen = _groups(run, seed)
    if seen is None:
        return
    step = cells.steps(seed)[-1]
    share = seen.drop_nulls("pattern").group_by("pattern").agg(pl.col("equal").mean())
    indexed = cells.puzzles.with_columns(puzzle=pl.int_range(pl.len(), dtype=pl.Int32)).select("puzzle", "pattern", "n")
    mine = cells.of_seed(seed).filter(pl.col("step") == step).join(indexed, on="puzzle")
    success = mine.group_by("pattern", "n").agg((pl.col("correct") / pl.col("k")).mean().alias("success"))
    for (size,), part in success.join(share, on="pattern").sort("n", "pattern").group_by("n", maintain_order=True):
        n = len(part)
        if n < FEWEST_PATTERNS or part["equal"].n_unique() < 2 or part["success"].n_unique() < 2:
            continue
        found = spearmanr(part["equal"], part["success"])
        middle = np.arctanh(np.clip(found.statistic, -1 + 1e-12, 1 - 1e-12))
        half = 1.96 * np.sqrt((1 + found.statistic**2 / 2) / (n - 3))
        ends = [found.statistic, np.tanh(middle - half), np.tanh(middle + half)]
        yield rows(SIGNAL.name, cells.name, seed, "n", [step], [str(size)], ends, n=n, p=found.pvalue)


def _groups(run: Run, seed: int) -> pl.DataFrame | None:
    """The training groups of a seed: step, n, pattern, shape_class, equal; None without rollouts.

    Pattern and shape_class are null for puzzles without a source pattern.
    """
    steps = run.rollout_steps(seed)
    if not steps:
        return None
    reward = pl.col("reward")
    found = pl.concat(
        [
            run.scan(run.rollouts_file(seed, step), _READ)
            .group_by("puzzle_id", "pattern")
            .agg(equal=reward.min() == reward.max())
            .with_columns(step=pl.lit(step))
            for step in steps
        ]
    ).collect(engine="streaming")
    texts = found["pattern"].drop_nulls().unique()
    shapes = map(run.task.structure, texts)
    kinds = [(shape["pattern"], shape["n"], shape["shape_class"]) for shape in shapes]
    schema = {"pattern": pl.String, "n": pl.Int32, "shape_class": pl.String}
    found = found.join(pl.DataFrame(kinds, schema=schema, orient="row"), on="pattern", how="left")
    return (
        found.join(_sizes(run), on="puzzle_id", how="left")
        .with_columns(n=pl.coalesce("n", "size").fill_null(0))
        .sort("step", "puzzle_id")
    )


def _sizes(run: Run) -> pl.DataFrame:
    """The n of every puzzle of a run, for puzzles without a source pattern."""
    names = [name for name in ("train", *run.evaluation_sets()) if run.puzzles_file(name).is_file()]
    none = pl.DataFrame(schema={"puzzle_id": pl.String, "size": pl.Int32})
    return pl.concat([none, *(run.puzzles(name).select("puzzle_id", size="n") for name in names)]).unique("puzzle_id")
