r"""Read expressions from text: a grammar, never `eval`; bounded, linear in the text, without recursion.

    answer    = part ("=" part)* [end]        end: a full stop or a tick, tokens of a chat template
    statement = part ("=" part)*              inside brackets: (3*7=21)+8=29
    part      = ["-"] term (("+" | "-") ["-"] term)*
    term      = operand (("*" | "/") ["-"] operand)*
    operand   = integer | "(" statement ")" | "[" statement "]" | "{" statement "}" | \frac{statement}{statement}

notation.py lists other signs and white space: × ÷ − · ∗ \times \div \cdot, an x between operands, dollar signs,
\boxed, \left, bold stars or a code fence around the answer. A minus sign before an operand folds
into a subtraction: -3+5 is 5-3, 7--2 is 7+2, (-(4-9))*6 is (9-4)*6. Leading zeros, decimals (except whole ones that
state a value, = 29.0), `**`, `//`, digits joined by spaces, digits of other scripts and implicit multiplication are
errors.
"""

import re

from ramify.algebra.builder import GROUP, Builder, ParseError, Statement
from ramify.algebra.expression import Expression
from ramify.algebra.notation import CLOSERS, END, FRACTION, MEANING, OPERATORS, SPACES, as_they_look

MAX_LENGTH = 20_000

_EQUALS = r"={1,2}>?|->|[→⇒⟹]|\\(?:implies|[rR]ightarrow|to)(?![A-Za-z])"
_CLOSERS = r"\\?[)\]}]"

_TOKEN = re.compile(
    rf"(?P<space>\s+|\$|{SPACES}|\\[,;:! ]|```++(?:[a-z]{{1,20}}+(?=\n))?+|`)"
    r"|(?P<number>[0-9]+)"
    r"|(?P<stars>\*\*)"
    rf"|(?P<equals>{_EQUALS})"
    rf"|(?P<operator>{OPERATORS})"
    rf"|(?P<fraction>{FRACTION})"
    rf"|(?P<end>{END}++\Z|[.,;](?=(?:{END}|{_CLOSERS}){{1,40}}+\Z))"
    r"|\\?(?P<open>[(\[])"
    r"|(?P<brace>\{)"
    r"|\\?(?P<close>[)\]])"
    r"|(?P<shut>\})"
    r"|(?P<zeros>(?<=[0-9])\.0{1,20}+)"
)
_PART_ENDS = re.compile(rf"(?:\s|\$|{_CLOSERS})*+(?:(?P<equals>{_EQUALS})|{END}*+\Z)")


def parse(text: str) -> Expression:
    r"""Parse one expression; a `= value` tail is accepted and ignored.

    Raises:
        ParseError: the text is not an expression, is over 20,000 characters, or nests over 1,000 levels.

    >>> parse("[3 × 7] + 8 = 29").text
    '3*7+8'
    >>> parse(r"\\frac{12}{4} \\cdot 5".replace("\\\\", "\\")).text
    '12/4*5'
    >>> parse("2**3")
    Traceback (most recent call last):
    ramify.algebra.parser.ParseError: two stars are no operator at position 1
    """
    return parse_statement(text).expression


def parse_statement(text: str) -> Statement:
    """Parse one expression with the values stated for it.

    >>> statement = parse_statement("(3*7=21)+8 = 30")
    >>> statement.expression.text, len(statement.claims), statement.holds
    ('3*7+8', 2, False)
    """
    if len(text) > MAX_LENGTH:
        raise ParseError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    text = as_they_look(text)
    builder = Builder()
    bold = False  # whether bold stars were opened before the current part
    position, end = 0, len(text)
    while position < end:
        token = _TOKEN.match(text, position)
        if token is None:
            raise ParseError(f"unexpected {text[position]!r}", position)
        kind = token.lastgroup or ""
        word = token[kind]
        match kind:
            case "number":
                builder.number(word, position)
            case "operator":
                symbol = word.removeprefix("\\")
                builder.operator(MEANING.get(symbol, symbol), position)
            case "open":
                builder.open(CLOSERS[word], position)
            case "fraction":
                builder.open_fraction(position)
            case "brace":
                builder.open("}" if builder.expects_second_part else GROUP, position)
            case "close" | "shut":
                builder.close(word, position)
            case "equals":
                builder.equals(position)
            case "stars":
                closes = bold and builder.is_whole and _PART_ENDS.match(text, token.end())
                if not (closes or builder.begins_part):
                    raise ParseError("two stars are no operator", position)
                bold = not bold
            case "zeros":
                ends = builder.is_number and _PART_ENDS.match(text, token.end())
                if not (ends and (builder.states_value or ends["equals"])):
                    raise ParseError("a decimal", position)
            case _:
                pass
        position = token.end()
    return builder.finish(end)


__all__ = ["MAX_LENGTH", "ParseError", "parse", "parse_statement"]
