"""Locks between processes: one process works on a folder; others fail with its pid, or wait.

The system lets go of a lock when its process ends, however it ends. Where a file system knows no locks there are none.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ramify.errors import RunError
from ramify.storage import unwritable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_held: dict[Path, int] = {}
"""The locks of this process, and how many times each was taken."""


@contextmanager
def exclusive(path: Path, refusal: str, wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock file, which may be taken again by the process that has it.

    Args:
        refusal: what is said if another process holds it; the process is named after it.
        wait: called with the holder before waiting for the lock; None: raise instead of waiting.

    Raises:
        RunError: another process holds it, or the file cannot be made.
    """
    key = path.resolve()
    if _held.get(key) or fcntl is None:
        _held[key] = _held.get(key, 0) + 1
        try:
            yield
        finally:
            _held[key] -= 1
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        _take(descriptor, refusal, wait)
        _held[key] = 1
        try:
            yield
        finally:
            _held[key] = 0
    finally:
        os.close(descriptor)


def _take(descriptor: int, refusal: str, wait: Callable[[str], None] | None) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "a process that just began"
        if wait is None:
            raise RunError(f"{refusal}: {holder}; wait until it ends, or stop it") from None
        wait(holder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        return
    with suppress(OSError):  # a full disk
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
