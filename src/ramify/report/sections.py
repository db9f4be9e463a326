"""The figures of each section of the report, from one view or from several."""

from collections.abc import Sequence

import polars as pl

from ramify.algebra.drawing import SHAPE_STYLES
from ramify.analysis.derived_metrics import COVERAGE
from ramify.report.figures import ALONE, BESIDE, NARROW, Figure, Mark, Point, cloud, interval
from ramify.report.lines import LINE_STYLES, Line, Panel, data_of, panels
from ramify.report.rows import interval_plot, stacked_bars
from ramify.report.view import SET_NAMES, View, counted, place, point_of, reason
from ramify.tasks.base import SHAPE_CLASSES

METRIC_STYLES = ("first", "second", "third")
MOST_GROUPS = 60
"""The number of groups in a figure."""
MOST_OF_A_LABEL = 40
SUPPORT = (("base only", "fourth"), ("both", "first"), ("trained only", "second"), ("neither", "box"))


def overview(view: View) -> list[Figure]:
    """One picture of the run: sampled success of each size, trained and longer."""
    shown = [name for name in ("test", "length") if name in view.sets] or view.sets
    sizes = [(name, n) for name in shown for n in view.groups(view.mean, name, "n")]
    lines = [
        Line(view, view.mean, name, "n", n, place(name, n), style)
        for (name, n), style in zip(sizes, LINE_STYLES, strict=False)
    ]
    return panels([Panel("overview", "Share of samples that are correct, over training", lines)])


def success(view: View) -> list[Figure]:
    """Success over training for every set and n."""
    metrics = (view.mean, "greedy", view.pass_at_k)
    found = [
        Panel(
            f"success-{name}-n{n}",
            place(name, n),
            [Line(view, m, name, "n", n, m, s) for m, s in zip(metrics, METRIC_STYLES, strict=True)],
        )
        for name in view.sets
        for n in view.groups(view.mean, name, "n")
        if name != "skills"
    ]
    return panels(found) + [
        figure for name in view.sets for by in view.task.CHARTED for figure in _charted(view, name, by)
    ]


def _charted(view: View, name: str, by: str) -> list[Figure]:
    """Success by the groups of a grouping, at the first and last checkpoint."""
    marks = []
    for group in view.groups(view.mean, name, by):
        line = view.points(view.mean, name, by, group)
        if line:
            marks.append(Mark(group[:MOST_OF_A_LABEL], "first", [line[0], line[-1]] if len(line) > 1 else line))
    if not marks:
        return []
    what = view.named(by)
    left_out = f"{len(marks) - MOST_GROUPS} more are in the table." if len(marks) > MOST_GROUPS else ""
    both = f"{view.start} (hollow) and last checkpoint" if view.first != view.last else f"step {view.last}"
    heading = f"Success by {what}, {view.described(name)}: {both}"
    data = data_of(view, [view.mean], name, by)
    return rows_figure(f"success-{name}-{by}", heading, marks[:MOST_GROUPS], view.mean, data, note=left_out)


def rows_figure(
    name: str,
    heading: str,
    marks: Sequence[Mark],
    axis: str,
    data: pl.DataFrame,
    legend: Sequence[tuple[str, str]] = (),
    note: str = "",
    percent: bool = True,
) -> list[Figure]:
    """A figure of rows as a list; empty if no row has a point.

    Rows without a point are left out, and so is what no row has of the legend.

    Args:
        axis: label of the axis.
    """
    drawn = [mark for mark in marks if mark.points]
    if not drawn:
        return []
    used = {mark.style for mark in drawn}
    shown = [(label, style) for label, style in legend if style in used]
    widths = (BESIDE if shown or note else ALONE, NARROW)
    wide, narrow = (interval_plot(drawn, heading, axis, percent, width=width) for width in widths)
    return [Figure(name, heading, wide, data, shown, wide=True, note=note, narrow=narrow)]


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
                found.append(Panel(f"{what}-{name}-n{n}", f"{place(name, n)}, {what} success", lines))
    return panels(found)


def learned_by_shape(view: View) -> list[Figure]:
    """The timing and the acquisition of each n and shape class, as intervals over steps."""
    when = "When each shape class was acquired"
    acquired = data_of(view, ["acquisition"], None, "n,shape_class")
    timing = data_of(view, ["timing", "timing difference", "gain fraction"], None, "n,shape_class")
    half = "training step at which half of the gain is kept"
    return [
        *_by_shape(view, "timing", "timing-by-shape", "When each shape class gains, whatever its size", timing),
        *_by_shape(view, "acquisition", "acquisition-by-shape", when, acquired, half),
    ]


