"""Puzzle sets: reserved, disjoint, clean, the same each time."""

import csv
from pathlib import Path

import numpy as np
import pytest

from ramify import ConfigError, CountdownConfig, Pattern, Puzzle, patterns, solve
from ramify.tasks.countdown import make_puzzles
from ramify.tasks.generation import draw_distinct, generator, instances, values
from ramify.tasks.prompts import prompt
from ramify.tasks.splits import certify, held_out_patterns, is_reserved

CONFIG = CountdownConfig(train={3: 90, 4: 90}, test={3: 34, 4: 45}, length={5: 10}, held_out={3: 5, 4: 6})


@pytest.fixture(scope="module")
def made():
    return make_puzzles(CONFIG)


def test_the_certificate_is_clean_and_counts(made) -> None:
    sets, certificate = made
    assert certificate.is_clean
    assert certificate.puzzles == {"test": 79, "length": 10, "held_out": 11, "train": 180}
    assert certificate.shortages == ()
    assert {name: len(tagged) for name, tagged in sets.items()} == certificate.puzzles


def test_same_settings_same_puzzles(made) -> None:
    again, _ = make_puzzles(CONFIG)
    assert [t.puzzle.numbers for t in again["train"]] == [t.puzzle.numbers for t in made[0]["train"]]
    other, _ = make_puzzles(CONFIG.model_copy(update={"seed": 2}))
    assert [t.puzzle.id for t in other["train"]] != [t.puzzle.id for t in made[0]["train"]]


def test_no_training_puzzle_is_solved_by_the_held_out_family(made) -> None:
    banned = held_out_patterns(["A-B*C"], [3, 4])
    for tagged in made[0]["train"]:
        assert not banned & set(solve(tagged.puzzle.numbers, tagged.puzzle.target))
        assert not is_reserved(tagged.puzzle.numbers, tagged.puzzle.target)
    assert {tagged.puzzle.pattern for tagged in made[0]["held_out"]} <= banned


def test_tags(made) -> None:
    for name in ("test", "held_out", "length"):
        for tagged in made[0][name]:
            puzzle = tagged.puzzle
            assert puzzle.pattern is not None
            assert puzzle.pattern.text in tagged.solving
            assert is_reserved(puzzle.numbers, puzzle.target)
            assert tagged.multiplicity >= len(tagged.solving)
            others = {Pattern.parse(text) for text in tagged.solving} - {puzzle.pattern, *puzzle.pattern.twins}
            assert tagged.forced is not bool(others)


def test_patterns_are_balanced(made) -> None:
    counts: dict[str, int] = {}
    for tagged in made[0]["test"]:
        counts[str(tagged.puzzle.pattern)] = counts.get(str(tagged.puzzle.pattern), 0) + 1
    assert all(counts[pattern.text] == 2 for pattern in patterns(3) if pattern.text != "A-B*C")


def test_a_dirty_split_is_called_dirty() -> None:
    train = [Puzzle((3, 7, 8), 29), Puzzle((9, 2, 3), 3)]  # 9-2*3
    certificate = certify({"train": train, "test": [Puzzle((8, 7, 3), 29)]}, held_out_patterns(["A-B*C"], [3]))
    assert not certificate.is_clean
    assert (certificate.shared, certificate.repeated, certificate.solved_by_held_out) == (1, 1, 1)


@pytest.mark.parametrize("size", [3, 4])
def test_as_many_instances_as_there_are(size: int) -> None:
    """At n = 3 all assignments are listed: the counts are exact. At n = 4 the share of hits is within four sigma."""
    with (Path(__file__).parents[1] / "golden" / f"instances_n{size}.csv").open() as file:
        rows = {row["pattern"]: row for row in csv.DictReader(file)}
    everything = np.stack([a.ravel() for a in np.meshgrid(*[np.arange(1, 100)] * 3, indexing="ij")], axis=1)
    for pattern in patterns(size)[:: 1 if size == 3 else 8]:
        drawn = everything if size == 3 else generator(f"share/{pattern}").integers(1, 100, (1 << 18, 4))
        top, bottom = values(pattern, drawn)
        safe = np.where(bottom == 0, 1, bottom)
        hits = ((bottom != 0) & (top % safe == 0) & (top // safe >= 1) & (top // safe <= 99)).sum()
        expected = int(rows[pattern.text]["ordered"]) * len(drawn) / 99**size
        assert abs(hits - expected) <= (0 if size == 3 else 4 * np.sqrt(expected) + 4), pattern
        if size == 3:
            puzzles = instances(pattern, drawn, (1, 99))
            assert len(np.unique(puzzles[:, :3], axis=0)) == int(rows[pattern.text]["distinct_multisets"]), pattern


def test_a_shortage_is_stated() -> None:
    config = CountdownConfig(train={2: 30}, test={}, length={}, held_out={}, hold_out=(), numbers=(1, 2), target=(1, 4))
    sets, certificate = make_puzzles(config)
    assert len(sets["train"]) < 30
    assert any(shortage.startswith("train A+B: ") for shortage in certificate.shortages)


def test_taken_puzzles_are_not_given_twice() -> None:
    taken: set[str] = set()
    pattern = Pattern.parse("A+B")
    everything = [True] * 10_000
    first = draw_distinct(pattern, 20, generator("a"), lambda p: everything[: len(p)], taken, (1, 9), (1, 9))
    second = draw_distinct(pattern, 20, generator("a"), lambda p: everything[: len(p)], taken, (1, 9), (1, 9))
    assert len(first) == 20 > len(second)  # 1+1 … 1+8, 2+2 … : 20 pairs of sum up to 9
    assert not {p.id for p in first} & {p.id for p in second}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train": {3: -1}}, "cannot be negative"),
        ({"train": {9: 1}}, "2 to 6"),
        ({"target": (50, 10)}, "smallest <= largest"),
        ({"numbers": (1, 10**6)}, "not exact"),
        ({"hold_out": ("A-",)}, "not a pattern"),
        ({"hold_ou": ()}, "did you mean hold_out"),
    ],
)
def test_bad_settings_are_one_sentence(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        CountdownConfig.check(settings)
    assert "\n" not in str(error.value)


def test_prompts() -> None:
    assert prompt(Puzzle((12, 5, 30), 47), "slots") == "47:A12B5C30>"
    assert "Using the numbers [12, 5, 30], create an equation that equals 47." in prompt(
        Puzzle((12, 5, 30), 47), "tinyzero"
    )
    with pytest.raises(ValueError, match="up to 8"):
        prompt(Puzzle((1,) * 9, 9), "slots")
