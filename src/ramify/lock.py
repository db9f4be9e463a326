"""Locks between processes: one process writes a folder; others fail with its pid, or wait.

The system releases a lock when its process ends. On file systems without locks, nothing is locked.
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
"""The locks held by this process, with their counts."""


@contextmanager
def exclusive(path: Path, refusal: str, wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock file; the process that holds it may acquire it again.

    Args:
        refusal: the error message if another process holds the lock, followed by that process.
        wait: called with the holder before waiting for the lock; None to raise instead of waiting.

    Raises:
        RunError: another process holds the lock, or the file cannot be created.
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
