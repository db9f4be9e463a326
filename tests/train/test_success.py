"""Prompts that are chosen while training, and the weights that they are chosen by."""

import json
from collections import Counter

import polars as pl
import pytest

from ramify.train.curriculum import CurriculumConfig, schedule
from ramify.train.success import FLOOR, HALF_LIFE, PromptSource, weight

PUZZLES = pl.DataFrame({"n": [3] * 6 + [4] * 10 + [5] * 4})


def source(seed: int = 1, **settings: object) -> PromptSource:
    return PromptSource(PUZZLES, CurriculumConfig.check(settings), steps=50, per_step=8, seed=seed)


def test_middling_success_weighs_most() -> None:
    assert weight(50, 100) == 1.0
    assert weight(0, 10_000) == pytest.approx(FLOOR, abs=1e-3)
    assert weight(10_000, 10_000) == pytest.approx(FLOOR, abs=1e-3)
    assert weight(20, 100) == pytest.approx(weight(80, 100))
    assert weight(20, 100) > weight(10, 100)


def test_without_success_the_first_prompts_are_those_of_the_schedule() -> None:
    given = source()
    rows = schedule(PUZZLES, CurriculumConfig(), 50, 8, 1)
    assert given.first(1) + given.first(2) == rows[:16]
    assert given.first(50) == rows[-8:]


def test_fresh_prompts_are_not_those_that_were_asked() -> None:
    config = CurriculumConfig.check({"shares": {"3": 1, "4": 1}})
    given = PromptSource(PUZZLES, config, steps=50, per_step=4, seed=1)
    taken = given.first(1)
    for number in (1, 2):
        more = given.fresh(1, number, 4, taken)
        assert not {*more} & {*taken}
        assert len({*more}) == 4
        taken = taken + more
    assert sorted(row for row in taken if row < 6) == list(range(6))  # a half of twelve
    again = given.fresh(1, 3, 4, taken)  # of this group there are no others
    assert sum(row < 6 for row in again) == 2


def test_weights_follow_what_was_measured() -> None:
    given = source(by_success=True)
    assert given.weights(1) == {"3": 0.3, "4": 0.5, "5": 0.2}
    for _ in range(20):
        given.saw([0, 6, 16], [8, 4, 0], 8)  # always, half the time, never
    found = given.weights(2)
    assert sum(found.values()) == pytest.approx(1)
    per_puzzle = {group: found[group] / share for group, share in {"3": 0.3, "4": 0.5, "5": 0.2}.items()}
    assert per_puzzle["4"] > 3 * max(per_puzzle["3"], per_puzzle["5"])
    drawn = Counter(PUZZLES["n"][row] for step in range(2, 40) for row in given.first(step))
    assert drawn[4] / drawn.total() == pytest.approx(found["4"], abs=0.02)


def test_shares_and_success_multiply() -> None:
    given = source(by_success=True, shares={"3": 3, "4": 1}, later={9: {"5": 1}})
    assert given.weights(1) == {"3": 0.75, "4": 0.25}
    assert given.weights(9) == {"5": 1.0}
    assert {PUZZLES["n"][row] for row in given.first(9)} == {5}


def test_old_completions_fade() -> None:
    given = source(by_success=True)
    given.saw([0], [8], 8)
    for _ in range(HALF_LIFE):
        given.saw([6], [0], 8)
    assert given.state["hits"]["3"] == pytest.approx(4)
    assert given.state["samples"]["3"] == pytest.approx(4)


def test_it_goes_on_from_its_state_as_if_it_had_not_stopped() -> None:
    def steps(given: PromptSource, first: int, last: int) -> list[list[int]]:
        found = []
        for step in range(first, last):
            rows = given.first(step)
            rows += given.fresh(step, 1, 3, rows)
            given.saw(rows, [row % 5 for row in rows], 8)
            found.append(rows)
        return found

    whole, cut = source(by_success=True), source(by_success=True)
    expected = steps(whole, 1, 30)
    begun = steps(cut, 1, 11)
    again = source(by_success=True)
    again.restore(json.loads(json.dumps(cut.state)))
    assert begun + steps(again, 11, 30) == expected
    assert again.state == whole.state
    assert steps(source(seed=2, by_success=True), 1, 30) != expected


def test_a_group_without_a_label_is_one_too() -> None:
    table = pl.DataFrame({"pattern": ["A+B+C", None, None, "A+B+C"]})
    given = PromptSource(table, CurriculumConfig(by="pattern", by_success=True), 3, 4, seed=1)
    assert sorted(given.first(1)) == [0, 1, 2, 3]
    given.saw([1], [4], 8)
    assert given.state["hits"]["None"] == 4
