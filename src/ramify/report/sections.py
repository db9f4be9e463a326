"""The figures of each section of the report, from one view or from several."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ramify.analysis.derived_metrics import COVERAGE
from ramify.report.figures import (
    SHAPE_STYLES,
    Figure,
    Mark,
    Point,
    Series,
    cloud,
    interval,
    interval_plot,
    line_panel,
    stacked_bars,
)
from ramify.report.view import SET_NAMES, View, counted, place, point_of, reason
from ramify.tasks.base import SHAPE_CLASSES

LINE_STYLES = ("first", "second", "third", "fourth", "left", "right")
METRIC_STYLES = ("first", "second", "third")
SUPPORT = (("base only", "fourth"), ("both", "first"), ("trained only", "second"), ("neither", "box"))


@dataclass(frozen=True, slots=True)
class Line:
    """A line to draw: a metric of a group of a view, with name and style class."""

    view: View
    metric: str
    name: str
    by: str
    group: str
    label: str
    style: str


def data_of(view: View, metrics: Sequence[str], name: str | None, by: str | None = None) -> pl.DataFrame:
    """The rows behind a figure, including single seeds."""
    wanted = pl.col("metric").is_in(list(metrics))
    if name is not None:
        wanted &= pl.col("set") == name
    if by is not None:
        wanted &= pl.col("by") == by
    return view.estimates.filter(wanted)


def panel(
    name: str, heading: str, lines: Sequence[Line], percent: bool = True, top: float | None = None
) -> list[Figure]:
    """A panel of lines as a list; empty if there is nothing to draw."""
    series, drawn = [], []
    for one in lines:
        points = one.view.points(one.metric, one.name, one.by, one.group)
        if points:
            threads = one.view.threads(one.metric, one.name, one.by, one.group)
            series.append(Series(one.label, one.style, points, threads))
            drawn.append(one)
    if not series:
        return []
    ends = "; ".join(f"{one.name} {interval(one.points[-1], percent)}" for one in series)
    svg = line_panel(series, f"{heading}: at the last step {ends}", top, percent)
    rows = [
        data_of(one.view, [one.metric], one.name, one.by)
        .filter(pl.col("group") == one.group)
        .with_columns(run=pl.lit(one.view.name))
        for one in drawn
    ]
    return [Figure(name, heading, svg, pl.concat(rows), [(one.name, one.style) for one in series])]


def success(view: View) -> list[Figure]:
    """Success over training for every set and n."""
    found = []
    metrics = (view.mean, "greedy", view.pass_at_k)
    for name in view.sets:
        for n in view.groups(view.mean, name, "n"):
            lines = [Line(view, m, name, "n", n, m, s) for m, s in zip(metrics, METRIC_STYLES, strict=True)]
            if name != "skills":
                found += panel(f"success-{name}-n{n}", place(name, n), lines)
    return found


def success_of(views: Sequence[View]) -> list[Figure]:
    """Success over training for several runs, one line per run."""
    found = []
    places = {(name, n) for view in views for name in view.sets for n in view.groups(view.mean, name, "n")}
    for name in SET_NAMES:
        for n in sorted(n for of, n in places if of == name):
            for what, metric in (("sampled", "mean"), ("greedy", "greedy")):
                lines = [
                    Line(view, view.mean if metric == "mean" else metric, name, "n", n, view.name, style)
                    for view, style in zip(views, LINE_STYLES, strict=False)
                ]
                found += panel(f"{what}-{name}-n{n}", f"{place(name, n)}, {what} success", lines)
    return found


def learned_by_shape(view: View) -> list[Figure]:
    """Acquisition by n and shape class, as intervals over steps."""
    marks = []
    timed = _timed(view)
    for name in ("test", "length"):
        for group in view.groups("acquisition", name, "n,shape_class"):
            row = view.at_end("acquisition", name, "n,shape_class", group)
            n, shape = group.split(",")
            if row is None or shape not in SHAPE_CLASSES or row["status"] == "unknown":
                continue
            label, style = f"n = {n}, {shape}", SHAPE_STYLES[shape]
            if row["value"] is None:
                marks.append(Mark(f"{label}: {row['status']}", style, []))
            else:
                high = row["high"] if row["high"] is not None else view.last
                marks.append(Mark(label, style, [Point(0, row["value"], row["low"], high)]))
    if not any(mark.points for mark in marks):
        return timed
    svg = interval_plot(
        marks, "Acquisition step by shape class", "training step at which half of the gain is kept", False
    )
    heading = "When each shape class was acquired"
    legend = [(shape, SHAPE_STYLES[shape]) for shape in SHAPE_CLASSES]
    data = data_of(view, ["acquisition"], None, "n,shape_class")
    return [*timed, Figure("acquisition-by-shape", heading, svg, data, legend, wide=True)]


def _timed(view: View) -> list[Figure]:
    """The mean step of the gain of each shape class, which is independent of the size of the gain."""
    marks = []
    for name in ("test", "length"):
        for group in view.groups("timing", name, "n,shape_class"):
            row = view.at_end("timing", name, "n,shape_class", group)
            n, shape = group.split(",")
            if row is None or shape not in SHAPE_CLASSES:
                continue
            points = [] if row["low"] is None else [point_of(row)]
            note = "" if points else f": {row['status'] or 'no interval'}"
            marks.append(Mark(f"n = {n}, {shape}{note}", SHAPE_STYLES[shape], points))
    if not any(mark.points for mark in marks):
        return []
    svg = interval_plot(marks, "Mean step of the gain by shape class", "mean step of the gain", False)
    legend = [(shape, SHAPE_STYLES[shape]) for shape in SHAPE_CLASSES]
    data = data_of(view, ["timing", "timing difference", "gain fraction"], None, "n,shape_class")
    return [Figure("timing-by-shape", "When each shape class gains, whatever its size", svg, data, legend, wide=True)]


def shapes(view: View) -> list[Figure]:
    """Success by shape class over training, and gaps at matched structure."""
    found = []
    for name in ("test", "length"):
        for n in view.groups(view.mean, name, "n"):
            lines = [
                Line(view, view.mean, name, "n,shape_class", f"{n},{shape}", shape, SHAPE_STYLES[shape])
                for shape in SHAPE_CLASSES
            ]
            found += panel(f"shapes-{name}-n{n}", f"{place(name, n)}, {view.mean} by shape class", lines)
    return found + gaps(view)


def gaps(view: View) -> list[Figure]:
    """The right-heavy and balanced gaps by stratum, at the last checkpoint."""
    together, strata = [], []
    for name, trained in (("test", "trained n"), ("length", "longer n")):
        for shape in ("right-heavy", "balanced"):
            for suffix, words in (("", "all puzzles"), (", forced", "uniquely solvable puzzles")):
                row = view.at_end(f"{shape} gap{suffix}", name, "all", "all")
                if row is not None and row["value"] is not None:
                    points = [] if row["low"] is None else [point_of(row)]
                    note = counted(row) if points else row["status"] or "no interval"
                    together.append(Mark(f"{shape}, {trained}, {words}: {note}", SHAPE_STYLES[shape], points))
            for by in view.groupings(f"{shape} gap", name) - {"all", "n"}:
                for group in view.groups(f"{shape} gap", name, by):
                    row = view.at_end(f"{shape} gap", name, by, group)
                    if row is not None and row["low"] is not None:
                        strata.append(Mark(_stratum(by, group), SHAPE_STYLES[shape], [point_of(row)]))
    marks = together + strata
    if not any(mark.points for mark in marks):
        return []
    axis = f"{view.mean}, difference to left-heavy at step {view.last}"
    svg = interval_plot(marks, "Gaps to left-heavy patterns of matched structure", axis)
    metrics = [f"{shape} gap{suffix}" for shape in ("right-heavy", "balanced") for suffix in ("", ", forced")]
    legend = [("right-heavy − left-heavy", "right"), ("balanced − left-heavy", "balanced")]
    heading, data = "Like with like: the gap to left-heavy patterns", data_of(view, metrics, None)
    return [Figure("shape-gaps", heading, svg, data, legend, wide=True)]


_COLUMNS = {"n": "n = {}", "subtractions": "{} −", "divisions": "{} ÷"}


def _stratum(by: str, group: str) -> str:
    """The label of a group by several columns.

    >>> _stratum("n,depth,subtractions,divisions", "4,3,1,0")
    'n = 4, depth 3, 1 −, 0 ÷'
    """
    pairs = zip(by.split(","), group.split(","), strict=True)
    return ", ".join(_COLUMNS.get(column, f"{column} {{}}").format(value) for column, value in pairs)


def seen(view: View) -> list[Figure]:
    """Seen against held-out patterns over training, and the transfer of each held-out pattern."""
    found = []
    for n in view.groups(view.mean, "held_out", "n"):
        lines = [
            Line(view, view.mean, name, "n", n, words, style)
            for name, words, style in (("test", "seen patterns", "first"), ("held_out", "held-out family", "fourth"))
        ]
        found += panel(f"seen-n{n}", f"n = {n}, {view.mean}, all patterns", lines)
    line = Line(view, "transfer", "held_out", "all", "all", "held out − seen", "fourth")
    found += panel("transfer", "Gain of held-out minus gain of matched seen patterns", [line])
    marks = []
    for by in ("all", "n", "pattern"):
        for group in view.groups("transfer", "held_out", by):
            row = view.at_end("transfer", "held_out", by, group)
            if row is not None and row["value"] is not None:
                label = {"all": "all", "n": f"n = {group}"}.get(by, group)
                marks.append(Mark(label, "fourth", [point_of(row)]))
    if marks:
        axis = f"difference in differences of {view.mean} at step {view.last}"
        svg = interval_plot(marks, "Transfer by pattern", axis)
        data = data_of(view, ["transfer"], "held_out")
        found.append(
            Figure("transfer-by-pattern", "Each held-out pattern against matched seen ones", svg, data, wide=True)
        )
    return found


def beyond(view: View) -> list[Figure]:
    """Figures beyond pass@k: attempts, their stated values, coverage and support."""
    found: list[Figure] = []
    sizes = [(name, n) for name in ("test", "length") for n in view.groups(view.mean, name, "n")]
    for metric in view.metrics("figure"):
        lines = []
        for (name, n), style in zip(sizes, LINE_STYLES, strict=False):
            named = view.name_of(metric, name, "n", n)
            suffix = f" (at {metric.number(named)} completions)" if metric is COVERAGE else ""
            lines.append(Line(view, named, name, "n", n, place(name, n) + suffix, style))
        top = 1.0 if metric.full_scale else None
        words = view.words(metric.name)
        heading = metric.label if words == metric.name else f"{words.capitalize()}: {metric.label}"
        found += panel(metric.slug, heading, lines, metric.in_percent, top)
    bars = []
    for kind in ("support", "pattern support"):
        for name, n in sizes:
            shares = [(part, style, view.at_end(f"{kind}: {part}", name, "n", n)) for part, style in SUPPORT]
            if all(row is not None and row["value"] is not None for _, _, row in shares):
                what = "puzzles" if kind == "support" else "patterns"
                bars.append((f"n = {n}, {what}", [(part, style, row["value"]) for part, style, row in shares if row]))
    if bars:
        metrics = [f"{kind}: {part}" for kind in ("support", "pattern support") for part, _ in SUPPORT]
        svg = stacked_bars(bars, f"Support at step {view.last}")
        heading, data = "Support: who solves within equally many samples", data_of(view, metrics, None, "n")
        found.append(Figure("support", heading, svg, data, SUPPORT, wide=True))
    return found


def composition(view: View) -> list[Figure]:
    """Composition gaps by pattern."""
    marks = []
    for name in ("test", "length", "held_out"):
        for group in view.groups("composition gap", name, "n,shape_class"):
            row = view.at_end("composition gap", name, "n,shape_class", group)
            n, shape = group.split(",")
            first = view.rows("composition gap", name, "n,shape_class", group)
            if row is not None and row["value"] is not None and shape in SHAPE_CLASSES:
                points = [point_of(first[0]), point_of(row)] if len(first) > 1 else [point_of(row)]
                held = ", held out" if name == "held_out" else ""
                marks.append(Mark(f"n = {n}, {shape}{held}", SHAPE_STYLES[shape], points))
    if not marks:
        return []
    svg = interval_plot(marks, "Composition gap by shape class", "success − product of the parts' successes")
    data = data_of(view, ["composition gap"], None)
    heading = f"Composition gap: {view.start} (hollow) and last checkpoint"
    return [Figure("composition-gap", heading, svg, data, wide=True)]


def effects(view: View) -> list[Figure]:
    """Coefficients of the structure model at the first and last checkpoint, and the terms that were not estimated."""
    marks, untold = [], []
    for by, words in (("term", ""), ("term without lookahead", ", lookahead left out")):
        for term in view.groups("effect", "all", by):
            row = view.at_end("effect", "all", by, term)
            if row is None or (words and term not in SHAPE_CLASSES):
                continue
            if row["low"] is not None:
                points = [point_of(one) for one in view.rows("effect", "all", by, term)]
                marks.append(Mark(term + words, SHAPE_STYLES.get(term, "third"), points))
            elif row["status"]:
                untold.append(f"{term}{words} ({reason(row)})")
    if not marks:
        return []
    both = f"{view.start} (hollow) and last checkpoint" if view.first != view.last else f"step {view.last}"
    heading = f"Which features of structure matter: {both}"
    heading += f". Not estimated: {'; '.join(untold)}" if untold else ""
    svg = interval_plot(marks, "Structure effects", "log-odds of success", percent=False)
    return [Figure("effects", heading, svg, data_of(view, ["effect", "effect change"], "all"), wide=True)]


def signal(view: View) -> list[Figure]:
    """The zero-advantage share of each pattern against its final success."""
    found = []
    for n in view.groups("zero advantage against success", "test", "n"):
        points = []
        for text in view.groups(view.mean, "test", "pattern"):
            row = next(iter(view.rows("zero advantage, whole run", "train", "pattern", text)), None)
            line = view.points(view.mean, "test", "pattern", text)
            if row is not None and line and view.task.structure(text)["n"] == int(n):
                points.append((row["value"], line[-1].value, "first", text))
        if not points:
            continue
        row = view.at_end("zero advantage against success", "test", "n", n)
        note = (
            f": Spearman's ρ {interval(point_of(row), False)}" if row is not None and row["value"] is not None else ""
        )
        heading = f"n = {n}{note}"
        svg = cloud(points, heading, ("groups without signal", f"{view.mean} at the end"))
        data = pl.DataFrame(
            [(text, share, end) for share, end, _, text in points],
            schema={"pattern": pl.String, "zero advantage": pl.Float64, view.mean: pl.Float64},
            orient="row",
        )
        found.append(Figure(f"signal-n{n}", heading, svg, data))
    lines = [
        Line(view, "zero advantage", "train", "n", n, f"n = {n}", style)
        for n, style in zip(view.groups("zero advantage", "train", "n"), LINE_STYLES, strict=False)
    ]
    return panel("zero-advantage", "Groups without signal since the checkpoint before", lines, top=1.0) + found
