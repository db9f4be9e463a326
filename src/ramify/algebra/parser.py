r"""Read expressions from text: a grammar, never `eval`; bounded, linear in the text, without recursion.

    statement = part ("=" part)*              at the top, and inside brackets: (3*7=21)+8=29
    part      = ["-"] term (("+" | "-" | "+-") term)*
    term      = operand (("*" | "/") operand)*
    operand   = integer | "(" statement ")" | "[" statement "]" | \frac{statement}{statement}

The signs × ÷ − · ∗ \times \div \cdot and an x between operands are operators; \left and \right are white space. A
minus sign before an operand of a sum folds into a subtraction (-3+5 is 5-3, 7+-2 is 7-2); a sum of which no operand
is plain (-3-5) is not an expression. Leading zeros, decimals, `**`, `//`, digits joined by spaces, digits of other
scripts and implicit multiplication are errors.
"""

import re

from ramify.algebra.builder import Builder, ParseError, Statement
from ramify.algebra.expression import Expression

MAX_LENGTH = 20_000

_TOKEN = re.compile(
    r"(?P<space>\s+|\\(?:left|right)(?![a-zA-Z])|\\[,;:! ])"
    r"|(?P<number>[0-9]+)"
    r"|(?P<operator>[-+*/×÷−·∗xX]|\\(?:times|div|cdot)(?![a-zA-Z]))"
    r"|(?P<fraction>\\[dt]?frac\s*\{)"
    r"|(?P<open>[(\[])"
    r"|(?P<brace>\{)"
    r"|(?P<close>[)\]}])"
    r"|(?P<equals>=)"
)
MEANING = {"×": "*", "·": "*", "∗": "*", "x": "*", "X": "*", "\\times": "*", "\\cdot": "*"}
MEANING |= {"÷": "/", "\\div": "/", "−": "-"}
CLOSERS = {"(": ")", "[": "]"}


def parse(text: str) -> Expression:
    r"""Read one expression; a `= value` tail is read and left out.

    Raises:
        ParseError: the text is not an expression, is over 20,000 characters, or nests over 1,000 levels.

    >>> parse("[3 × 7] + 8 = 29").text
    '3*7+8'
    >>> parse(r"\\frac{12}{4} \\cdot 5".replace("\\\\", "\\")).text
    '12/4*5'
    >>> parse("2**3")
    Traceback (most recent call last):
    ramify.algebra.parser.ParseError: a number or bracket is missing at position 2
    """
    return parse_statement(text).expression


def parse_statement(text: str) -> Statement:
    """Read one expression with the values that are stated beside it.

    >>> statement = parse_statement("(3*7=21)+8 = 30")
    >>> statement.expression.text, len(statement.claims), statement.holds
    ('3*7+8', 2, False)
    """
    if len(text) > MAX_LENGTH:
        raise ParseError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    builder = Builder()
    position, end = 0, len(text)
    while position < end:
        token = _TOKEN.match(text, position)
        if token is None:
            raise ParseError(f"unexpected {text[position]!r}", position)
        kind, word = token.lastgroup, token.group()
        match kind:
            case "number":
                builder.number(word, position)
            case "operator":
                builder.operator(MEANING.get(word, word), position)
            case "open":
                builder.open(CLOSERS[word], position)
            case "fraction":
                builder.open_fraction(position)
            case "brace":
                builder.open("}", position)
            case "close":
                builder.close(word, position)
            case "equals":
                builder.equals(position)
            case _:
                pass
        position = token.end()
    return builder.finish(end)


__all__ = ["CLOSERS", "MAX_LENGTH", "MEANING", "ParseError", "parse", "parse_statement"]
