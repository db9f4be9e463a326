"""Advice on a file that cannot be read: its columns, and a command that would read it."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ramify.adapters.columns import snake_case
from ramify.adapters.completions import completions_of
from ramify.adapters.files import BROKEN
from ramify.adapters.parsed_rows import MissingError, RowReader, is_usable, prompt_text, puzzle_of
from ramify.tasks.countdown.prompts import puzzle_in

MOST_OF_A_ROW = 200
MOST_COLUMNS = 20
_LOOKED_AT = 20
_COUNTERS = frozenset({"id", "index", "idx", "seed", "epoch", "step", "row", "sample", "doc_id", "uid", "n", "rank"})
_SAYS_TARGET = frozenset({"goal", "target", "result", "total", "want", "wanted", "equals", "answer"})


def found_in(records: Sequence[dict[str, Any]]) -> str:
    """The columns of the rows, and the first row truncated, as text.

    >>> found_in([{"frage": "?", "reply": "3*7+8"}])
    'its columns are frage, reply; its first row is {"frage": "?", "reply": "3*7+8"}'
    """
    row = next((record for record in records if BROKEN not in record), None)
    if row is None:
        text = str(records[0].get("text", "")).strip() if records else ""
        return f"its first row is {_cut(text)}" if text else "it has no rows"
    names = [str(name)[:60] for name in row]
    more = f" and {len(names) - MOST_COLUMNS} more" if len(names) > MOST_COLUMNS else ""
    shown = {name: _cut(value) if isinstance(value, str) else value for name, value in list(row.items())[:MOST_COLUMNS]}
    return (
        f"its columns are {', '.join(names[:MOST_COLUMNS])}{more}; "
        f"its first row is {_cut(json.dumps(shown, default=str, ensure_ascii=False))}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= MOST_OF_A_ROW else f"{text[:MOST_OF_A_ROW]}…"


def remedy(
    verb: str | None, where: str, records: Sequence[dict[str, Any]], reader: RowReader, error: Exception, texts: bool
) -> str:
    """The command that reads these rows, tested on them; or what they lack, if no option helps.

    Args:
        verb: the command; None if it has no options for columns.
        where: the path that is read.
        error: the error of the first row.
        texts: whether completions are required.
    """
    rows = [record for record in records if BROKEN not in record][:_LOOKED_AT]
    if not rows:
        return ""
    for options in _choices(rows, reader, texts):
        given = {**reader.given, **{role: name for role, name in options.items() if role != "words"}}
        tried = RowReader(given, reader.preferred, options.get("words", reader.template))
        if sum(_reads(tried, row, texts) for row in rows) * 2 > len(rows):
            if verb is None and "words" in options:
                continue
            if verb is None:
                return f"; it is read if {' and '.join(f'{name} is called {role}' for role, name in options.items())}"
            words = {"words": reader.template} if reader.template else {}
            options_given = " ".join(
                _option(verb, role, name) for role, name in {**words, **reader.given, **options}.items()
            )
            return f"; this reads it: ramify {verb} {shlex.quote(where)} {options_given}"
    if isinstance(error, MissingError) and error.role == "text":
        return "; none of its columns can be a completion: add one, `completion`, with what the model wrote"
    if isinstance(error, MissingError):
        return (
            "; none of its columns has a puzzle: add `numbers` (a list of integers) and `target`, or a prompt that "
            "names them"
        )
    return ""


def _option(verb: str, role: str, name: str) -> str:
    """The command line option that names a column for a role; a name that looks like a template needs --field."""
    known = {"numbers", "target", "prompt", *({"text"} if verb != "verify-split" else ())}
    if role == "words" or (role in known and (role != "prompt" or re.fullmatch(r"[\w.-]+", name))):
        return f"--{'prompt' if role == 'words' else role} {shlex.quote(name)}"
    return f"--field {shlex.quote(f'{role}={name}')}"


def _reads(reader: RowReader, row: dict[str, Any], texts: bool) -> bool:
    try:
        return is_usable(reader.read(row, texts, steps=False).puzzle)
    except (ValueError, RecursionError):
        return False


def _choices(rows: Sequence[dict[str, Any]], reader: RowReader, texts: bool) -> Iterator[dict[str, str]]:
    """A few candidate columns for the missing role, the likeliest first."""
    paths = dict(_paths(rows[0], "", 3))
    values = {name: [value for row in rows for path, value in _paths(row, "", 3) if path == name] for name in paths}
    needed = _needed(rows, reader, texts)
    writers = sorted(
        (name for name in paths if _is_text(values[name])), key=lambda name: -max(len(str(v)) for v in values[name])
    )
    puzzles = [{}] if "puzzle" not in needed else list(_puzzles(values, writers))
    for puzzle in puzzles[:8]:
        if "text" not in needed:
            yield puzzle
            continue
        for name in writers[:5]:
            if name != puzzle.get("prompt"):
                yield {**puzzle, "text": name}


def _needed(rows: Sequence[dict[str, Any]], reader: RowReader, texts: bool) -> set[str]:
    needed = set()
    if not any(_reads(reader, row, texts=False) for row in rows):
        needed.add("puzzle")
    if texts and not any(_has_text(row, reader) for row in rows):
        needed.add("text")
    return needed


def _has_text(row: dict[str, Any], reader: RowReader) -> bool:
    try:
        reader.read({"numbers": [1, 2], "target": 3, **row}, steps=False)
    except MissingError as error:
        return error.role != "text"
    except (ValueError, RecursionError):
        return True
    return True


def _puzzles(values: Mapping[str, list[Any]], writers: Sequence[str]) -> Iterator[dict[str, str]]:
    lists = [name for name, some in values.items() if _is_numbers(some)]
    goals = [name for name, some in values.items() if _is_target(some) and not _words(name) & _COUNTERS]
    goals.sort(key=lambda name: not _words(name) & _SAYS_TARGET)
    for numbers in lists[:2]:
        for target in goals[:2]:
            yield {"numbers": numbers, "target": target}
    for name in writers[:5]:
        if puzzle_in(prompt_text(values[name][0])) is not None:
            yield {"prompt": name}
    for name in writers[:5]:
        template = template_of(str(values[name][0]))
        if template is not None:
            yield {"words": template}


def template_of(prompt: str) -> str | None:
    """The template of a prompt with one puzzle: a list of two to six numbers, and one other number; None otherwise.

    >>> template_of("Please make 29 of 3, 7, 8 now")
    'make {target} of {numbers}'
    """
    runs = list(re.finditer(r"\[?\d{1,9}(?:(?:, ?| )\d{1,9}){1,5}\]?", prompt[:4000]))
    if len(runs) != 1:
        return None
    run = runs[0]
    others = [found for found in re.finditer(r"\d+", prompt[:4000]) if not run.start() <= found.start() < run.end()]
    if len(others) != 1:
        return None
    goal = others[0]
    first, last = sorted((run.span(), goal.span()))
    between = prompt[first[1] : last[0]]
    named = ("{numbers}", "{target}") if run.start() < goal.start() else ("{target}", "{numbers}")
    before = re.search(r"(?:\w+ )?$", prompt[: first[0]])
    word = before.group() if before else ""
    return f"{word}{named[0]}{between}{named[1]}" if len(between) < 200 else None


def _paths(row: Any, before: str, deeper: int) -> Iterator[tuple[str, Any]]:
    for name, value in list(row.items())[:60]:
        yield f"{before}{name}", value
        if isinstance(value, dict) and deeper:
            yield from _paths(value, f"{before}{name}.", deeper - 1)


def _words(name: str) -> set[str]:
    return set(snake_case(name.rpartition(".")[2]).split("_"))


def _is_text(values: Sequence[Any]) -> bool:
    try:
        return all(completions_of(value) for value in values) and any(len(str(value)) > 3 for value in values)
    except ValueError:
        return False


def _is_numbers(values: Sequence[Any]) -> bool:
    try:
        return all(2 <= len(puzzle_of(value, 0).numbers) <= 6 for value in values if value is not None)
    except ValueError:
        return False


def _is_target(values: Sequence[Any]) -> bool:
    try:
        return all(len(puzzle_of([1, 2], value).numbers) == 2 for value in values if value is not None)
    except ValueError:
        return False
