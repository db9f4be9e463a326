"""How many seeds and puzzles answer a design's questions best for a number of tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10

import numpy as np

from ramify.analysis.design import MOST_PUZZLES, Question, Source, detectable, enough, needed

SAMPLES = 4
"""A puzzle, seed and checkpoint. More samples of the same puzzles help less than more puzzles."""
SEEDS = range(3, 9)
"""Fewer say little of other seeds; more cost trainings."""
FEWEST = 20
"""Puzzles of a set and size."""
TARGETS = (0.002, 1.0)
"""Detectable differences between which the common one is looked for."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What evaluation costs.

    Attributes:
        tokens: a completion, by set and size.
        fixed: puzzles that stay as they are, by set and size: those that no question is about.
        most: puzzles that there are, by set and size; absent where plenty.
        checkpoints: sampled for each seed, the base included.
        greedy: whether there is one more completion a puzzle at temperature 0.
    """

    tokens: Mapping[Source, float]
    fixed: Mapping[Source, float]
    most: Mapping[Source, int]
    checkpoints: int
    greedy: bool

    def of(self, counts: Mapping[Source, float], seeds: int, samples: int) -> float:
        """Tokens that all seeds and checkpoints take."""
        once = sum(count * self.tokens[source] for source, count in {**counts, **self.fixed}.items())
        return once * (samples + self.greedy) * seeds * self.checkpoints


@dataclass(frozen=True, slots=True)
class Allocation:
    """A recommended design.

    Attributes:
        counts: puzzles by set and size.
        tokens: what its evaluation takes.
        detects: the smallest detectable difference of each question, in their order.
        worst: the largest of them.
        short: sets and sizes for which more puzzles would help, but there are no more.
    """

    seeds: int
    samples: int
    counts: dict[Source, int]
    tokens: float
    detects: tuple[float, ...]
    worst: float
    short: tuple[Source, ...]


def allocate(questions: Sequence[Question], costs: Costs, tokens: float) -> Allocation | None:
    """The design with the smallest worst detectable difference; of equal ones, with the smallest mean.

    For each number of seeds, puzzles are given out so that all questions detect the same difference, as small as the
    tokens allow. A question gets no more than `enough`: what patterns or seeds leave open is not for puzzles to close.

    Returns:
        None if the tokens are not enough for `FEWEST` puzzles of each set and size.
    """
    asked = [question for question in questions if question.status is None]
    found = [one for seeds in SEEDS if (one := _with_seeds(questions, asked, costs, tokens, seeds)) is not None]
    # To a tenth of a point the worst ones are equal.
    return min(found, key=lambda one: (round(one.worst, 3), np.nanmean(one.detects)), default=None)


def _with_seeds(
    questions: Sequence[Question], asked: Sequence[Question], costs: Costs, tokens: float, seeds: int
) -> Allocation | None:
    low, high = (log10(target) for target in TARGETS)
    if not asked or costs.of(_counts(asked, costs, 10**high, seeds), seeds, SAMPLES) > tokens:
        return None
    while high - low > 0.005:
        middle = (low + high) / 2
        if costs.of(_counts(asked, costs, 10**middle, seeds), seeds, SAMPLES) > tokens:
            low = middle
        else:
            high = middle
    wanted = _counts(asked, costs, 10**high, seeds)
    counts = {source: _rounded(count) for source, count in wanted.items()}
    detects = tuple(detectable(one, seeds, SAMPLES, {**costs.fixed, **counts}) for one in questions)
    short = tuple(source for source, count in wanted.items() if count >= costs.most.get(source, np.inf))
    return Allocation(
        seeds, SAMPLES, counts, costs.of(counts, seeds, SAMPLES), detects, float(np.nanmax(detects)), short
    )


def _counts(asked: Sequence[Question], costs: Costs, target: float, seeds: int) -> dict[Source, float]:
    """Puzzles by set and size so that each question detects the target, as far as puzzles can do that."""
    counts: dict[Source, float] = {}
    for one in asked:
        most = min(needed(one, target, seeds, SAMPLES) or MOST_PUZZLES, enough(one, target, seeds, SAMPLES))
        for source, there in zip(one.sources, one.counts, strict=True):
            wanted = min(most * there / one.counts[0], costs.most.get(source, MOST_PUZZLES))
            counts[source] = max(counts.get(source, FEWEST), wanted)
    return counts


def _rounded(count: float) -> int:
    """Two digits, downwards."""
    digits = max(0, int(log10(max(count, 1))) - 1)
    return int(count // 10**digits * 10**digits)
