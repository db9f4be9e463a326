"""Read a folder of completions that others made: every row is read, or set aside with its reason."""

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, field_validator

from ramify.adapters.files import BROKEN
from ramify.adapters.formats import Format, find_format, read
from ramify.config import Config
from ramify.errors import RunError
from ramify.models.checkpoints import step_of, without_step
from ramify.processes import Report
from ramify.records import Puzzle
from ramify.tables import storable
from ramify.tasks.grading import ANSWER_TAGS
from ramify.tasks.prompts import PromptConfig

MAIN = "test"
"""The set of an imported run that the report is about."""
MOST_OF_A_NAME = 60
ROWS = {"puzzle_id": pl.String, "step": pl.Int64, "text": pl.String, "truncated": pl.Boolean, "reward": pl.Float64}
"""The columns of completions that were read."""


class ImportConfig(Config):
    """How foreign completions are read; what is not given is found."""

    format: str | None = None
    numbers: str | None = None
    """Name of a column, a dot between levels; so are those below."""
    target: str | None = None
    text: str | None = None
    pattern: str | None = None
    step: str | None = None
    prompt: str | None = None
    """Template of the prompts, with {numbers} and {target}, to find the puzzle in."""
    answer_tags: tuple[str, str] = ANSWER_TAGS
    every: int | None = Field(None, ge=1)
    """Steps in a window of training completions."""
    training: bool | None = None
    """Whether they are training completions; found by the format if not given."""

    @field_validator("answer_tags")
    @classmethod
    def _two_tags(cls, tags: tuple[str, str]) -> tuple[str, str]:
        PromptConfig(template="{numbers}{target}", answer_tags=tags)
        return tags

    @field_validator("prompt")
    @classmethod
    def _whole(cls, prompt: str | None) -> str | None:
        if prompt is not None and ("{target}" not in prompt or not re.search(r"\{(numbers|slots)\}", prompt)):
            raise ValueError("the words of a prompt have {numbers} and {target} in them")
        return prompt


@dataclass
class Found:
    """What was read of one folder.

    Attributes:
        others: files of other formats, which are not read.
        rows: completions by (whether training made them, set).
        puzzles: those of each, by id, once for each label that they came with.
        unread: rows that could not be read, as they are kept.
    """

    format: Format
    files: int = 0
    others: dict[str, int] = field(default_factory=dict)
    rows: dict[tuple[bool, str], list[pl.DataFrame]] = field(default_factory=lambda: defaultdict(list))
    puzzles: dict[tuple[bool, str], dict[str, list[Puzzle]]] = field(default_factory=lambda: defaultdict(dict))
    unread: list[dict[str, Any]] = field(default_factory=list)


def read_folder(folder: Path, config: ImportConfig, report: Report = lambda stage, done, total: None) -> Found:
    """Read every file of a folder.

    Raises:
        RunError: there are no such files, or not one row could be read.
    """
    folder = folder.resolve()
    form, files, others = find_format(folder, config.format)
    found = Found(form, len(files), others)
    given = {
        name: (value,) for name in ("numbers", "target", "text", "pattern", "step") if (value := getattr(config, name))
    }
    columns = replace(form.columns, **given)
    for done, file in enumerate(files):
        report(f"reading {form.name}", done, len(files))
        rows: dict[tuple[bool, str], list[tuple]] = defaultdict(list)
        own = _set_of(file, folder)
        named = step_of(file.relative_to(folder.parent) if file != folder else file)
        own_step = form.step if named is None else named
        try:
            records = form.rows(file)
        except Exception as error:  # a file of others may hold anything
            found.unread.append({"file": str(file), "row": 0, "reason": "the file cannot be read", "error": str(error)})
            continue
        for number, row in enumerate(records, start=1):
            try:
                said = read(row, columns, config.prompt, own_step)
            except Exception as error:
                kept = {"file": str(file), "row": number, "reason": _kind(str(error)), "error": str(error)}
                found.unread.append({**kept, "record": row.get("text") if BROKEN in row else row})
                continue
            trains = form.trains(row) if config.training is None else config.training
            key = trains, said.set or own
            rows[key] += [
                (said.puzzle.id, said.step, storable(text), cut, said.reward)
                for text, cut in zip(said.texts, said.truncated, strict=True)
            ]
            same = found.puzzles[key].setdefault(said.puzzle.id, [])
            if all(said.puzzle.pattern != other.pattern for other in same):
                same.append(said.puzzle)
        for key, some in rows.items():
            found.rows[key].append(pl.DataFrame(some, schema=ROWS, orient="row"))
    report(f"reading {form.name}", len(files), len(files))
    if not found.rows and not found.unread:
        raise RunError(f"{folder}: the files of {form.said} there are empty")
    if not found.rows:
        first = found.unread[0]
        has = f"; the row has {', '.join(first['record'])}" if isinstance(first.get("record"), dict) else ""
        raise RunError(
            f"{folder}: not one of {len(found.unread):,} rows could be read as {form.said}: {first['file']}, row "
            f"{first['row']}: {first['error']}{has}"
        )
    return found


def _kind(error: str) -> str:
    """A reason without the value that it is about, so that rows can be counted by it."""
    shorter = re.sub(r"(in the prompt) .*", r"\1", error, flags=re.DOTALL)
    return re.sub(r"^.* is not ", "something is not ", shorter, flags=re.DOTALL)[:100]


def _set_of(file: Path, folder: Path) -> str:
    """What a path says beside its step, as the name of a set.

    >>> _set_of(Path("a/global_step_50/balanced_n32.json"), Path("a")), _set_of(Path("a/val/50.jsonl"), Path("a"))
    ('balanced_n32', 'val')
    """
    parts = file.relative_to(folder).with_suffix("").parts if file != folder else (file.stem,)
    kept = [re.sub(r"\d{4}-\d\d-\d\dT[\d.:-]+", "", without_step(part)).strip("-_.") for part in parts]
    return re.sub(r"[^\w.-]+", "-", "-".join(filter(None, kept))).strip("-_.")[-MOST_OF_A_NAME:].strip("-_.") or MAIN
