"""Every metric against a case worked by hand."""

import numpy as np
import polars as pl
import pytest

from planted import planted_cells, puzzle_rows
from ramify import Run
from ramify.analysis.cells import SetCells, grouping, set_cells, uses
from ramify.analysis.changes import is_paired, unpaired_changes
from ramify.analysis.choice import choices
from ramify.analysis.composition import composition_gaps
from ramify.analysis.estimate import estimate
from ramify.analysis.estimators import wilson_limits
from ramify.analysis.linear import moderated_rows
from ramify.analysis.metrics import measured
from ramify.analysis.rows import adjusted, pooled, rows, within_bounds
from ramify.analysis.shapes import shape_gaps
from ramify.analysis.signal import signal_and_success, zero_advantage
from ramify.analysis.support import pattern_support, support
from ramify.analysis.timing import timing
from ramify.analysis.transfer import transfer
from ramify.analysis.uses import attempted
from ramify.frames import CELLS
from ramify.schemas import ATTEMPTS, GRADES
from ramify.stages.score import score
from ramify.tables import read_table, write_table


def one(frame: pl.DataFrame, **wanted: object) -> dict:
    for column, what in wanted.items():
        frame = frame.filter(pl.col(column).is_null() if what is None else pl.col(column) == what)
    assert len(frame) == 1, frame
    return frame.row(0, named=True)


def cells_of(correct: dict[str, list[list[int]]], k: int, steps: list[int], name: str = "test") -> SetCells:
    """Cells of given counts: for each pattern a row a step, an entry a puzzle."""
    puzzles = pl.concat([puzzle_rows([text], len(table[0])) for text, table in correct.items()])
    counts = np.concatenate([np.array(table) for table in correct.values()], axis=1)
    cells = planted_cells(puzzles, {1: np.zeros(counts.shape)}, k, np.random.default_rng(0), steps, name)
    return SetCells(
        name, puzzles, cells.frame.with_columns(correct=pl.Series(counts.ravel(), dtype=pl.Int32)), cells.task
    )


def test_ratios_by_hand() -> None:
    columns = {
        "k": [4, 4, 4],
        "correct": [0, 1, 3],
        "greedy": [0, 1, None],
        "attempts": [4, 8, 6],
        "patternless": [0, 1, 2],
        "stated": [4, 6, 0],
        "right": [2, 6, 0],
        "truncated": [1, 0, 0],
        "placed": [0, 1, 3],
        "substituted": [0, 1, 1],
        "tried": [2, 4, 4],
        "hit": [0, 2, 4],
        "sound": [0, 1, 2],
        "votes": [0, 2, 4],
        "same_answers": [0, 0, 3],
        "majority": [0.0, 0.5, 1.0],
        "distinct": [0, 1, 2],
        "same_texts": [6, 0, None],
    }
    cells = pl.DataFrame(columns)
    expected = {
        "mean@4": 1 / 3,
        "pass@2": (0 + 1 / 2 + 1) / 3,
        "pass@4": 2 / 3,
        "maj@4": (0 + 0.5 + 1) / 3,
        "cover@0.5": 1 / 3,
        "CoT-pass@1": 3 / 12,
        "CoT-pass@2": (0 + 1 / 2 + 5 / 6) / 3,
        "CoT-pass@4": 2 / 3,
        "greedy": 1 / 2,
        "attempted": 10 / 12,
        "hit given attempted": 6 / 10,
        "correct given hit": 4 / 6,  # 10/12 * 6/10 * 4/6 = 1/3 = mean@4
        "execution": 0.8,
        "attempts": 1.5,
        "without a pattern": 3 / 18,
        "truncated": 1 / 12,
        "substitution": 2 / 4,
        "correct patterns@4": 1.0,
        "identical answers": 3 / (1 + 6),
        "identical completions": 6 / 12,
    }
    assert list(measured(4)) == list(expected)
    for name, ratio in measured(4).items():
        above, below = ratio.numerator.cast(pl.Float64), ratio.denominator + pl.lit(0.0) * pl.col("k")
        sums = cells.select(above=above, below=below).sum()
        assert sums["above"][0] / sums["below"][0] == pytest.approx(expected[name]), name


