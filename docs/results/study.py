"""Generate the tables and figures of the study's pages from the estimates in this folder.

    python docs/results/study.py            # rewrites the tables and figures/
    python docs/results/study.py --collect runs    # first copies the estimates of runs here
    python docs/results/study.py --cells           # first recomputes the estimates of study-200 from its cells
    python docs/results/study.py --join RUN        # first appends the cells of another seed of study-200

A table in a page is between `<!-- table NAME -->` and `<!-- end -->`; NAME is a function below.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import resvg_py
from scipy.stats import kendalltau

from ramify.analysis.compare import Side, compare
from ramify.analysis.estimate import estimate_cells
from ramify.analysis.estimators import mean_interval
from ramify.analysis.metrics import displayed
from ramify.report.figures import Mark, Point, Series, interval, line_panel
from ramify.report.rows import interval_plot
from ramify.report.svg import standalone
from ramify.run import Run
from ramify.tasks.functions.attempts import first_fault
from ramify.tasks.functions.language import Program
from ramify.tasks.functions.reading import stated

HERE = Path(__file__).parent
ESTIMATES = HERE / "estimates"
TRAINERS = {"SFT": "study-sft", "RFT": "study-rft", "GRPO": "study-grpo"}
FAMILIES = {
    "`A-B*C`, right-heavy": "study-hold-right",
    "`(A+B)*C`, left-heavy": "study-hold-left",
    "`(A+B)*(C+D)`, balanced": "study-hold-balanced",
}
HELD_OUT = FAMILIES | {"all three, never seen by the base": "study-naive"}
RUNS = [*TRAINERS.values(), *FAMILIES.values(), "study-naive", "study-right-heavy", "study-base"]
FUNCTIONS = {"depth 1": "functions-atoms", "depth 1 and 2": "functions"}
DEPTHS = [("1", "test"), ("2", "test"), ("3", "length"), ("4", "length"), ("5", "length")]
FAULTS = ("no fault", "wrong operand", "fewer calls", "other calls", "wrong value")
SHAPES = ("left-heavy", "right-heavy", "balanced", "none")
LONG = "study-200"
GROUPINGS = ("all", "n", "n,shape_class", "n,divisions", "n,depth", "n,lookahead", "term")
"""The groupings that are kept of it; those by success follow from its cells."""
SMOLLM2 = {
    "as published": ("smollm2-warm-up", 0),
    "after SFT": ("smollm2", 0),
    "12 steps of GRPO": ("smollm2", 12),
    "24 steps of GRPO": ("smollm2", 24),
}
"""The models of the run of a language model: their table and step."""
SMOLLM2_SIZES = [("n = 2", "test", "2"), ("n = 3", "test", "3"), ("n = 4, never trained", "length", "4")]
COMPARED = {"sft": "study-sft", "rft": "study-rft", "right-heavy": "study-right-heavy"}


def estimates(name: str) -> pl.DataFrame:
    """The estimates of a run."""
    frame = pl.read_parquet(ESTIMATES / f"{name}.parquet")
    return frame.with_columns(pl.col("metric").replace("precision", "hit rate given solvable"))  # its name before


def last(frame: pl.DataFrame) -> int:
    """The last checkpoint."""
    return int(frame.filter(pl.col("metric") == "mean@4")["step"].max() or 0)  # type: ignore[arg-type]


def find_row(
    frame: pl.DataFrame, metric: str, name: str, by: str, group: str, step: int, seed: int | None = None
) -> dict[str, Any] | None:
    """The row of an estimate; None where it is missing."""
    mine = pl.col("seed").is_null() if seed is None else pl.col("seed") == seed
    same = (pl.col("metric") == metric) & (pl.col("set") == name) & (pl.col("by") == by) & (pl.col("group") == group)
    found = frame.filter(same & mine & (pl.col("step") == step) & pl.col("value").is_not_null())
    return None if found.is_empty() else found.row(0, named=True)


def find(
    frame: pl.DataFrame, metric: str, name: str, by: str, group: str, step: int, seed: int | None = None
) -> Point | None:
    """An estimate with its interval; None where it is missing."""
    row = find_row(frame, metric, name, by, group, step, seed)
    return None if row is None else Point(step, row["value"], row["low"], row["high"])


def cell(point: Point | None, percent: bool = True) -> str:
    """An estimate as a table shows it."""
    return "–" if point is None else interval(point, percent)


def seeds(frame: pl.DataFrame, metric: str, name: str, by: str, group: str, step: int) -> list[float]:
    """The values of the seeds."""
    found = [find(frame, metric, name, by, group, step, seed) for seed in sorted(frame["seed"].drop_nulls().unique())]
    return [point.value for point in found if point is not None]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


SIZES = [
    ("n = 3", "test", "3"),
    ("n = 4", "test", "4"),
    ("n = 5, of known skills", "length", "5"),
    ("n = 6", "length", "6"),
]


def length() -> str:
    """Success by n, before and after each kind of training."""
    base = estimates("study-grpo")
    rows = []
    for title, name, n in SIZES:
        after = [find(estimates(run), "mean@4", name, "n", n, last(estimates(run))) for run in TRAINERS.values()]
        of_seeds = seeds(base, "mean@4", name, "n", n, last(base))
        said = ", ".join(f"{100 * value:.1f}" for value in of_seeds)
        rows.append([title, cell(find(base, "mean@4", name, "n", n, 0)), *map(cell, after), said])
    return table(["mean@4", "base", *TRAINERS, "GRPO, each seed"], rows)


def length_gains() -> str:
    """What training adds, paired by puzzle."""
    rows = []
    for title, name, n in SIZES:
        gains = [find(estimates(run), "mean@4 gain", name, "n", n, last(estimates(run))) for run in TRAINERS.values()]
        rows.append([title, *map(cell, gains)])
    return table(["gain over the base", *TRAINERS], rows)


def conduct() -> str:
    """The behaviour of each model."""
    base = estimates("study-grpo")
    rows = []
    for metric, percent in (("greedy", True), ("execution", True), ("attempts", False), ("truncated", True)):
        for title, name, n in SIZES[:3]:
            after = [find(estimates(r), metric, name, "n", n, last(estimates(r))) for r in TRAINERS.values()]
            points = [find(base, metric, name, "n", n, 0), *after]
            rows.append([f"{displayed(metric)}, {title.split(',')[0]}", *(cell(point, percent) for point in points)])
    return table(["", "base", *TRAINERS], rows)


def against_grpo() -> str:
    """GRPO minus SFT and RFT."""
    rows = []
    for title, name, n in SIZES[:3]:
        cells = []
        for other in ("sft", "rft"):
            frame = pl.read_parquet(ESTIMATES / f"compare-{other}.parquet")
            found = frame.filter(
                (pl.col("set") == name)
                & (pl.col("by") == "n")
                & (pl.col("group") == n)
                & (pl.col("metric") == "mean@4")
            ).row(0, named=True)
            cells.append(f"{cell(Point(0, found['value'], found['low'], found['high']))}, p = {found['p']:.3g}")
        rows.append([title, *cells])
    return table(["mean@4", "GRPO minus SFT", "GRPO minus RFT"], rows)


def composition() -> str:
    """Held-out families before and after RL, and beside matched seen patterns."""
    rows = []
    for title, run in HELD_OUT.items():
        frame = estimates(run)
        end = last(frame)
        for n in ("3", "4", "5"):
            before, after = (find(frame, "mean@4", "held_out", "n", n, step) for step in (0, end))
            if after is None:
                continue
            gain = find(frame, "mean@4 gain", "held_out", "n", n, end)
            transfer = find(frame, "transfer", "held_out", "n", n, end)
            other = find(frame, "substitution", "held_out", "n", n, end)
            rows.append([title, n, cell(before), cell(after), cell(gain), cell(transfer), cell(other)])
    head = ["held out", "n", "base", "GRPO", "gain", "gain minus that of matched seen patterns"]
    return table([*head, "right answers by another pattern"], rows)


def composition_forced() -> str:
    """Held-out gains on uniquely solvable puzzles, which only the held-out pattern (or its twin) solves."""
    rows = []
    for title, run in HELD_OUT.items():
        frame = estimates(run)
        end = last(frame)
        for n in ("3", "4"):
            group = ("n,forced", f"{n},true")
            points = [find(frame, "mean@4", name, *group, step) for name in ("held_out", "test") for step in (0, end)]
            gains = [find(frame, "mean@4 gain", name, *group, end) for name in ("held_out", "test")]
            if points[0] is not None:
                rows.append([title, n, *map(cell, [*points[:2], gains[0], *points[2:], gains[1]])])
    head = [
        "uniquely solvable puzzles of",
        "n",
        "held out: base",
        "GRPO",
        "gain",
        "seen patterns: base",
        "GRPO",
        "gain",
    ]
    return table(head, rows)


def transfer_mean() -> str:
    """Transfer averaged over the families, a value a seed."""
    rows = []
    frames = [estimates(run) for run in FAMILIES.values()]
    for metric, title in (
        ("mean@4 gain", "gain of the held-out family"),
        ("transfer", "minus that of matched patterns"),
    ):
        values = np.array([seeds(frame, metric, "held_out", "all", "all", last(frame)) for frame in frames])
        means = values.mean(axis=0)
        count = np.array([len(means)])
        low, high, _ = mean_interval(means.mean(keepdims=True), means.var(ddof=1, keepdims=True) / count, count)
        value = Point(0, float(means.mean()), float(low[0]), float(high[0]))
        each = ["; ".join(f"{100 * v:+.1f}" for v in family).replace("-", "−") for family in values]
        rows.append([title, cell(value), *each])
    return table(["", "mean of three families", *(name.split(",")[0] for name in FAMILIES)], rows)


def agreement() -> str:
    """How alike seeds rank the patterns by success after training."""
    frame = estimates("study-grpo").filter((pl.col("by") == "pattern") & (pl.col("set") == "test"))
    final = frame.filter(
        (pl.col("metric") == "mean@4") & (pl.col("step") == last(frame)) & pl.col("seed").is_not_null()
    )
    rows = []
    for n in (3, 4):
        mine = final.filter(pl.col("group").str.count_matches("[A-Z]") == n)
        wide = mine.pivot("seed", index="group", values="value", aggregate_function="first").drop_nulls()
        names = [name for name in wide.columns if name != "group"]
        taus = [kendalltau(wide[a], wide[b]).statistic for i, a in enumerate(names) for b in names[i + 1 :]]
        rows.append([f"n = {n}", str(len(wide)), ", ".join(f"{tau:+.2f}".replace("-", "−") for tau in taus)])
    return table(["", "patterns", "τ of mean@4 after training, seeds 1-2, 1-3, 2-3"], rows)


def acquired_with_gains(frame: pl.DataFrame) -> pl.DataFrame:
    """The pooled acquisitions of patterns, with the q of their gains at the last checkpoint."""
    pooled = frame.filter((pl.col("by") == "pattern") & pl.col("seed").is_null())
    gains = pooled.filter((pl.col("metric") == "mean@4 gain") & (pl.col("step") == last(frame)))
    found = pooled.filter(pl.col("metric") == "acquisition").drop("q")
    return found.join(gains.select("set", "group", "q"), on=["set", "group"], how="left")


def acquired() -> str:
    """How many patterns of each shape class were acquired."""
    from ramify.algebra.pattern import Pattern
    from ramify.algebra.structure import structure

    frame = acquired_with_gains(estimates("study-grpo"))
    rows = []
    for n in (3, 4):
        for shape in ("left-heavy", "right-heavy", "balanced"):
            mine = [
                row
                for row in frame.filter(pl.col("set") == "test").iter_rows(named=True)
                if (pattern := Pattern.parse(row["group"])).size == n and structure(pattern).shape_class == shape
            ]
            if not mine:
                continue
            states = [row["status"] for row in mine]
            steps = sorted(row["value"] for row in mine if row["status"] == "acquired")
            middle = f"{float(np.median(steps)):g}" if steps else "–"
            sure = sum(row["status"] == "acquired" and row["q"] is not None and row["q"] <= 0.05 for row in mine)
            counts = [states.count(state) for state in ("acquired", "already present", "not acquired", "lost again")]
            rows.append([f"{n}, {shape}", str(len(mine)), *map(str, counts), str(sure), middle])
    head = ["n, shape class", "patterns", "acquired", "already present", "not acquired", "lost again"]
    return table([*head, "of the acquired, after FDR", "median step"], rows)


def by_shape() -> str:
    """Success by shape class before and after."""
    frame = estimates("study-grpo")
    rows = []
    for n, name in (("3", "test"), ("4", "test"), ("5", "length")):
        for shape in ("left-heavy", "right-heavy", "balanced"):
            points = [find(frame, "mean@4", name, "n,shape_class", f"{n},{shape}", step) for step in (0, last(frame))]
            if points[1] is None:
                continue
            gain = find(frame, "mean@4 gain", name, "n,shape_class", f"{n},{shape}", last(frame))
            rows.append([f"{n}, {shape}", *map(cell, points), cell(gain)])
    return table(["n, shape class", "base", "GRPO", "gain"], rows)


def gaps() -> str:
    """Right-heavy and balanced minus left-heavy patterns at matched structure."""
    rows = []
    base = estimates("study-grpo")
    for metric in ("right-heavy gap", "right-heavy gap, forced", "balanced gap", "balanced gap, forced"):
        after = [find(estimates(run), metric, "test", "all", "all", last(estimates(run))) for run in TRAINERS.values()]
        rows.append([displayed(metric), *map(cell, [find(base, metric, "test", "all", "all", 0), *after])])
    return table(["", "base", *TRAINERS], rows)


def effects() -> str:
    """The structure model, in log-odds of success."""
    frame = estimates("study-grpo").filter((pl.col("metric") == "effect") & pl.col("seed").is_null())
    rows = []
    for term in frame["group"].unique(maintain_order=True):
        cells = []
        for by in ("term", "term without lookahead"):
            for step in (0, last(estimates("study-grpo"))):
                found = frame.filter((pl.col("group") == term) & (pl.col("by") == by) & (pl.col("step") == step))
                row = found.row(0, named=True) if len(found) else None
                point = Point(0, row["value"], row["low"], row["high"]) if row and row["value"] is not None else None
                cells.append(row["status"] if row and row["status"] else cell(point, percent=False))
        rows.append([term, *cells])
    return table(["term", "base", "GRPO", "base, without lookahead", "GRPO, without lookahead"], rows)


def large_k() -> str:
    """pass@k of the base against pass@1 after training."""
    base, trained = estimates("study-base"), estimates("study-grpo")
    powers = (1, 2, 4, 8, 16, 32, 64)
    rows = []
    for n in ("3", "4"):
        cells = [
            cell(find(base, "mean@64" if k == 1 else f"pass@{k}", "test", "n", n, 0, seed=1)).split(" [")[0]
            for k in powers
        ]
        after = [find(trained, metric, "test", "n", n, last(trained)) for metric in ("mean@4", "pass@4")]
        rows.append([f"n = {n}", *cells, *map(cell, after)])
    return table(["", *(f"base pass@{k}" for k in powers), "GRPO pass@1", "GRPO pass@4"], rows)


def support() -> str:
    """What the base and the trained model solve with four samples each."""
    frame = estimates("study-grpo")
    rows = []
    for title, prefix in (("puzzles", "support"), ("patterns", "pattern support")):
        for label, name, n in SIZES[: 3 if title == "puzzles" else 2]:  # at n = 5 a pattern has at most one puzzle
            cells = [
                cell(find(frame, f"{prefix}: {who}", name, "n", n, last(frame)))
                for who in ("base only", "both", "trained only", "neither")
            ]
            rows.append([f"{title}, {label.split(',')[0]}", *cells])
    return table(["", "base only", "both", "GRPO only", "neither"], rows)


def unseen_by_pass() -> str:
    """Coverage, hit rate, arithmetic accuracy and substitution next to pass@4."""
    frame = estimates("study-grpo")
    rows = []
    names = ["pass@4", *sorted(m for m in frame["metric"].unique() if m.startswith("coverage@"))]
    for metric in [*names, "hit rate given solvable", "execution", "substitution"]:
        for label, name, n in SIZES[:3]:
            points = [find(frame, metric, name, "n", n, step) for step in (0, last(frame))]
            if points[1] is not None:
                rows.append([f"{displayed(metric)}, {label.split(',')[0]}", *map(cell, points)])
    return table(["", "base", "GRPO"], rows)


def more_right_heavy() -> str:
    """Half of the training puzzles right-heavy, minus an even share of all patterns."""
    frame = pl.read_parquet(ESTIMATES / "compare-right-heavy.parquet").filter(pl.col("metric") == "mean@4")
    rows = []
    for row in frame.filter(pl.col("by") == "n,shape_class").sort("set", "group").iter_rows(named=True):
        if row["value"] is None or not row["group"].startswith(("3", "4", "5")):
            continue
        said = cell(Point(0, row["value"], row["low"], row["high"]))
        rows.append([row["group"], said, f"{row['p']:.2g}", f"{row['q']:.2g}"])
    return table(["n, shape class", "difference of mean@4", "p", "q"], rows)


def signal() -> str:
    """Groups that taught nothing, in both runs."""
    rows = []
    runs = {"GRPO": "study-grpo", "half right-heavy": "study-right-heavy"}
    groups = ["3,left-heavy", "3,right-heavy", "4,left-heavy", "4,right-heavy", "4,balanced"]
    for group in groups:
        points = [
            find(estimates(run), "zero advantage, whole run", "train", "n,shape_class", group, last(estimates(run)))
            for run in runs.values()
        ]
        rows.append([group, *map(cell, points)])
    frame = estimates("study-grpo")
    for n in ("3", "4"):
        point = find(frame, "zero advantage against success", "test", "n", n, last(frame))
        rows.append([f"ρ with the success of the pattern, n = {n}", cell(point, percent=False), ""])
    return table(["share of groups without advantage", *runs], rows)


def both_intervals(frame: pl.DataFrame, metric: str, name: str, n: str, step: int) -> str:
    """An estimate by n in points, with the intervals for new patterns and for the same puzzles, retrained."""
    row = find_row(frame, metric, name, "n", n, step)
    if row is None:
        return "–"
    ends = [(row[low], row[high]) for low, high in (("low", "high"), ("retrained_low", "retrained_high"))]
    texts = ["–" if low is None else f"[{100 * low:.1f}, {100 * high:.1f}]" for low, high in ends]
    return f"{100 * row['value']:.1f} {texts[0]} {texts[1]}"


def long_length() -> str:
    """Success by n over 200 steps."""
    frame = estimates(LONG)
    steps = (0, 50, 100, 150, 200)
    rows = []
    for title, name, n in SIZES:
        each = ", ".join(f"{100 * value:.1f}" for value in seeds(frame, "mean@4", name, "n", n, steps[-1]))
        rows.append([title, *(cell(find(frame, "mean@4", name, "n", n, step)) for step in steps), each])
    return table(["mean@4", "base", *(f"step {step}" for step in steps[1:]), "step 200, each seed"], rows)


def long_shape() -> str:
    """Success by shape class before and after 200 steps."""
    frame = estimates(LONG)
    rows = []
    for title, name, n in SIZES[:3]:
        for shape in SHAPES[:3]:
            group = f"{n},{shape}"
            before = find(frame, "mean@4", name, "n,shape_class", group, 0)
            after = find_row(frame, "mean@4", name, "n,shape_class", group, 200)
            if after is not None:
                counts = f"{after['n']} / {after['patterns']}"
                end = Point(200, after["value"], after["low"], after["high"])
                rows.append([title.split(",")[0], shape, cell(before), cell(end), counts])
    return table(["n", "shape", "base", "step 200", "puzzles / patterns"], rows)


def long_gaps() -> str:
    """Gaps to matched left-heavy patterns, on all and on uniquely solvable puzzles."""
    frame = estimates(LONG)
    rows = []
    for title, metric, name, n in (
        ("right-heavy, n = 3", "right-heavy gap", "test", "3"),
        ("right-heavy, n = 4", "right-heavy gap", "test", "4"),
        ("right-heavy, n = 5", "right-heavy gap", "length", "5"),
        ("right-heavy, n = 4, uniquely solvable", "right-heavy gap, forced", "test", "4"),
        ("balanced, n = 4", "balanced gap", "test", "4"),
        ("balanced, n = 5", "balanced gap", "length", "5"),
        ("balanced, n = 4, uniquely solvable", "balanced gap, forced", "test", "4"),
    ):
        rows.append([title, *(both_intervals(frame, metric, name, n, step) for step in (0, 100, 200))])
    return table(["minus matched left-heavy, points", "base", "step 100", "step 200"], rows)


def long_conduct() -> str:
    """Arithmetic, attempts and truncation of each seed."""
    frame = estimates(LONG)
    rows = []
    for metric, percent in (("execution", True), ("attempts", False), ("truncated", True)):
        for title, name, n in SIZES[:3]:
            cells = []
            for step in (0, 100, 200):
                values = seeds(frame, metric, name, "n", n, step)
                cells.append(", ".join(f"{100 * value:.1f} %" if percent else f"{value:.1f}" for value in values))
            rows.append([f"{displayed(metric)}, {title.split(',')[0]}", *cells])
    return table(["each seed", "base", "step 100", "step 200"], rows)


def long_timing() -> str:
    """The mean step of the gain by shape class."""
    frame = estimates(LONG)
    rows = []
    for group in ("4,left-heavy", "4,balanced", "4,right-heavy"):
        found = find(frame, "timing", "test", "n,shape_class", group, 200)
        rows.append([group.split(",")[1], cell(found, percent=False)])
    return table(["n = 4", "mean step of the gain"], rows)


def smollm2_success() -> str:
    """Success of a language model by n, after each stage."""
    rows = []
    for title, name, n in SMOLLM2_SIZES:
        points = [find(estimates(run), "mean@4", name, "n", n, step, 1) for run, step in SMOLLM2.values()]
        gain = find(estimates("smollm2"), "mean@4 gain", name, "n", n, 24, 1)
        rows.append([title, *map(cell, points), cell(gain)])
    return table(["mean@4", *SMOLLM2, "gain by GRPO"], rows)


def smollm2_conduct() -> str:
    """The behaviour of a language model after each stage."""
    rows = []
    for metric, percent in (("pass@4", True), ("execution", True), ("attempts", False), ("truncated", True)):
        for title, name, n in SMOLLM2_SIZES:
            points = [find(estimates(run), metric, name, "n", n, step, 1) for run, step in SMOLLM2.values()]
            rows.append([f"{displayed(metric)}, {title.split(',')[0]}", *(cell(point, percent) for point in points)])
    return table(["", *SMOLLM2], rows)


def functions_depth() -> str:
    """Success by depth, of the base and after RL on either set."""
    frames = [estimates(run) for run in FUNCTIONS.values()]
    rows = []
    for n, name in DEPTHS:
        base = find(frames[1], "mean@4", name, "n", n, 0)
        after = [cell(find(frame, "mean@4", name, "n", n, last(frame))) for frame in frames]
        each = ", ".join(f"{100 * v:.1f}" for v in seeds(frames[1], "mean@4", name, "n", n, last(frames[1])))
        greedy = [cell(find(frame, "greedy", name, "n", n, last(frame))) for frame in frames]
        rows.append([n, cell(base), *after, each, *greedy])
    trained = [f"RL on {title}" for title in FUNCTIONS]
    return table(["depth", "base", *trained, "each seed", *(f"greedy, {title}" for title in FUNCTIONS)], rows)


def functions_difference() -> str:
    """RL on both depths minus RL on depth 1, on the same programs."""
    frame = pl.read_parquet(ESTIMATES / "compare-functions.parquet").filter(
        (pl.col("metric") == "mean@4") & (pl.col("by") == "n")
    )
    rows = []
    for n, name in (*DEPTHS, ("2", "held_out")):
        row = frame.filter((pl.col("set") == name) & (pl.col("group") == n)).row(0, named=True)
        point = Point(0, row["value"], row["low"], row["high"])
        rows.append([f"{n}, held out" if name == "held_out" else n, cell(point), f"{row['p']:.2g}"])
    return table(["depth", "RL on depth 1 and 2 minus RL on depth 1", "p"], rows)


def functions_shape() -> str:
    """Success by depth and shape after RL on both depths, and the base's."""
    frame = estimates("functions")
    rows = []
    for n, name in DEPTHS[1:]:
        for step, who in ((0, "base"), (last(frame), "after RL")):
            points = [find(frame, "mean@4", name, "n,shape_class", f"{n},{shape}", step) for shape in SHAPES]
            rows.append([f"{n}, {who}", *map(cell, points)])
    return table(["depth", *SHAPES[:3], "no three strings"], rows)


