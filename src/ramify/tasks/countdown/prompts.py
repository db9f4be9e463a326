"""Prompts: puzzles as text for a model.

`slots` is the template of the bundled model; `tinyzero` is the exact text of TinyZero, which the paper uses. Any other
text with {numbers} and {target} is also a template.
"""

import re
from functools import lru_cache
from typing import Any

from pydantic import Field, model_validator

from ramify.config import Config
from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.slots import SLOTS

_TINYZERO = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer.\n"
    "User: Using the numbers {numbers}, create an equation that equals {target}. You can use basic arithmetic "
    "operations (+, -, *, /) and each number can only be used once. Show your work in <think> </think> tags. And "
    "return the final answer in <answer> </answer> tags, for example <answer> (1 + 2) / 3 </answer>.\n"
    "Assistant: Let me solve this step by step.\n<think>"
)
WORDS = "Using the numbers {numbers}, create an equation that equals {target}."
"""The default template for puzzles without a known prompt."""
TEMPLATES = {"slots": "{target}:{slots}>", "tinyzero": _TINYZERO}
_SENTENCES = (
    "Using the numbers {numbers}, create an equation that equals {target}",
    TEMPLATES["slots"],
    "Using the numbers {numbers}, create an expression that equals {target}",
    "Using all the numbers {numbers}, create an expression that equals {target}",
    "Find a way to make {target} using all of these numbers: {numbers}",
    "Find a way to make {target} using some or all of these numbers: {numbers}",
    "Calculate {target} using all of these numbers: {numbers}",
    "Calculate {target} using the numbers {numbers}",
)
"""Known templates for reading prompts: TinyZero, the bundled model, reasoning-gym."""
_PIECES = {
    "{numbers}": r"\[?\s{0,3}(?P<numbers>\d{1,9}(?:[,\s]{1,3}\d{1,9}){0,15})\s{0,3}\]?",
    "{slots}": r"(?P<slots>(?:[A-H]\d{1,9}){1,8})",
    "{target}": r"(?P<target>-?\d{1,9})(?!\d|[.,]\d)",
}


class PromptConfig(Config):
    """Prompt settings.

    >>> PromptConfig(template="Make {target} of {numbers}.").text(Puzzle((12, 5, 30), 47))
    'Make 47 of [12, 5, 30].'
    """

    template: str = "slots"
    """`slots`, `tinyzero`, or a text with {numbers} and {target}."""
    chat: bool = False
    """Whether the text is sent as a user message through the chat template of the tokenizer."""
    answer_tags: tuple[str, str] = Field(ANSWER_TAGS)
    """The opening and closing answer tag; the grader ignores case."""

    @classmethod
    def spelled_out(cls, name: str) -> dict[str, Any]:
        """The settings for a template or its name."""
        return {"template": name}

    @model_validator(mode="after")
    def _whole(self) -> "PromptConfig":
        wanted = [field for field in ("{numbers}", "{target}") if field not in self.template]
        if self.template not in TEMPLATES and wanted:
            known = ", ".join(TEMPLATES)
            raise ValueError(f"template = {self.template!r}: it lacks {' and '.join(wanted)} and is not one of {known}")
        if self.template in TEMPLATES and self.answer_tags != ANSWER_TAGS:
            raise ValueError(f"answer_tags = {list(self.answer_tags)}: {self.template} asks for {ANSWER_TAGS[0]}")
        opening, closing = (tag.strip().lower() for tag in self.answer_tags)
        if not opening or not closing or opening == closing:
            raise ValueError(f"answer_tags = {list(self.answer_tags)}: two different texts are needed")
        return self

    def text(self, puzzle: Puzzle) -> str:
        """The prompt of a puzzle, with numbers in the puzzle's order.

        Raises:
            ValueError: more numbers than slots (eight).

        >>> PromptConfig().text(Puzzle((12, 5, 30), 47))
        '47:A12B5C30>'
        >>> PromptConfig(template="tinyzero").text(Puzzle((12, 5, 30), 47)).splitlines()[-2]
        'Assistant: Let me solve this step by step.'
        """
        template = TEMPLATES.get(self.template, self.template)
        if "{slots}" in template and len(puzzle.numbers) > len(SLOTS):
            raise ValueError(f"there are slots for {len(SLOTS)} numbers, this puzzle has {len(puzzle.numbers)}")
        named = "".join(f"{slot}{number}" for slot, number in zip(SLOTS, puzzle.numbers, strict=False))
        filled = template.replace("{slots}", named).replace("{numbers}", str(list(puzzle.numbers)))
        return filled.replace("{target}", str(puzzle.target))

    def to_model_input(self, puzzle: Puzzle) -> Any:
        """The prompt for trainers and tokenizers: a text, or a list of one message.

        >>> PromptConfig(chat=True).to_model_input(Puzzle((1, 2), 3))
        [{'role': 'user', 'content': '3:A1B2>'}]
        """
        text = self.text(puzzle)
        return [{"role": "user", "content": text}] if self.chat else text


def puzzle_in(text: str, template: str | None = None) -> tuple[list[int], int] | None:
    """The numbers and target in a prompt, the last ones if examples precede them; None if there are none.

    Args:
        template: the template of the prompt; without it, known templates are tried.

    >>> puzzle_in(PromptConfig(template="tinyzero").text(Puzzle((12, 5, 30), 47)))
    ([12, 5, 30], 47)
    >>> puzzle_in("Calculate 237 using the numbers 95, 98, 92, 28, 20.\\nEach number may be used at most once.")
    ([95, 98, 92, 28, 20], 237)
    """
    for sentence in (template,) if template else _SENTENCES:
        found = list(_reader(sentence).finditer(text))
        if found:
            named = found[-1].groupdict()
            digits = re.findall(r"\d+", named.get("numbers") or named.get("slots") or "")
            return [int(number) for number in digits], int(named["target"])
    return None


@lru_cache(maxsize=16)
def _reader(template: str) -> re.Pattern[str]:
    """A regular expression for a template; a repeated field is read at its first occurrence."""
    template = TEMPLATES.get(template, template)
    parts = re.split(r"(\{numbers\}|\{slots\}|\{target\})", template)
    seen: set[str] = set()
    pattern = ""
    for part in parts:
        piece = _PIECES.get(part, r"\s{1,9}".join(map(re.escape, re.split(r"\s+", part))))
        if part in _PIECES and part in seen:
            piece = re.sub(r"\?P<\w+>", "?:", piece)
        seen.add(part)
        pattern += piece
    return re.compile(pattern)
