"""Patterns and their structure, against brute force over every binary tree."""

import csv
from collections import Counter, defaultdict
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brute
from ramify import Expression, Pattern, parse, patterns
from ramify.algebra.arrangement import arranged
from ramify.algebra.structure import skills, structure
from ramify.tasks.countdown.catalog import index_of
from ramify.tasks.countdown.families import family, function_classes, twins

LETTERS = {ord(c): None for c in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 4), (3, 18), (4, 96), (5, 558), (6, 3494)])
def test_counts_are_those_of_the_closed_form(size: int, count: int) -> None:
    assert len(patterns(size)) == len(set(patterns(size))) == count


@pytest.mark.parametrize("size", range(1, 7))
def test_the_text_is_a_view(size: int) -> None:
    for index, pattern in enumerate(patterns(size)):
        assert Pattern.parse(pattern.text) == pattern
        assert Pattern.of(pattern.tree) == pattern
        assert index_of(pattern) == index


@pytest.mark.parametrize("size", [3, 4])
def test_names_are_the_known_ones(size: int) -> None:
    with (GOLDEN / f"instances_n{size}.csv").open() as file:
        assert {row["pattern"] for row in csv.DictReader(file)} == {pattern.text for pattern in patterns(size)}


@pytest.fixture(scope="module")
def classes() -> dict[Pattern, list]:
    """Every binary tree of up to 4 leaves, by pattern."""
    found = defaultdict(list)
    for size in range(1, 5):
        for tree in brute.trees((1,) * size):
            found[Pattern.of(Expression(brute.postfix(tree)))].append(tree)
    return found


def test_every_tree_has_a_listed_pattern(classes: dict) -> None:
    assert set(classes) == {pattern for size in range(1, 5) for pattern in patterns(size)}


def test_the_binary_tree_has_the_least_lookahead_of_its_class(classes: dict) -> None:
    for pattern, trees in classes.items():
        assert structure(pattern).lookahead == min(map(brute.lookahead, trees)), pattern


def test_min_depth_is_the_depth_of_the_shallowest_tree(classes: dict) -> None:
    for pattern, trees in classes.items():
        assert structure(pattern).min_depth == min(map(brute.height, trees)), pattern


def test_skills_are_the_subtrees_of_the_class(classes: dict) -> None:
    for pattern, trees in classes.items():
        parts = {Pattern.of(Expression(brute.postfix(part))) for tree in trees for part in brute.subtrees(tree)}
        assert skills(pattern) == parts, pattern


@pytest.mark.parametrize(("size", "count"), [(3, 18), (4, 93), (5, 500), (6, 2844)])
def test_function_classes(size: int, count: int) -> None:
    assert len(set(function_classes(size).values())) == count


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_function_classes_are_those_of_brute_force(size: int) -> None:
    """Equal functions have equal values under some renaming; values in Fractions at a point far from everything."""
    point = [10007, 20011, 30011, 40009, 50021][:size]
    orders = list(permutations(point))
    values = {
        pattern: frozenset(
            Expression(tuple(o[i] if isinstance(i, int) else i for i in pattern.tree.postfix)).value for o in orders
        )
        for pattern in patterns(size)
    }
    numbers = function_classes(size)
    found = {frozenset(p for p in group if values[p] == values[group[0]]) for group in grouped(numbers).values()}
    assert found == {frozenset(group) for group in grouped(numbers).values()}  # no class is too large
    assert len(set(values.values())) == len(found)  # none is too small


def grouped(numbers: dict[Pattern, int]) -> dict[int, list[Pattern]]:
    groups = defaultdict(list)
    for pattern, number in numbers.items():
        groups[number].append(pattern)
    return groups


@pytest.mark.parametrize("size", [4, 5])
def test_twins_are_equal_as_polynomials(size: int) -> None:
    """No chance is left: some renaming makes numerator times denominator, crosswise, the same polynomial."""
    for group in grouped(function_classes(size)).values():
        for other in group[1:]:
            n, d = quotient(group[0], range(size))
            renamed = (quotient(other, order) for order in permutations(range(size)))
            assert any(product_of(n, e) == product_of(m, d) for m, e in renamed), (group[0], other)


Polynomial = Counter  # from sorted tuples of variables to coefficients


def product_of(one: Polynomial, other: Polynomial) -> Polynomial:
    found: Polynomial = Counter()
    for a, x in one.items():
        for b, y in other.items():
            found[tuple(sorted(a + b))] += x * y
    return Counter({key: value for key, value in found.items() if value})


def sum_of(one: Polynomial, other: Polynomial, sign: int) -> Polynomial:
    found = Counter(one)
    for key, value in other.items():
        found[key] += sign * value
    return Counter({key: value for key, value in found.items() if value})


def quotient(pattern: Pattern, names) -> tuple[Polynomial, Polynomial]:
    def node(op: str, left, right):
        (a, b), (c, d) = left, right
        if op in "+-":
            return sum_of(product_of(a, d), product_of(c, b), 1 if op == "+" else -1), product_of(b, d)
        return (product_of(a, c), product_of(b, d)) if op == "*" else (product_of(a, d), product_of(b, c))

    return pattern.tree.fold(lambda leaf: (Counter({(names[leaf],): 1}), Counter({(): 1})), node)


