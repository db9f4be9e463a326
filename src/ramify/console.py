"""What the command line prints besides plain lines: progress bars and tables."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from ramify.processes import rank

if TYPE_CHECKING:
    import polars as pl

    from ramify.adapters.foreign import Imported

MOST_STEPS = 12
"""Steps that are listed; of more, the first and the last."""
MOST_REASONS = 5
MOST_UNANSWERED = 0.9

# Into a pipe a table is as wide as it needs to be.
console = Console(width=None if sys.stdout.isatty() else 140)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar a stage, with the time left; yields the callback that the stages report to.

    Of several processes only the first shows anything.
    """
    if rank() > 0:
        yield lambda stage, done, total: None
        return
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
    bars = Progress(*columns, console=console)
    tasks: dict[str, Any] = {}

    def report(stage: str, done: int, total: int) -> None:
        if not tasks:
            bars.start()  # where there is nothing to do, nothing is shown
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total)
        bars.update(tasks[stage], completed=done, total=total)
        if not console.is_terminal and (done in (0, total) or done * 10 // total > (done - 1) * 10 // total):
            print(f"{stage}: {done} of {total}", flush=True)

    try:
        yield report
    finally:
        if tasks:
            bars.stop()


def print_summary(run: Any) -> None:
    """The story of a run."""
    from ramify.report.page import view_of
    from ramify.report.terminal import story_text

    console.print(story_text(view_of(run)), soft_wrap=True, markup=False, highlight=False)


def print_forecast(name: str, expected: Any) -> None:
    """What a run will make."""
    table = Table(title=f"{name} would make", show_header=False, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_column()
    for set_name, count in expected.puzzles.items():
        table.add_row(f"{set_name} puzzles", f"{count:,}", "")
    short = f"{expected.shortages:,} patterns have fewer than asked" if expected.shortages else ""
    table.add_row("training steps", f"{expected.steps:,}", short)
    table.add_row("training sequences", f"{expected.training_sequences:,}", _time(expected.training_seconds))
    table.add_row("evaluation completions", f"{expected.evaluation_completions:,}", _time(expected.evaluation_seconds))
    table.add_row("checkpoints", f"{expected.checkpoints:,}", f"{expected.disk / 2**20:,.0f} MiB in all")
    console.print(table)
    console.print(
        "times are those of a short probe of the base model on this machine as it is now; scoring is not counted"
    )


def _time(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours} h {minutes} min" if hours else f"about {max(minutes, 1)} min"


def import_lines(imported: "Imported") -> Iterator[str]:
    """What an import did, in some lines."""
    steps, unread = imported.steps, imported.unread
    shown = ", ".join(map(str, steps)) if len(steps) <= MOST_STEPS else f"{steps[0]} to {steps[-1]}"
    windows = f", in windows of up to {imported.window} steps that end at" if imported.window > 1 else " at"
    yield (
        f"{_many(imported.completions, 'completion')} of {_many(imported.puzzles, 'puzzle')} from "
        f"{_many(imported.files, 'file')} ({imported.format}){windows} step{'s' * (len(steps) > 1)} {shown}"
    )
    if imported.rollouts:
        yield f"{_many(imported.rollouts, 'training completion')} beside them, for what training had to learn from"
    if imported.sourceless:
        yield (
            f"{_many(imported.sourceless, 'puzzle')} solved by several patterns, without a label that fits: counted "
            "where no source pattern is asked for"
        )
    if imported.unsolvable:
        yield f"{_many(imported.unsolvable, 'puzzle')} without any solution"
    if unread:
        yield f"{_many(unread.total(), 'row')} could not be read, kept in {imported.run.unread_file}:"
        for reason, count in unread.most_common(MOST_REASONS):
            yield f"  {count:,} × {printable(reason)}"
        if len(unread) > MOST_REASONS:
            yield f"  and {_many(len(unread) - MOST_REASONS, 'other reason')}"
    for note in imported.notes:
        yield f"note: {printable(note)}"
    for name in imported.skipped[:MOST_REASONS]:
        yield f"skipped: {printable(name)}"
    if len(imported.skipped) > MOST_REASONS:
        yield f"skipped: {_many(len(imported.skipped) - MOST_REASONS, 'other')}"
    for name, count in imported.others.items():
        yield f"not read: {_many(count, 'file')} of {name}; --format {name} reads these instead"


def print_unanswered(run: Any, tags: tuple[str, str]) -> None:
    """A warning, if hardly any completion holds an answer between the tags."""
    import polars as pl

    from ramify.tables import scan_table

    files = [run.derived_file("grades", seed, name, step) for seed in run.seeds for name, step in run.sampled(seed)]
    verdicts = pl.concat([scan_table(file).select("verdict") for file in files])
    share = verdicts.select(pl.col("verdict").is_in(["no answer", "truncated"]).mean()).collect().item()
    if share > MOST_UNANSWERED:
        console.print(
            f"warning: {share:.0%} of the completions hold no answer in {tags[0]} {tags[1]} or \\boxed{{}}; "
            "--answer-tags names others, --answer-pattern finds answers behind words",
            markup=False,
        )


def printable(text: str) -> str:
    """A message without what would steer a terminal; it may quote a file or a server."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def print_comparison(found: "pl.DataFrame", title: str, by: str) -> None:
    """The rows of a comparison of two runs or checkpoints."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("set", by, "metric", "difference", "95 % interval", "p", "q", "n"):
        table.add_column(column, justify="left" if column in ("set", by, "metric") else "right", no_wrap=True)
    for row in found.filter(found["value"].is_not_null()).iter_rows(named=True):
        ends = "" if row["low"] is None else f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        tests = ["" if row[name] is None else f"{row[name]:.3g}" for name in ("p", "q")]
        table.add_row(row["set"], row["group"], row["metric"], f"{row['value']:+.3f}", ends, *tests, str(row["n"]))
    console.print(table)


def print_rules(graded: "pl.DataFrame", disagreements: "pl.DataFrame") -> None:
    """How many completions are correct to us and to other graders."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("rules", "correct", "correct to them, not to us", "to us, not to them"):
        table.add_column(column, justify="left" if column == "rules" else "right")
    table.add_row("ramify", f"{graded['correct'].sum():,}", "", "")
    for row in disagreements.iter_rows(named=True):
        table.add_row(row["rules"], f"{row['correct']:,}", f"{row['too_many']:,}", f"{row['too_few']:,}")
    console.print(table)


def print_checks(checks: list[Any], held_out: bool) -> None:
    """The faults of puzzle sets, a row a set."""
    training = ", ".join(check.name for check in checks if check.trains) or "none (no name has train in it)"
    table = Table(title=f"training: {training}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in (
        "set",
        "puzzles",
        "n",
        "repeated",
        "in training",
        "same numbers",
        "unsolvable",
        "forced",
        "patterns",
    ):
        table.add_column(column, justify="left" if column == "set" else "right")
    table.add_column("mislabelled", justify="right")
    if held_out:
        table.add_column("held out", justify="right")
    for check in checks:
        of_others = (
            "" if check.trains else f"{check.in_training:,}",
            "" if check.trains else f"{check.numbers_in_training:,}",
        )
        row = [
            check.name,
            f"{check.puzzles:,}",
            " ".join(map(str, check.sizes)),
            f"{check.repeated:,}",
            *of_others,
            f"{check.unsolvable:,}",
            "" if check.forced is None else f"{check.forced:.1%}",
            "" if check.solving_patterns is None else f"{check.solving_patterns:.2f}",
            f"{check.mislabelled:,}",
        ]
        table.add_row(*row, *([f"{check.solved_by_held_out:,}"] if held_out else []))
    console.print(table)
    console.print(
        "in training: also a training puzzle; same numbers: as one, with any target; forced: one pattern (with"
    )
    console.print("its twins) alone solves it; patterns: mean number that solve it; mislabelled: its pattern does not")
