"""The verb for the design of an evaluation."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ramify.cli.app import AsJson, Overrides, app
from ramify.console import print_plan, progress, say


@app.command()
def plan(
    source: Annotated[
        str, typer.Argument(metavar="CONFIG|RUN", help="A preset, a .toml file, or a run with completions of the base.")
    ],
    overrides: Overrides = None,
    detect: Annotated[float, typer.Option(help="The difference to detect, as a share.")] = 0.04,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Token budget of the evaluation; by default that of the settings.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute what a design can detect.

    The calculation uses the base model's success, and recommends a design.
    """
    from ramify.plan import plan as calculate

    with progress() as report:
        found = calculate(source, overrides or [], detect, tokens, report)
    if as_json:
        plain = asdict(found)
        if found.allocation is not None:
            plain["allocation"]["counts"] = _by_set(found.allocation.counts)
            plain["allocation"]["short"] = [f"{name}.{n}" for name, n in found.allocation.short]
            del plain["allocation"]["detects"]  # listed with the questions
        plain["supply"] = _by_set(found.supply)
        say(json.dumps(plain, indent=2))
        return
    print_plan(found)


def _by_set(counts: dict[tuple[str, int], int]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for (name, n), count in counts.items():
        found.setdefault(name, {})[n] = count
    return found
