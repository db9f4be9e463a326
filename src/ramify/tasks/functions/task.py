"""Composed functions: given a program, say its value."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Any, ClassVar

import polars as pl

from ramify.algebra.drawing import Tree
from ramify.progress import ProgressCallback
from ramify.records import Attempt, Grade
from ramify.tasks.base import Split
from ramify.tasks.functions import sets
from ramify.tasks.functions.attempts import find_attempts
from ramify.tasks.functions.counting import count_patterns
from ramify.tasks.functions.demonstration import demonstrate, mistake
from ramify.tasks.functions.grading import GRADER_VERSION, grade
from ramify.tasks.functions.language import Program
from ramify.tasks.functions.puzzle import ProgramPuzzle
from ramify.tasks.functions.settings import FunctionsSettings
from ramify.tasks.functions.structure import parts, structure

LISTED = 1000
"""Patterns of a depth that are listed."""


class FunctionsConfig(FunctionsSettings):
    """The task of composed functions, with its settings; n is the depth of a program.

    >>> task = FunctionsConfig()
    >>> puzzle = ProgramPuzzle(Program.parse("zip(rev(401),73)"))
    >>> task.prompt.to_model_input(puzzle), task.grade(puzzle, "<answer>83</answer>").verdict.value
    ('zip(rev(401),73)>', 'correct')
    """

    PUZZLE_COLUMNS: ClassVar[Mapping[str, Any]] = {"program": pl.String, "value": pl.String}
    GRADER_VERSION: ClassVar[str] = GRADER_VERSION
    STRATA: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "right-heavy": ("n", "leaves", "functions"),
        "balanced": ("n", "leaves", "functions"),
    }
    MATCHED_BY: ClassVar[tuple[str, ...]] = ("n", "leaves", "functions")
    TERMS: ClassVar[Mapping[str, pl.Expr]] = {
        "n": pl.col("n"),
        "functions": pl.col("functions"),
        "leaves": pl.col("leaves"),
        "balanced": pl.col("shape_class") == "balanced",
        "right-heavy": pl.col("shape_class") == "right-heavy",
        "lookahead": pl.col("lookahead"),
    }
    STRUCTURE: ClassVar[frozenset[str]] = frozenset(
        {"shape_class", "split", "depth", "lookahead", "leaves", "functions"}
    )
    GROUPINGS: ClassVar[tuple[str, ...]] = ("n,shape_class", "n,leaves", "n,functions", "n,lookahead")
    PROMISES: ClassVar[Mapping[str, str]] = sets.PROMISES
    INTRODUCTION: ClassVar[str] = (
        "Composed functions: give the value of a program over strings of digits, such as zip(rev(401),73). The program "
        "is the tree of its solution; its pattern is the same with letters for the strings, and n is its depth."
    )
    LABELS: ClassVar[Mapping[str, str]] = {
        "leaves": "number of strings",
        "functions": "number of functions",
        "execution": "execution accuracy",
    }
    GIVEN: ClassVar[bool] = True

    def draw(self, report: ProgressCallback) -> Split:
        """Every set and its certificate."""
        return sets.make_sets(self, report)

    def asked(self) -> dict[str, dict[int, int]]:
        """How many programs each set is to have, by depth."""
        return sets.asked(self)

    def trained_patterns(self) -> list[str]:
        """The patterns of the training programs."""
        return sets.trained_patterns(self)

    def available(self, name: str, n: int) -> int | None:
        """How many patterns a set and depth is drawn from, by the recurrence; None where held-out ones are apart."""
        if name not in ("length", "skills") and (self.hold_out or self.hold_out_shapes):
            return None
        return sum(count_patterns(n, self.leaves, self.functions).values())

    def row(self, puzzle: ProgramPuzzle) -> dict[str, Any]:
        """The program and its value."""
        return {"program": puzzle.id, "value": puzzle.target}

    def puzzle(self, row: Mapping[str, Any]) -> ProgramPuzzle:
        """The puzzle of a row."""
        return ProgramPuzzle(Program.parse(row["program"]))

    def describe(self, row: Mapping[str, Any]) -> str:
        """The program and its value.

        >>> FunctionsConfig().describe({"program": "rev(401)", "value": "104"})
        'rev(401) → 104'
        """
        return f"{row['program']} → {row['value']}"

    def grade(self, puzzle: ProgramPuzzle, text: str, truncated: bool = False) -> Grade:
        """The verdict: whether the answer is the value of the program."""
        return grade(puzzle, text, truncated, self.prompt.answer_tags)

    def find_attempts(self, puzzle: ProgramPuzzle, text: str, truncated: bool = False) -> list[Attempt]:
        """The trees that are executed, and the answer."""
        return find_attempts(puzzle, text, truncated, self.prompt.answer_tags)

    def demonstrate(self, puzzle: ProgramPuzzle) -> str:
        """A right completion: every step of the program, inner before outer."""
        return demonstrate(puzzle.program, self.prompt)

    def mistake(self, puzzle: ProgramPuzzle, random: Random) -> str:
        """A wrong completion: the steps of the program, one of them miscalculated."""
        return mistake(puzzle.program, self.prompt, random)

    def structure(self, pattern: str) -> dict[str, Any]:
        """Depth (which is n), shape class, split, lookahead, and numbers of strings and functions.

        >>> FunctionsConfig().structure("zip( B, rev(A) )")["pattern"]
        'zip(A,rev(B))'
        """
        return dict(_structure(pattern))

    def parts(self, pattern: str) -> tuple[str, ...]:
        """The outermost function alone, and its operands that are calls."""
        return tuple(part.text for part in parts(Program.parse(pattern)))

    def patterns(self, n: int) -> list[str] | None:
        """All patterns of a depth in the order of their numbers, where they are few; else None."""
        return sets.listed_patterns(self, n, LISTED)

    def tree(self, pattern: str) -> Tree:
        """The calls as a tree.

        >>> FunctionsConfig().tree("zip(rev(A),B)")
        ('zip', (('rev', ('A',)), 'B'))
        """
        return Program.parse(pattern).fold(_leaf, _node)


def _leaf(letter: str) -> Tree:
    return letter


def _node(name: str, operands: Sequence[Tree]) -> Tree:
    return name, tuple(operands)


@lru_cache(maxsize=1 << 16)
def _structure(text: str) -> Mapping[str, Any]:
    program = Program.parse(text)
    found = structure(program)
    return {"n": found.depth, "pattern": program.pattern.text, **found._asdict()}
