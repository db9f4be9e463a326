"""Unary minus: folded where a subtraction can take it in, left over only where there is none."""

import time
from fractions import Fraction
from random import Random

import pytest

from ramify import ParseError, Pattern, parse
from ramify.algebra.expression import Expression
from ramify.algebra.signs import NEGATION, fold_signs

SYMBOLS = "+-*/"


def random_postfix(random: Random, leaves: int) -> tuple[int | str, ...]:
    if leaves == 1:
        items: tuple[int | str, ...] = (random.randint(1, 9),)
    else:
        cut = random.randint(1, leaves - 1)
        items = (*random_postfix(random, cut), *random_postfix(random, leaves - cut), random.choice(SYMBOLS))
    return (*items, NEGATION) if random.random() < 0.35 else items


def value_of(postfix: tuple[int | str, ...]) -> Fraction | None:
    """Evaluate with a sign of its own for NEGATION; None where it divides by zero."""
    stack: list[Fraction] = []
    for item in postfix:
        if item == NEGATION:
            stack[-1] = -stack[-1]
        elif isinstance(item, str):
            right, left = stack.pop(), stack.pop()
            if item == "/" and right == 0:
                return None
            stack.append(
                {"+": left + right, "-": left - right, "*": left * right}[item] if item != "/" else left / right
            )
        else:
            stack.append(Fraction(item))
    return stack[0]


def test_folding_keeps_the_value_and_the_numbers() -> None:
    random = Random("signs")
    left_over = 0
    for _ in range(20_000):
        postfix = random_postfix(random, random.randint(1, 7))
        folded, negated = fold_signs(postfix)
        assert NEGATION not in folded
        expression = Expression(folded, negated)
        assert expression.value == value_of(postfix)
        assert sorted(expression.numbers) == sorted(item for item in postfix if isinstance(item, int))
        assert not (negated and "-" in folded)  # a subtraction would have taken the sign in
        left_over += negated
        if not negated:
            Pattern.of(expression)
    assert left_over > 1000


def test_a_sign_is_folded_where_it_is_written() -> None:
    assert parse("(9-2)*(-(5-11))").text == "(9-2)*(11-5)"
    assert parse("(-(9-2))*(5-11)").text == "(2-9)*(5-11)"
    assert Pattern.of(parse("(-(4-9))*6")) == Pattern.parse("(A-B)*C")


def test_what_no_pattern_has() -> None:
    expression = parse("-(9*2)")
    assert (expression.text, expression.value, expression.negated) == ("-(9*2)", -18, True)
    assert parse(expression.text) == expression
    with pytest.raises(ValueError, match="no pattern"):
        Pattern.of(expression)
    with pytest.raises(ParseError):
        Pattern.parse("-A*B")
    with pytest.raises(ValueError, match="operand"):
        expression.join("+", parse("20"))


def test_signs_take_linear_time() -> None:
    """Eight times the text takes far less than the 64 times the time of anything quadratic."""

    def seconds(size: int) -> float:
        nested = "-(2*" * (size // 4) + "(" + "+".join(["1"] * size) + "+3-5)" + ")" * (size // 4)
        start = time.process_time()
        parse(nested)
        return time.process_time() - start

    assert min(seconds(3200), seconds(3200)) < 24 * max(seconds(400), 5e-3)
