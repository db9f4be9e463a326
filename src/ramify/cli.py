"""The command line: one short function per verb; heavy imports happen inside them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ramify.console import console, print_checks, print_comparison, print_rules, print_summary, progress
from ramify.errors import RamifyError
from ramify.tasks.grading import ANSWER_TAGS

app = typer.Typer(
    help="See what RL post-training taught a language model: which skills, in which order, where composing them fails.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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
        row |= _counted(pattern)
        row["twins"] = ", ".join(sorted(twin.text for twin in pattern.twins)) or "none"
        row["skills"] = ", ".join(skill.text for skill in sorted(pattern.skills, key=lambda p: p.order)[1:])
    return row


def _counted(pattern: Any) -> dict[str, Any]:
    """How many instances and puzzles a pattern has with numbers and targets to 99, where that takes a moment."""
    from ramify.tasks.generation import count_puzzles
    from ramify.tasks.instances import count_instances

    if not 2 <= pattern.size <= 5:
        return {}
    ordered, unordered = count_instances(pattern)
    row = {"instances": f"{ordered:,} ordered, {unordered:,} unordered (numbers and target 1 to 99)"}
    return row | {"puzzles": f"{count_puzzles(pattern):,}"} if ordered < 10**7 else row


@app.command()
def run(
    source: Source,
    overrides: Overrides = None,
    root: Root = Path("runs"),
    scale: Annotated[float, typer.Option(help="Times this many puzzles, steps and samples: 0.05 tries it out.")] = 1.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be made, and how long.")] = False,
) -> None:
    """Puzzles, training, sampling, scoring, report: all of it; the same command goes on where it was cut off."""
    from ramify.experiment import ExperimentConfig, run_all

    config = ExperimentConfig.load(source, overrides or [])
    if scale != 1:
        config = config.scaled(scale)
    if dry_run:
        from ramify.console import print_forecast
        from ramify.forecast import forecast

        with progress() as report:
            expected = forecast(config, report)
        print_forecast(config.name, expected)
        return
    with progress() as report:
        finished = run_all(config, root, report)
    print_summary(finished)
    print(f"report: {finished.report_file.resolve()}")


@app.command()
def generate(source: Source, overrides: Overrides = None, root: Root = Path("runs")) -> None:
    """Make the puzzles of a run and certify their split."""
    from ramify import experiment

    config = experiment.ExperimentConfig.load(source, overrides or []).checked()
    opened = experiment.open_run(config, root)
    with progress() as report:
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
    with progress() as report:
        experiment.generate(config, opened, report)
        experiment.train(config, opened, report)
    print(f"checkpoints: {opened.path}/seed-*/checkpoints")


RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


@app.command()
def sample(
    source: Annotated[
        str, typer.Argument(metavar="RUN|CONFIG", help="A run; or settings, with --checkpoints.")
    ] = "sweep",
    overrides: Overrides = None,
    checkpoints: Annotated[
        str | None, typer.Option(help="Holds checkpoint-50, ... or verl's global_step_50, ... of any training.")
    ] = None,
    root: Root = Path("runs"),
) -> None:
    """Sample every checkpoint of a run on every evaluation set; or those in a folder, trained elsewhere."""
    from ramify import experiment
    from ramify.run import Run

    if checkpoints is not None:
        if "=" in source:  # an override; the settings are the preset's
            source, overrides = "sweep", [source, *(overrides or [])]
        where = Path(checkpoints).resolve()
        name = where.parent.name if where.name == "checkpoints" else where.name
        base = any(text.startswith("model=") for text in overrides or [])
        found = ["train.kind=checkpoints", f"train.folder={checkpoints}", f"train.base={str(base).lower()}"]
        run(source, [f"name={name}", *found, *(overrides or [])], root)
        return
    opened = Run(source)
    config = experiment.ExperimentConfig.check(opened.config)
    with progress() as report:
        experiment.sample(config, opened, report)
    print(f"completions: {opened.path}/seed-*/completions")


@app.command()
def score(
    folder: RunFolder,
    by: Annotated[
        list[str] | None, typer.Option(help="One more grouping, such as n,split,forced; may be repeated.")
    ] = None,
    ray: Annotated[str | None, typer.Option(help="Score on a Ray cluster: its address, auto, or local.")] = None,
) -> None:
    """Grade the completions of a run and make its estimates."""
    from ramify import experiment
    from ramify.run import Run

    opened = Run(folder)
    with progress() as report:
        experiment.score(opened, report, by or [], ray)
    print(f"estimates: {opened.estimates_file}")


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One run folder, or several side by side.")],
    text: Annotated[bool, typer.Option("--text", help="Only print the story, in about fifty lines.")] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write every figure as SVG and PNG, and its numbers as CSV, to this folder.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Where the page goes, if not into the run folder.")] = None,
    track: Annotated[
        list[str] | None, typer.Option(help="Send the estimates to tensorboard, wandb or trackio.")
    ] = None,
) -> None:
    """Write the report of a run, or of several side by side, and print it in short."""
    from ramify import experiment
    from ramify.report.comparison import write_comparison
    from ramify.report.export import export_figures
    from ramify.report.page import write_report
    from ramify.report.trackers import track as send
    from ramify.run import Run

    runs = [Run(folder) for folder in folders]
    with progress() as report:
        for run in runs:
            experiment.score(run, report)
    for run in runs if track else []:
        send(run, track or [])
    if export is not None:
        for number, run in enumerate(runs, start=1):
            where = export / f"{number}-{run.path.name}" if len(runs) > 1 else export
            print(f"figures: {export_figures(run, where)} in {where}")
    if text:
        for run in runs:
            print_summary(run)
        return
    if len(runs) > 1:
        names = runs[0].path.name, runs[1].path.name if len(runs) == 2 else f"{len(runs) - 1}-more"
        page = output or runs[0].path.parent / f"report-{'-'.join(names)}.html"
        print(f"report: {write_comparison(runs, page).resolve()}")
        return
    page = write_report(runs[0], output)
    print_summary(runs[0])
    print(f"report: {page.resolve()}")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN[@STEP]", help="A run folder, and a checkpoint if not the last.")],
    second: Annotated[str, typer.Argument(metavar="RUN[@STEP]", help="What is compared with it.")],
    by: Annotated[str, typer.Option(help="The grouping: all, n, pattern, or columns such as n,shape_class.")] = "n",
    as_json: AsJson = False,
) -> None:
    """Test two runs, or two checkpoints of one, on the puzzles that both were asked."""
    from ramify import experiment
    from ramify.analysis.compare import compare as test
    from ramify.analysis.compare import side

    sides = side(first), side(second)
    with progress() as report:
        for one in sides:
            experiment.score(one.run, report)
    found = test(*sides, [by])
    if as_json:
        print(found.write_json())
        return
    print_comparison(found, f"{second} minus {first}", by)


@app.command("verify-split")
def verify_split(
    data: Annotated[
        list[Path], typer.Argument(help="Folders or files: parquet, JSON, JSON lines or CSV, ours or not.")
    ],
    hold_out: Annotated[
        list[str] | None, typer.Option(help="A skill whose family should solve no training puzzle; may be repeated.")
    ] = None,
    numbers: Annotated[str | None, typer.Option(help="The column of the numbers, if it is not found.")] = None,
    target: Annotated[str | None, typer.Option(help="The column of the target, if it is not found.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check puzzle sets against those named train: overlap, forced puzzles, labels; exit code 1 if they overlap."""
    from dataclasses import asdict

    from ramify.adapters.files import files_in, read_rows
    from ramify.algebra.parser import ParseError
    from ramify.tasks.splits import held_out_patterns
    from ramify.tasks.verification import MAX_CHECKED, check_sets

    try:
        held_out = held_out_patterns(hold_out or [], range(2, MAX_CHECKED + 1))
    except ParseError as error:
        raise RamifyError(f"--hold-out {' '.join(hold_out or [])}: not a pattern such as A-B*C: {error}") from None
    files = {name if len(data) == 1 else f"{path}/{name}": f for path in data for name, f in files_in(path).items()}
    rows = {name: read_rows(file, numbers, target) for name, file in files.items()}
    checks = check_sets({name: found.puzzles for name, found in rows.items()}, held_out)
    if as_json:
        print(json.dumps([asdict(check) | {"unread": rows[check.name].unread} for check in checks]))
    else:
        print_checks(checks, bool(hold_out))
        for name, found in rows.items():
            if found.unread:
                print(f"{name}: {len(found.unread)} rows could not be read, the first is {found.unread[0]}")
    if not all(check.is_clean for check in checks):
        raise typer.Exit(1)


