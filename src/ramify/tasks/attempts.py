"""Find the attempts in a completion: expressions that use each number of the puzzle exactly once.

The text is read once, token by token, by the builder of the parser. A token that cannot go on a statement ends it; a
token that gives what stands beside it another meaning (a decimal, a power, a function) spoils it, so that `3 * 4` is
no attempt in `2.5 + 3 * 4`. Read are attempts written whole, values stated inside brackets, as in `(3*7=21)+8=29`,
included; work that is spread over several statements is not linked.
"""

import re

from ramify.algebra.builder import Builder, ParseError, Statement
from ramify.algebra.expression import Expression
from ramify.algebra.parser import CLOSERS, MEANING
from ramify.algebra.pattern import MAX_SIZE, Pattern
from ramify.records import Attempt, Puzzle
from ramify.tasks.grading import answer_span

_TOKEN = re.compile(
    r"(?P<newline>[^\S\n]*\n\s*)"
    r"|(?P<space>\s+|\\(?:left|right)(?![a-zA-Z])|\\[,;:! ])"
    r"|(?P<spoil>[0-9]*\.[0-9][0-9.]*|[0-9]+(?:[A-WYZa-wyz_]|[xX](?![\s0-9(\[]))\w*|[\^%²³¹⁴-⁹√_]|//|!)"
    r"|(?P<number>[0-9]+)"
    r"|(?P<bold>\*\*)"
    r"|(?P<times>[xX](?![a-zA-Z_]))"
    r"|(?P<function>[A-Za-z_]\w*\()"
    r"|(?P<operator>[-+*/×÷−·∗]|\\(?:times|div|cdot)(?![a-zA-Z]))"
    r"|(?P<fraction>\\[dt]?frac\s*\{)"
    r"|(?P<open>[(\[])"
    r"|(?P<brace>\{)"
    r"|(?P<close>[)\]}])"
    r"|(?P<equals>=)"
    r"|(?P<stop>\w+|.)",
    re.DOTALL,
)


def find_attempts(puzzle: Puzzle, text: str) -> list[Attempt]:
    """All attempts in a completion, in reading order; never raises, linear in the text.

    >>> puzzle = Puzzle((3, 7, 8), 29)
    >>> text = "Try (8-3)*7 = 36, no. 3×7+8 = 29! <answer>3*7+8</answer>"
    >>> [(a.expression.text, a.pattern.text, a.hits_target, a.miscalculated) for a in find_attempts(puzzle, text)]
    [('(8-3)*7', '(A-B)*C', False, True), ('3*7+8', 'A*B+C', True, False), ('3*7+8', 'A*B+C', True, False)]
    """
    answer = answer_span(text) or (len(text), len(text))
    attempts = []
    for start, end, statement in statements(text):
        expression = _whole(statement, puzzle)
        if expression is not None:
            value = expression.value
            attempts.append(
                Attempt(
                    start=start,
                    end=end,
                    expression=expression,
                    pattern=Pattern.of(expression),
                    value=value,
                    hits_target=value == puzzle.target,
                    is_answer=answer[0] <= start < answer[1],
                    stated=len(statement.claims),
                    miscalculated=not statement.holds,
                )
            )
    return attempts


def _whole(statement: Statement, puzzle: Puzzle) -> Expression | None:
    """The first part of a statement that uses all the numbers, also in `29 = 3*7+8`; None if no part does.

    One statement is one attempt: in `6/68 = 6/68` the second part states a value.
    """
    if not 2 <= len(puzzle.numbers) <= MAX_SIZE:
        return None
    parts = (statement.expression, *statement.tails)
    return next((part for part in parts if part.uses(puzzle.numbers)), None)


def statements(text: str) -> list[tuple[int, int, Statement]]:
    """Every statement in a text that has an operator or states a value, as (start, end, statement).

    >>> [statement.expression.text for _, _, statement in statements("2.5 + 3 * 4; sqrt(5+3*4), 5 + 3 * 4^2. 1+2")]
    ['1+2']
    """
    reader = _Reader()
    for token in _TOKEN.finditer(text):
        reader.read(token.lastgroup or "", token)
    reader.end_statement()
    return reader.found


class _Reader:
    """The statement at hand and those found so far."""

    def __init__(self) -> None:
        self.found: list[tuple[int, int, Statement]] = []
        self.bold = False
        self._reset()

    def _reset(self) -> None:
        self.builder = Builder()
        self.started = False
        self.spoiled = False
        self.start = self.end = 0

    def end_statement(self) -> None:
        """Keep the statement at hand if it is whole, and start afresh."""
        if self.started and not self.spoiled:
            statement = self.builder.salvage()
            if statement is not None and (len(statement.expression.postfix) > 1 or statement.claims):
                self.found.append((self.start, self.end, statement))
        self._reset()

    def read(self, kind: str, token: re.Match[str]) -> None:
        """Read one token."""
        word, position = token.group(), token.start()
        match kind:
            case "space":
                pass
            case "newline":
                # Inside brackets and after an operator a statement goes on over the end of the line.
                if self.spoiled or not self.started or self.builder.is_whole:
                    self.end_statement()
            case "stop":
                self.end_statement()
            case "bold":
                self._bold()
            case "spoil" | "function":
                self._spoil(word)
            case _ if self.spoiled:
                pass
            case _:
                try:
                    self._add(kind, word, position, token.end(), token.string)
                except ParseError:
                    self.started = self.spoiled = True

    def _bold(self) -> None:
        """Two stars: markdown around an expression, or a power inside one."""
        if self.started and not self.bold:
            self.spoiled = True
        else:
            self.bold = not self.bold
            self.end_statement()

    def _spoil(self, word: str) -> None:
        if self.builder.in_tail and not self.spoiled:
            self.end_statement()  # the expression stands, only what was stated of it cannot be read
            if word == "!":  # "= 29!" is joy, not a factorial
                return
        self.started = self.spoiled = True

    def _add(self, kind: str, word: str, position: int, after: int, text: str) -> None:
        builder = self.builder
        if kind in ("number", "open", "fraction") and not builder.expects_operand:
            if position == self.end:  # 3(5+2): a product without its sign
                self.spoiled = True
                return
            self.end_statement()
            builder = self.builder
        is_sign = word in "-−" and not text[after : after + 1].isspace()  # else it marks a list item
        if kind in ("operator", "times") and not self.started and not is_sign:
            return
        match kind:
            case "number":
                builder.number(word, position)
            case "operator" | "times":
                builder.operator(MEANING.get(word, word), position)
            case "open":
                builder.open(CLOSERS[word], position)
            case "fraction":
                builder.open_fraction(position)
            case "brace":
                if not self.started:
                    return
                builder.open("}", position)
            case "close":
                if not builder.closer:
                    self.end_statement()
                    return
                builder.close(word, position)
            case _:
                if not self.started:
                    return
                builder.equals(position)
        if not self.started:
            self.started, self.start = True, position
        if builder.is_whole or kind in ("number", "close"):
            self.end = after
