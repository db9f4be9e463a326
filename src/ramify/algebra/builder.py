"""The builder of statements from tokens, shared by the parser and the search for attempts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from ramify.algebra.expression import Expression
from ramify.algebra.signs import NEGATION, fold_signs

MAX_LEVELS = 1_000
MAX_DIGITS = 1_000
GROUP = "}group"
_FRACTION = "fraction"

Node = int | tuple[str, "Node", "Node"] | tuple[str, "Node"]
"""A number, an operator with its operands, or `NEGATION` with its operand."""


class ParseError(ValueError):
    """A text that is not an expression.

    Attributes:
        position: index of the first character that cannot be read.
    """

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} at position {position}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Statement:
    """An expression and the values stated with it.

    Attributes:
        expression: the first part.
        tails: the parts after `=`.
        claims: stated values at any level of brackets, as pairs (part, its stated value).
    """

    expression: Expression
    tails: tuple[Expression, ...] = ()
    claims: tuple[tuple[Node, Node], ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every stated value is right. The cost is claims × leaves: check the number of leaves of untrusted
        text first.

        >>> from ramify.algebra.parser import parse_statement
        >>> parse_statement("(3*7=21)+8 = 29").holds, parse_statement("(3*7=22)+8 = 30").holds
        (True, False)
        """
        known: dict[int, Fraction | None] = {}  # by identity: a part is often stated several times
        for part, stated in self.claims:
            if id(part) not in known:
                known[id(part)] = _flatten(part).value
            value = known[id(part)]
            if value is None or (value != stated if isinstance(stated, int) else value != _flatten(stated).value):
                return False
        return True

    def flat_claims(self) -> Iterator[tuple[Expression, Expression]]:
        """The claims as pairs of expressions; a part stated several times is the same object."""
        known: dict[int, Expression] = {}
        for part, stated in self.claims:
            if id(part) not in known:
                known[id(part)] = _flatten(part)
            yield known[id(part)], _flatten(stated)


