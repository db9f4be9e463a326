"""Read the query of an address."""

from collections.abc import Mapping, Sequence

from ramify.errors import RunError

Query = Mapping[str, str]


def number_of(query: Query, name: str) -> int | None:
    """A number of a query; None if it is not there.

    Raises:
        RunError: it is not a number.
    """
    text = query.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise RunError(f"{name} = {text[:40]}: not a number")
    return int(text)


def chosen_of(query: Query, name: str, known: Sequence[int]) -> int:
    """A number of a query that is known; the last one by default.

    Raises:
        RunError: it is not a known number.
    """
    number = number_of(query, name)
    if number is None:
        return known[-1]
    if number not in known:
        raise RunError(f"{name} = {number}: there are {', '.join(map(str, known))}")
    return number
