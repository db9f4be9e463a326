"""Shape classes compared like with like: right-heavy, and balanced, against left-heavy patterns of equal make."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells, grouping
from ramify.analysis.estimators import combined, ratios
from ramify.analysis.rows import rows

STRATA = {"right-heavy": ("n", "depth", "inverses"), "balanced": ("n", "inverses")}
"""What is held equal. Balanced patterns never have the depth of left-heavy ones of their n (to n = 4)."""


def shape_gap(cells: SetCells, seed: int) -> Iterator[pl.DataFrame]:
    """Success of right-heavy (balanced) minus that of left-heavy patterns, in strata of equal n, depth and number of
    subtractions and divisions (equal n and number of these); over all puzzles, and over the forced ones alone.

    Groups: each stratum that has both, each n and "all", which weigh strata by their right-heavy (balanced) puzzles.
    Patterns with a twin of another class do not count. The metrics are "right-heavy gap" and "balanced gap", and the
    same with ", forced".
    """
    forced = cells.puzzles["forced"].to_numpy() if "forced" in cells.puzzles.columns else None
    (share,) = cells.values(seed, pl.col("correct") / pl.col("k"))
    for shape, strata in STRATA.items():
        yield from _gaps(cells, seed, share, shape, strata, "")
        if forced is not None:
            yield from _gaps(cells, seed, np.where(forced, share, np.nan), shape, strata, ", forced")


def _gaps(
    cells: SetCells, seed: int, share: np.ndarray, shape: str, strata: tuple[str, ...], suffix: str
) -> Iterator[pl.DataFrame]:
    steps, by = cells.steps(seed), ",".join(strata)
    groups = grouping(cells.puzzles, f"{by},shape_class")
    n = groups.totals(np.isfinite(share).astype(float))
    sums, counts = groups.sums(share), groups.sums(np.isfinite(share).astype(float))
    found = np.array([np.column_stack(ratios(sums[at], counts[at], n[at])) for at in range(len(steps))])
    index = {name: number for number, name in enumerate(groups.names)}
    pairs = {}
    for name, mine in index.items():
        stratum, _, kind = name.rpartition(",")
        other = index.get(f"{stratum},left-heavy")
        if kind == shape and other is not None and (n[:, [mine, other]] > 0).all(1).any():
            pairs[stratum] = (mine, other)
    together = {("all", "all"): list(pairs)}
    for stratum in pairs:
        together.setdefault(("n", stratum.partition(",")[0]), []).append(stratum)
        together[by, stratum] = [stratum]
    for (grouped, group), members in together.items():
        if not members:
            continue
        gaps, count = [], []
        for at in range(len(steps)):
            pair = np.array([pairs[stratum] for stratum in members])
            pair = pair[(n[at, pair] > 0).all(1)]
            share = n[at, pair[:, 0]] / max(n[at, pair[:, 0]].sum(), 1)
            weights = np.zeros(len(index))
            np.add.at(weights, pair[:, 0], share)
            np.add.at(weights, pair[:, 1], -share)
            used = np.flatnonzero(weights)
            gaps.append(combined(found[at, used], weights[used]) if len(used) else (np.nan,) * 3)
            count.append(int(n[at, pair].sum()))
        columns = [part[:, None] for part in np.array(gaps).T]
        yield rows(
            f"{shape} gap{suffix}", cells.name, seed, grouped, steps, [group], columns, n=np.array(count)[:, None]
        )