def _by_shape(
    view: View, metric: str, name: str, heading: str, data: pl.DataFrame, axis: str = "mean step of the gain"
) -> list[Figure]:
    """A step of each n and shape class; classes without one are in the note."""
    marks, others = [], []
    for of in ("test", "length"):
        for group in view.groups(metric, of, "n,shape_class"):
            row = view.at_end(metric, of, "n,shape_class", group)
            n, shape = group.split(",")
            if row is None or shape not in SHAPE_CLASSES or row["status"] == "unknown":
                continue
            is_told = row["value"] is not None and (metric == "acquisition" or row["low"] is not None)
            if is_told:
                high = row["high"] if row["high"] is not None else view.last
                marks.append(Mark(f"n = {n}, {shape}", SHAPE_STYLES[shape], [Point(0, row["value"], row["low"], high)]))
            else:
                others.append((row["status"] or "no interval", f"n = {n} {shape}"))
    legend = [(shape, SHAPE_STYLES[shape]) for shape in SHAPE_CLASSES]
    return rows_figure(name, heading, marks, axis, data, legend, _by_reason(others), percent=False)


def _by_reason(others: Sequence[tuple[str, str]]) -> str:
    """What is not drawn, by reason.

    >>> _by_reason([("not acquired", "n = 3 left-heavy"), ("not acquired", "n = 4 balanced")])
    'Not acquired: n = 3 left-heavy; n = 4 balanced.'
    """
    reasons: dict[str, list[str]] = {}
    for status, label in others:
        reasons.setdefault(status, []).append(label)
    return " ".join(f"{status[:1].upper()}{status[1:]}: {'; '.join(of)}." for status, of in reasons.items())


def shapes(view: View) -> list[Figure]:
    """Success by shape class over training, and gaps at matched structure."""
    found = []
    for name in ("test", "length"):
        for n in view.groups(view.mean, name, "n"):
            lines = [
                Line(view, view.mean, name, "n,shape_class", f"{n},{shape}", shape, SHAPE_STYLES[shape])
                for shape in SHAPE_CLASSES
            ]
            found.append(Panel(f"shapes-{name}-n{n}", f"{place(name, n)}, {view.mean} by shape class", lines))
    return panels(found) + gaps(view)


def gaps(view: View) -> list[Figure]:
    """The right-heavy and balanced gaps by stratum, at the last checkpoint."""
    together, strata, others = [], [], []
    for name, trained in (("test", "trained n"), ("length", "longer n")):
        for shape in ("right-heavy", "balanced"):
            for suffix, words in (("", "all puzzles"), (", forced", "uniquely solvable puzzles")):
                row = view.at_end(f"{shape} gap{suffix}", name, "all", "all")
                label = f"{shape}, {trained}, {words}"
                if row is not None and row["low"] is not None:
                    together.append(Mark(f"{label}: {counted(row)}", SHAPE_STYLES[shape], [point_of(row)]))
                elif row is not None:
                    others.append((row["status"] or "no interval", label))
            for by in view.groupings(f"{shape} gap", name) - {"all", "n"}:
                for group in view.groups(f"{shape} gap", name, by):
                    row = view.at_end(f"{shape} gap", name, by, group)
                    if row is not None and row["low"] is not None:
                        strata.append(Mark(_stratum(view, by, group), SHAPE_STYLES[shape], [point_of(row)]))
    axis = f"{view.mean}, difference to left-heavy at step {view.last}"
    metrics = [f"{shape} gap{suffix}" for shape in ("right-heavy", "balanced") for suffix in ("", ", forced")]
    legend = [("right-heavy − left-heavy", "right"), ("balanced − left-heavy", "balanced")]
    heading, data = "Like with like: the gap to left-heavy patterns", data_of(view, metrics, None)
    overall = pl.col("by") == "all"
    return [
        *rows_figure("shape-gaps", heading, together, axis, data.filter(overall), legend, _by_reason(others)),
        *rows_figure("shape-gaps-by-stratum", f"{heading}, by stratum", strata, axis, data.filter(~overall), legend),
    ]


_COLUMNS = {"n": "n = {}", "subtractions": "{} −", "divisions": "{} ÷", "inverses": "{} − or ÷"}


