"""The patterns of an n in the order of acquisition, each as a card; many equal cards as one line."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ramify.algebra.drawing import SHAPE_STYLES
from ramify.report.examples import drawn
from ramify.report.figures import Point, track
from ramify.report.view import Row, View, is_vague, learned, points_of

LEARNED_IN = ("test", "held_out", "length")
MOST_PATTERNS = 96
"""The number of cards per n; of more, the first and the last are shown."""
FOLDED = 4
"""The number of equal cards from which they are one line."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A pattern in the order of acquisition."""

    text: str
    shape: str
    held_out: bool
    tree: Markup
    track: Markup
    acquired: str
    change: str
    gain: str
    success: float
    rank: int


@dataclass(frozen=True, slots=True)
class Size:
    """The patterns of an n.

    Attributes:
        total: how many of them have an acquisition status.
        unknown: how many have too few puzzles for one.
        cards: those shown as cards.
        folded: what equal cards say, with their patterns.
    """

    n: int
    total: int
    unknown: int
    cards: Sequence[Learned]
    folded: Sequence[tuple[str, Sequence[str]]]

    @property
    def shapes(self) -> set[str]:
        """The shape classes of the cards."""
        return {card.shape for card in self.cards}


def learned_of(view: View, n: int) -> Size:
    """The patterns of an n in the order of acquisition, seen and held out.

    `FOLDED` patterns or more with equal status whose success is the same at both ends, such as 0% → 0%, are one line.
    """
    rows = learned(view, n, LEARNED_IN)
    known = [row for row in rows if row["status"] != "unknown"]
    equal: dict[str, list[str]] = {}
    for row in known:
        if _is_still(row):
            equal.setdefault(_line(view, row), []).append(row["group"])
    folded = {line: texts for line, texts in equal.items() if len(texts) >= FOLDED}
    shown = [(rank, row) for rank, row in enumerate(known) if not (_is_still(row) and _line(view, row) in folded)]
    half = MOST_PATTERNS // 2
    shown = shown if len(shown) <= MOST_PATTERNS else shown[:half] + shown[-half:]
    cards = [_card(view, rank, row) for rank, row in shown]
    return Size(n, len(known), len(rows) - len(known), cards, list(folded.items()))


def _is_still(row: Row) -> bool:
    return bool(row["before"].value == row["after"].value)


def _line(view: View, row: Row) -> str:
    return f"{_acquired_at(row, view.last)}, {_change(row)}"


def _change(row: Row) -> str:
    return f"{row['before'].value:.0%} → {row['after'].value:.0%}"


def _card(view: View, rank: int, row: Row) -> Learned:
    shape = view.task.structure(row["group"])["shape_class"]
    at = None if row["value"] is None else Point(0, row["value"], row["low"], row["high"])
    return Learned(
        row["group"],
        shape,
        row["set"] == "held_out",
        drawn(view.task, row["group"]),
        Markup(track(row["status"], at, view.last, SHAPE_STYLES[shape])),
        _acquired_at(row, view.last),
        _change(row),
        _gain(row["gain"]),
        row["after"].value,
        rank,
    )


def _gain(gain: Row | None) -> str:
    """A gain in words.

    >>> _gain({"metric": "mean@4 gain", "value": 0.0, "low": -0.65, "high": 0.65, "n": 2})
    'too few puzzles (2) to say'
    """
    if gain is None or gain["value"] is None:
        return ""
    if is_vague(gain["metric"], gain["low"], gain["high"]):
        return f"too few puzzles ({gain['n']}) to say"
    return points_of(gain)


def _acquired_at(row: Row, last: int) -> str:
    if row["value"] is None:
        return str(row["status"])
    low = row["low"] if row["low"] is not None else row["value"]
    high = f"{row['high']:.0f}" if row["high"] is not None else f"after {last}"
    return f"step {row['value']:.0f} [{low:.0f}, {high}]"