def functions_shape_gap() -> str:
    """Shape classes against left-heavy ones of as many strings and functions."""
    frame = estimates("functions")
    rows = []
    for name, words in (("test", "trained depths"), ("length", "depth 3 to 5")):
        for metric in ("right-heavy gap", "balanced gap"):
            points = [find(frame, metric, name, "all", "all", step) for step in (0, last(frame))]
            rows.append([words, metric.removesuffix(" gap"), *map(cell, points)])
    return table(["", "minus left-heavy", "base", "after RL on depth 1 and 2"], rows)


def functions_held_out() -> str:
    """Programs of depth 2 with a held-out composition, beside seen ones."""
    rows = []
    for title, run in FUNCTIONS.items():
        frame = estimates(run)
        end = last(frame)
        points = [find(frame, "mean@4", name, "n", "2", step) for name in ("held_out", "test") for step in (0, end)]
        gain = find(frame, "mean@4 gain", "held_out", "n", "2", end)
        rows.append([f"RL on {title}", *map(cell, [*points[:2], gain, *points[2:]])])
    return table(["", "held out: base", "after", "gain", "others of depth 2: base", "after"], rows)


def functions_factors() -> str:
    """Success as a product: the tree is the program, and what it states is right."""
    frame = estimates("functions")
    rows = []
    for n, name in DEPTHS:
        for step, who in ((0, "base"), (last(frame), "after RL")):
            metrics = ("attempted", "correct given hit", "execution", "substitution")
            rows.append([f"{n}, {who}", *(cell(find(frame, metric, name, "n", n, step)) for metric in metrics)])
    head = ["depth", "follows the program", "of these, right", "trees with all stated values right"]
    return table([*head, "right answers by another tree"], rows)