def _stratum(view: View, by: str, group: str) -> str:
    """The label of a group by several columns.

    >>> _stratum(View("", pl.DataFrame()), "n,depth,subtractions,inverses", "4,3,1,2")
    'n = 4, depth 3, 1 −, 2 − or ÷'
    """
    pairs = zip(by.split(","), group.split(","), strict=True)
    return ", ".join(
        _COLUMNS[key].format(value) if key in _COLUMNS else f"{view.named(key)} {value}" for key, value in pairs
    )


def seen(view: View) -> list[Figure]:
    """Seen against held-out patterns over training, and the transfer of each held-out pattern."""
    found = []
    for n in view.groups(view.mean, "held_out", "n"):
        lines = [
            Line(view, view.mean, name, "n", n, words, style)
            for name, words, style in (("test", "seen patterns", "first"), ("held_out", "held-out family", "fourth"))
        ]
        found.append(Panel(f"seen-n{n}", f"n = {n}, {view.mean}, all patterns", lines))
    line = Line(view, "transfer", "held_out", "all", "all", "held out − seen", "fourth")
    transfer = panels([Panel("transfer", "Gain of held-out minus gain of matched seen patterns", [line])])
    marks = []
    for by in ("all", "n", "pattern"):
        for group in view.groups("transfer", "held_out", by):
            row = view.at_end("transfer", "held_out", by, group)
            if row is not None and row["value"] is not None:
                label = {"all": "all", "n": f"n = {group}"}.get(by, group)
                marks.append(Mark(label, "fourth", [point_of(row)]))
    axis = f"difference in differences of {view.mean} at step {view.last}"
    heading, data = "Each held-out pattern against matched seen ones", data_of(view, ["transfer"], "held_out")
    return [*panels(found), *transfer, *rows_figure("transfer-by-pattern", heading, marks, axis, data)]


def beyond(view: View) -> list[Figure]:
    """Figures beyond pass@k: attempts, their stated values, coverage and support."""
    sizes = [(name, n) for name in ("test", "length") for n in view.groups(view.mean, name, "n")]
    others: list[Figure] = []
    in_percent: list[Panel] = []
    top = None
    for metric in view.metrics("figure"):
        lines = []
        for (name, n), style in zip(sizes, LINE_STYLES, strict=False):
            named = view.name_of(metric, name, "n", n)
            suffix = f" (at {metric.number(named)} completions)" if metric is COVERAGE else ""
            lines.append(Line(view, named, name, "n", n, place(name, n) + suffix, style))
        words = view.words(metric.name)
        heading = metric.label if words == metric.name else f"{words.capitalize()}: {metric.label}"
        panel = Panel(metric.slug, heading, lines)
        if metric.in_percent and not metric.is_signed:
            in_percent.append(panel)
            top = 1.0 if metric.full_scale else top
        else:
            others += panels([panel], metric.in_percent)
    found = [*panels(in_percent, top=top), *others]
    bars = []
    for kind in ("support", "pattern support"):
        for name, n in sizes:
            shares = [(part, style, view.at_end(f"{kind}: {part}", name, "n", n)) for part, style in SUPPORT]
            if all(row is not None and row["value"] is not None for _, _, row in shares):
                what = "puzzles" if kind == "support" else "patterns"
                bars.append((f"n = {n}, {what}", [(part, style, row["value"]) for part, style, row in shares if row]))
    if bars:
        metrics = [f"{kind}: {part}" for kind in ("support", "pattern support") for part, _ in SUPPORT]
        svg, narrow = (stacked_bars(bars, f"Support at step {view.last}", width) for width in (BESIDE, NARROW))
        heading, data = "Support: who solves within equally many samples", data_of(view, metrics, None, "n")
        found.append(Figure("support", heading, svg, data, SUPPORT, wide=True, narrow=narrow))
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
    data = data_of(view, ["composition gap"], None, "n,shape_class")
    heading = f"Composition gap: {view.start} (hollow) and last checkpoint"
    return rows_figure("composition-gap", heading, marks, "success − product of the parts' successes", data)


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
                marks.append(Mark(view.named(term) + words, SHAPE_STYLES.get(term, "third"), points))
            elif row["status"]:
                untold.append(f"{view.named(term)}{words} ({reason(row)})")
    both = f"{view.start} (hollow) and last checkpoint" if view.first != view.last else f"step {view.last}"
    heading = f"Which features of structure matter: {both}"
    note = f"Not estimated: {'; '.join(untold)}." if untold else ""
    data = data_of(view, ["effect", "effect change"], "all")
    return rows_figure("effects", heading, marks, "log-odds of success", data, note=note, percent=False)


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
    shares = Panel("zero-advantage", "Groups without signal since the checkpoint before", lines)
    return panels([shares], top=1.0) + found
