"""How many patterns there are, from generating functions: nothing here knows how patterns are made.

A group has a set of plain children, not empty, and a set of inverse ones, at least two in all; each child is a leaf or
a group of the other kind. With u(x) for "a leaf or a group of the other kind", g(x) for "a group of one kind" and M for
"a multiset of": g = (M(u) - 1) M(u) - u and u = x + g. For labelled leaves the same with exponential series, where M(u)
is exp(u).
"""

from fractions import Fraction
from math import factorial

import pytest

from ramify.algebra.pattern import Pattern
from ramify.tasks.countdown.catalog import index_of, patterns
from ramify.tasks.countdown.program import layout

LARGEST = 10
Series = list[Fraction]


def times(one: Series, other: Series) -> Series:
    return [sum((one[k] * other[n - k] for k in range(n + 1)), Fraction(0)) for n in range(LARGEST + 1)]


def exponential(series: Series) -> Series:
    """exp of a series without a constant term, by f' = s' f."""
    found = [Fraction(1)] + [Fraction(0)] * LARGEST
    for n in range(1, LARGEST + 1):
        found[n] = sum((k * series[k] * found[n - k] for k in range(1, n + 1)), Fraction(0)) / n
    return found


def multisets(series: Series) -> Series:
    """Euler's transform: exp of the sum of s(x^k)/k."""
    total = [Fraction(0)] * (LARGEST + 1)
    for k in range(1, LARGEST + 1):
        for n in range(k, LARGEST + 1, k):
            total[n] += series[n // k] / k
    return exponential(total)


def counts(of_sets) -> Series:
    u = [Fraction(0), Fraction(1)] + [Fraction(0)] * (LARGEST - 1)
    for n in range(2, LARGEST + 1):  # the coefficient of x^n in g needs u up to x^(n-1), and cancels u_n
        some = of_sets(u)
        u[n] = times([some[0] - 1, *some[1:]], some)[n] - u[n]
    return [2 * value for value in u]


def test_patterns_are_as_many_as_the_generating_function_says() -> None:
    found = [1] + [int(value) for value in counts(multisets)[2:]]
    assert found == [1, 4, 18, 96, 558, 3494, 22890, 155366, 1082100, 7692214]
    assert [len(patterns(n)) for n in range(1, 8)] == found[:7]


def test_labelled_classes_are_as_many_as_the_generating_function_says() -> None:
    found = [1] + [int(value * factorial(n)) for n, value in enumerate(counts(exponential)) if n > 1]
    assert found[:7] == [1, 6, 68, 1260, 32632, 1085952, 44158256]
    assert [layout(n).cuts[-1] for n in range(1, 8)] == found[:7]


@pytest.mark.slow
def test_patterns_of_size_eight() -> None:
    listed = patterns(8)
    assert len(listed) == 155366
    assert all(Pattern.parse(pattern.text) == pattern for pattern in listed[::500])
    assert [index_of(pattern) for pattern in listed[::5000]] == list(range(0, len(listed), 5000))