def functions_faults() -> str:
    """Where executions go wrong first."""
    frame = pl.read_parquet(ESTIMATES / "functions-faults.parquet").filter(pl.col("run") == "functions")
    rows = []
    for n, _ in DEPTHS[1:]:
        for step, who in ((0, "base"), (int(frame["step"].max() or 0), "after RL")):  # type: ignore[arg-type]
            mine = frame.filter((pl.col("n") == int(n)) & (pl.col("step") == step))
            total = mine["completions"].sum()
            counts = [mine.filter(pl.col("fault") == kind)["completions"].sum() for kind in FAULTS]
            rows.append([f"{n}, {who}", f"{total:,}", *(f"{100 * count / total:.1f}%" for count in counts)])
    return table(["depth", "completions", *FAULTS], rows)


def functions_signal() -> str:
    """Training groups without a signal, over the whole run."""
    rows = []
    for title, run in FUNCTIONS.items():
        frame = estimates(run)
        for n in ("1", "2"):
            point = find(frame, "zero advantage, whole run", "train", "n", n, last(frame))
            each = seeds(frame, "zero advantage, whole run", "train", "n", n, last(frame))
            if each:
                said = ", ".join(f"{100 * value:.1f}" for value in each)
                rows.append([f"RL on {title}", n, "–" if point is None else cell(point), said])
    return table(["", "depth", "groups whose rewards are all equal", "each seed"], rows)


