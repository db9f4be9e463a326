"""Programs: trees of named functions over strings of digits, their text, value and steps.

A program is written as calls, `zip(rev(401),sort(73))`. Its pattern is the same text with letters for the leaves,
`zip(rev(A),sort(B))`. Every function is total on strings of one digit or more, and its value is cut to `LONGEST`
digits, so values never grow with depth.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

T = TypeVar("T")

LONGEST = 6
"""The most digits of a value."""
MAX_LENGTH = 4096
"""The most characters of a program."""
MAX_DEPTH = 64
"""The most functions within each other."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The leaves of a pattern, in reading order."""


class Function(NamedTuple):
    """A function by its name.

    Attributes:
        arity: how many strings it takes.
        meaning: what it gives, for prompts.
        example: a call of it.
    """

    name: str
    arity: int
    meaning: str
    example: str
    of: Callable[..., str]


def _shifted(digits: str) -> str:
    return "".join(str((int(digit) + 1) % 10) for digit in digits)


def _complement(digits: str) -> str:
    return "".join(str(9 - int(digit)) for digit in digits)


def _added(left: str, right: str) -> str:
    return "".join(str((int(a) + int(b)) % 10) for a, b in zip(left, right, strict=False))


def _mixed(left: str, right: str) -> str:
    both = min(len(left), len(right))
    return "".join(a + b for a, b in zip(left, right, strict=False)) + left[both:] + right[both:]


FUNCTIONS = {
    function.name: function
    for function in (
        Function("rev", 1, "the digits in reverse order", "rev(401)", lambda a: a[::-1]),
        Function("sort", 1, "the digits in ascending order", "sort(401)", lambda a: "".join(sorted(a))),
        Function("rot", 1, "the first digit moved to the end", "rot(401)", lambda a: a[1:] + a[0]),
        Function("inc", 1, "1 added to each digit, 9 becoming 0", "inc(409)", _shifted),
        Function("drop", 1, "all but the first digit; one digit alone stays", "drop(401)", lambda a: a[1:] or a),
        Function("comp", 1, "9 minus each digit", "comp(401)", _complement),
        Function("cat", 2, "the first string, then the second", "cat(40,173)", lambda a, b: a + b),
        Function(
            "zip", 2, "the sums of digits in the same place, modulo 10, as long as the shorter", "zip(48,173)", _added
        ),
        Function("mix", 2, "digits in turn from both, then what is left of the longer", "mix(40,173)", _mixed),
        Function(
            "take",
            2,
            "as many first digits of the first as the second has digits",
            "take(173,40)",
            lambda a, b: a[: len(b)],
        ),
    )
}
UNARY = tuple(function.name for function in FUNCTIONS.values() if function.arity == 1)
BINARY = tuple(function.name for function in FUNCTIONS.values() if function.arity == 2)


def apply(name: str, *values: str) -> str:
    """The value of one function.

    Args:
        values: strings of digits, none empty, as many as its arity.

    >>> [apply(name, "401") for name in UNARY]
    ['104', '014', '014', '512', '01', '598']
    >>> [apply(name, "40", "173") for name in BINARY]
    ['40173', '57', '41073', '40']
    >>> apply("cat", "4017", "731")
    '401773'
    """
    return FUNCTIONS[name].of(*values)[:LONGEST]


