"""Parse rows of other tools: the reader for import, regrade, verify-split and external puzzles."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ramify.adapters.columns import ROLES, Levels, value_at
from ramify.adapters.completions import Completion, completions_of, shortened
from ramify.adapters.files import BROKEN
from ramify.adapters.steps import step_in
from ramify.algebra.parser import ParseError
from ramify.errors import ConfigError
from ramify.records import Item, Verdict
from ramify.tasks.countdown.paper import from_paper
from ramify.tasks.countdown.prompts import puzzle_in
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.settings import MAX_SIZE

MOST = 10**9
"""The exclusive bound of numbers and targets."""
MOST_OF_A_PROMPT = 200_000
"""The number of characters of a prompt that are searched for a puzzle, from its end."""
_DEEPEST = 6
_VERDICTS = [verdict.value for verdict in Verdict]


class MissingError(ValueError):
    """No column of a row has a value for `role`."""

    def __init__(self, role: str, message: str) -> None:
        super().__init__(message)
        self.role = role


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """The puzzle, completions, step, rewards, set and verdict of a row.

    Attributes:
        puzzle: of Countdown, or of the task of the format.
        completions: completions of the puzzle; empty if only puzzles are read.
        step: the training step, `steps.LAST` for `final`; None if the row has none.
        rewards: the reward of each completion, or None.
        set: the name of the puzzle set, or None.
        verdict: the verdict of an earlier grading by ramify, or None.
    """

    puzzle: Any
    completions: list[Completion]
    step: int | None
    rewards: list[float | None]
    set: str | None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class RowReader:
    """A parser of rows.

    Attributes:
        given: user-specified columns by role, with dots between levels; no other column is searched for these roles.
        preferred: keys of a format, searched before the usual names.
        template: prompt template with {numbers} and {target}; without it, known templates are tried.
        step: the step of all rows; overrides their own.
        puzzle: reads the puzzle of another task than Countdown; the columns of puzzles are then not searched.

    >>> RowReader().read({"nums": [3, 7, 8], "target": 29, "response": "3*7+8", "globalStep": "step-50"}).step
    50
    """

    given: Mapping[str, str] = field(default_factory=dict)
    preferred: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    template: str | None = None
    step: int | None = None
    puzzle: Callable[[Levels], Item] | None = None

    def read(
        self, row: dict[str, Any], texts: bool = True, steps: bool = True, file_step: int | None = None
    ) -> ParsedRow:
        """Parse a row.

        Args:
            texts: whether to read completions.
            steps: whether to read the step.
            file_step: the step of a row that has none.

        Raises:
            MissingError: no column has the puzzle or the completion.
            ValueError: a value is invalid; the message names it.
        """
        if BROKEN in row:
            raise ValueError(row[BROKEN])
        levels = Levels(row)
        puzzle = self._puzzle(levels) if self.puzzle is None else self.puzzle(levels)
        completions = self._completions(levels) if texts else []
        reward, group, verdict = (self._value(levels, role) for role in ("reward", "set", "verdict"))
        return ParsedRow(
            puzzle,
            completions,
            self._step(levels, file_step) if steps else None,
            _rewards(reward, len(completions)),
            group if isinstance(group, str) and re.fullmatch(r"\w[\w.-]{0,59}", group) else None,
            Verdict(verdict) if verdict in _VERDICTS else None,
        )

    def _value(self, levels: Levels, role: str) -> Any:
        if self.given and role in self.given:
            return value_at(levels.row, self.given[role])
        if role in self.preferred:
            for name in self.preferred[role]:
                if (value := levels.row.get(name)) is not None:
                    return value
        return levels.first(role)

    def _all(self, levels: Levels, role: str) -> list[Any]:
        if role in self.given:
            value = value_at(levels.row, self.given[role])
            return [] if value is None else [value]
        return levels.every(role)

    def _step(self, levels: Levels, file_step: int | None) -> int | None:
        if self.step is not None:
            return self.step
        step = self._value(levels, "step")
        if step is not None:
            return step_in(step)
        named = None if "step" in self.given else levels.first("checkpoint")
        if named is None:
            return file_step
        try:
            return step_in(named)
        except ValueError:
            if file_step is None:
                raise ValueError(f"checkpoint = {shortened(named)} has no step; set it by --step N") from None
            return file_step

    def _completions(self, levels: Levels) -> list[Completion]:
        value = self._value(levels, "text")
        if value is None and levels.is_empty("text"):
            value = ""  # the model wrote nothing
        if value is None:
            error = levels.row.get("error")
            if error:
                raise ValueError(f"the sample errored: {str(error)[:200]}")
            where = f" in {self.given['text']}" if "text" in self.given else ""
            raise MissingError("text", f"no completion{where}")
        reasoning = self._value(levels, "reasoning")
        return completions_of(value, self._all(levels, "truncated"), reasoning)

    def _puzzle(self, levels: Levels) -> Puzzle:
        numbers, target = self._value(levels, "numbers"), self._value(levels, "target")
        if numbers is None and "numbers" not in self.given:
            numbers, target = _identity(levels.row.get("puzzle_id"), target)
        if target is None and "target" not in self.given:
            target = next((truth for truth in levels.every("truth") if _is_integer(truth)), None)
        if not (isinstance(numbers, str | list) and _is_integer(target)):  # such as a count of numbers, or a solution
            numbers, target = self._in_prompt(levels, numbers, target)
        return puzzle_of(numbers, target, self._value(levels, "pattern"))

    def _in_prompt(self, levels: Levels, numbers: Any, target: Any) -> tuple[Any, Any]:
        named = [
            role for role, value in (("numbers", numbers), ("target", target)) if role in self.given and value is None
        ]
        if named:
            raise MissingError(named[0], f"no {named[0]} in {self.given[named[0]]}")
        texts = [text for prompt in self._all(levels, "prompt") if (text := prompt_text(prompt))]
        for text in texts:
            if (found := _puzzle_in(text, self.template)) is not None:
                return found
        if numbers is not None and target is not None:
            return numbers, target  # invalid values
        role = "numbers" if numbers is None else "target"
        if texts:
            raise MissingError("words", f"no numbers and target in the prompt {shortened(texts[0][-200:])}")
        what = "numbers and no target" if numbers is None and target is None else role
        raise MissingError(role, f"no {what}, and no prompt to find them in")


def check_fields(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Validate the roles of a mapping of columns, and return it.

    Raises:
        ConfigError: a role is unknown.
    """
    known = [role for role in ROLES if role not in ("truth", "checkpoint")]
    for role in fields:
        if role not in known:
            raise ConfigError(f"field = {role}: there are {', '.join(known)}")
    return fields


