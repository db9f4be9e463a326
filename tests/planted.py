"""Cells whose truth is planted: what a simulated model's tables look like, without its texts."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from ramify import CountdownConfig, Pattern
from ramify.algebra.structure import structure
from ramify.analysis.cells import SetCells
from ramify.frames import CELL_TYPES


def puzzle_rows(sources: Sequence[str], each: int, **columns: Sequence) -> pl.DataFrame:
    """Puzzles of some patterns, as `cells.attributes` gives them; multiplicity 1, no fractions unless said."""
    rows = []
    for text in sources:
        pattern = Pattern.parse(text)
        shape = structure(pattern)
        for number in range(each):
            rows.append(
                {
                    "puzzle_id": f"{text}/{number:04d}",
                    "n": pattern.size,
                    "pattern": text,
                    "shape_class": shape.shape_class,
                    "depth": shape.depth,
                    "lookahead": shape.lookahead,
                    "subtractions": shape.operators[1],
                    "divisions": shape.operators[3],
                    "inverses": shape.operators[1] + shape.operators[3],
                    "multiplicity": 1,
                    "fractional": False,
                    "largest": 50.0,
                    "known": None,
                }
            )
    return pl.DataFrame(rows).with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def planted_cells(
    puzzles: pl.DataFrame,
    success: dict[int, np.ndarray],
    k: int,
    random: np.random.Generator,
    steps: Sequence[int],
    name: str = "test",
) -> SetCells:
    """Cells with `correct` drawn from the planted success of each seed, of shape (steps, puzzles)."""
    frames = []
    for seed, chances in success.items():
        for step, row in zip(steps, np.broadcast_to(chances, (len(steps), len(puzzles))), strict=True):
            correct = random.binomial(k, row)
            frame = pl.DataFrame({"puzzle": np.arange(len(puzzles)), "correct": correct, "placed": correct})
            frames.append(
                frame.with_columns(
                    k=pl.lit(k),
                    seed=pl.lit(seed),
                    step=pl.lit(step),
                    attempts=pl.lit(2 * k),
                    patternless=pl.lit(0),
                    stated=pl.lit(2 * k),
                    right=pl.lit(2 * k),
                    truncated=pl.lit(0),
                    **{name: pl.lit(0) for name in ("substituted", "votes", "same_answers", "majority", "same_texts")},
                    **{name: pl.col("correct") for name in ("tried", "hit", "sound")},
                    distinct=(pl.col("correct") > 0).cast(pl.Int32),
                    greedy=(pl.col("correct") * 2 > k).cast(pl.Int32),
                )
            )
    kinds = {**dict.fromkeys(("seed", "step", "puzzle"), pl.Int32), **CELL_TYPES}
    return SetCells(
        name,
        puzzles,
        pl.concat(frames).select(pl.col(name).cast(kind) for name, kind in kinds.items()),
        CountdownConfig(),
    )