def test_pass_at_j_is_missing_below_j_samples() -> None:
    ratio = measured(4)["pass@4"]
    cells = pl.DataFrame({"k": [2, 4], "correct": [1, 0]})
    parts = cells.select(above=ratio.numerator, below=ratio.denominator)
    assert parts.rows() == [(None, None), (0.0, 1.0)]


def test_composition_gap_by_hand() -> None:
    """(A+B)*(C-D): 0.2 - 0.8 * 0.5; A*B+C: 0.5 - 0.6; A-B+C has no measured part."""
    skills = cells_of({"A+B": [[4] * 10], "A-B": [[2, 3] * 5], "A*B": [[3] * 10]}, 5, [0], "skills")
    whole = cells_of({"(A+B)*(C-D)": [[1] * 10], "A*B+C": [[2, 3] * 5], "A/B+C": [[1] * 10]}, 5, [0])
    frame = pl.concat(list(composition_gaps([skills, whole], 1)))
    assert one(frame, by="pattern", group="(A+B)*(C-D)")["value"] == pytest.approx(0.2 - 0.8 * 0.5)
    gap = one(frame, by="pattern", group="A*B+C")
    assert gap["value"] == pytest.approx(0.5 - 0.6)
    # Its interval: that of 5/10 and of 6/10 by Wilson, combined.
    (own_low, part_low), (own_high, part_high) = wilson_limits(np.array([0.5, 0.6]), np.array([10, 10]))
    assert gap["low"] == pytest.approx(-0.1 - ((0.5 - own_low) ** 2 + (part_high - 0.6) ** 2) ** 0.5)
    assert gap["high"] == pytest.approx(-0.1 + ((own_high - 0.5) ** 2 + (0.6 - part_low) ** 2) ** 0.5)
    assert frame.filter(pl.col("group") == "A/B+C").is_empty()
    assert one(frame, by="n", group="3")["n"] == 10


def transferred(sets: dict[str, SetCells]) -> pl.DataFrame:
    return pl.concat(list(moderated_rows(list(transfer(sets, [1])), 1)))


def test_transfer_by_hand() -> None:
    """The controls of A-B*C are of equal make: A/(B+C), not A/(B-C), which has two of - and /."""
    held = cells_of({"A-B*C": [[1, 1], [2, 2]]}, 4, [0, 9], "held_out")
    seen = cells_of({"A/(B+C)": [[1, 1], [3, 4]], "A/(B-C)": [[1, 1], [4, 4]], "A*B+C": [[1, 1], [4, 4]]}, 4, [0, 9])
    frame = transferred({"held_out": held, "test": seen})
    assert one(frame, by="pattern", step=9)["group"] == "A-B*C"
    row = one(frame, by="all", step=9)
    assert (row["value"], row["n"], row["patterns"]) == (pytest.approx(1 / 4 - 5 / 8), 4, 2)


def test_transfer_compares_with_all_controls_by_puzzles() -> None:
    """Two held-out puzzles of one stratum, one of another: weights 2/3 and 1/3; controls of a stratum together."""
    held = cells_of({"A*B+C-D": [[2, 2], [2, 2]], "A-B*C": [[0], [4]]}, 4, [0, 9], "held_out")
    seen = cells_of({"A+B+C-D": [[4, 4, 0], [4, 4, 4]], "A*B*C-D": [[1], [2]], "A/(B+C)": [[0, 0], [1, 1]]}, 4, [0, 9])
    frame = transferred({"held_out": held, "test": seen})
    assert one(frame, by="n", group="4", step=9)["value"] == pytest.approx(0 - (0 + 0 + 1 + 1 / 4) / 4)
    assert one(frame, by="n", group="3", step=9)["value"] == pytest.approx(1 - 1 / 4)
    assert one(frame, by="all", step=9)["value"] == pytest.approx((2 * -(5 / 16) + 3 / 4) / 3)


def test_a_held_out_pattern_without_controls_does_not_count() -> None:
    held = cells_of({"A-B*C": [[1, 1], [2, 2]]}, 4, [0, 9], "held_out")
    seen = cells_of({"A*B+C": [[1, 1], [4, 4]]}, 4, [0, 9])
    assert list(transfer({"held_out": held, "test": seen}, [1])) == []


