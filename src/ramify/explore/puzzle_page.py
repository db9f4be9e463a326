"""The page of a puzzle: all samples at several checkpoints, of one run or of several, side by side."""

from collections.abc import Sequence

import polars as pl

from ramify.errors import RunError
from ramify.explore.puzzle import Column, column, difference
from ramify.explore.query import Query, chosen_of, number_of
from ramify.explore.rendering import rendered
from ramify.explore.source import Part, Source
from ramify.report.links import link

MOST_COLUMNS = 6


def puzzle_page(source: Source, query: Query, at: Sequence[str]) -> str:
    """All samples of a puzzle at several checkpoints, of one run or of several, side by side."""
    name = query.get("run") or next(iter(source.runs))
    run, of, puzzle_id = source.run(name), query.get("set", "test"), query.get("puzzle", "")
    rows = source.puzzles(name, of).filter(pl.col("puzzle_id") == puzzle_id)
    if not len(rows):
        raise RunError(f"{puzzle_id[:80]}: no such puzzle in the set {of} of {name}")
    asked = {part.run for each in source.runs for part in source.parts(each) if part.set == of}
    asked = {each for each in asked if puzzle_id in source.puzzles(each, of)["puzzle_id"]}
    available = [part for each in source.runs if each in asked for part in source.parts(each) if part.set == of]
    mine = [part for part in available if part.run == name]
    wanted = [_part(text, of) for text in at][:MOST_COLUMNS]
    unknown = [text for text, part in zip(at, wanted, strict=False) if part not in available]
    if unknown:
        raise RunError(f"at = {unknown[0][:80]}: no such checkpoint of this puzzle; use RUN:SEED:STEP")
    if not wanted and mine:
        seed = number_of(query, "seed")
        seed = mine[0].seed if seed is None else seed
        of_seed = [part for part in mine if part.seed == source.sampled_by(name, seed, part.step)] or mine
        step = chosen_of(query, "step", [part.step for part in of_seed])
        last = next(part for part in of_seed if part.step == step)
        wanted = list(dict.fromkeys((of_seed[0], last)))
    columns = [column(source, part, puzzle_id) for part in wanted]
    row = rows.to_dicts()[0]
    compared = difference(*columns) if len(columns) == 2 else None
    return rendered(
        "puzzle.html.jinja",
        source,
        run.task.describe(row),
        run=name,
        set=of,
        puzzle=puzzle_id,
        described=run.task.describe(row),
        row=row,
        columns=columns,
        compared=compared,
        available=[(_named(part), part) for part in available if part not in wanted][:500],
        kept=[_named(part) for part in wanted],
        comparisons=_comparisons(source, of, puzzle_id, wanted, available),
        heading=_heading,
        named=_named,
    )


def _comparisons(
    source: Source, of: str, puzzle_id: str, wanted: Sequence[Part], available: Sequence[Part]
) -> list[tuple[str, str]]:
    """Comparisons of a puzzle by name, with their addresses."""

    def address(parts: Sequence[Part]) -> str:
        return link("/puzzle", run=parts[0].run, set=of, puzzle=puzzle_id, at=[_named(part) for part in parts])

    if not wanted:
        return []
    first = wanted[0]
    mine = [part for part in available if part.run == first.run]
    own = [part for part in mine if part.seed == source.sampled_by(first.run, wanted[-1].seed, part.step)]
    spread = [own[number * (len(own) - 1) // (MOST_COLUMNS - 1)] for number in range(MOST_COLUMNS)] if own else []
    found = [("this comparison", list(wanted)), ("checkpoints of one seed", list(dict.fromkeys(spread)))]
    ends = {part.seed: part for part in mine}  # the last step of a seed comes last
    found.append(("last checkpoint of each seed", [*ends.values()][:MOST_COLUMNS]))
    ends_of_runs = {part.run: part for part in available}
    found.append(("last checkpoint of each run", [*ends_of_runs.values()][:MOST_COLUMNS]))
    return [(words, address(parts)) for number, (words, parts) in enumerate(found) if not number or len(parts) > 1]


def _part(text: str, of: str) -> Part:
    name, _, rest = text.rpartition(":")[0].rpartition(":")
    step = text.rpartition(":")[2]
    if not (rest.isascii() and rest.isdigit() and step.isascii() and step.isdigit()):
        raise RunError(f"at = {text[:80]}: use RUN:SEED:STEP")
    return Part(name, int(rest), of, int(step))


def _named(part: Part) -> str:
    return f"{part.run}:{part.seed}:{part.step}"


def _heading(one: Column) -> str:
    return f"{one.part.run}, seed {one.part.seed}, {'base' if one.part.step == 0 else f'step {one.part.step}'}"
