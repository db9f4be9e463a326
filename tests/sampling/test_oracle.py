"""The oracle's texts are read back as what was planted, by the same path as any model's."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import kendalltau

from ramify import ExperimentConfig, Puzzle, Run, find_attempts, grade, patterns
from ramify.experiment import open_run
from ramify.sampling.oracle import play
from ramify.stages.generate import generate
from ramify.stages.score import score
from ramify.tasks.countdown.oracle import STYLES, Oracle, Style

STEPS = tuple(range(0, 1300, 100))


def silent(*_: object) -> None:
    pass


def made(folder: Path, **task: object) -> Run:
    config = ExperimentConfig.check({"name": "oracle", "task": {"train": {3: 36}, "length": {}, "skills": {}, **task}})
    run = open_run(config, folder)
    generate(config, run, silent)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted(tmp_path_factory.mktemp("oracle"), (STEPS[0], STEPS[-1]))


def planted(folder: Path, steps: tuple[int, ...]) -> Run:
    """All n = 3 patterns, each acquired at a step of its own, with known conduct."""
    run = made(folder, test={3: 180}, held_out={}, hold_out=[])
    when = dict(zip((pattern.text for pattern in patterns(3)), planted_steps(), strict=True))

    def success(puzzle: Puzzle, step: int, seed: int) -> float:
        return 0.05 if step < when[str(puzzle.pattern)] else 0.85

    tried = {3: [pattern for pattern in patterns(3) if "/" not in pattern.text]}
    oracle = Oracle(success, lambda puzzle, step: 3, execution=0.8, substitution=0.25, tried=tried)
    play(oracle.completions, run, steps, [1], 8)
    score(run, silent)
    return run


def planted_steps() -> list[int]:
    order = np.random.default_rng(5).permutation(18)
    return [int(STEPS[1 + rank * 11 // 18]) for rank in order]


def row(run: Run, **wanted: object) -> dict:
    frame = run.estimates()
    for column, what in {"set": "test", "seed": 1, **wanted}.items():
        frame = frame.filter(pl.col(column) == what)
    assert len(frame) == 1, frame
    return frame.row(0, named=True)


@pytest.mark.parametrize("style", STYLES)
def test_each_style_is_read_as_it_was_meant(style: Style) -> None:
    puzzle = Puzzle((3, 7, 8, 5), 34, patterns(4)[0].parse("A*B+C+D"))
    oracle = Oracle(lambda *_: 0.5, lambda *_: 4, execution=0.5, styles=[style])
    for completion in oracle.completions(puzzle, 0, 1, 200):
        found = find_attempts(puzzle, completion.text)
        assert sum(not attempt.is_answer for attempt in found) == 4, completion.text
        assert sum(attempt.is_answer for attempt in found) == 1, completion.text
        hit = any(attempt.hits_target for attempt in found)
        assert hit == (grade(puzzle, completion.text).verdict == "correct")


@pytest.mark.slow
def test_the_planted_order_is_found(tmp_path: Path) -> None:
    found = (
        planted(tmp_path, STEPS)
        .estimates()
        .filter((pl.col("metric") == "acquisition") & (pl.col("by") == "pattern") & (pl.col("seed") == 1))
    )
    assert set(found["status"]) == {"acquired"}
    truth = dict(zip((pattern.text for pattern in patterns(3)), planted_steps(), strict=True))
    steps = [truth[text] for text in found["group"]]
    assert kendalltau(found["value"].to_list(), steps).statistic >= 0.95
    inside = [low <= step <= high for low, high, step in zip(found["low"], found["high"], steps, strict=True)]
    assert np.mean(inside) >= 0.9


def test_the_planted_conduct_is_found(run: Run) -> None:
    where = {"step": STEPS[-1], "by": "n", "group": "3"}
    for metric, truth in (("mean@8", 0.85), ("execution", 0.8)):
        found = row(run, metric=metric, **where)
        assert found["low"] <= truth <= found["high"], found
    assert row(run, metric="attempts", **where)["value"] == 3
    assert row(run, metric="greedy", **where)["value"] == 1
    assert row(run, metric="greedy", step=0, by="n", group="3")["value"] == 0


def test_the_planted_substitution_is_found(run: Run) -> None:
    """A quarter of the answers to puzzles with a substitute use it; forced puzzles have none."""
    where = {"metric": "substitution", "step": STEPS[-1], "by": "n,forced"}
    found = row(run, **where, group="3,false")
    assert found["low"] <= 0.25 <= found["high"]
    assert row(run, **where, group="3,true")["value"] == 0


def test_the_planted_coverage_is_found(run: Run) -> None:
    """Wrong attempts never divide; at the base nearly nothing is right, at the end all patterns are answered."""
    budget = next(name for name in run.estimates()["metric"].unique() if name.startswith("coverage@"))
    without = sum("/" not in pattern.text for pattern in patterns(3))
    base = row(run, metric=budget, step=0, by="n", group="3")
    assert without / 18 - 0.01 <= base["value"] < 1
    assert row(run, metric=budget, step=STEPS[-1], by="n", group="3")["value"] > 0.99
    # Nobody tries A/B/C at the base but those who answer with it.
    assert row(run, metric="attempt rate", step=0, by="pattern", group="A/B/C")["value"] < 0.02
    assert row(run, metric="hit rate given solvable", step=STEPS[-1], by="pattern", group="A/B/C")["value"] == 1


@pytest.mark.slow
def test_two_checkpoints_give_a_diagnosis_without_acquisition(tmp_path: Path) -> None:
    """Without the base model there is no gain and no acquisition; with two checkpoints there are both."""
    run = made(tmp_path, test={3: 36}, held_out={}, hold_out=[])
    play(Oracle(lambda *_: 0.5).completions, run, [500], [1], 4)
    score(run, silent)
    assert not {"acquisition", "mean@4 gain"} & set(run.estimates()["metric"])
    play(Oracle(lambda *_: 0.5).completions, run, [0], [1], 4)
    run.estimates_file.unlink()
    score(run, silent)
    assert {"acquisition", "mean@4 gain", "support: both"} <= set(run.estimates()["metric"])


def test_a_puzzle_without_its_source_is_refused() -> None:
    with pytest.raises(ValueError, match="not solved by its source"):
        next(Oracle(lambda *_: 1.0).completions(Puzzle((1, 2, 3), 6), 0, 1, 1))
