"""A hash of a parquet file's content within the file itself, so that both are there after one rename, or neither.

It is that of the whole file with noughts in the place of the hash, which stands among the key-value metadata in the
footer. So every bit of the file is covered, that of the hash included.
"""

from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

KEY = "ramify_content"
DIGITS = 64
_MARK = b"blake2b:"
UNKNOWN = (_MARK + b"0" * DIGITS).decode()
"""What a file is to hold under `KEY` before it is stamped."""
_MAGIC = b"PAR1"
_TAIL = 8  # the length of the footer, and the magic
_CHUNK = 1 << 20


def stamped(data: bytes) -> bytes:
    """The bytes of a parquet file with its hash in the place of `UNKNOWN`."""
    at = data.rindex(UNKNOWN.encode()) + len(_MARK)
    return data[:at] + blake2b(data, digest_size=DIGITS // 2).hexdigest().encode() + data[at + DIGITS :]


def fault(path: Path) -> str | None:
    """What is wrong with the bytes of a parquet file, in words; None if they are those that were written.

    A file without a hash is as good as its shape: beginning, end and length of the footer. The answer is kept for as
    long as the file has the same size, time and inode.
    """
    try:
        told = path.stat()
        return _fault(path, told.st_size, told.st_mtime_ns, told.st_ino)[0]
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def is_stamped(path: Path) -> bool:
    """Whether a file without a fault has a hash."""
    told = path.stat()
    return _fault(path, told.st_size, told.st_mtime_ns, told.st_ino)[1]


@lru_cache(maxsize=1 << 16)
def _fault(path: Path, size: int, *_: int) -> tuple[str | None, bool]:
    """The fault, and whether there is a hash."""
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