def test_shape_gaps_by_hand() -> None:
    """A-B*C against A*B-C (one -, no /) and A-B/C against A/B-C (both); A+B+C has no partner."""
    cells = cells_of(
        {"A-B*C": [[1] * 12], "A*B-C": [[3] * 6], "A-B/C": [[2] * 4], "A/B-C": [[4] * 8], "A+B+C": [[4] * 9]}, 4, [0]
    )
    frame = pl.concat(list(moderated_rows(list(shape_gaps(cells, [1])), 1))).filter(
        pl.col("metric") == "right-heavy gap"
    )
    row = one(frame, by="all")
    assert row["value"] == pytest.approx((12 * (1 - 3) / 4 + 4 * (2 - 4) / 4) / 16)
    assert (row["n"], row["patterns"], row["low"]) == (30, 4, None)
    assert row["status"] == "too few right-heavy patterns (2)"
    row = one(frame, by="n,depth,subtractions,divisions", group="3,2,1,1")
    assert (row["value"], row["status"]) == (pytest.approx(-0.5), "too few right-heavy puzzles (4)")


def test_support_by_hand() -> None:
    """Four puzzles of one pattern: base only, both, trained only, neither; one pattern that only the trained solves."""
    cells = cells_of({"A*B+C": [[1, 2, 0, 0], [0, 1, 3, 0]], "A-B*C": [[0, 0], [0, 1]]}, 4, [0, 9])
    frame = pl.concat(list(support(cells, 1, ["all"])))
    for kind, count in (("base only", 1), ("both", 1), ("trained only", 2), ("neither", 2)):
        assert one(frame, metric=f"support: {kind}")["value"] == pytest.approx(count / 6)
    row = one(frame, metric="null-set unlock rate")  # of the four that the base never solved
    assert (row["value"], row["n"]) == (pytest.approx(2 / 4), 4)
    frame = pl.concat(list(pattern_support(cells, 1, ["all"])))
    assert one(frame, metric="pattern support: both")["value"] == pytest.approx(0.5)
    assert one(frame, metric="pattern support: trained only")["value"] == pytest.approx(0.5)


def test_support_compares_equal_numbers_of_samples() -> None:
    """The trained model has 4 samples, one right; the base has 2: within 2 of 4 it is found half of the time."""
    cells = cells_of({"A*B+C": [[0], [1]]}, 4, [0, 9])
    k = pl.when(pl.col("step") == 0).then(2).otherwise(4).cast(pl.Int32)
    cells = SetCells("test", cells.puzzles, cells.frame.with_columns(k=k), cells.task)
    frame = pl.concat(list(support(cells, 1, ["all"])))
    assert one(frame, metric="support: trained only")["value"] == pytest.approx(0.5)


def test_timing_by_hand() -> None:
    """Gains 0, 1/4, 1/2 of four at steps 0, 4, 8, and 0, 1/2, 1/2: the second comes earlier, and is as large."""
    even, early = [[0] * 40, [1] * 40, [2] * 40], [[0] * 40, [2] * 40, [2] * 40]
    cells = cells_of({"A*B-C": even, "A-B*C": early, "A+B+C": [[0] * 40, [0] * 40, [0] * 40]}, 4, [0, 4, 8])
    cells = cells.of_puzzles(pl.col("pattern") != "A+B+C")
    frame = pl.concat(list(moderated_rows(list(timing(cells, [1])), 1)))
    assert one(frame, metric="timing", by="n,shape_class", group="3,left-heavy")["value"] == 4
    assert one(frame, metric="timing", by="n,shape_class", group="3,right-heavy")["value"] == 2
    assert one(frame, metric="timing difference", by="n,shape_class")["value"] == -2
    assert one(frame, metric="gain fraction", by="n,shape_class", group="3,left-heavy")["value"] == 0.5
    assert one(frame, metric="gain fraction", by="n,shape_class", group="3,right-heavy")["value"] == 1


def test_what_did_not_gain_is_not_timed() -> None:
    cells = cells_of({"A*B-C": [[1] * 20, [2, 1] * 10, [0, 3] * 10]}, 4, [0, 4, 8])
    row = one(pl.concat(list(moderated_rows(list(timing(cells, [1])), 1))), metric="timing", by="n,shape_class")
    assert (row["value"], row["status"]) == (None, "gain too small to time")
    two = cells_of({"A*B-C": [[1] * 20, [4] * 20]}, 4, [0, 8])
    assert list(timing(two, [1])) == []


