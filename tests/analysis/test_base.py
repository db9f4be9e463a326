"""A base that is sampled once for all seeds: sampling, estimates, and how often intervals hold the truth."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ramify import ConfigError, ExperimentConfig, Run
from ramify.analysis.allocation import Costs
from ramify.analysis.cells import set_cells
from ramify.analysis.compare import compare, side
from ramify.analysis.linear import curves, linear_parts, moderated_rows
from ramify.analysis.metrics import cover, mean_at_k, pass_at_j
from ramify.experiment import open_run
from ramify.records import Completion
from ramify.sampling.batches import SamplerConfig
from ramify.sampling.oracle import Model
from ramify.stages import sample as stage
from ramify.stages.generate import generate
from ramify.stages.score import score
from ramify.tasks.countdown.oracle import Oracle
from worlds import World

BASE, SAMPLES, SEEDS = 16, 4, (3, 1, 2)


def silent(*_: object) -> None:
    pass


class FromOracle:
    """A sampler that answers as the oracle does."""

    def __init__(self, model: Model, seed: int, step: int, samples: int) -> None:
        self.model, self.where = model, (step, seed, samples)

    def sample(self, puzzles: Sequence, prompt: object, greedy: bool, name: str) -> list[Completion]:
        every = [one for puzzle in puzzles for one in self.model(puzzle, *self.where)]
        return [one for one in every if (one.sample < 0) == greedy]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    task = {"train": {3: 36}, "test": {3: 54}, "length": {}, "skills": {}, "held_out": {}, "hold_out": []}
    settings = {"samples": SAMPLES, "base_samples": BASE}
    config = ExperimentConfig.check(
        {"name": "base", "seeds": SEEDS, "task": task, "train": {"steps": 4, "save_steps": 4}, "sample": settings}
    )
    found = open_run(config, tmp_path_factory.mktemp("base"))
    generate(config, found, silent)
    model = Oracle(lambda puzzle, step, seed: 0.7 if step else 0.25, lambda puzzle, step: 2).completions
    asked: list[tuple[int, int]] = []

    def sampler(_: ExperimentConfig, of: SamplerConfig, run: Run, seed: int, step: int) -> FromOracle:
        asked.append((seed, step))
        return FromOracle(model, seed, step, of.samples)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_sampler_at", sampler)
        stage.sample(config, found, silent)
        stage.sample(config, found, silent)  # nothing is missing
    assert sorted(asked) == [(1, 0), (1, 4), (2, 4), (3, 4)]
    score(found, silent)
    return found


def test_one_seed_samples_the_base(run: Run) -> None:
    cells = run.cells()
    base, trained = cells.filter(pl.col("step") == 0), cells.filter(pl.col("step") == 4)
    assert base["seed"].unique().to_list() == [1]
    assert base["k"].unique().to_list() == [BASE]
    assert trained["seed"].unique().sort().to_list() == [1, 2, 3]
    assert trained["k"].unique().to_list() == [SAMPLES]


def test_all_seeds_are_compared_with_it(run: Run) -> None:
    """Every row by hand from the cells, and one meaning of the metrics' k."""
    found, cells = run.estimates(), run.cells().with_columns(share=pl.col("correct") / pl.col("k"))
    base = cells.filter(pl.col("step") == 0)["share"].mean()
    of_all = found.filter(metric="mean@4 gain", by="all")
    for seed in (1, 2, 3):
        trained = cells.filter(pl.col("step") == 4, pl.col("seed") == seed)["share"].mean()
        assert of_all.filter(pl.col("seed") == seed)["value"].item() == pytest.approx(trained - base)
    at_base = found.filter(pl.col("step") == 0, pl.col("seed").is_null(), pl.col("by") == "n")
    assert at_base.filter(metric="mean@4")["value"].item() == pytest.approx(base)
    assert not found.filter(pl.col("metric").str.contains("@16")).height
    # Estimates that are not linear: the base has one value, and no variation between seeds.
    once = at_base.filter(metric="pattern entropy").row(0, named=True)
    of_one = found.filter(metric="pattern entropy", step=0, seed=1).row(0, named=True)
    assert [once[end] for end in ("value", "low", "high")] == [of_one[end] for end in ("value", "low", "high")]
    assert once["retrained_low"] is None
    assert set(set_cells(run, "test").seeds) == {1, 2, 3}


