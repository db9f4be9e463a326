"""Cells, the sums per puzzle and checkpoint that metrics are computed from, and uses, the sums per attempted pattern.

Annotated tables are streamed one checkpoint at a time and only their sums are kept: memory grows with puzzles ×
checkpoints, not with samples.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from ramify.analysis.estimators import BLOCKS
from ramify.errors import RunError
from ramify.frames import CELLS
from ramify.run import Run
from ramify.schemas import ATTEMPTS
from ramify.tasks.base import Task


class SeedCells(NamedTuple):
    """The cells of one seed, with their positions in a table of checkpoints × puzzles.

    Attributes:
        steps: the checkpoints, sorted.
        where: for each row of the frame, the number of its checkpoint and that of its puzzle.
    """

    frame: pl.DataFrame
    steps: list[int]
    where: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class SetCells:
    """The cells of one puzzle set over all seeds and checkpoints.

    Attributes:
        name: the set.
        puzzles: its puzzles, sorted by id, with all columns to group by; the row number identifies the puzzle.
        frame: seed, step, puzzle (a row of `puzzles`), and the columns of `frames.CELLS`.
        task: the task of the puzzles.
        base_seed: the seed whose samples of the base (step 0) all seeds share, as copies in `frame`; None if each seed
            sampled the base.
    """

    name: str
    puzzles: pl.DataFrame
    frame: pl.DataFrame
    task: Task
    base_seed: int | None = None

    @cached_property
    def _by_seed(self) -> dict[int, SeedCells]:
        found = {}
        for (seed,), frame in self.frame.partition_by("seed", maintain_order=True, as_dict=True).items():
            steps = sorted(frame["step"].unique().to_list())
            where = np.searchsorted(steps, frame["step"].to_numpy()), frame["puzzle"].to_numpy()
            found[seed] = SeedCells(frame, steps, where)
        return dict(sorted(found.items()))

    @property
    def seeds(self) -> list[int]:
        """The seeds with cells, sorted."""
        return list(self._by_seed)

    def of_seed(self, seed: int) -> pl.DataFrame:
        """The cells of one seed; empty if it has none."""
        return self._by_seed[seed].frame if seed in self._by_seed else self.frame.clear()

    def steps(self, seed: int) -> list[int]:
        """The checkpoints of a seed, sorted; none if it has no cells."""
        return list(self._by_seed[seed].steps) if seed in self._by_seed else []

    @cached_property
    def samples(self) -> int:
        """The number of samples that most cells have; if the base is shared, most cells of trained models."""
        trained = self.frame if self.base_seed is None else self.frame.filter(pl.col("step") > 0)
        return int((trained if len(trained) else self.frame)["k"].mode().max())  # type: ignore[arg-type]

    @cached_property
    def base_samples(self) -> int:
        """The samples per puzzle of a shared base; 0 if each seed sampled the base."""
        if self.base_seed is None:
            return 0
        return int(self.frame.filter(pl.col("step") == 0)["k"].mode().max())  # type: ignore[arg-type]

    def sampled_by(self, seed: int, step: int) -> int:
        """The seed in whose folder the completions of a checkpoint are."""
        return self.base_seed if step == 0 and self.base_seed is not None else seed

    @cached_property
    def labelled(self) -> "SetCells":
        """The cells of puzzles with a source pattern; itself if all have one."""
        if not self.puzzles["pattern"].null_count():
            return self
        return self.of_puzzles(pl.col("pattern").is_not_null())

    def of_puzzles(self, wanted: pl.Expr) -> "SetCells":
        """The cells of selected puzzles, renumbered."""
        kept = self.puzzles.with_columns(old=pl.int_range(pl.len(), dtype=pl.Int32)).filter(wanted)
        numbers = kept.select(puzzle="old", new=pl.int_range(pl.len(), dtype=pl.Int32))
        frame = self.frame.join(numbers, on="puzzle").drop("puzzle").rename({"new": "puzzle"})
        return replace(self, puzzles=kept.drop("old"), frame=frame)

    def values(self, seed: int, *expressions: pl.Expr) -> list[np.ndarray]:
        """Evaluate expressions over the cells of a seed: shape (steps, puzzles) each; NaN where there is no cell, or
        null.

        Raises:
            KeyError: the seed has no cells.
        """
        mine, steps, where = self._by_seed[seed]
        found = []
        for expression in expressions:
            table = np.full((len(steps), len(self.puzzles)), np.nan)
            one = mine.select(value=expression.cast(pl.Float64) + pl.lit(0.0) * pl.col("k"))["value"]
            table[where] = one.fill_null(np.nan).to_numpy()
            found.append(table)
        return found


@dataclass(frozen=True)
class Grouping:
    """A partition of the puzzles of a set into groups.

    Attributes:
        by: the columns, joined by commas; "all" for none.
        names: the groups, sorted.
        codes: for each puzzle, its group.
        blocks: for each puzzle, its block within its group.
    """

    by: str
    names: list[str]
    codes: np.ndarray
    blocks: np.ndarray

    @cached_property
    def sizes(self) -> np.ndarray:
        """The number of puzzles of each group."""
        return np.bincount(self.codes, minlength=len(self.names))

    @property
    def width(self) -> int:
        """The largest number of blocks of a group."""
        return int(min(self.sizes.max(initial=0), BLOCKS))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums by block of values of shape (steps, puzzles), ignoring NaN; of shape (steps, groups, blocks)."""
        where = self.codes * self.width + self.blocks
        length = len(self.names) * self.width
        summed = [np.bincount(where, np.nan_to_num(row), length) for row in values]
        return np.array(summed).reshape(len(values), len(self.names), self.width)

    def totals(self, values: np.ndarray) -> np.ndarray:
        """Sums by group of values of shape (steps, puzzles), ignoring NaN; of shape (steps, groups)."""
        return np.array([np.bincount(self.codes, np.nan_to_num(row), len(self.names)) for row in values])