def annotated(run: Run, seed: int, step: int, grades: list[tuple], attempts: list[tuple]) -> None:
    for kind, table, schema in (("grades", grades, GRADES), ("attempts", attempts, ATTEMPTS)):
        write_table(pl.DataFrame(table, schema=schema, orient="row"), run.derived_file(kind, seed, "test", step))


@pytest.fixture
def by_hand(known_run: Run) -> tuple[Run, list[dict]]:
    """Two puzzles of one pattern in the test set, with two samples each and a greedy completion, written by hand."""
    puzzles = known_run.puzzles("test").sort("puzzle_id")
    chosen = puzzles.filter(pl.col("solving").list.len() > 1).head(2)
    write_table(chosen, known_run.puzzles_file("test"))
    first, second = chosen.iter_rows(named=True)
    (a, b), own = (first["puzzle_id"], second["puzzle_id"]), first["pattern"]
    other = next(text for text in first["solving"] if text != own)
    missing = next(text for text in ("A+B+C", "A*B*C") if text not in first["solving"])

    def attempt(puzzle: str, sample: int, pattern: str | None, hits: bool, answer: bool, wrong: bool = False) -> tuple:
        return (puzzle, sample, 0, 9, "1+2+3", pattern, hits, answer, False, 1, wrong)

    grades = [(a, -1, "correct", 9, 1), (a, 0, "correct", 9, 2), (a, 1, "wrong value", 9, 1)]
    grades += [(b, -1, "no answer", 9, 0), (b, 0, "correct", 9, 0), (b, 1, "truncated", 9, 2)]
    attempts = [
        attempt(a, -1, own, True, True),
        attempt(a, 0, missing, False, False, wrong=True),
        attempt(a, 0, other, True, False),
        attempt(a, 0, other, True, True),
        attempt(a, 1, own, False, False),
        attempt(b, 0, second["pattern"], True, True),
        attempt(b, 1, second["pattern"], False, False),
        attempt(b, 1, None, False, False),
    ]
    for step in (0, 4):
        annotated(known_run, 1, step, grades, attempts)
    return known_run, [first, second]


def test_cells_by_hand(by_hand: tuple[Run, list[dict]]) -> None:
    run, _ = by_hand
    cells = set_cells(run, "test")
    first, second = cells.frame.filter(pl.col("step") == 4).sort("puzzle").iter_rows(named=True)
    assert {name: first[name] for name in CELLS} == {
        "k": 2,
        "correct": 1,
        "truncated": 0,
        "attempts": 3,
        "patternless": 0,
        "stated": 3,
        "right": 2,
        "placed": 1,
        "substituted": 1,
        "tried": 2,
        "hit": 1,
        "sound": 0,  # the correct one states a wrong value on the way
        "votes": 1,
        "same_answers": 0,
        "majority": 1,
        "distinct": 1,
        "same_texts": 0,
        "greedy": 1,
    }
    assert (second["tried"], second["hit"], second["sound"]) == (2, 1, 1)
    assert (second["correct"], second["truncated"], second["placed"], second["substituted"]) == (1, 1, 1, 0)
    assert (second["attempts"], second["patternless"], second["stated"], second["greedy"]) == (2, 1, 2, 0)


def test_uses_by_hand(by_hand: tuple[Run, list[dict]]) -> None:
    """An answer counts as a try only where its pattern was not tried before in the same completion."""
    run, (first, second) = by_hand
    other = next(text for text in first["solving"] if text != first["pattern"])
    table = uses(run, 1, "test", 4)
    row = one(table, puzzle_id=first["puzzle_id"], pattern=other)
    assert (row["completions"], row["tries"], row["hits"]) == (1, 1, 1)
    row = one(table, puzzle_id=second["puzzle_id"], pattern=second["pattern"])
    assert (row["completions"], row["tries"], row["hits"]) == (2, 2, 1)
    frame = pl.concat(list(attempted(run, set_cells(run, "test"), 1))).filter(pl.col("step") == 4)
    used = table.filter(pl.col("pattern") == second["pattern"])["completions"].sum()
    rate = one(frame, metric="attempt rate", by="pattern", group=second["pattern"])
    assert (rate["value"], rate["n"]) == (used / 4, 2)
    # Five uses in four completions: of the tried, those over puzzles that they solve: other 1/1, own 0/1, second's 1/2.
    assert one(frame, metric="hit rate given solvable", by="n")["value"] == pytest.approx(2 / 4)
    # Two completions of four: 1 - C(4 - c, 2) / C(4, 2) for each pattern used by c of them, over 18 patterns.
    counts = table.group_by("pattern").agg(pl.col("completions").sum())["completions"].to_list()
    expected = sum({1: 1 / 2, 2: 5 / 6, 3: 1.0}[count] for count in counts) / 18
    assert one(frame, metric="coverage@2", by="n")["value"] == pytest.approx(expected)


