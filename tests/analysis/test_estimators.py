"""Estimates against cases worked by hand, and their coverage."""

from math import comb, isnan

import numpy as np
import pytest

from ramify.analysis.estimators import over_seeds, pass_at_k, ratio, wilson


@pytest.mark.parametrize(("correct", "n", "k"), [(0, 8, 3), (1, 8, 3), (5, 8, 3), (6, 8, 3), (8, 8, 1), (1, 32, 32)])
def test_pass_at_k_is_the_closed_form(correct: int, n: int, k: int) -> None:
    assert pass_at_k(correct, n, k) == pytest.approx(1 - comb(n - correct, k) / comb(n, k))


@pytest.mark.parametrize(("correct", "n", "k"), [(1, 4, 5), (1, 4, 0), (5, 4, 1), (-1, 4, 1)])
def test_pass_at_k_of_nonsense(correct: int, n: int, k: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(correct, n, k)


def test_wilson_by_hand() -> None:
    # 8 of 20: (0.4 + 3.8415/40 ± 1.96 sqrt(0.24/20 + 3.8415/1600)) / (1 + 3.8415/20)
    estimate = wilson(8, 20)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (0.2188, 0.6134)
    assert isnan(wilson(0, 0).value)


def test_ratio_leaves_out_what_has_no_denominator() -> None:
    estimate = ratio([3, 0, 1], [4, 0, 2], bounded=True, name="x")
    assert (estimate.value, estimate.n) == (4 / 6, 2)
    assert isnan(ratio([], [], bounded=True, name="x").value)


def test_few_or_equal_puzzles_have_an_honest_interval() -> None:
    estimate = ratio([0.0] * 40, [1.0] * 40, bounded=True, name="x")
    assert estimate.low == 0
    assert estimate.high == pytest.approx(wilson(0, 40).high)
    assert isnan(ratio([2.0, 3.0], [1, 1], bounded=False, name="x").low)


def test_ratio_is_the_same_each_time() -> None:
    values = np.random.default_rng(0).random(50)
    assert ratio(values, np.ones(50), True, "a") == ratio(values, np.ones(50), True, "a")


def test_the_bootstrap_covers() -> None:
    """Puzzles of unequal difficulty, 8 samples each: the interval covers the true mean in about 95 % of the runs."""
    random = np.random.default_rng(1)
    covered = 0
    for run in range(300):
        difficulty = random.beta(0.5, 1.5, 150)  # of new puzzles each time: mean 0.25
        correct = random.binomial(8, difficulty) / 8
        estimate = ratio(correct, np.ones(150), True, f"coverage/{run}")
        covered += estimate.low <= 0.25 <= estimate.high
    assert 0.91 <= covered / 300 <= 0.98


def test_over_seeds_by_hand() -> None:
    # 0.2, 0.3, 0.4: sd 0.1, t(2) 4.3027, half-width 4.3027 * 0.1 / sqrt(3) = 0.2484
    estimate = over_seeds([0.2, 0.3, 0.4])
    assert (round(estimate.value, 4), round(estimate.high - estimate.value, 4), estimate.n) == (0.3, 0.2484, 3)
    assert isnan(over_seeds([0.2]).low)
    many = over_seeds(np.arange(30) / 100)
    assert (many.high - many.value) / (np.std(np.arange(30) / 100, ddof=1) / 30**0.5) == pytest.approx(2.0452, abs=2e-3)
