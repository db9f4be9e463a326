"""How often a fall of success, or a jump of a training series, is found in simulated runs with and without one.

    python benchmarks/collapse.py [RUNS]

Without a fall, success stays the same, which is the hardest case: in a rising curve, noise has to exceed the rise.
Logits have normal effects of puzzles (sd 1) and of puzzles in a seed (0.2); success is 59 % on average, in four samples
a puzzle. With a fall, the last quarter of the checkpoints loses the points of the column, in proportion to each
puzzle's success. *Reported* is a fall that the report would state: p at most 5 %, a tenth of success, and not regained
at the end. A series has a trend, unit variance, and a jump after two thirds.
"""

import sys

import numpy as np

from ramify.analysis.change_point import change_point
from ramify.analysis.collapse import LEVEL, largest_fall

FALLS = (0.1, 0.2, 0.5)
CHECKPOINTS = (4, 8, 16)
PUZZLES = (30, 300)
WORLDS: tuple[tuple[int, str, dict[str, float]], ...] = (
    (1, "one seed", {}),
    (1, "one seed, rare success", {"level": -3.0}),
    (3, "seeds alike", {}),
    (3, "seeds alike, rare success", {"level": -3.0}),
    (3, "seeds vary, 0.1", {"apart": 0.1}),
    (3, "seeds drift, 0.1", {"drift": 0.1}),
    (3, "seeds drift, 0.3", {"drift": 0.3}),
)
"""Seeds, and what varies: the sd of a seed's logit at each checkpoint, or of its steps between them; the mean logit."""
SERIES = (40, 100, 200, 750)
ALIKE = (0.0, 0.5, 0.9)
JUMPS = (1.0, 2.0, 4.0)


def success(
    random: np.random.Generator,
    seeds: int,
    checkpoints: int,
    puzzles: int,
    fall: float,
    apart: float = 0.0,
    drift: float = 0.0,
    level: float = 0.4,
) -> np.ndarray:
    """Measured success of each puzzle, of shape (seeds, checkpoints, puzzles)."""
    own = random.normal(level, 1, puzzles)
    of_seeds = random.normal(0, apart, (seeds, checkpoints)) + random.normal(0, drift, (seeds, checkpoints)).cumsum(1)
    logit = own + random.normal(0, 0.2, (seeds, 1, puzzles)) + of_seeds[:, :, None]
    share = 1 / (1 + np.exp(-logit))
    share[:, -(checkpoints // 4) :] *= 1 - fall / (1 / (1 + np.exp(-own))).mean()
    return random.binomial(4, np.clip(share, 0, 1)) / 4


def falls(runs: int) -> None:
    """Print the table of falls."""
    print("| world | checkpoints | puzzles | no fall: p ≤ 5 % | reported | fall of 10 points | 20 points | 50 points |")
    print("|---|---|---|---|---|---|---|---|")
    for seeds, title, world in WORLDS:
        for checkpoints in CHECKPOINTS:
            for puzzles in PUZZLES:
                row = rates(runs, seeds, checkpoints, puzzles, world)
                print(f"| {title} | {checkpoints} | {puzzles} | {' | '.join(row)} |", flush=True)


def rates(runs: int, seeds: int, checkpoints: int, puzzles: int, world: dict[str, float]) -> list[str]:
    """The shares of runs with p ≤ 5 % and with a reported fall, without a fall; then those reported with each fall."""
    random, cells = np.random.default_rng(31), []
    for fall in (0.0, *FALLS):
        if fall and "level" in world:  # there is not so much to lose
            cells.append("")
            continue
        drawn = (success(random, seeds, checkpoints, puzzles, fall, **world) for _ in range(runs))
        found = [largest_fall(one) for one in drawn]
        if not fall:
            cells.append(percent([one is not None and one.p <= LEVEL for one in found]))
        cells.append(percent([one is not None and one.is_clear and one.lasts for one in found]))
    return cells


def jumps(runs: int) -> None:
    """Print the table of change points."""
    sizes = " | ".join(f"{jump:g} sd" for jump in JUMPS)
    print(f"\n| steps | correlation of neighbours | no jump | {sizes} |\n|---|---|---|---|---|---|")
    for count in SERIES:
        for alike in ALIKE:
            random, row = np.random.default_rng(32), []
            for jump in (0.0, *JUMPS):
                after = np.arange(count) >= 2 * count // 3
                drawn = (waves(random, count, alike) + 0.01 * np.arange(count) - jump * after for _ in range(runs))
                found = [change_point(one) for one in drawn]
                row.append(percent([one is not None and one.is_clear for one in found]))
            print(f"| {count} | {alike:g} | {' | '.join(row)} |", flush=True)


def waves(random: np.random.Generator, count: int, alike: float) -> np.ndarray:
    """A series of unit variance whose neighbours have a correlation."""
    found = random.normal(size=count)
    for place in range(1, count):
        found[place] = alike * found[place - 1] + np.sqrt(1 - alike**2) * found[place]
    return found


def percent(hits: list[bool]) -> str:
    """The share of hits.

    >>> percent([True, False])
    '50.0 %'
    """
    return f"{100 * np.mean(hits):.1f} %"


def main() -> None:
    """Print both tables."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    falls(runs)
    jumps(runs)


if __name__ == "__main__":
    main()
