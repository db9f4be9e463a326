"""Gaps at equal base difficulty: what comes from difficulty alone is none, and what training adds is found."""

import numpy as np
import polars as pl
import pytest

from planted import planted_cells, puzzle_rows
from ramify import patterns
from ramify.analysis.cells import SetCells
from ramify.analysis.linear import moderated_rows
from ramify.analysis.matched_base import halves, matched_gaps
from ramify.analysis.shapes import shape_gaps
from worlds import averaged, expit, with_base

SEEDS = [1, 2, 3]
PLAIN = "right-heavy gap, forced"
NAME = f"{PLAIN}, matched base"
PUZZLES = puzzle_rows([pattern.text for pattern in (*patterns(3), *patterns(4))], 4)
PUZZLES = PUZZLES.with_columns(forced=pl.Series(np.arange(len(PUZZLES)) % 4 > 0))
HEAVY = (PUZZLES["shape_class"] == "right-heavy").to_numpy()


def drawn(random: np.random.Generator, harder: float, slower: float, samples: int = 32) -> SetCells:
    """Right-heavy patterns are harder for the base, or gain less, in log-odds."""
    codes = PUZZLES["pattern"].rank("dense").to_numpy().astype(int) - 1
    base = -1.5 - harder * HEAVY + random.normal(0, 0.3, codes.max() + 1)[codes] + random.normal(0, 1.2, len(PUZZLES))
    success = {}
    for seed in SEEDS:
        own = random.normal(0, 0.1) + random.normal(0, 0.2, codes.max() + 1)[codes]
        success[seed] = expit(np.array([base, base + 1.2 - slower * HEAVY + own]))
    return with_base(planted_cells(PUZZLES, success, 4, random, (0, 40)), expit(base), samples, random)


def row_of(cells: SetCells, metric: str, step: int = 40) -> dict:
    parts = matched_gaps(cells, SEEDS) if "matched" in metric else shape_gaps(cells, SEEDS)
    table = pl.concat(list(moderated_rows([part for part in parts if part.metric == metric], None)))
    return table.filter(by="all", step=step).row(0, named=True)


@pytest.mark.slow
def test_difficulty_alone_makes_no_gap() -> None:
    """Base difficulty explains all; unmatched, both gaps are found, and matched, they are not."""
    random, kept = np.random.default_rng(4), []
    for _ in range(80):
        cells = drawn(random, harder=1.0, slower=0.0)
        plain, gain = row_of(cells, PLAIN), row_of(cells, f"{NAME} gain")
        kept.append(
            [plain["high"] < 0, gain["value"], gain["low"] <= 0 <= gain["high"],
             gain["retrained_low"] <= gain["value"] <= gain["retrained_high"]]
        )  # fmt: skip
    unmatched, value, covered, inside = np.mean(kept, axis=0)
    assert unmatched > 0.5
    assert abs(value) < 0.015
    assert covered >= 0.92
    assert inside == 1


def test_a_smaller_gain_at_equal_difficulty_is_found() -> None:
    """Its size is that of the planted difference, averaged over the right-heavy puzzles."""
    random, values, found = np.random.default_rng(5), [], []
    for _ in range(30):
        row = row_of(drawn(random, harder=0.5, slower=1.2), f"{NAME} gain")
        values.append(row["value"])
        found.append(row["high"] < 0)
    expected = (averaged(np.array(-2.0), 1.24) - averaged(np.array(-0.8), 1.24)).item()
    assert np.mean(values) == pytest.approx(expected, abs=0.03)
    assert np.mean(found) > 0.8


def test_step_0_shows_what_the_matching_left() -> None:
    """With many samples of the base, hardly anything of the difference of sixteen points."""
    random, left, before = np.random.default_rng(6), [], []
    for _ in range(30):
        cells = drawn(random, harder=1.0, slower=0.0, samples=64)
        left.append(row_of(cells, NAME, 0)["value"])
        before.append(row_of(cells, PLAIN, 0)["value"])
    assert np.mean(before) < -0.08
    assert abs(np.mean(left)) < 0.02


def test_the_halves_are_apart() -> None:
    """Puzzles that fail in one half by chance do not fail in the other: the second is unbiased within a class."""
    correct = np.random.default_rng(7).binomial(16, 0.2, 20_000)
    expected, base, noise = halves("test", correct, np.full(20_000, 16), np.zeros(20_000))
    # All differences between puzzles are chance, so all are expected to be as hard.
    assert expected == pytest.approx(np.full(20_000, 0.2), abs=0.02)
    assert abs(np.corrcoef(correct - base * 8, base)[0, 1]) < 0.02
    assert noise.mean() == pytest.approx(0.2 * 0.8 / 8, rel=0.05)
    again = halves("test", correct, np.full(20_000, 16), np.zeros(20_000))
    assert (again[1] == base).all()


def test_of_two_puzzles_with_equal_counts_that_of_the_harder_class_is_harder() -> None:
    random, kinds = np.random.default_rng(7), np.repeat([0, 1], 20_000)
    success = np.where(kinds, random.beta(1, 9, 40_000), random.beta(4, 6, 40_000))
    expected, base, _ = halves("test", random.binomial(32, success), np.full(40_000, 32), kinds)
    for low, high in ((0.1, 0.2), (0.2, 0.3)):
        both = (expected > low) & (expected <= high)
        sides = [base[both & (kinds == kind)].mean() - expected[both & (kinds == kind)].mean() for kind in (0, 1)]
        assert sides == pytest.approx([0, 0], abs=0.01)


def test_what_it_needs() -> None:
    """Enough samples of the base, over all seeds together, and enough puzzles."""
    random = np.random.default_rng(8)
    success = {seed: np.full((2, len(PUZZLES)), 0.35) for seed in SEEDS}
    few = planted_cells(PUZZLES, success, 4, random, (0, 40))
    assert not list(matched_gaps(few, SEEDS))
    enough = planted_cells(PUZZLES, success, 6, random, (0, 40))
    assert list(matched_gaps(enough, SEEDS))
    assert not list(matched_gaps(enough, [1]))
    rare = enough.of_puzzles(pl.col("n") == 3).of_puzzles(
        (pl.col("shape_class") == "left-heavy") | pl.col("pattern").is_in(["A-B*C", "A-B/C"])
    )
    row = row_of(rare, f"{NAME} gain")
    assert (row["low"], row["status"]) == (None, "too few right-heavy puzzles (6)")
