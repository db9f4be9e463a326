r"""Find statements in completions: an expression, and the values stated for it.

The text is cut into segments: runs of mathematics, between words, punctuation and ends of lines (a line continues after
an operator or an opening bracket, or if the next starts with `=` or similar). The statements of a segment do not depend
on its numbers, so each segment is read by its shape, in which every number is a hole, and the result is cached: models
write few shapes. A shape is read token by token with the builder of the parser. A token that cannot continue a
statement ends it; one that changes the meaning of its neighbours (a power, a function) invalidates it, so `3 * 4` is
not a statement in `2^5 + 3 * 4`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

from ramify.algebra.builder import GROUP, MAX_DIGITS, Builder, ParseError
from ramify.algebra.expression import Expression
from ramify.algebra.notation import CLOSERS, MEANING, SPACES
from ramify.algebra.pattern import MAX_SIZE
from ramify.algebra.signs import NEGATION

Postfix = tuple[int | str, ...]
"""An expression in postfix order; its leaves are indices into the values of a segment.

A final item `NEGATION` is a minus sign before the expression.
"""

_HOLE = "\0"
_KEPT = 400
"""The longest shape that is cached."""

_COMMANDS = rf"(?:{SPACES}|\\(?:times|div|cdot|[dt]?frac)(?![A-Za-z]))"
_GOES_ON = r"(?:&{0,2}=(?!=)|[×÷/)\]}]|\\(?:times|div|cdot)|&\s*[-+*/−])"  # at the beginning of a line
_SEGMENT = re.compile(
    rf"""(?:[0-9(\[{{−√-]|{_COMMANDS}|\\[(-])
    (?:[0-9 \t\r\u00a0\u2009\u202f+\-*/()\[\]{{}}=×÷−·∗^%!√⁰¹²³⁴-⁹&$`]++
    |\n(?:(?=[^\S\n]*{_GOES_ON})|(?<=[-+*/×÷−·∗=(\[{{]\n)|(?<=[-+*/×÷−·∗=(\[{{][ ]\n)|(?<=\\\\\n))
    |(?<=[0-9])[.,](?=[0-9])
    |{_COMMANDS}
    |\\[,;: +\-*/()=\\]
    |[xX](?=\s*[0-9(\[\\])
    |(?<=[0-9)\]}}*/+^_-])[A-Za-z_]\w{{0,30}}+
    |[A-Za-z_]\w{{0,30}}+(?=\()
    )*+""",
    re.VERBOSE,
)
_NUMBERS = re.compile(r"([1-9][0-9]{0,999}|0(?![0-9]))")  # longer numbers, and leading zeros, invalidate a statement
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_HARMLESS = re.compile(r"\b(?:print|eval)$")

_TOKEN = re.compile(
    rf"(?P<line>\\\\\s*+(?!{_GOES_ON}))"
    rf"|(?P<space>\s+|\\\\|{SPACES}|\\[,;: ]|[$`]|&(?!&?=))"
    r"|(?P<compound>\0(?:,\0)*\.\0(?![.,]\0)|\0(?:,\0)+(?!\.\0))"
    r"|(?P<number>\0)"
    r"|(?P<stop>!=|=/=|(?:print|eval)(?=\())"
    r"|(?P<under>\}\s*_\s*\{)"
    r"|(?P<spoil>[0-9]+\0*|[.,]|\^|%|[⁰¹²³⁴-⁹√]|//|!|[A-WYZa-wyz_]\w*|[xX]\w+)"
    r"|(?P<stars>\*\*)"
    r"|(?P<times>[xX])"
    r"|(?P<operator>\\?[-+*/]|[×÷−·∗]|\\(?:times|div|cdot))"
    r"|(?P<fraction>\\[dt]?frac\s*\{)"
    r"|(?P<open>\\?\(|\[|\{)"
    r"|(?P<close>\\?\)|\]|\})"
    r"|(?P<equals>&{0,2}\\?={1,2})"
    r"|(?P<other>.)",
    re.DOTALL,
)
_MINUS = re.compile(r"[-−]\0")
_STATES = re.compile(
    r"\s*(?:(?:,\s*)?(?:which\s|that\s)?(?:is|equals|gives|makes|yields)(?:\s+(?:me|us|you|exactly|equal\sto))?\b"
    r"|\\implies|\\[rR]ightarrow|\\to\b|→|⇒|⟹|->|=>|\|)"
    r"\s*\$?(?P<value>[-−]?[0-9]{1,20}(?:\.[0-9]{1,20})?)\$?"
    r"(?=\s*(?:[.,;:!?)|](?![0-9])|\n|$)|\s+(?:and|so|but|or|then)\b)"
)


@dataclass(frozen=True, slots=True)
class Template:
    """A statement with holes for the numbers of its segment.

    Attributes:
        start, end: its span in the shape of the segment, each with the number of holes before.
        parts: the parts stated to be equal, the expression first.
        claims: values stated at any level of brackets, as (part, stated value).
        leaves: the indices of the leaves of each part.
        plain: the parts without a compound, with the positions of their leaves among the numbers of the segment.
    """

    start: tuple[int, int]
    end: tuple[int, int]
    parts: tuple[Postfix, ...]
    claims: tuple[tuple[Postfix, Postfix], ...]
    leaves: tuple[tuple[int, ...], ...]
    plain: tuple[tuple[Postfix, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """The statements of a segment, independent of its numbers.

    Attributes:
        statements: its statements in reading order, each with its readings. In the second reading a minus before a
            number belongs to it, as in -28/7; in the first it subtracts, and -3+5 is 5-3.
        compounds: decimals, numbers with separators and negative numbers, each as the indices of its numbers and the
            text before or between them.
    """

    statements: tuple[tuple[Template, ...], ...]
    compounds: tuple[tuple[tuple[int, ...], str], ...]


@dataclass(slots=True)
class Segment:
    """A run of mathematics in a text.

    Attributes:
        offset: start in the completion.
        numbers: its numbers, as written.
        stated: the value of its last statement stated in words, as in `3*7 is 21`; None if there is none.
    """

    offset: int
    numbers: Sequence[str]
    shape: Shape
    stated: str | None = None
    _lengths: list[int] | None = None

    def place(self, point: tuple[int, int]) -> int:
        """The position in the text of a point of the shape."""
        position, holes = point
        if self._lengths is None:
            self._lengths = [0, *accumulate(map(len, self.numbers))]
        return self.offset + position + self._lengths[holes] - holes

    def values(self) -> list[int | Fraction]:
        """The values of the leaves: index 0 is zero, k the k-th number, and -k the k-th compound."""
        values: list[int | Fraction] = [0, *map(int, self.numbers)]
        if self.shape.compounds:
            compounds = [_compound([self.numbers[index] for index in found], by) for found, by in self.shape.compounds]
            values += reversed(compounds)
        return values


def segments(text: str, offset: int = 0) -> Iterator[Segment]:
    """The segments of a text that have statements; linear in the text.

    Args:
        offset: start of the text in the completion.

    >>> [segment.numbers for segment in segments("First 3*7 = 21, then sqrt(4+5), then 21 + 8.")]
    [['3', '7', '21'], ['21', '8']]
    """
    for found in _SEGMENT.finditer(text):
        pieces = _NUMBERS.split(found[0])
        if len(pieces) < 4:
            continue
        start = found.start()
        if (
            text[start - 1 : start] in _WORD
            and text[start] not in "\\√"
            and not _HARMLESS.search(text, start - 6, start)
        ):
            continue  # the argument of a function, or an index
        key = _HOLE.join(pieces[::2])
        shape = _kept_shape(key) if len(key) <= _KEPT else read_shape(key)
        if shape.statements:
            words = None if shape.statements[-1][0].claims else _STATES.match(text, found.end())
            yield Segment(start + offset, pieces[1::2], shape, words["value"] if words else None)


def read_shape(shape: str) -> Shape:
    """Read a shape."""
    compounds: list[tuple[tuple[int, ...], str]] = []
    readings: dict[tuple[int, int], list[Template]] = {}
    for signed in (False, True) if _MINUS.search(shape) else (False,):
        reader = _Reader(shape, signed, compounds)
        for token in _TOKEN.finditer(shape):
            reader.read(token.lastgroup or "", token)
        reader.end_statement()
        for template in reader.found:
            known = readings.setdefault(template.start, [])
            if template not in known:
                known.append(template)
    return Shape(tuple(tuple(readings[start]) for start in sorted(readings)), tuple(compounds))


_kept_shape = lru_cache(maxsize=1 << 14)(read_shape)


def _compound(numbers: list[str], separators: str) -> int | Fraction:
    """The value of -3, of 1,250.5, or of 22,75: a comma is decimal unless three digits follow.

    Digits beyond `MAX_DIGITS` are dropped; such a number equals no value.
    """
    if separators == "-":
        return -int(numbers[0])
    if separators == "," and len(numbers[1]) != 3:
        return Fraction(".".join(numbers))
    whole, places = (numbers[:-1], numbers[-1]) if separators[-1] == "." else (numbers, "0")
    return Fraction(f"{''.join(whole)[:MAX_DIGITS]}.{places}")


def _signed(expression: Expression) -> Postfix:
    return (*expression.postfix, NEGATION) if expression.negated else expression.postfix


class _Reader:
    """The current statement and those found so far."""

    def __init__(self, shape: str, signed: bool, compounds: list[tuple[tuple[int, ...], str]]) -> None:
        self.shape, self.signed, self.compounds = shape, signed, compounds
        self.found: list[Template] = []
        self.holes = 0
        self.negative = False  # whether the next number has a sign
        self._reset()

    def _reset(self) -> None:
        self.builder = Builder()
        self.started = False
        self.spoiled = False
        self.start = self.end = (0, 0)

    def end_statement(self) -> None:
        """Keep the current statement if it is complete, and start a new one."""
        if self.started and not self.spoiled:
            statement = self.builder.salvage()
            # Above `MAX_SIZE` leaves it is neither an attempt nor a step, and checking its claims is not linear.
            size = 0 if statement is None else len(statement.expression.postfix)
            if statement is not None and size <= 2 * MAX_SIZE and (size > 1 or statement.claims):
                parts = tuple(map(_signed, (statement.expression, *statement.tails)))
                same = {part: part for part in parts}  # so that a claim about a part is identified by the object
                pairs = ((_signed(part), _signed(stated)) for part, stated in statement.flat_claims())
                claims = tuple((same.get(part, part), stated) for part, stated in pairs)
                leaves = tuple(tuple(item for item in part if not isinstance(item, str)) for part in parts)
                plain = tuple(
                    (part, tuple(leaf - 1 for leaf in own))
                    for part, own in zip(parts, leaves, strict=True)
                    if min(own) > 0
                )
                self.found.append(Template(self.start, self.end, parts, claims, leaves, plain))
        self._reset()

    def read(self, kind: str, token: re.Match[str]) -> None:
        """Read one token."""
        holes = self.holes
        self.holes += token.group().count(_HOLE)
        match kind:
            case "space":
                pass
            case "line":  # LaTeX; other commands end a segment
                if self.spoiled or not self.started or self.builder.is_whole:
                    self.end_statement()
            case "stop" | "other":
                self.end_statement()
            case "stars":
                self._stars(token)
            case "spoil":
                self._spoil(token.group())
            case _ if self.spoiled:
                pass
            case _:
                try:
                    self._add(kind, token, holes)
                except ParseError:
                    self.started = self.spoiled = True

    def _stars(self, token: re.Match[str]) -> None:
        """Two stars: Markdown around an expression, or a power."""
        if not self.started or self.spoiled or self.builder.expects_operand:
            return
        before, after = self.shape[token.start() - 1], self.shape[token.end() : token.end() + 1]
        if after in (_HOLE, "(") or (before.isspace() and after.isspace()):
            self._spoil("**")
        else:
            self.end_statement()

    def _spoil(self, word: str) -> None:
        if self.builder.in_tail and not self.spoiled:
            self.end_statement()  # the expression is valid, only its stated value cannot be read
            if word == "!":  # "= 29!" is an exclamation, not a factorial
                return
        self.started = self.spoiled = True

    def _add(self, kind: str, token: re.Match[str], holes: int) -> None:
        builder, position = self.builder, token.start()
        word = token.group().removeprefix("\\") if kind in ("operator", "open", "close") else token.group()
        if kind in ("number", "compound", "open", "fraction") and not builder.expects_operand:
            if position == self.end[0]:  # 3(5+2): implicit multiplication
                self.spoiled = True
                return
            self.end_statement()
            builder = self.builder
        is_sign = word in "-−" and not self.shape[token.end() : token.end() + 1].isspace()  # else it is a list marker
        if kind in ("operator", "times") and not self.started and not is_sign:
            return
        match kind:
            case "number" if not self.negative:
                builder.leaf(holes + 1, position)
            case "number" | "compound":
                separators = "-" if kind == "number" else word.replace(_HOLE, "")
                self.compounds.append((tuple(range(holes, self.holes)), separators))
                builder.leaf(-len(self.compounds), position)
            case "operator" if self.signed and builder.expects_operand and _MINUS.match(self.shape, position):
                self.negative = True
                if not self.started:
                    self.started, self.start = True, (position, holes)
                return
            case "operator" | "times":
                builder.operator(MEANING.get(word, word), position)
            case "open":
                is_part = word == "{" and builder.expects_second_part
                builder.open("}" if is_part else CLOSERS.get(word, GROUP), position)
            case "fraction":
                builder.open_fraction(position)
            case "close":
                if not builder.closer:
                    self.end_statement()
                    return
                builder.close(word, position)
            case "under":  # \\underbrace{3*7}_{21}
                builder.equals(position)
            case _:
                if not self.started:
                    return
                builder.equals(position)
        self.negative = False
        if not self.started:
            self.started, self.start = True, (position, holes)
        if builder.is_whole or kind in ("number", "compound", "close"):
            self.end = (token.end(), self.holes)