def test_spread_of_attempts_by_hand(by_hand: tuple[Run, list[dict]]) -> None:
    """Five attempts: 2 of the second puzzle's pattern, and 1 each of three in the first."""
    run, (first, second) = by_hand
    other = next(text for text in first["solving"] if text != first["pattern"])
    missing = next(text for text in ("A+B+C", "A*B*C") if text not in first["solving"])
    tries = dict.fromkeys((first["pattern"], other, missing, second["pattern"]), 0)
    for text in (first["pattern"], other, missing, second["pattern"], second["pattern"]):
        tries[text] += 1
    frame = pl.concat(list(attempted(run, set_cells(run, "test"), 1))).filter(pl.col("step") == 4)
    bits = -sum(count / 5 * np.log2(count / 5) for count in tries.values()) + (len(tries) - 1) / (2 * 5 * np.log(2))
    assert one(frame, metric="pattern entropy", by="n")["value"] == pytest.approx(bits)
    assert one(frame, metric="most used pattern", by="n")["value"] == pytest.approx(max(tries.values()) / 5)
    # Attempts of solving patterns: in the first puzzle 1 each of its own and another, in the second 2 of its own.
    available, top, bottom = len(second["solving"]), 2 - 2 / len(second["solving"]), 2.0
    if second["pattern"] in first["solving"]:
        top += (second["pattern"] in (first["pattern"], other)) - 2 / len(first["solving"])
        bottom += 2
    row = one(frame, metric="choice", by="pattern", group=second["pattern"])
    assert available > 1
    assert row["value"] == pytest.approx(top / bottom)
    of_classes = frame.filter(pl.col("metric") == "choice", pl.col("by") == "n,shape_class")
    assert of_classes["value"].drop_nulls().is_between(-1, 1).all()


def test_choice_of_classes_by_hand() -> None:
    """Two of three solving patterns are of the class and get 3 of 4 tries; b, solved by it alone, does not count."""
    used = pl.DataFrame({"puzzle_id": ["a", "a", "b"], "pattern": ["A+B", "A/B", "A-B"], "tries": [3, 1, 9]})
    solving = pl.DataFrame(
        {
            "puzzle_id": ["a", "a", "a", "b", "b"],
            "pattern": ["A+B", "A-B", "A/B", "A+B", "A-B"],
            "rank": [0, 0, 0, 1, 1],
        }
    )
    members = {"sums": np.array([0, 1]), "products": np.array([2])}
    (value, _, _), n = choices(used, solving, ["A+B", "A-B", "A/B"], members)
    assert value.tolist() == [pytest.approx(3 / 4 - 2 / 3), pytest.approx(1 / 4 - 1 / 3)]
    assert n.tolist() == [1, 1]


def test_zero_advantage_by_hand(known_run: Run) -> None:
    """Step 1: one group all wrong, one mixed. Step 3: one all right."""

    def rollouts(step: int, table: list[tuple]) -> None:
        columns = ["puzzle_id", "pattern", "reward"]
        write_table(pl.DataFrame(table, schema=columns, orient="row"), known_run.rollouts_file(1, step))

    mixed = [("a", "A*B+C", 0.0), ("a", "A*B+C", 1.0)]
    rollouts(1, [*mixed, ("b", "A-B*C", 0.0), ("b", "A-B*C", 0.0)])
    rollouts(3, [("c", "A*B+C", 1.0), ("c", "A*B+C", 1.0)])
    frame = pl.concat(list(zero_advantage(known_run, 1, [0, 2, 4])))
    assert one(frame, metric="zero advantage", step=2, by="all")["value"] == 0.5
    assert one(frame, metric="zero advantage", step=4, by="all")["value"] == 1
    row = one(frame, metric="zero advantage, whole run", by="pattern", group="A*B+C")
    assert (row["value"], row["n"]) == (0.5, 2)
    assert list(signal_and_success(known_run, set_cells(known_run, "test"), 1)) == []  # two patterns are too few


