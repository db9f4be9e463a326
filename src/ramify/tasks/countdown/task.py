"""Countdown: write an expression that uses each of n numbers once and equals the target."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from random import Random
from typing import Any, ClassVar, Self

import polars as pl

from ramify.algebra.arrangement import arranged
from ramify.algebra.drawing import Tree, tree_of
from ramify.algebra.parser import parse
from ramify.algebra.pattern import Pattern
from ramify.algebra.structure import parts, skills, structure
from ramify.progress import ProgressCallback
from ramify.records import Attempt, Grade
from ramify.tasks.base import Split
from ramify.tasks.countdown import sets
from ramify.tasks.countdown.attempts import find_attempts
from ramify.tasks.countdown.catalog import patterns
from ramify.tasks.countdown.demonstration import demonstrate, mistake
from ramify.tasks.countdown.families import twins
from ramify.tasks.countdown.grading import GRADER_VERSION, grade
from ramify.tasks.countdown.prompts import WORDS
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.settings import CountdownSettings
from ramify.tasks.countdown.solver import witness
from ramify.tasks.countdown.splits import PROMISES, is_of_known_skills


class CountdownConfig(CountdownSettings):
    """The task of Park, Kaur and Arora (2025), with its settings.

    >>> task = CountdownConfig()
    >>> puzzle = Puzzle((3, 7, 8), 29, Pattern.parse("A*B+C"))
    >>> task.prompt.to_model_input(puzzle), task.grade(puzzle, "<answer>3*7+8</answer>").verdict.value
    ('29:A3B7C8>', 'correct')
    """

    PUZZLE_COLUMNS: ClassVar[Mapping[str, Any]] = {"numbers": pl.List(pl.Int32), "target": pl.Int32}
    GRADER_VERSION: ClassVar[str] = GRADER_VERSION
    # Up to n = 4, balanced and left-heavy patterns of one n never have equal depth.
    STRATA: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "right-heavy": ("n", "depth", "subtractions", "divisions"),
        "balanced": ("n", "subtractions", "divisions"),
    }
    MATCHED_BY: ClassVar[tuple[str, ...]] = ("n", "depth", "lookahead", "inverses")
    # Units of the log-odds: one level of depth, a doubling of the number of solutions or of the largest intermediate
    # value; shape classes against left-heavy at equal depth, lookahead and n. Balanced precedes depth, since it
    # determines depth for n = 3 and 4.
    TERMS: ClassVar[Mapping[str, pl.Expr]] = {
        "n": pl.col("n"),
        "balanced": pl.col("shape_class") == "balanced",
        "depth": pl.col("depth"),
        "lookahead": pl.col("lookahead"),
        "right-heavy": pl.col("shape_class") == "right-heavy",
        "divisions": pl.col("divisions"),
        "log2 multiplicity": pl.col("multiplicity").log(2),
        "fractional": pl.col("fractional"),
        "log2 largest": pl.col("largest").clip(1).log(2),
    }
    INDICATORS: ClassVar[tuple[str, ...]] = ("balanced", "right-heavy", "fractional")
    STRUCTURE: ClassVar[frozenset[str]] = frozenset(
        {"shape_class", "split", "depth", "min_depth", "lookahead", "alternation"}
        | {"inverses", "subtractions", "divisions"}
    )
    GROUPINGS: ClassVar[tuple[str, ...]] = (
        "function_class",
        "n,shape_class",
        "n,split",
        "n,depth",
        "n,lookahead",
        "n,forced",
        "n,known",
        "n,forced,shape_class",
        "n,depth,inverses,shape_class",
    )
    PROMISES: ClassVar[Mapping[str, str]] = PROMISES
    INTRODUCTION: ClassVar[str] = (
        "Countdown puzzles: use every number once, with + − × ÷, and reach the target (3, 7, 8 → 29: 3 × 7 + 8). A "
        "solution is an expression tree; its pattern is the tree without the numbers, and n is how many numbers it has."
    )
    LABELS: ClassVar[Mapping[str, str]] = {
        "subtractions": "number of subtractions",
        "divisions": "number of divisions",
        "inverses": "number of subtractions and divisions",
        "log2 multiplicity": "number of solutions, doubled",
        "log2 largest": "largest value, doubled",
        "fractional": "a fraction as a value",
    }

    @classmethod
    def of_saved(cls, settings: Mapping[str, Any]) -> Self:
        """Validate saved settings; an import saves answer tags without a template."""
        prompt = settings.get("prompt")
        if isinstance(prompt, Mapping) and "template" not in prompt:
            settings = {**settings, "prompt": {"template": WORDS, **prompt}}
        return super().of_saved(settings)

    def draw(self, report: ProgressCallback) -> Split:
        """Draw every set with its certificate."""
        drawn, certificate = sets.make_puzzles(self, partial(report, "patterns to draw from"))
        return Split(drawn, certificate.to_dict())

    def asked(self) -> dict[str, dict[int, int]]:
        """Requested puzzles by set and n, without sizes whose patterns are all held out, or none."""
        return sets.puzzles_asked(self)

    def trained_patterns(self) -> list[str]:
        """The patterns of training puzzles."""
        return [pattern.text for pattern in sets.trained_patterns(self)]

    def limited(self, most: int) -> Self:
        """The task with at most `most` puzzles per set and size, over all patterns."""
        return super().limited(most).model_copy(update={"per_pattern": False})

    def supply(self, name: str, n: int) -> int | None:
        """The approximate number of available puzzles of a set and size; None if it is no limit."""
        return sets.supply(self, name, n)

    def available(self, name: str, n: int) -> int:
        """The number of source patterns of a set and size."""
        return len(sets.source_patterns(self, name, n, self.rules()))

    def row(self, puzzle: Puzzle) -> dict[str, Any]:
        """The numbers, in the order of the prompt, and the target."""
        return {"numbers": list(puzzle.numbers), "target": puzzle.target}

    def puzzle(self, row: Mapping[str, Any]) -> Puzzle:
        """The puzzle of a row."""
        return Puzzle(tuple(row["numbers"]), row["target"], row["pattern"] and Pattern.parse(row["pattern"]))

    def describe(self, row: Mapping[str, Any]) -> str:
        """Numbers and target.

        >>> CountdownConfig().describe({"numbers": [3, 7, 8], "target": 29})
        '3, 7, 8 → 29'
        """
        return f"{', '.join(map(str, row['numbers']))} → {row['target']}"

    def grade(self, puzzle: Puzzle, text: str, truncated: bool = False) -> Grade:
        """Grade a completion; see `ramify.grade`."""
        return grade(puzzle, text, truncated, self.prompt.answer_tags)

    def find_attempts(self, puzzle: Puzzle, text: str, truncated: bool = False) -> list[Attempt]:
        """Find expressions that use each number once; see `ramify.find_attempts`."""
        return find_attempts(puzzle, text, tags=self.prompt.answer_tags, truncated=truncated)

    def demonstrate(self, puzzle: Puzzle) -> str:
        """A correct completion by the source pattern of a puzzle, else by the first solving pattern."""
        return demonstrate(puzzle, self.prompt)

    def mistake(self, puzzle: Puzzle, random: Random) -> str:
        """A wrong completion: an expression of the numbers that misses the target."""
        return mistake(puzzle, self.prompt, random)

    def same_answer(self, answer: str) -> str:
        """A canonical text for expressions that are equal up to commutativity and associativity.

        >>> task = CountdownConfig()
        >>> task.same_answer("8+7*3") == task.same_answer("3*7+8"), task.same_answer("-(2*9)")
        (True, '-(2*9)')
        """
        return _same_answer(answer)

    def structure(self, pattern: str) -> dict[str, Any]:
        """The structural features of a pattern, and its numbers of subtractions and divisions.

        >>> CountdownConfig().structure("B*A-C")["pattern"]
        'A*B-C'
        """
        return dict(_structure(pattern))

    def parts(self, pattern: str) -> tuple[str, ...]:
        """The immediate non-leaf children of the binary tree."""
        return tuple(part.text for part in parts(Pattern.parse(pattern)))

    def sub_patterns(self, pattern: str) -> frozenset[str]:
        """The skills of a pattern without leaves and itself.

        >>> sorted(CountdownConfig().sub_patterns("A+B-C"))
        ['A+B', 'A-B']
        """
        whole = Pattern.parse(pattern)
        return frozenset(skill.text for skill in skills(whole) if skill.size > 1) - {whole.text}

    def twins(self, pattern: str) -> frozenset[str]:
        """The other patterns that are the same function."""
        return frozenset(twin.text for twin in twins(Pattern.parse(pattern)))

    def patterns(self, n: int) -> list[str]:
        """All patterns of a size, in the order of the catalog."""
        return [pattern.text for pattern in patterns(n)]

    def tree(self, pattern: str) -> Tree:
        """The binary tree; see `drawing.tree_of`."""
        return tree_of(Pattern.parse(pattern))

    def attributes(self, puzzles: pl.DataFrame, trained: Sequence[str]) -> pl.DataFrame:
        """The puzzles with subtractions, divisions, inverses (both together), function_class (the first of the source
        pattern and its twins), known (whether all proper skills of three leaves or more were trained; null without
        training puzzles); and of one solution by the source pattern: fractional (whether an intermediate value is no
        integer) and largest (the largest intermediate value, absolutely; the target if n = 2).

        shape_class is "mixed" where a twin has another one: such a pattern cannot stand for either class.
        """
        seen = {Pattern.parse(text) for text in trained}
        rows = []
        for text in puzzles["pattern"].drop_nulls().unique(maintain_order=True):
            pattern = Pattern.parse(text)
            _, minus, _, over = structure(pattern).operators
            same = min({pattern, *twins(pattern)}, key=patterns(pattern.size).index)
            known = is_of_known_skills(pattern, seen) if seen else None
            shapes = {structure(one).shape_class for one in (pattern, *twins(pattern))}
            kind = "mixed" if len(shapes) > 1 else shapes.pop()
            rows.append((text, kind, minus, over, minus + over, same.text, known))
        schema = {
            "pattern": pl.String,
            "shape_class": pl.String,
            "subtractions": pl.Int32,
            "divisions": pl.Int32,
            "inverses": pl.Int32,
            "function_class": pl.String,
        }
        by_pattern = pl.DataFrame(rows, schema={**schema, "known": pl.Boolean}, orient="row")
        solved = [_intermediates(*row) for row in puzzles.select("numbers", "target", "pattern").iter_rows()]
        by_puzzle = pl.DataFrame(solved, schema={"fractional": pl.Boolean, "largest": pl.Float64}, orient="row")
        kept = puzzles.drop("shape_class").join(by_pattern, on="pattern", how="left", maintain_order="left")
        return kept.hstack(by_puzzle)


@lru_cache(maxsize=1 << 16)
def _same_answer(answer: str) -> str:
    expression = parse(answer)
    return expression.text if expression.negated else arranged(expression).text


@lru_cache(maxsize=1 << 16)
def _structure(text: str) -> Mapping[str, Any]:
    pattern = Pattern.parse(text)
    found = structure(pattern)
    _, minus, _, over = found.operators
    named = ("shape_class", "split", "depth", "min_depth", "lookahead", "alternation")
    counted = {"subtractions": minus, "divisions": over, "inverses": minus + over}
    return {"n": pattern.size, "pattern": pattern.text, **{name: getattr(found, name) for name in named}, **counted}


def _intermediates(numbers: list[int], target: int, pattern: str | None) -> tuple[bool | None, float | None]:
    found = witness(numbers, target, Pattern.parse(pattern)) if pattern else None
    if found is None:
        return None, None
    values = found.intermediates()
    return any(value.denominator > 1 for value in values), float(max(map(abs, values), default=target))