def collect_functions(atoms: Run, both: Run) -> None:
    """Compare the runs of composed functions, and count where executions go wrong first."""
    ends = [max(run.checkpoints(run.seeds[0])) for run in (atoms, both)]
    found = compare(Side(atoms, ends[0]), Side(both, ends[1]))
    found.write_parquet(ESTIMATES / "compare-functions.parquet", compression_level=19)
    counts: Counter[tuple[str, int, int, str]] = Counter()
    for run, end in ((atoms, ends[0]), (both, ends[1])):
        rows = run.completions().filter(~pl.col("greedy") & pl.col("step").is_in([0, end]))
        for step, n, program, text in rows.select("step", "n", "program", "text").collect().iter_rows():
            counts[run.path.name, step, n, fault_of(Program.parse(program), text)] += 1
    schema = {"run": pl.String, "step": pl.Int32, "n": pl.Int32, "fault": pl.String, "completions": pl.Int64}
    frame = pl.DataFrame([(*key, count) for key, count in counts.items()], schema, orient="row")
    frame.sort("run", "step", "n", "fault").write_parquet(ESTIMATES / "functions-faults.parquet")


def fault_of(program: Program, text: str) -> str:
    """What is wrong first in a completion, one of `FAULTS`."""
    fault = first_fault(program, text)
    if fault is None:
        return "no fault"
    if not fault.is_missing:
        return "wrong value"
    written = [said.calls[0][-1] for said in stated(text)]
    wanted = [step.name for step in program.steps()]
    return "wrong operand" if written == wanted else "fewer calls" if len(written) < len(wanted) else "other calls"


