"""The report: one HTML file that needs no network, made from tables alone."""

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
import polars as pl
from markupsafe import Markup

from ramify.algebra.pattern import Pattern
from ramify.algebra.structure import SHAPE_CLASSES, structure
from ramify.report.figures import Series, change_bar, line_panel, tree
from ramify.report.summary import SET_NAMES, changes, chosen, groups, interval, metrics_shown, points, sentences
from ramify.run import Run
from ramify.tables import read_table, write_text

STYLES = {"balanced": "balanced", "left-heavy": "left", "right-heavy": "right", "none": "left"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure with its heading and legend."""

    heading: str
    svg: Markup
    legend: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PatternRow:
    """A pattern with its success before and after."""

    text: str
    shape_class: str
    held_out: bool
    tree: Markup
    bar: Markup
    before: str
    after: str
    value: float
    puzzles: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A completion: its text in pieces, each with the style of the attempt in it (or none)."""

    title: str
    verdict: str
    pieces: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Example:
    """A puzzle with what the base and the trained model wrote."""

    heading: str
    solution: str
    completions: list[Shown]


def write_report(run: Run) -> Path:
    """Write `report.html` into the run; returns its path."""
    write_text(render(run), run.report_file)
    return run.report_file


def render(run: Run) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((resources.files("ramify.report") / "page.html.jinja").read_text())
    estimates = run.estimates()
    certificate = json.loads(run.certificate_file.read_text())
    manifest = json.loads(run.manifest_file.read_text()) if run.manifest_file.is_file() else {}
    return template.render(
        name=run.config["name"],
        sentences=sentences(estimates),
        seeds=run.seeds,
        success=_success(estimates),
        shapes=_shapes(estimates),
        seen=_seen(estimates),
        conduct=_conduct(estimates),
        changes=changes(estimates),
        interval=interval,
        patterns={size: _patterns(run, estimates, size) for size in (3, 4)},
        examples=_examples(run),
        certificate=certificate,
        hold_out=run.config["task"]["hold_out"],
        manifest=manifest,
        config=json.dumps(run.config, indent=2),
        digest=run.digest,
    )


def _line(estimates: pl.DataFrame, metric: str, name: str, by: str, group: str, label: str, style: str) -> Series:
    """A line of the rows that are shown, with a thread for each seed where there are several."""
    seeds = sorted(estimates["seed"].drop_nulls().unique().to_list())
    threads = []
    if len(seeds) > 1:
        threads = [points(estimates.filter(pl.col("seed") == seed), metric, name, by, group) for seed in seeds]
    return Series(label, style, points(chosen(estimates), metric, name, by, group), threads)


def _panel(heading: str, lines: list[Series], percent: bool = True, top: float | None = None) -> Panel | None:
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    ends = "; ".join(f"{line.name} {interval(line.points[-1], percent)}" for line in lines)
    svg = line_panel(lines, f"{heading}: at the last step {ends}", top, percent)
    return Panel(heading, Markup(svg), [(line.name, line.style) for line in lines])


def _kept(panels: list[Panel | None]) -> list[Panel]:
    return [panel for panel in panels if panel is not None]


def _success(estimates: pl.DataFrame) -> list[Panel]:
    styles = ("first", "second", "third")
    panels = []
    for name in ("test", "length"):
        for group in groups(estimates, name, "n"):
            metrics = metrics_shown(estimates)[:3]
            lines = [_line(estimates, m, name, "n", group, m, style) for m, style in zip(metrics, styles, strict=False)]
            panels.append(_panel(f"n = {group}" + (" (never trained)" if name == "length" else ""), lines))
    return _kept(panels)


def _shapes(estimates: pl.DataFrame) -> list[Panel]:
    metric = metrics_shown(estimates)[0]
    panels = []
    for name in ("test", "length"):
        for size in groups(estimates, name, "n"):
            lines = [
                _line(estimates, metric, name, "n,shape_class", f"{size},{shape}", shape, STYLES[shape])
                for shape in SHAPE_CLASSES
            ]
            panels.append(_panel(f"n = {size}, {metric} by shape class", lines))
    return _kept(panels)


def _seen(estimates: pl.DataFrame) -> list[Panel]:
    metric = metrics_shown(estimates)[0]
    panels = []
    for size in groups(estimates, "held_out", "n"):
        lines = [
            _line(estimates, metric, name, "n", size, words, style)
            for name, words, style in (("test", "seen patterns", "first"), ("held_out", "held-out family", "right"))
        ]
        panels.append(_panel(f"n = {size}, {metric}", lines))
    return _kept(panels)


def _conduct(estimates: pl.DataFrame) -> list[Panel]:
    styles = ("first", "left", "right")
    sizes = [("test", group) for group in groups(estimates, "test", "n")]
    sizes += [("length", group) for group in groups(estimates, "length", "n")]
    panels = []
    for metric, heading, percent in (
        ("execution", "Execution: attempts whose stated values are all right", True),
        ("attempts", "Attempts a completion", False),
    ):
        lines = [
            _line(estimates, metric, name, "n", group, f"n = {group}", style)
            for (name, group), style in zip(sizes, styles, strict=False)
        ]
        panels.append(_panel(heading, lines, percent, 1.0 if percent else None))
    return _kept(panels)


def _patterns(run: Run, estimates: pl.DataFrame, size: int) -> list[PatternRow]:
    shown, metric = chosen(estimates), metrics_shown(estimates)[0]
    rows = []
    for name in ("test", "held_out"):
        puzzles = run.puzzles(name).filter(pl.col("n") == size)
        counts = dict(puzzles.group_by("pattern").len().iter_rows())
        for text in counts:
            line = points(shown, metric, name, "pattern", text)
            if len(line) < 2:
                continue
            pattern, before, after = Pattern.parse(text), line[0], line[-1]
            style = STYLES[structure(pattern).shape_class]
            label = f"{text}: {interval(before)} before, {interval(after)} after"
            rows.append(
                PatternRow(
                    text,
                    structure(pattern).shape_class,
                    name == "held_out",
                    Markup(tree(pattern, style)),
                    Markup(change_bar(before, after, style, label)),
                    interval(before),
                    interval(after),
                    after.value,
                    counts[text],
                )
            )
    return sorted(rows, key=lambda row: (-row.value, row.text))


def _examples(run: Run) -> list[Example]:
    """For each kind of puzzle the first, by id, of which the base failed and the trained model succeeded; and one of
    the longest where it failed."""
    seed = run.seeds[0]
    last = max((step for _, step in run.sampled(seed)), default=0)
    found = []
    for name, size, wanted in (("test", 3, True), ("test", 4, True), ("held_out", 3, True), ("length", 5, False)):
        if (name, 0) not in run.sampled(seed) or (name, last) not in run.sampled(seed):
            continue
        puzzles = run.puzzles(name).filter(pl.col("n") == size).sort("puzzle_id")
        first, end = (
            read_table(run.derived_file("grades", seed, name, step)).filter(pl.col("sample") == 0) for step in (0, last)
        )
        correct = pl.col("verdict") == "correct"
        failed = set(first.filter(~correct)["puzzle_id"])
        chosen_ids = failed & set(end.filter(correct if wanted else ~correct)["puzzle_id"])
        for puzzle in puzzles.filter(pl.col("puzzle_id").is_in(sorted(chosen_ids))).head(1).iter_rows(named=True):
            heading = f"{', '.join(map(str, puzzle['numbers']))} → {puzzle['target']}"
            solution = f"drawn from {puzzle['pattern']}; {SET_NAMES[name]}; {len(puzzle['solving'])} solving patterns"
            completions = [
                _completion(run, seed, name, step, puzzle["puzzle_id"], title)
                for step, title in ((0, "base"), (last, f"after {last} steps"))
            ]
            found.append(Example(heading, solution, completions))
    return found


def _completion(run: Run, seed: int, name: str, step: int, puzzle_id: str, title: str) -> Shown:
    mine = (pl.col("puzzle_id") == puzzle_id) & (pl.col("sample") == 0)
    text = read_table(run.completions_file(seed, name, step)).filter(mine)["text"].item()
    verdict = read_table(run.derived_file("grades", seed, name, step)).filter(mine)["verdict"].item()
    attempts = read_table(run.derived_file("attempts", seed, name, step)).filter(mine).sort("start")
    pieces: list[tuple[str, str]] = []
    at = 0
    for start, end, hits, wrong in attempts.select("start", "end", "hits_target", "miscalculated").iter_rows():
        if start >= at:
            style = "hit" if hits else "miss"
            pieces += [(text[at:start], ""), (text[start:end], f"{style} miscalculated" if wrong else style)]
            at = end
    return Shown(title, verdict, [*pieces, (text[at:], "")])
