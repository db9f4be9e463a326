"""Parse the rows of one file: puzzles and, on request, completions."""

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
    """The parsed rows of a file.

    Attributes:
        puzzles: the puzzle of each readable row.
        texts: the completions of each; empty if only puzzles were requested.
        verdicts: the earlier verdict of each; None if the row has none.
        unread: errors of the other rows, as "row 7: …".
    """

    puzzles: list[Puzzle]
    texts: list[list[str]]
    verdicts: list[Verdict | None]
    unread: list[str]


def read_rows(path: Path, reader: RowReader | None = None, texts: bool = False, verb: str | None = None) -> Rows:
    """Parse the puzzles of a file, and their completions if `texts`.

    Args:
        verb: the command, for its advice; None if it has no options for columns.

    Raises:
        RunError: the file cannot be read, or none of its rows can.
    """
    reader = reader or RowReader()
    rows, first = Rows([], [], [], []), None
    form = find_format(path).format if suffix_of(path) and path.is_file() else None
    if form:
        reader = RowReader(reader.given, {**form.columns, **reader.preferred}, reader.template)
    records = form.rows(path) if form else records_of(path)
    for number, record in enumerate(records, start=1):
        try:
            row = reader.read(record, texts, steps=False)
        except (ValueError, RecursionError) as error:
            first = first or error
            rows.unread.append(f"row {number}: {error}")
            continue
        rows.puzzles.append(row.puzzle)
        rows.verdicts.append(row.verdict)
        rows.texts.append([storable(completion.text) for completion in row.completions])
    if first is not None and not rows.puzzles:
        how = remedy(verb, str(path), records, reader, first, texts)
        summary = f"{path}: all {len(records):,} rows could not be read, the first is {rows.unread[0]}"
        raise RunError(f"{summary}; {found_in(records)}{how}")
    return rows


def each_text(rows: Rows) -> Iterator[tuple[Puzzle, str, Verdict | None]]:
    """Every completion with its puzzle and earlier verdict."""
    for puzzle, texts, verdict in zip(rows.puzzles, rows.texts, rows.verdicts, strict=True):
        for text in texts:
            yield puzzle, text, verdict
