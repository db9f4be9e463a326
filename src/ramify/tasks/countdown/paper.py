"""The pattern names of the paper's public code, for reading its data.

Park, Kaur and Arora number the patterns of a size by first occurrence in an enumeration of expressions: tree shapes
with the smaller left side first, operators in the order + - * / with the root slowest (at n = 3 operators before
shapes). Their labels order operands only by sign, number of leaves and number of plain operands. Up to n = 5 each
pattern has one label. At n = 6 a pattern may have two labels, and some labels repeat a letter and are invalid.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from ramify.algebra.pattern import Pattern

MAX_NUMBERED = 5
"""The largest size for which the paper's numbering is correct."""
LETTERS = "ABCDEF"

Tree = Any
"""A letter, or (operator, left, right)."""


class _Operand(NamedTuple):
    inverse: bool
    size: int
    group: "tuple[str, list[_Operand]] | str"


@cache
def paper_labels(size: int) -> tuple[str, ...]:
    """The paper's labels of a size; the position is the paper's pattern index.

    Raises:
        ValueError: a size other than 2 to 5.

    >>> paper_labels(3)[:4]
    ('A+B+C', 'A+B-C', '(A+B)*C', 'A*B+C')
    """
    if not 2 <= size <= MAX_NUMBERED:
        raise ValueError(f"size = {size}: the paper's numbering is valid for sizes 2 to {MAX_NUMBERED}")
    return tuple(dict.fromkeys(label(tree) for tree in _expressions(size)))


@cache
def paper_patterns(size: int) -> tuple[Pattern, ...]:
    """The patterns of a size in the paper's order: index k is its `canonical_pattern_index` k."""
    return tuple(Pattern.parse(text) for text in paper_labels(size))


def paper_label(pattern: Pattern) -> str:
    """The paper's label of a pattern of two to five leaves.

    >>> paper_label(Pattern.parse("A/(B-C/D)"))
    'A/(B-C/D)'
    """
    return paper_labels(pattern.size)[paper_patterns(pattern.size).index(pattern)]


def from_paper(text: str) -> Pattern | None:
    """The pattern of a label; None for a malformed label, which repeats a letter.

    Raises:
        ParseError: the text is not a label.

    >>> from_paper("A*B*C-D/E"), from_paper("A+B*C*B")
    (Pattern('A*B*C-D/E'), None)
    """
    letters = Counter(character for character in text if character.isalpha())
    return None if max(letters.values(), default=0) > 1 else Pattern.parse(text)


def _expressions(size: int) -> Iterator[Tree]:
    shapes = list(_shapes(LETTERS[:size]))
    if size == 3:  # operators in reading order; both shapes precede the next operators
        for left, right in product("+-*/", repeat=2):
            yield (right, (left, "A", "B"), "C")
            yield (left, "A", (right, "B", "C"))
        return
    for shape in shapes:
        for operators in product("+-*/", repeat=size - 1):
            yield filled(shape, iter(operators))


def _shapes(letters: str) -> Iterator[Tree]:
    if len(letters) == 1:
        yield letters
    for cut in range(1, len(letters)):
        for left, right in product(_shapes(letters[:cut]), _shapes(letters[cut:])):
            yield ("", left, right)


def filled(shape: Tree, operators: Iterator[str]) -> Tree:
    """A shape with operators filled in: the root first, then its left side."""
    if isinstance(shape, str):
        return shape
    return (next(operators), filled(shape[1], operators), filled(shape[2], operators))


def label(tree: Tree) -> str:
    """The label of an expression.

    >>> label(("-", "A", ("/", "B", ("*", "C", "D"))))
    'A-B/C/D'
    """
    names: dict[str, str] = {}
    return _text(_operand(tree, inverse=False), names)


def _operand(tree: Tree, inverse: bool) -> _Operand:
    if isinstance(tree, str):
        return _Operand(inverse, 1, tree)
    kind = "sum" if tree[0] in "+-" else "product"
    operands: list[_Operand] = []
    for side, turned in ((tree[1], False), (tree[2], tree[0] in "-/")):
        found = _operand(side, turned)
        if isinstance(found.group, tuple) and found.group[0] == kind:
            operands += [operand._replace(inverse=operand.inverse ^ turned) for operand in found.group[1]]
        else:
            operands.append(found)
    operands.sort(key=lambda operand: (operand.inverse, -operand.size, -_plain(operand)))
    return _Operand(inverse, sum(operand.size for operand in operands), (kind, operands))


def _plain(operand: _Operand) -> int:
    return sum(not inner.inverse for inner in operand.group[1]) if isinstance(operand.group, tuple) else 0


def _text(operand: _Operand, names: dict[str, str]) -> str:
    if isinstance(operand.group, str):
        return names.setdefault(operand.group, LETTERS[len(names)])
    kind, operands = operand.group
    text = ""
    for inner in operands:
        sign = ("-" if inner.inverse else "+") if kind == "sum" else ("/" if inner.inverse else "*")
        part = _text(inner, names)
        in_brackets = kind == "product" and isinstance(inner.group, tuple)
        text += (sign if text else "") + (f"({part})" if in_brackets else part)
    return text
