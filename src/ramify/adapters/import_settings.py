"""Settings of `ramify import`; `regrade` and `verify-split` take some of them."""

import re
from collections.abc import Callable, Iterable

from pydantic import Field, field_validator

from ramify.adapters.answers import check_pattern
from ramify.adapters.columns import Levels
from ramify.adapters.parsed_rows import RowReader, check_fields
from ramify.config import MOST, Config
from ramify.errors import ConfigError
from ramify.records import Item
from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.countdown.prompts import PromptConfig


class ImportConfig(Config):
    """How completions of other tools are read; unset fields are detected."""

    format: str | None = None
    numbers: str | None = None
    """Column name, with dots between levels, as for the settings below."""
    target: str | None = None
    text: str | None = None
    pattern: str | None = None
    step: str | None = None
    """A column, or a number: the step of all rows."""
    prompt: str | None = None
    """A column, or a template of the prompts with {numbers} and {target}, to extract the puzzle."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Columns by role: those above, and truncated, reasoning, reward, set."""
    answer_tags: tuple[str, str] = ANSWER_TAGS
    answer_pattern: str | None = None
    """A regular expression (Rust syntax) whose first group is the answer, in addition to tags and boxes."""
    every: int | None = Field(None, ge=1, le=MOST)
    """Steps in a window of training completions."""
    training: bool | None = None
    """Whether they are training completions; detected from the format if unset."""

    @field_validator("answer_tags")
    @classmethod
    def _two_tags(cls, tags: tuple[str, str]) -> tuple[str, str]:
        PromptConfig(template="{numbers}{target}", answer_tags=tags)
        return tags

    @field_validator("prompt")
    @classmethod
    def _whole(cls, prompt: str | None) -> str | None:
        words = prompt is not None and re.search(r"\{\w*\}|\s", prompt)
        if prompt is not None and words and not is_template(prompt):
            raise ValueError("a prompt template has {numbers} and {target}, and a column has no spaces")
        return prompt

    @property
    def all_step(self) -> int | None:
        """The step of all rows, if it is set."""
        return int(self.step) if self.step is not None and re.fullmatch(r"\d{1,9}", self.step, re.ASCII) else None

    def reader(
        self,
        preferred: dict[str, tuple[str, ...]] | None = None,
        puzzle: Callable[[Levels], Item] | None = None,
    ) -> RowReader:
        """The row reader for these settings.

        Args:
            preferred, puzzle: as in `RowReader`.

        Raises:
            ConfigError: a field has an unknown role, or the answer pattern is invalid.
        """
        named = {name: getattr(self, name) for name in ("numbers", "target", "text", "pattern", "step", "prompt")}
        if self.all_step is not None:
            del named["step"]
        template = self.prompt if self.prompt is not None and is_template(self.prompt) else None
        if template is not None:
            del named["prompt"]
        if self.answer_pattern is not None:
            check_pattern(self.answer_pattern)
        given = {**check_fields(self.fields), **{name: value for name, value in named.items() if value is not None}}
        return RowReader(given, preferred or {}, template, self.all_step, puzzle)


def is_template(prompt: str) -> bool:
    """Whether a prompt setting is a template, rather than a column."""
    return "{target}" in prompt and re.search(r"\{(numbers|slots)\}", prompt) is not None


def parse_fields(pairs: Iterable[str]) -> dict[str, str]:
    """Parse texts such as numbers=puzzle.nums into columns by role.

    Raises:
        ConfigError: a text is not of this form, or the role is unknown.

    >>> parse_fields(["numbers=puzzle.nums"])
    {'numbers': 'puzzle.nums'}
    """
    found = {}
    for pair in pairs:
        role, equals, path = pair.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"--field {pair}: use ROLE=COLUMN, as in numbers=puzzle.nums")
        found[role.strip()] = path.strip()
    return dict(check_fields(found))
