"""Structure effects against planted truth: worlds are drawn here, apart from what estimates them."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from planted import planted_cells, puzzle_rows
from ramify import Run, patterns
from ramify.algebra.structure import structure
from ramify.analysis.cells import SetCells
from ramify.analysis.effects import effects
from ramify.analysis.estimate import estimate
from ramify.analysis.rows import adjusted


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


BY_CLASS: dict[str, list[str]] = defaultdict(list)
for _pattern in (*patterns(3), *patterns(4)):
    BY_CLASS[structure(_pattern).shape_class].append(_pattern.text)


def small_world(random: np.random.Generator, classes: dict[str, int], steps: Sequence[int] = (0,)) -> SetCells:
    """Puzzles of random patterns, four samples each, every completion right with p = 0.7 whatever the puzzle."""
    sources = [str(text) for name, count in classes.items() for text in random.choice(BY_CLASS[name], count)]
    puzzles = features(puzzle_rows(sources, 1), random)
    puzzles = puzzles.with_columns(puzzle_id=pl.Series([f"{index:04d}" for index in range(len(puzzles))]))
    return planted_cells(puzzles, {1: np.full((len(steps), len(puzzles)), 0.7)}, 4, random, steps)


def features(puzzles: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """With what differs within patterns: right-heavy ones have fewer solutions, division makes fractions."""
    heavy = (puzzles["shape_class"] == "right-heavy").to_numpy()
    divided = puzzles["divisions"].to_numpy() > 0
    return puzzles.with_columns(
        multiplicity=pl.Series(1 + random.poisson(np.where(heavy, 1.0, 4.0))),
        fractional=pl.Series(random.random(len(puzzles)) < np.where(divided, 0.4, 0.0)),
        largest=pl.Series(np.exp(random.normal(5, 1, len(puzzles)))),
    )


PLANTED = {
    "n": (-1.0, -0.6),
    "balanced": (0.3, 0.3),
    "lookahead": (-0.2, -0.4),
    "right-heavy": (-0.4, -0.8),
    "divisions": (-0.6, -0.9),
    "log2 multiplicity": (0.4, 0.5),
    "fractional": (-0.3, -0.3),
    "log2 largest": (0.1, 0.0),
}
"""Log-odds at the base and after training."""


def trained_world(random: np.random.Generator, spread: float = 0.5, seeds: int = 3) -> SetCells:
    """All patterns of n = 3 and 4, 3 to 12 puzzles each; patterns, puzzles and runs differ beyond features."""
    sources = [text for texts in BY_CLASS.values() for text in texts]
    sizes = random.integers(3, 13, len(sources))
    chosen = [text for text, size in zip(sources, sizes, strict=True) for _ in range(size)]
    puzzles = features(puzzle_rows(chosen, 1), random)
    puzzles = puzzles.with_columns(puzzle_id=pl.Series([f"{index:04d}" for index in range(len(puzzles))]))
    shape = puzzles["shape_class"]
    columns = {
        "n": puzzles["n"] - 4,
        "balanced": shape == "balanced",
        "lookahead": puzzles["lookahead"] - 2,
        "right-heavy": shape == "right-heavy",
        "divisions": puzzles["divisions"],
        "log2 multiplicity": puzzles["multiplicity"].log(2),
        "fractional": puzzles["fractional"],
        "log2 largest": puzzles["largest"].log(2) - 7,
    }
    owner = np.repeat(np.arange(len(sources)), sizes)
    always, puzzle = random.normal(0, spread, len(sources))[owner], random.normal(0, 0.3, len(puzzles))
    anew = random.normal(0, spread / 2, len(sources))[owner]
    logits = []
    for step, start in enumerate((-0.8, 0.8)):
        known = sum(PLANTED[name][step] * column.cast(pl.Float64).to_numpy() for name, column in columns.items())
        logits.append(start + known + always + puzzle + step * anew)
    runs = {seed: np.array([logits[0], logits[1] + random.normal(0, 0.15)]) for seed in range(1, seeds + 1)}
    return planted_cells(puzzles, {seed: 1 / (1 + np.exp(-logit)) for seed, logit in runs.items()}, 4, random, (0, 32))


def told(cells: SetCells, seeds: Sequence[int] = (1,), by: str = "term") -> pl.DataFrame:
    return adjusted(pl.concat(effects([cells], seeds))).filter(pl.col("by") == by)


def row(frame: pl.DataFrame, term: str, step: int = 0, metric: str = "effect") -> dict:
    return frame.filter((pl.col("group") == term) & (pl.col("step") == step) & (pl.col("metric") == metric)).row(
        0, named=True
    )


SMALL = {
    100: {"left-heavy": 79, "right-heavy": 4, "balanced": 4},
    50: {"left-heavy": 34, "right-heavy": 8, "balanced": 8},
    30: {"left-heavy": 12, "right-heavy": 10, "balanced": 8},
}
"""Puzzles of small imports by shape class."""


def null_rates(puzzles: int, worlds: int, random: np.random.Generator) -> tuple[dict[str, float], float, set[str]]:
    """For each term, how many intervals leave out 0; how many worlds have a discovery; what was said."""
    away, there, said, discoveries = Counter(), Counter(), set(), 0
    for _ in range(worlds):
        frame = told(small_world(random, SMALL[puzzles]))
        for term, low, high, status in frame.select("group", "low", "high", "status").iter_rows():
            if status:
                said.add(status)
            else:
                there[term] += 1
                away[term] += low > 0 or high < 0
        discoveries += bool((frame["q"] <= 0.05).any())
    return {term: away[term] / count for term, count in there.items() if count > worlds / 2}, discoveries / worlds, said


@pytest.mark.parametrize("puzzles", SMALL)
def test_small_imports_find_nothing_where_nothing_is(random: np.random.Generator, puzzles: int) -> None:
    """Of 60 worlds at 5 %, ten or more leave out 0 once in a thousand times."""
    rates, discoveries, said = null_rates(puzzles, 60, random)
    assert len(rates) >= 4
    assert max(rates.values()) <= 9 / 60
    assert np.mean(list(rates.values())) <= 0.06
    assert discoveries <= 9 / 60
    if puzzles == 100:
        assert {"too few right-heavy puzzles (4)", "too few balanced puzzles (4)"} <= said


@pytest.mark.slow
@pytest.mark.parametrize("puzzles", SMALL)
def test_null_worlds_at_length(random: np.random.Generator, puzzles: int) -> None:
    rates, discoveries, _ = null_rates(puzzles, 1000, random)
    assert max(rates.values()) <= 0.07
    assert discoveries <= 0.05


def covered(worlds: int, random: np.random.Generator) -> dict[tuple[str, int, str], float]:
    """The shares of worlds whose intervals hold what is planted, by metric, step and term."""
    hits: Counter[tuple[str, int, str]] = Counter()
    for _ in range(worlds):
        frame = told(trained_world(random), (1, 2, 3)).filter(pl.col("value").is_not_null())
        assert frame["seed"].is_null().all()
        for metric, step, term, low, high in frame.select("metric", "step", "group", "low", "high").iter_rows():
            base, trained = PLANTED[term]
            truth = trained - base if metric == "effect change" else (base, trained)[step > 0]
            hits[metric, step, term] += low <= truth <= high
    return {key: count / worlds for key, count in hits.items()}


@pytest.mark.slow
def test_planted_effects_are_covered_where_patterns_differ_beyond_their_features(random: np.random.Generator) -> None:
    found = covered(25, random)
    assert len(found) == 3 * len(PLANTED)
    assert np.mean(list(found.values())) >= 0.9
    assert min(found.values()) >= 0.7


@pytest.mark.slow
def test_planted_effects_at_length(random: np.random.Generator) -> None:
    """Differences between patterns and puzzles pull log-odds towards 0 by some 5 %, which narrow intervals show."""
    found = covered(400, random)
    assert 0.92 <= np.mean(list(found.values())) <= 0.97
    assert min(found.values()) >= 0.87


@pytest.fixture(scope="module")
def all_patterns() -> pl.DataFrame:
    """Eight puzzles of each pattern of n = 3 and 4."""
    sources = [text for texts in BY_CLASS.values() for text in texts]
    return features(puzzle_rows(sources, 8), np.random.default_rng(3))


def chances(puzzles: pl.DataFrame, penalty: float, random: np.random.Generator) -> np.ndarray:
    """Success with effects of divisions, multiplicity and fractions, a planted one of right-heaviness, and luck."""
    logit = (
        0.3
        - 0.9 * puzzles["divisions"].to_numpy()
        + 0.5 * np.log2(puzzles["multiplicity"].to_numpy())
        - 0.5 * puzzles["fractional"].to_numpy()
        - penalty * (puzzles["shape_class"] == "right-heavy").to_numpy()
    )
    return 1 / (1 + np.exp(-logit - random.normal(0, 0.3, len(puzzles))))


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [0.0, 0.8])
def test_right_heaviness_is_told_from_what_comes_with_it(
    all_patterns: pl.DataFrame, random: np.random.Generator, penalty: float
) -> None:
    found, naive = [], []
    for _ in range(60):
        success = chances(all_patterns, penalty, random)
        cells = planted_cells(all_patterns, {1: success[None]}, 8, random, (0,))
        found.append([row(told(cells), "right-heavy")[key] for key in ("value", "low", "high", "p")])
        heavy, left = ((all_patterns["shape_class"] == name).to_numpy() for name in ("right-heavy", "left-heavy"))
        naive.append(success[heavy].mean() - success[left].mean())
    value, low, high, p = np.array(found).T
    assert value.mean() == pytest.approx(-penalty, abs=0.08)
    assert np.mean((low <= -penalty) & (-penalty <= high)) >= 0.88
    if penalty == 0:
        assert np.mean(naive) < -0.1  # success alone says that right-heavy is harder
        assert np.mean(p < 0.05) <= 0.12  # the model does not
    else:
        assert np.mean(p < 0.05) >= 0.95


def test_the_terms_are_the_same_at_both_checkpoints_and_their_change_is_the_difference(
    all_patterns: pl.DataFrame, random: np.random.Generator
) -> None:
    success = chances(all_patterns, 0.8, random)
    cells = planted_cells(all_patterns, {seed: np.array([success / 3, success]) for seed in (1, 2)}, 4, random, (0, 9))
    frame = told(cells, (1, 2))
    terms = {key: list(part["group"]) for key, part in frame.group_by("metric", "step")}
    assert set(terms) == {("effect", 0), ("effect", 9), ("effect change", 9)}
    assert len({tuple(names) for names in terms.values()}) == 1
    for step, metric in ((0, "effect"), (9, "effect"), (9, "effect change")):
        assert row(frame, "depth", step, metric)["status"] == "aliased with n and balanced"
        assert row(frame, "depth", step, metric)["value"] is None
    change = row(frame, "divisions", 9, "effect change")
    assert change["value"] == pytest.approx(row(frame, "divisions", 9)["value"] - row(frame, "divisions")["value"])
    assert set(frame["n"]) == {len(all_patterns)}
    assert set(told(cells, (2,))["seed"]) == {2}


def test_counts_of_seeds_are_the_fit_of_all_their_samples(
    all_patterns: pl.DataFrame, random: np.random.Generator
) -> None:
    """The same from statsmodels, a row a seed and puzzle, whose own sandwich is near."""
    import statsmodels.api as sm

    puzzles = all_patterns.filter(pl.col("n") == 4)
    success = chances(puzzles, 0.8, random)
    cells = planted_cells(puzzles, dict.fromkeys((1, 2), success[None]), 4, random, (0,))
    frame = told(cells, (1, 2))
    shape = puzzles["shape_class"]
    columns = [
        np.ones(len(puzzles)),
        shape == "balanced",
        puzzles["lookahead"],
        shape == "right-heavy",
        puzzles["divisions"],
        puzzles["multiplicity"].log(2),
        puzzles["fractional"],
        puzzles["largest"].log(2),
    ]
    design = np.tile(np.column_stack([np.asarray(column, float) for column in columns]), (2, 1))
    correct = cells.frame.sort("seed", "puzzle")["correct"].to_numpy()
    model = sm.GLM(np.column_stack([correct, 4 - correct]), design, family=sm.families.Binomial())
    groups = np.tile(puzzles["pattern"].rank("dense").to_numpy(), 2)
    found = model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    mine = row(frame, "right-heavy")
    assert mine["value"] == pytest.approx(found.params[3], rel=1e-4)
    low, high = found.conf_int()[3]
    assert mine["high"] - mine["low"] == pytest.approx(high - low, rel=0.2)


def test_at_three_leaves_right_heavy_and_lookahead_are_one(random: np.random.Generator) -> None:
    puzzles = features(puzzle_rows([pattern.text for pattern in patterns(3)], 10), random)
    cells = planted_cells(puzzles, {1: np.full((1, len(puzzles)), 0.4)}, 8, random, (0,))
    assert row(told(cells), "right-heavy")["status"] == "aliased with lookahead"
    assert row(told(cells), "lookahead")["low"] < 0 < row(told(cells), "lookahead")["high"]
    assert row(told(cells, by="term without lookahead"), "right-heavy")["value"] is not None
    assert row(told(cells), "depth")["status"] == "the same in all puzzles"
    assert row(told(cells), "balanced")["status"] == "too few balanced puzzles (0)"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_where_all_fail_or_succeed_nothing_is_told(
    all_patterns: pl.DataFrame, random: np.random.Generator, share: float
) -> None:
    cells = planted_cells(all_patterns, {1: np.full((1, len(all_patterns)), share)}, 8, random, (0,))
    frame = told(cells)
    assert frame["value"].null_count() == len(frame)
    assert row(frame, "n")["status"] == "separated"


def test_a_term_that_decides_all_is_said(all_patterns: pl.DataFrame, random: np.random.Generator) -> None:
    """No puzzle with fractions is solved by the base: the others still say what shape does, at the same terms."""
    base = np.where(all_patterns["fractional"].to_numpy(), 0.0, chances(all_patterns, 0.8, random))
    success = np.array([base, chances(all_patterns, 0.8, random)])
    frame = told(planted_cells(all_patterns, {1: success}, 8, random, (0, 9)))
    assert row(frame, "fractional")["status"] == "separated"
    assert row(frame, "fractional", 9)["value"] is not None
    assert row(frame, "fractional", 9, "effect change")["status"] == "separated"
    heavy = row(frame, "right-heavy")
    assert heavy["low"] <= -0.8 <= heavy["high"]


def test_what_can_no_longer_be_told_apart_is_separated_too(
    all_patterns: pl.DataFrame, random: np.random.Generator
) -> None:
    """Where n = 4 always fails, lookahead and right-heavy are one variable in what is left: neither gets the sum."""
    base = np.where(all_patterns["n"].to_numpy() == 4, 0.0, chances(all_patterns, 0.8, random))
    frame = told(planted_cells(all_patterns, {1: base[None]}, 8, random, (0,)))
    for term in ("n", "lookahead", "right-heavy"):
        assert row(frame, term)["status"] == "separated"
    divisions = row(frame, "divisions")
    assert divisions["low"] <= -0.9 <= divisions["high"]


def test_few_patterns_are_said(random: np.random.Generator) -> None:
    sources = [*BY_CLASS["left-heavy"][:30], *BY_CLASS["right-heavy"][:2]]
    puzzles = features(puzzle_rows(sources, 6), random)
    cells = planted_cells(puzzles, {1: np.full((1, len(puzzles)), 0.5)}, 4, random, (0,))
    assert row(told(cells), "right-heavy")["status"] == "too few right-heavy patterns (2)"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_a_model_of_few_puzzles_tells_nothing(random: np.random.Generator, count: int) -> None:
    """As many parameters as puzzles fit anything."""
    puzzles = features(puzzle_rows([text for texts in BY_CLASS.values() for text in texts[:2]][:count], 1), random)
    cells = planted_cells(puzzles, {1: np.full((2, count), 0.5)}, 2, random, (0, 9))
    frame = told(cells)
    assert frame["value"].null_count() == frame["status"].count() == len(frame)


def test_puzzles_of_two_leaves_have_no_structure(random: np.random.Generator) -> None:
    cells = planted_cells(puzzle_rows(["A+B"], 10), {1: np.full((1, 10), 0.5)}, 4, random, (0,))
    assert list(effects([cells], [1])) == []


@pytest.mark.slow
def test_a_run_of_several_seeds_has_one_model(known_run: Run) -> None:
    """With a copy of its only seed, a run has the same terms, in rows without a seed and no others."""
    single = estimate(known_run).filter(pl.col("metric").str.starts_with("effect"))
    shutil.copytree(known_run.path / "seed-1", known_run.path / "seed-2")
    both = estimate(Run(known_run.path)).filter(pl.col("metric").str.starts_with("effect"))
    assert len(single) == len(both) > 0
    assert set(single["seed"]) == {1}
    assert both["seed"].is_null().all()
    keys = ["metric", "step", "by", "group", "status", "n"]
    assert single.select(keys).equals(both.select(keys))
