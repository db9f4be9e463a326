"""The notation of the tiny bundled model: operands named by slots, and the value of every step stated, as tokens."""

from typing import NamedTuple

from ramify.algebra.expression import Expression, calculate
from ramify.algebra.pattern import LEAF, Pattern, combine
from ramify.tasks.countdown.puzzle import Puzzle

SLOTS = "ABCDEFGH"
OPEN, CLOSE = "<answer>", "</answer>"


def number_tokens(number: int) -> list[str]:
    """The tokens of a non-negative integer, most significant base-100 digit first.

    >>> number_tokens(7), number_tokens(2184), number_tokens(10500)
    (['7'], ['21', '#84'], ['1', '#05', '#00'])
    """
    digits = []
    while number >= 100:
        number, digit = divmod(number, 100)
        digits.append(f"#{digit:02d}")
    return [str(number), *reversed(digits)]


class Tried(NamedTuple):
    """An attempt: its tokens with stated values, the same without, its value, a fraction that is not reduced."""

    stated: list[str]
    plain: list[str]
    numerator: int
    denominator: int
    pattern: Pattern


def value_tokens(numerator: int, denominator: int) -> list[str]:
    """A value as the model writes it: an integer where it is one, else a fraction as it stands, not reduced.

    >>> "".join(value_tokens(-24, 8)), "".join(value_tokens(12, 8))
    ('-3', '12|8')
    """
    sign = ["-"] if numerator < 0 else []
    if numerator % denominator == 0:
        return sign + number_tokens(abs(numerator) // denominator)
    return sign + number_tokens(abs(numerator)) + ["|"] + number_tokens(denominator)


def demonstrate(puzzle: Puzzle, expression: Expression) -> str:
    r"""A right completion of a puzzle as the traces write it, with slots: one attempt, then the answer.

    Raises:
        ValueError: the expression divides by zero.

    >>> print(demonstrate(Puzzle((8, 3, 7), 29), Expression((3, 7, "*", 8, "+"))))
    (B3*C7=21)+A8=29
    <answer>(B3*C7)+A8</answer>
    """
    free = list(zip(SLOTS, puzzle.numbers, strict=False))

    def leaf(number: int) -> Tried:
        slot = next(pair for pair in free if pair[1] == number)
        free.remove(slot)
        tokens = [slot[0], *number_tokens(number)]
        return Tried(tokens, tokens, number, 1, LEAF)

    def node(operator: str, left: Tried, right: Tried) -> Tried:
        joined = join(operator, left, right)
        if joined is None:
            raise ValueError(f"{expression.text} divides by zero")
        return joined

    tried = expression.fold(leaf, node)
    return "".join([*tried.stated, "\n", OPEN, *tried.plain, CLOSE]).replace("#", "")


def join(symbol: str, left: Tried, right: Tried) -> Tried | None:
    """`left symbol right`; None where it divides by zero."""
    a, b, c, d = left.numerator, left.denominator, right.numerator, right.denominator
    numerator, denominator = calculate(symbol, (a, b), (c, d))
    if symbol in "+-" and b == d:  # written over the common denominator
        numerator, denominator = (a + c if symbol == "+" else a - c), b
    if denominator == 0:
        return None
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    if numerator % denominator == 0:
        numerator, denominator = numerator // denominator, 1
    pattern = combine(symbol, left.pattern, right.pattern)
    stated = [*bracket(left.stated, left.pattern.size), symbol, *bracket(right.stated, right.pattern.size), "="]
    plain = [*bracket(left.plain, left.pattern.size), symbol, *bracket(right.plain, right.pattern.size)]
    return Tried(stated + value_tokens(numerator, denominator), plain, numerator, denominator, pattern)


def bracket(tokens: list[str], size: int) -> list[str]:
    """The tokens of an operand, in parentheses where it has more than one leaf."""
    return ["(", *tokens, ")"] if size > 1 else tokens
