"""Mark the attempts in the text of a completion."""

from collections.abc import Iterable, Mapping
from typing import Any


def marked(text: str, attempts: Iterable[Mapping[str, Any]], start: int = 0) -> list[tuple[str, str]]:
    """A completion as pieces of text, each with the style of its attempt, or "".

    Args:
        attempts: rows with the columns of `ATTEMPTS`, in order of start; of overlapping ones the first is marked.
        start: where the text that is shown begins.

    >>> attempts = [{"start": 4, "end": 10, "hits_target": True, "miscalculated": False}]
    >>> marked("try 3*7+8 = 29", attempts)
    [('try ', ''), ('3*7+8 ', 'hit'), ('= 29', '')]
    """
    pieces: list[tuple[str, str]] = [("… ", "")] if start else []
    at = start
    for attempt in attempts:
        begin, end = attempt["start"], attempt["end"]
        if begin >= at:
            style = "hit" if attempt["hits_target"] else "miss"
            style = f"{style} miscalculated" if attempt["miscalculated"] else style
            pieces += [(text[at:begin], ""), (text[begin:end], style)]
            at = end
    return [piece for piece in [*pieces, (text[at:], "")] if piece[0]]
