"""Read puzzles and completions from files that others wrote: parquet, JSON, JSON lines, CSV.

Known are the columns of Countdown-Tasks-3to4 and TinyZero (nums, target), of the paper's code (its JSON of puzzles and
of outputs, and its parquet for verl), of verl data in general (reward_model.ground_truth, extra_info), and of ramify.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from ramify.algebra.paper import from_paper
from ramify.algebra.parser import ParseError
from ramify.errors import RunError, reason
from ramify.records import Puzzle
from ramify.run import Run, is_run
from ramify.tasks.countdown import MAX_SIZE

BROKEN = "\0broken"
"""The name under which a row that is none says why."""
MOST = 10**9
"""Numbers and targets are below it."""
MOST_JSON = 100_000
"""Characters of a text that is looked into for JSON."""
SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".json", ".csv")

_NUMBERS = ("numbers", "nums", "extra_info.numbers", "extra_info.nums", "reward_model.ground_truth.numbers")
_TARGET = ("target", "reward_model.ground_truth.target", "reward_model.ground_truth", "extra_info.target")
_PATTERN = ("pattern", "canonical_pattern", "extra_info.canonical_pattern")
_TEXT = (
    "completion",
    "completions",
    "outputs",
    "output",
    "response",
    "responses",
    "generated_text",
    "generation",
    "text",
)


class Rows(NamedTuple):
    """What was read of a file.

    Attributes:
        puzzles: one for each row that could be read.
        texts: the completions of each; empty where the file holds puzzles alone.
        unread: why the other rows could not be read, as "row 7: …".
    """

    puzzles: list[Puzzle]
    texts: list[list[str]]
    unread: list[str]


def files_in(path: Path) -> dict[str, Path]:
    """The data files at a path (a file, a run of ours, or a folder with all below it), by name without suffix.

    Raises:
        RunError: there is none.
    """
    if path.is_file():
        return {path.stem: path}
    if is_run(path):
        path = Run(path).puzzles_file("train").parent  # a run, ours or imported: its puzzles, not its completions
    found = sorted(data_files(path))
    if not found:
        raise RunError(f"{path}: no data there; looked for {', '.join(SUFFIXES)}")
    return {str(file.relative_to(path).with_suffix("")): file for file in found}


def data_files(folder: Path) -> list[Path]:
    """The data files below a folder, without those of runs of ours, which may be made of this very folder."""
    found = list(folder.rglob("*"))
    own = {file.parent for file in found if file.name == "config.json" and is_run(file.parent)}
    wanted = (file for file in found if file.suffix in SUFFIXES and file.is_file() and not file.name.startswith("."))
    return [file for file in wanted if own.isdisjoint(file.parents)]


def read_rows(
    path: Path, numbers: str | None = None, target: str | None = None, text: str | None = None, texts: bool = False
) -> Rows:
    """The puzzles of a file, and their completions if `texts`.

    Args:
        numbers, target, text: names of the columns, a dot between levels; found by themselves if not given.

    Raises:
        RunError: the file cannot be read, or has no such columns.
    """
    records = records_of(path)
    first = next((record for record in records if BROKEN not in record), None)
    if first is None:
        return Rows([], [], [f"row {number}: {record[BROKEN]}" for number, record in enumerate(records, start=1)])
    names = {
        "numbers": _column(path, first, (numbers,) if numbers else _NUMBERS, "numbers"),
        "target": _column(path, first, (target,) if target else _TARGET, "target"),
    }
    pattern = next((name for name in _PATTERN if value_at(first, name) is not None), None)
    said = _column(path, first, (text,) if text else _TEXT, "text") if texts else None
    rows = Rows([], [], [])
    for number, record in enumerate(records, start=1):
        try:
            if BROKEN in record:
                raise ValueError(record[BROKEN])
            puzzle = puzzle_of(
                value_at(record, names["numbers"]), value_at(record, names["target"]), value_at(record, pattern)
            )
            written = texts_of(value_at(record, said)) if said else []
        except (TypeError, ValueError) as error:
            rows.unread.append(f"row {number}: {error}")
            continue
        rows.puzzles.append(puzzle)
        rows.texts.append(written)
    return rows


def records_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file as plain data; a line or an entry that is none has its fault under `BROKEN`.

    Raises:
        RunError: the file as a whole cannot be read.
    """
    try:
        if path.suffix == ".parquet":
            return [_with_identity(row) for row in pl.read_parquet(path).iter_rows(named=True)]
        if path.suffix == ".csv":
            return [_with_identity(row) for row in pl.read_csv(path, infer_schema=False).iter_rows(named=True)]
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            loaded = [_line(line) for line in file if line.strip()] if path.suffix != ".json" else json.load(file)
    except (OSError, ValueError, RecursionError, pl.exceptions.PolarsError) as error:
        raise RunError(
            f"{path}: cannot be read as {path.suffix.removeprefix('.') or 'data'}: {reason(error, path)}"
        ) from None
    records = loaded if isinstance(loaded, list) else [loaded]
    return [
        _with_identity(record) if isinstance(record, dict) else {BROKEN: "not an object", "text": str(record)}
        for record in records
    ]


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # also an integer with thousands of digits
        return {BROKEN: "not a line of JSON", "text": line}


