"""The verbs that look at completions: view in a browser, show in a terminal."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ramify.cli.app import AsJson, app
from ramify.console import console, say, warn
from ramify.errors import RamifyError, require
from ramify.report.links import PORT

MOST_SHOWN = 1000


@app.command()
def view(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, finished or still growing.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free.", min=0, max=65535)] = PORT,
) -> None:
    """Serve a local page to explore completions, while a run goes on.

    It only reads. On an address that other machines reach, the page needs a token, which is printed.
    """
    require("ramify view", "view")
    from ramify.explore.serve import serve
    from ramify.explore.source import Source
    from ramify.run import Run

    serve(Source([Run(folder) for folder in folders]), host, port, say)


@app.command()
def show(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="A run folder, or several to compare.")],
    pattern: Annotated[str, typer.Option(help="The source pattern of the puzzles.")] = "",
    step: Annotated[
        list[int] | None, typer.Option(help="The checkpoint; by default the last one. Repeat it to compare several.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The training seed.")] = None,
    of: Annotated[str, typer.Option("--set", help="The puzzle set; train for training completions.")] = "",
    n: Annotated[int | None, typer.Option("-n", help="The size of the puzzles.")] = None,
    shape: Annotated[str, typer.Option(help="balanced, left-heavy or right-heavy.")] = "",
    puzzle: Annotated[str, typer.Option(help="The id of a puzzle.")] = "",
    uses: Annotated[str, typer.Option(help="A pattern that an attempt has.")] = "",
    verdict: Annotated[str, typer.Option(help="The verdict, such as 'wrong value'.")] = "",
    text: Annotated[str, typer.Option(help="Words in the completion.")] = "",
    wrong: Annotated[bool, typer.Option("--wrong", help="Only wrong answers.")] = False,
    greedy: Annotated[
        bool | None, typer.Option("--greedy/--sampled", help="Only at temperature 0, or only sampled ones.")
    ] = None,
    miscalculated: Annotated[bool, typer.Option("--miscalculated", help="Only with a wrong stated value.")] = False,
    sort: Annotated[str, typer.Option(help="tokens, attempts, n or verdict; -tokens for the largest first.")] = "",
    limit: Annotated[int, typer.Option(help="The number of completions shown.", min=1, max=MOST_SHOWN)] = 5,
    as_json: AsJson = False,
) -> None:
    """Print completions that meet some conditions, with their attempts as trees."""
    from ramify.explore.completions import record, rows_of, search
    from ramify.explore.filters import Filters
    from ramify.explore.source import TRAINING, Source
    from ramify.explore.text import completion_text
    from ramify.run import Run

    source = Source([Run(folder) for folder in folders])
    yes = {True: "yes", False: "no", None: ""}
    values = {"seed": seed, "set": of, "n": n, "pattern": pattern, "shape_class": shape, "puzzle": puzzle}
    values |= {"uses": uses, "text": text, "verdict": verdict, "sort": sort, "wrong": yes[wrong or None]}
    values |= {"miscalculated": yes[miscalculated or None], "greedy": yes[greedy]}
    filters = Filters.read({key: "" if value is None else str(value) for key, value in values.items()})
    found: list[dict[str, Any]] = []
    totals: dict[str, int] = {}
    for name, run in source.runs.items():
        steps = [part.step for part in source.parts(name) if (part.set == TRAINING) == (of == TRAINING)]
        if not steps:
            raise RamifyError(f"{run.path}: no completions; sample some with ramify sample")
        for at in step or [max(steps)]:
            matches = search(source, replace(filters, run=name, step=at))
            for part, reason in matches.unread:
                warn(f"warning: {part.set} at step {part.step}, seed {part.seed}: {reason}")
            found += rows_of(source, matches, 0, limit).iter_rows(named=True)
            totals[f"{name} at step {at}"] = len(matches.found)
    total = sum(totals.values())
    if as_json:
        say(json.dumps({"completions": [*map(record, found)], "total": total}, ensure_ascii=False))
        return
    for row in found:
        console.print(completion_text(source, row), soft_wrap=True, highlight=False)
    if len(totals) > 1:
        say(", ".join(f"{place}: {count:,} completions" for place, count in totals.items()))
    say(f"{len(found)} of {total:,} completions")
