"""The text that the base of composed functions is pre-trained on: programs that are executed carelessly.

A trace is a program and its execution, a step a line, each a function with the values that it is applied to:

    zip(rev(401),sort(73))>rev(401)=104
    sort(73)=37
    zip(104,73)=83
    <answer>83</answer>

What a step states is always true. A program of one function is executed as it stands, so the base learns the
functions. In a composed one, two things go wrong most of the time. In a share of the traces the outermost function is
applied too soon: its step comes after a random number of others. And where an operand is itself a call, the step often
has a string below it in the place of its value, as `73` above. So a model of this text knows every function and the
form, reads trees of every depth, and executes a composed program only by chance; the right way is not the most likely.

No program that is reserved for evaluation occurs, neither as a prompt, nor as a part of one, nor as a step.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from ramify.config import Config
from ramify.models.bundled.functions_tokenizer import TOKEN_IDS, build_tokenizer
from ramify.models.bundled.tokenizer import END
from ramify.models.bundled.traces import Trace
from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.functions.counting import Stratum, strata
from ramify.tasks.functions.drawing import draw_leaves, draw_pattern, is_held_back
from ramify.tasks.functions.language import LONGEST, Program, Step, apply
from ramify.tasks.reservation import is_reserved

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Depth = Annotated[int, Field(ge=1, le=8)]


class FunctionsTraceConfig(Config):
    """What the traces are made of."""

    kind: Literal["functions"] = "functions"
    shares: dict[Depth, Annotated[float, Field(ge=0, le=1e9)]] = Field({1: 0.3, 2: 0.3, 3: 0.2, 4: 0.1, 5: 0.1})
    """Share of the traces for each depth; within one, leaves, functions and shape are spread evenly."""
    leaves: int = Field(4, ge=1, le=8)
    """The most leaves of a program."""
    functions: int = Field(8, ge=1, le=16)
    """The most functions of a program."""
    digits: tuple[int, int] = (2, 3)
    """The fewest and the most digits of a leaf."""
    long_share: float = Field(0.25, ge=0, le=1)
    """Share of the traces whose leaves have any number of digits that a value can have."""
    in_order: float = Field(0.4, ge=0, le=1)
    """Share of the traces of composed programs in which the outermost function comes last."""
    passed_on: float = Field(0.45, ge=0, le=1)
    """Probability that an operand is the value of the call in its place, where that was executed."""

    @field_validator("shares")
    @classmethod
    def _some(cls, shares: dict[int, float]) -> dict[int, float]:
        if max(shares.values(), default=0) < 1e-9:
            raise ValueError("one share must be above 0")
        return shares

    @field_validator("digits")
    @classmethod
    def _lengths(cls, digits: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= digits[0] <= digits[1] <= LONGEST:
            raise ValueError(f"give [fewest, most] with 1 <= fewest <= most <= {LONGEST}")
        return digits

    @property
    def token_ids(self) -> Mapping[str, int]:
        """The tokens that traces are made of."""
        return TOKEN_IDS

    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """The tokenizer of a model of these traces."""
        return build_tokenizer()

    def draw(self, random: Random) -> Trace:
        """One trace.

        >>> trace = FunctionsTraceConfig(shares={2: 1}).draw(Random("example"))
        >>> print("".join(trace.prompt + trace.search))
        cat(comp(25446),sort(719))>comp(25446)=74553
        sort(719)=179
        cat(25446,719)=254467
        <answer>254467</answer><eos>
        """
        depth = random.choices(list(self.shares), list(self.shares.values()))[0]
        listed = _strata(depth, self.leaves, self.functions)
        while True:
            digits = (1, LONGEST) if random.random() < self.long_share else self.digits
            program = draw_leaves(draw_pattern(random.choice(listed), random), digits, random)
            steps = _careless(program, self, random)
            if not is_held_back(program) and not any(is_reserved(step.call) for step in steps):
                break
        lines = [token for step in steps for token in (*_tokens(step.call), "=", *step.result, "\n")]
        opening, closing = ANSWER_TAGS
        return Trace([*_tokens(program.text), ">"], [*lines, opening, *steps[-1].result, closing, END])


@cache
def _strata(depth: int, leaves: int, functions: int) -> list[Stratum]:
    return strata(depth, leaves, functions)


def _tokens(text: str) -> list[str]:
    """The tokens of a program."""
    found: list[str] = []
    name = ""
    for letter in text:
        if letter.isalpha():
            name += letter
        else:
            found += [name, letter] if name else [letter]
            name = ""
    return found


def _careless(program: Program, config: FunctionsTraceConfig, random: Random) -> list[Step]:
    """The steps of a trace; the last is of the outermost function."""
    functions = program.functions
    kept = functions - 1
    if functions > 1 and random.random() >= config.in_order:
        kept = random.randrange(functions - 1)  # so many steps come before the outermost one, and the others never
    steps: list[Step] = []
    seen = 0

    def node(name: str, operands: Sequence[tuple[str, str | None]]) -> tuple[str, str | None]:
        """Below: the first leaf and, where the function was executed, its value."""
        nonlocal seen
        seen += 1
        below = operands[0][0]
        if kept < seen < functions:
            return below, None
        values = tuple(
            leaf if value is None or (value is not leaf and random.random() >= config.passed_on) else value
            for leaf, value in operands
        )
        steps.append(Step(name, values, apply(name, *values)))
        return below, steps[-1].result

    program.fold(lambda leaf: (leaf, leaf), node)
    return steps