MADE = (
    *(length, length_gains, conduct, against_grpo),
    *(composition, transfer_mean, composition_forced),
    *(acquired, by_shape, agreement),
    *(gaps, effects),
    *(large_k, support, unseen_by_pass),
    *(more_right_heavy, signal),
    *(long_length, long_shape, long_gaps, long_conduct, long_timing),
    *(smollm2_success, smollm2_conduct),
    *(functions_depth, functions_difference, functions_shape, functions_shape_gap),
    *(functions_held_out, functions_factors, functions_faults, functions_signal),
)
TABLES: dict[str, Callable[[], str]] = {made.__name__: made for made in MADE}


def filled(page: str) -> str:
    """A page with regenerated tables."""
    return re.sub(
        r"<!-- table (\w+) -->\n.*?<!-- end -->",
        lambda found: f"<!-- table {found[1]} -->\n{TABLES[found[1]]()}\n<!-- end -->",
        page,
        flags=re.DOTALL,
    )


def collect(runs: Path) -> None:
    """Copy the estimates of the runs that are there, and compare them."""
    ESTIMATES.mkdir(exist_ok=True)
    for name in [name for name in (*RUNS, *FUNCTIONS.values()) if (runs / name).is_dir()]:
        frame = Run(runs / name).estimates()
        frame.write_parquet(ESTIMATES / f"{name}.parquet", compression_level=19)
    if (runs / LONG).is_dir():
        long = Run(runs / LONG)
        small = long.estimates().filter(pl.col("by").is_in(GROUPINGS))
        small.write_parquet(ESTIMATES / f"{LONG}.parquet", compression_level=19)
        long.cells().write_parquet(ESTIMATES / f"{LONG}-cells.parquet", compression_level=19)
    if (runs / "smollm2").is_dir():
        for name, folder in (("smollm2", runs / "smollm2"), ("smollm2-warm-up", runs / "smollm2" / "warm-up")):
            kept = Run(folder).estimates().filter(pl.col("by").is_in(GROUPINGS))
            kept.write_parquet(ESTIMATES / f"{name}.parquet", compression_level=19)
    if all((runs / name).is_dir() for name in FUNCTIONS.values()):
        collect_functions(*(Run(runs / name) for name in FUNCTIONS.values()))
    compared = {*COMPARED.values(), "study-grpo"}
    sides = {name: Run(runs / name) for name in compared if (runs / name).is_dir()}
    for label, name in COMPARED.items() if len(sides) == len(compared) else ():
        ours, other = (Side(sides[one], last(estimates(one))) for one in ("study-grpo", name))
        pair = (ours, other) if label == "right-heavy" else (other, ours)
        compare(*pair).write_parquet(ESTIMATES / f"compare-{label}.parquet", compression_level=19)


