"""The abstract of a report, finding first, and the estimates behind it."""

from collections.abc import Callable

from ramify.analysis.metric_record import GAIN
from ramify.analysis.metrics import GREEDY
from ramify.report.collapse import collapse_details, collapsed
from ramify.report.figures import interval
from ramify.report.view import (
    FALSE_DISCOVERIES,
    LOG_ODDS,
    POINTS,
    UNSEEN,
    Row,
    View,
    adjusted_p,
    changes,
    counted,
    excludes_zero,
    learned,
    place,
    points_of,
    reason,
    tells,
)

EXECUTION = "execution"
"""The metric of the values that attempts state."""
_VERBS = {"rose": "rose", "fell": "fell", "no clear change": "did not change clearly", "no interval": "has no interval"}
_SETS = {
    "test": "unseen puzzles of trained patterns",
    "length": "puzzles longer than trained",
    "held_out": "the held-out family",
}
_TIMED = (
    ("right-heavy", "n,shape_class", "right-heavy", "left-heavy patterns"),
    ("balanced", "n,shape_class", "balanced", "left-heavy patterns"),
    ("one-division", "n,divisions", "1", "patterns without a division"),
)
"""Classes whose timing is compared: their name, grouping and group, and the class they are compared with."""


def abstract(view: View) -> list[str]:
    """The change in success, its collapse if there is one, the patterns that were acquired, and the limits.

    A sentence has at most two numbers, and that of a collapse its steps too; `details` has the intervals. A paragraph
    without an estimate is left out.
    """
    return [" ".join(part) for part in _parts(view)]


def headline(view: View) -> list[str]:
    """The first sentence of each paragraph of the abstract."""
    return [part[0] for part in _parts(view)]


def further(view: View) -> list[str]:
    """The paragraphs of the abstract without their first sentences."""
    return [" ".join(part[1:]) for part in _parts(view) if len(part) > 1]


def _parts(view: View) -> list[list[str]]:
    return [part for part in (_success(view), collapsed(view), _acquired(view), _limits(view)) if part]


def details(view: View) -> list[str]:
    """The estimates behind the abstract, with their intervals."""
    return [
        *_success_by_size(view),
        *collapse_details(view),
        *_acquired_by_pattern(view),
        *_limits_with_intervals(view),
    ]


def _evaluated(view: View) -> list[str]:
    return [name for name in view.sets if name != "skills"]


def _set_words(view: View, name: str) -> str:
    return view.asked if name == "test" and view.asked != UNSEEN else _SETS.get(name, f"the set {name}")


