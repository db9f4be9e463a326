"""Design by calculation: as many puzzles as it asks for give the power that it promises."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from planted import planted_cells, puzzle_rows
from ramify import CountdownConfig, patterns
from ramify.analysis.allocation import FEWEST, SAMPLES, SEEDS, Costs, allocate
from ramify.analysis.cells import SetCells
from ramify.analysis.design import SEED, SEED_PATTERN, Question, detectable, needed, remedy
from ramify.analysis.linear import linear_parts, moderated_rows
from ramify.analysis.metrics import mean_at_k
from ramify.analysis.questions import questions, variation
from ramify.analysis.shapes import shape_gaps
from worlds import World, expit

RUNS = 100


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


def probed(puzzles: pl.DataFrame, success: np.ndarray, k: int, random: np.random.Generator) -> pl.DataFrame:
    """Puzzles that a base of such success was asked."""
    correct = pl.Series(random.binomial(k, success))
    columns = {"correct": correct, "k": pl.lit(k), "set": pl.lit("test"), "forced": pl.lit(value=False)}
    return puzzles.with_columns(**columns)


def logits(world: World, puzzles: pl.DataFrame, random: np.random.Generator) -> np.ndarray:
    """The base's, with new effects of patterns and puzzles."""
    codes = puzzles["pattern"].rank("dense").to_numpy().astype(int) - 1
    of_pattern = random.normal(0, world.pattern, codes.max() + 1)[codes]
    return world.base(puzzles) + of_pattern + random.normal(0, world.puzzle, len(puzzles))


def questions_of(world: World, each: int, random: np.random.Generator) -> dict[str, Question]:
    """What a base says of the world, asked more puzzles than a user would: it is the formula that is tried."""
    puzzles = world.puzzles()
    frame = probed(puzzles, expit(logits(world, puzzles, random)), 16, random)
    (n,) = world.sizes
    counts = {("test", n): len(patterns(n)) * each}
    return {one.name: one for one in questions(CountdownConfig(), frame, counts, {("test", n): len(patterns(n))})}


def p_of(parts: list, metric: str, by: str, group: str) -> float:
    rows = pl.concat(moderated_rows(parts, None)).filter(
        (pl.col("metric") == metric) & (pl.col("by") == by) & (pl.col("group") == group)
    )
    return float(rows["p"][-1])


def test_the_variation_of_a_base_is_recovered(random: np.random.Generator) -> None:
    puzzles = puzzle_rows([pattern.text for pattern in patterns(4)], 20)
    of_pattern = random.choice([0.2, -0.2], 96)[np.repeat(np.arange(96), 20)]
    success = 0.5 + of_pattern + random.choice([0.2, -0.2], len(puzzles))
    found = variation(probed(puzzles, success, 4, random), ("shape_class",))
    assert abs(found.puzzle - 0.16) < 0.02  # 0.2 ** 2 over 0.25
    assert abs(found.pattern - 0.16) < 0.05
    assert found.freedom == 96 - puzzles["shape_class"].n_unique()


def test_power_of_a_gain(random: np.random.Generator) -> None:
    """A gain of so many points that is planted is found in 80 % of the studies with the puzzles that are asked for."""
    world = World(sizes=(3,), each=(60,), level=-0.8, seed=SEED, seed_pattern=SEED_PATTERN, right_heavy=0.0)
    one = questions_of(world, 12, random)["gain"]
    shift, half = 0.45, np.sqrt(0.5)
    spread = np.hypot(world.pattern, world.puzzle)
    many = random.normal(0, spread, 200_000)
    gain = float((expit(world.level + many + shift) - expit(world.level + many)).mean())
    count = needed(one, gain, 3, SAMPLES)
    assert count is not None
    each = round(count / 18)
    world = replace(world, each=(each,), growth=(0.0, shift))
    puzzles, found = world.puzzles(), 0
    codes = np.repeat(np.arange(18), each)
    for _ in range(RUNS):
        effects = [random.normal(0, world.pattern, 18)[codes] for _ in range(3)]
        effects = [each_ + random.normal(0, world.puzzle, len(puzzles)) for each_ in effects]
        before, after = (half * (effects[0] + effect) for effect in effects[1:])  # correlated by one half
        success = {}
        for seed in (1, 2, 3):
            own = random.normal(0, world.seed) + random.normal(0, world.seed_pattern, 18)[codes]
            success[seed] = np.array([expit(world.level + before), expit(world.level + shift + after + own)])
        cells = planted_cells(puzzles, success, SAMPLES, random, (0, 10))
        parts = list(linear_parts(cells, [1, 2, 3], ["n"], {"mean@4": mean_at_k(SAMPLES)}))
        found += p_of(parts, "mean@4 gain", "n", "3") < 0.05
    assert 0.7 <= found / RUNS <= 0.9, (found, each, gain)


@pytest.mark.slow
def test_power_of_a_right_heavy_gap(random: np.random.Generator) -> None:
    world = World(sizes=(4,), each=(20,), level=-1.2, right_heavy=-1.2, growth=(0.0, 1.0), pattern=0.5, puzzle=1.0)
    one = questions_of(world, 4, random)["right-heavy gap"]
    heavy, left = (world.expected(level, np.hypot(0.5, 1.0))[-1] for level in (-2.9, -1.7))
    count = needed(one, left - heavy, 3, SAMPLES)
    assert count is not None
    each = max(1, round(count / 96))
    puzzles = replace(world, each=(each,)).puzzles()
    found = 0
    for _ in range(RUNS):
        cells: SetCells = world.drawn(puzzles, random, random.normal(0, world.pattern, 96))[0]
        found += p_of(list(shape_gaps(cells, [1, 2, 3])), "right-heavy gap", "n", "4") < 0.05
    assert 0.65 <= found / RUNS <= 0.92, (found, each, left - heavy)


def test_what_helps(random: np.random.Generator) -> None:
    """More of anything detects less; what patterns leave open is said."""
    asked = questions_of(World(sizes=(3,), each=(20,)), 12, random)
    for one in asked.values():
        assert detectable(one, 3, 4) > detectable(one, 6, 4)
        assert detectable(one, 3, 4) > detectable(one, 3, 4, {("test", 3): 2000})
    gap = asked["right-heavy gap"]
    assert needed(gap, 0.04, 3, 4) is None
    assert "patterns, and there are 4" in remedy(gap, 0.04, 3, 4)
    enough = needed(asked["gain"], 0.06, 3, 4)
    assert enough is not None
    assert abs(detectable(asked["gain"], 3, 4, {("test", 3): enough}) - 0.06) < 0.001


def test_tokens_are_kept_and_used(random: np.random.Generator) -> None:
    asked = list(questions_of(World(sizes=(3,), each=(20,)), 12, random).values())
    source = ("test", 3)
    costs = Costs({source: 100.0}, {}, {}, 5, greedy=True)
    few, many = (allocate(asked, costs, tokens, 0.04) for tokens in (2e6, 2e7))
    assert few is not None
    assert many is not None
    assert 0.85 * 2e6 <= few.tokens <= 2e6
    assert few.seeds in SEEDS
    assert np.nanmax(many.detects) < np.nanmax(few.detects)
    assert allocate(asked, costs, 100 * FEWEST * 5 * 5 * 3 - 1, 0.04) is None
    capped = allocate(asked, replace(costs, most={source: 100}), 2e7, 0.04)
    assert capped is not None
    assert (capped.counts, capped.short) == ({source: 100}, (source,))
