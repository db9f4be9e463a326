"""Simulated studies whose truth is known: puzzles, patterns and seeds that vary, and what an estimate should find.

Success of a puzzle in a seed at a checkpoint is expit(class + pattern + puzzle + growth + seed + seed × pattern), with
normal effects; the base model has no effect of the seed. Truth is an average over what an interval leaves open: over
seeds for the same puzzles, over puzzles (and, for claims about shapes, patterns) and seeds for new ones.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from planted import planted_cells, puzzle_rows
from ramify import patterns
from ramify.analysis.cells import SetCells

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def expit(logit: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logit))."""
    return 1 / (1 + np.exp(-logit))


def averaged(logit: np.ndarray, deviation: float) -> np.ndarray:
    """The mean of expit over a normal effect of this standard deviation."""
    return (expit(np.asarray(logit)[..., None] + deviation * NODES) * WEIGHTS).sum(-1)


def with_base(cells: SetCells, success: np.ndarray, samples: int, random: np.random.Generator) -> SetCells:
    """Cells whose base all seeds share, sampled once with this success of each puzzle."""
    once = planted_cells(cells.puzzles, {1: success[None]}, samples, random, (0,)).frame
    copies = [once.with_columns(seed=pl.lit(seed, pl.Int32)) for seed in cells.seeds]
    frame = pl.concat([*copies, cells.frame.filter(pl.col("step") > 0)])
    return replace(cells, frame=frame.sort("seed", "step", "puzzle"), base_seed=1)


@dataclass(frozen=True)
class World:
    """What varies, in logits."""

    sizes: tuple[int, ...] = (3, 4)
    each: tuple[int, ...] = (12, 4)
    seeds: int = 3
    level: float = -1.5
    right_heavy: float = -0.6
    growth: tuple[float, ...] = (0.0, 0.4, 0.7, 0.9, 1.0)
    late: float = 0.0
    pattern: float = 0.8
    puzzle: float = 1.0
    seed: float = 0.1
    seed_pattern: float = 0.2
    samples: int = 4
    held_out: str = "A-B*C"
    base_samples: int | None = None

    @property
    def steps(self) -> tuple[int, ...]:
        """The checkpoints."""
        return tuple(range(0, 10 * len(self.growth), 10))

    @property
    def of_training(self) -> float:
        """The standard deviation of what training adds at random."""
        return float(np.hypot(self.seed, self.seed_pattern))

    def puzzles(self) -> pl.DataFrame:
        """Puzzles of every pattern, the same number of each of a size."""
        return pl.concat(
            puzzle_rows([pattern.text for pattern in patterns(n)], each)
            for n, each in zip(self.sizes, self.each, strict=True)
        )

    def base(self, puzzles: pl.DataFrame) -> np.ndarray:
        """The logit of each puzzle's class."""
        heavy = (puzzles["shape_class"] == "right-heavy").to_numpy()
        return self.level + self.right_heavy * heavy - 0.5 * (puzzles["n"].to_numpy() - 3)

    def grown(self) -> np.ndarray:
        """What training adds at each checkpoint."""
        return np.array(self.growth)

    def drawn(
        self, puzzles: pl.DataFrame, random: np.random.Generator, of_patterns: np.ndarray
    ) -> tuple[SetCells, np.ndarray]:
        """A simulated set, and the expected success of its own puzzles over seeds, of shape (steps, puzzles)."""
        codes = puzzles["pattern"].rank("dense").to_numpy().astype(int) - 1
        logit = self.base(puzzles) + of_patterns[codes] + random.normal(0, self.puzzle, len(puzzles))
        grown = self.grown()[:, None]
        success = {}
        for seed in range(1, self.seeds + 1):
            own = random.normal(0, self.seed) + random.normal(0, self.seed_pattern, codes.max() + 1)[codes]
            trained = (np.arange(len(self.growth)) > 0)[:, None]
            success[seed] = expit(logit + grown + trained * own)
        truth = averaged(logit + grown, self.of_training)
        truth[0] = expit(logit)
        cells = planted_cells(puzzles, success, self.samples, random, self.steps)
        return (cells if self.base_samples is None else with_base(cells, truth[0], self.base_samples, random)), truth

    def expected(self, logit: np.ndarray | float, others: float) -> np.ndarray:
        """Expected success at each checkpoint of a new puzzle of such a logit, with other effects at random."""
        found = [averaged(np.asarray(logit) + g, float(np.hypot(others, self.of_training))) for g in self.grown()]
        found[0] = averaged(np.asarray(logit), others)
        return np.array(found)
