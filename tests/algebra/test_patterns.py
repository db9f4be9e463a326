"""Patterns and their structure, against brute force over every binary tree."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brute
from ramify import Expression, Pattern, patterns
from ramify.algebra.catalog import index_of
from ramify.algebra.structure import family, function_classes, structure

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 4), (3, 18), (4, 96), (5, 558), (6, 3494)])
def test_counts_are_those_of_the_closed_form(size: int, count: int) -> None:
    assert len(patterns(size)) == len(set(patterns(size))) == count


@pytest.mark.parametrize("size", range(1, 6))
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
        assert pattern.skills == parts, pattern


@pytest.mark.parametrize(("size", "count"), [(3, 18), (4, 93), (5, 500)])
def test_function_classes(size: int, count: int) -> None:
    assert len(set(function_classes(size).values())) == count


def test_twins_at_four() -> None:
    pairs = {frozenset((pattern.text, *(twin.text for twin in pattern.twins))) for pattern in patterns(4)}
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


def test_a_family_is_closed_under_twins() -> None:
    for skill in patterns(3):
        members = set(family(skill, 4))
        assert all(twin in members for member in members for twin in member.twins)


def expressions() -> st.SearchStrategy[Expression]:
    leaf = st.integers(1, 99).map(Expression.of)
    return st.recursive(
        leaf,
        lambda inner: st.builds(lambda a, op, b: a.join(op, b), inner, st.sampled_from("+-*/"), inner),
        max_leaves=9,
    )


@given(expressions(), st.randoms())
@settings(max_examples=150, deadline=None)
def test_the_pattern_survives_commuting_and_reassociating(expression: Expression, random) -> None:
    def leaf(number: int) -> Expression:
        return Expression.of(number)

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

    assert Pattern.of(expression.fold(leaf, node)) == Pattern.of(expression)


def split(expression: Expression) -> tuple[Expression, Expression]:
    """The operands of the root."""
    need, position = 1, len(expression.postfix) - 1
    while need:
        position -= 1
        need += 1 if isinstance(expression.postfix[position], str) else -1
    return Expression(expression.postfix[:position]), Expression(expression.postfix[position:-1])
