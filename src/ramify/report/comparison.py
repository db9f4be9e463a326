"""The page that compares several runs: success, gaps, transfer, behaviour, and tests against the first run."""

from collections.abc import Sequence
from pathlib import Path

from ramify.analysis.compare import Side, compare
from ramify.analysis.derived_metrics import FORCED_GAPS, SHAPE_GAPS, TRANSFER
from ramify.analysis.metric_record import Metric
from ramify.analysis.metrics import MEAN, metric_of
from ramify.errors import RunError
from ramify.report.abstract import details, further, headline
from ramify.report.figures import intervals
from ramify.report.lines import LINE_STYLES, Line, Panel, panels
from ramify.report.page import rendered, view_of
from ramify.report.sections import success_of
from ramify.report.story import Section
from ramify.report.view import Row, View, place, point_of
from ramify.run import Run
from ramify.storage import write_text

ONE_LINE = (
    "One line per run. Bands are 95% intervals for new puzzles, upright strokes those for the same puzzles, retrained."
)
"""The note of the section on success."""


def write_comparison(runs: Sequence[Run], path: Path) -> Path:
    """Write the comparison page of several runs; returns its path."""
    write_text(render_comparison(runs), path)
    return path


def render_comparison(runs: Sequence[Run]) -> str:
    """Render the comparison page of several runs.

    Raises:
        RunError: more runs than line styles.
    """
    if len(runs) > len(LINE_STYLES):
        raise RunError(f"{len(runs)} runs: a page shows at most {len(LINE_STYLES)} side by side")
    views = [view_of(run) for run in runs]
    names = [view.name for view in views]
    if len(set(names)) < len(names):
        views = [View(str(run.path), view.estimates, task=view.task) for run, view in zip(runs, views, strict=True)]

    def lines(metric: Metric, name: str, by: str, group: str) -> list[Line]:
        return [
            Line(v, v.name_of(metric, name, by, group), name, by, group, v.name, s)
            for v, s in zip(views, LINE_STYLES, strict=False)
        ]

    conduct = [
        figure
        for metric in views[0].metrics("comparison")
        for figure in panels(
            [
                Panel(
                    f"{metric.slug}-{name}-n{n}",
                    f"{place(name, n)}, {views[0].words(views[0].name_of(metric, name, 'n', n))}",
                    lines(metric, name, "n", n),
                )
                for name in ("test", "length")
                for n in views[0].groups(views[0].mean, name, "n")
            ],
            metric.in_percent,
        )
    ]
    gaps = [
        Panel(metric.slug, words, lines(metric, name, "all", "all"))
        for metric, name, words in (
            (SHAPE_GAPS["right-heavy"], "test", "Right-heavy − left-heavy of matched structure"),
            (FORCED_GAPS["right-heavy"], "test", "The same, uniquely solvable puzzles"),
            (TRANSFER, "held_out", "Transfer: held out − matched seen patterns"),
        )
    ]
    found = [
        Section(
            "success",
            "Success over training",
            ONE_LINE,
            success_of(views),
        ),
        Section("gaps", "Structure gaps and transfer", "", panels(gaps)),
        Section("conduct", "Attempts and stated values", "", conduct),
    ]
    first = "test" if "test" in views[0].sets else views[0].sets[0]
    tests, untested = [], []
    for run, view in zip(runs[1:], views[1:], strict=True):
        try:
            table = compare(Side(runs[0], views[0].last), Side(run, view.last), ["n"])
        except RunError:
            untested.append(view.name)
            continue
        for row in table.iter_rows(named=True):
            tests.append((view.name, place(row["set"], row["group"]), row["metric"], row))
    return rendered(
        "comparison.html.jinja",
        views=views,
        overview=panels(
            [Panel("overview", "Share of samples that are correct, over training", lines(MEAN, first, "all", "all"))]
        ),
        headlines=[(view.name, headline(view)) for view in views],
        findings=[(view.name, further(view) + details(view)) for view in views],
        sections=[section for section in found if section.figures],
        tests=tests,
        untested=untested,
        difference=_difference,
        runs=[run.path.resolve().name for run in runs],
        displayed=views[0].words,
    )


def _difference(metric: str, row: Row) -> str:
    return intervals(point_of(row), metric_of(metric).in_percent)
