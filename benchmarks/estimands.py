"""How often the intervals of estimands that are no means of puzzles hold the truth in simulated studies.

    python benchmarks/estimands.py [RUNS]

The worlds are those of their tests. A row an estimand: the share of the intervals for new puzzles, and of those for the
same puzzles, retrained, that hold the truth, and the median width of the former.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/analysis"))

import test_choice_model as of_choice
import test_crossing as of_crossing
import test_matched_base as of_base


def crossing(random: np.random.Generator, true: int) -> tuple[float, ...]:
    """The crossing of pass@k over three seeds."""
    base, trained = of_crossing.success(random, len(of_crossing.PUZZLES))
    row = of_crossing.found(of_crossing.drawn(random, base, trained), of_crossing.SEEDS)
    ks = np.arange(1, of_crossing.K + 1)[:, None]
    gain = ((1 - base) ** ks - (1 - trained) ** ks).mean(1)
    same = int(np.argmax(gain <= 0)) + 1 if gain.min() <= 0 else np.inf
    ends = [row[end] for end in ("low", "high", "retrained_low", "retrained_high")]
    low, high, again_low, again_high = (np.nan if end is None else end for end in ends)
    return true, low, np.nan_to_num(high, nan=np.inf), same, again_low, np.nan_to_num(again_high, nan=np.inf)


def gap(random: np.random.Generator, slower: float) -> tuple[float, ...]:
    """The gain of right-heavy puzzles minus that of left-heavy ones of equal base difficulty: none is planted."""
    row = of_base.row_of(of_base.drawn(random, 1.0, slower), f"{of_base.NAME} gain")
    return 0.0, row["low"], row["high"], np.nan, np.nan, np.nan


def choice(random: np.random.Generator, planted: float, spread: float) -> tuple[float, ...]:
    """The log-odds of a right-heavy pattern."""
    drawn = of_choice.drawn(random, 100, planted, spread)
    effect = of_choice.fit(of_choice.alternatives(of_choice.TASK, *drawn)[1], of_choice.NAMES)["right-heavy"]
    return planted, effect.low, effect.high, np.nan, np.nan, np.nan


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    true = of_crossing.truth()
    cases = {
        "crossing of pass@k, three seeds": lambda random: crossing(random, true),
        "right-heavy gap, forced, matched base, gain": lambda random: gap(random, 0.0),
        "choice effect, planted": lambda random: choice(random, -1.0, 0.0),
        "choice effect, none, attempts alike within puzzles": lambda random: choice(random, 0.0, 1.5),
    }
    print("| estimand | new: cover | width | same puzzles: cover |")
    print("|---|---|---|---|")
    for number, (title, case) in enumerate(cases.items()):
        random = np.random.default_rng(number)
        table = np.array([case(random) for _ in range(runs)], float)
        new, low, high, same, again_low, again_high = table[np.isfinite(table[:, 1])].T
        covered = 100 * np.mean((low <= new) & (new <= high))
        retrained = (
            f"{100 * np.mean((again_low <= same) & (same <= again_high)):.1f} %" if np.isfinite(same).any() else ""
        )
        print(f"| {title} | {covered:.1f} % | {np.median(high - low):.3g} | {retrained} |", flush=True)
    print("\n| samples of the base | base's gap before | left by matching | bias of the gain |\n|---|---|---|---|")
    for samples in (32, 64):
        random = np.random.default_rng(samples)
        names = ((of_base.PLAIN, 0), (of_base.NAME, 0), (f"{of_base.NAME} gain", 40))
        drawn = (of_base.drawn(random, 1.0, 0.0, samples) for _ in range(runs))
        means = np.mean([[of_base.row_of(one, name, step)["value"] for name, step in names] for one in drawn], 0)
        print(f"| {samples} | " + " | ".join(f"{100 * mean:+.1f} points" for mean in means) + " |", flush=True)


if __name__ == "__main__":
    main()