def join(run: Run) -> None:
    """Append the cells of a run with other seeds to those of the long run."""
    file = ESTIMATES / f"{LONG}-cells.parquet"
    pl.concat([pl.read_parquet(file), run.cells()]).write_parquet(file, compression_level=19)


def from_cells() -> None:
    """Recompute the estimates of the long run from its cells."""
    found = estimate_cells(pl.read_parquet(ESTIMATES / f"{LONG}-cells.parquet"))
    kept = found.filter(pl.col("by").is_in(GROUPINGS))
    kept.write_parquet(ESTIMATES / f"{LONG}.parquet", compression_level=19)


def draw(name: str, title: str, svg: str, legend: list[tuple[str, str]]) -> None:
    """Write a figure as SVG and PNG."""
    whole = standalone(svg, title, legend)
    (HERE / "figures").mkdir(exist_ok=True)
    (HERE / "figures" / f"{name}.svg").write_text(whole)
    (HERE / "figures" / f"{name}.png").write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=whole, zoom=2)))


def curves(frame: pl.DataFrame, sizes: list[tuple[str, str, str]]) -> list[Series]:
    """The curves of mean@4 by n, with a thread for each seed."""
    steps = sorted(frame.filter(pl.col("metric") == "mean@4")["step"].unique())
    lines = []
    for (title, name, n), style in zip(sizes, ("first", "second", "third", "fourth"), strict=False):
        points = [find(frame, "mean@4", name, "n", n, step) for step in steps]
        threads = [
            [p for step in steps if (p := find(frame, "mean@4", name, "n", n, step, seed)) is not None]
            for seed in sorted(frame["seed"].drop_nulls().unique())
        ]
        lines.append(Series(title, style, [p for p in points if p is not None], threads))
    return lines


