"""Estimates against cases worked by hand, and their coverage."""

from math import comb, isnan

import numpy as np
import pytest

from ramify import pass_at_k
from ramify.analysis.estimators import rarefied, ratios, steadied, wilson_limits


@pytest.mark.parametrize(("correct", "n", "k"), [(0, 8, 3), (1, 8, 3), (5, 8, 3), (6, 8, 3), (8, 8, 1), (1, 32, 32)])
def test_pass_at_k_is_the_closed_form(correct: int, n: int, k: int) -> None:
    assert pass_at_k(correct, n, k) == pytest.approx(1 - comb(n - correct, k) / comb(n, k))


@pytest.mark.parametrize(("correct", "n", "k"), [(1, 4, 5), (1, 4, 0), (5, 4, 1), (-1, 4, 1)])
def test_pass_at_k_of_nonsense(correct: int, n: int, k: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(correct, n, k)


def wilson(successes: float, n: int) -> tuple[float, float]:
    low, high = wilson_limits(np.array([successes]) / n, np.array([n]))
    return float(low[0]), float(high[0])


def test_wilson_by_hand() -> None:
    # 8 of 20: (0.4 + 3.8415/40 ± 1.96 sqrt(0.24/20 + 3.8415/1600)) / (1 + 3.8415/20)
    low, high = wilson(8, 20)
    assert (round(low, 4), round(high, 4)) == (0.2188, 0.6134)
    assert np.isnan(wilson_limits(np.array([np.nan]), np.array([0]))).all()


def ratio(numerators: list[float], denominators: list[float], kind: str = "share") -> tuple[float, float, float]:
    above, below = np.array([numerators], float), np.array([denominators], float)
    value, low, high = ratios(above, below, (below > 0).sum(1), kind)
    return float(value[0]), float(low[0]), float(high[0])


def test_ratio_leaves_out_what_has_no_denominator() -> None:
    value, low, high = ratio([3, 0, 1], [4, 0, 2])
    assert value == 4 / 6
    assert (low, high) == pytest.approx(wilson(4 / 3, 2))
    assert isnan(ratio([0.0], [0.0])[0])


def test_few_or_equal_puzzles_have_an_honest_interval() -> None:
    _, low, high = ratio([0.0] * 40, [1.0] * 40)
    assert low == 0
    assert high == pytest.approx(wilson(0, 40)[1])
    # 2 and 3 of one each: mean 2.5, sd of the mean 0.5, t(1) 12.706.
    ends = pytest.approx(2.5 - 6.353, abs=1e-3), pytest.approx(2.5 + 6.353, abs=1e-3)
    assert ratio([2.0, 3.0], [1, 1], "mean") == (2.5, *ends)
    assert isnan(ratio([2.0], [1.0], "mean")[1])


def test_ratio_is_the_same_each_time() -> None:
    values = np.random.default_rng(0).random(50).tolist()
    assert ratio(values, [1.0] * 50) == ratio(values, [1.0] * 50)


def test_rarefaction_by_hand() -> None:
    # Of 5 completions 3 use one pattern and 1 another; two drawn: 1 - C(2, 2)/C(5, 2) + 1 - C(4, 2)/C(5, 2).
    assert float(rarefied(np.array([3, 1, 0]), 5, 2)) == pytest.approx(0.9 + 0.4)
    assert float(rarefied(np.array([3, 1, 0]), 5, 5)) == pytest.approx(2)


def test_variances_of_few_or_alike_are_steadied() -> None:
    found = steadied(np.array([0.0, 0.1, 0.1, 0.0]), np.array([0.2, 0.2, 0.2, 0.2]), np.array([5, 5, 50, 50]))
    assert found.tolist() == [0.2, 0.2, 0.1, 0.2]
