"""The span of the answer in a completion, for tasks whose answer is between tags or in a box."""

import re
from collections import deque
from functools import lru_cache
from itertools import takewhile

ANSWER_TAGS = ("<answer>", "</answer>")
LONGEST_BOX = 20_000
"""Maximum characters in a box."""


def answer_span(text: str, tags: tuple[str, str] = ANSWER_TAGS, open_ended: bool = True) -> tuple[int, int] | None:
    r"""The span of the answer in a completion; None if there is none.

    It is the last `<answer>…</answer>`. Without one, it is what begins last: the last `\boxed{…}` (where the end of the
    text cuts it, the one before), or an opening tag that nothing closes, up to the end (a server leaves out the stop
    string).

    Args:
        open_ended: whether an unclosed opening tag counts.

    >>> text = "in <answer> tags: <answer>3+5</answer>"
    >>> text[slice(*answer_span(text))]
    '3+5'
    >>> text = r"so \boxed{\frac{3}{5}} it is"
    >>> text[slice(*answer_span(text))]
    '\\frac{3}{5}'
    >>> text = "so <answer> 3+5"
    >>> text[slice(*answer_span(text))]
    ' 3+5'
    """
    opened: re.Match[str] | None = None  # the last opening tag
    before: re.Match[str] | None = None
    pair: tuple[re.Match[str], re.Match[str]] | None = None
    either = _either(tags)
    opening = either.groupindex["opening"]
    for tag in either.finditer(text):
        if tag.lastindex == opening:
            before, opened = opened, tag
        elif opened is not None:
            pair, opened = (opened, tag), None
    if pair is not None:
        return pair[0].end(), pair[1].start()
    boxed = _boxed(text)
    if opened is None or not open_ended or (boxed is not None and boxed[0] > opened.end()):
        return boxed
    if before is not None and not text[opened.end() :].strip():
        return before.end(), opened.start()  # the closing tag was written as an opening tag
    return opened.end(), _end_of_open_answer(text, opened.end(), tags[1].strip())


def _end_of_open_answer(text: str, start: int, closing: str) -> int:
    """The end of the text without a partial closing tag, since a server may cut a stop string."""
    end = start + len(text[start:].rstrip())
    for length in range(min(len(closing) - 1, end - start), 1, -1):
        if text[end - length : end].lower() == closing[:length].lower():
            return end - length
    return end


@lru_cache
def _either(tags: tuple[str, str]) -> re.Pattern[str]:
    # The longer one comes first, in case it starts with the other. The common prefix is
    # factored out, since searching for a literal is several times faster.
    named = [("opening", tags[0].strip()), ("closing", tags[1].strip())]
    pairs = zip(named[0][1], named[1][1], strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    ordered = sorted(named, key=lambda pair: -len(pair[1]))
    choices = "|".join(f"(?P<{name}>{re.escape(tag[shared:])})" for name, tag in ordered)
    return re.compile(f"{re.escape(named[0][1][:shared])}(?:{choices})", re.IGNORECASE | re.ASCII)


_BOX = re.compile(r"\\(?:boxed|fbox)\s?\{")
_BRACE = re.compile(r"[{}]")


def _boxed(text: str) -> tuple[int, int] | None:
    end = len(text)
    for box in reversed(deque(_BOX.finditer(text), maxlen=2)):
        level = 1
        for brace in _BRACE.finditer(text, box.end(), min(end, box.end() + LONGEST_BOX + 1)):
            level += 1 if brace.group() == "{" else -1
            if level == 0:
                return box.end(), brace.start()
        end = box.start()
    return None
