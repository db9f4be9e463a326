"""The rows of one file, read: puzzles, and completions where they are wanted."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ramify.adapters.advice import found_in, remedy
from ramify.adapters.files import records_of, suffix_of
from ramify.adapters.formats import find_format
from ramify.adapters.parsed_rows import RowReader
from ramify.errors import RunError
from ramify.records import Verdict
from ramify.schemas import storable
from ramify.tasks.countdown.puzzle import Puzzle


class Rows(NamedTuple):
    """What was read of a file.

    Attributes:
        puzzles: one for each row that could be read.
        texts: the completions of each; empty where only puzzles were asked for.
        verdicts: of each, the one of an earlier grading; None where the row has none.
        unread: why the other rows could not be read, as "row 7: …".
    """

    puzzles: list[Puzzle]
    texts: list[list[str]]
    verdicts: list[Verdict | None]
    unread: list[str]


def read_rows(path: Path, reader: RowReader | None = None, texts: bool = False, verb: str | None = None) -> Rows:
    """The puzzles of a file, and their completions if `texts`.

    Args:
        verb: of the command line that asks, for its advice; None where it has no options for columns.

    Raises:
        RunError: the file cannot be read, or it has rows and none of them can.
    """
    reader = reader or RowReader()
    rows, first = Rows([], [], [], []), None
    form = find_format(path).format if suffix_of(path) and path.is_file() else None
    if form:
        reader = RowReader(reader.given, {**form.columns, **reader.preferred}, reader.template)
    records = form.rows(path) if form else records_of(path)
    for number, record in enumerate(records, start=1):
        try:
            said = reader.read(record, texts, steps=False)
        except (ValueError, RecursionError) as error:
            first = first or error
            rows.unread.append(f"row {number}: {error}")
            continue
        rows.puzzles.append(said.puzzle)
        rows.verdicts.append(said.verdict)
        rows.texts.append([storable(completion.text) for completion in said.completions])
    if first is not None and not rows.puzzles:
        how = remedy(verb, str(path), records, reader, first, texts)
        summary = f"{path}: all {len(records):,} rows could not be read, the first is {rows.unread[0]}"
        raise RunError(f"{summary}; {found_in(records)}{how}")
    return rows


def each_text(rows: Rows) -> Iterator[tuple[Puzzle, str, Verdict | None]]:
    """Every completion with its puzzle, and its earlier verdict."""
    for puzzle, texts, verdict in zip(rows.puzzles, rows.texts, rows.verdicts, strict=True):
        for text in texts:
            yield puzzle, text, verdict
