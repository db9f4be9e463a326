"""The records of the pipeline: Puzzle → Completion → Grade, Attempt."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol


class Text(Protocol):
    """An object with a canonical text: a pattern, an expression."""

    @property
    def text(self) -> str:
        """The canonical text."""


class Item(Protocol):
    """A puzzle of any task."""

    @property
    def id(self) -> str:
        """The identity within its task, which only the task parses."""

    @property
    def size(self) -> int:
        """The size n of the puzzle."""

    @property
    def pattern(self) -> Text | None:
        """The source pattern, if there is one."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled text.

    Attributes:
        puzzle_id: id of the puzzle.
        sample: index of the sample, from 0; -1 for the greedy completion.
        text: the completion without the prompt.
        tokens: its length in tokens; None if the server or file does not tell.
        truncated: whether the token limit ended it.
    """

    puzzle_id: str
    sample: int
    text: str
    tokens: int | None
    truncated: bool


class Verdict(StrEnum):
    """The verdict of `grade` on a completion."""

    CORRECT = "correct"
    WRONG_VALUE = "wrong value"
    UNDEFINED = "undefined"
    WRONG_NUMBERS = "wrong numbers"
    UNPARSABLE = "unparsable"
    NO_ANSWER = "no answer"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict on a completion, with the answer behind it.

    Attributes:
        answer: the text of the answer; None if there is none.
        expression: the answer as an expression of the task; None if it is not one.
        value: its exact value; None if undefined, or if the answer does not use the numbers of the puzzle.
        pattern: the pattern of the expression; None if it has none.
    """

    verdict: Verdict
    answer: str | None = None
    expression: Any = None
    value: Any = None
    pattern: Text | None = None


class Attempt(NamedTuple):  # not a dataclass: a million are created per minute
    """A candidate solution stated in a completion, in one expression or in steps, as the task defines it.

    Attributes:
        expression: the expression, with its `text` and its exact `value` (None if undefined).
        pattern: the pattern; None if it has none, such as -(9*2), which starts with a minus sign.
        hits_target: whether its exact value is the target of the puzzle.
        start, end: its span in the text, from its first step, including stated values.
        is_answer: whether it is in the answer.
        stepwise: whether it is built from steps, rather than one expression.
        stated: number of values stated for it (of its steps or of the expression).
        miscalculated: whether a stated value is wrong.
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
        """The exact value, whatever the text states; None if it is undefined."""
        return self.expression.value