def figures() -> None:
    """The figures of the pages."""
    frame = estimates("study-grpo")
    lines = curves(frame, SIZES[:3])
    title = "GRPO on n = 3 and 4: mean@4 on unseen puzzles"
    draw("length", title, line_panel(lines, title), [(one.name, one.style) for one in lines])

    lines = curves(estimates(LONG), SIZES)
    title = "GRPO on n = 3 and 4, 200 steps: mean@4 on unseen puzzles"
    draw("long", title, line_panel(lines, title), [(one.name, one.style) for one in lines])

    marks = []
    for family, run in HELD_OUT.items():
        held = estimates(run)
        for n in ("3", "4", "5"):
            both = [find(held, "mean@4", "held_out", "n", n, step) for step in (0, last(held))]
            if both[0] is not None and both[1] is not None:
                marks.append(Mark(f"{family.split(',')[0].strip('`')}, n = {n}", "first", [both[0], both[1]]))
    title = "Held-out families: mean@4 of the base (hollow) and after GRPO"
    draw("composition", title, interval_plot(marks, title, "mean@4", bounds=(0, 0.55)), [])

    marks = []
    for family, run in HELD_OUT.items():
        held = estimates(run)
        if find(held, "mean@4 gain", "held_out", "n,forced", "3,true", last(held)) is None:
            continue
        for who, name, style in (("held out", "held_out", "right"), ("seen", "test", "first")):
            point = find(held, "mean@4 gain", name, "n,forced", "3,true", last(held))
            if point is not None:
                marks.append(Mark(f"{family.split(',')[0].strip('`')}: {who}", style, [point]))
    title = "Gain by GRPO on uniquely solvable puzzles of n = 3: held out and seen"
    draw("composition-forced", title, interval_plot(marks, title, "gain of mean@4"), [])

    for name, metric in (("right-heavy", "right-heavy gap, forced"),):
        rows = [("base", "study-grpo", 0)] + [(k, run, last(estimates(run))) for k, run in TRAINERS.items()]
        found = [(who, find(estimates(run), metric, "test", "all", "all", step)) for who, run, step in rows]
        marks = [Mark(who, "right", [point]) for who, point in found if point is not None]
        title = "Right-heavy minus matched left-heavy, uniquely solvable puzzles"
        draw(name, title, interval_plot(marks, title, "difference of mean@4"), [])

    base = estimates("study-base")
    marks = []
    for n, style in (("3", "first"), ("4", "second")):
        for k in (1, 4, 16, 64):
            point = find(base, "mean@64" if k == 1 else f"pass@{k}", "test", "n", n, 0, seed=1)
            if point is not None:
                marks.append(Mark(f"n = {n}, base pass@{k}", "third", [point]))
        point = find(frame, "mean@4", "test", "n", n, last(frame))
        if point is not None:
            marks.append(Mark(f"n = {n}, GRPO pass@1", style, [point]))
    title = "pass@k of the base and pass@1 after GRPO"
    draw("beyond-pass", title, interval_plot(marks, title, "share of puzzles"), [])


