"""The pages of the explorer, each from the query of its address. Every state of a page is in its address."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import polars as pl

from ramify.analysis.metrics import displayed
from ramify.errors import RunError
from ramify.explore import curves, structure
from ramify.explore.completions import NONE, PAGE, around, page_of, search
from ramify.explore.filters import PATTERNS, SORTS, Filters, normal_form
from ramify.explore.panels import MOST_PANELS, by_value, default_metric, group_words, own_metric, panels
from ramify.explore.progress import progress
from ramify.explore.query import Query, chosen_of, number_of
from ramify.explore.rendering import rendered
from ramify.explore.source import TRAINING, Part, Source
from ramify.records import Verdict
from ramify.report.abstract import abstract
from ramify.report.examples import drawn
from ramify.report.page import view_of

MOST_CARDS = 120


def problem(source: Source, message: str) -> str:
    """The page of an error."""
    return rendered("problem.html.jinja", source, "Not found", run=next(iter(source.runs)), message=message)


def overview(source: Source, query: Query) -> str:
    """All runs: how far they are, and what they show."""
    found = []
    for name, run in source.runs.items():
        said: list[str] = []
        note = ""
        if run.estimates_file.is_file():
            try:
                said = abstract(view_of(run))
            except RunError as error:
                note = str(error)
        figures = panels(source, [name], default_metric(source, name), "", "n", [], None)
        found.append((name, run, progress(source, name), said, note, figures))
    return rendered("overview.html.jinja", source, "Overview", run=next(iter(source.runs)), found=found)


def curves_page(source: Source, query: Query, runs: Sequence[str], groups: Sequence[str]) -> str:
    """A metric of any set and grouping over training, several runs or seeds laid over each other."""
    chosen = list(runs) or [next(iter(source.runs))]
    tables = {name: curves.rows(source, name).select("metric", "set", "by", "group").unique() for name in chosen}
    table = pl.concat(tables.values()).unique()
    metric = query.get("metric") or default_metric(source, chosen[0])
    of_metric = table.filter(pl.col("metric") == metric)
    of = query.get("set", "")
    by = query.get("by") or "n"
    having = {
        name: one.filter((pl.col("metric") == own_metric(one, metric)) & (pl.col("by") == by))
        for name, one in tables.items()
    }
    seeds = query.get("seeds", "pooled")
    figures = panels(source, chosen, metric, of, by, groups, seeds)
    members = of_metric.filter((pl.col("by") == by) & (pl.col("group") != "all"))["group"].unique()
    labels = source.run(chosen[0]).task.LABELS
    metrics = sorted(table["metric"].unique(), key=lambda name: (name != metric, displayed(name, labels)))
    return rendered(
        "curves.html.jinja",
        source,
        "Curves",
        run=chosen[0],
        chosen=chosen,
        metric=metric,
        metrics=[(name, displayed(name, labels)) for name in metrics],
        set=of,
        sets=sorted(of_metric["set"].unique()),
        by=by,
        groupings=sorted(of_metric["by"].unique()),
        groups=[(group, group_words(by, group)) for group in sorted(members, key=by_value)],
        group=groups[0] if len(groups) == 1 else "",
        seeds=seeds,
        panels=figures,
        without=[name for name, one in having.items() if figures and one.is_empty()],
        most=MOST_PANELS,
    )


def structure_page(source: Source, query: Query) -> str:
    """The patterns of a checkpoint by shape class, each as a tree with its success."""
    name = query.get("run") or next(iter(source.runs))
    run = source.run(name)
    steps = _steps(source, name)
    step = chosen_of(query, "step", steps)
    of, seed = query.get("set", ""), number_of(query, "seed")
    parts = _parts_at(source, name, step, of, seed)
    cells = structure.cells_at(source, parts)
    sizes = sorted(cells["n"].unique()) if len(cells) else []
    n = number_of(query, "n")
    n = n if n in sizes else _usual_size(cells)
    found = structure.patterns(source, name, cells.filter(pl.col("n") == n)) if len(cells) else []
    return rendered(
        "structure.html.jinja",
        source,
        "Structure",
        run=name,
        steps=steps,
        step=step,
        sizes=sizes,
        n=n,
        set=of,
        sets=sorted({part.set for part in source.parts(name)} - {TRAINING}),
        seed=seed,
        seeds=run.seeds,
        classes=structure.by_shape(found),
        sampled=None if seed is None else source.sampled_by(name, seed, step),
        most=MOST_CARDS,
    )


def pattern_page(source: Source, query: Query) -> str:
    """A pattern: its curve, its puzzles, its sub-patterns, family and twins, and the patterns used instead."""
    name = query.get("run") or next(iter(source.runs))
    run = source.run(name)
    task = run.task
    pattern = normal_form(task, query.get("pattern", ""))
    steps = _steps(source, name)
    step, seed = chosen_of(query, "step", steps), number_of(query, "seed")
    cells = structure.cells_at(source, _parts_at(source, name, step, "", seed))
    mine = cells.filter(pl.col("pattern") == pattern) if len(cells) else cells
    sets = sorted(mine["set"].unique()) if len(mine) else []
    if not sets:
        raise RunError(f"{pattern[:80]}: no puzzle of {name} has this source pattern at step {step}")
    of = query.get("set") or sets[0]
    if of not in sets:
        raise RunError(f"set = {of[:80]}: no puzzle of it has this source pattern; there are {', '.join(sets)}")
    mine = mine.filter(pl.col("set") == of)
    parts = _parts_at(source, name, step, of, seed)
    figures = panels(source, [name], default_metric(source, name), of, "pattern", [pattern], "pooled")
    others = cells["pattern"].drop_nulls().unique().to_list()

    def those(wanted: Collection[str]) -> list[structure.PatternCell]:
        return structure.patterns(source, name, cells.filter(pl.col("pattern").is_in(list(wanted))))

    return rendered(
        "pattern.html.jinja",
        source,
        pattern,
        run=name,
        pattern=pattern,
        features=task.structure(pattern),
        tree=drawn(task, pattern),
        step=step,
        steps=steps,
        seed=seed,
        sampled=None if seed is None else source.sampled_by(name, seed, step),
        set=of,
        sets=sets,
        cell_of=structure.patterns(source, name, mine)[0],
        puzzles=structure.puzzles_of(source, name, mine)[:MOST_CARDS],
        parts=those(task.sub_patterns(pattern)),
        family=those(structure.family(task, pattern, others))[:MOST_CARDS],
        twins=sorted(task.twins(pattern)),
        substitutes=structure.substitutes(source, parts, pattern)[:12],
        panels=figures,
    )


def completions_page(source: Source, query: Query) -> str:
    """The completions that meet some filters."""
    filters = Filters.read(query)
    number = max(1, number_of(query, "page") or 1)
    message = ""
    try:
        matches = search(source, filters)
    except RunError as error:  # the form keeps what was typed
        message, matches = str(error), NONE
    rows = page_of(source, matches, number)
    last = max(1, -(-len(matches.found) // PAGE))
    shown = [{**row, "around": around(row["text"] or "", filters.text)} for row in rows.iter_rows(named=True)]
    run = filters.run or next(iter(source.runs))
    meant = _meant(source, filters)
    pairs = [(getattr(filters, name), getattr(meant, name)) for name in PATTERNS]
    parts = [part for name in source.runs for part in source.parts(name)]
    choices = {
        "run": list(source.runs),
        "set": sorted({part.set for part in parts}),
        "step": sorted({part.step for part in parts}),
        "seed": sorted({part.seed for part in parts}),
        "n": _of_puzzles(source, "n"),
        "shape_class": _of_puzzles(source, "shape_class"),
        "verdict": [*Verdict],
        "hit": ["yes", "no"],
        "miscalculated": ["yes", "no"],
        "wrong": ["yes", "no"],
        "greedy": ["yes", "no"],
        "sort": [each for each in SORTS if each],
    }
    return rendered(
        "completions.html.jinja",
        source,
        "Completions",
        run=run,
        filters=filters,
        rows=shown,
        total=len(matches.found),
        number=number,
        last=last,
        choices=choices,
        unread=matches.unread,
        message=message,
        normalised=[(typed, normal) for typed, normal in pairs if typed != normal],
        searched=len(matches.parts),
        tasks={name: one.task for name, one in source.runs.items()},
    )


def _steps(source: Source, name: str) -> list[int]:
    found = sorted({part.step for part in source.parts(name) if part.set != TRAINING})
    if not found:
        raise RunError(f"{name}: no checkpoint is sampled yet")
    return found


def _parts_at(source: Source, name: str, step: int, of: str, seed: int | None) -> list[Part]:
    return [
        part
        for part in source.parts(name)
        if part.step == step
        and part.set != TRAINING
        and (not of or part.set == of)
        and (seed is None or part.seed == source.sampled_by(name, seed, step))
    ]


def _usual_size(cells: pl.DataFrame) -> int | None:
    """The size with the most patterns that are few enough to be looked at."""
    if not len(cells):
        return None
    counts = cells.group_by("n").agg(pl.col("pattern").n_unique()).sort("n").rows()
    few = [pair for pair in counts if pair[1] <= MOST_CARDS] or counts[:1]
    return int(max(few, key=lambda pair: pair[1])[0])


def _meant(source: Source, filters: Filters) -> Filters:
    """The filters in the normal form of the first run whose task has their patterns."""
    for name in [filters.run] if filters.run else source.runs:
        with suppress(RunError):
            return filters.normal(source.run(name).task)
    return filters


def _of_puzzles(source: Source, column: str) -> list[Any]:
    """The values of a column of puzzles."""
    places = {(part.run, part.set) for name in source.runs for part in source.parts(name)}
    return sorted({value for place in places for value in source.puzzles(*place)[column].drop_nulls().unique()})
