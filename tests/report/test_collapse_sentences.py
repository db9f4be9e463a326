"""The report says where success falls, only if it clearly does."""

import numpy as np
import polars as pl

from planted import planted_cells, puzzle_rows
from ramify.analysis.collapse import collapses
from ramify.analysis.linear import linear_parts, moderated_rows
from ramify.analysis.metrics import mean_at_k
from ramify.analysis.rows import adjusted, rows
from ramify.report.abstract import details, headline
from ramify.report.collapse import collapsed
from ramify.report.view import View

STEPS = (0, 150, 300, 450, 600, 750)
RISEN, FALLEN = [0.1, 0.4, 0.7, 0.9, 0.9, 0.9], [0.1, 0.5, 0.8, 0.95, 0.6, 0.1]


def estimated(levels: dict[int, list[float]], *more: pl.DataFrame) -> View:
    """The report's estimates of forty puzzles of n = 3 with these levels of success in each seed."""
    puzzles, random = puzzle_rows(["A+B*C"], 40), np.random.default_rng(4)
    cells = planted_cells(puzzles, {seed: np.array([level] * 40).T for seed, level in levels.items()}, 8, random, STEPS)
    found = list(more)
    for seeds in [[seed] for seed in levels] + ([list(levels)] if len(levels) > 1 else []):
        parts = list(linear_parts(cells, seeds, ["all", "n"], {"mean@8": mean_at_k(8)}))
        found += [*moderated_rows(parts, seeds[0] if len(seeds) == 1 else None), *collapses(cells, seeds)]
    return View("planted", adjusted(pl.concat(found)))


def jump(name: str, step: float | None, status: str, seed: int | None = 1) -> pl.DataFrame:
    where = f"{name} change point", "train", seed, "all", [750], ["all"]
    value = np.array([[np.nan if step is None else step]])
    return rows(*where, [value], p=0.001, status=np.array([[status]], object))


def test_a_fall_is_in_the_headlines_with_its_checkpoints() -> None:
    view = estimated({1: FALLEN})
    before, after = (view.estimates.filter(metric="mean@8", by="n", step=step)["value"].item() for step in (450, 750))
    said = f"Success on n = 3 falls from {before:.1%} at step 450 to {after:.1%} at step 750."
    assert collapsed(view) == [said]
    assert headline(view)[1] == said
    assert "Half of the fall of success on n = 3 is lost by step 750 [600, 750], p < 0.001." in details(view)


def test_without_a_clear_fall_it_is_silent() -> None:
    jumps = jump("entropy", 500, "fell")
    for view in (estimated({1: RISEN}, jumps), estimated(dict.fromkeys((1, 2, 3), RISEN), jumps)):
        assert collapsed(view) == []
        assert "falls" not in " ".join([*headline(view), *details(view)])


def test_what_jumps_at_the_same_time_is_said() -> None:
    """The reward jumps before the fall, and the entropy within it."""
    view = estimated({1: FALLEN}, jump("entropy", 520, "fell"), jump("reward", 450, "rose"), jump("length", None, "no"))
    assert collapsed(view)[1:] == ["Between these checkpoints, entropy falls at step 520."]
    both = estimated({1: FALLEN}, jump("entropy", 520, "fell"), jump("length", 530, "rose"))
    assert collapsed(both)[1:] == [
        "Between these checkpoints, entropy falls at step 520, completion length rises at step 530."
    ]


def test_the_end_is_said_if_success_rises_again_and_a_regained_dip_is_not() -> None:
    (said,) = collapsed(estimated({1: [0.1, 0.9, 0.2, 0.1, 0.3, 0.35]}))
    assert collapsed(estimated({1: [0.1, 0.9, 0.2, 0.1, 0.5, 0.6]})) == []
    assert "at step 450, and is " in said
    assert said.endswith("% at the end.")


def test_falls_of_single_training_runs_are_counted() -> None:
    view = estimated(
        {1: RISEN, 2: FALLEN, 3: RISEN},
        jump("entropy", 520, "fell", 2),
        jump("entropy", 530, "rose", 1),
        jump("length", 540, "rose", None),
    )
    said, same_time = collapsed(view)
    assert said.startswith("Success on n = 3 falls in 1 of 3 training runs, in seed 2 from ")
    assert said.endswith("% at step 750.")
    assert same_time == "Between these checkpoints, entropy falls at step 520."
    assert "n = 3 in seed 2 is lost by step 750" in " ".join(details(view))


def test_several_seeds_that_fall_are_one_sentence() -> None:
    (said,) = collapsed(estimated(dict.fromkeys((1, 2, 3), FALLEN)))
    assert said.startswith("Success on n = 3 falls from ")


def test_a_table_without_its_checkpoints_is_no_error() -> None:
    view = estimated({1: FALLEN})
    for metric, step in (("mean@8", 450), ("collapse: best", 750)):
        kept = view.estimates.filter(~((pl.col("metric") == metric) & (pl.col("step") == step) & (pl.col("by") == "n")))
        assert collapsed(View("partial", kept)) == []
