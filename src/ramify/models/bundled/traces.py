"""The pre-training text of the small base model: random search with stated values.

A trace is a prompt and a search through random attempts, one per line, with the value of each step:

    29: A3 B8 C7>(A3*C7=21)-B8=13
    (A3*C7=21)+B8=29
    <answer>(A3*C7)+B8</answer>

Trees, operators and the order of the numbers are random, without a solver, so the model learns the format and the
arithmetic, has no preference for a shape, and finds solutions mostly by chance. An attempt that hits the target ends
the search; otherwise the search goes on with probability `go_on`, and the answer repeats the last attempt. In a share
of the traces the value of the last attempt becomes the target (hindsight), which teaches that a hit ends the search.

No reserved puzzle occurs, neither as a prompt nor as one that an attempt solves.
"""

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field, field_validator

from ramify.algebra.pattern import LEAF, Pattern, parse_patterns
from ramify.config import MOST, Config
from ramify.models.bundled.tokenizer import END, TOKEN_IDS, build_tokenizer
from ramify.tasks.countdown.slots import CLOSE, OPEN, SLOTS, Tried, join, number_tokens
from ramify.tasks.countdown.splits import held_out_patterns, is_reserved

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Size = Annotated[int, Field(ge=2, le=len(SLOTS))]


class TraceConfig(Config):
    """Settings of the traces."""

    kind: Literal["countdown"] = "countdown"
    shares: dict[Size, Annotated[float, Field(ge=0, le=1e9)]] = Field({2: 0.15, 3: 0.40, 4: 0.30, 5: 0.15})
    """Share of the traces for each n (the number of numbers)."""
    hindsight: dict[Size, Annotated[float, Field(ge=0, le=1)]] = Field({2: 0.6, 3: 0.4, 4: 0.15, 5: 0.03})
    """Share of the traces of each n whose target is the value of the last attempt."""
    go_on: float = Field(0.55, ge=0, le=0.99)
    """Probability of another attempt after a miss."""
    attempts: int = Field(6, ge=1, le=1000)
    """The largest number of attempts in a trace."""
    largest: int = Field(99, ge=2, le=MOST)
    """Numbers and targets are 1 to this; a quarter of the traces draw their numbers from a smaller range."""
    bound: int = Field(10**6, ge=100, le=10**12)
    """Attempts with a numerator or denominator of this size are rejected."""
    fraction_bound: int = Field(10**6, ge=2, le=10**12)
    """The bound for non-integer values; a tiny model cannot add fractions with large terms."""
    never: tuple[str, ...] = ()
    """Skills such as `A-B*C`, whose families are excluded from the traces."""

    @field_validator("shares")
    @classmethod
    def _some(cls, shares: dict[int, float]) -> dict[int, float]:
        if max(shares.values(), default=0) < 1e-9:
            raise ValueError("one share must be above 0")
        return shares

    @field_validator("never")
    @classmethod
    def _skills(cls, skills: tuple[str, ...]) -> tuple[str, ...]:
        parse_patterns(skills)
        return skills

    @property
    def never_tried(self) -> frozenset[Pattern]:
        """The patterns of the excluded families."""
        return _families(self.never, tuple(self.shares))

    @property
    def token_ids(self) -> Mapping[str, int]:
        """The tokens that traces are made of."""
        return TOKEN_IDS

    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """The tokenizer of a model of these traces."""
        return build_tokenizer()

    def draw(self, random: Random) -> "Trace":
        """One trace."""
        return draw_trace(self, random)


@cache
def _families(skills: tuple[str, ...], sizes: tuple[int, ...]) -> frozenset[Pattern]:
    return held_out_patterns(skills, sizes)


class Trace(NamedTuple):
    """The tokens of a prompt and of the search that follows it."""

    prompt: list[str]
    search: list[str]


def prompt_tokens(numbers: list[int], target: int) -> list[str]:
    """The prompt of a puzzle, with the numbers in the given order.

    >>> "".join(prompt_tokens([12, 5], 60))
    '60:A12B5>'
    """
    named = [token for slot, number in zip(SLOTS, numbers, strict=False) for token in (slot, *number_tokens(number))]
    return [*number_tokens(target), ":", *named, ">"]


def draw_trace(config: TraceConfig, random: Random) -> Trace:
    """Draw one trace.

    >>> trace = draw_trace(TraceConfig(), Random("example"))
    >>> print("".join(trace.prompt + trace.search))
    1:A20B84C86D16>(D16-A20=-4)+(C86/B84=86|84)=-2#50|84
    <answer>(D16-A20)+(C86/B84)</answer><eos>
    """
    size = random.choices(list(config.shares), list(config.shares.values()))[0]
    largest = config.largest if random.random() < 0.75 else random.randint(min(9, config.largest), config.largest)
    while True:
        trace = _search(config, random, [random.randint(1, largest) for _ in range(size)])
        if trace is not None:
            return trace


def _search(config: TraceConfig, random: Random, numbers: list[int]) -> Trace | None:
    """A search over these numbers, or None if the draw is rejected."""
    length = 1
    while length < config.attempts and random.random() < config.go_on:
        length += 1
    tried = [_attempt(numbers, config, random) for _ in range(length)]
    values = [_in_range(attempt, config.largest) for attempt in tried]
    if random.random() < config.hindsight.get(len(numbers), 0.0):
        draws = 0
        while (target := values[-1]) is None or is_reserved(numbers, target):
            tried[-1] = _attempt(numbers, config, random)
            values[-1] = _in_range(tried[-1], config.largest)
            draws += 1
            if draws > 200:
                return None
    else:
        target = random.randint(1, config.largest)
    if target in values:
        tried = tried[: values.index(target) + 1]
    if is_reserved(numbers, target) or any(v is not None and is_reserved(numbers, v) for v in values[: len(tried)]):
        return None
    lines = [token for attempt in tried for token in (*attempt.stated, "\n")]
    return Trace(prompt_tokens(numbers, target), [*lines, OPEN, *tried[-1].plain, CLOSE, END])


def _in_range(attempt: Tried, largest: int) -> int | None:
    value, rest = divmod(attempt.numerator, attempt.denominator)
    return value if rest == 0 and 1 <= value <= largest else None


def _attempt(numbers: list[int], config: TraceConfig, random: Random) -> Tried:
    order = list(range(len(numbers)))
    while True:
        random.shuffle(order)
        attempt = _tree(numbers, order, config, random)
        if attempt is not None and attempt.pattern not in config.never_tried:
            return attempt


def _tree(numbers: list[int], order: list[int], config: TraceConfig, random: Random) -> Tried | None:
    """A random tree over the numbers in this order; every split of the leaves is equally likely.

    None if a division by zero occurs, or a value exceeds the bounds.
    """
    if len(order) == 1:
        leaf = [SLOTS[order[0]], *number_tokens(numbers[order[0]])]
        return Tried(leaf, leaf, numbers[order[0]], 1, LEAF)
    cut = random.randint(1, len(order) - 1)
    left, right = _tree(numbers, order[:cut], config, random), _tree(numbers, order[cut:], config, random)
    if left is None or right is None:
        return None
    joined = join("+-*/"[int(random.random() * 4)], left, right)
    if joined is None:
        return None
    highest = config.bound if joined.denominator == 1 else config.fraction_bound
    return None if max(abs(joined.numerator), joined.denominator) >= highest else joined
