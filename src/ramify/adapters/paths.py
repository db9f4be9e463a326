"""Check the type of a path before opening it, since reading a FIFO or a device may block forever."""

import stat
from pathlib import Path

from ramify.errors import RunError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def regular_file(path: Path) -> Path:
    """The path of a regular file, a link to one, or a missing file, which its reader reports.

    Raises:
        RunError: it is of another type.
    """
    what = what_is(path) if path.exists() else None
    if what is not None:
        raise RunError(f"{path}: {what}, not a file")
    return path


def file_or_folder(path: Path) -> Path:
    """The path of a regular file or a folder.

    Raises:
        RunError: it is of another type.
    """
    return path if path.is_dir() else regular_file(path)


def what_is(path: Path) -> str | None:
    """The type of a path that is not a regular file, in words; None for a regular file."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or "not a path"
    return None if kind == stat.S_IFREG else _KINDS.get(kind, "something else")
