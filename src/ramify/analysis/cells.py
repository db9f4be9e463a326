"""What metrics are made of: cells, each a puzzle at one checkpoint, and uses, each a pattern that was tried in one.

Annotated tables are read one checkpoint at a time, in streaming fashion, and only their sums are kept: memory grows
with puzzles × checkpoints, not with samples.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from ramify.algebra.catalog import patterns
from ramify.algebra.pattern import Pattern
from ramify.algebra.solver import witness
from ramify.algebra.structure import structure
from ramify.analysis.estimators import BLOCKS
from ramify.errors import RunError
from ramify.run import Run
from ramify.tables import ATTEMPTS, GRADES
from ramify.tasks.splits import is_of_known_skills

CELLS = {
    "k": "completions at the sampling temperature",
    "correct": "those that are correct",
    "truncated": "those that the limit on their length ended before an answer",
    "attempts": "attempts in them, answers not counted",
    "patternless": "of these attempts, those with a minus sign before the whole, which no pattern has",
    "stated": "of these attempts, those with stated values",
    "right": "of those with stated values, those whose stated values are all right",
    "placed": "correct completions whose answer was read as a pattern",
    "substituted": "of these, those whose pattern is not the source nor a twin of it",
    "greedy": "1 or 0: whether the completion at temperature 0 is correct; null if there is none",
}
"""The columns of a cell, all of them counts over the samples of one puzzle at one checkpoint."""


@dataclass(frozen=True)
class SetCells:
    """The cells of one puzzle set over all seeds and checkpoints.

    Attributes:
        name: the set.
        puzzles: its puzzles, sorted by id, with everything that can be grouped by; the row number is the puzzle.
        frame: seed, step, puzzle (a row of `puzzles`), and the columns of `CELLS`.
    """

    name: str
    puzzles: pl.DataFrame
    frame: pl.DataFrame

    @property
    def seeds(self) -> list[int]:
        """The seeds with cells, sorted."""
        return sorted(self.frame["seed"].unique().to_list())

    def of_seed(self, seed: int) -> pl.DataFrame:
        """The cells of one seed."""
        return self.frame.filter(pl.col("seed") == seed)

    def steps(self, seed: int) -> list[int]:
        """The checkpoints of a seed, sorted."""
        return sorted(self.of_seed(seed)["step"].unique().to_list())

    @cached_property
    def samples(self) -> int:
        """The number of samples that most cells have."""
        return int(self.frame["k"].mode().max())  # type: ignore[arg-type]

    @cached_property
    def labelled(self) -> "SetCells":
        """The same without the puzzles that have no source pattern; itself if all have one."""
        if not self.puzzles["pattern"].null_count():
            return self
        return self.of_puzzles(pl.col("pattern").is_not_null())

    def of_puzzles(self, wanted: pl.Expr) -> "SetCells":
        """The cells of some puzzles, which are numbered anew."""
        kept = self.puzzles.with_columns(old=pl.int_range(pl.len(), dtype=pl.Int32)).filter(wanted)
        numbers = kept.select(puzzle="old", new=pl.int_range(pl.len(), dtype=pl.Int32))
        frame = self.frame.join(numbers, on="puzzle").drop("puzzle").rename({"new": "puzzle"})
        return SetCells(self.name, kept.drop("old"), frame)

    def values(self, seed: int, *expressions: pl.Expr) -> list[np.ndarray]:
        """Expressions over the cells of a seed, each of shape (steps, puzzles); NaN where there is no cell, or null."""
        mine, steps = self.of_seed(seed), self.steps(seed)
        where = np.searchsorted(steps, mine["step"].to_numpy()), mine["puzzle"].to_numpy()
        found = []
        for expression in expressions:
            table = np.full((len(steps), len(self.puzzles)), np.nan)
            one = mine.select(value=expression.cast(pl.Float64) + pl.lit(0.0) * pl.col("k"))["value"]
            table[where] = one.fill_null(np.nan).to_numpy()
            found.append(table)
        return found


@dataclass(frozen=True)
class Grouping:
    """A way to put the puzzles of a set into groups.

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
        """The number of blocks that are needed."""
        return int(min(self.sizes.max(initial=0), BLOCKS))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums by block of values of shape (steps, puzzles), NaN left out; of shape (steps, groups, blocks)."""
        where = self.codes * self.width + self.blocks
        length = len(self.names) * self.width
        summed = [np.bincount(where, np.nan_to_num(row), length) for row in values]
        return np.array(summed).reshape(len(values), len(self.names), self.width)

    def totals(self, values: np.ndarray) -> np.ndarray:
        """Sums of values of shape (steps, puzzles), NaN left out; of shape (steps, groups)."""
        return np.array([np.bincount(self.codes, np.nan_to_num(row), len(self.names)) for row in values])


def grouping(puzzles: pl.DataFrame, by: str) -> Grouping:
    """Put the puzzles of a set into groups.

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
    # Where there are no names polars does not keep the type.
    codes = keys["group"].replace_strict(names, range(len(names)), return_dtype=pl.Int64).cast(pl.Int64)
    ranks = pl.DataFrame({"code": codes}).select(rank=pl.int_range(pl.len()).over("code"))["rank"]
    return Grouping(by, names, codes.to_numpy(), ranks.to_numpy() % BLOCKS)


