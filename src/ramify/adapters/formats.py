"""The formats in which others keep completions over training steps, and what a row of each says.

A format is a way to find files and a list of names; what a row says is read by one function for all of them. The
numbers and the target stand under names, in a text that is JSON, or in the prompt.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ramify.adapters.files import (
    BROKEN,
    SUFFIXES,
    data_files,
    is_usable,
    puzzle_of,
    records_of,
    shortened,
    texts_of,
    value_at,
)
from ramify.adapters.logs import inspect_rows, lm_eval_rows, trace_rows
from ramify.errors import RunError
from ramify.records import Puzzle
from ramify.tasks.prompts import puzzle_in

_CUT = frozenset({"length", "max_tokens", "model_length"})
"""What servers and evaluators say when a limit ended a completion."""


MOST_OF_A_LINE = 10_000_000


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a row keeps what is wanted of it: names, a dot between levels, the first that is there."""

    numbers: tuple[str, ...] = ("numbers", "nums", "puzzle.numbers")
    target: tuple[str, ...] = ("target", "puzzle.target")
    pattern: tuple[str, ...] = ("pattern", "canonical_pattern")
    text: tuple[str, ...] = ("completion", "completions", "outputs", "output", "response", "responses", "text")
    prompt: tuple[str, ...] = ("prompt", "input")
    step: tuple[str, ...] = ("step", "global_step")
    reward: tuple[str, ...] = ("reward", "score")
    group: tuple[str, ...] = ("set",)
    ended_by: tuple[str, ...] = ("finish_reason", "stop_reason")


