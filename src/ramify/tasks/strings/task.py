"""Programs of string functions whose definitions are not known: items of an import, graded by their final value."""

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, ClassVar, Literal

import polars as pl

from ramify.config import Config
from ramify.errors import ConfigError
from ramify.progress import ProgressCallback
from ramify.records import Attempt, Grade, Verdict
from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.base import Split, Task, Tree
from ramify.tasks.functions.attempts import Value
from ramify.tasks.functions.task import FunctionsConfig
from ramify.tasks.rewards import RewardConfig
from ramify.tasks.strings.language import MAX_DEPTH, parts, pattern_of, read_tree, structure

LONGEST = 10_000
"""Characters of a value; a longer one is not read."""
_OBJECT = re.compile(r'[{,]\s{0,20}"output"\s{0,20}:\s{0,20}')
_END = re.compile(r"\s{0,20}[,}]")
_LOOKED_AT = 8
"""Answers of a completion that are tried, from its end."""


@dataclass(frozen=True, slots=True)
class StringPattern:
    """The pattern of a program."""

    text: str


@dataclass(frozen=True, slots=True)
class StringPuzzle:
    """A program, its inputs and its value.

    Attributes:
        program: an expression, such as func_5(func_1(x, 3), 'qz').
        inputs: the values of its variables, as a JSON object.
        value: its value at these inputs.

    >>> puzzle = StringPuzzle("func_5(func_1(x, 3), 'qz')", '{"x": "ab"}', "qzababab")
    >>> puzzle.id, puzzle.size, puzzle.pattern.text
    ('func_5(func_1(x, 3), \\'qz\\') at {"x": "ab"} → qzababab', 2, 'func_5(func_1(A))')
    """

    program: str
    inputs: str
    value: str

    @property
    def id(self) -> str:
        """The program, its inputs and its value."""
        return f"{self.program} at {self.inputs} → {self.value}"

    @property
    def size(self) -> int:
        """Its depth: the most functions within each other."""
        return int(structure(self.pattern.text)["n"])

    @property
    def pattern(self) -> StringPattern:
        """The program with letters for its strings and without its parameters."""
        return _pattern(self.program)


@lru_cache(maxsize=1 << 16)
def _pattern(program: str) -> StringPattern:
    return StringPattern(pattern_of(read_tree(program)))


class StringsPrompt(Config):
    """How a program is put to a model that knows its functions."""

    chat: bool = True
    answer_tags: tuple[str, str] = ANSWER_TAGS
    """Without effect: the answer is a JSON object."""

    def to_model_input(self, puzzle: StringPuzzle) -> list[dict[str, str]]:
        """The program, its inputs and the form of the answer, as one message."""
        content = (
            f"What is the value of {puzzle.program} for the inputs {puzzle.inputs}? "
            'Give it as {"output": <the value, a string>}.'
        )
        return [{"role": "user", "content": content}]