@app.command()
def regrade(
    file: Annotated[Path, typer.Argument(help="Completions: parquet, JSON, JSON lines or CSV, ours or not.")],
    numbers: Annotated[str | None, typer.Option(help="The column of the numbers, if it is not found.")] = None,
    target: Annotated[str | None, typer.Option(help="The column of the target, if it is not found.")] = None,
    text: Annotated[str | None, typer.Option(help="The column of the completions, if it is not found.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write a row for each completion to this parquet file.")] = None,
) -> None:
    """Grade completions again, and show where graders in use elsewhere would have said otherwise."""
    from ramify.adapters.files import each_text, read_rows
    from ramify.analysis.regrade import OTHERS, disagreements, examples
    from ramify.analysis.regrade import regrade as grade_again

    rows = read_rows(file, numbers, target, text, texts=True)
    graded = grade_again(each_text(rows))
    verdicts = ", ".join(f"{n:,} {verdict}" for verdict, n in graded["verdict"].value_counts(sort=True).iter_rows())
    print(f"{graded.height:,} completions: {verdicts}")
    if rows.unread:
        print(f"{len(rows.unread):,} rows could not be read, the first is {rows.unread[0]}")
    print_rules(graded, disagreements(graded))
    for column, name in OTHERS.items():
        for puzzle_id, answer, verdict in examples(graded, column):
            print(f"{name} {'accepts' if verdict != 'correct' else 'rejects'} {answer!r} for {puzzle_id}: {verdict}")
    if output is not None:
        from ramify.tables import write_table

        write_table(graded, output)
        print(f"rows: {output}")


