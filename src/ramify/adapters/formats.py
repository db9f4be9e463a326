"""The formats of other tools that keep completions over training steps.

A format declares how its files are recognised, how their rows are unpacked, and its preferred columns; one reader
parses the rows of all formats (`parsed_rows`). Recognition relies only on keys that a writer cannot omit.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ramify.adapters.columns import Levels
from ramify.adapters.files import SUFFIXES, is_table, list_files, records_of, suffix_of
from ramify.adapters.logs import dump_rows, inspect_rows, lm_eval_rows, slime_rows, trace_rows
from ramify.adapters.strings import string_puzzle
from ramify.errors import RunError
from ramify.plugins import Plugins
from ramify.records import Item

_HEAD = 4000
"""Bytes of a document that are read to recognise it."""
_LINE = 10_000_000
"""Bytes of a first line that are read to recognise a file of lines."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of completion files.

    Attributes:
        label: its name in messages and in the report.
        is_own: whether a file has this format.
        columns: its column names by role, searched before the usual names.
        rows: reads the rows of a file.
        trains: whether a row is a training completion; None if the row does not tell, so folders and puzzles decide.
        step: the step of rows without one in the row or the path; None if mixing them with other rows is an error.
        repeats: whether a file may repeat the rows of the one before under another step; these are left out.
        task: the kind of the task.
        puzzle: reads the puzzle of a row of this task; None for Countdown.
    """

    name: str
    label: str
    is_own: Callable[[Path], bool]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: Callable[[Path], list[dict[str, Any]]] = records_of
    trains: Callable[[dict[str, Any]], bool | None] = field(default=lambda row: False)
    step: int | None = None
    repeats: bool = False
    task: str = "countdown"
    puzzle: Callable[[Levels], Item] | None = None


class Chosen(NamedTuple):
    """The format of a folder, its files, the numbers of files in other formats, and the invalid files."""

    format: Format
    files: list[Path]
    others: dict[str, int]
    skipped: dict[Path, str]


@cache
def formats() -> dict[str, Format]:
    """The known formats by name, the most specific first."""
    trl = {"text": ("completion",), "reward": ("advantage",)}
    resps = {"text": ("resps",)}
    gts = {"text": ("output",), "prompt": ("input",), "reward": ("score",)}
    said = {"text": ("response",)}
    known = [
        Format(
            *("trl", "completions of TRL", _named(r"completions_.*\.parquet"), trl),
            trains=lambda row: True,
            repeats=True,
        ),
        Format(
            *("strings", "dumps of verl with string functions", _is_strings, gts, dump_rows),
            trains=lambda row: None,
            task="strings",
            puzzle=string_puzzle,
        ),
        Format("verl", "dumps of verl", _is_dump, gts, dump_rows, trains=lambda row: None),
        Format("slime", "rollouts of slime", _is_slime, said, slime_rows, trains=lambda row: not row.get("evaluates")),
        Format("verifiers", "results of verifiers", _is_verifiers, rows=trace_rows, trains=_is_trained, step=0),
        Format("lm-eval", "samples of lm-eval", _named(r"samples_.*\.jsonl"), resps, lm_eval_rows, step=0),
        Format("inspect", "logs of inspect", _is_inspect, rows=inspect_rows, step=0),
        Format("nano-aha-moment", "episodes of nano-aha-moment", _named(r"eps_\d+\.json"), trains=lambda row: None),
        Format("reasoning-gym", "results of reasoning-gym", _is_countdown, step=0),
        Format("paper", "outputs of the paper's code", _is_papers, {"text": ("outputs",)}),
    ]
    found = Plugins("ramify.formats", "format", Format, {one.name: one for one in known}).known
    return {**found, "table": Format("table", "rows of a table", is_table)}


def find_format(folder: Path, name: str | None = None) -> Chosen:
    """Detect the format of a folder or file.

    Raises:
        RunError: no file can be read there, or the format is unknown.
    """
    known = formats()
    if name is not None and name not in known:
        raise RunError(f"--format {name}: there are {', '.join(known)}")
    listing = list_files(folder)
    there = {one.name: files for one in known.values() if (files := _own(one, listing.files))}
    for chosen in [name] if name else there:
        if chosen in there:
            files = there[chosen]
            others = {other: len(set(some) - set(files)) for other, some in there.items() if other != "table"}
            return Chosen(known[chosen], files, {other: n for other, n in others.items() if n}, listing.skipped)
    if name and there:
        raise RunError(f"{folder}: no {known[name].label} there; --format {next(iter(there))} reads what is there")
    skipped = "".join(f"; {file.name} is {reason}" for file, reason in list(listing.skipped.items())[:1])
    names = [file.name for file in listing.files[:3]]
    has = (
        f"the folder has {', '.join(names)}{', ...' * (len(listing.files) > 3)}" if names else "the folder has no files"
    )
    raise RunError(
        f"{folder}: no {known[name].label if name else 'completions'} there; looked for {', '.join(SUFFIXES)}, .eval; "
        f"{has}{skipped} (TRL keeps completions with log_completions, verl with trainer.validation_data_dir)"
    )


def _own(form: Format, files: Sequence[Path]) -> list[Path]:
    return [file for file in files if form.is_own(file)]


def _named(pattern: str) -> Callable[[Path], bool]:
    compiled = re.compile(pattern)
    return lambda file: compiled.fullmatch(file.name) is not None


def _is_trained(row: dict[str, Any]) -> bool:
    return bool(row.get("trains"))


def _is_countdown(file: Path) -> bool:
    """Whether a reasoning-gym result file, one per task, is that of Countdown."""
    return file.suffix == ".json" and re.match(rb'\s*\{\s*"name"\s*:\s*"countdown"', _start(file)) is not None


def _start(file: Path, line: bool = False) -> bytes:
    """The first bytes of a file; empty if it cannot be opened, since reading it will report that."""
    try:
        with file.open("rb") as opened:
            return opened.readline(_LINE) if line else opened.read(_HEAD)
    except OSError:
        return b""


def _is_dump(file: Path) -> bool:
    """Whether a JSON lines file is named by a step and has the keys of all verl versions; an empty file may be one."""
    if not (file.suffix == ".jsonl" and re.fullmatch(r"\d{1,9}", file.stem, re.ASCII)):
        return False
    start = _start(file, line=True)
    return not start.strip() or all(name in start for name in (b'"input"', b'"output"'))


def _is_strings(file: Path) -> bool:
    """Whether a verl dump has string functions: its prompts name the function, its ground truth has the code."""
    start = _start(file, line=True) if _is_dump(file) else b""
    return b"ref_code" in start or b"main_solution(" in start


def _is_verifiers(file: Path) -> bool:
    """Whether a file holds traces of version 0.4, or results of earlier versions.

    prime-rl writes those it trained on twice, in `all` and in `effective`.
    """
    if file.name == "results.jsonl":
        start = _start(file, line=True)
        return b'"completion"' in start and (b'"example_id"' in start or b'"task"' in start or b'"info"' in start)
    again = file.parent.name == "effective" and file.parent.with_name("all").joinpath(file.name).is_file()
    return file.name == "traces.jsonl" and not again


def _is_slime(file: Path) -> bool:
    """Whether a JSON lines file named by a rollout has the keys of slime's samples."""
    if re.fullmatch(r"\d{1,9}\.jsonl", file.name, re.ASCII) is None:
        return False
    start = _start(file, line=True)
    return all(name in start for name in (b'"response"', b'"status"', b'"evaluates"'))


def _is_inspect(file: Path) -> bool:
    start = _start(file) if file.suffix == ".json" else b""
    return file.suffix == ".eval" or (b'"eval"' in start and b'"version"' in start)


def _is_papers(file: Path) -> bool:
    return suffix_of(file) == ".json" and "global_step" in str(file)
