"""The record of every metric, with the functions that compute the metrics of samples.

A metric of samples is a ratio of sums over puzzles: its function returns numerator and denominator as polars
expressions over the columns of `ramify.frames.CELLS`. To add a metric, write a function and an entry in `METRICS`, or
an entry point in another package, see docs/adding-a-metric.md.
"""

from collections.abc import Collection, Mapping
from functools import cache, lru_cache
from types import MappingProxyType

import numpy as np
import polars as pl

from ramify.analysis import entry_points
from ramify.analysis.derived_metrics import DERIVED
from ramify.analysis.metric_record import COARSE, FINE, GAIN, POSITIVE, SHARE, UNBOUNDED, Metric, Ratio


def mean_at_k(k: int) -> Ratio:
    """Mean correctness over k samples."""
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


def pass_at_j(j: int) -> Ratio:
    """Probability that at least one of j samples is correct, unbiased (Chen et al. 2021); missing below j samples.

    At j = all samples each puzzle is solved or not, so the interval is Wilson's.
    """
    return _at_least_one("correct", j)


def _at_least_one(column: str, j: int) -> Ratio:
    """Probability that at least one of j samples is counted in a column; missing below j samples."""
    miss, k, others = pl.lit(1.0), pl.col("k"), pl.col("k") - pl.col(column)
    for i in range(j):
        miss = miss * (others - i).clip(0) / (k - i)
    enough = pl.when(k >= j)
    return Ratio(enough.then(1.0 - miss), enough.then(1.0))


def maj_at_k(k: int) -> Ratio:
    """Probability that the majority answer of k samples is correct, ties broken at random (Wang et al. 2023).

    Answers equal up to commutativity and associativity are one candidate; an answer that is not an expression of the
    numbers has no vote. Missing where a puzzle does not have k samples, since the vote depends on their number.
    """
    complete = pl.when(pl.col("k") == k)
    return Ratio(complete.then("majority"), complete.then(1.0))


def cover(k: int) -> Ratio:
    """Share of puzzles with at least half of their samples correct (cover@τ of Dragoi et al. 2025).

    Of a puzzle with more than k samples, such as those of a base that was sampled once, the probability that at least
    half of k of them, drawn without replacement, are correct.
    """
    whole = (pl.col("correct") * 2 >= pl.col("k")).cast(pl.Float64)
    drawn = pl.struct("correct", "k").map_batches(
        lambda cells: _half_of(k, cells.struct["correct"], cells.struct["k"]), return_dtype=pl.Float64
    )
    return Ratio(pl.when(pl.col("k") > k).then(drawn).otherwise(whole), pl.lit(1.0))