def grouping(puzzles: pl.DataFrame, by: str) -> Grouping:
    """Group the puzzles of a set by columns.

    Args:
        by: columns of the puzzles, joined by commas, or "all".

    >>> g = grouping(pl.DataFrame({"n": [3, 4, 3], "depth": [2, 2, 2]}), "n,depth")
    >>> g.names, g.codes.tolist(), g.blocks.tolist()
    (['3,2', '4,2'], [0, 1, 0], [0, 0, 1])
    >>> grouping(pl.DataFrame(schema={"n": pl.Int32}), "n").codes.dtype
    dtype('int64')
    """
    columns = [] if by == "all" else by.split(",")
    for column in columns:
        usable = sorted(name for name, kind in puzzles.schema.items() if not kind.is_nested())
        if column not in usable:
            raise RunError(f"{by}: puzzles cannot be grouped by {column}; there are {', '.join(usable)}")
    texts = [pl.col(column).cast(pl.String).fill_null("unknown") for column in columns]
    group = pl.concat_str(texts, separator=",") if texts else pl.lit("all")
    keys = puzzles.with_columns(group=group).select(*columns, "group")
    names = keys.unique().sort(*columns, "group")["group"].to_list()
    # Without names, polars loses the type.
    codes = keys["group"].replace_strict(names, range(len(names)), return_dtype=pl.Int64).cast(pl.Int64)
    ranks = pl.DataFrame({"code": codes}).select(rank=pl.int_range(pl.len()).over("code"))["rank"]
    return Grouping(by, names, codes.to_numpy(), ranks.to_numpy() % BLOCKS)


def set_cells(run: Run, name: str) -> SetCells:
    """Read the cells of a set, all seeds and checkpoints."""
    puzzles = run.attributed(name)
    return _of_set(name, puzzles, run.cells_of(name, puzzles), run.task, run.shares_base)


