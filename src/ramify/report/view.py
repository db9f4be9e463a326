"""A run's estimates as the report reads them: looked up by metric, set and group; and what they say in sentences."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from ramify.analysis.metric_record import GAIN, Metric, Place
from ramify.analysis.metrics import BUILT_IN, GREEDY, MEAN, PASS, displayed, metric_of
from ramify.report.figures import Point, interval
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
        *first, last = [self.task.LABELS.get(column, column) for column in columns]
        return f"{', '.join(first)} and {last}" if first else last

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
        return [Point(row["step"], row["value"], row["low"], row["high"]) for row in self.rows(metric, name, by, group)]

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


@dataclass(frozen=True, slots=True)
class Change:
    """A metric of a group at the base and at the last checkpoint, and its gain, paired by puzzle."""

    label: str
    metric: str
    before: Point
    after: Point
    gain: Row | None

    @property
    def in_percent(self) -> bool:
        """Whether the values are shown as percentages."""
        return metric_of(self.metric).in_percent

    @property
    def displayed(self) -> str:
        """The name of the metric for readers."""
        return displayed(self.metric)

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
                    found.append(Change(place(name, n), metric, line[0], line[-1], gain))
    return found


def answers(view: View) -> list[str]:
    """The answer in three sentences: what rose, what was learned first and never, where it fails."""
    return [text for text in (_success(view), _order(view), _failures(view)) if text]


def _success(view: View) -> str:
    rows = [change for change in changes(view) if change.metric == view.mean and "parts" not in change.label]
    if not rows:
        found = [
            f"{place(name, n)} {interval(line[-1])}"
            for name in view.sets
            for n in view.groups(view.mean, name, "n")
            if (line := view.points(view.mean, name, "n", n))
        ]
        return f"Success ({view.mean}) at step {view.last}: {'; '.join(found)}. Of one checkpoint there is no gain."
    said = []
    verdicts = {
        "rose": "rose",
        "fell": "fell",
        "no clear change": "did not clearly change",
        "no interval": "went, with too few puzzles to say more",
    }
    for verdict, words in verdicts.items():
        mine = [row for row in rows if row.verdict == verdict]
        if mine:
            numbers = "; ".join(f"{row.label} {interval(row.before)} → {interval(row.after)}" for row in mine)
            said.append(f"{words}: {numbers}")
    text = f"From {view.start} to step {view.last}, sampled success ({view.mean}) on {view.asked} {'. It '.join(said)}."
    greedy = [change for change in changes(view) if change.metric == GREEDY.name and "parts" not in change.label]
    rose = [row.label for row in greedy if row.verdict == "rose"]
    if greedy:
        text += f" Greedy success clearly rose {'for ' + ', '.join(rose) if rose else 'nowhere'}."
    return text


def truncated(view: View, above: float = 0.05) -> list[tuple[str, Point]]:
    """The sets and n of which more than this share of the completions is truncated at the last checkpoint.

    Returns:
        Pairs of what they are and the share: success there is a lower bound.
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


def _order(view: View) -> str:
    for n in view.shaped_sizes:
        rows = learned(view, n)
        known = [row for row in rows if row["status"] != "unknown"]
        if known:
            break
    else:
        return ""
    count = {status: sum(row["status"] == status for row in known) for status in {row["status"] for row in known}}
    sure = [row for row in known if row["gain"] is not None and _is_sure(row["gain"])]
    fell = sum(row["gain"]["value"] < 0 for row in sure)
    order = ("acquired", "already present", "lost again", "not acquired")
    said = ", ".join(f"{count[status]} {status}" for status in order if status in count)
    kind = "seen patterns" if view.asked == UNSEEN else "patterns"
    text = f"Of {len(known)} {kind} at n = {n}, each by its own interval: {said}; corrected for looking at "
    text += f"{len(known)} (false discovery rate 5%), {len(sure) - fell or 'none'} gained for sure"
    text += f", {fell} fell." if fell else "."
    acquired = [row for row in known if row["status"] == "acquired"]
    if acquired:
        first = [row for row in acquired if row["value"] == acquired[0]["value"]]
        named = ", ".join(row["group"] for row in first[:4]) + (f" and {len(first) - 4} more" if len(first) > 4 else "")
        text += f" First, at step {first[0]['value']:.0f}: {named}."
    never = [row["group"] for row in reversed(known) if row["status"] == "not acquired"]
    if never:
        text += f" No clear gain: {', '.join(never[:6])}{f' and {len(never) - 6} more' if len(never) > 6 else ''}."
    return text + _timing(view, n)


