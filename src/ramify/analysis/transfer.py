"""Held-out transfer: the gain of held-out patterns minus the gain of matched seen patterns."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from ramify.analysis.cells import Grouping, SetCells, grouping
from ramify.analysis.crossed import components
from ramify.analysis.derived_metrics import TRANSFER
from ramify.analysis.linear import Part, changes, curves, pattern_codes, shared_steps
from ramify.analysis.metrics import mean_at_k

HELD_OUT, SEEN = "held_out", "test"


def transfer(sets: Mapping[str, SetCells], seeds: Sequence[int]) -> Iterator[Part]:
    """The gain of held-out patterns minus that of matched seen ones: a difference in differences.

    Strata agree in `Task.MATCHED_BY`. In each, held-out puzzles are compared with all seen ones; strata are weighted by
    their held-out puzzles. Matching on base success instead would bias the result, since base success enters the gain.
    A negative value means that held-out patterns gained less. Groups are all, n, and each pattern; a held-out pattern
    without controls does not count.
    """
    if not {HELD_OUT, SEEN} <= sets.keys():
        return
    both = [sets[HELD_OUT], sets[SEEN]]
    matched = both[0].task.MATCHED_BY
    steps = sorted(set.intersection(*(set(shared_steps(cells, seeds)) for cells in both)))
    if len(steps) < 2:
        return
    found = []
    for cells in both:
        curve = curves(cells, seeds, mean_at_k(cells.samples), cells.samples, steps)
        found.append(changes(curve, grouping(cells.puzzles, "pattern")))
    values = np.concatenate([one.values for one in found], axis=-1)
    noise = np.concatenate([one.noise for one in found], axis=-1)
    puzzles = pl.concat([cells.puzzles.select("pattern", *matched) for cells in both])
    is_held = np.arange(len(puzzles)) < len(both[0].puzzles)
    puzzles = puzzles.with_columns(side=pl.when(pl.Series(is_held)).then(pl.col("pattern")).otherwise(pl.lit("")))
    # Each held-out pattern is a group; the seen patterns of a stratum form one group.
    groups = grouping(puzzles, ",".join([*matched, "side"]))
    by_pattern = [grouping(cells.puzzles, "pattern") for cells in both]
    scale = np.concatenate([one.scale[:, own.codes] for one, own in zip(found, by_pattern, strict=True)], axis=1)
    floors = [
        np.concatenate([(side * own.sizes)[:, own.codes] for side, own in zip(sides, by_pattern, strict=True)], axis=1)
        for sides in ([one.floor for one in found], [one.cell_floor for one in found])
    ]
    yield from _compared(values, noise, groups, pattern_codes(puzzles), scale, floors, steps[1:])


def _compared(
    values: np.ndarray,
    noise: np.ndarray,
    groups: Grouping,
    codes: np.ndarray,
    scale: np.ndarray,
    floors: Sequence[np.ndarray],
    steps: Sequence[int],
) -> Iterator[Part]:
    """Contrasts between the held-out groups and the seen group of their stratum.

    Args:
        scale: the scale of each puzzle's value.
        floors: sampling variances of each puzzle's value, with and without the part that seeds share.
    """
    n = groups.sizes
    strata = [name.rpartition(",") for name in groups.names]
    seen = {stratum: number for number, (stratum, _, side) in enumerate(strata) if not side}
    pairs = [
        (number, seen[stratum], side, stratum.partition(",")[0])
        for number, (stratum, _, side) in enumerate(strata)
        if side and stratum in seen
    ]
    if not pairs:
        return
    families = np.unique([f"{stratum},{bool(side)}" for stratum, _, side in strata], return_inverse=True)[1]
    chosen: dict[tuple[str, str], list[tuple[int, int, str, str]]] = {("all", "all"): pairs}
    for pair in pairs:
        chosen.setdefault(("n", pair[3]), []).append(pair)
        chosen["pattern", pair[2]] = [pair]
    weights = np.zeros((len(chosen), len(n)))
    for row, members in zip(weights, chosen.values(), strict=True):
        whole = sum(int(n[held]) for held, *_ in members)
        for held, control, *_ in members:
            row[held] += n[held] / whole
            row[control] -= n[held] / whole
    per_group = groups.totals(scale) / n
    of = components(
        values, groups, codes, weights, by_pattern=True, families=families, noise=noise, scale=per_group,
        floor=groups.totals(floors[0]) / n**2, cell_floor=groups.totals(floors[1]) / n**2,
    )  # fmt: skip
    names = list(chosen)
    for by in TRANSFER.groupings:
        columns = [i for i, (one, _) in enumerate(names) if one == by]
        yield Part(
            TRANSFER.name, HELD_OUT, by, steps, [names[i][1] for i in columns], of.of_columns(columns), len(values),
            tested=True,
        )  # fmt: skip
