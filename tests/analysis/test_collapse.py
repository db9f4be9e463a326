"""A fall of success: a planted one is found, and none is made up."""

from itertools import product

import numpy as np
import polars as pl
import pytest

from planted import planted_cells, puzzle_rows
from ramify.analysis.cells import SetCells
from ramify.analysis.collapse import FEWEST, collapses, largest_fall
from worlds import expit

STEPS = (0, 50, 100, 150, 200, 250)


def drawn(random: np.random.Generator, curve: np.ndarray, seeds: int, puzzles: int, wander: float = 0.0) -> np.ndarray:
    """Success in four samples of puzzles around the logits of a curve, of shape (seeds, checkpoints, puzzles)."""
    own = random.normal(0, 1, puzzles)
    of_seeds = random.normal(0, wander, (seeds, len(curve), 1))
    return random.binomial(4, expit(curve[:, None] + own + of_seeds)) / 4


def test_the_p_is_that_of_all_flips_of_signs_by_hand() -> None:
    """Six puzzles that all fall alike: of the 64 flips, one has a fall as large, and none a larger one."""
    fall = largest_fall(np.repeat([[[1.0], [0.5]]], FEWEST, axis=2))
    assert fall is not None
    assert (fall.best, fall.lowest, fall.before, fall.after) == (0, 1, 1.0, 0.5)
    assert fall.p == pytest.approx(1 / 64, abs=0.01)


def test_the_p_of_three_checkpoints_is_that_of_all_flips() -> None:
    random = np.random.default_rng(3)
    values = random.integers(0, 5, (1, 3, 8)) / 4
    fall = largest_fall(values)
    assert fall is not None
    changes = np.array([values[0, a] - values[0, b] for a, b in ((0, 1), (0, 2), (1, 2))])
    chosen = int(np.argmax(changes.mean(1)))
    assert (fall.best, fall.lowest) == ((0, 1), (0, 2), (1, 2))[chosen]
    scale = np.sqrt((changes**2).sum(1))
    flips = np.array(list(product((-1, 1), repeat=8)))
    largest = (flips @ changes.T / scale).max(1)
    exact = np.mean(largest >= changes[chosen].sum() / scale[chosen] - 1e-9)
    assert fall.p == pytest.approx(exact, abs=0.04)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_planted_fall_is_found(seeds: int) -> None:
    curve = np.array([-2.0, 0.0, 1.5, 2.0, 1.9, -1.0, -1.6, -1.5])
    fall = largest_fall(drawn(np.random.default_rng(5), curve, seeds, 60, 0.1))
    assert fall is not None
    assert fall.is_clear
    assert fall.best in (2, 3, 4)
    assert fall.lowest in (6, 7)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_rise_with_noise_is_no_fall(seeds: int) -> None:
    random = np.random.default_rng(6)
    rising = np.linspace(-1.5, 0.5, 8)
    found = [largest_fall(drawn(random, rising, seeds, 60, 0.1)) for _ in range(40)]
    assert sum(fall is not None and fall.is_clear for fall in found) <= 2


def test_a_fall_in_one_seed_alone_is_not_one_of_all_training_runs() -> None:
    random = np.random.default_rng(7)
    flat, fallen = np.zeros(8), np.where(np.arange(8) < 5, 0.0, -4.0)
    curves = [drawn(random, curve, 1, 80)[0] for curve in (flat, flat, fallen)]
    alone, together = largest_fall(curves[2][None]), largest_fall(np.array(curves))
    assert alone is not None
    assert together is not None
    assert alone.is_clear
    assert not together.is_clear


def test_a_clear_but_small_fall_is_not_reported() -> None:
    """One sample in twenty is lost on each of 200 puzzles."""
    fall = largest_fall(np.repeat([[[1.0], [0.95]]], 200, axis=2))
    assert fall is not None
    assert fall.p < 0.001
    assert not fall.is_clear


def test_puzzles_that_were_not_asked_everywhere_are_left_out() -> None:
    values = np.repeat([[[1.0], [0.0]]], FEWEST, axis=2)
    missing = np.full((1, 2, 3), np.nan)
    missing[:, 0] = 0.0
    assert largest_fall(np.concatenate([values, missing], axis=2)) == largest_fall(values)
    assert largest_fall(values[:, :, 1:]) is None
    assert largest_fall(values[:, :1]) is None


def cells(levels: dict[int, list[float]]) -> SetCells:
    """Forty puzzles of n = 3 with these levels of success in each seed, and forty of n = 4 that stay at one half."""
    puzzles = pl.concat([puzzle_rows(["A+B*C"], 40), puzzle_rows(["A+B+C+D"], 40)])
    easy = (puzzles["n"] == 3).to_numpy()
    success = {seed: np.where(easy, np.array(level)[:, None], 0.5) for seed, level in levels.items()}
    return planted_cells(puzzles, success, 8, np.random.default_rng(4), STEPS)


def row(found: list[pl.DataFrame], metric: str, by: str, group: str) -> dict:
    return pl.concat(found).filter(metric=metric, by=by, group=group).row(0, named=True)


def test_rows_say_between_which_checkpoints_and_from_where() -> None:
    """Half of the fall from 0.9 to 0.1 is lost at step 200, between 0.85 and 0.2."""
    found = collapses(cells({1: [0.2, 0.6, 0.9, 0.85, 0.2, 0.1]}), [1])
    fell = row(found, "collapse", "n", "3")
    assert (fell["status"], fell["value"], fell["low"], fell["high"]) == ("fell", 200, 200, 200)
    assert fell["p"] < 0.001
    assert (fell["step"], fell["seed"], fell["n"]) == (250, 1, 40)
    assert row(found, "collapse: best", "n", "3")["value"] == 100
    assert row(found, "collapse: lowest", "n", "3")["value"] == 250
    kept = row(found, "collapse", "n", "4")
    assert (kept["status"], kept["value"]) == ("no clear fall", None)
    assert row(found, "collapse: best", "n", "4")["value"] is None


def test_the_interval_of_a_slow_fall_has_several_checkpoints() -> None:
    curve = [0.5, 0.8, 0.7, 0.6, 0.5, 0.4]
    fell = row(collapses(cells(dict.fromkeys((1, 2, 3), curve)), [1, 2, 3]), "collapse", "n", "3")
    assert (fell["status"], fell["seed"]) == ("fell", None)
    assert 100 <= fell["low"] <= fell["value"] <= fell["high"] <= 250
    assert fell["low"] < fell["high"]


def test_a_dip_that_is_regained_has_another_status() -> None:
    found = collapses(cells({1: [0.2, 0.9, 0.1, 0.3, 0.6, 0.7]}), [1])
    fell = row(found, "collapse", "n", "3")
    assert (fell["status"], fell["value"]) == ("fell and rose again", 100)
    assert row(found, "collapse: lowest", "n", "3")["value"] == 100


def test_few_puzzles_have_no_verdict_and_two_checkpoints_no_row() -> None:
    few = cells({1: [0.2, 0.6, 0.9, 0.85, 0.2, 0.1]}).of_puzzles(pl.int_range(pl.len()) < FEWEST - 1)
    assert row(collapses(few, [1]), "collapse", "all", "all")["status"] == "unknown"
    alone = SetCells("test", few.puzzles, few.frame.filter(pl.col("step") <= 50), few.task)
    assert not collapses(alone, [1])
