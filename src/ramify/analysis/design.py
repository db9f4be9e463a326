"""What a design can detect, from the success of the base model: the crossed model of docs/inference.md, beforehand.

A question is a weighted sum of the means of groups of puzzles: a gain, or a contrast of classes. The variance of its
estimate is A / puzzles + B / patterns + C / seeds. Here A, B and C follow from how the base's success varies over
puzzles and patterns, and from four assumptions about what the base cannot tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, stdtrit

CORRELATION = 0.5
"""Between the success of a puzzle before and after training. A gain then varies as much as a level: training that
solves some puzzles and not others does that, training that lifts all alike would vary less."""
GROWTH = 1.0
"""Log-odds that training adds, for the level at which classes are compared afterwards. It matters where the base
solves little: a share near 0 varies less than it will."""
SEED = 0.1
"""Standard deviation over training seeds of all log-odds together."""
SEED_PATTERN = 0.2
"""Standard deviation over training seeds of the log-odds of one pattern."""
POWER, LEVEL = 0.8, 0.05
"""A difference is detectable if a two-sided test at this level finds it with this power."""
MOST_PUZZLES = 10_000_000
"""Of a set and size; what needs more cannot be found by more puzzles."""
MOST_SEEDS = 64
POSSIBLE = (0.01, 0.99)
"""Success after training that is reckoned with."""
PRECISION = 1e-4
"""Of a detectable difference."""
CLASSES = ("left-heavy", "balanced", "right-heavy")

LONGER = "length"

Source = tuple[str, int]
"""A set and a size: what a count of puzzles in the settings is of."""


@dataclass(frozen=True, slots=True)
class Variation:
    """How the base's success varies within classes, in units of p (1 - p).

    Attributes:
        puzzle: over puzzles within patterns; pattern: over patterns within classes.
        freedom: degrees of freedom of `pattern`.
    """

    puzzle: float
    pattern: float
    freedom: int

    @property
    def sampling(self) -> float:
        """What is left for the samples of a puzzle."""
        return max(0.0, 1 - self.puzzle - self.pattern)


@dataclass(frozen=True)
class Question:
    """What is to be estimated, and on what.

    Attributes:
        name: such as "gain, right-heavy".
        sources: the sets and sizes that its puzzles are of, the one that it is about first.
        counts, available: of each source, the puzzles as configured, and the patterns that these can be drawn from.
        weights, owners, levels, puzzles, spread: of each group its weight, its source (an index), the base's success,
            its puzzles as configured, and the sum of the squared shares of its patterns (1 / patterns if even).
        is_gain: whether it is a change since the base, rather than a contrast after training.
        is_change: whether the base is subtracted: a gain and transfer.
        by_pattern: whether it is a claim about patterns of a kind.
        n, patterns: puzzles and patterns that it rests on as configured.
        status: why nothing can be said; None if something can.
    """

    name: str
    sources: tuple[Source, ...]
    counts: np.ndarray
    available: np.ndarray
    weights: np.ndarray
    owners: np.ndarray
    levels: np.ndarray
    puzzles: np.ndarray
    spread: np.ndarray
    is_gain: bool
    is_change: bool
    by_pattern: bool
    variation: Variation
    n: int
    patterns: int
    status: str | None = None

    @property
    def base(self) -> float:
        """The base's success in the groups that the question is about."""
        chosen = self.weights > 0
        return float(self.weights[chosen] @ self.levels[chosen] / self.weights[chosen].sum())


class Parts(NamedTuple):
    """The variance of a question as configured: by puzzles and by patterns of each source, and by seeds."""

    puzzle: np.ndarray
    pattern: np.ndarray
    seed: float


