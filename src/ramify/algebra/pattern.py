"""Patterns: classes of expressions under commutativity and associativity, with unlabelled leaves.

In the normal form of a pattern, sums and products alternate; each is a group of plain children (+ or *), at least one,
and inverse children (- or /). Groups are sorted, so patterns are equal exactly if their structures are; the text is
derived.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from ramify.algebra.expression import Expression
from ramify.algebra.parser import ParseError, parse

if TYPE_CHECKING:
    from ramify.algebra.drawing import Drawing

Kind = Literal["leaf", "sum", "product"]

MAX_SIZE = 200
"""The largest number of leaves, which bounds the depth of recursion over a pattern."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SYMBOLS: dict[Kind, tuple[str, str]] = {"sum": ("+", "-"), "product": ("*", "/")}
_KINDS: dict[str, tuple[Kind, bool]] = {op: (k, op == s[1]) for k, s in _SYMBOLS.items() for op in s}


@dataclass(frozen=True, slots=True, repr=False)
class Pattern:
    """The class of an expression under commutativity and associativity, with unlabelled leaves.

    Attributes:
        kind: leaf, sum or product.
        plain: children that are added or multiplied, sorted.
        inverse: children that are subtracted or divided by, sorted.
        size: number of leaves.

    >>> Pattern.of(parse("8/4*2")) == Pattern.of(parse("2*8/4")) == Pattern.parse("A*B/C")
    True
    """

    kind: Kind
    plain: "tuple[Pattern, ...]" = ()
    inverse: "tuple[Pattern, ...]" = ()
    size: int = field(default=1, compare=False)
    order: tuple[Any, ...] = field(default=(-1,), compare=False)
    _hash: int = field(default=0, compare=False)  # integers only, so the hash is the same in every process

    def __hash__(self) -> int:
        return self._hash

    @classmethod
    def group(cls, kind: Kind, plain: "Iterable[Pattern]", inverse: "Iterable[Pattern]" = ()) -> "Pattern":
        """The sum or product of children; children of the same kind are merged, with signs propagated.

        >>> difference = Pattern.group("sum", [LEAF], [LEAF])
        >>> Pattern.group("sum", [LEAF], [difference]).text
        'A+B-C'
        """
        sides: tuple[list[Pattern], list[Pattern]] = ([], [])
        for side, children in enumerate((plain, inverse)):
            for child in children:
                if child.kind == kind:
                    sides[side].extend(child.plain)
                    sides[1 - side].extend(child.inverse)
                else:
                    sides[side].append(child)
        if not sides[0]:
            raise ValueError(f"a {kind} needs a plain child")
        ordered = tuple(tuple(sorted(children, key=lambda child: child.order)) for children in sides)
        return _interned(kind, *ordered)

    @classmethod
    def of(cls, expression: Expression) -> "Pattern":
        """The pattern of an expression.

        Raises:
            ValueError: more than 200 leaves, or a minus sign before the whole expression, as in -(9*2).

        >>> Pattern.of(parse("7-(3-(2-1))")).text
        'A+B-C-D'
        """
        if len(expression.postfix) > 2 * MAX_SIZE:
            raise ValueError(f"a pattern has at most {MAX_SIZE} leaves")
        if expression.negated:
            raise ValueError(f"{expression.text} starts with a minus sign, so it has no pattern")
        return expression.fold(lambda _: LEAF, combine)

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Parse a pattern such as `A/(B-C/D)`; letters stand for any number, in any order.

        Raises:
            ParseError: not an expression over single letters.
            ValueError: more than 200 leaves.

        >>> Pattern.parse("(X-Y)+Z").text
        'A+B-C'
        """
        for position, character in enumerate(text):
            if character.isalpha() and not character.isascii():
                raise ParseError(f"unexpected {character!r}", position)
            if character.isalpha() and text[position + 1 : position + 2].isalpha():
                raise ParseError(
                    f"{text[position : position + 2]!r} are two letters without a sign between them", position
                )
        letters = "".join("1" if character.isalpha() else character for character in text)
        if any(character.isdigit() for character in text):
            raise ParseError("a pattern is written with letters", next(i for i, c in enumerate(text) if c.isdigit()))
        expression = parse(letters)
        if expression.negated:
            raise ParseError("a pattern cannot start with a minus sign", 0)
        return cls.of(expression)

    @property
    def tree(self) -> Expression:
        """The binary tree: the left fold of the groups, with the leaves numbered 0, 1, 2 … in reading order.

        >>> Pattern.parse("A+B-C*D").tree.render(letter)
        'A+B-C*D'
        """
        return _tree(self)

    @property
    def text(self) -> str:
        """The canonical text, letters in reading order, fewest parentheses.

        >>> Pattern.parse("C-D/E-F*G+A*B*H").text
        'A*B*C+D-E*F-G/H'
        """
        return _text(self)

    def draw(self) -> "Drawing":
        """The drawn binary tree: SVG in a notebook, text elsewhere; `draw().svg` can be saved as a file.

        >>> Pattern.parse("A/(B-C)").draw()
        ÷
        ├─ A
        └─ −
           ├─ B
           └─ C
        """
        from ramify.algebra.drawing import drawing  # it imports this module

        return drawing(self)

    def _repr_html_(self) -> str:
        from ramify.algebra.drawing import pattern_html

        return pattern_html(self)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


def parse_patterns(texts: Iterable[str]) -> tuple[Pattern, ...]:
    """Parse the patterns in settings: two leaves or more, since every pattern contains a single letter.

    Raises:
        ValueError: a text is not such a pattern.

    >>> parse_patterns(["A-B*C", "A-"])
    Traceback (most recent call last):
    ValueError: 'A-' is not a pattern such as A-B*C: the text ends where an operand should be
    """
    found = []
    for text in texts:
        shown = repr(text) if len(text) <= 60 else f"{text[:57]!r}..."
        try:
            found.append(Pattern.parse(text))
        except ValueError as error:
            raise ValueError(f"{shown} is not a pattern such as A-B*C: {error}") from None
        if found[-1].size < 2:
            raise ValueError(f"{shown} is one number alone, not a pattern such as A-B*C")
    return tuple(found)


@cache
def _interned(kind: Kind, plain: tuple[Pattern, ...], inverse: tuple[Pattern, ...]) -> Pattern:
    size = sum(child.size for child in plain + inverse)
    # Larger before smaller, then sums, then more plain children; then the children decide, in their own order.
    order = (
        -size,
        kind != "sum",
        -len(plain),
        tuple(child.order for child in plain),
        tuple(child.order for child in inverse),
    )
    return Pattern(kind, plain, inverse, size, order, hash(order))


LEAF = Pattern("leaf", _hash=hash((-1,)))


def letter(leaf: int) -> str:
    """The name of a leaf by its place in reading order.

    >>> letter(2), letter(26)
    ('C', 'X26')
    """
    return LETTERS[leaf] if leaf < len(LETTERS) else f"X{leaf}"


def kind_of(operator: str) -> tuple[Kind, bool]:
    """The kind of group an operator belongs to, and whether its right operand is an inverse child.

    >>> kind_of("/")
    ('product', True)
    """
    return _KINDS[operator]


@lru_cache(maxsize=1 << 16)
def combine(operator: str, left: Pattern, right: Pattern) -> Pattern:
    """The pattern of `left operator right`."""
    kind, inverts = kind_of(operator)
    return Pattern.group(kind, (left,), (right,)) if inverts else Pattern.group(kind, (left, right))


@lru_cache(maxsize=1 << 16)
def _tree(pattern: Pattern) -> Expression:
    items: list[int | str] = []
    leaves = 0

    def write(part: Pattern) -> None:
        nonlocal leaves
        if part.kind == "leaf":
            items.append(leaves)
            leaves += 1
            return
        for position, (symbol, child) in enumerate(signed_children(part)):
            write(child)
            if position:
                items.append(symbol)

    write(pattern)
    return Expression(tuple(items))


@lru_cache(maxsize=1 << 16)
def _text(pattern: Pattern) -> str:
    return _tree(pattern).render(letter)


def signed_children(pattern: Pattern) -> list[tuple[str, Pattern]]:
    """The children of a group in canonical order, each with its operator."""
    plain, inverse = _SYMBOLS[pattern.kind]
    return [(plain, child) for child in pattern.plain] + [(inverse, child) for child in pattern.inverse]