def attributes(run: Run, name: str) -> pl.DataFrame:
    """The puzzles of a set, sorted by id, with all that metrics group by, match by or adjust for.

    As in `tables.puzzle_frame`, but shape_class is "mixed" where a twin of the source pattern has another one: such a
    pattern cannot stand for either class. These are added: subtractions, divisions, inverses (both together),
    function_class (the first of the source pattern and its twins), known (whether all proper skills of three leaves or
    more were trained; null without training puzzles); and of one solution by the source pattern: fractional (whether
    an intermediate value is no integer) and largest (the largest intermediate value, absolutely; the target if n = 2).
    """
    puzzles = run.puzzles(name).unique("puzzle_id", keep="first", maintain_order=True).sort("puzzle_id")
    trained = {Pattern.parse(text) for text in run.trained_patterns()}
    rows = []
    for text in puzzles["pattern"].drop_nulls().unique(maintain_order=True):
        pattern = Pattern.parse(text)
        _, minus, _, over = structure(pattern).operators
        same = min({pattern, *pattern.twins}, key=patterns(pattern.size).index)
        known = is_of_known_skills(pattern, trained) if trained else None
        shapes = {structure(one).shape_class for one in (pattern, *pattern.twins)}
        kind = "mixed" if len(shapes) > 1 else shapes.pop()
        rows.append((text, kind, minus, over, minus + over, same.text, known))
    schema = {
        "pattern": pl.String,
        "shape_class": pl.String,
        "subtractions": pl.Int32,
        "divisions": pl.Int32,
        "inverses": pl.Int32,
        "function_class": pl.String,
    }
    by_pattern = pl.DataFrame(rows, schema={**schema, "known": pl.Boolean}, orient="row")
    solved = [_intermediates(*row) for row in puzzles.select("numbers", "target", "pattern").iter_rows()]
    by_puzzle = pl.DataFrame(solved, schema={"fractional": pl.Boolean, "largest": pl.Float64}, orient="row")
    kept = puzzles.drop("shape_class").join(by_pattern, on="pattern", how="left", maintain_order="left")
    return kept.hstack(by_puzzle)


def _intermediates(numbers: list[int], target: int, pattern: str | None) -> tuple[bool | None, float | None]:
    found = witness(numbers, target, Pattern.parse(pattern)) if pattern else None
    if found is None:
        return None, None
    values = found.intermediates()
    return any(value.denominator > 1 for value in values), float(max(map(abs, values), default=target))


