"""Panels of curves whose points lead to the completions behind them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import polars as pl
from markupsafe import Markup

from ramify.analysis.derived_metrics import ZERO_ADVANTAGE, ZERO_ADVANTAGE_OVERALL
from ramify.analysis.metrics import MEAN, displayed, metric_of
from ramify.explore import curves
from ramify.explore.source import TRAINING, Source
from ramify.report.figures import Point, Series, extent, line_panel
from ramify.report.links import link
from ramify.tasks.base import SETS

MOST_PANELS = 24
MOST_LINES = 8
STYLES = ("first", "second", "third", "fourth", "balanced", "left", "right", "box")


class Line(NamedTuple):
    """A line of a panel: its run, its seed (None for all together), its points."""

    run: str
    seed: int | None
    points: list[Point]


def panels(
    source: Source,
    runs: Sequence[str],
    metric: str,
    of: str,
    by: str,
    groups: Sequence[str],
    seeds: str | None,
) -> list[tuple[str, Markup, list[tuple[str, str]]]]:
    """One panel for each set and group; its lines are runs or seeds, and each point leads to its completions.

    All panels have the same value axis. While a checkpoint has no estimate of all seeds together, each seed has a line.
    """
    everything = {name: curves.rows(source, name) for name in runs}
    own = {name: own_metric(table, metric) for name, table in everything.items()}
    tables = {name: table.filter(metric=own[name], by=by) for name, table in everything.items()}
    drawn = [
        (where, group, lines)
        for where, group in _places(tables.values(), of, groups)[:MOST_PANELS]
        if (lines := [line for name in runs for line in _lines(tables[name], name, own[name], where, by, group, seeds)])
    ]
    owners = list(dict.fromkeys((line.run, line.seed) for _, _, lines in drawn for line in lines))[:MOST_LINES]
    styles = dict(zip(owners, STYLES, strict=False))
    in_percent = metric_of(metric).in_percent
    words = displayed(metric, source.run(runs[0]).task.LABELS)
    placed = []
    for where, group, lines in drawn:
        shown = {
            _label(line, runs, own[line.run] if own[line.run] != metric else ""): line
            for line in lines
            if (line.run, line.seed) in styles
        }
        series = [Series(label, styles[line.run, line.seed], line.points) for label, line in shown.items()]
        placed.append((where, group, shown, series))
    axis = extent([one for *_, series in placed for one in series])
    found = []
    for where, group, shown, series in placed:
        lead = partial(_lead, source, metric, where, by, group, shown)
        heading = where if group == "all" else f"{where}, {group_words(by, group)}"
        svg = Markup(line_panel(series, f"{words}: {heading}", axis, in_percent, lead))
        found.append((heading, svg, [(one.name, one.style) for one in series]))
    return found


def _places(tables: Iterable[pl.DataFrame], of: str, groups: Sequence[str]) -> list[tuple[str, str]]:
    """The sets and groups of some curves, in the order of `SETS`."""
    together = pl.concat(list(tables)).select("set", "group").unique().sort("set", "group")
    order = [*SETS]
    wanted = [
        (where, group)
        for where, group in together.rows()
        if (not of or where == of) and (not groups or group in groups)
    ]
    return sorted(
        wanted, key=lambda place: (order.index(place[0]) if place[0] in order else len(order), by_value(place[1]))
    )


def by_value(group: str) -> list[tuple[int, str]]:
    """What sorts groups, numbers by their value.

    >>> sorted(["10,a", "9,b", "x"], key=by_value)
    ['9,b', '10,a', 'x']
    """
    return [(int(part) if part.isdigit() and part.isascii() else 10**9, part) for part in group[:100].split(",")]


def _lines(table: pl.DataFrame, name: str, metric: str, of: str, by: str, group: str, seeds: str | None) -> list[Line]:
    """The lines of a run in a panel: all seeds together if that has every step and is asked for, else each seed."""
    mine = table.filter(set=of, group=group)
    own = sorted(mine["seed"].drop_nulls().unique())
    pooled = Line(name, None, curves.points(mine, metric, of, by, group, None))
    steps = set(mine.filter(pl.col("seed").is_not_null())["step"])
    if seeds != "each" and pooled.points and steps <= {point.step for point in pooled.points}:
        return [pooled]
    return [Line(name, seed, curves.points(mine, metric, of, by, group, seed)) for seed in own]


def _label(line: Line, runs: Sequence[str], other: str) -> str:
    words = [line.run] if len(runs) > 1 else []
    words += [] if line.seed is None else [f"seed {line.seed}"]
    return ", ".join(words + [other] * bool(other)) or "all seeds"


def own_metric(table: pl.DataFrame, metric: str) -> str:
    """The name of a metric in the curves of a run, which may have another number of samples.

    >>> own_metric(pl.DataFrame({"metric": ["mean@8", "pass@2"]}), "mean@4")
    'mean@8'
    """
    known, record = set(table["metric"].unique()), metric_of(metric)
    if metric in known or "{k}" not in record.name:
        return metric
    return next((name for name in sorted(known) if metric_of(name) == record), metric)


def _lead(
    source: Source, metric: str, of: str, by: str, group: str, lines: Mapping[str, Line], one: Series, point: Point
) -> str:
    """The address of the completions behind a point."""
    name, seed, points = lines[one.name]
    filters = curves.behind(source.run(name).task, metric, of, by, group)
    since = None
    if metric == ZERO_ADVANTAGE.name:  # of all training steps since the checkpoint before
        since = max((other.step for other in points if other.step < point.step), default=0)
    elif metric == ZERO_ADVANTAGE_OVERALL.name:
        since = 0
    if seed is not None and of != TRAINING:
        seed = source.sampled_by(name, seed, point.step)
    return link("/completions", run=name, seed=seed, since=since, step=point.step, **filters)


def group_words(by: str, group: str) -> str:
    """A group in words.

    >>> group_words("n,shape_class", "4,right-heavy")
    'n = 4, right-heavy'
    """
    columns = by.split(",")
    values = group.split(",", len(columns) - 1)
    pairs = zip(columns, values, strict=False)
    return ", ".join(value if name in ("shape_class", "pattern") else f"{name} = {value}" for name, value in pairs)


def default_metric(source: Source, name: str) -> str:
    """mean@k if there is one."""
    there = curves.rows(source, name)["metric"].unique().to_list()
    return max(filter(MEAN.is_named, there), key=lambda metric: MEAN.number(metric) or 0, default="reward")
