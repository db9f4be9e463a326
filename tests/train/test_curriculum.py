"""Which puzzles a step trains on."""

from collections import Counter

import polars as pl
import pytest

from ramify import ConfigError
from ramify.train.curriculum import CurriculumConfig, schedule

PUZZLES = pl.DataFrame({"n": [3] * 6 + [4] * 10, "shape_class": ["left-heavy"] * 8 + ["right-heavy"] * 8})


def test_without_shares_every_puzzle_comes_once_before_any_comes_twice() -> None:
    rows = schedule(PUZZLES, CurriculumConfig(), steps=6, per_step=8, seed=1)
    assert len(rows) == 48
    assert Counter(rows[:16]) == Counter(rows[16:32]) == dict.fromkeys(range(16), 1)
    assert rows[:16] != rows[16:32]


def test_it_follows_from_the_seed() -> None:
    made = [schedule(PUZZLES, CurriculumConfig(), 5, 8, seed) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    assert schedule(PUZZLES, CurriculumConfig(), 9, 8, 1)[:40] == schedule(PUZZLES, CurriculumConfig(), 5, 8, 1)


def test_shares() -> None:
    config = CurriculumConfig(by="shape_class", shares={"right-heavy": 3, "left-heavy": 1})
    rows = schedule(PUZZLES, config, steps=10, per_step=8, seed=1)
    for step in range(10):
        assert sum(row >= 8 for row in rows[step * 8 : step * 8 + 8]) == 6


def test_what_does_not_divide_is_drawn() -> None:
    config = CurriculumConfig(shares={"3": 1, "4": 2})
    rows = schedule(PUZZLES, config, steps=3000, per_step=2, seed=1)
    assert sum(row < 6 for row in rows) / len(rows) == pytest.approx(1 / 3, abs=0.02)


def test_shares_by_step() -> None:
    config = CurriculumConfig(shares={"3": 1}, later={3: {"4": 1}, 5: {}})
    rows = schedule(PUZZLES, config, steps=12, per_step=4, seed=1)
    assert all(row < 6 for row in rows[:8])
    assert all(row >= 6 for row in rows[8:16])
    assert len(set(rows[16:32])) == 16  # and then all of them again


@pytest.mark.parametrize("config", [{"shares": {"7": 1}}, {"later": {4: {"7": 1}}}])
def test_an_unknown_group_is_named(config: dict) -> None:
    with pytest.raises(ConfigError, match="no training puzzle has n = 7; the groups are 3, 4"):
        schedule(PUZZLES, CurriculumConfig.check(config), 1, 1, 1)


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"3": -1, "4": 2}, "greater than or equal to 0"),
        ({"3": 0}, "one weight must be above 0"),
        ({"3": float("inf")}, "must be a finite number"),
        ({"3": float("nan")}, "must be a finite number"),
    ],
)
def test_weights_that_are_none(shares: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CurriculumConfig.check({"shares": shares})