def set_cells(run: Run, name: str) -> SetCells:
    """Read the cells of a set, all seeds and checkpoints."""
    puzzles = attributes(run, name)
    rows = puzzles.lazy().select("puzzle_id", puzzle=pl.int_range(pl.len(), dtype=pl.Int32))
    own = _own_patterns(puzzles).lazy()
    frames = [
        _read(run, seed, name, step, puzzles, own)
        .join(rows, on="puzzle_id")
        .sort("puzzle")
        .select(pl.lit(seed, pl.Int32).alias("seed"), pl.lit(step, pl.Int32).alias("step"), "puzzle", *CELLS)
        .collect(engine="streaming")
        for seed in run.seeds
        for found, step in run.scored(seed)
        if found == name
    ]
    return SetCells(name, puzzles, pl.concat(frames))


def _own_patterns(puzzles: pl.DataFrame) -> pl.DataFrame:
    """For each source pattern, itself and its twins: columns source, pattern."""
    sources = map(Pattern.parse, puzzles["pattern"].drop_nulls().unique(maintain_order=True))
    rows = [(source.text, same.text) for source in sources for same in (source, *source.twins)]
    return pl.DataFrame(rows, schema={"source": pl.String, "pattern": pl.String}, orient="row")


def _read(run: Run, seed: int, name: str, step: int, puzzles: pl.DataFrame, own: pl.LazyFrame) -> pl.LazyFrame:
    """The cells of one checkpoint, with puzzle_id."""
    grades = run.scan(run.derived_file("grades", seed, name, step), GRADES)
    attempts = run.scan(run.derived_file("attempts", seed, name, step), ATTEMPTS)
    sampled, is_correct = pl.col("sample") >= 0, pl.col("verdict") == "correct"
    counts = grades.filter(sampled).group_by("puzzle_id")
    stating = attempts.filter(sampled & ~pl.col("is_answer") & (pl.col("stated") > 0)).group_by("puzzle_id")
    patternless = attempts.filter(sampled & ~pl.col("is_answer") & pl.col("pattern").is_null()).group_by("puzzle_id")
    sources = puzzles.lazy().select("puzzle_id", source="pattern").drop_nulls()
    answers = (
        attempts.filter(sampled & pl.col("is_answer") & pl.col("hits_target") & pl.col("pattern").is_not_null())
        .group_by("puzzle_id", "sample")
        .agg(pl.col("pattern").sort_by("end").last())
        .join(grades.filter(sampled & is_correct), on=["puzzle_id", "sample"], how="semi")
        .join(sources, on="puzzle_id")
        .join(own.with_columns(is_own=True), on=["source", "pattern"], how="left")
        .group_by("puzzle_id")
    )
    return (
        counts.agg(
            k=pl.len(),
            correct=is_correct.sum(),
            truncated=(pl.col("verdict") == "truncated").sum(),
            attempts=pl.col("attempts").sum(),
        )
        .join(stating.agg(stated=pl.len(), right=(~pl.col("miscalculated")).sum()), on="puzzle_id", how="left")
        .join(patternless.agg(patternless=pl.len()), on="puzzle_id", how="left")
        .join(answers.agg(placed=pl.len(), substituted=pl.col("is_own").is_null().sum()), on="puzzle_id", how="left")
        .join(grades.filter(~sampled).select("puzzle_id", greedy=is_correct.cast(pl.Int32)), on="puzzle_id", how="left")
        .with_columns(pl.col("stated", "right", "patternless", "placed", "substituted").fill_null(0))
        .with_columns(pl.col(*(column for column in CELLS if column != "greedy")).cast(pl.Int32))
    )


def uses(run: Run, seed: int, name: str, step: int) -> pl.DataFrame:
    """Which patterns were tried in which puzzles at a checkpoint.

    An answer that repeats a pattern which was tried before it in the same completion does not count again.

    Returns:
        puzzle_id, pattern, completions (with at least one attempt of the pattern), tries (attempts), hits (attempts
        that hit the target).
    """
    texts = pl.col("puzzle_id", "pattern")  # few different ones, so grouping by numbers for them is faster
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
