"""The structure of a pattern: how deep and how long it is, its shape, its parts, and what it contains."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ramify.algebra.shape import ShapeClass, shape_class
from ramify.tasks.functions.counting import Stratum
from ramify.tasks.functions.language import FUNCTIONS, LETTERS, Program


class Structure(NamedTuple):
    """What follows from a pattern.

    Attributes:
        depth: the most functions within each other.
        leaves: strings.
        functions: calls, which are the steps of its execution.
        lookahead: values held while executing left to right: 1 for a string, that of its operand for a unary call, and
            max(left, 1 + right) for a binary one.
        split: the topmost binary function with the strings on either side, such as [2]zip[1]; empty without one.
        shape_class: of these strings; "none" below three.
    """

    depth: int
    leaves: int
    functions: int
    lookahead: int
    split: str
    shape_class: ShapeClass

    @property
    def stratum(self) -> Stratum:
        """The patterns that are as long as it and of its shape."""
        return Stratum(self.depth, self.leaves, self.functions, self.shape_class)


def structure(program: Program) -> Structure:
    """The structure of a pattern, or of a program.

    >>> structure(Program.parse("rev(zip(cat(A,B),sort(C)))"))
    Structure(depth=3, leaves=3, functions=4, lookahead=2, split='[2]zip[1]', shape_class='left-heavy')
    >>> structure(Program.parse("zip(A,cat(B,mix(C,D)))")).lookahead
    4
    """
    leaves, lookahead, split, shape = program.fold(fold_leaf, fold_call)
    return Structure(program.depth, leaves, program.functions, lookahead, split, shape)


Folded = tuple[int, int, str, ShapeClass]
"""Leaves, lookahead, split and shape class of a tree."""


def fold_leaf(_: str) -> Folded:
    """Those of a leaf."""
    return 1, 1, "", "none"


def fold_call(name: str, operands: Sequence[Folded]) -> Folded:
    """Those of a function of one or two operands, from those of its operands."""
    if len(operands) == 1:
        return operands[0]
    (left, first, *_), (right, second, *_) = operands
    return left + right, max(first, 1 + second), f"[{left}]{name}[{right}]", shape_class(left, right)


def parts(pattern: Program) -> tuple[Program, ...]:
    """What a pattern is put together of: its outermost function alone, and its operands that are calls.

    Empty for a pattern of one function.

    >>> [part.text for part in parts(Program.parse("zip(rev(sort(A)),B)"))], parts(Program.parse("rev(A)"))
    (['zip(A,B)', 'rev(sort(A))'], ())
    """
    calls = [operand for operand in pattern.operands() if operand.functions]
    if not calls:
        return ()
    root = pattern.postfix[-1]
    return tuple(part.filled(LETTERS) for part in (Program((*LETTERS[: FUNCTIONS[root].arity], root)), *calls))


def contains(program: Program, fragment: Program) -> bool:
    """Whether a fragment, whose letters stand for anything, occurs in a program or pattern.

    >>> fragment = Program.parse("rev(zip(A,B))")
    >>> [contains(Program.parse(text), fragment) for text in ("inc(rev(zip(A,sort(B))))", "rev(inc(zip(A,B)))")]
    [True, False]
    """
    return _contains(program.postfix, fragment.postfix)


@lru_cache(maxsize=1 << 16)
def _contains(postfix: tuple[str, ...], fragment: tuple[str, ...]) -> bool:
    sizes: list[int] = []  # items of the part that ends at each place
    starts: list[int] = []
    for at, item in enumerate(postfix):
        if item in FUNCTIONS:
            del starts[len(starts) - FUNCTIONS[item].arity + 1 :]
        else:
            starts.append(at)
        sizes.append(at + 1 - starts[-1])
    return any(_fits(postfix, sizes, at, fragment) for at in range(len(postfix)))


def _fits(postfix: tuple[str, ...], sizes: list[int], at: int, fragment: tuple[str, ...]) -> bool:
    for item in reversed(fragment):
        if item not in FUNCTIONS:
            at -= sizes[at]
        elif postfix[at] == item:
            at -= 1
        else:
            return False
    return True
