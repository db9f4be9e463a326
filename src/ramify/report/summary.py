"""What a run says in short: the same rows and sentences for the page and for the terminal."""

from dataclasses import dataclass

import polars as pl

from ramify.report.figures import Point

SHORT = {"test": "", "length": "(longer)", "held_out": "(held out)"}
SET_NAMES = {"test": "seen patterns, unseen puzzles", "length": "longer than trained", "held_out": "held-out family"}


@dataclass(frozen=True, slots=True)
class Change:
    """A metric of a group at the base and at the last checkpoint.

    Attributes:
        label, short: the group in words, and in few.
        n: what the estimate rests on: puzzles for one seed, seeds when pooled.
    """

    label: str
    short: str
    metric: str
    before: Point
    after: Point
    n: int

    @property
    def verdict(self) -> str:
        """`rose`, `fell`, or `no clear change` where the intervals overlap."""
        before, after = (self.before.low, self.before.high), (self.after.low, self.after.high)
        if before[0] is None or before[1] is None or after[0] is None or after[1] is None:
            return "no interval"
        if after[0] > before[1]:
            return "rose"
        return "fell" if after[1] < before[0] else "no clear change"


def chosen(estimates: pl.DataFrame) -> pl.DataFrame:
    """The rows a reader is shown: pooled over seeds if there are several, else those of the one seed."""
    seeds = estimates["seed"].drop_nulls().unique()
    return estimates.filter(pl.col("seed").is_null() if len(seeds) > 1 else pl.col("seed").is_not_null())


def points(estimates: pl.DataFrame, metric: str, name: str, by: str, group: str) -> list[Point]:
    """The values of a metric over the steps, missing ones left out."""
    rows = estimates.filter(
        (pl.col("metric") == metric) & (pl.col("set") == name) & (pl.col("by") == by) & (pl.col("group") == group)
    ).drop_nulls("value")
    return [Point(*row) for row in rows.sort("step").select("step", "value", "low", "high").iter_rows()]


def groups(estimates: pl.DataFrame, name: str, by: str) -> list[str]:
    """The groups of a set under a grouping, sorted."""
    found = estimates.filter((pl.col("set") == name) & (pl.col("by") == by))["group"].unique().to_list()
    return sorted(found)


def metrics_shown(estimates: pl.DataFrame) -> list[str]:
    """mean@k, greedy, pass@k, execution, attempts: those that the run has, in this order."""
    there = estimates["metric"].unique().to_list()
    first = {"mean@": 0, "greedy": 1, "pass@": 2, "execution": 3, "attempts": 4}
    ranked = [(rank, metric) for metric in there for start, rank in first.items() if metric.startswith(start)]
    return [metric for _, metric in sorted(ranked)]


def changes(estimates: pl.DataFrame) -> list[Change]:
    """Base against last checkpoint for every evaluation set, n and metric."""
    shown = chosen(estimates)
    rows = []
    for name, words in SET_NAMES.items():
        for group in groups(shown, name, "n"):
            for metric in metrics_shown(shown):
                line = points(shown, metric, name, "n", group)
                if len(line) > 1 and line[0].step == 0:
                    n = shown.filter(
                        (pl.col("metric") == metric)
                        & (pl.col("set") == name)
                        & (pl.col("by") == "n")
                        & (pl.col("group") == group)
                        & (pl.col("step") == line[-1].step)
                    )["n"].item()
                    rows.append(
                        Change(
                            f"n = {group}, {words}", f"n = {group} {SHORT[name]}".strip(), metric, line[0], line[-1], n
                        )
                    )
    return rows


def interval(point: Point, percent: bool = True) -> str:
    """A value with its interval in words.

    >>> interval(Point(0, 0.131, 0.1, 0.17)), interval(Point(0, 1.74), percent=False)
    ('13.1% [10.0, 17.0]', '1.74')
    """
    scale, digits, sign = (100, 1, "%") if percent else (1, 2, "")
    text = f"{point.value * scale:.{digits}f}{sign}"
    if point.low is None or point.high is None:
        return text
    return f"{text} [{point.low * scale:.{digits}f}, {point.high * scale:.{digits}f}]"


def sentences(estimates: pl.DataFrame) -> list[str]:
    """The answer in a few sentences: success by set and n, and whether the model still calculates."""
    found = []
    rows = changes(estimates)
    success = [row for row in rows if row.metric.startswith("mean@")]
    for row in success:
        verb = {"rose": "rose", "fell": "fell", "no clear change": "did not clearly change:"}.get(row.verdict, "went")
        found.append(f"{row.label}: {row.metric} {verb} from {interval(row.before)} to {interval(row.after)}.")
    for row in rows:
        if row.metric == "execution" and row.label.startswith(f"n = 3, {SET_NAMES['test']}"):
            found.append(
                f"Execution at n = 3 (attempts whose stated values are all right): {interval(row.before)} before, "
                f"{interval(row.after)} after."
            )
    return found