def test_two_checkpoints_and_two_runs(run: Run) -> None:
    paired = compare(side(f"{run.path}@0"), side(f"{run.path}@4"), ["all"]).filter(metric="mean@4")
    gain = run.estimates().filter(metric="mean@4 gain", by="all", set="test").filter(pl.col("seed").is_null())
    assert paired["value"].item() == pytest.approx(gain["value"].item())
    assert paired["retrained_low"].item() is not None
    # Of another run, the base has one seed, so nothing is said of retraining.
    copy = shutil.copytree(run.path, run.path.with_name("copy"))
    others = compare(side(f"{copy}@0"), side(f"{run.path}@4"), ["all"]).filter(metric="mean@4")
    assert others["value"].item() == pytest.approx(gain["value"].item())
    assert others["retrained_low"].item() is None


def test_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sample.base_samples = 2: must be at least sample.samples, 4"):
        ExperimentConfig.load(overrides=["sample.base_samples=2"])
    scaled = ExperimentConfig.load(overrides=["sample.base_samples=32"]).scaled(0.25).sample
    assert (scaled.samples, scaled.base_samples) == (2, 8)
    # A run of an earlier version has no such setting, and goes on.
    config = ExperimentConfig.load(overrides=["name=old"])
    saved = config.model_dump(mode="json")
    del saved["sample"]["base_samples"]
    Run.open(tmp_path / "old", saved)
    assert not open_run(config, tmp_path).shares_base


def test_tokens_of_the_plan() -> None:
    """Five seeds of two checkpoints and a base: 4 samples and a greedy one each, and once 32 and a greedy one."""
    costs = Costs({("test", 3): 10.0}, {}, {}, 3, True, 32)
    assert costs.total_tokens({("test", 3): 7}, 5, 4) == 70 * (5 * 5 * 2 + 33)


def test_cover_of_more_samples() -> None:
    """Of six samples with two right, four subsets of four in fifteen... by listing them all."""
    ratio = cover(4)
    frame = pl.DataFrame({"correct": [2, 1, 3], "k": [6, 4, 2]})
    subsets = [sum(chosen) * 2 >= 4 for chosen in combinations([1, 1, 0, 0, 0, 0], 4)]
    found = frame.select(ratio.numerator).to_series().to_list()
    assert found == pytest.approx([np.mean(subsets), 0.0, 1.0])


@pytest.mark.parametrize("order", [1, 4])
def test_the_error_of_the_base(order: int) -> None:
    """Between bases sampled anew, values of puzzles vary as much as the interval allows for, and little less."""
    random = np.random.default_rng(3)
    world = World(sizes=(3,), each=(12,), base_samples=32, seeds=2)
    puzzles = world.puzzles()
    cells, truth = world.drawn(puzzles, random, np.zeros(18))
    values, allowed = [], []
    from ramify.analysis.linear import _of_sampling
    from worlds import with_base

    for _ in range(300):
        anew = with_base(cells, truth[0], 32, random)
        curve = curves(anew, [1, 2], pass_at_j(order), 4, order=order)
        values.append(curve.numerator[0, 0])
        allowed.append(_of_sampling(curve.numerator[0, 0], curve).mean())
    true = np.var(values, axis=0).mean()
    assert true <= np.mean(allowed) * 1.03
    assert np.mean(allowed) <= true * (1.05 if order == 1 else 1.8)


@pytest.mark.slow
@pytest.mark.parametrize("base", [16, 64])
def test_gains_since_a_shared_base_are_covered(base: int) -> None:
    """Retrained on the same puzzles, and on new ones; a base sampled once has an error that all seeds share."""
    random = np.random.default_rng(11)
    world = replace(World(sizes=(3,), each=(8,), growth=(0.0, 1.0)), base_samples=base)
    puzzles, covered = world.puzzles(), []
    for _ in range(300):
        of_patterns = random.normal(0, world.pattern, 18)
        cells, truth = world.drawn(puzzles, random, of_patterns)
        parts = linear_parts(cells, [1, 2, 3], ["n", "pattern"], {"mean@4": mean_at_k(4)})
        table = pl.concat(list(moderated_rows(list(parts), None))).filter(metric="mean@4 gain", by="n")
        row = table.row(0, named=True)
        level = world.expected(world.base(puzzles) + np.repeat(of_patterns, 8)[: len(puzzles)], world.puzzle).mean(1)
        same = (truth[1] - truth[0]).mean()
        new = level[1] - level[0]
        covered.append((row["retrained_low"] <= same <= row["retrained_high"], row["low"] <= new <= row["high"]))
    same_share, new_share = np.mean(covered, axis=0)
    assert 0.91 <= same_share <= 0.985
    assert 0.91 <= new_share <= 0.985
