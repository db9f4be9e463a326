"""All patterns of a size, in a stable order."""

from collections.abc import Iterator
from functools import cache

from ramify.algebra.pattern import LEAF, Kind, Pattern

MAX_CATALOG = 8
_KINDS: tuple[tuple[Kind, Kind], ...] = (("sum", "product"), ("product", "sum"))


@cache
def patterns(size: int) -> tuple[Pattern, ...]:
    """Every pattern with this number of leaves, sorted; its position is its index.

    Raises:
        ValueError: size below 1 or above 8 (there are 155,366 patterns of size 8).

    >>> [len(patterns(n)) for n in range(1, 7)]
    [1, 4, 18, 96, 558, 3494]
    >>> [pattern.text for pattern in patterns(2)]
    ['A+B', 'A-B', 'A*B', 'A/B']
    """
    if not 1 <= size <= MAX_CATALOG:
        raise ValueError(f"size = {size}: patterns are listed for sizes 1 to {MAX_CATALOG}")
    if size == 1:
        return (LEAF,)
    found = [
        Pattern.group(kind, plain, inverse)
        for kind, other in _KINDS
        for plain_size in range(1, size + 1)
        for plain in _multisets(other, plain_size, size - 1)
        for inverse in _multisets(other, size - plain_size, size - 1)
        if len(plain) + len(inverse) > 1
    ]
    return tuple(sorted(found, key=lambda pattern: pattern.order))


@cache
def index_of(pattern: Pattern) -> int:
    """The position of a pattern in `patterns(pattern.size)`."""
    return _indices(pattern.size)[pattern]


@cache
def _indices(size: int) -> dict[Pattern, int]:
    return {pattern: index for index, pattern in enumerate(patterns(size))}


@cache
def _multisets(kind: Kind, total: int, largest: int) -> tuple[tuple[Pattern, ...], ...]:
    """Multisets of leaves and groups of a kind with `total` leaves, each child with at most `largest`."""
    return tuple(_multisets_from(kind, total, min(total, largest), 0))


def _multisets_from(kind: Kind, total: int, size: int, start: int) -> Iterator[tuple[Pattern, ...]]:
    """Multisets with children in order: sizes descending from `size`, and within a size from index `start`."""
    if total == 0:
        yield ()
        return
    for part in range(min(size, total), 0, -1):
        children = [child for child in patterns(part) if child.kind in (kind, "leaf")]
        for index in range(start if part == size else 0, len(children)):
            for rest in _multisets_from(kind, total - part, part, index):
                yield (children[index], *rest)
