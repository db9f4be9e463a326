"""The verbs for puzzles and patterns."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ramify.cli.app import AsJson, Overrides, Root, Source, app
from ramify.console import console, print_checks, progress, say, warn
from ramify.errors import RamifyError


@app.command()
def solve(
    numbers: Annotated[list[int], typer.Argument(help="Two to seven numbers.")],
    target: Annotated[int, typer.Option("--target", "-t", help="The value to reach.")],
    as_json: AsJson = False,
) -> None:
    """Print every pattern that solves a puzzle.

    Each pattern is shown with one expression.
    """
    from ramify.tasks.countdown.solver import solve as solve_puzzle

    try:
        found = solve_puzzle(numbers, target)
    except ValueError as error:
        raise RamifyError(str(error)) from None
    if as_json:
        say(json.dumps({pattern.text: witness.text for pattern, witness in found.items()}))
        return
    if not found:
        say(f"no expression over {', '.join(map(str, numbers))} equals {target}")
    for pattern, witness in found.items():
        say(f"{pattern.text:<24} {witness.text} = {target}")


@app.command()
def patterns(
    pattern: Annotated[str | None, typer.Argument(help='A pattern, such as "A/(B-C/D)".')] = None,
    size: Annotated[
        int | None, typer.Option("--size", "-n", help="List all patterns with this number of leaves.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the patterns of a size, or describe one."""
    from ramify.algebra.parser import ParseError
    from ramify.algebra.pattern import Pattern
    from ramify.tasks.countdown.catalog import patterns as all_patterns

    if (pattern is None) == (size is None):
        raise RamifyError('give either a pattern, such as "A-B*C", or --size')
    try:
        chosen = all_patterns(size) if size is not None else (Pattern.parse(pattern or ""),)
    except ParseError as error:
        raise RamifyError(f"{pattern} is not a pattern such as A-B*C: {error}") from None
    except ValueError as error:
        raise RamifyError(str(error)) from None
    rows = [_described(one, full=pattern is not None) for one in chosen]
    if as_json:
        say(json.dumps(rows if size is not None else rows[0]))
        return
    table = Table(*rows[0]) if size is not None else Table(show_header=False)
    for row in rows if size is not None else [{key: value} for key, value in rows[0].items()]:
        table.add_row(*(map(str, row.values()) if size is not None else (*row, str(*row.values()))))
    console.print(table)


def _described(pattern: Any, full: bool) -> dict[str, Any]:
    from ramify.algebra.structure import skills, structure
    from ramify.tasks.countdown.families import twins

    shape = structure(pattern)
    row = {
        "pattern": pattern.text,
        "split": shape.split,
        "shape class": shape.shape_class,
        "depth": shape.depth,
        "lookahead": shape.lookahead,
    }
    if full and pattern.size <= 6:
        row |= _counted(pattern)
        row["twins"] = ", ".join(sorted(twin.text for twin in twins(pattern))) or "none"
        row["skills"] = ", ".join(skill.text for skill in sorted(skills(pattern), key=lambda p: p.order)[1:])
    return row


def _counted(pattern: Any) -> dict[str, Any]:
    """The numbers of instances and puzzles of a pattern, for numbers and targets to 99; empty for large patterns."""
    from ramify.tasks.countdown.generation import count_puzzles
    from ramify.tasks.countdown.instances import count_instances

    if not 2 <= pattern.size <= 5:
        return {}
    ordered, unordered = count_instances(pattern)
    row = {"instances": f"{ordered:,} ordered, {unordered:,} unordered (numbers and target 1 to 99)"}
    return row | {"puzzles": f"{count_puzzles(pattern):,}"} if ordered < 10**7 else row


@app.command()
def generate(source: Source, overrides: Overrides = None, root: Root = Path("runs")) -> None:
    """Draw puzzles and certify their split."""
    from ramify.experiment import as_begun, begun
    from ramify.settings import ExperimentConfig
    from ramify.stages.generate import generate

    config = as_begun(ExperimentConfig.load(source, overrides or []), root)
    with begun(config, root, loads_models=False) as opened, progress() as report:
        generate(config, opened, report)
    say(f"puzzles: {opened.path / 'puzzles'}\ncertificate: {opened.certificate_file}")


@app.command("verify-split")
def verify_split(
    data: Annotated[list[Path], typer.Argument(help="Folders or files: parquet, JSON, JSON lines or CSV.")],
    hold_out: Annotated[
        list[str] | None, typer.Option(help="A skill whose family must solve no training puzzle; repeatable.")
    ] = None,
    numbers: Annotated[str | None, typer.Option(help="The column of the numbers; detected by default.")] = None,
    target: Annotated[str | None, typer.Option(help="The column of the target; detected by default.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="The column of the prompt, or its template with {numbers} and {target}.")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="ROLE=COLUMN", help="A column by role, as in pattern=x.y; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check puzzle sets for overlap and wrong labels.

    Evaluation sets are compared with the training sets; exit code 1 if they overlap.
    """
    from dataclasses import asdict

    from ramify.adapters.files import files_in, list_files
    from ramify.adapters.import_settings import ImportConfig, parse_fields
    from ramify.adapters.row_files import read_rows
    from ramify.algebra.pattern import parse_patterns
    from ramify.tasks.countdown.splits import held_out_patterns
    from ramify.tasks.countdown.verification import MAX_CHECKED, check_sets

    try:
        parse_patterns(hold_out or [])
    except ValueError as error:
        raise RamifyError(f"--hold-out: {error}") from None
    held_out = held_out_patterns(hold_out or [], range(2, MAX_CHECKED + 1))
    for path in data:
        for file, what in list_files(path).skipped.items():
            warn(f"skipped {file}: {what}")
    files = {name if len(data) == 1 else f"{path}/{name}": f for path in data for name, f in files_in(path).items()}
    given = {"numbers": numbers, "target": target, "prompt": prompt, "fields": parse_fields(field or [])}
    reader = ImportConfig.check(given).reader()
    rows = {name: read_rows(file, reader, verb="verify-split") for name, file in files.items()}
    checks = check_sets({name: found.puzzles for name, found in rows.items()}, held_out)
    if as_json:
        say(json.dumps([asdict(check) | {"unread": rows[check.name].unread} for check in checks]))
    else:
        print_checks(checks, bool(hold_out))
        for name, found in rows.items():
            if found.unread:
                say(f"{name}: {len(found.unread)} rows could not be read, the first is {found.unread[0]}")
    if not all(check.is_clean for check in checks):
        raise typer.Exit(1)
