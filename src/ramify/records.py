"""The records that travel through ramify: Puzzle → Completion → Grade, Attempt."""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from ramify.algebra.expression import Expression
from ramify.algebra.pattern import MAX_SIZE, Pattern


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Numbers and a target. Two puzzles are equal if their sorted numbers and targets are.

    Attributes:
        numbers: in the order in which they are shown.
        target: the value to reach.
        pattern: the pattern that the puzzle was drawn from, where there is one.

    >>> Puzzle((8, 3, 7), 29).id
    '3,7,8=29'
    >>> Puzzle((8, 3, 7), 29) == Puzzle((3, 7, 8), 29)
    True
    """

    numbers: tuple[int, ...] = field(compare=False)
    target: int = field(compare=False)
    pattern: Pattern | None = field(default=None, compare=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(self.numbers))
        object.__setattr__(self, "id", f"{','.join(map(str, sorted(self.numbers)))}={self.target}")


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled text.

    Attributes:
        puzzle_id: the puzzle that was asked.
        sample: number of the sample, from 0; -1 for the greedy completion.
        text: what the model wrote after the prompt.
        tokens: its length in tokens; None where a server or a file does not tell.
        truncated: whether the sampler's limit ended it.
    """

    puzzle_id: str
    sample: int
    text: str
    tokens: int | None
    truncated: bool


class Verdict(StrEnum):
    """What `grade` says of a completion."""

    CORRECT = "correct"
    WRONG_VALUE = "wrong value"
    UNDEFINED = "undefined"
    WRONG_NUMBERS = "wrong numbers"
    UNPARSABLE = "unparsable"
    NO_ANSWER = "no answer"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict on a completion and what it rests on.

    Attributes:
        answer: the text of the answer; None if there is none.
        expression: the answer as an expression; None if it is not one.
        value: its exact value; None if it has none, or if the numbers are wrong.
    """

    verdict: Verdict
    answer: str | None = None
    expression: Expression | None = None
    value: Fraction | None = None

    @property
    def pattern(self) -> Pattern | None:
        """The pattern of the answer; None if there is none: no expression, a sign before the whole, over 200 leaves."""
        if self.expression is None or self.expression.negated or len(self.expression.postfix) > 2 * MAX_SIZE:
            return None
        return Pattern.of(self.expression)


class Attempt(NamedTuple):  # the one record that is made a million times a minute
    """An expression in a completion that uses each number of the puzzle exactly once, written whole or in steps.

    Attributes:
        pattern: None where a minus sign is before the whole, as in -(9*2); no pattern has one.
        start, end: where it stands in the text, from its first step on, stated values included.
        is_answer: whether it stands in the answer.
        stepwise: whether it is built of steps, rather than written whole.
        stated: how many values are stated with it (of its steps or of the whole).
        miscalculated: whether one of them is wrong.
    """

    start: int
    end: int
    expression: Expression
    pattern: Pattern | None
    hits_target: bool
    is_answer: bool
    stepwise: bool
    stated: int
    miscalculated: bool

    @property
    def value(self) -> Fraction | None:
        """Its exact value, whatever was stated; None where it divides by zero."""
        return self.expression.value