def _with_identity(record: dict[str, Any]) -> dict[str, Any]:
    """A row of ramify's own completions says its puzzle by its id, as in 3,7,8=29."""
    identity = record.get("puzzle_id")
    if isinstance(identity, str) and "numbers" not in record and identity.count("=") == 1:
        numbers, target = identity.split("=")
        return {**record, "numbers": numbers.split(","), "target": target}
    return record


def _column(path: Path, record: dict[str, Any], names: Sequence[str], what: str) -> str:
    for name in names:
        if value_at(record, name) is not None:
            return name
    raise RunError(f"{path}: no column for the {what} (looked for {', '.join(names)}); name it with --{what}")


def value_at(record: Any, name: str | None) -> Any:
    """What stands under a name such as extra_info.numbers, also in a text that is JSON; None if nothing does.

    >>> value_at({"gts": '{"target": 29}'}, "gts.target")
    29
    """
    for part in name.split(".") if name else ():
        if isinstance(record, str):
            record = _unpacked(record)
        if isinstance(record, list) and part.isdigit() and int(part) < len(record):
            record = record[int(part)]
        else:
            record = record.get(part) if isinstance(record, dict) else None
    return record if name else None


def _unpacked(text: str) -> Any:
    """A text that holds a JSON object, as that object; else None."""
    if not text.startswith("{") or len(text) > MOST_JSON:
        return None
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return None


def puzzle_of(numbers: Any, target: Any, pattern: Any = None) -> Puzzle:
    """A puzzle from what a file says of it.

    Raises:
        ValueError: it is not one; the text says why.

    >>> puzzle_of("[3, 7, 8]", "29").id
    '3,7,8=29'
    """
    if isinstance(numbers, str):
        numbers = numbers.strip(" []()").replace(",", " ").split()
    if not isinstance(numbers, list) or not numbers:
        raise ValueError(f"numbers = {shortened(numbers)} is not a list of integers")
    found = None
    if isinstance(pattern, str):
        try:
            found = from_paper(pattern)
        except ParseError:
            raise ValueError(f"pattern = {shortened(pattern)} is not a pattern") from None
    return Puzzle(tuple(_integer(number) for number in numbers), _integer(target), found)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or value is None or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{shortened(value)} is not an integer")
    if isinstance(value, str) and len(value) > 30:
        raise ValueError(f"{shortened(value)} is not an integer")
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{shortened(value)} is not an integer") from None


def texts_of(value: Any) -> list[str]:
    """The completions of a row: one, several, or messages of a chat, of which the last is read.

    Raises:
        ValueError: there is none.
    """
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        return texts_of(value[-1].get("content", value[-1].get("text")))
    if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
        return value
    raise ValueError(f"{shortened(value)} is not a completion")


def is_usable(puzzle: Puzzle) -> bool:
    """Whether a puzzle can be solved and kept: two to six numbers, none of them huge."""
    return 2 <= len(puzzle.numbers) <= MAX_SIZE and all(abs(one) < MOST for one in (*puzzle.numbers, puzzle.target))


def shortened(value: Any) -> str:
    """A value in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def each_text(rows: Rows) -> Iterator[tuple[Puzzle, str]]:
    """Every completion with its puzzle."""
    for puzzle, texts in zip(rows.puzzles, rows.texts, strict=True):
        for text in texts:
            yield puzzle, text
