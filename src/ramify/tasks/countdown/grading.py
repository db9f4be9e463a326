"""The grader: one function for reward, evaluation and analysis."""

from dataclasses import replace

from ramify.algebra.builder import Statement
from ramify.algebra.expression import Expression
from ramify.algebra.parser import ParseError, parse_statement
from ramify.algebra.pattern import MAX_SIZE, Pattern
from ramify.records import Grade, Verdict
from ramify.tasks.answers import ANSWER_TAGS, answer_span
from ramify.tasks.countdown.puzzle import Puzzle

GRADER_VERSION = "5"
"""Stored with every table of verdicts or attempts; increased when any of them could change."""


def grade(puzzle: Puzzle, text: str, truncated: bool = False, tags: tuple[str, str] = ANSWER_TAGS) -> Grade:
    r"""Grade a completion; never raises, exact arithmetic, linear time.

    Where several verdicts apply, the order is: truncated without an answer, no answer, unparsable, wrong numbers,
    undefined, wrong value. A false stated value is a wrong value, on either side: `3*7+8 = 30`, `30 = 3*7+8`.

    Args:
        truncated: whether the sampler's limit ended the completion.
        tags: the opening and closing answer tag, in any case.

    >>> puzzle = Puzzle((3, 7, 8), 29)
    >>> grade(puzzle, "<answer> 3 × 7 + 8 = 29 </answer>").verdict
    <Verdict.CORRECT: 'correct'>
    >>> grade(puzzle, r"so \boxed{\text{3 × 7 + 8}}").verdict
    <Verdict.CORRECT: 'correct'>
    >>> grade(puzzle, "<answer> 3 * 7 + 8 = 30 </answer>").verdict
    <Verdict.WRONG_VALUE: 'wrong value'>
    >>> grade(puzzle, "<answer> 21 + 8 </answer>").verdict
    <Verdict.WRONG_NUMBERS: 'wrong numbers'>
    """
    span = answer_span(text, tags, open_ended=not truncated)
    if span is None:
        return Grade(Verdict.TRUNCATED if truncated else Verdict.NO_ANSWER)
    answer = text[slice(*span)]
    statement = read_answer(puzzle, answer)
    if statement is None:
        return Grade(Verdict.UNPARSABLE, answer)
    expression = statement.expression
    if not expression.uses(puzzle.numbers):
        return Grade(Verdict.WRONG_NUMBERS, answer, expression, pattern=_pattern(expression))
    value = expression.value
    if value is None:
        return Grade(Verdict.UNDEFINED, answer, expression, pattern=_pattern(expression))
    correct = value == puzzle.target and statement.holds
    return Grade(Verdict.CORRECT if correct else Verdict.WRONG_VALUE, answer, expression, value, _pattern(expression))


def _pattern(expression: Expression) -> Pattern | None:
    """The pattern of an answer; None if it starts with a minus sign or has more than 200 leaves."""
    if expression.negated or len(expression.postfix) > 2 * MAX_SIZE:
        return None
    return Pattern.of(expression)


def read_answer(puzzle: Puzzle, answer: str) -> Statement | None:
    """Parse an answer into a statement, expression first; None if it is not one statement.

    If a number is stated first, as in `29 = 3*7+8`, the expression is the later part that uses the numbers of the
    puzzle.
    """
    try:
        statement = parse_statement(answer)
    except ParseError:
        return None
    first = statement.expression
    if len(first.postfix) == 1:
        for part in statement.tails:
            if part.uses(puzzle.numbers):
                return replace(statement, expression=part)
    return statement
