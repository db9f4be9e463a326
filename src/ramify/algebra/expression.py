"""Expressions over integers and + - * /, in postfix order so that no operation recurses."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

T = TypeVar("T")

PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}
_ATOM = 3


@dataclass(frozen=True, slots=True)
class Expression:
    """A tree of integer leaves and binary operators.

    Attributes:
        postfix: leaves (int) and operators (str), each operator after its two operands.
        negated: whether a minus sign precedes the whole expression. The parser folds signs into subtractions, so this
            happens only where there is none, as in -(9*2).

    >>> e = Expression((3, 7, "*", 8, "+"))
    >>> e.text, e.value, e.numbers
    ('3*7+8', Fraction(29, 1), (3, 7, 8))
    """

    postfix: tuple[int | str, ...]
    negated: bool = False

    @classmethod
    def leaf(cls, number: int) -> "Expression":
        """The expression of a single number."""
        return cls((number,))

    def join(self, operator: str, other: "Expression") -> "Expression":
        """`self operator other`.

        Raises:
            ValueError: an operand is negated.

        >>> Expression.leaf(8).join("/", Expression.leaf(4).join("/", Expression.leaf(2))).text
        '8/(4/2)'
        """
        if self.negated or other.negated:
            raise ValueError("a negated expression cannot be an operand")
        return Expression((*self.postfix, *other.postfix, operator))

    def fold(self, leaf: Callable[[int], T], node: Callable[[str, T, T], T]) -> T:
        """Compute a value bottom-up: `leaf(number)` at leaves, `node(operator, left, right)` above them.

        A sign before the whole expression is ignored.
        """
        stack: list[T] = []
        for item in self.postfix:
            if isinstance(item, str):
                right = stack.pop()
                stack[-1] = node(item, stack[-1], right)
            else:
                stack.append(leaf(item))
        return stack[0]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The leaves in reading order."""
        return tuple(item for item in self.postfix if not isinstance(item, str))

    @property
    def value(self) -> Fraction | None:
        """The exact value; None if a division by zero occurs.

        >>> Expression((1, 2, 2, "-", "/")).value is None
        True
        """
        numerator, denominator = self.fold(lambda number: (number, 1), calculate)
        return Fraction(-numerator if self.negated else numerator, denominator) if denominator else None

    def intermediates(self) -> list[Fraction]:
        """The values of all operations but the last; empty if a division by zero occurs.

        >>> [str(value) for value in Expression((87, 96, 48, "/", 21, 25, "/", "-", "/")).intermediates()]
        ['2', '21/25', '29/25']
        """
        if self.value is None:
            return []
        found: list[Fraction] = []

        def node(operator: str, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
            pair = calculate(operator, left, right)
            found.append(Fraction(*pair))
            return pair

        self.fold(lambda number: (number, 1), node)
        return found[:-1]

    @property
    def text(self) -> str:
        """The text with the fewest parentheses that preserve the tree.

        >>> Expression((1, 2, 3, "+", "+")).text
        '1+(2+3)'
        """
        return self.render(str)

    def render(self, leaf: Callable[[int], str]) -> str:
        """The text with each leaf written by `leaf`."""
        text, level = self.fold(lambda number: (leaf(number), _ATOM), _node_text)
        return text if not self.negated else f"-{text}" if level == _ATOM else f"-({text})"

    def uses(self, numbers: tuple[int, ...]) -> bool:
        """Whether the leaves are these numbers, each exactly as often."""
        return len(numbers) * 2 - 1 == len(self.postfix) and Counter(self.numbers) == Counter(numbers)


def calculate(operator: str, left: tuple[Any, Any], right: tuple[Any, Any]) -> tuple[Any, Any]:
    """One operation on two fractions, exactly.

    Args:
        left, right: numerator and denominator: integers, or arrays of them. A denominator of 0 means undefined.

    Returns:
        The same, not reduced; undefined where a part is, or the divisor is 0.

    >>> calculate("/", (1, 2), (3, 4)), calculate("+", (1, 2), calculate("/", (1, 1), (0, 1)))
    ((4, 6), (2, 0))
    """
    (a, b), (c, d) = left, right
    match operator:
        case "+":
            return a * d + c * b, b * d
        case "-":
            return a * d - c * b, b * d
        case "*":
            return a * c, b * d
        case _:
            return a * d, b * c * (d != 0)


def _node_text(operator: str, left: tuple[str, int], right: tuple[str, int]) -> tuple[str, int]:
    level = PRECEDENCE[operator]
    before = f"({left[0]})" if left[1] < level else left[0]
    after = f"({right[0]})" if right[1] <= level else right[0]
    return f"{before}{operator}{after}", level
