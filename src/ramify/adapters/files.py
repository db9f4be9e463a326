"""List the data files of a folder and read their rows: parquet, arrow, JSON, JSON lines, CSV, optionally gzipped."""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import polars as pl

from ramify.adapters.columns import HOLDERS, ROLES, plan_of
from ramify.adapters.paths import file_or_folder, what_is
from ramify.adapters.steps import bare
from ramify.errors import RunError, reason
from ramify.run import Run, is_run

BROKEN = "\0broken"
"""The key of the error of an invalid row."""
SUFFIXES = (".parquet", ".arrow", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")
"""Suffixes of data files; `.gz` may follow those of text files."""
MOST_OF_A_LINE = 50_000_000
"""The longest line that is read, in characters."""
MOST_OF_A_FILE = 2_000_000_000
"""The largest JSON document that is read, in characters."""
_NOT_ROWS = frozenset({"dataset_info.json", "dataset_dict.json", "state.json"})
"""Metadata files that `datasets` writes next to the rows."""


class Listing(NamedTuple):
    """The files below a path.

    Attributes:
        files: regular files, except hidden ones and those of ramify runs, which may derive from this folder.
        skipped: paths named like data files that are not readable files, with reasons.
    """

    files: list[Path]
    skipped: dict[Path, str]


def list_files(path: Path) -> Listing:
    """List a file, or all files below a folder.

    Raises:
        RunError: the path does not exist.
    """
    if not path.exists():
        raise RunError(f"{path}: no such folder or file")
    if not file_or_folder(path).is_dir():
        return Listing([path], {})
    files, skipped = [], {}
    for folder, below, names in os.walk(path):
        here = Path(folder)
        if here != path and "config.json" in names and is_run(here):
            below.clear()
            continue
        for name in [name for name in below if suffix_of(Path(name)) or name.startswith(".")]:
            below.remove(name)
            if not name.startswith("."):
                skipped[here / name] = "a folder with the name of a data file"
        below.sort()
        for name in sorted(names):
            kind = what_is(here / name)
            if kind is None and not name.startswith("."):
                files.append(here / name)
            elif kind is not None and suffix_of(here / name):
                skipped[here / name] = kind if (here / name).exists() else "a link to nothing"
    return Listing(files, skipped)


def suffix_of(path: Path) -> str:
    """The suffix of a data file, without `.gz`; empty for other files.

    >>> suffix_of(Path("a.jsonl.gz")), suffix_of(Path("a.table.json")), suffix_of(Path("a.py"))
    ('.jsonl', '.json', '')
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    known = suffix in SUFFIXES and not (path.suffix == ".gz" and suffix in (".parquet", ".arrow"))
    return suffix if known else ".eval" if path.suffix == ".eval" else ""


def is_table(file: Path) -> bool:
    """Whether a file name is that of a table of rows."""
    name = file.name
    return (
        suffix_of(file) in SUFFIXES and name not in _NOT_ROWS and not (name.startswith("cache-") and ".arrow" in name)
    )


def files_in(path: Path) -> dict[str, Path]:
    """The data files at a path (a file, a run, or a folder), by name without suffix.

    Raises:
        RunError: no data file exists there.
    """
    if path.is_dir() and is_run(path):
        path = Run(path).puzzles_file("train").parent  # a run: its puzzles, not its completions
    listing = list_files(path)
    if listing.files == [path]:
        return {bare(path).name: path}
    found = [file for file in listing.files if is_table(file)]
    if not found:
        others = "".join(f"; {file.name} is {reason}" for file, reason in list(listing.skipped.items())[:1])
        raise RunError(f"{path}: no data there; looked for {', '.join(SUFFIXES)}{others}")
    return {str(bare(file).relative_to(path)): file for file in found}


def records_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file as plain data; an invalid row has its error under `BROKEN`.

    Raises:
        RunError: the file cannot be read.
    """
    suffix = suffix_of(path)
    try:
        return [_object(one) for one in _read(path, suffix)]
    except pl.exceptions.NoDataError:
        return []
    except (OSError, ValueError, EOFError, RecursionError, zlib.error, pl.exceptions.PolarsError) as error:
        raise RunError(
            f"{path}: cannot be read as {suffix.removeprefix('.') or 'data'}: {reason(error, path)}"
        ) from None


def document_of(path: Path) -> Any:
    """Read a JSON document.

    Raises:
        RunError: it cannot be read.
    """
    try:
        with _opened(path) as file:
            return json.loads(file.read(MOST_OF_A_FILE))
    except (OSError, ValueError, EOFError, RecursionError, zlib.error) as error:
        raise RunError(f"{path}: cannot be read as json: {reason(error, path)}") from None


def _read(path: Path, suffix: str) -> Iterable[Any]:
    if suffix == ".parquet":
        return pl.read_parquet(path, glob=False).iter_rows(named=True)
    if suffix == ".arrow":
        return _read_arrow(path).iter_rows(named=True)
    with _opened(path) as file:
        if suffix == ".json":
            return rows_of_document(json.loads(file.read(MOST_OF_A_FILE)))
        if suffix in (".csv", ".tsv"):
            text = file.read(MOST_OF_A_FILE).encode()
            separator = "\t" if suffix == ".tsv" else ","
            return pl.read_csv(text, infer_schema=False, separator=separator).iter_rows(named=True)
        return list(_lines(file))


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return cast(IO[str], gzip.open(path, "rt", encoding="utf-8-sig", errors="replace"))
    return path.open(encoding="utf-8-sig", errors="replace")


def _read_arrow(path: Path) -> pl.DataFrame:
    """Read an Arrow stream, as `datasets` saves it, or a Feather file."""
    with path.open("rb") as file:
        is_file = file.read(6) == b"ARROW1"
    return pl.read_ipc(path) if is_file else pl.read_ipc_stream(path)


def _lines(file: IO[str]) -> Iterator[Any]:
    while line := file.readline(MOST_OF_A_LINE):
        if len(line) == MOST_OF_A_LINE and not line.endswith("\n"):
            while line and not line.endswith("\n"):
                line = file.readline(MOST_OF_A_LINE)
            yield {BROKEN: f"a line of more than {MOST_OF_A_LINE:,} characters"}
        elif line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):  # including an integer with thousands of digits
                yield {BROKEN: "not a line of JSON", "text": line}