def parts(question: Question, seeds: int, samples: int, change: float = 0.0) -> Parts:
    """The parts of the variance of an estimate, with as many puzzles as configured.

    All seeds share the base, so it has seeds × samples samples a puzzle. A single seed says nothing of others: its
    interval leaves them out, and so does this.

    Args:
        samples: a puzzle, seed and checkpoint.
        change: the true gain, for a gain; contrasts are taken at the base's log-odds + `GROWTH`.
    """
    before = question.levels * (1 - question.levels)
    grown = question.levels + change if question.is_gain else expit(logit(question.levels) + GROWTH)
    grown = np.clip(grown, *POSSIBLE)
    scale = grown * (1 - grown)
    apart, drawn = scale, scale
    if question.is_change:
        apart = before + scale - 2 * CORRELATION * np.sqrt(before * scale)
        drawn = before + scale
    of, square = question.variation, question.weights**2
    puzzle = square * (of.puzzle * apart + of.sampling * drawn / (samples * seeds)) / question.puzzles
    retrained = (SEED_PATTERN * scale) ** 2 / seeds if seeds > 1 else 0.0 * scale
    pattern = square * (retrained + of.pattern * apart * question.by_pattern) * question.spread
    sources = len(question.sources)
    together = SEED * float(question.weights @ scale)
    return Parts(
        np.bincount(question.owners, puzzle, sources),
        np.bincount(question.owners, pattern, sources),
        together**2 / seeds if seeds > 1 else 0.0,
    )


def detectable(question: Question, seeds: int, samples: int, counts: Mapping[Source, float] | None = None) -> float:
    """The smallest true difference that is found with 80 % power at 5 %, two-sided.

    Args:
        counts: puzzles by set and size; None for as many as configured.

    Returns:
        A share; NaN where nothing can be said. It may be larger than what is possible.
    """
    if question.status is not None:
        return float("nan")
    counts = dict(zip(question.sources, question.counts, strict=True)) if counts is None else counts
    low, high = 0.0, 4.0  # a larger gain has another variance, so the equation is solved
    while high - low > PRECISION:
        middle = (low + high) / 2
        if least(question, parts(question, seeds, samples, middle), seeds, counts) > middle:
            low = middle
        else:
            high = middle
    return high


def needed(question: Question, difference: float, seeds: int, samples: int) -> float | None:
    """Puzzles of the question's first set and size that make a difference detectable; None if no number does.

    Those of its other sets go along in proportion.
    """
    if question.status is not None:
        return None
    found = parts(question, seeds, samples, difference)

    def is_enough(count: float) -> bool:
        counts = question.counts * count / question.counts[0]
        return least(question, found, seeds, dict(zip(question.sources, counts, strict=True))) <= difference

    if not is_enough(MOST_PUZZLES):
        return None
    low, high = 0.0, log(MOST_PUZZLES)
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(exp(middle)) else (middle, high)
    return exp(high)


def remedy(question: Question, difference: float, seeds: int, samples: int) -> str:
    """What it takes where no number of puzzles is enough: seeds or patterns, in words."""
    for more in range(seeds + 1, MOST_SEEDS + 1):
        if needed(question, difference, more, samples) is not None:
            return f"not with {seeds} seeds; with {more}"
    found = parts(question, MOST_SEEDS, samples, difference)
    left = _fewer(question, np.full_like(question.counts, MOST_PUZZLES))
    there = question.patterns / left[0]
    wanted = _quantiles(inf) ** 2 * float((found.pattern * left).sum()) / difference**2 * there
    return f"no number: about {max(wanted, there + 1):,.0f} patterns, and there are {there:,.0f}"


def _fewer(question: Question, counts: np.ndarray) -> np.ndarray:
    """What the pattern parts are multiplied by: a pattern gets a second puzzle when all have one."""
    shares: np.ndarray = np.minimum(question.counts, question.available) / np.minimum(
        np.maximum(counts, 1), question.available
    )
    return shares


def least(question: Question, of: Parts, seeds: int, counts: Mapping[Source, float]) -> float:
    """The difference that is detectable at such a variance, with other numbers of puzzles by set and size."""
    there = np.array([counts[source] for source in question.sources], float)
    factors = there / question.counts
    puzzle = float((of.puzzle / factors).sum())
    pattern = float((of.pattern * _fewer(question, there)).sum())
    variance = puzzle + pattern + of.seed
    # Satterthwaite's degrees of freedom.
    each = max(question.n * factors[0] - 2, 1.0)
    patterns = question.variation.freedom if question.by_pattern else (seeds - 1) * (question.patterns - 1)
    weak = puzzle**2 / each + pattern**2 / max(patterns, 1) + of.seed**2 / max(seeds - 1, 1)
    return _quantiles(variance**2 / weak) * sqrt(variance) if weak > 0 else 0.0


def _quantiles(freedom: float) -> float:
    """How many standard errors are found with `POWER` at `LEVEL`."""
    freedom = min(freedom, 1e6)
    return float(stdtrit(freedom, 1 - LEVEL / 2) + stdtrit(freedom, POWER))