class StringsConfig(Task):
    """The task of string functions; its items come from an import only, and n is the depth of a program.

    >>> task = StringsConfig()
    >>> puzzle = StringPuzzle("func_9(func_3(x))", '{"x": "cab"}', "abccba")
    >>> texts = 'So {"output": "abccba"}', 'So {"output": "abc"}', "So abccba"
    >>> [task.grade(puzzle, text).verdict.value for text in texts]
    ['correct', 'wrong value', 'no answer']
    """

    SIZES: ClassVar[tuple[int, int]] = (1, MAX_DEPTH)
    PUZZLE_COLUMNS: ClassVar[Mapping[str, Any]] = {"program": pl.String, "inputs": pl.String, "value": pl.String}
    STRATA: ClassVar[Mapping[str, tuple[str, ...]]] = FunctionsConfig.STRATA
    MATCHED_BY: ClassVar[tuple[str, ...]] = FunctionsConfig.MATCHED_BY
    TERMS: ClassVar[Mapping[str, pl.Expr]] = FunctionsConfig.TERMS
    STRUCTURE: ClassVar[frozenset[str]] = FunctionsConfig.STRUCTURE | {"outer", "pair"}
    GROUPINGS: ClassVar[tuple[str, ...]] = ("n,shape_class", "n,functions", "outer", "n,outer", "pair")
    CHARTED: ClassVar[tuple[str, ...]] = ("outer",)
    ANSWER: ClassVar[str] = 'such as {"output": "abc"}'
    UNKNOWN: ClassVar[frozenset[str]] = frozenset(
        {"CoT-pass@1", "CoT-pass@{j}", "attempted", "hit given attempted", "correct given hit", "execution", "attempts"}
        | {"without a pattern", "substitution", "correct patterns@{k}"}
    )
    INTRODUCTION: ClassVar[str] = (
        "String functions: predict the output of a program such as func_5(func_1(x,3),'qz') at a given x. The rows do "
        "not say what the functions do, so only the final value is graded: steps that a completion states are not "
        "checked, and it is not known which tree it executed. n is the depth of a program; its pattern has letters for "
        "strings and leaves parameters out."
    )
    LABELS: ClassVar[Mapping[str, str]] = {**FunctionsConfig.LABELS, "outer": "outermost function"}
    GIVEN: ClassVar[bool] = True

    kind: Literal["strings"] = "strings"
    prompt: StringsPrompt = StringsPrompt()
    reward: RewardConfig = RewardConfig()

    def draw(self, report: ProgressCallback) -> Split:
        """None can be drawn.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("task.kind = strings: its programs come from ramify import only; the functions are not known")

    def trained_patterns(self) -> list[str]:
        """None: no training program is drawn."""
        return []

    def row(self, puzzle: StringPuzzle) -> dict[str, Any]:
        """The program, its inputs and its value."""
        return {"program": puzzle.program, "inputs": puzzle.inputs, "value": puzzle.value}

    def puzzle(self, row: Mapping[str, Any]) -> StringPuzzle:
        """The puzzle of a row."""
        return StringPuzzle(row["program"], row["inputs"], row["value"])

    def describe(self, row: Mapping[str, Any]) -> str:
        """The program, its inputs and its value."""
        return self.puzzle(row).id

    def grade(self, puzzle: StringPuzzle, text: str, truncated: bool = False) -> Grade:
        """The verdict on the last complete {"output": "…"} of a completion; spaces and case count.

        An object whose output is not a string is unparsable.
        """
        found = _answer(text)
        if found is None:
            missing = Verdict.UNPARSABLE if _OBJECT.search(text) else Verdict.NO_ANSWER
            return Grade(Verdict.TRUNCATED if truncated else missing)
        value = found[0]
        return Grade(Verdict.CORRECT if value == puzzle.value else Verdict.WRONG_VALUE, value, value=value)

    def find_attempts(self, puzzle: StringPuzzle, text: str, truncated: bool = False) -> list[Attempt]:
        """The answer, without a pattern, since the tree that led to it is not known; stated steps are not read."""
        found = _answer(text)
        if found is None:
            return []
        value, start, end = found
        return [Attempt(start, end, Value(value), None, value == puzzle.value, True, False, 0, False)]

    def demonstrate(self, puzzle: StringPuzzle) -> str:
        """The value alone, since its steps are not known."""
        return json.dumps({"output": puzzle.value}, ensure_ascii=False)

    def mistake(self, puzzle: StringPuzzle, random: Random) -> str:
        """A wrong value: the right one with one more character."""
        return json.dumps({"output": puzzle.value + random.choice("abc")}, ensure_ascii=False)

    def structure(self, pattern: str) -> Mapping[str, Any]:
        """Depth (which is n), shape class, split, lookahead, numbers of strings and functions, outer and pair."""
        return dict(structure(pattern))

    def parts(self, pattern: str) -> tuple[str, ...]:
        """The outermost function alone, and its operands that are calls."""
        return parts(pattern)

    def tree(self, pattern: str) -> Tree:
        """The calls as a tree."""
        return read_tree(pattern)


_DECODER = json.JSONDecoder(strict=False)
"""Models write line breaks into strings."""


def _answer(text: str) -> tuple[str, int, int] | None:
    """The value of the last answer that can be read, with its span; None if there is none."""
    for opened in reversed(deque(_OBJECT.finditer(text), maxlen=_LOOKED_AT)):
        if text.startswith('"', opened.end()):
            try:
                value, end = _DECODER.raw_decode(text, opened.end())
            except ValueError:
                continue
            if len(value) <= LONGEST and _END.match(text, end):
                return value.encode("utf-8", "replace").decode("utf-8"), opened.start(), end
    return None
