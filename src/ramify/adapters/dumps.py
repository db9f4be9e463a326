"""Read a folder of completions from another tool: every row is parsed, or set aside with a reason."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from ramify.adapters.advice import found_in, remedy
from ramify.adapters.answers import mark_answers
from ramify.adapters.files import BROKEN
from ramify.adapters.formats import Format, find_format
from ramify.adapters.import_settings import ImportConfig
from ramify.adapters.origins import named_origin, origin_of, recur
from ramify.adapters.parsed_rows import RowReader, is_usable
from ramify.adapters.steps import LAST, bare, step_of_file, without_steps
from ramify.errors import RunError
from ramify.progress import ProgressCallback, silent
from ramify.records import Item
from ramify.schemas import storable

MAIN = "test"
"""The main set of an imported run."""
MOST_OF_A_NAME = 60
NO_STEP = -1
ROWS = {"puzzle_id": pl.String, "step": pl.Int64, "text": pl.String, "truncated": pl.Boolean, "reward": pl.Float64}
"""The columns of parsed completions."""


@dataclass
class FolderContents:
    """The parsed contents of a folder.

    Attributes:
        others: numbers of files in other formats, which are not read.
        rows: completions by (whether they come from training, set).
        puzzles: the puzzles of each, by id, once per label.
        unread: rows that could not be read, with reasons.
        skipped: names of invalid data files, with reasons.
        notes: assumptions that the user may want to check.
    """

    format: Format
    files: int = 0
    others: dict[str, int] = field(default_factory=dict)
    rows: dict[tuple[bool, str], list[pl.DataFrame]] = field(default_factory=lambda: defaultdict(list))
    puzzles: dict[tuple[bool, str], dict[str, list[Item]]] = field(default_factory=lambda: defaultdict(dict))
    unread: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Part:
    """Completions of one file and set with the same value of `trains`."""

    file: Path
    set: str
    trains: bool | None
    frame: pl.DataFrame
    puzzles: dict[str, list[Item]]
    has_reward: bool


def read_folder(folder: Path, config: ImportConfig, report: ProgressCallback = silent) -> FolderContents:
    """Read every file of a folder.

    Raises:
        RunError: no such file exists, or no row could be read.
    """
    folder = folder.absolute() if not folder.exists() else folder.resolve()
    form, files, others, skipped = find_format(folder, config.format)
    found = FolderContents(form, len(files), others)
    found.skipped = [f"{file.relative_to(folder)}: {reason}" for file, reason in skipped.items()]
    reader = config.reader(dict(form.columns), form.puzzle)
    parts: list[_Part] = []
    first: tuple[list[dict[str, Any]], Exception] | None = None
    repeated, before = 0, ""
    for done, file in enumerate(files):
        report(f"reading {form.name}", done, len(files))
        try:
            records = form.rows(file)
        except Exception as error:  # files of other tools may contain anything
            message = str(error).removeprefix(f"{file}: ")
            found.unread.append({"file": str(file), "row": 0, "reason": "the file cannot be read", "error": message})
            continue
        if form.repeats:
            same, before = before, f"{file.parent} {[{**row, 'step': None} for row in records]}"
            if records and same == before:
                repeated += 1
                continue
        some, failed = _read_file(file, folder, records, form, reader, config, found.unread)
        parts += some
        if first is None and failed is not None:
            first = records, failed
    report(f"reading {form.name}", len(files), len(files))
    if repeated:
        found.notes.append(
            f"{repeated} of {len(files)} files repeat the completions of the file before, which were trained on for "
            "several steps; each completion is read once"
        )
    if not parts and not found.unread:
        raise RunError(f"{folder}: the files of {form.label} there are empty")
    if not parts:
        raise RunError(_nothing(folder, found, reader, first))
    _settle_steps(parts, found)
    _settle_origins(parts, found, folder, config.training)
    return found


def _read_file(
    file: Path,
    folder: Path,
    records: list[dict[str, Any]],
    form: Format,
    reader: RowReader,
    config: ImportConfig,
    unread: list[dict[str, Any]],
) -> tuple[list[_Part], Exception | None]:
    """Parse the rows of a file; returns its parts and the first error."""
    own, named, first = _set_of(file, folder), step_of_file(file, folder), None
    file_step = form.step if named is None else named
    rows: dict[tuple[bool | None, str], list[tuple[Any, ...]]] = defaultdict(list)
    puzzles: dict[tuple[bool | None, str], dict[str, list[Item]]] = defaultdict(dict)
    rewarded: set[tuple[bool | None, str]] = set()
    seen: dict[tuple[tuple[bool | None, str], int], Item] = {}
    for number, row in enumerate(records, start=1):
        try:
            parsed = reader.read(row, file_step=file_step)
            if form.puzzle is None and not is_usable(parsed.puzzle):
                raise ValueError("not a puzzle of 2 to 6 numbers below 10^9")
        except Exception as error:
            first = first or error
            kept = {"file": str(file), "row": number, "reason": _kind(str(error)), "error": str(error)}
            unread.append({**kept, "record": row.get("text") if BROKEN in row else row})
            continue
        key = form.trains(row) if config.training is None else config.training, parsed.set or own
        at = NO_STEP if parsed.step is None else parsed.step
        puzzle = parsed.puzzle
        rows[key] += [
            (puzzle.id, at, storable(text), cut, reward)
            for (text, cut), reward in zip(parsed.completions, parsed.rewards, strict=True)
        ]
        if (key, id(puzzle)) not in seen:  # rows of a puzzle share one object while it is cached
            seen[key, id(puzzle)] = puzzle
            same = puzzles[key].setdefault(puzzle.id, [])
            if all(puzzle.pattern != other.pattern for other in same):
                same.append(puzzle)
        if "reward" in row:
            rewarded.add(key)
    parts = []
    for key, some in rows.items():
        frame = pl.DataFrame(some, schema=ROWS, orient="row")
        if config.answer_pattern is not None:
            marked = mark_answers(frame["text"].to_list(), config.answer_pattern, config.answer_tags)
            frame = frame.with_columns(text=pl.Series(marked, dtype=pl.String))
        parts.append(_Part(file, key[1], key[0], frame, puzzles[key], key in rewarded))
    return parts, first


def _nothing(
    folder: Path, found: FolderContents, reader: RowReader, first: tuple[list[dict[str, Any]], Exception] | None
) -> str:
    """The message for a folder without a readable row, with a remedy."""
    row = next((row for row in found.unread if row["row"]), found.unread[0])
    name = Path(row["file"])
    where = f"{name.relative_to(folder)}, " if name != folder else ""
    summary = f"{folder}: not one of {len(found.unread):,} rows could be read as {found.format.label}: {where}"
    if first is None:
        return f"{folder}: {where}{row['error']}"
    records, error = first
    how = "" if reader.puzzle else remedy("import", str(folder), records, reader, error, texts=True)
    return f"{summary}row {row['row']}: {row['error']}; {found_in(records)}{how}"


def _settle_steps(parts: list[_Part], found: FolderContents) -> None:
    """Assign step 0 if no row has a step; set aside the rows without one if others have one."""
    without = sum(int((part.frame["step"] == NO_STEP).sum()) for part in parts)
    if without and without == sum(part.frame.height for part in parts):
        found.notes.append(
            "no step found: all completions are assigned to one checkpoint, step 0; --step N sets another"
        )
        for part in parts:
            part.frame = part.frame.with_columns(step=pl.lit(0, pl.Int64))
    elif without:
        reason = "no step in the row or in its file's name, which others have; --step names a column or a number"
        for part in parts:
            lost = int((part.frame["step"] == NO_STEP).sum())
            found.unread += [{"file": str(part.file), "row": -1, "reason": reason, "error": reason}] * lost
            part.frame = part.frame.filter(pl.col("step") != NO_STEP)


def _settle_origins(parts: list[_Part], found: FolderContents, folder: Path, training: bool | None) -> None:
    """Set `trains` of every part; parts of a folder without it are classified together."""
    undecided: dict[Path, list[_Part]] = defaultdict(list)
    for part in parts:
        if part.trains is None:
            undecided[part.file.parent].append(part)
    for where, some in undecided.items():
        below = where.relative_to(folder.parent) if folder.is_dir() else Path(where.name)
        origin = origin_of(
            str(below),
            any(part.has_reward for part in some),
            named_origin(below),
            _by_step(some),
            known_key=found.format.name in ("verl", "strings"),
        )
        found.notes += [origin.doubt] if origin.doubt else []
        for part in some:
            part.trains = origin.trains
    evaluated = [part for part in parts if not part.trains]
    if training is None and not undecided and found.format.name == "table" and recur(_by_step(evaluated)) is False:
        found.notes.append(
            "steps have different puzzles, as in training; --training declares them training completions"
        )
    for part in parts:
        if part.frame.is_empty():
            continue
        key = bool(part.trains), part.set
        found.rows[key].append(part.frame)
        known = found.puzzles[key]
        for identity, puzzles in part.puzzles.items():
            same = known.setdefault(identity, [])
            same += [puzzle for puzzle in puzzles if all(puzzle.pattern != other.pattern for other in same)]


def _by_step(parts: list[_Part]) -> dict[int, set[str]]:
    asked: dict[int, set[str]] = defaultdict(set)
    for part in parts:
        for step, ids in part.frame.group_by("step").agg(pl.col("puzzle_id").unique()).iter_rows():
            asked[step].update(ids)
    return asked


def settle_last(found: Iterable[FolderContents]) -> None:
    """Assign to `final` the step after the last known one."""
    frames = [frame for one in found for some in one.rows.values() for frame in some]
    steps = {step for frame in frames for step in frame["step"].unique()}
    if LAST not in steps:
        return
    last = max(steps - {LAST}, default=0) + 1
    for one in found:
        one.notes.append(f"`final` is assigned step {last}; --step N sets another")
        for key, some in one.rows.items():
            one.rows[key] = [
                frame.with_columns(pl.col("step").replace({LAST: last})) if LAST in frame["step"] else frame
                for frame in some
            ]


def _kind(error: str) -> str:
    """An error message without the value, so that rows can be counted by reason."""
    if error.startswith("the sample errored"):
        return error[:100]
    shorter = re.sub(r"(in the prompt) .*", r"\1", error, flags=re.DOTALL)
    return re.sub(r"^.* is not ", "something is not ", shorter, flags=re.DOTALL)[:100]


def _set_of(file: Path, folder: Path) -> str:
    """The path without its step, as the name of a set.

    >>> _set_of(Path("a/global_step_50/balanced_n32.json"), Path("a")), _set_of(Path("a/val/50.jsonl"), Path("a"))
    ('balanced_n32', 'val')
    """
    parts = bare(file.relative_to(folder) if file != folder else Path(file.name)).parts
    kept = [re.sub(r"\d{4}-\d\d-\d\dT[\d.:-]+", "", without_steps(part)).strip("-_.") for part in parts]
    return re.sub(r"[^\w.-]+", "-", "-".join(filter(None, kept))).strip("-_.")[-MOST_OF_A_NAME:].strip("-_.") or MAIN
