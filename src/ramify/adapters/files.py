"""The data files of a folder, and their rows as plain data: parquet, arrow, JSON, JSON lines, CSV, also with gzip."""

import gzip
import json
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import polars as pl

from ramify.adapters.columns import HOLDERS, ROLES, plan_of
from ramify.adapters.steps import bare
from ramify.errors import RunError
from ramify.run import Run, is_run

BROKEN = "\0broken"
"""The name under which a row that is none says why."""
SUFFIXES = (".parquet", ".arrow", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")
"""Of data files; `.gz` may follow those of texts."""
MOST_OF_A_LINE = 50_000_000
"""Characters of a line that are read."""
MOST_OF_A_FILE = 2_000_000_000
"""Characters of a JSON document that are read."""
_NOT_ROWS = frozenset({"dataset_info.json", "dataset_dict.json", "state.json"})
"""What `datasets` writes beside the rows of a data set."""
_KINDS = {
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISDIR: "a folder",
}


class Listing(NamedTuple):
    """What is below a path.

    Attributes:
        files: regular files, without hidden ones and those of runs of ours, which may be made of this very folder.
        skipped: what has the name of a data file and is none, with the reason.
    """

    files: list[Path]
    skipped: dict[Path, str]


def list_files(path: Path) -> Listing:
    """The files at a path, a file or a folder with all below it.

    Raises:
        RunError: there is neither.
    """
    kind = _kind(path)
    if kind is None:
        return Listing([path], {})
    if kind != "a folder":
        raise RunError(
            f"{path}: {'no such folder or file' if kind == 'nothing' else f'is {kind}, not a file or folder'}"
        )
    files, skipped = [], {}
    for folder, below, names in os.walk(path):
        here = Path(folder)
        if here != path and "config.json" in names and is_run(here):
            below.clear()
            continue
        for name in [name for name in below if suffix_of(Path(name)) or name.startswith(".")]:
            below.remove(name)
            if not name.startswith("."):
                skipped[here / name] = "is a folder with the name of a data file"
        below.sort()
        for name in sorted(names):
            kind = _kind(here / name)
            if kind is None and not name.startswith("."):
                files.append(here / name)
            elif kind is not None and suffix_of(here / name):
                skipped[here / name] = "is a link to nothing" if kind == "nothing" else f"is {kind}"
    return Listing(files, skipped)


def _kind(path: Path) -> str | None:
    """None for a regular file, else what is there."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "nothing"
    return next((said for test, said in _KINDS.items() if test(mode)), None)


def suffix_of(path: Path) -> str:
    """The suffix of a data file, without `.gz`; nothing if it is none.

    >>> suffix_of(Path("a.jsonl.gz")), suffix_of(Path("a.table.json")), suffix_of(Path("a.py"))
    ('.jsonl', '.json', '')
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    known = suffix in SUFFIXES and not (path.suffix == ".gz" and suffix in (".parquet", ".arrow"))
    return suffix if known else ".eval" if path.suffix == ".eval" else ""


def is_table(file: Path) -> bool:
    """Whether a file may hold rows, by its name."""
    name = file.name
    return (
        suffix_of(file) in SUFFIXES and name not in _NOT_ROWS and not (name.startswith("cache-") and ".arrow" in name)
    )


def files_in(path: Path) -> dict[str, Path]:
    """The data files at a path (a file, a run of ours, or a folder with all below it), by name without suffix.

    Raises:
        RunError: there is none.
    """
    if path.is_dir() and is_run(path):
        path = Run(path).puzzles_file("train").parent  # a run, ours or imported: its puzzles, not its completions
    listing = list_files(path)
    if listing.files == [path]:
        return {bare(path).name: path}
    found = [file for file in listing.files if is_table(file)]
    if not found:
        others = "".join(f"; {file.name} {reason}" for file, reason in list(listing.skipped.items())[:1])
        raise RunError(f"{path}: no data there; looked for {', '.join(SUFFIXES)}{others}")
    return {str(bare(file).relative_to(path)): file for file in found}


def records_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file as plain data; a line or an entry that is none has its fault under `BROKEN`.

    Raises:
        RunError: the file as a whole cannot be read.
    """
    suffix = suffix_of(path)
    if (kind := _kind(path)) not in (None, "nothing"):
        raise RunError(f"{path}: is {kind}, not a file")  # reading a FIFO or a device waits for ever
    try:
        return [_object(one) for one in _read(path, suffix)]
    except pl.exceptions.NoDataError:
        return []
    except (OSError, ValueError, EOFError, RecursionError, zlib.error, pl.exceptions.PolarsError) as error:
        raise RunError(
            f"{path}: cannot be read as {suffix.removeprefix('.') or 'data'}: {cause(error, path)}"
        ) from None


def document_of(path: Path) -> Any:
    """A JSON document as it is.

    Raises:
        RunError: it cannot be read.
    """
    try:
        with _opened(path) as file:
            return json.loads(file.read(MOST_OF_A_FILE))
    except (OSError, ValueError, EOFError, RecursionError, zlib.error) as error:
        raise RunError(f"{path}: cannot be read as json: {cause(error, path)}") from None


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


def cause(error: Exception, path: Path) -> str:
    """What an error of a reader says, in a line, without the path."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = said.replace(f": {path}", "").replace(str(path), "it").strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return cast(IO[str], gzip.open(path, "rt", encoding="utf-8-sig", errors="replace"))
    return path.open(encoding="utf-8-sig", errors="replace")


def _read_arrow(path: Path) -> pl.DataFrame:
    """A table that `datasets` saved (a stream), or a file in the format of Feather."""
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
            except (ValueError, RecursionError):  # also an integer with thousands of digits
                yield {BROKEN: "not a line of JSON", "text": line}


def _object(record: Any) -> dict[str, Any]:
    return record if isinstance(record, dict) else {BROKEN: "not an object", "text": str(record)[:MOST_OF_A_LINE]}


def rows_of_document(document: Any) -> list[Any]:
    """The rows of a JSON document: a list, a table of W&B or pandas, a list in an object, or columns.

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
"""Names under which an object keeps a list of rows."""


def _holders(document: dict[str, Any]) -> bool:
    return not document.keys().isdisjoint({*HOLDERS, *ROLES["text"]})
