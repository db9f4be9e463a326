"""Tables on disk: parquet with declared columns, a schema version and a content hash in the file.

Tables of schema version 1 have no hash and are read unchecked.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from ramify import content_hash
from ramify.errors import RunError
from ramify.schemas import Schema
from ramify.storage import write_bytes

SCHEMA_VERSION = "2"
UNCHECKED_VERSION = "1"
"""The schema version of tables without a hash."""
ANALYSIS_VERSION = "7"
"""The version of the estimates, increased when the same annotated tables give different ones."""

Versions = Mapping[str, str]
"""Versions of the components behind a table, stored in its metadata."""
_AGAIN = "the command that wrote it writes it again"


def write_table(
    frame: pl.DataFrame, path: Path, schema: Schema | None = None, versions: Versions = MappingProxyType({})
) -> None:
    """Write a parquet file atomically.

    Args:
        schema: columns and types to cast to; None for those of the frame.
        versions: versions of the components behind it, for `is_current`.

    Raises:
        TypeError: a column has no type, such as one that only has nulls.
    """
    if schema is not None:
        frame = stated(frame, schema)
    for column, kind in frame.schema.items():
        if kind == pl.Null or kind == pl.List(pl.Null):
            raise TypeError(f"{path.name}: the column {column} has no type")
    metadata = {"ramify_schema": SCHEMA_VERSION, content_hash.KEY: content_hash.UNKNOWN, **versions}
    buffer = BytesIO()
    frame.write_parquet(buffer, metadata=metadata)
    write_bytes(content_hash.stamped(buffer.getvalue()), path)


def stated(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """A frame with the columns and types of a schema.

    >>> stated(pl.DataFrame({"pattern": [None], "step": [1]}), {"pattern": pl.String}).schema
    Schema([('pattern', String)])
    """
    return frame.select(pl.col(column).cast(kind) for column, kind in schema.items())


def read_table(path: Path, schema: Schema | None = None, again: str = _AGAIN) -> pl.DataFrame:
    """Read a parquet file written by ramify.

    Args:
        schema: required columns and types; None for no check.
        again: how to rebuild it, for the error message.

    Raises:
        RunError: the file is missing, damaged, or from another version of ramify.
    """
    return scan_table(path, schema, again).collect()


def scan_table(path: Path, schema: Schema | None = None, again: str = _AGAIN) -> pl.LazyFrame:
    """Scan a parquet file lazily."""
    if not path.is_file():
        raise RunError(f"{path}: no such table; {again}")
    wrong = fault(path)
    if wrong is not None:
        raise RunError(f"{path}: {wrong}; delete it, and {again}")
    frame = pl.scan_parquet(path, glob=False)
    if schema is None:
        return frame
    there = frame.collect_schema()
    other = [name for name, kind in schema.items() if name not in there or not _is_castable(there[name], kind)]
    if other:
        raise RunError(f"{path}: damaged, its column {other[0]} is missing or of another type; delete it, and {again}")
    return frame.with_columns(pl.col(name).cast(kind) for name, kind in schema.items() if there[name] != kind)


def _is_castable(there: pl.DataType, wanted: Any) -> bool:
    return there == wanted or there == pl.Null or (there.is_numeric() and wanted.is_numeric())


def fault(path: Path) -> str | None:
    """The fault of a table file in words; None if it is intact, or too old to have a hash."""
    if not path.is_file():
        return "no such table"
    wrong = content_hash.fault(path)
    if wrong is not None:
        return wrong
    stamped = is_stamped(path)
    try:
        # Without a hash, only reading shows whether the file is valid.
        version = pl.read_parquet_metadata(path).get("ramify_schema")
        if not stamped and version == UNCHECKED_VERSION:
            pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return "damaged, it cannot be read as parquet"
    if version == (SCHEMA_VERSION if stamped else UNCHECKED_VERSION):
        return None
    if version == SCHEMA_VERSION:
        return "damaged, it has no hash of its content"
    return f"schema version {version}, this ramify reads {SCHEMA_VERSION}"


def is_stamped(path: Path) -> bool:
    """Whether a table has a content hash, which earlier versions did not write."""
    return content_hash.is_stamped(path)


def made_by(grader: str, estimates: bool = False) -> dict[str, str]:
    """The versions behind a derived table: the task's grader and, for estimates, the analysis."""
    return {"ramify_grader": grader} | ({"ramify_analysis": ANALYSIS_VERSION} if estimates else {})


def is_current(path: Path, versions: Versions) -> bool:
    """Whether a derived table is intact and has these versions."""
    if fault(path) is not None:
        return False
    found = pl.read_parquet_metadata(path)
    return all(found.get(name) == version for name, version in versions.items())
