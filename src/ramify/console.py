"""Terminal output: results to stdout; progress, warnings and errors to stderr.

All output passes through this module, so text from files or servers cannot control the terminal: `say`, `warn` and
`console` escape control characters as Python does. Progress is also logged.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ramify.errors import printable
from ramify.processes import rank
from ramify.progress import LINE, Bars, Lines, ProgressCallback, silent

if TYPE_CHECKING:
    import polars as pl

    from ramify.adapters.foreign import Imported
    from ramify.doctor import Checked
    from ramify.plan import Plan

MOST_STEPS = 12
"""The number of steps listed; of more, the first and the last are shown."""
MOST_REASONS = 5
MOST_UNANSWERED = 0.9

log = logging.getLogger("ramify")


class _Terminal(Console):
    """A console that prints texts literally, without markup."""

    def render_str(self, text: str, **settings: Any) -> Text:
        return super().render_str(printable(text), **settings)


# In a pipe, a table has its natural width.
console = _Terminal(width=None if sys.stdout.isatty() else 140, markup=False, emoji=False)


@dataclass
class Loudness:
    """The verbosity of the output: `--quiet` shows results and errors only, `--verbose` also the log."""

    quiet: bool = False
    verbose: bool = False


loudness = Loudness()


def listen(quiet: bool, verbose: bool) -> None:
    """Set the verbosity."""
    loudness.quiet, loudness.verbose = quiet, verbose
    for handler in [each for each in log.handlers if each.get_name() == "stderr"]:
        log.removeHandler(handler)
    if verbose:
        shown = logging.StreamHandler()
        shown.set_name("stderr")
        shown.setFormatter(LINE)
        log.addHandler(shown)


def say(*lines: object, end: str = "\n") -> None:
    """Print results."""
    for line in lines:
        print(printable(str(line)), end=end)


def warn(line: object) -> None:
    """Print a message to stderr."""
    print(printable(str(line)), file=sys.stderr, flush=True)


@contextmanager
def progress() -> Iterator[ProgressCallback]:
    """Yield a progress callback: bars with the remaining time on a terminal, else one line per stage, on stderr.

    Of several processes only the first shows progress.
    """
    if rank() > 0:
        yield silent
        return
    hidden = loudness.quiet or loudness.verbose  # with --verbose the log shows it
    stages = Bars(warn) if sys.stderr.isatty() and not hidden else Lines(None if hidden else warn)
    try:
        yield stages
    finally:
        stages.stop()


def print_summary(run: Any) -> None:
    """Print the summary of a run."""
    from ramify.report.page import view_of
    from ramify.report.terminal import story_text

    console.print(story_text(view_of(run)), soft_wrap=True, highlight=False)


def print_forecast(name: str, expected: Any) -> None:
    """Print the forecast of a run."""
    table = Table(title=f"forecast of {name}", show_header=False, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_column()
    for set_name, count in expected.puzzles.items():
        table.add_row(f"{set_name} puzzles", f"{count:,}", "")
    short = f"{expected.shortages:,} patterns have fewer than requested" if expected.shortages else ""
    if expected.shortages is None:
        short = "too many puzzles to check for shortages"
    table.add_row("training steps", f"{expected.steps:,}", short)
    table.add_row("training sequences", f"{expected.training_sequences:,}", _time(expected.training_seconds))
    table.add_row("evaluation completions", f"{expected.evaluation_completions:,}", _time(expected.evaluation_seconds))
    table.add_row("checkpoints", f"{expected.checkpoints:,}", f"{expected.disk / 2**20:,.0f} MiB in total")
    for part, limit in expected.max_new_tokens.items():
        table.add_row(f"{part}.max_new_tokens", f"{limit:,}", "")
    console.print(table)
    console.print("times are extrapolated from a short probe of the base model on this machine, without scoring")


def print_plan(found: "Plan") -> None:
    """Print what a design can detect, and the recommended design as settings."""
    title = f"{found.name}: {_many(found.seeds, 'seed')}, {_many(found.samples, 'sample')}"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    wanted = f"puzzles for {100 * found.detect:g}"
    for column in ("question", "set", "n", "puzzles", "patterns", "base", "detects", wanted, "recommended"):
        table.add_column(column, justify="left" if column in ("question", "set") else "right", no_wrap=column != wanted)
    for one in found.answers:
        numbers = [f"{one.n}", f"{one.puzzles:,}", f"{one.patterns:,}", f"{one.base:.1%}"]
        wanted_or_status = one.status if one.needed is None else f"{one.needed:,}"
        table.add_row(one.question, one.set, *numbers, _points(one.detects), wanted_or_status, _points(one.recommended))
    console.print(table)
    puzzles, samples = found.probed
    say(
        "detects, recommended: the smallest true difference, in points, detected with 80 % power at 5 %, for new",
        "puzzles (for shape classes and transfer: new patterns), by the configured and the recommended design;",
        f"puzzles for {100 * found.detect:g}: total puzzles of that set and n, for {100 * found.detect:g} points;",
        f"base: {_many(samples, 'sample')} per puzzle, {_many(puzzles, 'puzzle')}; assumptions: docs/inference.md",
        "",
    )
    design = found.allocation
    if design is None:
        say(
            f"no recommendation: {found.tokens:,.0f} tokens of evaluation are too few for any design; increase --tokens"
        )
        return
    say(
        f"# recommended for {found.tokens:,.0f} tokens of evaluation; configured {found.configured_tokens:,.0f}, "
        f"recommended {design.tokens:,.0f}",
        f"seeds = {list(range(1, design.seeds + 1))}",
        "[task]",
        "per_pattern = false",
    )
    sets: dict[str, list[str]] = {}
    for (name, n), count in design.counts.items():
        sets.setdefault(name, []).append(f"{n} = {count}")
    say(*(f"{name} = {{ {', '.join(counts)} }}" for name, counts in sets.items()))
    say("[sample]", f"samples = {design.samples}")
    for (name, n), most in found.supply.items():
        say(f"# {name}.{n}: about {most:,} such puzzles exist, equally spread over the patterns")
    if found.training_tokens is not None:
        say(f"# not included: training of a seed samples about {found.training_tokens:,.0f} tokens")


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _time(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours} h {minutes} min" if hours else f"about {max(minutes, 1)} min"


def import_lines(imported: "Imported") -> Iterator[str]:
    """The result of an import, in lines of text."""
    steps, unread = imported.steps, imported.unread
    shown = ", ".join(map(str, steps)) if len(steps) <= MOST_STEPS else f"{steps[0]} to {steps[-1]}"
    windows = f", in windows of up to {imported.window} steps that end at" if imported.window > 1 else " at"
    yield (
        f"{_many(imported.completions, 'completion')} of {_many(imported.puzzles, 'puzzle')} from "
        f"{_many(imported.files, 'file')} ({imported.format}){windows} step{'s' * (len(steps) > 1)} {shown}"
    )
    if imported.rollouts:
        yield f"{_many(imported.rollouts, 'training completion')} kept for the training signal"
    if imported.unlabelled:
        yield (
            f"{_many(imported.unlabelled, 'puzzle')} unlabelled: several patterns solve them, and no label names "
            "the source pattern; groupings by source pattern leave them out"
        )
    if imported.unsolvable:
        yield f"{_many(imported.unsolvable, 'puzzle')} without any solution"
    if unread:
        yield f"{_many(unread.total(), 'row')} could not be read, kept in {imported.run.unread_file}:"
        for reason, count in unread.most_common(MOST_REASONS):
            yield f"  {count:,} × {reason}"
        if len(unread) > MOST_REASONS:
            yield f"  and {_many(len(unread) - MOST_REASONS, 'other reason')}"
    for note in imported.notes:
        yield f"note: {printable(note)}"
    for name, count in imported.others.items():
        yield f"not read: {_many(count, 'file')} of {name}; --format {name} reads these instead"


def print_unanswered(run: Any, tags: tuple[str, str]) -> None:
    """Warn if hardly any completion has an answer between the tags, or in the form of the task."""
    import polars as pl

    from ramify.schemas import GRADES

    files = [run.derived_file("grades", seed, name, step) for seed in run.seeds for name, step in run.sampled(seed)]
    verdicts = pl.concat([run.scan(file, GRADES).select("verdict") for file in files])
    share = verdicts.select(pl.col("verdict").is_in(["no answer", "truncated"]).mean()).collect().item()
    if share > MOST_UNANSWERED:
        between = (
            f"in {tags[0]} {tags[1]} or \\boxed{{}}; set other tags by --answer-tags, or a pattern by --answer-pattern"
        )
        warn(f"warning: {share:.0%} of the completions have no answer {run.task.ANSWER or between}")


def print_health(found: "list[Checked]") -> None:
    """Print the number of intact files by kind, and every other file with its remedy."""
    from ramify.doctor import STATES

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    states = [state for state in STATES if any(one.state == state for one in found)]
    for column in ("", *states):
        table.add_column(column, justify="right" if column else "left")
    for kind in dict.fromkeys(one.kind for one in found):
        counts = [sum((one.kind, one.state) == (kind, state) for one in found) for state in states]
        table.add_row(kind, *(f"{count:,}" if count else "" for count in counts))
    console.print(table)
    for one in found:
        if one.message:
            print(printable(f"{one.file}: {one.message}"))


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def print_comparison(found: "pl.DataFrame", title: str, by: str, labels: Mapping[str, str]) -> None:
    """Print the comparison of two runs or checkpoints as a table; `labels` are those of the task."""
    from ramify.analysis.metrics import displayed

    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("set", by, "metric", "difference", "95 % interval", "p", "q", "n"):
        table.add_column(column, justify="left" if column in ("set", by, "metric") else "right", no_wrap=True)
    for row in found.filter(found["value"].is_not_null()).iter_rows(named=True):
        ends = "" if row["low"] is None else f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        tests = ["" if row[name] is None else f"{row[name]:.3g}" for name in ("p", "q")]
        metric = displayed(row["metric"], labels)
        table.add_row(row["set"], row["group"], metric, f"{row['value']:+.3f}", ends, *tests, str(row["n"]))
    console.print(table)


def print_rules(graded: "pl.DataFrame", disagreements: "pl.DataFrame") -> None:
    """Print how many completions ramify and other graders accept."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("rules", "correct", "correct to them, not ramify", "to ramify, not to them"):
        table.add_column(column, justify="left" if column == "rules" else "right")
    table.add_row("ramify", f"{graded['correct'].sum():,}", "", "")
    for row in disagreements.iter_rows(named=True):
        table.add_row(row["rules"], f"{row['correct']:,}", f"{row['too_many']:,}", f"{row['too_few']:,}")
    console.print(table)


def print_checks(checks: list[Any], held_out: bool) -> None:
    """Print the faults of puzzle sets, one row per set."""
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
        "uniquely solvable",
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
    console.print("in training: also a training puzzle; same numbers: as one, with any target; uniquely solvable: by")
    console.print(
        "one pattern (with its twins) alone; patterns: mean number that solve it; mislabelled: its pattern does not"
    )