def _listed(items: list[str]) -> str:
    """Items in words.

    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def _verdict(row: Row | None) -> str:
    if row is None or row["low"] is None:
        return "no interval"
    return ("rose" if row["value"] > 0 else "fell") if excludes_zero(row) else "no clear change"


def _success(view: View) -> list[str]:
    main, *others = _evaluated(view) or [view.sets[0]]
    line = view.points(view.mean, main, "all", "all")
    if not line:
        return []
    words, after = _set_words(view, main), f"{line[-1].value:.1%}"
    if len(line) < 2 or line[0].step != view.first:
        return [f"Mean success on {words} is {after} at step {view.last}.", "A gain needs a second checkpoint."]
    verdict = _verdict(view.at_end(view.mean + GAIN, main, "all", "all"))
    before = f"{line[0].value:.1%}"
    found = [
        f"Success on {words} {_VERBS[verdict]} from {before} to {after}."
        if verdict in ("rose", "fell")
        else f"Success on {words} {_VERBS[verdict]}: {before} at first, {after} at the end."
    ]
    verdicts = {
        name: _verdict(row) for name in others if (row := view.at_end(view.mean + GAIN, name, "all", "all")) is not None
    }
    for other in ("rose", "fell", "no clear change"):
        names = [_set_words(view, name) for name, one in verdicts.items() if one == other]
        if names:
            found.append(f"It {'also ' if other == verdict else ''}{_VERBS[other]} on {_listed(names)}.")
    greedy = view.at_end(GREEDY.name + GAIN, main, "all", "all")
    if greedy is not None and greedy["low"] is not None:
        found.append(f"Greedy success {_VERBS[_verdict(greedy)]}.")
    return found


def _known(view: View) -> tuple[int, list[Row]]:
    """The smallest n with a known acquisition status, and its patterns."""
    for n in view.shaped_sizes:
        rows = [row for row in learned(view, n) if row["status"] != "unknown"]
        if rows:
            return n, rows
    return 0, []


def _significant(rows: list[Row]) -> tuple[int, int]:
    """Gains and losses at the false discovery rate."""
    gains = [row["gain"] for row in rows if row["gain"] is not None]
    clear = [gain["value"] for gain in gains if gain["q"] is not None and gain["q"] <= FALSE_DISCOVERIES]
    return sum(value > 0 for value in clear), sum(value < 0 for value in clear)


def _acquired(view: View) -> list[str]:
    n, rows = _known(view)
    if not rows:
        return []
    kind = "trained patterns" if view.asked == UNSEEN else "patterns"
    gained, lost = _significant(rows)
    of = f"of the {len(rows)} {kind} of the smallest size"
    found = [f"{gained or 'None'} {of} improved{'' if gained else ' clearly'}, after a correction for their number."]
    if lost:
        found.append(f"Success fell on {lost} of them.")
    acquired = [row for row in rows if row["status"] == "acquired"]
    if acquired:
        first = [row["group"] for row in acquired if row["value"] == acquired[0]["value"]]
        named = _listed([*first[:3], f"{len(first) - 3} more"] if len(first) > 4 else first)
        found.append(f"The earliest acquisition{'s' * (len(first) > 1)}, by step {acquired[0]['value']:.0f}: {named}.")
    timed = _timing(view, n)
    clear = {words: (row, other) for words, (row, other) in timed.items() if excludes_zero(row)}
    for words, (row, other) in clear.items():
        when = "later" if row["value"] > 0 else "earlier"
        found.append(f"The gain of {words} patterns comes {abs(row['value']):.0f} steps {when} than that of {other}.")
    if timed and not clear:
        found.append("No shape class gains clearly earlier or later than another.")
    return found


def _timing(view: View, n: int) -> dict[str, tuple[Row, str]]:
    """The timing differences of classes that have an interval, with the class of comparison."""
    return {
        words: (row, other)
        for words, by, group, other in _TIMED
        if (row := view.at_end("timing difference", "test", by, f"{n},{group}")) and row["low"] is not None
    }


def _limits(view: View) -> list[str]:
    found: list[str] = []
    gap = view.at_end("right-heavy gap", "test", "all", "all")
    if gap and tells(gap, POINTS):
        size = f"{100 * abs(gap['value']):.1f} points"
        side = "less" if gap["value"] < 0 else "more"
        found.append(
            f"Success on right-heavy patterns is {size} {side} than on matched left-heavy patterns."
            if excludes_zero(gap)
            else "Success on right-heavy patterns does not differ clearly from that on matched left-heavy patterns."
        )
    elif gap and gap["status"]:
        found.append(f"Right-heavy and left-heavy patterns cannot be compared: {gap['status']}.")
    effect = view.at_end("effect", "all", "term", "right-heavy")
    equal = "With the other features of structure held equal, a right-heavy shape"
    if effect and tells(effect, LOG_ODDS):
        verb = "lowers" if effect["value"] < 0 else "raises"
        found.append(f"{equal} {verb} success." if excludes_zero(effect) else f"{equal} has no clear effect.")
    elif effect and effect["status"]:
        found.append(f"The effect of a right-heavy shape cannot be estimated: {reason(effect)}.")
    transfer = view.at_end("transfer", "held_out", "all", "all")
    if transfer and tells(transfer, POINTS):
        side = "less" if transfer["value"] < 0 else "more"
        found.append(
            f"The held-out family gained {100 * abs(transfer['value']):.1f} points {side} than matched seen patterns."
            if excludes_zero(transfer)
            else "The gain of the held-out family does not differ clearly from that of matched seen patterns."
        )
    substitution = view.points("substitution", "test", "all", "all")
    if substitution:
        found.append(f"Of the correct answers, {substitution[-1].value:.1%} use a pattern other than the source.")
    accuracy = _accuracy(view)
    if accuracy:
        row = accuracy[1]
        change = f"by {100 * abs(row['value']):.1f} points " if excludes_zero(row) else ""
        found.append(f"{view.words(EXECUTION).capitalize()} {_VERBS[_verdict(row)]} {change}on the largest puzzles.")
    return found


def _accuracy(view: View) -> tuple[str, Row] | None:
    """The largest n and its change of the accuracy of stated values, of the longer puzzles where there are some."""
    for name in ("length", "test"):
        sizes = view.groups(EXECUTION + GAIN, name, "n")
        if sizes and (row := view.at_end(EXECUTION + GAIN, name, "n", sizes[-1])) and tells(row, POINTS):
            return sizes[-1], row
    return None


def _success_by_size(view: View) -> list[str]:
    rows = [change for change in changes(view) if change.metric == view.mean and "parts" not in change.label]
    if not rows:
        found = [
            f"{place(name, n)} {interval(line[-1])}"
            for name in view.sets
            for n in view.groups(view.mean, name, "n")
            if (line := view.points(view.mean, name, "n", n))
        ]
        return [f"Success ({view.mean}) at step {view.last}: {'; '.join(found)}."]
    spans = f"{view.start} → step {view.last}, {view.mean}"
    found = []
    for verdict, words in _VERBS.items():
        mine = [f"{row.label} {interval(row.before)} → {interval(row.after)}" for row in rows if row.verdict == verdict]
        if mine:
            found.append(f"Success {words} ({spans}): {'; '.join(mine)}.")
    greedy = [change for change in changes(view) if change.metric == GREEDY.name and "parts" not in change.label]
    rose = [row.label for row in greedy if row.verdict == "rose"]
    if greedy:
        found.append(f"Greedy success rose clearly: {', '.join(rose) or 'nowhere'}.")
    return found


def _acquired_by_pattern(view: View) -> list[str]:
    n, rows = _known(view)
    if not rows:
        return []
    count = {status: sum(row["status"] == status for row in rows) for status in (row["status"] for row in rows)}
    order = ("acquired", "already present", "lost again", "not acquired")
    statuses = ", ".join(f"{count[status]} {status}" for status in order if status in count)
    gained, lost = _significant(rows)
    found = [
        f"Patterns of n = {n}, each tested alone: {statuses}. By the stricter tests corrected for their number "
        f"(false discovery rate 5%, {len(rows)} patterns): {gained} gained and {lost} lost."
    ]
    never = [row["group"] for row in reversed(rows) if row["status"] == "not acquired"]
    if never:
        more = f" and {len(never) - 6} more" if len(never) > 6 else ""
        found.append(f"No gain detected: {', '.join(never[:6])}{more}.")
    for words, (row, other) in _timing(view, n).items():
        found.append(f"Timing of the gain, {words} minus {other}: {_signed(row, 0)} steps.")
    return found


def _limits_with_intervals(view: View) -> list[str]:
    strata = view.alike(view.task.STRATA["right-heavy"])
    rows: list[tuple[str, Row | None, float, Callable[[Row], str]]] = [
        (f"Right-heavy minus left-heavy at equal {strata}", _overall(view, "right-heavy gap"), POINTS, _points),
        ("The same, uniquely solvable puzzles", _overall(view, "right-heavy gap, forced"), POINTS, _points),
        ("Effect of a right-heavy shape", view.at_end("effect", "all", "term", "right-heavy"), LOG_ODDS, _log_odds),
        ("Gain of held-out minus matched seen patterns", _overall(view, "transfer", "held_out"), POINTS, _points),
    ]
    found = [f"{label}: {words(row)}." for label, row, widest, words in rows if row and tells(row, widest)]
    substitution = view.points("substitution", "test", "all", "all")
    if substitution:
        found.append(f"Correct answers by a pattern other than the source: {interval(substitution[-1])}.")
    accuracy = _accuracy(view)
    if accuracy:
        found.append(f"Change of {view.words(EXECUTION)} at n = {accuracy[0]}: {points_of(accuracy[1])}.")
    return found


def _overall(view: View, metric: str, name: str = "test") -> Row | None:
    return view.at_end(metric, name, "all", "all")


def _points(row: Row) -> str:
    return f"{points_of(row)}{adjusted_p(row)}, {counted(row)}"


def _log_odds(row: Row) -> str:
    return f"{_signed(row)} log-odds"


def _signed(row: Row, digits: int = 2) -> str:
    value, low, high = (None if row[key] is None else f"{row[key]:+.{digits}f}" for key in ("value", "low", "high"))
    return f"{value}{'' if low is None else f' [{low}, {high}]'}".replace("-", "−")
