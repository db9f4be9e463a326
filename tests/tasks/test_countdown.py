"""Puzzle sets: reserved, disjoint, clean, the same each time."""

from collections import Counter

import pytest

from ramify import ConfigError, CountdownConfig, Pattern, Puzzle, patterns, solve
from ramify.algebra.structure import skills
from ramify.tasks.countdown.families import twins
from ramify.tasks.countdown.prompts import PromptConfig
from ramify.tasks.countdown.sets import make_puzzles
from ramify.tasks.countdown.splits import Rules, certify, held_out_patterns, is_of_known_skills, is_reserved
from ramify.tasks.countdown.tagging import tag

CONFIG = CountdownConfig(train={3: 90, 4: 90}, test={3: 34, 4: 45}, length={5: 10}, held_out={3: 5, 4: 6})


@pytest.fixture(scope="module")
def made():
    return make_puzzles(CONFIG)


def test_the_certificate_is_clean_and_counts(made) -> None:
    sets, certificate = made
    assert certificate.is_clean
    assert certificate.puzzles == {"test": 79, "length": 10, "held_out": 11, "skills": 32, "train": 180}
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
            assert puzzle.pattern in tagged.solving
            assert is_reserved(puzzle.numbers, puzzle.target)
            assert tagged.multiplicity >= len(tagged.solving)
            others = set(tagged.solving) - {puzzle.pattern, *twins(puzzle.pattern)}
            assert tagged.forced is not bool(others)


def test_patterns_are_balanced(made) -> None:
    counts: dict[str, int] = {}
    for tagged in made[0]["test"]:
        counts[str(tagged.puzzle.pattern)] = counts.get(str(tagged.puzzle.pattern), 0) + 1
    assert all(counts[pattern.text] == 2 for pattern in patterns(3) if pattern.text != "A-B*C")


def test_a_dirty_split_is_called_dirty() -> None:
    train = tag([Puzzle((3, 7, 8), 29), Puzzle((9, 2, 3), 3)])  # 9-2*3
    rules = Rules(held_out_patterns(["A-B*C"], [3]), reserved=False)
    certificate = certify({"train": train, "test": tag([Puzzle((8, 7, 3), 29)])}, rules)
    assert not certificate.is_clean
    assert (certificate.shared, certificate.repeated, certificate.solved_by_held_out) == (1, 1, 1)
    assert certificate.reserved_in_training is None


def test_a_shortage_is_stated() -> None:
    config = CountdownConfig(train={2: 30}, test={}, length={}, held_out={}, hold_out=(), numbers=(1, 2), target=(1, 4))
    sets, certificate = make_puzzles(config)
    assert len(sets["train"]) < 30
    assert any(shortage.startswith("train A+B: ") for shortage in certificate.shortages)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train": {3: -1}}, "cannot be negative"),
        ({"train": {9: 1}}, "2 to 6"),
        ({"target": (50, 10)}, "smallest <= largest"),
        ({"forced": ("tset",)}, "not a set"),
        ({"numbers": (1, 10**6)}, "10000"),
        ({"numbers": (1, 10**4)}, "not exact"),
        ({"hold_out": ("A-",)}, "not a pattern"),
        ({"hold_out_patterns": ("A+B+C+D+E+F+G",)}, "up to 6 numbers"),
        ({"hold_ou": ()}, "did you mean hold_out"),
    ],
)
def test_bad_settings_are_one_sentence(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        CountdownConfig.check(settings)
    assert "\n" not in str(error.value)


def test_prompts() -> None:
    assert PromptConfig().text(Puzzle((12, 5, 30), 47)) == "47:A12B5C30>"
    asked = PromptConfig(template="tinyzero").text(Puzzle((12, 5, 30), 47))
    assert "Using the numbers [12, 5, 30], create an equation that equals 47." in asked
    with pytest.raises(ValueError, match="slots for 8"):
        PromptConfig().text(Puzzle((1,) * 9, 9))


SMALL = {"train": {3: 60}, "test": {3: 30}, "length": {4: 20}, "held_out": {}, "hold_out": ()}


@pytest.mark.slow
def test_counts_can_be_for_each_pattern() -> None:
    sets, certificate = make_puzzles(CountdownConfig(**{**SMALL, "per_pattern": True, "train": {3: 3}, "test": {3: 1}}))
    counts = Counter(entry.puzzle.pattern for entry in sets["train"])
    assert set(counts.values()) == {3}
    assert len(counts) == 18
    assert certificate.puzzles["length"] == 20 * 96


def test_a_single_pattern_can_be_held_out() -> None:
    settings = {**SMALL, "train": {3: 40, 4: 40}, "length": {}, "hold_out_patterns": ("A-(B-C)*D",)}
    sets, certificate = make_puzzles(CountdownConfig(**settings, numbers=(1, 20)))
    assert certificate.held_out == ("(A-B)*C+D", "A-(B-C)*D")  # with its twin, and no other
    assert certificate.is_clean
    assert all(not {"(A-B)*C+D", "A-(B-C)*D"} & {p.text for p in entry.solving} for entry in sets["train"])


def test_sets_of_forced_puzzles() -> None:
    sets, certificate = make_puzzles(CountdownConfig(**SMALL, forced=("test",)))
    assert all(entry.forced for entry in sets["test"])
    assert certificate.forced["test"] == 1.0
    assert certificate.forced["train"] < 1.0
    assert certificate.not_forced == 0
    assert certify(sets, Rules(forced=("train",))).not_forced > 0


def test_length_sets_of_known_skills() -> None:
    settings = {**SMALL, "hold_out": ("A-B*C",), "known_skills": True}
    sets, certificate = make_puzzles(CountdownConfig(**settings))
    assert certificate.of_unknown_skills == 0
    banned = Pattern.parse("A-B*C")
    assert sets["length"]
    for entry in sets["length"]:
        assert entry.puzzle.pattern is not None
        assert banned not in skills(entry.puzzle.pattern)
    trained = set(patterns(3)) - {banned}
    assert not is_of_known_skills(Pattern.parse("A-B*C-D"), trained)
    assert (
        certify(
            {**sets, "length": tag([Puzzle((9, 2, 3, 4), 7, Pattern.parse("A-B*C+D"))])}, Rules(known_skills=True)
        ).of_unknown_skills
        == 1
    )


def test_sets_can_be_disjoint_by_numbers() -> None:
    narrow = {**SMALL, "train": {3: 150}, "numbers": (1, 12)}
    assert make_puzzles(CountdownConfig(**narrow))[1].shared_numbers > 0
    sets, certificate = make_puzzles(CountdownConfig(**narrow, multiset_disjoint=True))
    assert certificate.numbers_in_both == certificate.shared_numbers == 0
    numbers = [{tuple(sorted(entry.puzzle.numbers)) for entry in sets[name]} for name in ("train", "test")]
    assert not numbers[0] & numbers[1]


def test_unreserved_sets_are_disjoint_too() -> None:
    sets, certificate = make_puzzles(CountdownConfig(**SMALL, reserved=False))
    assert certificate.is_clean
    assert certificate.reserved_in_training is None
    assert any(is_reserved(entry.puzzle.numbers, entry.puzzle.target) for entry in sets["train"])