def test_signal_against_success(known_run: Run) -> None:
    """Over the patterns of n = 3, those with more equal groups succeed less: Spearman's rho is -1."""
    cells = set_cells(known_run, "test")
    sources = sorted(cells.puzzles["pattern"].unique())
    table = []
    for rank, text in enumerate(sources):
        for group in range(len(sources)):
            table += [(f"{text}/{group}", text, 0.0), (f"{text}/{group}", text, float(group >= rank))]
    columns = ["puzzle_id", "pattern", "reward"]
    write_table(pl.DataFrame(table, schema=columns, orient="row"), known_run.rollouts_file(1, 1))
    ranks = cells.puzzles.select(rank=pl.col("pattern").replace_strict(sources, range(len(sources))))["rank"].to_list()
    share = pl.col("puzzle").replace_strict(range(len(ranks)), ranks, return_dtype=pl.Int32)
    planted = SetCells("test", cells.puzzles, cells.frame.with_columns(k=pl.lit(99), correct=99 - share), cells.task)
    row = one(pl.concat(list(signal_and_success(known_run, planted, 1))))
    assert (row["value"], row["group"], row["n"]) == (pytest.approx(-1), "3", len(sources))


def test_pooling_by_hand() -> None:
    """Student's t over the seeds for a new training; for new puzzles, the puzzles' own error besides; cut at 0."""

    def table(*values: float, metric: str = "coverage@8") -> pl.DataFrame:
        return pl.concat(
            [
                rows(metric, "test", s, "n", [9], ["3"], [v, v - 0.1, v + 0.1], n=40, p=np.array(0.5))
                for s, v in enumerate(values)
            ]
        )

    row = within_bounds(pooled(table(0.0, 0.1, 0.2))).row(0, named=True)
    half = 4.3027 * 0.1 / 3**0.5
    assert (row["value"], row["low"], row["n"], row["seed"]) == (pytest.approx(0.1), 0.0, 40, None)
    assert row["retrained_high"] == pytest.approx(0.1 + half, abs=1e-4)
    assert row["high"] == pytest.approx(0.1 + (half**2 + 0.01) ** 0.5, abs=1e-4)
    row = pooled(table(0.2, 0.2, 0.2)).row(0, named=True)
    assert (row["low"], row["high"]) == (pytest.approx(0.1), pytest.approx(0.3))
    assert row["p"] == pytest.approx(2 * 4.43e-5, rel=1e-2)  # 0.2 is 3.92 standard errors of 0.051
    assert pooled(table(0.2)).row(0, named=True)["low"] is None


def test_false_discoveries_by_hand() -> None:
    """p 0.01, 0.02, 0.03, 0.04 and one that was not tested: q = p * 4 / rank, from the largest down the least."""
    p = np.array([[0.04, 0.01, 0.03, 0.02, np.nan]])
    table = adjusted(rows("gain", "test", 1, "n", [9], list("abcde"), [0.0], p=p))
    assert table["q"].to_list() == [pytest.approx(0.04)] * 4 + [None]


def test_the_known_run(known_run: Run) -> None:
    estimates = known_run.estimates()
    for name, n in (("test", "3"), ("length", "4"), ("held_out", "3")):
        where = {"set": name, "by": "n", "group": n, "seed": 1}
        assert one(estimates, metric="mean@4", step=0, **where)["value"] == 0
        assert one(estimates, metric="mean@4", step=4, **where)["value"] == 0.5
        assert one(estimates, metric="mean@4 gain", step=4, **where)["value"] == 0.5
        assert one(estimates, metric="pass@4", step=4, **where)["value"] == 1
        assert one(estimates, metric="greedy", step=4, **where)["value"] == 1
        assert one(estimates, metric="attempts", step=4, **where)["value"] == 1
        # Half of the sampled attempts at step 4 state "= 0" of a product, which is wrong.
        assert one(estimates, metric="execution", step=4, **where)["value"] == 0.5
        assert one(estimates, metric="execution", step=0, **where)["value"] == 0
        assert one(estimates, metric="support: trained only", step=4, **where)["value"] == 1
        assert one(estimates, metric="acquisition", step=4, **where)["value"] == 4
    assert estimates.filter(pl.col("seed").is_null()).is_empty()  # one seed is not a pool