@dataclass(frozen=True, slots=True)
class Format:
    """A way to keep completions.

    Attributes:
        said: what it is, for people.
        files: finds its files in a folder.
        rows: the rows of a file.
        trains: whether a row is a training completion.
        step: of rows that name none and whose path names none; None where that is a fault.
    """

    name: str
    said: str
    files: Callable[[Path], list[Path]]
    columns: Columns = Columns()
    rows: Callable[[Path], list[dict[str, Any]]] = records_of
    trains: Callable[[dict[str, Any]], bool] = field(default=lambda row: False)
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a row says: the completions of one puzzle at one step, and their rewards where there are any."""

    puzzle: Puzzle
    step: int
    texts: list[str]
    truncated: list[bool]
    reward: float | None
    set: str | None


def formats() -> dict[str, Format]:
    """The known formats by name, the most particular first."""
    gts = Columns(
        numbers=("gts.numbers", "gts.nums", "numbers"),
        target=("gts.target", "target", "gts"),
        pattern=("gts.pattern", "canonical_pattern"),
        text=("output",),
        prompt=("input",),
        reward=("score",),
        group=("gts.set",),
    )
    trl = replace(Columns(), text=("completion",), reward=("advantage",))
    lm_eval = Columns(
        numbers=("doc.numbers", "doc.nums"),
        target=("doc.target", "target"),
        pattern=("doc.pattern", "doc.canonical_pattern"),
        text=("resps",),
        prompt=("arguments.gen_args_0.arg_0",),
        group=("doc.set",),
    )
    known = [
        Format("trl", "completions of TRL", _named("completions_*.parquet"), trl, trains=lambda row: True),
        Format("verl", "dumps of verl", _numbered, gts, trains=lambda row: "reward" not in row),
        Format("verifiers", "traces of verifiers", _named("traces.jsonl"), Columns(), trace_rows, _is_trained, 0),
        Format("lm-eval", "samples of lm-eval", _named("samples_*.jsonl"), lm_eval, lm_eval_rows, step=0),
        Format("inspect", "logs of inspect", _inspect_logs, Columns(), inspect_rows, step=0),
        Format("paper", "outputs of the paper's code", _below_steps, Columns(text=("outputs",))),
        Format("table", "rows of a table", _tables),
    ]
    return {one.name: one for one in known}


def find_format(folder: Path, name: str | None = None) -> tuple[Format, list[Path], dict[str, int]]:
    """The format of a folder (or of one file), its files, and how many files of other formats there are.

    Raises:
        RunError: there is nothing there that can be read, or no such format.
    """
    known = formats()
    if name is not None and name not in known:
        raise RunError(f"--format {name}: there are {', '.join(known)}")
    if not folder.exists():
        raise RunError(f"{folder}: no such folder")
    there = {one.name: files for one in known.values() if (files := sorted(one.files(folder)))}
    for chosen in [name] if name else there:
        if chosen in there:
            others = {other: len(set(files) - set(there[chosen])) for other, files in there.items() if other != "table"}
            return known[chosen], there[chosen], {other: count for other, count in others.items() if count}
    what = known[name].said if name else "completions"
    raise RunError(
        f"{folder}: no {what} there; looked for {', '.join(SUFFIXES)} (TRL keeps them with log_completions, verl with "
        "trainer.validation_data_dir)"
    )


def read(row: dict[str, Any], columns: Columns, template: str | None, step: int | None) -> Said:
    """What a row says.

    Args:
        template: of the prompt, if the row has no numbers and no target; known ones are tried without it.
        step: of the file, for rows without one.

    Raises:
        ValueError: something is missing, or is not what it should be; the text says what.
    """
    if BROKEN in row:
        raise ValueError(row[BROKEN])
    texts = texts_of(_first(row, columns.text, "completion", "--text"))
    numbers, target = (_found(row, names) for names in (columns.numbers, columns.target))
    if numbers is None or isinstance(target, dict) or target is None:
        numbers, target = _in_prompt(_found(row, columns.prompt), template)
    puzzle = puzzle_of(numbers, target, _found(row, columns.pattern))
    if not is_usable(puzzle):
        raise ValueError("not a puzzle of 2 to 6 numbers below 10^9")
    own = _found(row, columns.step)
    if own is None and step is None:
        raise ValueError("no step in the row or in its file's name; name its column with --step")
    ended = _found(row, columns.ended_by)
    reasons = ended if isinstance(ended, list) and len(ended) == len(texts) else [ended] * len(texts)
    reward, group = _found(row, columns.reward), _found(row, columns.group)
    return Said(
        puzzle,
        _whole(own) if own is not None else step or 0,
        texts,
        [reason in _CUT if isinstance(reason, str) else reason is True for reason in reasons],
        float(reward) if isinstance(reward, int | float) and not isinstance(reward, bool) else None,
        group if isinstance(group, str) and re.fullmatch(r"\w[\w.-]{0,59}", group) else None,
    )


def _whole(step: Any) -> int:
    if isinstance(step, str) and re.fullmatch(r"\d{1,9}", step):
        step = int(step)
    if isinstance(step, bool) or not isinstance(step, int | float) or not 0 <= step < 2**31 or step != int(step):
        raise ValueError(f"step = {shortened(step)} is not a step")
    return int(step)


def _found(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((value for name in names if (value := value_at(row, name)) is not None), None)


def _first(row: dict[str, Any], names: tuple[str, ...], what: str, option: str) -> Any:
    value = _found(row, names)
    if value is None:
        raise ValueError(f"no {what} (looked for {', '.join(names)}); name its column with {option}")
    return value


def _in_prompt(prompt: Any, template: str | None) -> tuple[list[int], int]:
    """The numbers and the target that a prompt names, a text or the messages of a chat."""
    if isinstance(prompt, list):
        prompt = "\n".join(str(message.get("content")) for message in prompt if isinstance(message, dict))
    if not isinstance(prompt, str):
        raise ValueError("no numbers and target, and no prompt to find them in; name columns with --numbers, --target")
    found = puzzle_in(prompt, template)
    if found is None:
        raise ValueError(
            f"no numbers and target in the prompt {shortened(prompt[-200:])}; give its words with --prompt"
        )
    return found


# How each format keeps its files and rows.


def _named(glob: str) -> Callable[[Path], list[Path]]:
    def files(folder: Path) -> list[Path]:
        if folder.is_file():
            return [folder] if folder.match(glob) else []
        return list(folder.rglob(glob))

    return files


def _is_trained(row: dict[str, Any]) -> bool:
    return bool(row.get("trains"))


def _numbered(folder: Path) -> list[Path]:
    found = [folder] if folder.is_file() else list(folder.rglob("*.jsonl"))
    return [file for file in found if re.fullmatch(r"\d{1,9}", file.stem) and _is_dump(file)]


def _is_dump(file: Path) -> bool:
    """Whether the first line has what verl writes; what cannot be read yet may be one."""
    with file.open("rb") as opened:
        start = opened.readline(MOST_OF_A_LINE)
    return not start.strip() or all(name in start for name in (b'"input"', b'"output"', b'"gts"'))


def _below_steps(folder: Path) -> list[Path]:
    found = [folder] if folder.is_file() else list(folder.rglob("*.json"))
    return [file for file in found if file.suffix == ".json" and "global_step" in str(file)]


def _tables(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() and folder.suffix in SUFFIXES else data_files(folder)


def _inspect_logs(folder: Path) -> list[Path]:
    found = [folder] if folder.is_file() else [*folder.rglob("*.eval"), *folder.rglob("*.json")]
    return [file for file in found if file.suffix == ".eval" or (file.suffix == ".json" and _is_inspect(file))]


def _is_inspect(file: Path) -> bool:
    with file.open("rb") as opened:
        start = opened.read(2000)
    return b'"eval"' in start and b'"version"' in start
