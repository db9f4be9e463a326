"""The crossing of pass@k: planted ones are in the interval, and none is made up."""

import numpy as np
import polars as pl
import pytest

from planted import planted_cells, puzzle_rows
from ramify import patterns
from ramify.analysis.cells import SetCells
from ramify.analysis.crossing import crossing, crossings
from worlds import expit, with_base

PUZZLES = puzzle_rows([pattern.text for pattern in patterns(3)], 6)
K, SEEDS = 16, [1, 2, 3]


def success(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Training sharpens: what was likely is nearly sure, what was rare is lost."""
    logit = random.normal(-2.2, 1.6, count)
    return expit(logit), expit(2.2 * logit + 2.6)


def truth() -> int:
    base, trained = success(np.random.default_rng(0), 1_000_000)
    gain = [((1 - base) ** k - (1 - trained) ** k).mean() for k in range(1, K + 1)]
    assert gain[0] > 0.02
    return int(np.argmax(np.array(gain) <= 0)) + 1


def drawn(random: np.random.Generator, base: np.ndarray, trained: np.ndarray) -> SetCells:
    of_seeds = {seed: np.array([base, trained]) for seed in SEEDS}
    return with_base(planted_cells(PUZZLES, of_seeds, K, random, (0, 40)), base, 32, random)


def found(cells: SetCells, seeds: list[int]) -> dict:
    (table,) = crossings(cells, seeds, ["all"])
    return table.row(0, named=True)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [[1], SEEDS])
def test_a_planted_crossing_is_covered(seeds: list[int]) -> None:
    random, true, covered, values = np.random.default_rng(8), truth(), [], []
    assert 3 < true < 12
    for _ in range(50):
        row = found(drawn(random, *success(random, len(PUZZLES))), seeds)
        if row["status"] != "no gain at k = 1":
            covered.append(row["low"] <= true <= (row["high"] or np.inf))
            values.append(row["value"] or np.inf)
    assert len(covered) > 35
    assert np.mean(covered) >= 0.93
    assert abs(np.median(values) - true) <= 2


def test_no_crossing_is_made_up() -> None:
    """The trained model stays ahead at every k."""
    random = np.random.default_rng(9)
    base = random.beta(1, 6, len(PUZZLES))
    row = found(drawn(random, base, base + (1 - base) * 0.4), SEEDS)
    assert row["status"] == f"no crossing up to {K}"
    assert (row["value"], row["high"], row["retrained_high"]) == (None, None, None)
    assert row["low"] > 2


def test_a_base_that_is_ahead_is_not_overtaken() -> None:
    random = np.random.default_rng(9)
    base = random.beta(2, 4, len(PUZZLES))
    row = found(drawn(random, base, base / 2), SEEDS)
    assert (row["status"], row["value"], row["low"]) == ("no gain at k = 1", None, None)


def test_ends_by_hand() -> None:
    """k = 2 is not clearly the trained model's, and at 4 the base is clearly ahead, so that 5 is not the first."""
    gain = np.array([0.3, 0.1, 0.05, -0.2, -0.4])
    assert crossing([1, 2, 3, 4, 5], gain, gain - 0.12, gain + 0.12)[:3] == (4.0, 2.0, 4.0)
    # Without a clear lead of the base at the end, it may never overtake.
    assert np.isnan(crossing([1, 2, 3], gain[:3] - 0.06, gain[:3] - 0.12, gain[:3] + 0.12).high)
    assert crossing([1, 2], gain[:2], np.full(2, np.nan), np.full(2, np.nan)).status == "no crossing up to 2"


def test_it_needs_two_checkpoints_and_two_samples() -> None:
    cells = planted_cells(PUZZLES, {1: np.full((2, len(PUZZLES)), 0.5)}, 1, np.random.default_rng(1), (0, 40))
    assert not crossings(cells, [1], ["all"])
    alone = SetCells("test", cells.puzzles, cells.frame.filter(pl.col("step") == 0), cells.task)
    assert not crossings(alone, [1], ["all"])