def _object(record: Any) -> dict[str, Any]:
    return record if isinstance(record, dict) else {BROKEN: "not an object", "text": str(record)[:MOST_OF_A_LINE]}


def rows_of_document(document: Any) -> list[Any]:
    """The rows of a JSON document: a list, a W&B or pandas table, a list in an object, or columns.

    >>> rows_of_document({"columns": ["target", "nums"], "data": [[29, [3, 7, 8]]]})
    [{'target': 29, 'nums': [3, 7, 8]}]
    >>> rows_of_document({"step": 50, "samples": [{"target": 29}]})
    [{'step': 50, 'target': 29}]
    >>> rows_of_document({"target": [29, 6], "nums": [[3, 7, 8], [1, 2, 3]]})
    [{'target': 29, 'nums': [3, 7, 8]}, {'target': 6, 'nums': [1, 2, 3]}]
    """
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        return [document]
    names, data = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        return [dict(zip(map(str, names), row, strict=False)) for row in data]
    values = list(document.values())
    known = any(role in plan_of(tuple(document)).roles for role in ("numbers", "target", "prompt", "truth", "text"))
    tables = [
        name
        for name, value in document.items()
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
    ]
    in_one = [name for name in tables if name in _TABLES] or (tables if not known else [])
    if len(in_one) == 1:
        kept = {
            name: document[name]
            for role in ("step", "checkpoint")
            for name in plan_of(tuple(document)).roles.get(role, ())
        }
        return [{**kept, **row} for row in document[in_one[0]]]
    columns = [list(value.values()) if isinstance(value, dict) else value for value in values]
    if (
        known
        and len(values) > 1
        and all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns)
    ):
        return [dict(zip(document, row, strict=True)) for row in zip(*columns, strict=True)]
    if not known and values and all(isinstance(value, dict) for value in values) and not _holders(document):
        return values
    return [document]


_TABLES = frozenset({"results", "samples", "rows", "data", "episodes", "examples", "records", "items", "instances"})
"""Keys of lists of rows in an object."""


def _holders(document: dict[str, Any]) -> bool:
    return not document.keys().isdisjoint({*HOLDERS, *ROLES["text"]})
