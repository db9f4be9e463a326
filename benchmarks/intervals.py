"""How often the intervals hold the truth in simulated studies, and how wide they are beside Student's t over seeds.

    python benchmarks/intervals.py [RUNS [STUDY]]

The worlds are those of tests/worlds.py. A row an estimand: the share of the intervals that hold the truth, for the same
puzzles and for new ones, and their median width; then the same of Student's t interval over the means of the seeds.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import t as student

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ramify.analysis.linear import linear_parts, moderated_rows
from ramify.analysis.metrics import mean_at_k
from ramify.analysis.shapes import shape_gaps
from ramify.analysis.timing import timing
from worlds import World

WORLDS = {
    "three seeds": World(),
    "five seeds": World(seeds=5),
    "one puzzle a pattern": World(sizes=(4,), each=(1,)),
    "three puzzles a pattern": World(sizes=(3,), each=(3,)),
    "large seed effects": World(seed=0.4),
    "rare success": World(level=-3.5),
    "base sampled once": World(base_samples=32),
}
Truth = dict[tuple[str, str, str], tuple[float, float]]


def truths(world: World, puzzles: pl.DataFrame, own: np.ndarray, of_patterns: np.ndarray) -> Truth:
    """For each estimand at the last checkpoint, what is true of the same puzzles and of new ones."""
    found: Truth = {}
    codes = puzzles["pattern"].rank("dense").to_numpy().astype(int) - 1
    base, size = world.base(puzzles), puzzles["n"].to_numpy()
    same_patterns = world.expected(base + of_patterns[codes], world.puzzle)
    any_pattern = world.expected(base, float(np.hypot(world.puzzle, world.pattern)))
    shape = puzzles["shape_class"].to_numpy()
    for n in world.sizes:
        rows = size == n
        found["mean@4", "n", str(n)] = own[-1, rows].mean(), same_patterns[-1, rows].mean()
        found["mean@4 gain", "n", str(n)] = (
            (own[-1] - own[0])[rows].mean(),
            (same_patterns[-1] - same_patterns[0])[rows].mean(),
        )
        for kind in ("left-heavy", "right-heavy"):
            rows = (size == n) & (shape == kind)
            found["mean@4", "n,shape_class", f"{n},{kind}"] = own[-1, rows].mean(), any_pattern[-1, rows].mean()
            found["mean@4 gain", "n,shape_class", f"{n},{kind}"] = (
                (own[-1] - own[0])[rows].mean(),
                (any_pattern[-1] - any_pattern[0])[rows].mean(),
            )
            whole = any_pattern[:, rows].mean(1) - any_pattern[0, rows].mean()
            lag = np.trapezoid(1 - whole / whole[-1], world.steps)
            mine = own[:, rows].mean(1) - own[0, rows].mean()
            found["timing", "n,shape_class", f"{n},{kind}"] = (
                float(np.trapezoid(1 - mine / mine[-1], world.steps)),
                float(lag),
            )
    for code in range(len(of_patterns)):
        rows = codes == code
        found["mean@4 gain", "pattern", puzzles["pattern"].to_numpy()[rows][0]] = (
            (own[-1] - own[0])[rows].mean(),
            (same_patterns[-1] - same_patterns[0])[rows].mean(),
        )
    return found


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print("| study | estimand | same puzzles: cover | width | new: cover | width | t over seeds: same | new | width |")
    print("|---|---|---|---|---|---|---|---|---|")
    random = np.random.default_rng(20)
    for title, world in WORLDS.items():
        if len(sys.argv) > 2 and title != sys.argv[2]:
            continue
        puzzles = world.puzzles()
        kept = defaultdict(list)
        count = puzzles["pattern"].n_unique()
        for _ in range(runs):
            of_patterns = random.normal(0, world.pattern, count)
            cells, own = world.drawn(puzzles, random, of_patterns)
            every = list(range(1, world.seeds + 1))
            parts = list(linear_parts(cells, every, ["n", "n,shape_class", "pattern"], {"mean@4": mean_at_k(4)}))
            parts += [*shape_gaps(cells, every), *timing(cells, every)]
            table = pl.concat(list(moderated_rows(parts, None))).filter(pl.col("step") == world.steps[-1])
            true = truths(world, puzzles, own, of_patterns)
            index = {
                (p.metric, p.by, name): p.components.between[-1, i] for p in parts for i, name in enumerate(p.names)
            }
            for row in table.filter(pl.col("value").is_not_null() & pl.col("low").is_not_null()).iter_rows(named=True):
                key = row["metric"], row["by"], row["group"]
                if key not in true:
                    continue
                same, new = true[key]
                half = student.ppf(0.975, world.seeds - 1) * np.sqrt(index[key] / world.seeds)
                kept[row["metric"], row["by"]].append(
                    (
                        row["retrained_low"] <= same <= row["retrained_high"],
                        row["retrained_high"] - row["retrained_low"],
                        row["low"] <= new <= row["high"],
                        row["high"] - row["low"],
                        abs(row["value"] - same) <= half,
                        abs(row["value"] - new) <= half,
                        2 * half,
                    )
                )
        for (metric, by), values in kept.items():
            table = np.array(values, float)
            shares, widths = table.mean(0), np.median(table, 0)
            digits = 1 if metric == "timing" else 3
            print(
                f"| {title} | {metric} by {by} | {100 * shares[0]:.1f} % | {widths[1]:.{digits}f} "
                f"| {100 * shares[2]:.1f} % | {widths[3]:.{digits}f} "
                f"| {100 * shares[4]:.1f} % | {100 * shares[5]:.1f} % | {widths[6]:.{digits}f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
