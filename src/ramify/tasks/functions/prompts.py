"""Prompts: a program as the text that a model is given, with what its functions mean or without.

`calls` is the tiny bundled model's template. `words` asks in English, for models that were taught the functions;
`definitions` says first what each function of the program does. Any other text with {program} in it is a template too,
{definitions} in it included.
"""

from typing import Any

from pydantic import Field, model_validator

from ramify.config import Config
from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.functions.language import FUNCTIONS, LONGEST, Program, apply
from ramify.tasks.functions.puzzle import ProgramPuzzle

_ASK = (
    "What is the value of {program}? Work from the inside out, one call a line, such as rev(401) = 104, then give the "
    "value in <answer> </answer> tags, for example <answer>104</answer>."
)
TEMPLATES = {
    "calls": "{program}>",
    "words": "These functions take strings of digits and give strings of digits. " + _ASK,
    "definitions": "These functions take strings of digits and give strings of digits:\n{definitions}\n" + _ASK,
}
"""The templates by name."""


class PromptConfig(Config):
    """How a program is put to a model.

    >>> puzzle = ProgramPuzzle(Program.parse("zip(rev(401),73)"))
    >>> print(PromptConfig(template="{definitions}\\n{program} = ?").text(puzzle))
    rev(a): the digits in reverse order. rev(401) = 104.
    zip(a, b): the sums of digits in the same place, modulo 10, as long as the shorter. zip(48,173) = 55.
    Only the first 6 digits of a value are kept.
    zip(rev(401),73) = ?
    """

    template: str = "calls"
    """`calls`, `words`, `definitions`, or a text of your own with {program}, and {definitions} where it says them."""
    chat: bool = False
    """Whether the text goes through the chat template of the model's tokenizer, as what the user says."""
    answer_tags: tuple[str, str] = Field(ANSWER_TAGS)
    """What opens and closes an answer; the grader ignores their case."""

    @classmethod
    def spelled_out(cls, name: str) -> dict[str, Any]:
        """The name of a template, or a template, stands for the settings with it."""
        return {"template": name}

    @model_validator(mode="after")
    def _whole(self) -> "PromptConfig":
        if self.template not in TEMPLATES and "{program}" not in self.template:
            known = ", ".join(TEMPLATES)
            raise ValueError(f"template = {self.template!r}: it lacks {{program}} and is none of {known}")
        if self.template in TEMPLATES and self.answer_tags != ANSWER_TAGS:
            raise ValueError(f"answer_tags = {list(self.answer_tags)}: {self.template} asks for {ANSWER_TAGS[0]}")
        opening, closing = (tag.strip().lower() for tag in self.answer_tags)
        if not opening or not closing or opening == closing:
            raise ValueError(f"answer_tags = {list(self.answer_tags)}: two different texts are needed")
        return self

    def text(self, puzzle: ProgramPuzzle) -> str:
        """The prompt for a puzzle.

        >>> PromptConfig().text(ProgramPuzzle(Program.parse("zip(rev(401),73)")))
        'zip(rev(401),73)>'
        """
        template = TEMPLATES.get(self.template, self.template)
        return template.replace("{definitions}", definitions(puzzle.program)).replace("{program}", puzzle.id)

    def to_model_input(self, puzzle: ProgramPuzzle) -> Any:
        """The prompt as trainers and tokenizers take it: a text, or a list of one message."""
        text = self.text(puzzle)
        return [{"role": "user", "content": text}] if self.chat else text


def definitions(program: Program) -> str:
    """What the functions of a program mean, one a line, each with an example, in the order of `FUNCTIONS`."""
    lines = []
    for function in FUNCTIONS.values():
        if function.name in program.postfix:
            operands = ", ".join("ab"[: function.arity])
            value = apply(function.name, *Program.parse(function.example).leaves)
            lines.append(f"{function.name}({operands}): {function.meaning}. {function.example} = {value}.")
    return "\n".join([*lines, f"Only the first {LONGEST} digits of a value are kept."])
