"""The figures of differences between classes of patterns: shape gaps, and held-out against seen patterns."""

import polars as pl

from ramify.algebra.drawing import SHAPE_STYLES
from ramify.report.figures import Figure, Mark
from ramify.report.lines import Line, Panel, data_of, panels
from ramify.report.rows import by_reason, rows_figure
from ramify.report.view import View, counted, is_vague, point_of

TOO_FEW = "too few puzzles to say"


def gaps(view: View) -> list[Figure]:
    """The right-heavy and balanced gaps by stratum, at the last checkpoint."""
    together, strata, others, vague = [], [], [], []
    for name, trained in (("test", "trained n"), ("length", "longer n")):
        for shape in ("right-heavy", "balanced"):
            for suffix, words in (("", "all puzzles"), (", forced", "uniquely solvable puzzles")):
                row = view.at_end(f"{shape} gap{suffix}", name, "all", "all")
                label = f"{shape}, {trained}, {words}"
                if row is not None and is_vague(row["metric"], row["low"], row["high"]):
                    others.append((TOO_FEW, f"{label} ({row['n']})"))
                elif row is not None and row["low"] is not None:
                    together.append(Mark(f"{label}: {counted(row)}", SHAPE_STYLES[shape], [point_of(row)]))
                elif row is not None:
                    others.append((row["status"] or "no interval", label))
            for by in view.groupings(f"{shape} gap", name) - {"all", "n"}:
                for group in view.groups(f"{shape} gap", name, by):
                    row = view.at_end(f"{shape} gap", name, by, group)
                    if row is None or row["low"] is None:
                        continue
                    label = _stratum(view, by, group)
                    if is_vague(row["metric"], row["low"], row["high"]):
                        vague.append((TOO_FEW, f"{shape}, {label} ({row['n']})"))
                    else:
                        strata.append(Mark(label, SHAPE_STYLES[shape], [point_of(row)]))
    axis = f"{view.mean}, difference to left-heavy at step {view.last}"
    metrics = [f"{shape} gap{suffix}" for shape in ("right-heavy", "balanced") for suffix in ("", ", forced")]
    legend = [("right-heavy − left-heavy", "right"), ("balanced − left-heavy", "balanced")]
    heading, data = "Like with like: the gap to left-heavy patterns", data_of(view, metrics, None)
    overall = pl.col("by") == "all"
    return [
        *rows_figure("shape-gaps", heading, together, axis, data.filter(overall), legend, by_reason(others)),
        *rows_figure(
            "shape-gaps-by-stratum",
            f"{heading}, by stratum",
            strata,
            axis,
            data.filter(~overall),
            legend,
            by_reason(vague),
        ),
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
    marks, vague = [], []
    for by in ("all", "n", "pattern"):
        for group in view.groups("transfer", "held_out", by):
            row = view.at_end("transfer", "held_out", by, group)
            if row is not None and row["value"] is not None:
                label = {"all": "all", "n": f"n = {group}"}.get(by, group)
                if is_vague("transfer", row["low"], row["high"]):
                    vague.append((TOO_FEW, f"{label} ({row['n']})"))
                else:
                    marks.append(Mark(label, "fourth", [point_of(row)]))
    axis = f"difference in differences of {view.mean} at step {view.last}"
    heading, data = "Each held-out pattern against matched seen ones", data_of(view, ["transfer"], "held_out")
    return [
        *panels(found),
        *transfer,
        *rows_figure("transfer-by-pattern", heading, marks, axis, data, note=by_reason(vague)),
    ]
