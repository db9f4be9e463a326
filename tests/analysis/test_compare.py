"""Comparisons of two runs: their intervals hold a true difference as often as they say."""

import numpy as np
import polars as pl
import pytest

from ramify.analysis.cells import grouping
from ramify.analysis.compare import _difference, _tables
from ramify.analysis.linear import Part, moderated_rows, pattern_codes
from ramify.analysis.metrics import mean_at_k
from worlds import World

STUDIES = 200


@pytest.mark.slow
@pytest.mark.parametrize(("by", "by_pattern"), [("n", False), ("n,shape_class", True)])
def test_two_runs_of_the_same_training(by: str, by_pattern: bool) -> None:
    """Six trainings alike, split into two runs of three: the true difference is 0, on these puzzles and on new ones."""
    random = np.random.default_rng(7)
    world = World(seeds=6, each=(6, 2))
    puzzles = world.puzzles()
    groups, codes = grouping(puzzles, by), pattern_codes(puzzles)
    new, same, far = [], [], []
    for _ in range(STUDIES):
        cells, _ = world.drawn(puzzles, random, random.normal(0, world.pattern, puzzles["pattern"].n_unique()))
        last = _tables(cells, mean_at_k(4))
        sides = [{seed: [part[-1:] for part in last[seed]] for seed in seeds} for seeds in ((1, 2, 3), (4, 5, 6))]
        of, seeds = _difference(sides, [40, 40], "share", 4, groups, codes, by_pattern, False)
        assert seeds == 5
        (rows,) = moderated_rows([Part("mean@4", "test", by, [40], groups.names, of, seeds, tested=True)], None)
        new += (rows["low"] * rows["high"] < 0).to_list()
        same += (rows["retrained_low"] * rows["retrained_high"] < 0).to_list()
        far += (rows["p"] > 0.05).to_list()
    assert new == far
    for covered in (new, same):
        assert 0.92 <= np.mean(covered) <= 0.99


def test_a_difference_is_found() -> None:
    """By hand: every puzzle is solved 20 % more often by the second run, whose seeds agree."""
    random = np.random.default_rng(1)
    puzzles = World().puzzles()
    groups, codes = grouping(puzzles, "n"), pattern_codes(puzzles)
    ones = np.full((1, len(puzzles)), 4.0)

    def run(share: float) -> dict[int, list[np.ndarray]]:
        return {seed: [random.binomial(4, share, (1, len(puzzles))).astype(float), ones] for seed in (1, 2, 3)}

    of, seeds = _difference([run(0.3), run(0.5)], [40, 40], "share", 4, groups, codes, False, False)
    (rows,) = moderated_rows([Part("mean@4", "test", "n", [40], groups.names, of, seeds, tested=True)], None)
    assert rows["value"].to_numpy() == pytest.approx([0.2, 0.2], abs=0.04)
    assert rows.filter((pl.col("low") > 0) & (pl.col("retrained_low") > 0) & (pl.col("p") < 0.001)).height == 2


def test_one_seed_has_no_interval_for_retraining() -> None:
    puzzles = World().puzzles()
    groups, codes = grouping(puzzles, "n"), pattern_codes(puzzles)
    random = np.random.default_rng(2)
    sides = [{1: [random.binomial(4, 0.5, (1, len(puzzles))).astype(float), np.full((1, len(puzzles)), 4.0)]}] * 2
    of, seeds = _difference(sides, [0, 0], "share", 4, groups, codes, False, False)
    assert seeds == 1
    assert not of.value.any()
