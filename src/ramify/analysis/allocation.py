"""How many seeds and puzzles answer a design's questions best for a number of tokens."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, log10

import numpy as np

from ramify.analysis.design import MOST_PUZZLES, Question, Source, detectable, least, parts

SAMPLES = 4
"""A puzzle, seed and checkpoint. More samples of the same puzzles help less than more puzzles."""
SEEDS = range(3, 9)
"""Fewer say little of other seeds; more cost trainings."""
FEWEST = 20
"""Puzzles of a set and size."""
GROWTH = 1.05
"""Of a set and size at a time."""


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

    def total_tokens(self, counts: Mapping[Source, float], seeds: int, samples: int) -> float:
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
        short: sets and sizes of which it takes as many puzzles as there are.
    """

    seeds: int
    samples: int
    counts: dict[Source, int]
    tokens: float
    detects: tuple[float, ...]
    short: tuple[Source, ...]


def allocate(questions: Sequence[Question], costs: Costs, tokens: float, detect: float) -> Allocation | None:
    """The seeds and puzzles that make the detectable differences as small as the tokens allow.

    What is made small is the sum of log(1 + difference / detect) over the questions: one that detects far less than it
    should counts by its ratio, one that detects more than enough hardly counts, and what patterns leave open draws no
    puzzles. From `FEWEST` puzzles on, the set and size with the best return a token grows until the tokens are gone.

    Returns:
        None if the tokens are not enough for `FEWEST` puzzles of each set and size.
    """
    asked = [question for question in questions if question.status is None]
    found = [(one, counts) for seeds in SEEDS for one, counts in _with_seeds(asked, costs, tokens, detect, seeds)]
    if not found:
        return None
    seeds, wanted = min(found, key=lambda one: sum(_losses(asked, detect, *one)))
    counts = {source: _rounded(count) for source, count in wanted.items()}
    detects = tuple(detectable(one, seeds, SAMPLES, counts) for one in questions)
    short = tuple(source for source, count in wanted.items() if count >= costs.most.get(source, np.inf))
    return Allocation(seeds, SAMPLES, counts, costs.total_tokens(counts, seeds, SAMPLES), detects, short)


def _losses(asked: Sequence[Question], detect: float, seeds: int, counts: Mapping[Source, float]) -> list[float]:
    return [log(1 + detectable(one, seeds, SAMPLES, counts) / detect) for one in asked]


def _with_seeds(
    asked: Sequence[Question], costs: Costs, tokens: float, detect: float, seeds: int
) -> Iterator[tuple[int, dict[Source, float]]]:
    """The puzzles for a number of seeds; nothing if the tokens are not enough."""
    wanted: dict[Source, float] = {
        source: min(FEWEST, costs.most.get(source, FEWEST)) for one in asked for source in one.sources
    }
    if not asked or costs.total_tokens(wanted, seeds, SAMPLES) > tokens:
        return
    yields = [(one, parts(one, seeds, SAMPLES, min(detectable(one, seeds, SAMPLES), 1.0))) for one in asked]

    def loss(at: Mapping[Source, float], source: Source) -> float:
        touched = [(one, part) for one, part in yields if source in one.sources]
        return sum(log(1 + least(one, part, seeds, at) / detect) for one, part in touched)

    while True:
        spent, best = costs.total_tokens(wanted, seeds, SAMPLES), (0.0, wanted)
        for source, count in wanted.items():
            more = {**wanted, source: min(count * GROWTH, costs.most.get(source, MOST_PUZZLES))}
            cost = costs.total_tokens(more, seeds, SAMPLES) - spent
            if 0 < cost <= tokens - spent:
                best = max(best, ((loss(wanted, source) - loss(more, source)) / cost, more), key=lambda one: one[0])
        if best[0] <= 0:
            yield seeds, wanted
            return
        wanted = best[1]


def _rounded(count: float) -> int:
    """Two digits, downwards."""
    digits = max(0, int(log10(max(count, 1))) - 1)
    return int(count // 10**digits * 10**digits)
