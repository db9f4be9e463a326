"""Change points of training series: planted jumps are found, drifts and waves are none, and logs may be damaged."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ramify.analysis.change_point import FEWEST, change_point
from ramify.analysis.training_log import change_points, logged, training_series
from ramify.run import Run
from ramify.schemas import ROLLOUTS
from ramify.tables import write_table


def waves(random: np.random.Generator, count: int, alike: float) -> np.ndarray:
    """A series without a jump whose neighbours have a correlation."""
    found = random.normal(size=count)
    for place in range(1, count):
        found[place] = alike * found[place - 1] + np.sqrt(1 - alike**2) * found[place]
    return found


def bare_run(folder: Path) -> Run:
    (folder / "config.json").write_text("{}")
    return Run(folder)


@pytest.mark.parametrize("count", [60, 750])
def test_a_planted_jump_is_found_in_its_place(count: int) -> None:
    random, at = np.random.default_rng(1), count * 2 // 3
    found = change_point(waves(random, count, 0.5) - 6.0 * (np.arange(count) >= at))
    assert found is not None
    assert found.is_clear
    assert found.jump == pytest.approx(-6, abs=2)
    assert abs(found.at - at) <= count // 40


def test_the_fit_is_that_of_least_squares() -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=FEWEST) + np.arange(FEWEST) * 0.1
    found = change_point(values)
    assert found is not None
    places = np.arange(FEWEST)
    squares = {}
    for split in range(4, FEWEST - 3):
        design = np.c_[np.ones(FEWEST), places, places >= split]
        solution, (left,), *_ = np.linalg.lstsq(design, values, rcond=None)
        squares[split] = left, solution[2]
    best = min(squares, key=lambda split: squares[split][0])
    assert (found.at, found.jump) == (best, pytest.approx(squares[best][1]))


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
def test_drifts_and_slow_waves_are_no_jumps(alike: float) -> None:
    random = np.random.default_rng(3)
    found = [change_point(waves(random, 300, alike) - 0.02 * np.arange(300)) for _ in range(60)]
    assert sum(one is not None and one.is_clear for one in found) <= 6


def test_a_short_or_straight_series_has_none() -> None:
    assert change_point(np.random.default_rng(4).normal(size=FEWEST - 1)) is None
    assert change_point(np.full(100, 0.3)) is None


def test_damaged_and_hostile_log_lines_are_left_out() -> None:
    deep, digits = "[" * 100_000, "9" * 400
    lines = [
        '{"step": 1, "entropy": 0.5, "completions/mean_length": 30}',
        '{"step": 2, "entropy": "0.4", "reward": true}',
        f'{{"step": 3, "entropy": {digits}}}',
        f'{{"step": {digits}, "entropy": 1}}',
        '{"step": true, "entropy": 1}',
        '{"step": 4, "entropy": Infinity}',
        '{"step": -1, "entropy": 1}',
        deep,
        "[1, 2]",
        "null",
        '{"step": 5, "entr',
    ]
    assert logged("\n".join(lines)) == {"entropy": {1: 0.5}, "length": {1: 30.0}, "reward": {}}


def test_rows_have_the_step_and_the_direction(tmp_path: Path) -> None:
    random, run = np.random.default_rng(5), bare_run(tmp_path)
    for seed in (1, 2):
        run.train_log(seed).parent.mkdir(parents=True)
        values = [0.5 - 0.3 * (step > 40) + random.normal(0, 0.02) for step in range(1, 61)]
        lines = [{"step": step, "entropy": value} for step, value in enumerate(values, 1)]
        run.train_log(seed).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = change_points([training_series(run, 1), training_series(run, 2)], None, 60)
    row = found.row(0, named=True)
    assert (row["metric"], row["set"], row["seed"], row["step"]) == ("entropy change point", "train", None, 60)
    assert (row["value"], row["status"]) == (41, "fell")
    assert row["p"] < 0.01


def test_an_imported_run_has_the_series_of_its_rollouts(tmp_path: Path) -> None:
    run = bare_run(tmp_path)
    texts = ["a" * 10, "a" * 20]
    for step in (1, 2):
        frame = pl.DataFrame({"puzzle_id": "1", "pattern": None, "text": texts, "reward": [0.0, None]})
        write_table(frame.cast(ROLLOUTS), run.rollouts_file(1, step), ROLLOUTS)
    assert training_series(run, 1) == {"reward": {1: 0.0, 2: 0.0}, "length": {1: 15.0, 2: 15.0}}
    assert training_series(run, 2) == {"reward": {}, "length": {}}
    assert not list(change_points([training_series(run, 2)], 2, 60))