def test_twins_at_four() -> None:
    pairs = {frozenset((pattern.text, *(twin.text for twin in twins(pattern)))) for pattern in patterns(4)}
    assert {pair for pair in pairs if len(pair) > 1} == {
        frozenset({"(A-B)*C+D", "A-(B-C)*D"}),
        frozenset({"(A-B)/C+D", "A-(B-C)/D"}),
        frozenset({"A/(B-C)+D", "A-B/(C-D)"}),
    }


@pytest.mark.parametrize(("size", "left", "right", "balanced"), [(3, 14, 4, 0), (4, 60, 18, 18), (5, 318, 96, 144)])
def test_shape_classes(size: int, left: int, right: int, balanced: int) -> None:
    counts = Counter(structure(pattern).shape_class for pattern in patterns(size))
    assert (counts["left-heavy"], counts["right-heavy"], counts["balanced"]) == (left, right, balanced)


def test_right_heavy_at_three_are_those_of_lookahead_three() -> None:
    right = {pattern.text for pattern in patterns(3) if structure(pattern).shape_class == "right-heavy"}
    assert right == {"A-B*C", "A-B/C", "A/(B+C)", "A/(B-C)"}
    assert right == {pattern.text for pattern in patterns(3) if structure(pattern).lookahead == 3}


def test_balanced_and_right_heavy_share_no_depth_at_four() -> None:
    depths = defaultdict(set)
    for pattern in patterns(4):
        depths[structure(pattern).shape_class].add(structure(pattern).depth)
    assert not depths["balanced"] & depths["right-heavy"]


@pytest.mark.parametrize("size", [4, 5])
def test_a_family_is_what_has_the_skill_or_a_twin_of_it_and_is_closed_under_twins(size: int) -> None:
    for skill in (*patterns(3), *patterns(4)[::7]):
        members = set(family(skill, size))
        assert all(twin in members for member in members for twin in twins(member))
        having = {p for p in patterns(size) if skill in skills(p) or not twins(skill).isdisjoint(skills(p))}
        assert having <= members
        assert all(member in having or not twins(member).isdisjoint(having) for member in members)


@pytest.mark.parametrize("size", [5, 6])
def test_the_binary_tree_is_the_left_fold_of_the_text(size: int) -> None:
    for pattern in patterns(size)[::13]:
        shape = structure(pattern)
        read = parse("".join("1" if letter.isalpha() else letter for letter in pattern.text))
        assert read.fold(lambda _: 0, lambda _, a, b: 1 + max(a, b)) == shape.depth
        assert read.fold(lambda _: 1, lambda _, a, b: max(a, 1 + b)) == shape.lookahead
        assert shape.min_depth <= shape.depth
        assert sum(shape.operators) == size - 1
        assert shape.left + shape.right == size


def expressions() -> st.SearchStrategy[Expression]:
    leaf = st.integers(1, 99).map(Expression.leaf)
    return st.recursive(
        leaf,
        lambda inner: st.builds(lambda a, op, b: a.join(op, b), inner, st.sampled_from("+-*/"), inner),
        max_leaves=9,
    )


@given(expressions(), st.randoms())
@settings(max_examples=150, deadline=None)
def test_the_pattern_survives_commuting_and_reassociating(expression: Expression, random) -> None:
    def leaf(number: int) -> Expression:
        return Expression.leaf(number)

    def node(op: str, left: Expression, right: Expression) -> Expression:
        if op in "+*" and random.random() < 0.5:
            left, right = right, left
        # a-(b-c) is a+c-b, a+(b-c) is a+b-c, and so on for quotients
        inner = right.postfix[-1]
        inverse = {"+": "-", "-": "+", "*": "/", "/": "*"}
        if isinstance(inner, str) and {op, inner} in ({"+", "-"}, {"*", "/"}, {"+"}, {"*"}, {"-"}, {"/"}):
            first, second = split(right)
            if {op, inner} <= {"+", "-"} or {op, inner} <= {"*", "/"}:
                after = inner if op in "+*" else inverse[inner]
                return left.join(op, first).join(after, second)
        return left.join(op, right)

    other = expression.fold(leaf, node)
    assert Pattern.of(other) == Pattern.of(expression)
    assert structure(Pattern.of(other)) == structure(Pattern.of(expression))
    assert arranged(other) == arranged(expression)
    assert arranged(other).value == expression.value
    assert arranged(other).text.translate(LETTERS) == Pattern.of(expression).text.translate(LETTERS)


def split(expression: Expression) -> tuple[Expression, Expression]:
    """The operands of the root."""
    need, position = 1, len(expression.postfix) - 1
    while need:
        position -= 1
        need += 1 if isinstance(expression.postfix[position], str) else -1
    return Expression(expression.postfix[:position]), Expression(expression.postfix[position:-1])
