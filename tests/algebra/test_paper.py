"""The paper's names for patterns."""

from itertools import product

import pytest

from ramify import Pattern, patterns
from ramify.tasks.countdown.paper import filled, from_paper, label, paper_label, paper_labels, paper_patterns


def test_numbers_follow_the_published_enumeration() -> None:
    """By hand: (A+B)+C and A+(B+C), (A+B)-C and A+(B-C), (A+B)*C, A+(B*C), (A+B)/C, A+(B/C), (A-B)+C, (A-B)-C, …"""
    assert paper_labels(3)[:7] == ("A+B+C", "A+B-C", "(A+B)*C", "A*B+C", "(A+B)/C", "A/B+C", "A-B-C")
    assert paper_labels(4)[:3] == ("A+B+C+D", "A+B+C-D", "A*B+C+D")  # A+(B+(C op D))
    assert paper_labels(2) == ("A+B", "A-B", "A*B", "A/B")


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_every_pattern_has_one_label(size: int) -> None:
    assert len(paper_labels(size)) == len(patterns(size))
    assert set(paper_patterns(size)) == set(patterns(size))
    for pattern in patterns(size)[::5]:
        assert from_paper(paper_label(pattern)) == pattern


def shapes(letters: str):
    if len(letters) == 1:
        yield letters
    for cut in range(1, len(letters)):
        for left, right in product(shapes(letters[:cut]), shapes(letters[cut:])):
            yield ("", left, right)


def test_labels_at_six_are_ours_or_malformed() -> None:
    """4328 labels: 812 with a letter twice, from a mistyped shape; the others name 3490 patterns, 26 of them twice."""
    right = ("", ("", "A", ("", ("", ("", "B", "C"), "D"), "E")), "F")
    mistyped = ("", ("", "A", ("", ("", ("", "C", "D"), "E"), "F")), "F")
    known = [mistyped if shape == right else shape for shape in shapes("ABCDEF")]
    assert mistyped in known
    labels = {label(filled(shape, iter(operators))) for shape in known for operators in product("+-*/", repeat=5)}
    named = [from_paper(text) for text in labels]
    assert len(labels) == 4328
    assert named.count(None) == 812
    ours = {pattern for pattern in named if pattern is not None}
    assert ours <= set(patterns(6))
    assert (len(ours), len(named) - 812 - len(ours)) == (3490, 26)


def test_sizes_without_numbers() -> None:
    with pytest.raises(ValueError, match="2 to 5"):
        paper_label(Pattern.parse("A+B+C+D+E+F"))
