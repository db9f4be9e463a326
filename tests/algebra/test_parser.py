"""The grammar: what is an expression, what is not, and how much of it."""

from fractions import Fraction

import pytest

from ramify import ParseError, parse
from ramify.algebra.parser import parse_statement


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("3 × 5 ÷ 2 − 1", "3*5/2-1"),
        ("3·5∗2", "3*5*2"),
        ("3x5 X 2", "3*5*2"),
        (r"3 \times 5 \div 2 \cdot 7", "3*5/2*7"),
        (r"\frac{3+5}{2}-1", "(3+5)/2-1"),
        (r"\dfrac{1}{\frac{2}{3}}", "1/(2/3)"),
        (r"8/\frac{4}{2}", "8/(4/2)"),
        (r"\left(3+5\right)\cdot 7", "(3+5)*7"),
        ("[3+5]*7", "(3+5)*7"),
        ("\t3\n+ 5", "3+5"),
        ("-3+5", "5-3"),
        ("7+-2", "7-2"),
        ("-3*2+8", "8-3*2"),
        ("1-(-2+5)", "1-(5-2)"),
        ("(3*7=21)+8 = 29", "3*7+8"),
        ("3-5 = -2", "3-5"),
        ("7--2", "7+2"),
        ("5*-3+20", "20-5*3"),
        ("(-(4-9))*6", "(9-4)*6"),
        ("(9-2)*(-(5-11))", "(9-2)*(11-5)"),
        ("-2*(3-9)", "2*(9-3)"),
        ("-3-5", "-(3+5)"),
        ("2*-(3*5)", "-(2*(3*5))"),
        ("-7", "-7"),
        ("3+5==8", "3+5"),
        ("3+5 = 8.0", "3+5"),
        ("3+5 → 8", "3+5"),
        (r"{3}+5", "3+5"),
        ("$3 + 5$", "3+5"),
        (r"\(3+5\)", "3+5"),
        (r"\[ \boxed{3+5} \]", "3+5"),
        (r"\text{3+5} = \mathbf{8}", "3+5"),
        (r"\fbox{3+5}", "3+5"),
        ("**3 + 5**", "3+5"),
        ("**3 + 5** = 8", "3+5"),
        ("`3+5`", "3+5"),
        ("```\n3+5\n```", "3+5"),
        ("```python\n3+5\n```", "3+5"),
        ("3+5 = 8.", "3+5"),
        ("3+5 ✓", "3+5"),
        ("3+5<|im_end|>", "3+5"),
        ("3+5</s>\n", "3+5"),
        ("3 + 5 – 1 — 2 ‒ 1", "3+5-1-2-1"),
        ("３＋５×（２－１）", "3+5*(2-1)"),
    ],
)
def test_notations(text: str, plain: str) -> None:
    assert parse(text).text == plain


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("3+", 2),
        ("3+*5", 2),
        ("2**3", 1),
        ("7//2", 2),
        ("3 5", 2),
        ("3(5)", 1),
        ("(3)(5)", 3),
        ("2.5+1", 1),
        ("007", 0),
        ("1_2", 1),
        ("٣+5", 0),
        ("3²", 1),
        ("5!", 1),
        ("x+1", 0),
        ("3+5)", 3),
        ("[3+5)", 4),
        ("3+5=", 4),
        (r"\frac{3}5", 8),
        (r"\frac{3}+5", 8),
        (r"\frac{3}{5", 10),
        ("sqrt(9)", 0),
        ("7---2", 3),
        ("**2**3", 5),
        ("3+5=8.5", 5),
        ("2.0+1", 1),
        ("3+5 = .0", 6),
        (r"6\text{*}9", 6),
        (r"3\boxed{5}", 7),
        ("6`9", 2),
    ],
)
def test_what_is_no_expression(text: str, position: int) -> None:
    with pytest.raises(ParseError) as error:
        parse(text)
    assert error.value.position == position


def test_bounds() -> None:
    assert parse("(" * 1000 + "1" + ")" * 1000).value == 1
    with pytest.raises(ParseError):
        parse("(" * 1001 + "1" + ")" * 1001)
    with pytest.raises(ParseError):
        parse("1+" * 10_000 + "1")
    with pytest.raises(ParseError):
        parse("9" * 5000)


def test_long_sums_need_no_recursion() -> None:
    expression = parse("+".join(["1"] * 9000))
    assert expression.value == 9000
    assert parse(expression.text) == expression


def test_claims() -> None:
    assert parse_statement("(3*7=21)+8=29").holds
    assert not parse_statement("(3*7=22)+8=29").holds
    assert not parse_statement("1/(2-2)=0").holds
    assert [tail.value for tail in parse_statement("29=3*7+8=21+8").tails] == [29, 29]


def test_values_are_exact() -> None:
    assert parse("1/3+1/3+1/3").value == 1
    assert parse("33+1/99/99/99/99/99/99/99/99").value == 33 + Fraction(1, 99**8)
    assert parse("1/(5-5)").value is None
