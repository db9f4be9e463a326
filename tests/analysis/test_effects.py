"""Structure effects against planted truth: worlds are drawn here, apart from what estimates them."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from planted import planted_cells, puzzle_rows
from ramify import patterns
from ramify.algebra.structure import structure
from ramify.analysis.cells import SetCells
from ramify.analysis.effects import effects
from ramify.analysis.rows import adjusted

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
    """With what differs between puzzles of one pattern: right-heavy ones have fewer solutions, division makes fractions."""
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
    """All patterns of n = 3 and 4 with 3 to 12 puzzles each, which differ beyond their features, as do puzzles and runs."""
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
