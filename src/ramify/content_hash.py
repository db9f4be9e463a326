"""A content hash inside a parquet file, so that file and hash are written by one rename.

The hash is stored in the key-value metadata of the footer and covers the entire file, with zeros in its place. So a
change of any bit is detected, including those of the hash.
"""

from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

KEY = "ramify_content"
DIGITS = 64
_MARK = b"blake2b:"
UNKNOWN = (_MARK + b"0" * DIGITS).decode()
"""The placeholder under `KEY` before the hash is known."""
_MAGIC = b"PAR1"
_TAIL = 8  # footer length and magic bytes
_CHUNK = 1 << 20


def stamped(data: bytes) -> bytes:
    """The bytes of a parquet file with its hash in place of `UNKNOWN`."""
    at = data.rindex(UNKNOWN.encode()) + len(_MARK)
    return data[:at] + blake2b(data, digest_size=DIGITS // 2).hexdigest().encode() + data[at + DIGITS :]


def fault(path: Path) -> str | None:
    """The fault of a parquet file in words; None if its bytes match the hash.

    Of a file without a hash only the structure is checked: start, end and length of the footer. The result is cached
    while the file has the same size, time and inode.
    """
    try:
        stat = path.stat()
        return _fault(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)[0]
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def is_stamped(path: Path) -> bool:
    """Whether an intact file has a hash."""
    stat = path.stat()
    return _fault(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)[1]


@lru_cache(maxsize=1 << 16)
def _fault(path: Path, size: int, *_: int) -> tuple[str | None, bool]:
    """The fault, and whether the file has a hash."""
    if size == 0:
        return "damaged, it is empty", False
    with path.open("rb") as file:
        file.seek(max(size - _TAIL, 0))
        tail = file.read()
        length = int.from_bytes(tail[:4], "little")
        if size < 2 * _TAIL or tail[4:] != _MAGIC or length > size - _TAIL - len(_MAGIC):
            return "damaged, it does not end as a parquet file does", False
        file.seek(size - _TAIL - length)
        footer = file.read(length)
        at = footer.rfind(KEY.encode())
        at = footer.find(_MARK, at) + len(_MARK) if at >= 0 else -1
        if at < len(_MARK):
            return None, False
        hashed = blake2b(digest_size=DIGITS // 2)
        file.seek(0)
        left = size - _TAIL - length
        while left and (chunk := file.read(min(left, _CHUNK))):
            hashed.update(chunk)
            left -= len(chunk)
    hashed.update(footer[:at] + b"0" * DIGITS + footer[at + DIGITS :] + tail)
    same = hashed.hexdigest().encode() == footer[at : at + DIGITS]
    return None if same else "damaged, it is not what was written", True