def puzzle_of(numbers: Any, target: Any, pattern: Any = None) -> Puzzle:
    """The puzzle of values in a file.

    Raises:
        ValueError: they are not a puzzle.

    >>> puzzle_of("[3, 7, 8]", "29").id
    '3,7,8=29'
    """
    if isinstance(numbers, tuple):
        numbers = list(numbers)
    if isinstance(numbers, str):
        numbers = re.sub(r"[,;|]", " ", numbers[:1000].strip(" []()")).split()
    if not isinstance(numbers, list) or not numbers:
        raise ValueError(f"numbers = {shortened(numbers)} is not a list of integers")
    if (
        type(target) is int
        and all(type(number) is int for number in numbers)
        and (pattern is None or isinstance(pattern, str))
    ):
        return _remembered(tuple(numbers), target, pattern)
    integers = tuple(_integer(number) for number in numbers)
    return _remembered(integers, _integer(target), pattern if isinstance(pattern, str) else None)


@lru_cache(maxsize=50_000)
def _remembered(numbers: tuple[int, ...], target: int, pattern: str | None) -> Puzzle:
    """A cached puzzle, since the same one recurs with every sample and step."""
    found = None
    if pattern is not None:
        try:
            found = from_paper(pattern)
        except ParseError:
            raise ValueError(f"pattern = {shortened(pattern)} is not a pattern") from None
    return Puzzle(numbers, target, found)


def is_usable(puzzle: Puzzle) -> bool:
    """Whether a puzzle has two to six numbers within bounds."""
    return 2 <= len(puzzle.numbers) <= MAX_SIZE and all(abs(one) < MOST for one in (*puzzle.numbers, puzzle.target))


def _integer(value: Any) -> int:
    if isinstance(value, str):
        if re.fullmatch(r"\s*[-+]?\d{1,30}(\.0{0,9})?\s*", value, re.ASCII):
            return int(value.partition(".")[0])
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    elif isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(f"{shortened(value)} is not an integer")


def _is_integer(value: Any) -> bool:
    try:
        _integer(value)
    except ValueError:
        return False
    return True


def _identity(identity: Any, target: Any) -> tuple[Any, Any]:
    """The numbers and target of a puzzle id such as 3,7,8=29."""
    if isinstance(identity, str) and re.fullmatch(r"-?\d{1,9}(,-?\d{1,9}){1,7}=-?\d{1,9}", identity, re.ASCII):
        numbers, _, goal = identity.partition("=")
        return [int(number) for number in numbers.split(",")], int(goal)
    return None, target


def prompt_text(prompt: Any) -> str:
    """The text of a prompt: a text, chat messages without those of the assistant, or the parts of a request.

    >>> prompt_text([{"role": "user", "content": "Make 29"}, {"role": "assistant", "content": "no"}])
    'Make 29'
    """
    if isinstance(prompt, str):
        return prompt[-MOST_OF_A_PROMPT:]
    found: list[str] = []
    _collect(prompt, found, _DEEPEST)
    return "\n".join(found)[-MOST_OF_A_PROMPT:]


def _collect(value: Any, found: list[str], deeper: int) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, dict) and deeper:
        if str(value.get("role", value.get("from"))).lower() not in ("assistant", "gpt", "model"):
            for name, inner in value.items():
                if name not in ("role", "from", "type", "id", "model"):
                    _collect(inner, found, deeper - 1)
    elif isinstance(value, list) and deeper:
        for inner in value[:1000]:
            _collect(inner, found, deeper - 1)


def _puzzle_in(text: str, template: str | None) -> tuple[list[int], int] | None:
    found = _seen(text, template) if len(text) <= 4000 else puzzle_in(text, template)
    return found and (list(found[0]), found[1])


_seen = lru_cache(maxsize=10_000)(puzzle_in)


def _rewards(reward: Any, count: int) -> list[float | None]:
    values = reward if isinstance(reward, list) and len(reward) == count else [reward] * count
    return [_number(value) for value in values]


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else None
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}(\.\d{1,20})?(e-?\d{1,2})?", value, re.ASCII):
        return float(value)
    return None
