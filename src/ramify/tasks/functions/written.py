"""How an execution is written: a step a line, each a call with its value, then the answer."""

from collections.abc import Sequence

from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.functions.language import Step


def written(steps: Sequence[Step], answer: str, equals: str = "=", tags: tuple[str, str] = ANSWER_TAGS) -> str:
    """The text of steps and an answer.

    Args:
        equals: what stands between a call and its value.

    >>> from ramify.tasks.functions.language import Program
    >>> print(written(Program.parse("inc(rev(401))").steps(), "215"))
    rev(401)=104
    inc(104)=215
    <answer>215</answer>
    """
    lines = [f"{step.call}{equals}{step.result}" for step in steps]
    return "\n".join([*lines, f"{tags[0]}{answer}{tags[1]}"])
