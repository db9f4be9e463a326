"""Support: puzzles solved by the base model only, by both models, by the trained model only, or by neither."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells, grouping
from ramify.analysis.derived_metrics import PATTERN_SUPPORT, SUPPORT, UNLOCK
from ramify.analysis.estimators import wilson_limits
from ramify.analysis.metric_record import Metric
from ramify.analysis.rows import rows


def support(cells: SetCells, seed: int, groupings: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Shares of puzzles solved by base only, both, trained only, and neither.

    Both models are compared at the same number of samples per puzzle; the one with more counts by its unbiased pass@k
    at the smaller number. Intervals are Wilson's. The null-set unlock rate is the share of the puzzles that the base
    never solves that the trained model solves: trained only / (trained only + neither).
    """
    steps = cells.steps(seed)
    if len(steps) < 2:
        return
    base, trained = _both(cells, seed)
    yield from _shares(SUPPORT, cells, cells.puzzles, seed, (base, trained), groupings)
    null = np.where(np.isfinite(trained), 1 - base, np.nan)
    for by in groupings:
        groups = grouping(cells.puzzles, by)
        n, unlocked = groups.totals(null), groups.totals(null * trained)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = unlocked / n
            low, high = wilson_limits(share, n)
        found = [part[1:] for part in (share, low, high)]
        yield rows(UNLOCK.name, cells.name, seed, by, steps[1:], groups.names, found, n=n[1:])


def pattern_support(cells: SetCells, seed: int, groupings: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Shares of patterns solved by base only, both, trained only, and neither; a pattern is solved if one of its
    puzzles is."""
    if len(cells.steps(seed)) < 2:
        return
    base, trained = _both(cells, seed)
    patterns = grouping(cells.puzzles, "pattern")
    asked = patterns.totals(np.isfinite(base * trained).astype(float)) > 0
    of_patterns = [
        np.where(asked, 1 - np.exp(patterns.totals(np.log(np.maximum(1 - side, 1e-300)))), np.nan)
        for side in (base, trained)
    ]
    first = [int(np.argmax(patterns.codes == code)) for code in range(len(patterns.names))]
    yield from _shares(PATTERN_SUPPORT, cells, cells.puzzles[first], seed, of_patterns, groupings)


def _shares(
    metrics: Mapping[str, Metric],
    cells: SetCells,
    frame: pl.DataFrame,
    seed: int,
    sides: Sequence[np.ndarray],
    groupings: Sequence[str],
) -> Iterator[pl.DataFrame]:
    steps = cells.steps(seed)
    for by in groupings:
        groups = grouping(frame, by)
        for kind, value in _kinds(*sides).items():
            n = groups.totals(np.isfinite(value).astype(float))
            with np.errstate(invalid="ignore"):
                share = groups.totals(value) / n
                low, high = wilson_limits(share, n)
            name = metrics[kind].name
            yield rows(name, cells.name, seed, by, steps[1:], groups.names, [share[1:], low[1:], high[1:]], n=n[1:])


def _both(cells: SetCells, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether the first checkpoint, and each later one, solves a puzzle at an equal number of samples."""
    k, correct = cells.values(seed, pl.col("k"), pl.col("correct"))
    fewest = np.minimum(k[:1], k)
    return _solved(correct[:1], k[:1], fewest), _solved(correct, k, fewest)


def _kinds(base: np.ndarray, trained: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "base only": base * (1 - trained),
        "both": base * trained,
        "trained only": (1 - base) * trained,
        "neither": (1 - base) * (1 - trained),
    }


def _solved(correct: np.ndarray, k: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Probability that at least one of `drawn` of k samples is correct."""
    miss = np.ones(np.broadcast_shapes(correct.shape, drawn.shape))
    for i in range(int(np.nanmax(drawn))):
        miss = np.where(i < drawn, miss * np.maximum(k - correct - i, 0) / np.maximum(k - i, 1), miss)
    return np.where(np.isfinite(correct * drawn), 1 - miss, np.nan)