def functions_figure() -> None:
    """Success by depth over training on depth 1 and 2."""
    lines = curves(estimates("functions"), [(f"depth {n}", name, n) for n, name in DEPTHS[1:]])
    title = "GRPO on depth 1 and 2: mean@4 by depth"
    draw("functions", title, line_panel(lines, title), [(one.name, one.style) for one in lines])


def smollm2_figure() -> None:
    """Success of a language model by n, after each stage."""
    marks = []
    for (title, name, n), style in zip(SMOLLM2_SIZES, ("first", "second", "third"), strict=True):
        for stage, (run, step) in SMOLLM2.items():
            point = find(estimates(run), "mean@4", name, "n", n, step, 1)
            if point is not None:
                marks.append(Mark(f"{title.split(',')[0]}, {stage}", style, [point]))
    title = "SmolLM2-135M: mean@4 by n, after each stage"
    draw("smollm2", title, interval_plot(marks, title, "mean@4"), [])


def learning_curve() -> None:
    """The loss of both base models in pre-training, from the second hundred steps on."""
    series = []
    for name, style in (("base", "first"), ("base-naive", "second")):
        rows = pl.read_csv(HERE / "base" / f"loss-{name}.csv").filter(pl.col("step") >= 200).gather_every(3)
        points = [Point(step, loss) for step, loss in rows.select("step", "loss").iter_rows()]
        series.append(Series(name, style, points))
    title = "Loss of the base models in pre-training"
    svg = line_panel(series, title, percent=False).replace(" (0: base)", "")
    draw("base-loss", title, svg, [(one.name, one.style) for one in series])


def base_curve() -> None:
    """Execution of the base over its second and third stage of pre-training."""
    rows = pl.read_csv(HERE / "base" / "curve.csv").filter(pl.col("metric") == "execution")
    series = []
    for n, style in ((3, "first"), (4, "second"), (5, "third")):
        mine = rows.filter(pl.col("n") == n).sort("step").select("step", "value", "low", "high")
        series.append(Series(f"n = {n}", style, [Point(*row) for row in mine.iter_rows()]))
    title = "Arithmetic accuracy of the base over pre-training"
    svg = line_panel(series, title, (0.0, 1.0)).replace(" (0: base)", "")
    draw("base-curve", title, svg, [(one.name, one.style) for one in series])


def main() -> None:
    """Collect, recompute or join if asked, then write tables and figures."""
    match sys.argv[1:]:
        case ["--collect", runs]:
            collect(Path(runs))
        case ["--join", run]:
            join(Run(run))
            from_cells()
        case ["--cells"]:
            from_cells()
        case [_, *_]:
            sys.exit(__doc__)
    for page in sorted(HERE.glob("*.md")):
        text = page.read_text()
        if "<!-- table" in text:
            page.write_text(filled(text))
    figures()
    functions_figure()
    smollm2_figure()
    learning_curve()
    base_curve()


if __name__ == "__main__":
    main()