def _timing(view: View, n: int) -> str:
    """When classes of patterns gain, apart from how much."""
    rows = {
        words: row
        for words, by, group in (
            ("right-heavy", "n,shape_class", f"{n},right-heavy"),
            ("balanced", "n,shape_class", f"{n},balanced"),
            ("one division", "n,divisions", f"{n},1"),
        )
        if (row := view.at_end("timing difference", "test", by, group)) and row["low"] is not None
    }
    start = " As a fraction of its own final gain, the gain"
    clear = [f"{words} patterns ({_signed(row, 0)} steps)" for words, row in rows.items() if excludes_zero(row)]
    if clear:
        return f"{start} comes at another time for {' and '.join(clear)}."
    if rows:
        return f"{start} of {' and '.join(rows)} patterns comes at no clearly different time."
    return ""


def _failures(view: View) -> str:
    said = []
    gap = view.at_end("right-heavy gap", "test", "all", "all")
    if gap and tells(gap, POINTS):
        forced = view.at_end("right-heavy gap, forced", "test", "all", "all")
        alone = ""
        if forced and tells(forced, POINTS):
            alone = f"; on uniquely solvable puzzles alone {points_of(forced)}, {counted(forced)}"
        said.append(
            f"right-heavy minus left-heavy at equal {view.alike(view.task.STRATA['right-heavy'])} "
            f"{points_of(gap)}{adjusted_p(gap)} ({counted(gap)}{alone})"
        )
    elif gap and gap["status"]:
        said.append(f"{gap['status']} to compare with left-heavy ones")
    effect = view.at_end("effect", "all", "term", "right-heavy")
    if effect and tells(effect, LOG_ODDS):
        clear = effect["low"] * effect["high"] > 0
        verdict = "right-heaviness itself adds" if clear else "right-heaviness itself is not told from 0:"
        said.append(f"beside lookahead, divisions and few solutions, {verdict} {_signed(effect)} log-odds")
    elif effect and effect["status"]:
        said.append(f"whether right-heaviness itself matters is not told: {reason(effect)}")
    transfer = view.at_end("transfer", "held_out", "all", "all")
    if transfer and tells(transfer, POINTS):
        said.append(
            "the gain of the held-out family minus that of matched seen patterns is "
            f"{points_of(transfer)}{adjusted_p(transfer)}, {counted(transfer)}"
        )
    substitution = view.points("substitution", "test", "all", "all")
    if substitution:
        said.append(f"{interval(substitution[-1])} of the correct answers use another pattern than the one meant")
    for name in ("length", "test"):
        sizes = view.groups("execution gain", name, "n")
        if sizes and (row := view.at_end("execution gain", name, "n", sizes[-1])) and tells(row, POINTS):
            said.append(f"arithmetic accuracy (stated values right) at n = {sizes[-1]} changed by {points_of(row)}")
            break
    return f"Structure and limits: {'; '.join(said)}." if said else ""


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


def reason(row: Row) -> str:
    """Why a structure effect has no value.

    >>> reason({"group": "right-heavy", "status": "too few right-heavy puzzles (4)"})
    'too few right-heavy puzzles (4) to say'
    >>> reason({"group": "n", "status": "separated"})
    'success is separated by it, or by what comes with it'
    """
    status = str(row["status"])
    if status == "separated":
        return "success is separated by it, or by what comes with it"
    return f"{status} to say" if status.startswith("too few") else f"it is {status}"


def _is_sure(row: Row) -> bool:
    """Whether a value is told from 0 at the false discovery rate."""
    return row["q"] is not None and row["q"] <= FALSE_DISCOVERIES


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


def _signed(row: Row, digits: int = 2) -> str:
    value, low, high = (None if row[key] is None else f"{row[key]:+.{digits}f}" for key in ("value", "low", "high"))
    return f"{value}{'' if low is None else f' [{low}, {high}]'}".replace("-", "−")
