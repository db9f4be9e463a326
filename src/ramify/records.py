"""The records that travel through ramify: Puzzle → Completion → Grade, Attempt."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol


class Text(Protocol):
    """What has a text: a pattern, an expression."""

    @property
    def text(self) -> str:
        """The canonical text."""


class Item(Protocol):
    """A puzzle of any task."""

    @property
    def id(self) -> str:
        """What tells it apart from all others of its task; only the task itself reads it."""

    @property
    def size(self) -> int:
        """Its n: what longer puzzles have more of."""

    @property
    def pattern(self) -> Text | None:
        """The pattern that it was drawn from, where there is one."""


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
        expression: the answer as an expression of the task; None if it is not one.
        value: its exact value; None if it has none, or if it does not answer the puzzle.
        pattern: of the expression; None if there is none.
    """

    verdict: Verdict
    answer: str | None = None
    expression: Any = None
    value: Any = None
    pattern: Text | None = None


class Attempt(NamedTuple):  # the one record that is made a million times a minute
    """A try at a puzzle that is stated in a completion, written whole or in steps; each task says what counts as one.

    Attributes:
        expression: the expression, with its `text` and its exact `value` (None where it has none).
        pattern: None where it has none, such as -(9*2), which has a minus sign before the whole.
        hits_target: whether its exact value is what the puzzle asks for.
        start, end: where it stands in the text, from its first step on, stated values included.
        is_answer: whether it stands in the answer.
        stepwise: whether it is built of steps, rather than written whole.
        stated: how many values are stated with it (of its steps or of the whole).
        miscalculated: whether one of them is wrong.
    """

    start: int
    end: int
    expression: Any
    pattern: Any
    hits_target: bool
    is_answer: bool
    stepwise: bool
    stated: int
    miscalculated: bool

    @property
    def value(self) -> Any:
        """Its exact value, whatever was stated; None where it has none."""
        return self.expression.value
