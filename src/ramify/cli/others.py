"""The verbs for data of other tools: import, doctor, export, regrade."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from ramify.cli.app import AsJson, Ray, Root, RunFolder, app
from ramify.console import (
    import_lines,
    print_health,
    print_rules,
    print_summary,
    print_unanswered,
    progress,
    say,
    warn,
)
from ramify.errors import RamifyError
from ramify.tasks.answers import ANSWER_TAGS

Fields = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="ROLE=COLUMN", help="A column by role, as in reward=info.score; repeatable."),
]
AnswerPattern = Annotated[
    str | None, typer.Option(help="A regular expression whose first group is the answer, as in 'Answer: (.+)'.")
]


@app.command("import")
def import_(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of completions, one per seed.")],
    name: Annotated[str | None, typer.Option(help="Name of the run; by default that of the first DIR.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="trl, verl, paper, ...; detected by default.")] = None,
    numbers: Annotated[str | None, typer.Option(help="The column of the numbers, such as extra.nums.")] = None,
    target: Annotated[str | None, typer.Option(help="The column of the target.")] = None,
    text: Annotated[str | None, typer.Option(help="The column of the completions.")] = None,
    pattern: Annotated[str | None, typer.Option(help="The column of the source pattern.")] = None,
    step: Annotated[
        str | None, typer.Option(help="The column of the training step, or one number for all rows.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="The column of the prompt, or its template with {numbers} and {target}.")
    ] = None,
    field: Fields = None,
    answer_tags: Annotated[tuple[str, str], typer.Option(help="The tags around an answer.")] = ANSWER_TAGS,
    answer_pattern: AnswerPattern = None,
    training: Annotated[
        bool | None, typer.Option("--training/--evaluation", help="The origin of the completions; detected by default.")
    ] = None,
    every: Annotated[int | None, typer.Option(help="The number of training steps in a window.")] = None,
    ray: Ray = None,
    root: Root = Path("runs"),
) -> None:
    """Import completions of other tools into a run.

    Reads TRL, verl, lm-eval and others, scores the run, and writes its report.
    """
    from ramify.adapters.foreign import import_run
    from ramify.adapters.import_settings import ImportConfig, parse_fields
    from ramify.report.page import write_report
    from ramify.stages.score import score

    given = {"numbers": numbers, "target": target, "text": text, "pattern": pattern, "step": step, "prompt": prompt}
    config = ImportConfig.check(
        {
            **given,
            "format": form,
            "fields": parse_fields(field or []),
            "answer_tags": answer_tags,
            "answer_pattern": answer_pattern,
            "every": every,
            "training": training,
        }
    )
    with progress() as report:
        found = import_run(folders, name if name is not None else _name_of(folders[0], root), root, config, report)
    for name_and_reason in found.skipped:
        warn(f"skipped {name_and_reason}")
    for line in import_lines(found):
        say(line)
    with progress() as report:
        score(found.run, report, ray=ray)
    page = write_report(found.run)
    print_summary(found.run)
    print_unanswered(found.run, config.answer_tags)
    say(f"report: {page.resolve()}")


@app.command()
def doctor(folder: RunFolder, as_json: AsJson = False) -> None:
    """Check the files of a run for damage.

    Prints how to rebuild damaged files; exit code 1 if any is damaged.
    """
    from dataclasses import asdict

    from ramify.doctor import examine
    from ramify.run import Run

    found = examine(Run(folder))
    if as_json:
        print(json.dumps([asdict(one) for one in found]))
    else:
        print_health(found)
    if any(one.state == "damaged" for one in found):
        raise typer.Exit(1)


def _name_of(folder: Path, root: Path) -> str:
    """A name for a run from its source folder, which may itself be among the runs."""
    name = re.sub(r"[^\w.-]+", "-", folder.resolve().stem).strip("-._") or "imported"
    return f"{name}-import" if (root / name).resolve() == folder.resolve() else name


@app.command("export")
def export_(
    kind: Annotated[str, typer.Argument(help="verl, lm-eval, inspect, verifiers, dataset, or model.")],
    folder: RunFolder,
    output: Annotated[Path | None, typer.Option(help="The output folder; RUN-KIND by default.")] = None,
    step: Annotated[int | None, typer.Option(help="The checkpoint to export; the last by default.")] = None,
    seed: Annotated[int, typer.Option(help="The training seed of the model.")] = 1,
    license_id: Annotated[
        str | None,
        typer.Option(
            "--license", help="License on the card; apache-2.0 for puzzles and models of ramify, else unknown."
        ),
    ] = None,
    push: Annotated[str | None, typer.Option(help="Upload to the hub as this private repository (owner/name).")] = None,
) -> None:
    """Export puzzles or a model for other tools.

    Writes files for verl, lm-eval, inspect, verifiers, or the Hugging Face Hub.
    """
    from ramify.adapters.export import export
    from ramify.adapters.hub import push as upload
    from ramify.run import Run

    if push is not None and kind not in ("dataset", "model"):
        raise RamifyError(f"--push: only a dataset or a model can be uploaded, not {kind}")
    opened = Run(folder)
    where = output or Path(f"{opened.path}-{kind}")
    command = export(kind, opened, where, step, seed, license_id)
    say(f"{kind}: {where}\nthen: {command}")
    if push is not None:
        say(f"pushed: {upload(where, push)}")


@app.command()
def regrade(
    file: Annotated[Path, typer.Argument(help="Completions: parquet, JSON, JSON lines or CSV.")],
    numbers: Annotated[str | None, typer.Option(help="The column of the numbers; detected by default.")] = None,
    target: Annotated[str | None, typer.Option(help="The column of the target; detected by default.")] = None,
    text: Annotated[str | None, typer.Option(help="The column of the completions; detected by default.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="The column of the prompt, or its template with {numbers} and {target}.")
    ] = None,
    field: Fields = None,
    answer_pattern: AnswerPattern = None,
    output: Annotated[Path | None, typer.Option(help="Write one row per completion to this parquet file.")] = None,
) -> None:
    """Compare the grades of different graders.

    Completions are graded again; disagreements with other graders are shown.
    """
    from ramify.adapters.answers import mark_answers
    from ramify.adapters.import_settings import ImportConfig, parse_fields
    from ramify.adapters.paths import regular_file
    from ramify.adapters.regrade import OTHERS, changed, disagreements, examples
    from ramify.adapters.regrade import regrade as grade_again
    from ramify.adapters.row_files import each_text, read_rows

    given = {"numbers": numbers, "target": target, "text": text, "prompt": prompt, "answer_pattern": answer_pattern}
    reader = ImportConfig.check({**given, "fields": parse_fields(field or [])}).reader()
    rows = read_rows(regular_file(file), reader, texts=True, verb="regrade")
    if answer_pattern is not None:
        rows = rows._replace(texts=[mark_answers(some, answer_pattern, ANSWER_TAGS) for some in rows.texts])
    graded = grade_again(each_text(rows))
    verdicts = ", ".join(f"{n:,} {verdict}" for verdict, n in graded["verdict"].value_counts(sort=True).iter_rows())
    say(f"{graded.height:,} completions: {verdicts}")
    if rows.unread:
        say(f"{len(rows.unread):,} rows could not be read, the first is {rows.unread[0]}")
    known = graded["earlier"].count()
    if known:
        pairs = changed(graded)
        listed = ", ".join(f"{count:,} {before} → {now}" for before, now, count in pairs.iter_rows())
        say(f"{pairs['count'].sum():,} of {known:,} verdicts in the file changed{': ' if listed else ''}{listed}")
    print_rules(graded, disagreements(graded))
    for column, name in OTHERS.items():
        for puzzle_id, answer, verdict in examples(graded, column):
            say(f"{name} {'accepts' if verdict != 'correct' else 'rejects'} {answer!r} for {puzzle_id}: {verdict}")
    if output is not None:
        from ramify.tables import write_table

        write_table(graded, output)
        say(f"rows: {output}")
