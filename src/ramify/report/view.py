"""A run's estimates as the report reads them: looked up by metric, set and group."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from ramify.analysis.metric_record import GAIN, Metric, Place
from ramify.analysis.metrics import BUILT_IN, GREEDY, MEAN, PASS, displayed, metric_of
from ramify.report.figures import Point
from ramify.tasks.base import Task
from ramify.tasks.registry import default_task

SET_NAMES = {
    "test": "seen patterns, unseen puzzles",
    "length": "longer than trained",
    "held_out": "held-out family",
    "skills": "small parts",
}
SHORT = {"test": "", "length": "longer", "held_out": "held out", "skills": "parts"}
UNSEEN = "unseen puzzles"
FALSE_DISCOVERIES = 0.05
POINTS, LOG_ODDS = 0.3, 2.0
"""The widest interval around 0, of shares and of log-odds, that is still worth a sentence."""

Row = dict[str, Any]


@dataclass(frozen=True)
class View:
    """The estimates of a run that a reader is shown: pooled over seeds if there are several, else those of the one."""

    name: str
    estimates: pl.DataFrame
    asked: str = UNSEEN
    """What kind of puzzles they are."""
    task: Task = field(default_factory=default_task)
    """Whose puzzles they are."""

    @cached_property
    def shaped_sizes(self) -> list[int]:
        """The n of the patterns that have a shape class, sorted."""
        texts = {group for metric, _, by, group in self._rows if metric == "acquisition" and by == "pattern"}
        shapes = [self.task.structure(text) for text in texts]
        return sorted({shape["n"] for shape in shapes if shape["shape_class"] != "none"})

    def alike(self, columns: Sequence[str]) -> str:
        """Columns that are held equal, in words.

        >>> View("", pl.DataFrame()).alike(("n", "depth", "divisions"))
        'n, depth and number of divisions'
        """
        *first, last = [self.named(column) for column in columns]
        return f"{', '.join(first)} and {last}" if first else last

    def named(self, column: str) -> str:
        """A column or a term in words.

        >>> View("", pl.DataFrame()).named("log2 largest")
        'largest value, doubled'
        """
        return self.task.LABELS.get(column, column)

    def words(self, metric: str) -> str:
        """The name of a metric for readers of this task; see `metrics.displayed`."""
        return displayed(metric, self.task.LABELS)

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds, sorted."""
        return sorted(self.estimates["seed"].drop_nulls().unique().to_list())

    @cached_property
    def _rows(self) -> dict[tuple[str, str, str, str], list[Row]]:
        wanted = pl.col("seed").is_null() if len(self.seeds) > 1 else pl.col("seed").is_not_null()
        wanted &= pl.col("step").is_in(self.steps) | (pl.col("set") == "train")
        found = defaultdict(list)
        for row in self.estimates.filter(wanted).sort("step").iter_rows(named=True):
            found[row["metric"], row["set"], row["by"], row["group"]].append(row)
        return found

    @cached_property
    def _names(self) -> dict[Metric, list[str]]:
        """For each metric of the table its names, in the order of the table."""
        found: dict[Metric, list[str]] = defaultdict(list)
        for name in self.estimates["metric"].unique(maintain_order=True):
            found[metric_of(name)].append(name)
        return found

    def metrics(self, place: Place) -> list[Metric]:
        """The metrics that are shown at a place, those of ramify first."""
        there = [metric for metric in self._names if place in metric.shown]
        order = {metric: number for number, metric in enumerate(BUILT_IN)}
        return sorted(there, key=lambda metric: order.get(metric, len(order)))

    def name_of(self, metric: Metric, name: str, by: str, group: str) -> str:
        """The name that a metric has in the rows of a set and group: of several, that with the largest number."""
        there = [one for one in self._names[metric] if (one, name, by, group) in self._rows]
        return max(there, key=lambda one: metric.number(one) or 0, default=metric.name)

    @cached_property
    def mean(self) -> str:
        """The metric of sampled success: mean@k, that of the test set if there is one."""
        there = self.estimates.filter(pl.col("metric").is_in(self._names[MEAN]))
        of_test = there.filter(pl.col("set") == "test")
        return str((of_test if len(of_test) else there)["metric"][0])

    @cached_property
    def steps(self) -> list[int]:
        """The checkpoints that every seed has."""
        there = self.estimates.filter((pl.col("metric") == self.mean) & pl.col("seed").is_not_null())
        of_seeds = [set(part["step"]) for _, part in there.group_by("seed")]
        return sorted(set.intersection(*of_seeds))

    @property
    def first(self) -> int:
        """The first checkpoint that every seed has: 0, the base, where it was sampled."""
        return self.steps[0]

    @property
    def start(self) -> str:
        """Its name."""
        return "base" if self.first == 0 else f"step {self.first}"

    def described(self, name: str) -> str:
        """What a set holds, in words."""
        return self.asked if name == "test" and self.asked != UNSEEN else SET_NAMES.get(name, name)

    @cached_property
    def pass_at_k(self) -> str:
        """pass@k for all samples."""
        return PASS.named(MEAN.number(self.mean) or 1)

    @cached_property
    def last(self) -> int:
        """The last checkpoint that every seed has."""
        return self.steps[-1]

    @cached_property
    def sets(self) -> list[str]:
        """The puzzle sets that were asked, the best known first."""
        there = self.estimates.filter(pl.col("metric") == self.mean)["set"].unique().to_list()
        return sorted(there, key=lambda name: ([*SET_NAMES, name].index(name), name))

    def rows(self, metric: str, name: str, by: str, group: str) -> list[Row]:
        """The rows of a metric and group over the steps, those without a value left out."""
        return [row for row in self._rows.get((metric, name, by, group), []) if row["value"] is not None]

    def at_end(self, metric: str, name: str, by: str, group: str) -> Row | None:
        """The row at the last checkpoint, its value perhaps missing; None if there is none."""
        rows = self._rows.get((metric, name, by, group), [])
        return rows[-1] if rows and rows[-1]["step"] == self.last else None

    def points(self, metric: str, name: str, by: str, group: str) -> list[Point]:
        """The same as points."""
        return [point_of(row) for row in self.rows(metric, name, by, group)]

    def threads(self, metric: str, name: str, by: str, group: str) -> list[list[Point]]:
        """The points of each seed, if there are several."""
        if len(self.seeds) < 2:
            return []
        mine = self.estimates.filter(
            (pl.col("metric") == metric) & (pl.col("set") == name) & (pl.col("by") == by) & (pl.col("group") == group)
        ).drop_nulls(["seed", "value"])
        return [
            [Point(*row) for row in part.sort("step").select("step", "value").iter_rows()]
            for _, part in mine.group_by("seed", maintain_order=True)
        ]

    def groupings(self, metric: str, name: str) -> set[str]:
        """The groupings of a metric in a set."""
        return {by for of, where, by, _ in self._rows if (of, where) == (metric, name)}

    def groups(self, metric: str, name: str, by: str) -> list[str]:
        """The groups of a grouping, numbers in them in order of size."""
        found = [group for m, s, b, group in self._rows if (m, s, b) == (metric, name, by)]
        return sorted(found, key=lambda group: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", group)])


def point_of(row: Row) -> Point:
    """A row as a point, with both intervals."""
    return Point(row["step"], *(row[end] for end in ("value", "low", "high", "retrained_low", "retrained_high")))


@dataclass(frozen=True, slots=True)
class Change:
    """A metric of a group at the base and at the last checkpoint, and its gain, paired by puzzle."""

    label: str
    metric: str
    before: Point
    after: Point
    gain: Row | None
    displayed: str
    """The name of the metric for readers."""

    @property
    def in_percent(self) -> bool:
        """Whether the values are shown as percentages."""
        return metric_of(self.metric).in_percent

    @property
    def verdict(self) -> str:
        """`rose`, `fell`, or `no clear change` where the interval of the gain holds 0."""
        if self.gain is None or self.gain["low"] is None:
            return "no interval"
        if self.gain["low"] > 0:
            return "rose"
        return "fell" if self.gain["high"] < 0 else "no clear change"


def place(name: str, n: str) -> str:
    """The puzzles of a set and n in few words.

    >>> place("test", "3"), place("length", "5")
    ('n = 3', 'n = 5 (longer)')
    """
    short = SHORT.get(name, name)
    return f"n = {n} ({short})" if short else f"n = {n}"


def changes(view: View) -> list[Change]:
    """First against last checkpoint for every set, n and main metric."""
    found = []
    for name in view.sets:
        for n in view.groups(view.mean, name, "n"):
            shown = [view.name_of(metric, name, "n", n) for metric in view.metrics("changes")]
            for metric in (view.mean, GREEDY.name, view.pass_at_k, *shown):
                line = view.points(metric, name, "n", n)
                if len(line) > 1 and line[0].step == view.first and line[-1].step == view.last:
                    gain = view.at_end(metric + GAIN, name, "n", n)
                    found.append(Change(place(name, n), metric, line[0], line[-1], gain, view.words(metric)))
    return found


def truncated(view: View, above: float = 0.05) -> list[tuple[str, Point]]:
    """The sets and n with more than this share of truncated completions at the last checkpoint.

    Returns:
        Pairs of label and share; success there is a lower bound.
    """
    shares = {
        place(name, n): view.points("truncated", name, "n", n)
        for name in view.sets
        for n in view.groups("truncated", name, "n")
    }
    return [(label, line[-1]) for label, line in shares.items() if line and line[-1].value > above]


def learned(view: View, n: int, names: Sequence[str] = ("test",)) -> list[Row]:
    """The patterns of an n by acquisition: present, acquired by step, lost again, not acquired, unknown.

    Args:
        names: the sets whose source patterns they are.

    Returns:
        The rows of the acquisitions, each with before and after (success) and gain (the row of it).
    """
    rank = {"already present": 0, "acquired": 1, "lost again": 2, "not acquired": 3, "unknown": 4}
    found = []
    for name in names:
        for text in view.groups("acquisition", name, "pattern"):
            line = view.points(view.mean, name, "pattern", text)
            row = view.at_end("acquisition", name, "pattern", text)
            if row is None or len(line) < 2 or view.task.structure(text)["n"] != n:
                continue
            gain = view.at_end(view.mean + GAIN, name, "pattern", text)
            found.append({**row, "before": line[0], "after": line[-1], "gain": gain})
    return sorted(found, key=lambda row: (rank[row["status"]], row["value"] or 0, -row["after"].value, row["group"]))


def tells(row: Row, widest: float) -> bool:
    """Whether a difference can stand as a finding: its interval leaves out 0, or is at most so wide.

    >>> tells({"value": 0.0, "low": -0.313, "high": 0.465}, POINTS)
    False
    >>> tells({"value": 0.01, "low": -0.03, "high": 0.05}, POINTS)
    True
    """
    if row["value"] is None or row["low"] is None:
        return False
    return bool(row["low"] * row["high"] > 0 or row["high"] - row["low"] <= widest)


def is_vague(metric: str, low: float | None, high: float | None) -> bool:
    """Whether an interval spans at least half of the scale of its metric: too few puzzles to say anything.

    The interval of a difference that excludes 0 says something, however wide it is.

    >>> is_vague("mean@4", 0.0, 0.658), is_vague("mean@4 gain", -0.3, 0.4), is_vague("attempts", 0.0, 9.0)
    (True, False, False)
    """
    if low is None or high is None:
        return False
    record = metric_of(metric)
    if record.is_signed and (low > 0 or high < 0):
        return False
    smallest, largest = record.bounds
    return high - low >= (largest - smallest) / 2


def reason(row: Row) -> str:
    """Why a structure effect has no value.

    >>> reason({"group": "right-heavy", "status": "too few right-heavy puzzles (4)"})
    'too few right-heavy puzzles (4)'
    >>> reason({"group": "n", "status": "separated"})
    'success is separated by it, or by what comes with it'
    """
    status = str(row["status"])
    if status == "separated":
        return "success is separated by it, or by what comes with it"
    return status if status.startswith("too few") else f"it is {status}"


def points_of(row: Row) -> str:
    """A difference of shares in points.

    >>> points_of({"value": -0.035, "low": -0.11, "high": 0.039})
    '−3.5 points [−11.0, +3.9]'
    """
    ends = "" if row["low"] is None else f" [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
    return f"{100 * row['value']:+.1f} points{ends}".replace("-", "−")


def counted(row: Row) -> str:
    """The puzzles and patterns that a claim about shapes rests on.

    >>> counted({"n": 72, "patterns": 12})
    '72 puzzles of 12 patterns'
    """
    return f"{row['n']} puzzles of {row['patterns']} patterns"


def adjusted_p(row: Row) -> str:
    """The p of a primary contrast, adjusted for the others.

    >>> adjusted_p({"primary": True, "q": 0.012}), adjusted_p({"primary": False, "q": 0.012})
    (', adjusted p = 0.012', '')
    """
    if not row["primary"] or row["q"] is None:
        return ""
    return ", adjusted p < 0.001" if row["q"] < 0.001 else f", adjusted p = {row['q']:.2g}"


def excludes_zero(row: Row) -> bool:
    """Whether the interval of a difference excludes 0."""
    return row["low"] is not None and (row["low"] > 0 or row["high"] < 0)
