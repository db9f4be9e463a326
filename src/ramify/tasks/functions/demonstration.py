"""Completions that are right, or wrong on purpose, as the model of a prompt would write them."""

from collections.abc import Sequence
from random import Random

from ramify.tasks.functions.language import Program, Step, apply
from ramify.tasks.functions.prompts import PromptConfig
from ramify.tasks.functions.written import written


def demonstrate(program: Program, prompt: PromptConfig) -> str:
    """The whole execution of a program.

    >>> print(demonstrate(Program.parse("inc(rev(401))"), PromptConfig(template="words")))
    rev(401) = 104
    inc(104) = 215
    <answer>215</answer>
    """
    return _written(program.steps(), prompt)


def mistake(program: Program, prompt: PromptConfig, random: Random) -> str:
    """An execution in which one value is wrong, and so is the answer.

    >>> print(mistake(Program.parse("inc(rev(401))"), PromptConfig(), Random("example")))
    rev(401)=104
    inc(104)=515
    <answer>515</answer>
    """
    right = program.value
    for wrong_at in (random.randrange(program.functions), program.functions - 1):  # a later call may hide an error
        steps: list[Step] = []

        def node(name: str, operands: Sequence[str], at: int = wrong_at, into: list[Step] = steps) -> str:
            result = apply(name, *operands)
            into.append(Step(name, tuple(operands), _altered(result, random) if len(into) == at else result))
            return into[-1].result

        if program.fold(str, node) != right:
            break
    return _written(steps, prompt)


def _altered(value: str, random: Random) -> str:
    """The value with one digit changed."""
    at = random.randrange(len(value))
    return value[:at] + str((int(value[at]) + random.randint(1, 9)) % 10) + value[at + 1 :]


def _written(steps: Sequence[Step], prompt: PromptConfig) -> str:
    equals = "=" if prompt.template == "calls" else " = "
    return written(steps, steps[-1].result, equals, prompt.answer_tags)
