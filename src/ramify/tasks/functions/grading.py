"""The verdict on a completion: whether its answer is the value of the program."""

import re

from ramify.algebra.notation import as_they_look
from ramify.records import Grade, Verdict
from ramify.tasks.answers import ANSWER_TAGS, answer_span
from ramify.tasks.functions.language import LONGEST
from ramify.tasks.functions.puzzle import ProgramPuzzle

GRADER_VERSION = "1"
"""Kept with every table that is made from verdicts or attempts; it changes when any of them could."""

LONGEST_ANSWER = 200
"""Characters of an answer; a longer one is no value."""
_COMMAND = re.compile(r"\\(?:text|mathrm|mathtt|texttt|boxed)(?![a-z])")
_WRAPPING = " \t\r\n$*_`'\".,;:(){}[]\\"
_APART = re.compile(r"[0-9](?:(?:, ?| )[0-9])+")
_DIGITS = re.compile(r"[0-9]+")


def grade(puzzle: ProgramPuzzle, text: str, truncated: bool = False, tags: tuple[str, str] = ANSWER_TAGS) -> Grade:
    """Judge a completion; never raises, and takes linear time.

    An answer is a string of digits, whose zeros count. A call that is not executed is no value.

    Args:
        truncated: whether the sampler's limit ended the completion.
        tags: what opens and closes an answer; their case is ignored.

    >>> from ramify.tasks.functions.language import Program
    >>> puzzle = ProgramPuzzle(Program.parse("rev(410)"))
    >>> answers = ("<answer>014</answer>", "<answer>14</answer>", "<answer>rev(410)</answer>", "it is 014")
    >>> [grade(puzzle, answer).verdict.value for answer in answers]
    ['correct', 'wrong value', 'unparsable', 'no answer']
    """
    span = answer_span(text, tags, open_ended=not truncated)
    if span is None:
        return Grade(Verdict.TRUNCATED if truncated else Verdict.NO_ANSWER)
    answer = text[slice(*span)]
    value = read_value(answer)
    if value is None:
        return Grade(Verdict.UNPARSABLE, answer)
    return Grade(Verdict.CORRECT if value == puzzle.target else Verdict.WRONG_VALUE, answer, value=value)


def read_value(answer: str) -> str | None:
    """The digits that an answer gives; None if it is not one value.

    Wrapping that carries no value is left out, and so is what stands before an equals sign. Digits one by one, as in a
    list, are a string too.

    >>> answers = ("**014**", r"$\\boxed{\\text{014}}$.", "rev(410) = 014", "[0, 1, 4]", "0 1 4", "14 or 41", "")
    >>> [read_value(answer) for answer in answers]
    ['014', '014', '014', '014', '014', None, None]
    """
    if len(answer) > LONGEST_ANSWER:
        return None
    bare = _COMMAND.sub("", as_they_look(answer).rpartition("=")[2]).strip(_WRAPPING)
    if _APART.fullmatch(bare):
        bare = "".join(_DIGITS.findall(bare))
    return bare if _DIGITS.fullmatch(bare) and len(bare) <= 2 * LONGEST else None
