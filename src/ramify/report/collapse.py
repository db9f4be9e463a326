"""Sentences about a collapse: where success falls after its best checkpoint, and what else changes there."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from ramify.analysis.collapse import FELL
from ramify.analysis.derived_metrics import CHANGE_POINTS, COLLAPSE, COLLAPSE_BEST, COLLAPSE_LOWEST
from ramify.report.figures import Point
from ramify.report.view import FALSE_DISCOVERIES, Row, View, place

MOST = 3
"""The number of falls that have a sentence of their own."""
_JUMPS = {"fell": "falls", "rose": "rises"}
_SERIES = {"reward": "the training reward", "entropy": "entropy", "length": "completion length"}


@dataclass(frozen=True, slots=True)
class Fallen:
    """A clear fall of success in a set and n.

    Attributes:
        before, after, end: success at the best, the lowest and the last checkpoint.
        row: the row of *collapse*.
        seed: the training run, of several; None if the fall is that of their mean, or there is one run.
        runs: the number of training runs in which success falls clearly; 0 without `seed`.
    """

    where: str
    before: Point
    after: Point
    end: Point
    row: Row
    seed: int | None = None
    runs: int = 0

    @property
    def size(self) -> float:
        """The difference of success."""
        return self.before.value - self.after.value


def collapsed(view: View) -> list[str]:
    """Sentences about clear falls of success, the largest first, and the jumps of training at the same time.

    A fall is clear if its q is at most 5 %, and is said if it lasts to the last checkpoint. Where the mean over several
    training runs has none, but single runs do (q times the number of runs), the sentence counts them. Else empty.
    """
    falls = sorted(_falls(view), key=lambda fall: (fall.seed is not None, -fall.size))
    if not falls:
        return []
    found = [_sentence(fall, len(view.seeds)) for fall in falls[:MOST]]
    if falls[MOST:]:
        found.append(f"It also falls on {', '.join(fall.where for fall in falls[MOST:])}.")
    return found + _at_the_same_time(view, falls[0])


def collapse_details(view: View) -> list[str]:
    """For each clear fall, the interval of its step, and p."""
    found = []
    for fall in _falls(view):
        of = fall.where if fall.seed is None else f"{fall.where} in seed {fall.seed}"
        p = "p < 0.001" if fall.row["p"] < 0.001 else f"p = {fall.row['p']:.2g}"
        ends = f"[{fall.row['low']:.0f}, {fall.row['high']:.0f}]"
        found.append(f"Half of the fall of success on {of} is lost by step {fall.row['value']:.0f} {ends}, {p}.")
    return found


def _falls(view: View) -> Iterator[Fallen]:
    for name in view.sets:
        for n in view.groups(COLLAPSE.name, name, "n"):
            row = view.at_end(COLLAPSE.name, name, "n", n)
            if row is not None and _is_clear(row, 1):
                yield from _fallen(view, row)
            elif len(view.seeds) > 1:
                mine = _of_seeds(view, COLLAPSE.name, name, n)
                clear = [one for one in mine if _is_clear(one, len(view.seeds))]
                falls = [fall for one in clear for fall in _fallen(view, one, len(clear))]
                yield from sorted(falls, key=lambda fall: -fall.size)[:1]


def _is_clear(row: Row, tests: int) -> bool:
    return row["status"] == FELL and row["q"] is not None and bool(row["q"] * tests <= FALSE_DISCOVERIES)


def _of_seeds(view: View, metric: str, name: str, n: str) -> list[Row]:
    """The rows of a metric by seed and step, in one set and n; those without a value are left out."""
    wanted = (pl.col("metric") == metric) & (pl.col("set") == name) & (pl.col("by") == "n") & (pl.col("group") == n)
    mine = view.estimates.filter(wanted).drop_nulls(["seed", "value"]).sort("seed", "step")
    return list(mine.iter_rows(named=True))


def _fallen(view: View, row: Row, runs: int = 0) -> Iterator[Fallen]:
    """The fall of a row of *collapse*; none if the success at its checkpoints is not in the table."""
    name, n, seed = row["set"], row["group"], row["seed"] if runs else None
    line, best, lowest = (
        view.rows(metric, name, "n", n)
        if seed is None
        else [one for one in _of_seeds(view, metric, name, n) if one["seed"] == seed]
        for metric in (view.mean, COLLAPSE_BEST.name, COLLAPSE_LOWEST.name)
    )
    points = {one["step"]: Point(one["step"], one["value"]) for one in line}
    ends = [end[-1]["value"] for end in (best, lowest) if end]
    if len(ends) == 2 and points.keys() >= set(ends):
        before, after = (points[int(step)] for step in ends)
        yield Fallen(place(name, n), before, after, points[line[-1]["step"]], row, seed, runs)


def _sentence(fall: Fallen, seeds: int) -> str:
    numbers = f"from {_at(fall.before)} to {_at(fall.after)}"
    later = "" if fall.end.step == fall.after.step else f", and is {fall.end.value:.1%} at the end"
    if fall.seed is None:
        return f"Success on {fall.where} falls {numbers}{later}."
    which = f"in seed {fall.seed} {numbers}{later}"
    return f"Success on {fall.where} falls in {fall.runs} of {seeds} training runs, {which}."


def _at(point: Point) -> str:
    return f"{point.value:.1%} at step {point.step}"


def _at_the_same_time(view: View, fall: Fallen) -> list[str]:
    """A sentence about the series of training that jump between the two checkpoints of a fall."""
    found = []
    for name, metric in CHANGE_POINTS.items():
        wanted = pl.col("seed") == fall.seed if fall.seed is not None else _shown(view)
        rows = view.estimates.filter(wanted & (pl.col("metric") == metric.name)).iter_rows(named=True)
        for row in rows:
            if row["value"] is not None and fall.before.step < row["value"] <= fall.after.step:
                found.append(f"{_SERIES[name]} {_JUMPS[row['status']]} at step {row['value']:.0f}")
    return [f"Between these checkpoints, {', '.join(found)}."] if found else []


def _shown(view: View) -> pl.Expr:
    return pl.col("seed").is_null() if len(view.seeds) > 1 else pl.col("seed").is_not_null()
