"""Right-heavy and balanced gaps: success against left-heavy patterns of matched structure."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells, grouping
from ramify.analysis.crossed import components
from ramify.analysis.derived_metrics import FORCED_GAPS, SHAPE_GAPS
from ramify.analysis.linear import Curves, Part, curves, pattern_codes
from ramify.analysis.metrics import mean_at_k

FEWEST_PUZZLES = 10
FEWEST_PATTERNS = 3
"""The least patterns of a class that get an interval."""


def shape_gaps(cells: SetCells, seeds: Sequence[int]) -> Iterator[Part]:
    """Success on right-heavy (balanced) minus left-heavy patterns, over all puzzles and over uniquely solvable ones.

    Puzzles of a stratum agree in the columns of `Task.STRATA`. Groups are each stratum that has both classes, each n,
    and "all"; the latter two weight strata by their right-heavy (balanced) puzzles. Patterns with a twin of another
    class do not count. The metrics are "right-heavy gap" and "balanced gap", with the suffix ", forced" for uniquely
    solvable puzzles. Intervals are for new patterns. Below `FEWEST_PUZZLES` puzzles of a class, or `FEWEST_PATTERNS`
    patterns over several strata, there is no interval, and the status gives the reason.
    """
    curve = curves(cells, seeds, mean_at_k(cells.samples), cells.samples)
    forced = cells.puzzles["forced"].to_numpy() if "forced" in cells.puzzles.columns else None
    for shape, strata in cells.task.STRATA.items():
        yield from _gaps(cells, curve, curve.asked, shape, strata, SHAPE_GAPS[shape].name)
        if forced is not None:
            yield from _gaps(cells, curve, curve.asked & forced, shape, strata, FORCED_GAPS[shape].name)


def _gaps(
    cells: SetCells, curve: Curves, counted: np.ndarray, shape: str, strata: tuple[str, ...], metric: str
) -> Iterator[Part]:
    """The gap at each checkpoint, in separate parts since the sampled puzzles may differ."""
    by = ",".join(strata)
    groups = grouping(cells.puzzles, f"{by},shape_class")
    index = {name: number for number, name in enumerate(groups.names)}
    codes, share = pattern_codes(cells.puzzles), curve.numerator / curve.denominator
    for at, step in enumerate(curve.steps):
        here = counted[at]
        n = np.bincount(groups.codes[here], minlength=len(index))
        pairs = {
            name.rpartition(",")[0]: (mine, other)
            for name, mine in index.items()
            if name.endswith(f",{shape}")
            and (other := index.get(f"{name.rpartition(',')[0]},left-heavy")) is not None
            and min(n[mine], n[other]) > 0
        }
        together = {("all", "all"): list(pairs)} if pairs else {}
        for stratum in pairs:
            together.setdefault(("n", stratum.partition(",")[0]), []).append(stratum)
            together[by, stratum] = [stratum]
        if not together:
            continue
        weights = np.zeros((len(together), len(index)))
        status: list[str | None] = []
        for row, ((grouped, _), members) in zip(weights, together.items(), strict=True):
            mine, other = np.array([pairs[stratum] for stratum in members]).T
            row[mine] = n[mine] / n[mine].sum()
            row[other] = -row[mine]
            there, codes_of = cells.puzzles.filter(pl.Series(here)), groups.codes[here]
            status.append(too_few(there, codes_of, mine, other, shape, grouped != by))
        values = np.where(here, share[:, at : at + 1], np.nan)
        level = groups.totals(values.mean(0)) / np.maximum(n, 1)
        draws = n * curve.draws[at]
        likely = (level * draws + 0.5) / (draws + 1)
        spread = likely * (1 - likely)
        of = components(
            values, groups, codes, weights, by_pattern=True, scale=spread, floor=spread / np.maximum(draws, 1)
        )
        names = [group for _, group in together]
        for grouped in dict.fromkeys(by for by, _ in together):
            chosen = [i for i, (one, _) in enumerate(together) if one == grouped]
            yield Part(
                metric, cells.name, grouped, [step], [names[i] for i in chosen], of.of_columns(chosen),
                len(values), tested=True, status=np.array([[status[i] for i in chosen]], dtype=object),
            )  # fmt: skip


def too_few(
    puzzles: pl.DataFrame,
    codes: np.ndarray,
    mine: Sequence[int] | np.ndarray,
    other: Sequence[int] | np.ndarray,
    shape: str,
    across: bool = True,
) -> str | None:
    """The reason for not making claims about new patterns; None if they can be made.

    Args:
        codes: the group of each puzzle.
        mine, other: the groups of the class, and of left-heavy patterns.
        across: whether several strata are taken together.
    """
    for name, groups in ((shape, mine), ("left-heavy", other)):
        of = puzzles["pattern"].filter(pl.Series(np.isin(codes, groups)))
        if len(of) < FEWEST_PUZZLES:
            return f"too few {name} puzzles ({len(of)})"
        if across and of.n_unique() < FEWEST_PATTERNS:
            return f"too few {name} patterns ({of.n_unique()})"
    return None