def _half_of(k: int, correct: pl.Series, samples: pl.Series) -> pl.Series:
    from scipy.stats import hypergeom  # takes a second to import

    more = samples.to_numpy() > k
    found = np.zeros(len(samples))
    found[more] = hypergeom.sf((k + 1) // 2 - 1, samples.to_numpy()[more], correct.to_numpy()[more], k)
    return pl.Series(found)


def cot_pass_at_1(k: int) -> Ratio:
    """Share of samples that are correct and state no wrong value, in an attempt or the answer."""
    return _at_least_one("sound", 1)


def cot_pass_at_j(j: int) -> Ratio:
    """Probability that at least one of j samples is correct with all stated values right (Wen et al. 2025)."""
    return _at_least_one("sound", j)


def greedy(k: int) -> Ratio:
    """Share of puzzles solved at temperature 0; missing where no greedy completion exists."""
    return Ratio(pl.col("greedy"), pl.col("greedy").is_not_null().cast(pl.Float64))


def attempted(k: int) -> Ratio:
    """Share of completions in which an attempt or the answer has a solving pattern."""
    return Ratio(pl.col("tried"), pl.col("k"))


def hit_given_attempted(k: int) -> Ratio:
    """Share of completions with an attempted solving pattern in which such an attempt hits the target."""
    return Ratio(pl.col("hit"), pl.col("tried"))


def correct_given_hit(k: int) -> Ratio:
    """Share of completions with a hit that are correct."""
    return Ratio(pl.col("correct"), pl.col("hit"))


def execution(k: int) -> Ratio:
    """Share of attempts with stated values whose stated values are all right; answers do not count."""
    return Ratio(pl.col("right"), pl.col("stated"))


def attempts(k: int) -> Ratio:
    """Mean number of attempts per completion; answers do not count."""
    return Ratio(pl.col("attempts"), pl.col("k"))


def without_a_pattern(k: int) -> Ratio:
    """Share of attempts with a minus sign before the whole expression, as in -(9*2); they belong to no pattern."""
    return Ratio(pl.col("patternless"), pl.col("attempts"))


def truncated(k: int) -> Ratio:
    """Share of completions that reach the length limit before an answer."""
    return Ratio(pl.col("truncated"), pl.col("k"))


def substitution(k: int) -> Ratio:
    """Share of correct answers whose pattern is neither the puzzle's source pattern nor a twin of it."""
    return Ratio(pl.col("substituted"), pl.col("placed"))


def correct_patterns(k: int) -> Ratio:
    """Number of different patterns among a puzzle's correct answers; missing where it does not have k samples."""
    complete = pl.when(pl.col("k") == k)
    return Ratio(complete.then("distinct"), complete.then(1.0))


def identical_answers(k: int) -> Ratio:
    """Share of pairs of answers to a puzzle that are equal up to commutativity and associativity."""
    return Ratio(pl.col("same_answers"), pl.col("votes").cast(pl.Int64) * (pl.col("votes") - 1) / 2)


def identical_completions(k: int) -> Ratio:
    """Share of pairs of completions of a puzzle with the same text."""
    there = pl.when(pl.col("same_texts").is_not_null())
    return Ratio(there.then("same_texts"), there.then(pl.col("k").cast(pl.Int64) * (pl.col("k") - 1) / 2))


_BOTH, _COARSE = (COARSE, "pattern"), (COARSE,)
MEAN = Metric(
    "mean@{k}", "Sampled success", "share", SHARE, (COARSE, *FINE), (COARSE, *FINE), compute=mean_at_k,
    shown=("compare", "terminal"),
)  # fmt: skip
PASS = Metric("pass@{j}", "Solved by one of j samples", "share", SHARE, gain=_COARSE, compute=pass_at_j)
GREEDY = Metric(
    "greedy", "Success at temperature 0", "trials", SHARE, _BOTH, _COARSE, compute=greedy, shown=("compare",)
)
METRICS = (
    MEAN,
    PASS,
    Metric("maj@{k}", "Success of the majority", "share", SHARE, gain=_COARSE, compute=maj_at_k),
    Metric("cover@0.5", "Half of the samples right", "trials", SHARE, gain=_COARSE, compute=cover),
    Metric("CoT-pass@1", "Right in every stated value", "share", SHARE, gain=_COARSE, compute=cot_pass_at_1),
    Metric("CoT-pass@{j}", "Right in every stated value", "share", SHARE, gain=_COARSE, compute=cot_pass_at_j),
    GREEDY,
    Metric("attempted", "A solving pattern is tried", "share", SHARE, _BOTH, _COARSE, compute=attempted),
    Metric("hit given attempted", "Hit, if one is tried", "share", SHARE, _BOTH, _COARSE, compute=hit_given_attempted),
    Metric("correct given hit", "Correct, if one hits", "share", SHARE, _BOTH, _COARSE, compute=correct_given_hit),
    Metric(
        "execution", "attempts whose stated values are right", "share", SHARE, _BOTH, _COARSE,
        compute=execution, shown=("changes", "compare", "terminal", "figure", "comparison"), full_scale=True,
        shown_as="arithmetic accuracy",
    ),
    Metric(
        "attempts", "Attempts a completion", "mean", POSITIVE, gain=_COARSE, compute=attempts,
        shown=("changes", "compare", "figure", "comparison"),
    ),
    Metric("without a pattern", "Attempts without a pattern", "share", SHARE, compute=without_a_pattern),
    Metric("truncated", "Truncated completions", "share", SHARE, compute=truncated),
    Metric(
        "substitution", "Substitution: correct answers by another pattern", "share", SHARE, _BOTH,
        compute=substitution, shown=("figure",),
    ),
    Metric("correct patterns@{k}", "Patterns of the correct answers", "mean", UNBOUNDED, compute=correct_patterns),
    Metric("identical answers", "Pairs of equal answers", "share", SHARE, compute=identical_answers),
    Metric("identical completions", "Pairs of equal completions", "share", SHARE, compute=identical_completions),
)  # fmt: skip
"""The metrics of samples, in the order of the table."""
BUILT_IN = (*DERIVED, *METRICS)
"""All metrics of ramify, in the order of the report's figures."""


@cache
def installed() -> tuple[Metric, ...]:
    """Metrics added by other packages.

    Raises:
        RamifyError: a metric cannot be loaded or estimated.
    """
    return entry_points.load(lambda name: _found(name, BUILT_IN) is not None)


def measured(k: int, unknown: Collection[str] = ()) -> dict[str, Ratio]:
    """The ratios of all metrics at k samples, by name.

    Args:
        unknown: names of the records that are left out, as in `Task.UNKNOWN`.

    >>> list(measured(4))
    ['mean@4', 'pass@2', 'pass@4', 'maj@4', 'cover@0.5', 'CoT-pass@1', 'CoT-pass@2', 'CoT-pass@4', 'greedy',
    'attempted', 'hit given attempted', 'correct given hit', 'execution', 'attempts', 'without a pattern', 'truncated',
    'substitution', 'correct patterns@4', 'identical answers', 'identical completions']
    """
    budgets = sorted({k, *(2**power for power in range(1, k.bit_length()) if 2**power <= k)} - {1})
    return {
        metric.named(k, j): metric.ratio(j)
        for metric in (*METRICS, *installed())
        if metric.name not in unknown
        for j in (budgets if "{j}" in metric.name else [k])
    }


@lru_cache(maxsize=4096)
def metric_of(name: str) -> Metric:
    """The record of a metric, by its name in the table of estimates.

    An unknown name, written by another version of ramify or a package that is not installed, is treated as a share
    without bounds, by every grouping.

    >>> metric_of("pass@8").name, metric_of("pass@8 gain").kind, metric_of("of another version").bounds
    ('pass@{j}', 'change', (-inf, inf))
    """
    found = _found(name, BUILT_IN) or _found(name, installed())
    every = (COARSE, *FINE)
    return found or Metric(name, name, "share", UNBOUNDED, every, every)


def displayed(name: str, labels: Mapping[str, str] = MappingProxyType({})) -> str:
    """The name of a metric in reports and comparisons.

    Args:
        labels: those of a task, which come first; see `Task.LABELS`.

    >>> displayed("execution gain"), displayed("mean@8")
    ('arithmetic accuracy gain', 'mean@8')
    >>> displayed("execution gain", {"execution": "execution accuracy"})
    'execution accuracy gain'
    """
    metric = name.removesuffix(GAIN)
    if metric in labels:
        return labels[metric] + name[len(metric) :]
    return metric_of(name).shown_as or name


def lacking(names: Collection[str]) -> list[str]:
    """Installed metrics that are missing from a table with these names."""
    return [metric.name for metric in installed() if not any(map(metric.is_named, names))]


def _found(name: str, metrics: Collection[Metric]) -> Metric | None:
    """The record of a metric or of its gain, by name; an exact match comes first."""
    for metric in sorted(metrics, key=lambda metric: metric.name != name):
        if metric.is_named(name):
            return metric
        if metric.gain and name.endswith(GAIN) and metric.is_named(name.removesuffix(GAIN)):
            return metric.of_gain
    return None
