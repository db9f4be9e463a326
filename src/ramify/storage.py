"""Files on disk: written atomically, read with one-sentence errors, and found by number.

A file is written under a temporary name and then renamed, so a file at its final name is complete, and interrupted work
resumes by skipping existing files.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ramify.errors import RunError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""Error numbers of a full disk or quota, a size limit, and a failing disk."""
_WRITE_FAILED = re.compile(
    r"os error (?:5|27|28|30|122)\b|PytorchStreamWriter failed writing|unexpected pos [0-9]+ vs|iostream error"
)
TEMPORARY = ".tmp"
"""The suffix of unfinished files, whose names start with a dot."""


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file atomically; it appears under its name when complete, and an error leaves no other file.

    Raises:
        RunError: the path is a folder, or cannot be written, such as on a full disk.
    """
    if path.is_dir():
        raise RunError(f"{path}: is a folder; name a file, such as {path / 'report.html'}")
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):  # nothing was written if the folder is inaccessible
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from None
        raise


@contextmanager
def folder_in_one_step(folder: Path) -> Iterator[Path]:
    """A temporary folder to write into, which gets its name at the end; if an error occurs, nothing remains.

    Raises:
        RunError: it cannot be written, such as on a full disk.
    """
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}{TEMPORARY}")
    try:
        with saving(folder):
            unfinished.mkdir(parents=True)
            yield unfinished
            if not folder.is_dir():  # another process may have been faster
                unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def unwritable(path: Path, error: OSError) -> RunError:
    """The error for a file that cannot be written."""
    return RunError(
        f"{path}: cannot be written: {error.strerror or error}; finished work is kept, and the same command resumes "
        "once this is fixed"
    )


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Convert errors of libraries that write into a folder to one sentence.

    Raises:
        RunError: the disk is full, a quota or a limit is reached, or the disk fails.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise unwritable(Path(error.filename or folder), error) from None
    except Exception as error:  # torch raises RuntimeError, safetensors its own class
        if not _WRITE_FAILED.search(str(error)):
            raise
        number = re.search(r"os error (\d+)", str(error))
        reason = os.strerror(int(number[1])) if number else "the disk took only a part of it"
        raise unwritable(folder, OSError(0, reason)) from None


def write_text(text: str, path: Path) -> None:
    """Write a text file atomically."""
    write_bytes(text.encode(), path)


def write_json(data: Any, path: Path) -> None:
    """Write plain data as JSON atomically."""
    write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", path)


def read_json(path: Path, keys: Collection[str], remedy: str) -> dict[str, Any]:
    """Read a JSON object that ramify wrote.

    Args:
        keys: required keys.
        remedy: what to do if the file is damaged.

    Raises:
        RunError: the file cannot be read, is not a JSON object, or lacks a key.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):  # not JSON, not text, or nested too deep
        raise RunError(f"{path}: damaged, it is not JSON; {remedy}") from None
    missing = sorted(set(keys) - found.keys()) if isinstance(found, dict) else ["a JSON object"]
    if not isinstance(found, dict) or missing:
        raise RunError(f"{path}: damaged, it lacks {', '.join(missing)}; {remedy}")
    return found


def numbered(folder: Path, prefix: str, suffix: str = "", width: int = 1) -> dict[int, Path]:
    """The files named by a prefix, a number of at least `width` digits and a suffix, by number.

    Other names are ignored: seed-old, checkpoint-2-backup, step-000004 (copy).parquet, seed-01.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("seed-2", "seed-10", "seed-old", "seed-01", "seed-2-backup"):
    ...         (Path(folder) / name).mkdir()
    ...     list(numbered(Path(folder), "seed-"))
    [2, 10]
    """
    name = re.compile(rf"{re.escape(prefix)}([0-9]{{1,18}}){re.escape(suffix)}", re.ASCII)
    found = {}
    for path in folder.iterdir() if folder.is_dir() else []:
        match = name.fullmatch(path.name)
        if match and match[1] == f"{int(match[1]):0{width}d}":
            found[int(match[1])] = path
    return dict(sorted(found.items()))