class ProgramError(ValueError):
    """A text is not a program; `position` is where it stops being one."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class Step(NamedTuple):
    """One function with the values that it is applied to, and what it gives."""

    name: str
    values: tuple[str, ...]
    result: str

    @property
    def call(self) -> str:
        """The step as a program of its own, such as `rev(401)`."""
        return f"{self.name}({','.join(self.values)})"


@dataclass(frozen=True, slots=True)
class Program:
    """A tree of functions over leaves, held in postfix order so that no operation recurses.

    Attributes:
        postfix: leaves (digits, or a letter in a pattern) and names of functions, each after its operands.

    >>> program = Program.parse("zip(rev(401), sort(73))")
    >>> program.text, program.value, program.pattern.text
    ('zip(rev(401),sort(73))', '47', 'zip(rev(A),sort(B))')
    >>> program.depth, program.leaves, program.functions
    (2, ('401', '73'), 3)
    """

    postfix: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Program":
        """Read a program or a pattern; white space between its parts is left out.

        Raises:
            ProgramError: it is none: an unknown function, a wrong number of operands, a string of more than `LONGEST`
                digits, more than `MAX_LENGTH` characters or `MAX_DEPTH` functions within each other.

        >>> Program.parse("rev(401").text
        Traceback (most recent call last):
        ramify.tasks.functions.language.ProgramError: 'rev' is not closed
        """
        return cls(_postfix(text))

    def fold(self, leaf: Callable[[str], T], node: Callable[[str, Sequence[T]], T]) -> T:
        """Compute a value bottom-up: `leaf(text)` at leaves, `node(name, operands)` above them, in steps' order."""
        stack: list[T] = []
        for item in self.postfix:
            found = FUNCTIONS.get(item)
            if found is None:
                stack.append(leaf(item))
            else:
                operands = stack[-found.arity :]
                del stack[-found.arity :]
                stack.append(node(item, operands))
        return stack[0]

    @property
    def text(self) -> str:
        """The program as calls, without spaces."""
        return self.fold(str, lambda name, operands: f"{name}({','.join(operands)})")

    @property
    def value(self) -> str:
        """Its value, by execution; of no use for a pattern."""
        return self.fold(str, lambda name, operands: apply(name, *operands))

    @property
    def leaves(self) -> tuple[str, ...]:
        """The leaves in reading order."""
        return tuple(item for item in self.postfix if item not in FUNCTIONS)

    @property
    def functions(self) -> int:
        """How many functions it applies."""
        return sum(item in FUNCTIONS for item in self.postfix)

    @property
    def depth(self) -> int:
        """The most functions within each other; 0 for a leaf."""
        return self.fold(lambda _: 0, lambda _, operands: 1 + max(operands))

    @property
    def pattern(self) -> "Program":
        """The program with letters for its leaves, in reading order."""
        return self.filled(LETTERS)

    def filled(self, leaves: Sequence[str]) -> "Program":
        """The program with other leaves, in reading order.

        >>> Program.parse("cat(A,rev(B))").filled(["12", "34"]).text
        'cat(12,rev(34))'
        """
        given = iter(leaves)
        return Program(tuple(item if item in FUNCTIONS else next(given) for item in self.postfix))

    def steps(self) -> list[Step]:
        """Every function with the values that it is applied to, inner before outer, left before right.

        >>> [(step.call, step.result) for step in Program.parse("zip(rev(401),sort(73))").steps()]
        [('rev(401)', '104'), ('sort(73)', '37'), ('zip(104,37)', '47')]
        """
        found: list[Step] = []

        def node(name: str, operands: Sequence[str]) -> str:
            found.append(Step(name, tuple(operands), apply(name, *operands)))
            return found[-1].result

        self.fold(str, node)
        return found

    def subtrees(self) -> list["Program"]:
        """The program of every function in it, in the order of `steps`; the program itself is the last.

        >>> [each.text for each in Program.parse("zip(rev(401),73)").subtrees()]
        ['rev(401)', 'zip(rev(401),73)']
        """
        starts: list[int] = []
        found: list[Program] = []
        for at, item in enumerate(self.postfix):
            arity = FUNCTIONS[item].arity if item in FUNCTIONS else 0
            if arity:
                del starts[len(starts) - arity + 1 :]
                found.append(Program(self.postfix[starts[-1] : at + 1]))
            else:
                starts.append(at)
        return found

    def operands(self) -> tuple["Program", ...]:
        """The operands of its outermost function; none of a leaf.

        >>> [each.text for each in Program.parse("zip(rev(401),73)").operands()]
        ['rev(401)', '73']
        """
        starts: list[int] = []
        for at, item in enumerate(self.postfix[:-1]):
            if item in FUNCTIONS:
                del starts[len(starts) - FUNCTIONS[item].arity + 1 :]
            else:
                starts.append(at)
        ends = [*starts[1:], len(self.postfix) - 1]
        return tuple(Program(self.postfix[start:end]) for start, end in zip(starts, ends, strict=True))


_TOKEN = re.compile(r"\s*(?:([a-z]+)|([0-9]+|[A-Z])|([(),]))")


def _postfix(text: str) -> tuple[str, ...]:
    if len(text) > MAX_LENGTH:
        raise ProgramError(f"a program has up to {MAX_LENGTH} characters", MAX_LENGTH)
    found: list[str] = []
    open_calls: list[tuple[str, int]] = []  # each with the operands that it still has to get
    at, end = 0, len(text.rstrip())
    wants_operand = True
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise ProgramError(f"unexpected {text[at : at + 1]!r}", at)
        name, leaf, sign = token.groups()
        if (sign is None) != wants_operand or (not wants_operand and not open_calls):
            raise ProgramError(f"unexpected {token.group().strip()!r}", at)
        if name is not None:
            if name not in FUNCTIONS:
                raise ProgramError(f"there is no function {name[:20]!r}", at)
            if not text.startswith("(", token.end()):
                raise ProgramError(f"{name!r} is not called", token.end())
            if len(open_calls) == MAX_DEPTH:
                raise ProgramError(f"a program has up to {MAX_DEPTH} functions within each other", at)
            open_calls.append((name, FUNCTIONS[name].arity))
            at = token.end() + 1
            continue
        if leaf is not None:
            if len(leaf) > LONGEST:
                raise ProgramError(f"a string has up to {LONGEST} digits", at)
            found.append(leaf)
            wants_operand = False
        else:
            called, missing = open_calls.pop()
            if sign == "(" or (sign == ")") != (missing == 1):
                raise ProgramError(f"{called!r} takes {FUNCTIONS[called].arity}", at)
            if sign == ",":
                open_calls.append((called, missing - 1))
                wants_operand = True
            else:
                found.append(called)
        at = token.end()
    if open_calls:
        raise ProgramError(f"{open_calls[-1][0]!r} is not closed", end)
    if not found:
        raise ProgramError("it is empty", 0)
    if sum(item not in FUNCTIONS for item in found) > len(LETTERS):
        raise ProgramError(f"a program has up to {len(LETTERS)} leaves", end)
    return tuple(found)