@app.command("import")
def import_(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Where completions are; a folder a seed.")],
    name: Annotated[str | None, typer.Option(help="The run's folder; that of the first DIR if not given.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="trl, verl, paper, ...; found if not given.")] = None,
    numbers: Annotated[str | None, typer.Option(help="The column of the numbers, such as extra.nums.")] = None,
    target: Annotated[str | None, typer.Option(help="The column of the target.")] = None,
    text: Annotated[str | None, typer.Option(help="The column of the completions.")] = None,
    pattern: Annotated[str | None, typer.Option(help="The column of the source pattern.")] = None,
    step: Annotated[str | None, typer.Option(help="The column of the training step.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Words of the prompt, with {numbers} and {target}.")] = None,
    answer_tags: Annotated[tuple[str, str], typer.Option(help="What opens and closes an answer.")] = ANSWER_TAGS,
    every: Annotated[int | None, typer.Option(help="Training completions of so many steps go together.")] = None,
    ray: Annotated[str | None, typer.Option(help="Score on a Ray cluster: its address, auto, or local.")] = None,
    root: Root = Path("runs"),
) -> None:
    """Turn completions that others made (TRL, verl, lm-eval, ...) into a run, score it, write its report."""
    from ramify import experiment
    from ramify.adapters.foreign import ImportConfig, import_run, summary
    from ramify.report.page import write_report

    given = {"numbers": numbers, "target": target, "text": text, "pattern": pattern, "step": step, "prompt": prompt}
    config = ImportConfig.check({**given, "format": form, "answer_tags": answer_tags, "every": every})
    with progress() as report:
        found = import_run(folders, name or folders[0].resolve().stem, root, config, report)
    for line in summary(found):
        print(line)
    with progress() as report:
        experiment.score(found.run, report, ray=ray)
    page = write_report(found.run)
    print_summary(found.run)
    print(f"report: {page.resolve()}")


@app.command("export")
def export_(
    kind: Annotated[str, typer.Argument(help="verl, lm-eval, inspect, verifiers, dataset, or model.")],
    folder: RunFolder,
    output: Annotated[Path | None, typer.Option(help="The folder to write; RUN-KIND if not given.")] = None,
    step: Annotated[int | None, typer.Option(help="Of a model: the checkpoint, the last if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of a model: the training seed.")] = 1,
    push: Annotated[str | None, typer.Option(help="Upload to the hub under this name (owner/name), private.")] = None,
) -> None:
    """Write a run's puzzles or model for other tools: verl, lm-eval, inspect, verifiers, the Hugging Face Hub."""
    from ramify.adapters.export import export
    from ramify.adapters.hub import push as upload
    from ramify.run import Run

    if push is not None and kind not in ("dataset", "model"):
        raise RamifyError(f"--push: the hub takes a dataset or a model, not {kind}")
    opened = Run(folder)
    where = output or Path(f"{opened.path}-{kind}")
    command = export(kind, opened, where, step, seed)
    print(f"{kind}: {where}\nthen: {command}")
    if push is not None:
        print(f"pushed: {upload(where, push)}")


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
