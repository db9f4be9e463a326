"""Text for a page with patterns, intervals and numbers with units that stay on one line."""

import re

from markupsafe import Markup, escape

LONGEST = 32
"""The number of characters of a part that stays on one line; a longer one would not fit on a narrow screen."""
_NUMBER = r"[−+-]?[0-9][0-9.,]*"
# An interval, or a number with its unit or name; else a word. Each alternative starts at the start of a word, and a
# word is read once, so the time is linear.
_PARTS = re.compile(
    rf"(?:{_NUMBER}%?(?: points)? |retrained )?\[[^\[\]\s]{{1,12}}, [^\[\]\s]{{1,12}}\]"
    rf"|\b(?:n [=≥≤]|step|p [=<]) {_NUMBER}|{_NUMBER} (?:points|steps|%)|\S+"
)
_PATTERN = re.compile(r"[A-Z)][-/]")


def unbroken(text: str) -> Markup:
    """A text, escaped, in which no line breaks inside a pattern, an interval, or a number and its unit.

    A browser breaks lines after hyphens. The characters are not changed, so that a copied pattern is still a pattern.

    >>> print(unbroken("A-B*C rose to 13.1% [10.0, 17.0] at n = 3"))
    <span class="whole">A-B*C</span> rose to <span class="whole">13.1% [10.0, 17.0]</span> at <span
    class="whole">n = 3</span>
    >>> print(unbroken("right-heavy <b>"))
    right-heavy &lt;b&gt;
    """
    found, at = Markup(), 0
    for match in _PARTS.finditer(text):
        part = match[0]
        if len(part) <= LONGEST and (" " in part or _PATTERN.search(part)):
            found += escape(text[at : match.start()]) + Markup('<span class="whole">{}</span>').format(part)
            at = match.end()
    return found + escape(text[at:])
