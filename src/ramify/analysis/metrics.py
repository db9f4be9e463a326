"""The metrics of a puzzle's samples, each one decorated function; a new metric is a new function.

A metric is a ratio of sums over puzzles: its function says, as polars expressions over the columns of
`ramify.frames.CELLS`, what is summed above and below the line.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import polars as pl


class Ratio(NamedTuple):
    """Σ top / Σ bottom over puzzles; `kind` chooses the interval, see `estimators.ratios`."""

    top: pl.Expr
    bottom: pl.Expr
    kind: Literal["trials", "share", "mean"] = "share"


METRICS: list[tuple[str, Callable[[int], Ratio]]] = []
"""Names and functions. A name with {k} is measured at k = all samples; one with {j} at j = 1, 2, 4 … k."""


def metric(name: str) -> Callable[[Callable[[int], Ratio]], Callable[[int], Ratio]]:
    """Register a function of the number of samples as a metric."""

    def register(function: Callable[[int], Ratio]) -> Callable[[int], Ratio]:
        METRICS.append((name, function))
        return function

    return register


def measured(k: int) -> dict[str, Ratio]:
    """All metrics of cells with k samples, by name.

    >>> list(measured(4))
    ['mean@4', 'pass@2', 'pass@4', 'maj@4', 'cover@0.5', 'CoT-pass@1', 'CoT-pass@2', 'CoT-pass@4', 'greedy',
    'attempted', 'hit given attempted', 'correct given hit', 'execution', 'attempts', 'without a pattern', 'truncated',
    'substitution', 'correct patterns@4', 'identical answers', 'identical completions']
    """
    budgets = sorted({k, *(2**power for power in range(1, k.bit_length()) if 2**power <= k)} - {1})
    found = {}
    for name, function in METRICS:
        for j in budgets if "{j}" in name else [k]:
            found[name.format(j=j, k=k)] = function(j)
    return found


@metric("mean@{k}")
def mean_at_k(k: int) -> Ratio:
    """Mean correctness over the samples."""
    return Ratio(pl.col("correct") / pl.col("k"), pl.lit(1.0))


def pass_at_k(correct: int, n: int, k: int) -> float:
    """Probability that at least one of k samples is correct, unbiased, from n samples (Chen et al. 2021, eq. 1).

    Raises:
        ValueError: k is above n or below 1, or `correct` is not between 0 and n.

    >>> pass_at_k(1, 32, 32), pass_at_k(1, 4, 2), pass_at_k(0, 4, 4)
    (1.0, 0.5, 0.0)
    """
    if not 1 <= k <= n or not 0 <= correct <= n:
        raise ValueError(f"pass@{k} of {correct} correct in {n} samples is not defined")
    miss = 1.0
    for i in range(k):
        miss *= max(0, n - correct - i) / (n - i)
    return 1.0 - miss


@metric("pass@{j}")
def pass_at_j(j: int) -> Ratio:
    """Probability that at least one of j samples is correct, unbiased (Chen et al. 2021); missing below j samples.

    At j = all samples each puzzle is solved or not, so the interval is Wilson's.
    """
    return _at_least_one("correct", j)


def _at_least_one(column: str, j: int) -> Ratio:
    """Probability that at least one of j samples is among those that a column counts."""
    miss, k, others = pl.lit(1.0), pl.col("k"), pl.col("k") - pl.col(column)
    for i in range(j):
        miss = miss * (others - i).clip(0) / (k - i)
    enough = pl.when(k >= j)
    return Ratio(enough.then(1.0 - miss), enough.then(1.0))


@metric("maj@{k}")
def maj_at_k(k: int) -> Ratio:
    """Chance that the answer that most of k samples give is correct, ties broken at random (Wang et al. 2023).

    Answers that are equal up to commutativity and associativity are one; what is no expression of the numbers has no
    vote. Missing where a puzzle has another number of samples, since the vote depends on it.
    """
    whole = pl.when(pl.col("k") == k)
    return Ratio(whole.then("majority"), whole.then(1.0))


@metric("cover@0.5")
def cover(k: int) -> Ratio:
    """Share of the puzzles of whose samples at least half are correct (cover@τ of Dragoi et al. 2025)."""
    return Ratio((pl.col("correct") * 2 >= pl.col("k")).cast(pl.Float64), pl.lit(1.0), "trials")


@metric("CoT-pass@1")
def cot_pass_at_1(k: int) -> Ratio:
    """Share of the samples that are correct and state no wrong value, in an attempt or the answer."""
    return _at_least_one("sound", 1)


@metric("CoT-pass@{j}")
def cot_pass_at_j(j: int) -> Ratio:
    """Probability that at least one of j samples is correct with every stated value right (Wen et al. 2025)."""
    return _at_least_one("sound", j)


@metric("greedy")
def greedy(k: int) -> Ratio:
    """Share of the puzzles that the completion at temperature 0 solves; missing where none was sampled."""
    return Ratio(pl.col("greedy"), pl.col("greedy").is_not_null().cast(pl.Float64), "trials")


@metric("attempted")
def attempted(k: int) -> Ratio:
    """Share of the completions in which an attempt or the answer has a pattern that solves the puzzle."""
    return Ratio(pl.col("tried"), pl.col("k"))


@metric("hit given attempted")
def hit_given_attempted(k: int) -> Ratio:
    """Share of these in which one hits the target: the pattern was there, and the numbers were in the right places."""
    return Ratio(pl.col("hit"), pl.col("tried"))


@metric("correct given hit")
def correct_given_hit(k: int) -> Ratio:
    """Share of these that are correct: what was found was calculated rightly, recognised, and given as the answer."""
    return Ratio(pl.col("correct"), pl.col("hit"))


@metric("execution")
def execution(k: int) -> Ratio:
    """Share of the attempts with stated values whose stated values are all right; answers do not count."""
    return Ratio(pl.col("right"), pl.col("stated"))


@metric("attempts")
def attempts(k: int) -> Ratio:
    """Attempts a completion, the answer not counted."""
    return Ratio(pl.col("attempts"), pl.col("k"), "mean")


@metric("without a pattern")
def without_a_pattern(k: int) -> Ratio:
    """Share of the attempts with a minus sign before the whole, as in -(9*2); they count in no pattern's row."""
    return Ratio(pl.col("patternless"), pl.col("attempts"))


@metric("truncated")
def truncated(k: int) -> Ratio:
    """Share of the completions that the limit on their length ended before an answer."""
    return Ratio(pl.col("truncated"), pl.col("k"))


@metric("substitution")
def substitution(k: int) -> Ratio:
    """Of the correct answers, the share whose pattern is not the puzzle's source nor a twin of it."""
    return Ratio(pl.col("substituted"), pl.col("placed"))


@metric("correct patterns@{k}")
def correct_patterns(k: int) -> Ratio:
    """Different patterns of the correct answers of a puzzle; missing where it has another number of samples than k."""
    whole = pl.when(pl.col("k") == k)
    return Ratio(whole.then("distinct"), whole.then(1.0), "mean")


@metric("identical answers")
def identical_answers(k: int) -> Ratio:
    """Share of the pairs of answers to a puzzle that are equal up to commutativity and associativity."""
    return Ratio(pl.col("same_answers"), pl.col("votes").cast(pl.Int64) * (pl.col("votes") - 1) / 2)


@metric("identical completions")
def identical_completions(k: int) -> Ratio:
    """Share of the pairs of completions of a puzzle that have the same text."""
    there = pl.when(pl.col("same_texts").is_not_null())
    return Ratio(there.then("same_texts"), there.then(pl.col("k").cast(pl.Int64) * (pl.col("k") - 1) / 2))
