"""The shape of a tree by the leaves on either side of its root: one meaning for every task."""

from typing import Literal

ShapeClass = Literal["balanced", "left-heavy", "right-heavy", "none"]
SHAPE_CLASSES: tuple[ShapeClass, ...] = ("balanced", "left-heavy", "right-heavy")


def shape_class(left: int, right: int) -> ShapeClass:
    """The shape class of a tree with so many leaves left and right of its root; "none" below three leaves.

    Three leaves cannot be balanced, because one side has one leaf and the other two.

    >>> [shape_class(*sides) for sides in ((1, 1), (2, 1), (1, 2), (2, 2), (3, 1))]
    ['none', 'left-heavy', 'right-heavy', 'balanced', 'left-heavy']
    """
    if left + right < 3:
        return "none"
    if abs(left - right) <= 1 and left + right >= 4:
        return "balanced"
    return "left-heavy" if left > right else "right-heavy"