def cells_by_set(frame: pl.DataFrame, task: Task) -> dict[str, SetCells]:
    """The cells of each set, from the frame of `Run.cells`.

    If there are several seeds and only the smallest has step 0, all seeds share its base.

    Raises:
        RunError: a column is missing, or a cell is given twice.
    """
    missing = [column for column in ("seed", "set", "step", "puzzle_id", *CELLS, "pattern") if column not in frame]
    if missing:
        raise RunError(f"not a table of cells, as Run.cells returns: no column {missing[0]}")
    keys = ["seed", "set", "step", "puzzle_id"]
    twice = frame.filter(frame.select(keys).is_duplicated())
    if len(twice):
        raise RunError(f"cells: given twice: {dict(zip(keys, twice.select(keys).row(0), strict=True))}")
    seeds = frame["seed"].unique().sort().to_list()
    shared = len(seeds) > 1 and frame.filter(pl.col("step") == 0)["seed"].unique().to_list() == seeds[:1]
    found = {}
    for (name,), one in frame.partition_by("set", maintain_order=True, as_dict=True).items():
        puzzles = one.drop("seed", "set", "step", *CELLS).unique("puzzle_id", keep="first").sort("puzzle_id")
        found[name] = _of_set(name, puzzles, one.select("seed", "step", "puzzle_id", *CELLS), task, shared)
    return found


def _of_set(name: str, puzzles: pl.DataFrame, found: pl.DataFrame, task: Task, shares_base: bool) -> SetCells:
    """The cells of a set from a frame with seed, step, puzzle_id and the columns of `frames.CELLS`."""
    rows = puzzles.select("puzzle_id", puzzle=pl.int_range(pl.len(), dtype=pl.Int32))
    found, base_seed = _with_base(found.join(rows, on="puzzle_id"), shares_base)
    frame = found.sort("seed", "step", "puzzle").select("seed", "step", "puzzle", *CELLS)
    return SetCells(name, puzzles, frame, task, base_seed)


def _with_base(frame: pl.DataFrame, shares_base: bool) -> tuple[pl.DataFrame, int | None]:
    """The cells with a base that was sampled once copied to all seeds, and the seed that sampled it."""
    base = frame.filter(pl.col("step") == 0)
    if not shares_base or base.is_empty():
        return frame, None
    owner = int(base["seed"].min())  # type: ignore[arg-type]
    own = base.filter(pl.col("seed") == owner)
    others = [seed for seed in frame["seed"].unique().to_list() if seed != owner]
    copies = [own.with_columns(seed=pl.lit(seed, pl.Int32)) for seed in others]
    return pl.concat([frame.filter(pl.col("step") > 0), own, *copies]), owner


def uses(run: Run, seed: int, name: str, step: int) -> pl.DataFrame:
    """Attempts and hits by puzzle and attempted pattern at a checkpoint.

    An answer that repeats an earlier attempted pattern of the same completion is not counted again.

    Returns:
        puzzle_id, pattern, completions (with at least one attempt of the pattern), tries (attempts), hits (attempts
        that hit the target).
    """
    texts = pl.col("puzzle_id", "pattern")  # few distinct values, so grouping by integer codes is faster
    attempts = run.scan(run.derived_file("attempts", seed, name, step), ATTEMPTS)
    attempts = attempts.filter((pl.col("sample") >= 0) & pl.col("pattern").is_not_null())
    attempts = attempts.with_columns(texts.cast(pl.Categorical))
    searched, hits = ~pl.col("is_answer"), pl.col("hits_target")
    either = pl.when(pl.col("searched") > 0)
    return (
        attempts.group_by("puzzle_id", "sample", "pattern")
        .agg(
            searched=searched.sum(),
            searched_hits=(searched & hits).sum(),
            answers=(~searched).sum(),
            answer_hits=(~searched & hits).sum(),
        )
        .group_by("puzzle_id", "pattern")
        .agg(
            completions=pl.len(),
            tries=either.then("searched").otherwise("answers").sum(),
            hits=either.then("searched_hits").otherwise("answer_hits").sum(),
        )
        .with_columns(texts.cast(pl.String))
        .collect(engine="streaming")
    )