def test_missing_is_missing(known_run: Run) -> None:
    """Without attempts there is no execution, not an execution of zero."""
    frame = read_table(known_run.derived_file("attempts", 1, "test", 4)).clear()
    write_table(frame, known_run.derived_file("attempts", 1, "test", 4))
    row = one(estimate(known_run), metric="execution", set="test", step=4, by="all", seed=1)
    assert (row["value"], row["n"]) == (None, 0)


def test_any_grouping(known_run: Run) -> None:
    frame = estimate(known_run, ["n,split,forced"])
    assert "3,[2]+[1],true" in frame.filter(pl.col("metric") == "mean@4")["group"].to_list()


def test_derived_tables_are_rebuilt_the_same(known_run: Run) -> None:
    before = known_run.estimates_file.read_bytes()
    for file in known_run.path.glob("seed-*/grades/*/*.parquet"):
        file.unlink()
    score(known_run, lambda *_: None)
    assert known_run.estimates_file.read_bytes() == before


@pytest.mark.parametrize("key", ["ramify_grader", "ramify_analysis"])
def test_stale_tables_are_rebuilt(known_run: Run, key: str) -> None:
    """Tables of another grader, or estimates of another analysis, are made again."""
    stale = pl.DataFrame({"metric": ["old"]})
    metadata = {"ramify_schema": "1", "ramify_grader": "3", "ramify_analysis": "1", key: "0"}
    stale.write_parquet(known_run.estimates_file, metadata=metadata)
    score(known_run, lambda *_: None)
    assert "mean@4" in known_run.estimates()["metric"].to_list()


def test_estimates_do_not_outlive_what_they_rest_on(known_run: Run) -> None:
    """Cut off after new grades are written, before new estimates are: the old estimates are gone."""
    known_run.derived_file("grades", 1, "test", 4).unlink()

    def cut(stage: str, done: int, total: int) -> None:
        if done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(known_run, cut)
    assert not known_run.estimates_file.exists()


def test_changes_between_other_puzzles_are_those_of_independent_means() -> None:
    """Welch's standard error by hand: 40 puzzles of mean 0.25 before, 40 others of mean 0.75 after."""
    puzzles = puzzle_rows(["A+B"], 80)
    groups = grouping(puzzles, "all")
    before = np.r_[np.tile([0.0, 0.5], 20), np.full(40, np.nan)]
    after = np.r_[np.full(40, np.nan), np.tile([0.5, 1.0], 20)]
    sides = [(value, np.where(np.isnan(value), np.nan, 1.0)) for value in (before, after)]
    assert not is_paired(np.array([side[1] for side in sides]))
    change, low, high, p, n = unpaired_changes(sides[0], (sides[1][0][None], sides[1][1][None]), 2, groups)
    error = np.sqrt(2 * 0.0625 / 39)  # each mean: variance 0.0625 over 39
    assert change.item() == pytest.approx(0.5)
    assert (high.item() - low.item()) / 2 == pytest.approx(2.0227 * error, rel=1e-4)
    assert n.item() == 40
    assert p.item() < 1e-6


def test_intervals_stay_where_values_can_be() -> None:
    wide = [np.array([[0.375]]), np.array([[-4.39]]), np.array([[5.14]])]
    names = ("mean@4 gain", "right-heavy gap, forced", "transfer", "attempts", "attempts gain", "effect")
    table = within_bounds(pl.concat([rows(name, "test", 1, "n", [9], ["3"], wide) for name in names]))
    found = {name: (low, high) for name, low, high in table.select("metric", "low", "high").iter_rows()}
    assert [found[name] for name in names[:3]] == [(-1.0, 1.0)] * 3
    assert found["attempts"] == (0.0, 5.14)
    assert [found[name] for name in names[4:]] == [(-4.39, 5.14)] * 2
