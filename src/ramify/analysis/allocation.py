"""Allocate an evaluation budget in tokens over seeds and puzzles."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, log10

import numpy as np

from ramify.analysis.design import MOST_PUZZLES, Question, Source, detectable, least, parts

SAMPLES = 4
"""Samples per puzzle, seed and checkpoint. More puzzles help more than more samples of the same puzzles."""
SEEDS = range(3, 9)
"""Numbers of seeds to try. Fewer give wide intervals over seeds; each one more costs a training run."""
FEWEST = 20
"""The smallest number of puzzles of a set and size."""
GROWTH = 1.05
"""The growth of a set and size in one iteration."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The token cost of evaluation.

    Attributes:
        tokens: tokens per completion, by set and size.
        fixed: puzzles that no question uses, by set and size; their number does not change.
        most: available puzzles by set and size; absent where there is no limit.
        checkpoints: checkpoints sampled per seed, the base included.
        greedy: whether each puzzle also gets a completion at temperature 0.
        base: samples per puzzle of a base that is sampled once for all seeds; None if each seed samples it.
    """

    tokens: Mapping[Source, float]
    fixed: Mapping[Source, float]
    most: Mapping[Source, int]
    checkpoints: int
    greedy: bool
    base: int | None = None

    def total_tokens(self, counts: Mapping[Source, float], seeds: int, samples: int) -> float:
        """Tokens of all seeds and checkpoints."""
        once = sum(count * self.tokens[source] for source, count in {**counts, **self.fixed}.items())
        trained = self.checkpoints - (self.base is not None)
        of_base = 0 if self.base is None else max(self.base, samples) + self.greedy
        return once * ((samples + self.greedy) * seeds * trained + of_base)


@dataclass(frozen=True, slots=True)
class Allocation:
    """A recommended design.

    Attributes:
        counts: puzzles by set and size.
        tokens: tokens of its evaluation.
        detects: the smallest detectable difference of each question, in their order.
        short: sets and sizes whose puzzles are all used.
    """

    seeds: int
    samples: int
    counts: dict[Source, int]
    tokens: float
    detects: tuple[float, ...]
    short: tuple[Source, ...]


def allocate(questions: Sequence[Question], costs: Costs, tokens: float, detect: float) -> Allocation | None:
    """Choose seeds and puzzles that minimise the detectable differences within a token budget.

    The objective is the sum of log(1 + difference / detect) over the questions: an underpowered question counts by its
    ratio, an overpowered one hardly counts, and error between patterns draws no puzzles. The search is greedy: from
    `FEWEST` puzzles each, the set and size with the best return per token grows until the budget is spent.

    Returns:
        None if the budget does not cover `FEWEST` puzzles of each set and size.
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
    """The puzzles for a number of seeds; None if the budget is too small."""
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
    """A count rounded down to two digits."""
    digits = max(0, int(log10(max(count, 1))) - 1)
    return int(count // 10**digits * 10**digits)
