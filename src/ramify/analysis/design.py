"""The differences that an evaluation design can detect, predicted from the success of the base model.

The model is the crossed model of docs/inference.md. A question is a weighted sum of the means of groups of puzzles: a
gain, or a contrast of classes. The variance of its estimate is A / puzzles + B / patterns + C / seeds. A, B and C
follow from the variance of the base's success over puzzles and patterns, and from four assumptions that the base
cannot inform.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, stdtrit

CORRELATION = 0.5
"""Assumed correlation between the success of a puzzle before and after training. A gain then varies as much as a level,
as when training solves some puzzles and not others; a uniform gain would vary less."""
GROWTH = 1.0
"""Assumed gain in log-odds, which sets the level at which classes are compared after training. It matters where the
base solves little: a share near 0 has a smaller variance than after training."""
SEED = 0.1
"""Standard deviation over training seeds of all log-odds together."""
SEED_PATTERN = 0.2
"""Standard deviation over training seeds of the log-odds of one pattern."""
POWER, LEVEL = 0.8, 0.05
"""A difference is detectable if a two-sided test at this level finds it with this power."""
MOST_PUZZLES = 10_000_000
"""The largest number of puzzles of a set and size that is considered."""
MOST_SEEDS = 64
POSSIBLE = (0.01, 0.99)
"""The range of success after training."""
PRECISION = 1e-4
"""The precision of a detectable difference."""
CLASSES = ("left-heavy", "balanced", "right-heavy")

LONGER = "length"

Source = tuple[str, int]
"""A set and a size, the key of the counts of puzzles in the settings."""


@dataclass(frozen=True, slots=True)
class Variation:
    """The variance of the base's success within classes, in units of p (1 - p).

    Attributes:
        puzzle: between puzzles within patterns; pattern: between patterns within classes.
        freedom: degrees of freedom of `pattern`.
    """

    puzzle: float
    pattern: float
    freedom: int

    @property
    def sampling(self) -> float:
        """The share of the variance that is left to sampling."""
        return max(0.0, 1 - self.puzzle - self.pattern)


@dataclass(frozen=True)
class Question:
    """A quantity to estimate, with the puzzles it is estimated on.

    Attributes:
        name: such as "gain, right-heavy".
        sources: the sets and sizes of its puzzles, the main one first.
        counts, available: configured puzzles and available patterns of each source.
        weights, owners, levels, puzzles, spread: for each group its weight, the index of its source, the base's
            success, its configured puzzles, and the sum of squared shares of its patterns (1 / patterns if equal).
        is_gain: whether it is a change since the base, rather than a contrast after training.
        is_change: whether the base is subtracted: a gain and transfer.
        by_pattern: whether it is a claim about new patterns.
        n, patterns: configured puzzles and patterns behind the estimate.
        family: sets and sizes of the design, whose seed components moderate each other.
        status: why it cannot be estimated; None if it can.
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
    family: int
    status: str | None = None

    @property
    def base(self) -> float:
        """The base's success in the groups of the question's first source."""
        chosen = self.weights > 0
        return float(self.weights[chosen] @ self.levels[chosen] / self.weights[chosen].sum())


class Parts(NamedTuple):
    """The variance components of a question as configured: puzzles and patterns of each source, and seeds.

    Attributes:
        drawn: the part of `puzzle` that comes from sampling completions.
    """

    puzzle: np.ndarray
    pattern: np.ndarray
    seed: float
    drawn: np.ndarray


