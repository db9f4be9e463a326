"""The verbs for runs: run them, in full or by stage, report and compare."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ramify.cli.app import AsJson, Overrides, Ray, Root, RunFolder, Source, app
from ramify.console import print_comparison, print_summary, progress, say
from ramify.errors import RamifyError


@app.command()
def run(
    source: Source,
    overrides: Overrides = None,
    root: Root = Path("runs"),
    scale: Annotated[
        float, typer.Option(help="Scale puzzles, steps and samples by this factor, such as 0.05 for a trial.")
    ] = 1.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be done, and how long it takes.")
    ] = False,
) -> None:
    """Run every stage: puzzles, training, sampling, scoring, report.

    The same command resumes where it stopped.
    """
    from ramify.pipeline import run_all
    from ramify.settings import ExperimentConfig

    config = ExperimentConfig.load(source, overrides or [])
    if scale != 1:
        config = config.scaled(scale)
    if dry_run:
        from ramify.console import print_forecast
        from ramify.forecast import forecast

        with progress() as report:
            stages = [part for part in (config.before, config) if part is not None]
            expected = [forecast(part, report) for part in stages]
        for part, one in zip(stages, expected, strict=True):
            print_forecast(part.name, one)
        return
    with progress() as report:
        finished = run_all(config, root, report)
    print_summary(finished)
    say(f"report: {finished.report_file.resolve()}")


@app.command()
def train(source: Source, overrides: Overrides = None, root: Root = Path("runs")) -> None:
    """Train every seed of a run.

    Puzzles are drawn first; training resumes from the last checkpoint.
    """
    from ramify.errors import require
    from ramify.experiment import as_begun, begun
    from ramify.settings import ExperimentConfig
    from ramify.stages.generate import generate
    from ramify.stages.train import train

    require("ramify train", "train")

    config = as_begun(ExperimentConfig.load(source, overrides or []), root)
    with begun(config, root) as opened, progress() as report:
        generate(config, opened, report)
        train(config, opened, report)
    say(f"checkpoints: {opened.path}/seed-*/checkpoints")


@app.command()
def sample(
    source: Annotated[
        str, typer.Argument(metavar="RUN|CONFIG", help="A run; or settings, with --checkpoints.")
    ] = "sweep",
    overrides: Overrides = None,
    checkpoints: Annotated[
        str | None, typer.Option(help="A folder with checkpoint-50, ... or verl's global_step_50, ...")
    ] = None,
    root: Root = Path("runs"),
) -> None:
    """Sample checkpoints on every evaluation set.

    The checkpoints are those of a run, or of a folder trained elsewhere.
    """
    from ramify.run import Run
    from ramify.run_log import log_to
    from ramify.settings import ExperimentConfig
    from ramify.stages.sample import sample

    if checkpoints is not None:
        if "=" in source:  # an override; the settings are those of the preset
            source, overrides = "sweep", [source, *(overrides or [])]
        where = Path(checkpoints).resolve()
        name = where.parent.name if where.name == "checkpoints" else where.name
        if (root / name).resolve() in (where, where.parent):
            name += "-sweep"  # the run is not written into its source folder
        found = [f"name={json.dumps(name)}", "train.kind=checkpoints", f"train.folder={json.dumps(str(where))}"]
        if any(text.startswith("model=") for text in overrides or []):
            found.append("train.base=true")
        run(source, [*found, *(overrides or [])], root)
        return
    if overrides:
        raise RamifyError(f"{overrides[0]}: the settings of a run cannot be changed; use --checkpoints, or ramify run")
    opened = Run(source)
    if opened.imported() is not None:
        raise RamifyError(
            f"{source}: an imported run has no model; use ramify sample --checkpoints DIR task.puzzles={source}"
        )
    config = ExperimentConfig.check(opened.config)
    log_to(opened)
    with progress() as report:
        sample(config, opened, report)
    say(f"completions: {opened.path}/seed-*/completions")


@app.command()
def score(
    folder: RunFolder,
    by: Annotated[
        list[str] | None, typer.Option(help="An additional grouping, such as n,split,forced; repeatable.")
    ] = None,
    ray: Ray = None,
) -> None:
    """Grade completions and compute the estimates."""
    from ramify.run import Run
    from ramify.run_log import log_to
    from ramify.stages.score import score

    opened = Run(folder)
    log_to(opened)
    with progress() as report:
        score(opened, report, by or [], ray)
    say(f"estimates: {opened.estimates_file}")


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One run folder, or several side by side.")],
    text: Annotated[bool, typer.Option("--text", help="Only print the summary, in about fifty lines.")] = False,
    export: Annotated[Path | None, typer.Option(help="Write every figure as SVG, PNG and CSV to this folder.")] = None,
    output: Annotated[Path | None, typer.Option(help="The path of the page; in the run folder by default.")] = None,
    track: Annotated[list[str] | None, typer.Option(help="Log the estimates to tensorboard, wandb or trackio.")] = None,
) -> None:
    """Write the report of a run, and print a summary.

    Several runs are shown side by side.
    """
    from ramify.report.comparison import write_comparison
    from ramify.report.export import export_figures
    from ramify.report.page import write_report
    from ramify.report.trackers import track as send
    from ramify.run import Run
    from ramify.stages.score import score

    runs = [Run(folder) for folder in folders]
    with progress() as report:
        for run in runs:
            score(run, report)
    for run in runs if track else []:
        send(run, track or [])
    if export is not None:
        for number, run in enumerate(runs, start=1):
            where = export / f"{number}-{run.path.name}" if len(runs) > 1 else export
            say(f"figures: {export_figures(run, where)} in {where}")
    if text:
        for run in runs:
            print_summary(run)
        return
    if len(runs) > 1:
        names = runs[0].path.name, runs[1].path.name if len(runs) == 2 else f"{len(runs) - 1}-more"
        page = output or runs[0].path.parent / f"report-{'-'.join(names)}.html"
        say(f"report: {write_comparison(runs, page).resolve()}")
        return
    page = write_report(runs[0], output)
    print_summary(runs[0])
    say(f"report: {page.resolve()}")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN[@STEP]", help="A run folder; by default its last checkpoint.")],
    second: Annotated[str, typer.Argument(metavar="RUN[@STEP]", help="The second run or checkpoint.")],
    by: Annotated[str, typer.Option(help="The grouping: all, n, pattern, or columns such as n,shape_class.")] = "n",
    as_json: AsJson = False,
) -> None:
    """Test the difference of two runs or checkpoints.

    Only puzzles that both were asked count.
    """
    from ramify.analysis.compare import compare as test
    from ramify.analysis.compare import side
    from ramify.stages.score import score

    sides = side(first), side(second)
    with progress() as report:
        for one in sides:
            score(one.run, report)
    found = test(*sides, [by])
    if as_json:
        say(found.write_json())
        return
    names = [f"{one.run.path.name} at step {one.step}" for one in sides]
    print_comparison(found, f"{names[1]} minus {names[0]}", by, sides[0].run.task.LABELS)


@app.command()
def config(
    source: Annotated[str | None, typer.Argument(help="Name of a preset; without it, all are listed.")] = None,
) -> None:
    """Print a preset as a template for settings."""
    from ramify.config import presets, read_toml

    known = presets()
    if source is None:
        for name, text in known.items():
            say(f"{name:<20} {text.splitlines()[0].removeprefix('# ')}")
        return
    if source not in known:
        read_toml(source)
    say(known[source], end="")


@app.command()
def pretrain(
    source: Source,
    overrides: Overrides = None,
    output: Annotated[Path, typer.Option(help="The output folder.")] = Path("runs"),
) -> None:
    """Pre-train the small base model.

    Training resumes from the last checkpoint.
    """
    from ramify.errors import require
    from ramify.models.bundled.pretrain import PretrainConfig
    from ramify.models.bundled.pretrain import pretrain as make

    require("ramify pretrain", "train")
    settings = PretrainConfig.load(source, overrides or [])
    say(f"model: {make(settings, output / f'pretrain-{settings.name}')}")
