"""The command line: one short function per verb; heavy imports happen inside them."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ramify.errors import RamifyError

app = typer.Typer(
    help="See what RL post-training taught a language model: which skills, in which order, where composing them fails.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
console = Console()

Overrides = Annotated[list[str] | None, typer.Argument(help="Settings on top, such as train.steps=20.")]
Source = Annotated[str, typer.Argument(help="A preset's name or a .toml file.")]
Root = Annotated[Path, typer.Option("--root", help="The folder that holds the run folders.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line; an error that a user can cause is one sentence and exit code 2."""
    try:
        app()
    except RamifyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def solve(
    numbers: Annotated[list[int], typer.Argument(help="Two to seven numbers.")],
    target: Annotated[int, typer.Option("--target", "-t", help="The value to reach.")],
    as_json: AsJson = False,
) -> None:
    """Print every pattern that solves a puzzle, with one expression each."""
    from ramify.algebra.solver import solve as solve_puzzle

    try:
        found = solve_puzzle(numbers, target)
    except ValueError as error:
        raise RamifyError(str(error)) from None
    if as_json:
        print(json.dumps({pattern.text: witness.text for pattern, witness in found.items()}))
        return
    if not found:
        print(f"no expression over {', '.join(map(str, numbers))} equals {target}")
    for pattern, witness in found.items():
        print(f"{pattern.text:<24} {witness.text} = {target}")


@app.command()
def patterns(
    pattern: Annotated[str | None, typer.Argument(help='A pattern, such as "A/(B-C/D)".')] = None,
    size: Annotated[int | None, typer.Option("--size", "-n", help="List all patterns with so many leaves.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the patterns of a size, or describe one."""
    from ramify.algebra.catalog import patterns as all_patterns
    from ramify.algebra.parser import ParseError
    from ramify.algebra.pattern import Pattern

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
        print(json.dumps(rows if size is not None else rows[0]))
        return
    table = Table(*rows[0]) if size is not None else Table(show_header=False)
    for row in rows if size is not None else [{key: value} for key, value in rows[0].items()]:
        table.add_row(*(map(str, row.values()) if size is not None else (*row, str(*row.values()))))
    console.print(table)


def _described(pattern: Any, full: bool) -> dict[str, Any]:
    shape = pattern.structure
    row = {
        "pattern": pattern.text,
        "split": shape.split,
        "shape class": shape.shape_class,
        "depth": shape.depth,
        "lookahead": shape.lookahead,
    }
    if full and pattern.size <= 6:
        row["twins"] = ", ".join(sorted(twin.text for twin in pattern.twins)) or "none"
        row["skills"] = ", ".join(skill.text for skill in sorted(pattern.skills, key=lambda p: p.order)[1:])
    return row


@app.command()
def run(source: Source, overrides: Overrides = None, root: Root = Path("runs")) -> None:
    """Puzzles, training, sampling, scoring, report: all of it; the same command goes on where it was cut off."""
    from ramify.experiment import ExperimentConfig, run_all

    config = ExperimentConfig.load(source, overrides or [])
    with _progress() as report:
        finished = run_all(config, root, report)
    _print_summary(finished)


@app.command()
def generate(source: Source, overrides: Overrides = None, root: Root = Path("runs")) -> None:
    """Make the puzzles of a run and certify their split."""
    from ramify import experiment

    config = experiment.ExperimentConfig.load(source, overrides or []).checked()
    opened = experiment.open_run(config, root)
    with _progress() as report:
        experiment.generate(config, opened, report)
    print(f"puzzles: {opened.path / 'puzzles'}\ncertificate: {opened.certificate_file}")


@app.command()
def train(source: Source, overrides: Overrides = None, root: Root = Path("runs")) -> None:
    """Train every seed of a run (its puzzles are made first), going on from the last checkpoint."""
    from ramify import experiment
    from ramify.errors import require

    require("ramify train", "train")

    config = experiment.ExperimentConfig.load(source, overrides or []).checked()
    opened = experiment.open_run(config, root)
    with _progress() as report:
        experiment.generate(config, opened, report)
        experiment.train(config, opened, report)
    print(f"checkpoints: {opened.path}/seed-*/checkpoints")


RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


@app.command()
def sample(folder: RunFolder) -> None:
    """Sample every checkpoint of a run on every evaluation set."""
    from ramify import experiment
    from ramify.run import Run

    opened = Run(folder)
    config = experiment.ExperimentConfig.check(opened.config)
    with _progress() as report:
        experiment.sample(config, opened, report)
    print(f"completions: {opened.path}/seed-*/completions")


@app.command()
def score(folder: RunFolder) -> None:
    """Grade the completions of a run and make its estimates."""
    from ramify import experiment
    from ramify.run import Run

    opened = Run(folder)
    with _progress() as report:
        experiment.score(opened, report)
    print(f"estimates: {opened.estimates_file}")


@app.command()
def report(folder: RunFolder) -> None:
    """Write the report of a run and print it in short."""
    from ramify.report.page import write_report
    from ramify.run import Run

    opened = Run(folder)
    write_report(opened)
    _print_summary(opened)


@app.command()
def config(
    source: Annotated[str | None, typer.Argument(help="A preset's name; without it, all are listed.")] = None,
) -> None:
    """Print a preset with its comments, to start a file of settings from."""
    from ramify.config import presets, read_toml

    known = presets()
    if source is None:
        for name, text in known.items():
            print(f"{name:<20} {text.splitlines()[0].removeprefix('# ')}")
        return
    if source not in known:
        read_toml(source)
    print(known[source], end="")


@app.command()
def pretrain(
    source: Source, overrides: Overrides = None, output: Annotated[Path, typer.Option(help="Where to.")] = Path("runs")
) -> None:
    """Pre-train the tiny base model, going on from the last checkpoint."""
    from ramify.errors import require
    from ramify.models.pretrain import PretrainConfig
    from ramify.models.pretrain import pretrain as make

    require("ramify pretrain", "train")
    settings = PretrainConfig.load(source, overrides or [])
    print(f"model: {make(settings, output / f'pretrain-{settings.name}')}")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar a stage, with the time left; yields the callback that the stages report to."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)
            if not console.is_terminal and (done in (0, total) or done * 10 // total > (done - 1) * 10 // total):
                print(f"{stage}: {done} of {total}", flush=True)

        yield report


def _print_summary(finished: Any) -> None:
    from ramify.report.summary import changes, interval

    table = Table(title=f"{finished.config['name']}: what RL changed", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("puzzles", "metric", "base", "trained", ""):
        table.add_column(column, no_wrap=True)
    last = ""
    for row in changes(finished.estimates()):
        percent = row.metric != "attempts"
        label = row.short if row.short != last else ""
        last = row.short
        mark = {"rose": "↑", "fell": "↓"}.get(row.verdict, "")
        table.add_row(label, row.metric, interval(row.before, percent), interval(row.after, percent), mark)
    console.print(table)
    console.print("↑ ↓: the 95 % intervals do not overlap")
    console.print(f"report: {finished.report_file.resolve()}", soft_wrap=True)
