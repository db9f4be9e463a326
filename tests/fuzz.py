"""Coverage-guided fuzzing of everything that reads what models write; not part of the test suite.

    pip install atheris && python tests/fuzz.py -runs=1000000 -max_len=512 corpus/

Any exception ends the run. What is checked beside: the grader's verdict agrees with the value that it gives, and every
attempt uses the numbers of the puzzle, reads back as itself, and stands inside the text.
"""

import contextlib
import sys

import atheris

with atheris.instrument_imports():
    from ramify.algebra.arrangement import arranged
    from ramify.algebra.parser import ParseError, parse
    from ramify.algebra.pattern import Pattern
    from ramify.records import Puzzle, Verdict
    from ramify.tasks.attempts import find_attempts
    from ramify.tasks.grading import grade

PUZZLES = (Puzzle((3, 7, 8), 29), Puzzle((2, 2, 5), 1), Puzzle((1, 3, 4, 6), 24), Puzzle((25, 50, 75, 100, 3, 6), 95))
# Bytes become pieces of what models write, so that few runs are lost on texts without meaning.
PIECES = (
    *"0123456789+-*/()[]{}=., \n$&|_^!%<>:?'\"`x\\#",
    *("×", "÷", "−", "·", "∗", "²", "⁰", "√", "→", "é", "３", "\0", "\1", "\t", "\r"),
    *(
        "<answer>",
        "</answer>",
        "\\boxed{",
        "\\frac{",
        "}{",
        "\\times",
        "\\div",
        "\\cdot",
        "\\left(",
        "\\right)",
        "\\(",
        "\\)",
    ),
    *(
        "\\[",
        "\\]",
        "\\\\",
        "\\text{",
        "\\underbrace{",
        "}_{",
        "**",
        "//",
        "is ",
        "gives ",
        " = ",
        "==",
        "!=",
        "=>",
        "e5",
        "sqrt(",
    ),
    *("25", "50", "75", "100", "3*7+8", "21", "29", "-5", "2.5", "1,000", "3*7=21", "print(", "abc", "9" * 50),
)


def read(data: bytes) -> None:
    """Read one text in every way there is."""
    puzzle = PUZZLES[data[0] % len(PUZZLES)] if data else PUZZLES[0]
    text = "".join(PIECES[byte % len(PIECES)] for byte in data[1:])
    result = grade(puzzle, text)
    assert (result.verdict is Verdict.CORRECT) <= (result.value == puzzle.target)
    for attempt in find_attempts(puzzle, text, partial=True):
        assert 0 <= attempt.start < attempt.end <= len(text)
        assert Pattern.of(attempt.expression) == attempt.pattern
        assert parse(attempt.expression.text) == attempt.expression
        assert arranged(attempt.expression).value == attempt.value
        if attempt.pattern.size == len(puzzle.numbers):
            assert attempt.expression.uses(puzzle.numbers)
    with contextlib.suppress(ParseError):
        parse(text)


if __name__ == "__main__":
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()
