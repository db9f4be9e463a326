"""The verdict on a completion: one function for reward, evaluation and analysis."""

import re
from functools import lru_cache

from ramify.algebra.parser import ParseError, parse_statement
from ramify.records import Grade, Puzzle, Verdict

GRADER_VERSION = 3
"""Kept with every table that is made from verdicts or attempts; it changes when any of them could."""

ANSWER_TAGS = ("<answer>", "</answer>")


def grade(puzzle: Puzzle, text: str, truncated: bool = False, tags: tuple[str, str] = ANSWER_TAGS) -> Grade:
    r"""Judge a completion; never raises, evaluates exactly, and takes linear time.

    The answer is the last `<answer>…</answer>`, or the last `\boxed{…}` if there is none. Where several verdicts
    apply, the order is: truncated without an answer, no answer, unparsable, wrong numbers, undefined, wrong value. A
    stated `= value` that is false is a wrong value.

    Args:
        truncated: whether the sampler's limit ended the completion.
        tags: what opens and closes an answer; their case is ignored.

    >>> puzzle = Puzzle((3, 7, 8), 29)
    >>> grade(puzzle, "<answer> 3 × 7 + 8 = 29 </answer>").verdict
    <Verdict.CORRECT: 'correct'>
    >>> grade(puzzle, "<answer> 3 * 7 + 8 = 30 </answer>").verdict
    <Verdict.WRONG_VALUE: 'wrong value'>
    >>> grade(puzzle, "<answer> 21 + 8 </answer>").verdict
    <Verdict.WRONG_NUMBERS: 'wrong numbers'>
    """
    span = answer_span(text, tags)
    if span is None:
        return Grade(Verdict.TRUNCATED if truncated else Verdict.NO_ANSWER)
    answer = text[slice(*span)]
    try:
        statement = parse_statement(answer)
    except ParseError:
        return Grade(Verdict.UNPARSABLE, answer)
    expression = statement.expression
    if not expression.uses(puzzle.numbers):
        return Grade(Verdict.WRONG_NUMBERS, answer, expression)
    value = expression.value
    if value is None:
        return Grade(Verdict.UNDEFINED, answer, expression)
    correct = value == puzzle.target and statement.holds
    return Grade(Verdict.CORRECT if correct else Verdict.WRONG_VALUE, answer, expression, value)


def answer_span(text: str, tags: tuple[str, str] = ANSWER_TAGS) -> tuple[int, int] | None:
    r"""Where the answer stands in a completion; None if there is none.

    >>> text = "in <answer> tags: <answer>3+5</answer>"
    >>> text[slice(*answer_span(text))]
    '3+5'
    >>> text = r"so \boxed{\frac{3}{5}} it is"
    >>> text[slice(*answer_span(text))]
    '\\frac{3}{5}'
    """
    opened, span = None, None
    for tag in _either(tags).finditer(text):
        if tag.group("opening"):
            opened = tag.end()
        elif opened is not None:
            span = (opened, tag.start())
    return span or _boxed(text)


@lru_cache
def _either(tags: tuple[str, str]) -> re.Pattern[str]:
    # The longer one is looked for first, for the case that it begins with the other.
    named = [("opening", tags[0].strip()), ("closing", tags[1].strip())]
    ordered = sorted(named, key=lambda pair: -len(pair[1]))
    choices = "|".join(f"(?P<{name}>{re.escape(tag)})" for name, tag in ordered)
    return re.compile(choices, re.IGNORECASE | re.ASCII)


def _boxed(text: str) -> tuple[int, int] | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    start += len("\\boxed{")
    level = 1
    for brace in re.compile(r"[{}]").finditer(text, start):
        level += 1 if brace.group() == "{" else -1
        if level == 0:
            return start, brace.start()
    return None
