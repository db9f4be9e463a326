"""Prompt templates: a puzzle as the text that a model is given.

`slots` is the tiny bundled model's; `tinyzero` is the text of TinyZero, byte for byte, which the paper uses.
"""

from typing import Literal, get_args

from ramify.records import Puzzle

Template = Literal["slots", "tinyzero"]
TEMPLATES: tuple[str, ...] = get_args(Template)

_TINYZERO = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer.\n"
    "User: Using the numbers {numbers}, create an equation that equals {target}. You can use basic arithmetic "
    "operations (+, -, *, /) and each number can only be used once. Show your work in <think> </think> tags. And "
    "return the final answer in <answer> </answer> tags, for example <answer> (1 + 2) / 3 </answer>.\n"
    "Assistant: Let me solve this step by step.\n<think>"
)


def prompt(puzzle: Puzzle, template: Template) -> str:
    """The prompt for a puzzle, its numbers in the puzzle's order.

    Raises:
        ValueError: more numbers than the template can name (eight for `slots`).

    >>> prompt(Puzzle((12, 5, 30), 47), "slots")
    '47:A12B5C30>'
    >>> prompt(Puzzle((12, 5, 30), 47), "tinyzero").splitlines()[-2]
    'Assistant: Let me solve this step by step.'
    """
    if template == "tinyzero":
        return _TINYZERO.format(numbers=list(puzzle.numbers), target=puzzle.target)
    if len(puzzle.numbers) > 8:
        raise ValueError(f"the slots template names up to 8 numbers, this puzzle has {len(puzzle.numbers)}")
    named = "".join(f"{slot}{number}" for slot, number in zip("ABCDEFGH", puzzle.numbers, strict=False))
    return f"{puzzle.target}:{named}>"
