"""The report for a terminal: the abstract and the main tables, in about fifty lines."""

import textwrap

from ramify.analysis.metrics import metric_of
from ramify.report.abstract import abstract
from ramify.report.figures import Point, interval
from ramify.report.view import (
    FALSE_DISCOVERIES,
    POINTS,
    Row,
    View,
    adjusted_p,
    changes,
    counted,
    learned,
    reason,
    tells,
    truncated,
)

WIDTH = 100
_MARKS = {"rose": "↑", "fell": "↓"}
MOST = 9
"""The number of patterns listed; of more, the first and last acquired are shown."""


def story_text(view: View) -> str:
    """The summary of a run as plain text, at most `WIDTH` characters wide."""
    seeds = f"{len(view.seeds)} seeds" if len(view.seeds) > 1 else "one seed"
    lines = [f"What training taught: {view.name} ({seeds}, {view.last} steps)", ""]
    for paragraph in abstract(view):
        lines += textwrap.wrap(paragraph, WIDTH, initial_indent="- ", subsequent_indent="  ")
    rows = changes(view)
    if rows:
        lines += [
            "",
            f"{view.start.capitalize()} and last checkpoint (↑ ↓: the interval of the change excludes 0)",
        ]
    last = ""
    for row in rows:
        if "terminal" not in metric_of(row.metric).shown or "parts" in row.label:
            continue
        label, last = row.label if row.label != last else "", row.label
        before, after = (interval(point, row.in_percent) for point in (row.before, row.after))
        lines.append(
            f"  {label:<18} {row.displayed:<19} {before:<22} → {after:<22} {_MARKS.get(row.verdict, '')}".rstrip()
        )
    lines += _truncated(view) + _order(view) + _gaps(view) + _effects(view)
    return "\n".join(lines)


def _truncated(view: View) -> list[str]:
    found = [f"  {label:<18} {interval(share)}" for label, share in truncated(view)]
    if not found:
        return []
    cut = f"Truncated without an answer at step {view.last}, which bounds success"
    return ["", f"{cut}: raise max_new_tokens, or lengthen the context", *found]


def _order(view: View) -> list[str]:
    by_size = ([row for row in learned(view, n) if row["status"] != "unknown"] for n in view.shaped_sizes)
    rows = next(filter(None, by_size), [])
    if not rows:
        return []
    shown = rows if len(rows) <= MOST else [*rows[: MOST - 3], *rows[-3:]]
    found = ["", "Patterns by acquisition step (not acquired: no gain detected; success before → after)"]
    for index, row in enumerate(shown):
        if index and len(rows) > MOST and index == MOST - 3:
            found.append("  …")
        when = row["status"] if row["value"] is None else f"step {row['value']:.0f}"
        found.append(f"  {row['group']:<14} {when:<16} {interval(row['before']):<22} → {interval(row['after'])}")
    return found


def _gaps(view: View) -> list[str]:
    named = {
        "right-heavy − matched left-heavy": ("right-heavy gap", "test"),
        "the same, uniquely solvable puzzles": ("right-heavy gap, forced", "test"),
        "gain of held-out − matched seen": ("transfer", "held_out"),
    }
    rows = {label: view.at_end(metric, name, "all", "all") for label, (metric, name) in named.items()}
    found = []
    for label, row in rows.items():
        if row and tells(row, POINTS):
            found.append(f"  {label:<35} {_estimate(row)}{adjusted_p(row)}  ({counted(row)})")
        elif row and row["status"]:
            found.append(f"  {label:<35} {row['status']}")
    return ["", f"Differences of {view.mean} at step {view.last}", *found] if found else []


def _effects(view: View) -> list[str]:
    rows = [row for term in view.groups("effect", "all", "term") if (row := view.at_end("effect", "all", "term", term))]
    clear = [row for row in rows if row["q"] is not None and row["q"] <= FALSE_DISCOVERIES]
    lines = [f"  {view.named(row['group']):<30} {_estimate(row, percent=False)}" for row in clear]
    untold = [f"{view.named(row['group'])}: {reason(row)}" for row in rows if row["value"] is None and row["status"]]
    if not lines and len(untold) < len(rows):
        lines = ["  none significant"]
    if untold:
        missing = f"Not estimated: {'; '.join(untold)}"
        lines += textwrap.wrap(missing, WIDTH, initial_indent="  ", subsequent_indent="  ")
    heading = "Features of structure that matter, others held equal (log-odds; false discovery rate 5%)"
    return ["", heading, *lines] if lines else []


def _estimate(row: Row, percent: bool = True) -> str:
    return interval(Point(row["step"], row["value"], row["low"], row["high"]), percent)
