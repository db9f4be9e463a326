"""The conditional logit of choice: planted coefficients are found, and none where there are none."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm
from statsmodels.discrete.conditional_models import ConditionalLogit

from ramify import CountdownConfig, patterns
from ramify.analysis.choice_model import Choices, alternatives, choice_effects, fit

TASK = CountdownConfig()
TEXTS = [pattern.text for size in (3, 4) for pattern in patterns(size)]
SHAPES = np.array([TASK.structure(text)["shape_class"] for text in TEXTS])
NAMES = ["balanced", "depth", "right-heavy", "divisions"]


def drawn(random: np.random.Generator, puzzles: int, right_heavy: float, spread: float) -> tuple[pl.DataFrame, ...]:
    """Attempts and solving patterns: each puzzle has its own liking for each pattern, besides that planted for
    right-heavy ones."""
    used, solving = [], []
    for number in range(puzzles):
        first, last = (0, 18) if number % 2 else (18, len(TEXTS))
        there = first + random.choice(last - first, random.integers(2, 7), replace=False)
        odds = np.exp(right_heavy * (SHAPES[there] == "right-heavy") + random.normal(0, spread, len(there)))
        tries = random.multinomial(random.integers(1, 12), odds / odds.sum())
        solving += [(f"{number:03}", TEXTS[index]) for index in there]
        used += [(f"{number:03}", TEXTS[index], int(n)) for index, n in zip(there, tries, strict=True) if n]
    return (
        pl.DataFrame(used, schema=["puzzle_id", "pattern", "tries"], orient="row"),
        pl.DataFrame(solving, schema=["puzzle_id", "pattern"], orient="row"),
    )


def test_the_likelihood_is_that_of_a_choice() -> None:
    """statsmodels' conditional logit, with a group for each attempt, has the same maximum."""
    names, choices = alternatives(TASK, *drawn(np.random.default_rng(2), 40, 0.7, 0.0))
    assert names == NAMES
    attempts = [(row, n) for row, tries in enumerate(choices.tries) for n in range(int(tries))]
    there = [np.flatnonzero(choices.puzzle == choices.puzzle[row]) for row, _ in attempts]
    groups = np.repeat(np.arange(len(attempts)), [len(rows) for rows in there])
    chosen = np.concatenate([rows == row for rows, (row, _) in zip(there, attempts, strict=True)]).astype(float)
    terms = choices.terms[np.concatenate(there)][:, [0, 2, 3]]
    best = ConditionalLogit(chosen, terms, groups=groups).fit(disp=False).params
    found = fit(choices, names)
    # At n = 3 and 4 a pattern of a puzzle is one less deep exactly if it is balanced.
    assert found["depth"].status == "aliased with balanced"
    assert [found[name].value for name in names if name != "depth"] == pytest.approx(best, abs=1e-3)


def test_a_planted_preference_is_covered() -> None:
    random, found = np.random.default_rng(5), []
    for _ in range(150):
        effect = fit(alternatives(TASK, *drawn(random, 100, -1.0, 0.0))[1], NAMES)["right-heavy"]
        found.append((effect.value, effect.low <= -1.0 <= effect.high))
    value, covered = np.mean(found, axis=0)
    assert value == pytest.approx(-1.0, abs=0.08)
    assert 0.91 <= covered <= 0.99


def test_no_preference_is_found_where_there_is_none() -> None:
    """Puzzles like different patterns, though none on average; errors of independent attempts would find one."""
    random, clustered, naive = np.random.default_rng(6), [], []
    for _ in range(150):
        _, choices = alternatives(TASK, *drawn(random, 100, 0.0, 1.5))
        effect = fit(choices, NAMES)["right-heavy"]
        clustered.append(effect.p < 0.05)
        equal = 1 / np.bincount(choices.puzzle)[choices.puzzle]
        total = np.bincount(choices.puzzle, choices.tries)[choices.puzzle]
        rows = choices.centred()[:, [0, 2, 3]] * np.sqrt(total * equal)[:, None]
        error = np.sqrt(np.linalg.inv(rows.T @ rows)[1, 1])
        naive.append(2 * norm.sf(abs(effect.value) / error) < 0.05)
    assert np.mean(clustered) <= 0.09
    assert np.mean(naive) >= 0.13


def test_what_cannot_be_estimated_has_a_reason() -> None:
    puzzle = np.repeat(np.arange(12), 2)
    heavy = np.tile([1.0, 0.0], 12)
    always = Choices(np.column_stack([heavy, heavy, np.ones(24)]), np.tile([2.0, 0.0], 12), puzzle)
    found = fit(always, ["right-heavy", "divisions", "depth"])
    assert [effect.status for effect in found.values()] == [
        "separated",
        "aliased with right-heavy",
        "the same for all patterns of a puzzle",
    ]
    few = fit(always.of(puzzle < 5), ["right-heavy", "divisions", "depth"])
    assert few["right-heavy"].status == "too few puzzles with a choice (5)"


def test_a_separated_term_leaves_the_others() -> None:
    """Never right-heavy, if left-heavy will do; of two left-heavy patterns the one with a division three times in
    four."""
    puzzle = np.repeat(np.arange(20), 3)
    terms = np.tile([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], (20, 1))
    tries = np.where(np.arange(60) % 3 == 0, 0.0, np.where(np.arange(60) % 3 == 1, 3.0, 1.0))
    tries[1] = 4.0
    found = fit(Choices(terms, tries, puzzle), ["right-heavy", "divisions"])
    assert found["right-heavy"].status == "separated"
    assert found["divisions"].value == pytest.approx(np.log(61 / 20), abs=1e-3)


def test_rows() -> None:
    used, solving = drawn(np.random.default_rng(3), 60, 0.5, 0.0)
    (table,) = choice_effects(TASK, used, solving, ("test", 1, 40))
    assert table["group"].to_list() == NAMES
    assert table["n"].unique().to_list() == [used["puzzle_id"].n_unique()]
    assert table.drop_nulls("status")["group"].to_list() == ["depth"]
    assert table.filter(group="right-heavy")["low"].item() < table.filter(group="right-heavy")["value"].item()
    assert not list(choice_effects(TASK, used.clear(), solving, ("test", 1, 40)))


def test_patterns_that_are_alike_in_every_puzzle_tell_no_effect() -> None:
    """No term is left to fit."""
    choices = Choices(np.ones((20, 2)), np.tile([3.0, 1.0], 10), np.repeat(np.arange(10), 2))
    found = fit(choices, ["right-heavy", "depth"])
    assert list(found) == ["right-heavy", "depth"]
    assert all(np.isnan(effect.value) for effect in found.values())
    assert {effect.status for effect in found.values()} == {"the same for all patterns of a puzzle"}