def parts(question: Question, seeds: int, samples: int, change: float = 0.0) -> Parts:
    """The variance components of an estimate, for the configured numbers of puzzles.

    All seeds share the base, which therefore has seeds × samples samples per puzzle. With a single seed the seed
    component is unknown and left out, here as in its interval.

    Args:
        samples: samples per puzzle, seed and checkpoint.
        change: the true gain, for a gain; contrasts are evaluated at the base's log-odds + `GROWTH`.
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
    sampling = square * of.sampling * drawn / (samples * seeds) / question.puzzles
    puzzle = square * of.puzzle * apart / question.puzzles + sampling
    retrained = (SEED_PATTERN * scale) ** 2 / seeds if seeds > 1 else 0.0 * scale
    pattern = square * (retrained + of.pattern * apart * question.by_pattern) * question.spread
    sources = len(question.sources)
    together = SEED * float(question.weights @ scale)
    return Parts(
        np.bincount(question.owners, puzzle, sources),
        np.bincount(question.owners, pattern, sources),
        together**2 / seeds if seeds > 1 else 0.0,
        np.bincount(question.owners, sampling, sources),
    )


def detectable(question: Question, seeds: int, samples: int, counts: Mapping[Source, float] | None = None) -> float:
    """The smallest true difference detected with 80 % power at the 5 % level, two-sided.

    Args:
        counts: puzzles by set and size; None for the configured ones.

    Returns:
        A share; NaN where it cannot be estimated. It may exceed the possible range.
    """
    if question.status is not None:
        return float("nan")
    counts = dict(zip(question.sources, question.counts, strict=True)) if counts is None else counts
    low, high = 0.0, 4.0  # the variance depends on the gain, so the equation is solved iteratively
    while high - low > PRECISION:
        middle = (low + high) / 2
        if least(question, parts(question, seeds, samples, middle), seeds, counts) > middle:
            low = middle
        else:
            high = middle
    return high


def needed(question: Question, difference: float, seeds: int, samples: int) -> float | None:
    """The number of puzzles of the question's first set and size that makes a difference detectable; None if no number
    does.

    The puzzles of its other sets grow in proportion.
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
    """The number of seeds or patterns required where no number of puzzles is enough, in words."""
    for more in range(seeds + 1, MOST_SEEDS + 1):
        if needed(question, difference, more, samples) is not None:
            return f"not with {seeds} seeds; with {more}"
    found = parts(question, MOST_SEEDS, samples, difference)
    left = _fewer(question, np.full_like(question.counts, MOST_PUZZLES))
    there = question.patterns / left[0]
    wanted = _quantiles(inf) ** 2 * float((found.pattern * left).sum()) / difference**2 * there
    return f"no number: about {max(wanted, there + 1):,.0f} patterns, and there are {there:,.0f}"


def _fewer(question: Question, counts: np.ndarray) -> np.ndarray:
    """The factor of the pattern components; a pattern gets a second puzzle only when every pattern has one."""
    shares: np.ndarray = np.minimum(question.counts, question.available) / np.minimum(
        np.maximum(counts, 1), question.available
    )
    return shares


def least(question: Question, of: Parts, seeds: int, counts: Mapping[Source, float]) -> float:
    """The detectable difference for given variance components, with other numbers of puzzles by set and size."""
    there = np.array([counts[source] for source in question.sources], float)
    factors = there / question.counts
    puzzle = float((of.puzzle / factors).sum())
    pattern = float((of.pattern * _fewer(question, there)).sum())
    variance = puzzle + pattern + of.seed
    # Satterthwaite's degrees of freedom.
    each = max(question.n * factors[0] - 2, 1.0)
    patterns = question.variation.freedom if question.by_pattern else (seeds - 1) * (question.patterns - 1)
    # The seed component is what the variance of seed means has beyond sampling, and as uncertain as that variance,
    # which is moderated over the family (see `moderated.intervals`).
    between = of.seed + float((of.drawn / factors).sum()) if seeds > 1 else 0.0
    moderation = question.family * (1 - of.seed / between) ** 2 if between > 0 else 0.0
    weak = puzzle**2 / each + pattern**2 / max(patterns, 1) + between**2 / max((seeds - 1) * (1 + moderation), 1)
    return _quantiles(variance**2 / weak) * sqrt(variance) if weak > 0 else 0.0


def _quantiles(freedom: float) -> float:
    """The number of standard errors detected with `POWER` at `LEVEL`."""
    freedom = min(freedom, 1e6)
    return float(stdtrit(freedom, 1 - LEVEL / 2) + stdtrit(freedom, POWER))
