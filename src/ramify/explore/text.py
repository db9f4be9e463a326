"""A completion in the terminal, with its attempts as trees."""

from typing import Any

import polars as pl

from ramify.algebra.drawing import tree_lines
from ramify.explore.source import Part, Source

MOST_TREES = 4
LONGEST = 4000
"""The number of characters shown of a completion, from its end."""


def beside(blocks: list[list[str]], gap: int = 4) -> list[str]:
    """Blocks of lines side by side.

    >>> beside([["a", "bb"], ["c"]])
    ['a     c', 'bb']
    """
    height = max(map(len, blocks), default=0)
    widths = [max(map(len, block), default=0) + gap for block in blocks]
    rows = []
    for at in range(height):
        cells = [block[at] if at < len(block) else "" for block in blocks]
        rows.append("".join(map(str.ljust, cells, widths)).rstrip())
    return rows


def completion_text(source: Source, row: dict[str, Any]) -> str:
    """A row of `completions.rows_of` as text: its place, verdict and text, and its last attempts as trees."""
    part = Part(row["run"], row["seed"], row["set"], row["step"])
    task = source.run(part.run).task
    mine = (pl.col("puzzle_id") == row["puzzle_id"]) & (pl.col("sample") == row["sample"])
    attempts = source.attempts(part, [row["puzzle_id"]]).filter(mine).sort("start").collect().to_dicts()
    sample = "temperature 0" if row["sample"] < 0 else f"sample {row['sample']}"
    where = f"{part.run}: " if len(source.runs) > 1 else ""
    head = f"{where}{row['puzzle_id']}, {row['set']} at step {part.step}, seed {part.seed}, {sample}: {row['verdict']}"
    source_of = f"source pattern {row['pattern']}, {row['shape_class']}" if row["pattern"] else "no source pattern"
    text = row["text"] or ""
    shown = f"… {text[-LONGEST:]}" if len(text) > LONGEST else text
    blocks = []
    for attempt in attempts[-MOST_TREES:]:
        note = "hits" if attempt["hits_target"] else "misses"
        note += ", wrong value stated" if attempt["miscalculated"] else ""
        drawn = tree_lines(task.tree(attempt["pattern"])) if attempt["pattern"] else ["no pattern"]
        blocks.append([attempt["expression"], note, *drawn])
    lines = ["─" * 72, head, source_of, "", *shown.splitlines(), ""]
    if blocks:
        more = f", the last {len(blocks)}" if len(attempts) > len(blocks) else ""
        lines += [f"{len(attempts)} attempts{more}:", *beside(blocks), ""]
    return "\n".join(lines)
