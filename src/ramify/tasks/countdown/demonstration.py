"""Correct completions, and wrong ones for simulated models, in the format of a prompt."""

from random import Random

from ramify.algebra.expression import Expression
from ramify.tasks.countdown import slots
from ramify.tasks.countdown.catalog import patterns
from ramify.tasks.countdown.prompts import PromptConfig
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.solver import solve, witness


def demonstrate(puzzle: Puzzle, prompt: PromptConfig) -> str:
    """A correct completion by the source pattern of a puzzle, else by the first solving pattern.

    Raises:
        ValueError: no pattern solves it, or the source pattern does not.

    >>> from ramify.algebra.pattern import Pattern
    >>> print(demonstrate(Puzzle((8, 3, 7), 29, Pattern.parse("A*B+C")), PromptConfig()))
    (B3*C7=21)+A8=29
    <answer>(B3*C7)+A8</answer>
    """
    if puzzle.pattern is None:
        found = next(iter(solve(puzzle.numbers, puzzle.target).values()), None)
    else:
        found = witness(puzzle.numbers, puzzle.target, puzzle.pattern)
    if found is None:
        raise ValueError(f"{puzzle.pattern or 'no pattern'} does not solve puzzle {puzzle.id}")
    return written(puzzle, found, prompt)


def mistake(puzzle: Puzzle, prompt: PromptConfig, random: Random) -> str:
    """A completion whose expression misses the target."""
    listed = patterns(len(puzzle.numbers))
    while True:
        numbers = random.sample(puzzle.numbers, len(puzzle.numbers))
        tree = random.choice(listed).tree
        found = Expression(tuple(numbers[item] if isinstance(item, int) else item for item in tree.postfix))
        if found.value is not None and found.value != puzzle.target:
            return written(puzzle, found, prompt)


def written(puzzle: Puzzle, expression: Expression, prompt: PromptConfig) -> str:
    """A completion with one attempt as its answer."""
    if prompt.template == "slots":
        return slots.demonstrate(puzzle, expression)
    return in_steps(expression, prompt)


def in_steps(expression: Expression, prompt: PromptConfig) -> str:
    r"""A completion in words: one line per step of the expression, then the answer.

    >>> print(in_steps(Expression((3, 7, "*", 8, "+")), PromptConfig(template="tinyzero")))
    <BLANKLINE>
    3 * 7 = 21
    21 + 8 = 29
    </think>
    <answer>3*7+8</answer>
    """
    steps: list[str] = []

    def node(operator: str, left: Expression, right: Expression) -> Expression:
        joined = left.join(operator, right)
        steps.append(f"{_value(left)} {operator} {_value(right)} = {_value(joined)}")
        return joined

    expression.fold(Expression.leaf, node)
    thought = ["</think>"] if prompt.template == "tinyzero" else []
    opening, closing = prompt.answer_tags
    return "\n".join(["", *steps, *thought, f"{opening}{expression.text}{closing}"])


def _value(expression: Expression) -> str:
    value = expression.value
    return f"({value})" if value is not None and (value < 0 or value.denominator > 1) else str(value)
