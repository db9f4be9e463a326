"""What a path of others is, before it is opened: reading a FIFO or a device waits for ever."""

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
    """The path, if it is a regular file, or a link to one; what reads it says that there is nothing.

    Raises:
        RunError: it is something else.
    """
    what = what_is(path) if path.exists() else None
    if what is not None:
        raise RunError(f"{path}: {what}, not a file")
    return path


def file_or_folder(path: Path) -> Path:
    """The path, if it is a regular file or a folder.

    Raises:
        RunError: it is something else.
    """
    return path if path.is_dir() else regular_file(path)


def what_is(path: Path) -> str | None:
    """What a path is that is no regular file, in words; None if it is one."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or "not a path"
    return None if kind == stat.S_IFREG else _KINDS.get(kind, "something else")
