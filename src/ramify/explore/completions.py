"""Search the completions of runs: which match, a page of them, and all of them for a file."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ramify.errors import RunError
from ramify.explore.filters import Filters
from ramify.explore.source import Part, Source
from ramify.schemas import ATTEMPTS

PAGE = 50
KEYS = ["puzzle_id", "sample"]
FIELDS = ("run", "seed", "set", "step", "puzzle_id", "sample", "n", "pattern", "shape_class", "verdict", "tokens")
"""The columns of an exported completion, before attempts, hit, miscalculated and text."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The completions that meet some filters, in order.

    Attributes:
        parts: the tables that were searched.
        found: the number of the part, and the row in its table of grades; one row a completion.
        unread: parts that cannot be read, with the reason.
    """

    parts: Sequence[Part]
    found: pl.DataFrame
    unread: Sequence[tuple[Part, str]]


NONE = Matches([], pl.DataFrame(schema={"part": pl.UInt32, "row": pl.UInt32}), [])
"""No completions."""


def search(source: Source, filters: Filters) -> Matches:
    """All completions that meet the filters.

    The result is kept until a table changes, so only the first page of a search reads all tables.

    Raises:
        RunError: a pattern is not one of the tasks of the runs, or puzzles are not grouped by a column of `where`.
    """
    parts = [part for name in source.runs for part in source.parts(name) if filters.holds(*part)]
    key = ("search", filters, tuple((part, source.stamp(part)) for part in parts))
    matches: Matches = source.kept.get(key, lambda: _search(source, filters, parts))
    return matches


def _search(source: Source, filters: Filters, parts: Sequence[Part]) -> Matches:
    column = filters.sort.removeprefix("-")
    frames = [NONE.found]
    unread: list[tuple[Part, str]] = []
    normal = _normal(source, filters, dict.fromkeys(part.run for part in parts))
    for number, part in enumerate(parts):
        if part.run not in normal:
            continue
        try:
            completions = source.completions(part)
            table = source.verdicts if filters.need_verdicts else source.rows
            rows = (source.grades if filters.need_grades else table)(part)
            attempts = source.attempts(part) if filters.need_attempts else pl.LazyFrame(schema=dict(ATTEMPTS))
        except RunError as error:
            unread.append((part, str(error)))
            continue
        rows = normal[part.run].matching(rows.with_row_index("row"), attempts, completions)
        if filters.need_puzzles or column == "n":
            puzzles = normal[part.run].among(source.puzzles(part.run, part.set))
            ids = puzzles.select("puzzle_id", "n").lazy()
            rows = rows.join(ids, on="puzzle_id", how="inner" if column == "n" else "semi")
        wanted = ["row", column] if column else ["row"]
        one = rows.select(wanted).collect(engine="streaming").sort("row")
        frames.append(one.select(pl.lit(number, pl.UInt32).alias("part"), *wanted))
    found = pl.concat(frames, how="diagonal") if column else pl.concat(frames)
    if column and column in found.columns:
        order = [column, "part", "row"]
        found = found.sort(order, descending=[filters.sort.startswith("-"), False, False], nulls_last=True)
    return Matches(parts, found.select("part", "row"), unread)


def _normal(source: Source, filters: Filters, names: Collection[str]) -> dict[str, Filters]:
    """The filters with patterns in normal form, for each run whose task has these patterns."""
    found, errors = {}, []
    for name in names:
        try:
            found[name] = filters.normal(source.run(name).task)
        except RunError as error:
            errors.append(error)
    if errors and not found:
        raise errors[0]
    return found


def page_of(source: Source, matches: Matches, number: int, size: int = PAGE) -> pl.DataFrame:
    """A page of matches, from number 1: the columns of `FIELDS`, attempts, hit, miscalculated and text."""
    return rows_of(source, matches, max(0, number - 1) * size, size)


def rows_of(source: Source, matches: Matches, start: int, count: int) -> pl.DataFrame:
    """Some matches with their columns, in order."""
    wanted = matches.found.slice(start, count).with_row_index("place")
    frames = []
    for (number,), rows in wanted.group_by("part", maintain_order=True):
        part = matches.parts[int(str(number))]
        frames.append(_rows(source, part, rows.select("place", "row")))
    return pl.concat(frames).sort("place").drop("place") if frames else pl.DataFrame()


def _rows(source: Source, part: Part, rows: pl.DataFrame) -> pl.DataFrame:
    first, last = rows["row"].min(), rows["row"].max()
    assert isinstance(first, int) and isinstance(last, int)
    near = source.rows(part).with_row_index("row").slice(first, last - first + 1)
    mine = near.join(rows.lazy(), on="row", how="inner").select("place", *KEYS).collect()
    ids = mine["puzzle_id"].unique().to_list()
    asked = pl.col("puzzle_id").is_in(ids)
    grades = source.grades(part, ids).filter(asked).unique(KEYS, keep="first")
    attempts = source.attempts(part, ids).filter(asked).group_by(KEYS)
    flags = attempts.agg(hit=pl.col("hits_target").any(), miscalculated=pl.col("miscalculated").any())
    texts = source.completions(part).filter(asked).select(*KEYS, "text").unique(KEYS, keep="first")
    graded, flagged, written = pl.collect_all([grades, flags, texts])
    puzzles = source.puzzles(part.run, part.set).select("puzzle_id", "n", "pattern", "shape_class")
    place = {"run": part.run, "seed": part.seed, "set": part.set, "step": part.step}
    return (
        mine.join(graded, on=KEYS, how="left")
        .join(flagged, on=KEYS, how="left")
        .join(written, on=KEYS, how="left")
        .join(puzzles, on="puzzle_id", how="left")
        .with_columns(pl.col("hit", "miscalculated").fill_null(False))
        .with_columns(pl.lit(value).alias(name) for name, value in place.items())
        .select("place", *FIELDS, "attempts", "hit", "miscalculated", "text")
    )


def export(source: Source, matches: Matches, chunk: int = 20_000) -> Iterator[pl.DataFrame]:
    """All matches in chunks of rows, for a file."""
    for start in range(0, len(matches.found), chunk):
        yield rows_of(source, matches, start, chunk)


def around(text: str, words: str, width: int = 160) -> tuple[str, str, str]:
    """A completion in one line: before, the words that were searched, after; without words, its end.

    >>> around("first 3 * 7 = 21 and then 21 + 8", "THEN", 20)
    ('… 21 and ', 'then', ' 21 + 8')
    >>> around("3*7 = 21\\n<answer>3*7+8</answer>", "", 40)
    ('3*7 = 21 ⏎ <answer>3*7+8</answer>', '', '')
    """
    flat = " ⏎ ".join(text[: 1 << 16].split("\n")) if "\n" in text else text
    at = flat.lower().find(words.lower()) if words else -1
    if at < 0:
        return ("…" + flat[-width:] if len(flat) > width else flat), "", ""
    end = at + len(words)
    half = max(0, (width - len(words)) // 2)
    before = ("…" if at > half else "") + flat[max(0, at - half) : at]
    return before, flat[at:end], flat[end : end + half] + ("…" if len(flat) > end + half else "")


def record(row: dict[str, Any]) -> dict[str, Any]:
    """A row as plain data for JSON."""
    return {name: value for name, value in row.items() if value is not None}
