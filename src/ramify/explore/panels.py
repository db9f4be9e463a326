"""Panels of curves whose points lead to the completions behind them."""

from collections.abc import Mapping, Sequence

import polars as pl
from markupsafe import Markup

from ramify.analysis.metrics import displayed, metric_of
from ramify.explore import curves
from ramify.explore.source import Source
from ramify.report.figures import Point, Series, extent, line_panel
from ramify.report.links import link
from ramify.tasks.base import SETS

MOST_PANELS = 24
MOST_LINES = 8
STYLES = ("first", "second", "third", "fourth", "balanced", "left", "right", "box")


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

    All panels have the same value axis.
    """
    tables = {name: curves.rows(source, name).filter(metric=metric, by=by) for name in runs}
    together = pl.concat(list(tables.values()))
    together = together.filter(pl.col("set") == of) if of else together
    places = together.select("set", "group").unique().sort("set", "group").rows()
    order = [*SETS]
    places.sort(key=lambda place: order.index(place[0]) if place[0] in order else len(order))
    lines: list[tuple[str, str, int | None]] = []
    for name, table in tables.items():
        own = sorted(table["seed"].drop_nulls().unique())
        pooled = seeds != "each" and table["seed"].null_count() > 0
        lines += [(name, name if len(runs) > 1 else "all seeds", None)] if pooled else []
        before = f"{name}, " if len(runs) > 1 else ""
        lines += [] if pooled else [(name, f"{before}seed {seed}", seed) for seed in own]
    lines = lines[:MOST_LINES]
    drawings = []
    in_percent = metric_of(metric).in_percent
    for where, group in [place for place in places if not groups or place[1] in groups][:MOST_PANELS]:
        series = []
        owners: dict[str, tuple[str, int | None]] = {}
        for (name, label, seed), style in zip(lines, STYLES, strict=False):
            points = curves.points(tables[name], metric, where, by, group, seed)
            if not points and seed is None:  # what is not scored yet has no pooled estimate
                points = curves.points(tables[name], metric, where, by, group, source.run(name).seeds[0])
            if points:
                series.append(Series(label, style, points))
                owners[label] = name, seed
        if not series:
            continue

        def lead(
            one: Series,
            point: Point,
            owners: Mapping[str, tuple[str, int | None]] = owners,
            where: str = where,
            group: str = group,
        ) -> str:
            name, seed = owners[one.name]
            return link("/completions", run=name, seed=seed, set=where, step=point.step, **curves.behind(by, group))

        drawings.append((where if group == "all" else f"{where}, {_group_words(by, group)}", series, lead))
    axis = extent([one for _, series, _ in drawings for one in series])
    return [
        (
            heading,
            Markup(line_panel(series, f"{displayed(metric)}: {heading}", axis, in_percent, lead)),
            [(one.name, one.style) for one in series],
        )
        for heading, series, lead in drawings
    ]


def _group_words(by: str, group: str) -> str:
    """A group in words.

    >>> _group_words("n,shape_class", "4,right-heavy")
    'n = 4, right-heavy'
    """
    columns = by.split(",")
    values = group.split(",", len(columns) - 1)
    pairs = zip(columns, values, strict=False)
    return ", ".join(value if name in ("shape_class", "pattern") else f"{name} = {value}" for name, value in pairs)


def default_metric(source: Source, name: str) -> str:
    """mean@k if there is one."""
    there = curves.rows(source, name)["metric"].unique().to_list()
    means = [metric for metric in there if metric.startswith("mean@") and metric.removeprefix("mean@").isdigit()]
    return max(means, key=lambda metric: int(metric.removeprefix("mean@")), default="reward")