@dataclass(slots=True)
class _Frame:
    """The state of an open bracket, or of the top level.

    A \\frac has a separate frame, closed by its denominator; its parts end with "}{" and "}".
    """

    closer: str
    first: Node | None = None
    terms: list[tuple[str, Node]] = field(default_factory=list)
    sign: str = "+"
    term: Node | None = None
    pending: str | None = None
    negated: bool = False  # a unary minus precedes the next operand
    last: Node | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been read since the frame was opened."""
        return self.first is None and self.term is None and not self.terms and self.sign == "+"


class Builder:
    """Build a statement from tokens, one at a time; a token that does not fit raises ParseError."""

    def __init__(self) -> None:
        self.frames = [_Frame("")]
        self.claims: list[tuple[Node, Node]] = []
        self.stating = 0  # number of frames past an equals sign

    @property
    def closer(self) -> str:
        """The token that closes the innermost bracket; empty at the top level."""
        return self.frames[-1].closer

    @property
    def expects_second_part(self) -> bool:
        """Whether the denominator of a fraction has to come next, in braces."""
        return self.closer == _FRACTION and self.frames[-1].pending is not None

    @property
    def expects_operand(self) -> bool:
        """Whether a number or an opening bracket has to come next."""
        frame = self.frames[-1]
        return frame.term is None or frame.pending is not None

    def number(self, digits: str, position: int) -> None:
        """Read an integer."""
        if len(digits) > 1 and digits[0] == "0":
            raise ParseError("a leading zero", position)
        if len(digits) > MAX_DIGITS:
            raise ParseError(f"an integer of more than {MAX_DIGITS} digits", position)
        self.leaf(int(digits), position)

    def leaf(self, number: int, position: int) -> None:
        """Read an operand, or a number that stands for one."""
        if self.closer == _FRACTION:
            raise ParseError("the denominator of a fraction is missing", position)
        self._operand(number, position)

    def operator(self, symbol: str, position: int) -> None:
        """Read one of + - * /."""
        frame = self.frames[-1]
        if frame.closer == _FRACTION:
            raise ParseError("the denominator of a fraction is missing", position)
        if not self.expects_operand:
            if symbol in "*/":
                frame.pending = symbol
            else:
                assert frame.term is not None
                frame.terms.append((frame.sign, frame.term))
                frame.sign, frame.term = symbol, None
        elif symbol == "-" and frame.term is None and frame.sign == "+" and not frame.terms:
            frame.sign = "-"  # a sign before the first operand of a sum
        elif symbol == "-" and not frame.negated and (frame.pending is not None or frame.terms):
            frame.negated = True  # after another operator: 3*-2, 7--2; a second sign is an error
        else:
            raise ParseError("a number or bracket is missing", position)

    def open(self, closer: str, position: int) -> None:
        """Open a bracket that `closer` will close.

        The closer "}" ends the denominator of a fraction, and `GROUP` any other braces.
        """
        if not self.expects_operand:
            raise ParseError("an operator is missing", position)
        if (closer == "}") is not self.expects_second_part:
            raise ParseError("a brace out of place", position)
        if len(self.frames) > MAX_LEVELS:
            raise ParseError(f"more than {MAX_LEVELS} levels", position)
        self.frames.append(_Frame(closer))

    def open_fraction(self, position: int) -> None:
        r"""Read `\frac{`, up to the first brace."""
        self.open(_FRACTION, position)
        self.frames.append(_Frame("}{"))

    def close(self, bracket: str, position: int) -> None:
        """Close a bracket."""
        closer = self.closer
        if bracket != closer[:1] or closer == _FRACTION:
            raise ParseError("a bracket that closes nothing", position)
        self._pop(position)
        if closer == "}{":
            self.frames[-1].pending = "/"
        elif closer == "}":
            self._pop(position)

    def equals(self, position: int) -> None:
        """Read an equals sign: the next part states the value of the previous one."""
        if self.closer == _FRACTION:
            raise ParseError("the denominator of a fraction is missing", position)
        if self.stating and self.frames[-1].first is None:
            raise ParseError("a statement inside a stated value", position)  # so that checking claims takes linear time
        first = self._end_part(position)
        self.stating += self.frames[-1].first is None
        self.frames[-1] = _Frame(self.closer, first)

    def finish(self, position: int) -> Statement:
        """The completed statement."""
        if len(self.frames) > 1:
            raise ParseError("a bracket is not closed", position)
        self._end_part(position)
        return self._statement(self.frames[0])

    @property
    def begins_part(self) -> bool:
        """Whether a part begins here: at the start or after an equals sign."""
        frame = self.frames[0]
        return len(self.frames) == 1 and frame.term is None and not frame.terms and frame.sign == "+"

    @property
    def is_whole(self) -> bool:
        """Whether the text could end here."""
        return len(self.frames) == 1 and not self.expects_operand

    @property
    def in_tail(self) -> bool:
        """Whether the value of a complete expression is being stated."""
        return len(self.frames) == 1 and self.frames[0].first is not None

    @property
    def is_number(self) -> bool:
        """Whether the current part is a single number so far."""
        return isinstance(self.frames[-1].term, int) and not self.frames[-1].terms

    @property
    def states_value(self) -> bool:
        """Whether a value is being stated, at any level of brackets."""
        return self.frames[-1].first is not None

    def salvage(self) -> Statement | None:
        """The statement among the tokens read so far.

        Unclosed brackets before and after it, an unfinished tail and a trailing operator are dropped.
        """
        while len(self.frames) > 1 and self.frames[0].is_empty:
            del self.frames[0]
        if len(self.frames) == 2 and self.frames[1].is_empty and self.frames[0].pending is None:
            del self.frames[1]
        frame = self.frames[0]
        frame.pending, frame.negated = None, False
        if len(self.frames) == 1 and frame.term is None and frame.terms:
            frame.sign, frame.term = frame.terms.pop()
        if self.is_whole:
            try:
                return self.finish(0)
            except ParseError:
                return None
        return None if frame.first is None else self._statement(frame)

    def _statement(self, frame: _Frame) -> Statement:
        """The statement of a frame; without equals signs the last part is the first.

        A value stated inside brackets around the expression is stated of the expression.
        """
        first = frame.first if frame.first is not None else frame.last
        assert first is not None
        tails = tuple(_flatten(stated) for part, stated in self.claims if part is first)
        return Statement(_flatten(first), tails, tuple(self.claims))

    def _pop(self, position: int) -> None:
        """Close the innermost frame and make it an operand of the enclosing one."""
        node = self._end_part(position)
        self.stating -= self.frames.pop().first is not None
        self._operand(node, position)

    def _operand(self, node: Node, position: int) -> None:
        frame = self.frames[-1]
        if frame.negated:
            node, frame.negated = (NEGATION, node), False
        if frame.term is None:
            frame.term = node
        elif frame.pending is not None:
            frame.term = (frame.pending, frame.term, node)
            frame.pending = None
        else:
            raise ParseError("an operator is missing", position)

    def _end_part(self, position: int) -> Node:
        """End the current sum; returns the first part of the statement, whose value a later part states."""
        frame = self.frames[-1]
        if frame.term is None or frame.pending is not None:
            raise ParseError("a number or bracket is missing", position)
        node = _sum([*frame.terms, (frame.sign, frame.term)]) if frame.terms or frame.sign == "-" else frame.term
        if frame.first is None:
            frame.last = node
            return node
        self.claims.append((frame.first, node))
        return frame.first


def _sum(terms: list[tuple[str, Node]]) -> Node:
    """The sum of signed terms: the first positive one moves to the front, the others keep their order."""
    lead = next((index for index, (sign, _) in enumerate(terms) if sign == "+"), None)
    node: Node = terms[lead or 0][1]
    for index, (sign, term) in enumerate(terms):
        if index != (lead or 0):
            node = (sign if lead is not None else "+", node, term)
    return node if lead is not None else (NEGATION, node)


def _flatten(node: Node) -> Expression:
    """The expression of a tree, with signs folded, without recursion."""
    if isinstance(node, int):
        return Expression((node,))
    items: list[int | str] = []
    signed = False
    stack: list[Node] = [node]
    while stack:  # right operand before left, then reversed
        current = stack.pop()
        if isinstance(current, tuple):
            items.append(current[0])
            stack.extend(current[1:])
            signed = signed or len(current) == 2
        else:
            items.append(current)
    postfix = tuple(reversed(items))
    return Expression(*fold_signs(postfix)) if signed else Expression(postfix)
