"""What ramify needs to know of a task, and nothing else: its puzzles, prompts, grades, attempts and structure.

A task is a settings class, that of the table `[task]`, with methods. A new one derives from `Task` and is named as an
entry point of the group `ramify.tasks`; docs/adding-a-task.md makes one. A puzzle is what a model is asked, whatever
the task, and a pattern is the structure of a solution: tasks pass patterns to the rest as texts.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import polars as pl
from pydantic import Field, field_validator

from ramify.config import MOST, Config, Seed
from ramify.progress import ProgressCallback
from ramify.records import Attempt, Grade, Item

EVALUATION_SETS = ("test", "length", "held_out", "skills")
"""Seen structure, longer puzzles, structure held out of training, and the parts that larger puzzles are made of."""
SETS = (*EVALUATION_SETS, "train")
SHAPE_CLASSES = ("balanced", "left-heavy", "right-heavy")
Schema = Mapping[str, Any]
"""Column to type."""
Counts = dict[int, int]
"""Numbers of puzzles by size."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A puzzle with its solutions.

    Attributes:
        solving: the patterns that solve it, the same ones in the same order each time.
        forced: whether the source pattern (with those that cannot be told apart from it) is the only one.
        multiplicity: number of solutions.
    """

    puzzle: Any
    solving: tuple[Any, ...]
    forced: bool
    multiplicity: int


class Split(NamedTuple):
    """The sets by name, and their certificate: plain data with `is_clean`, `puzzles` by set, and counts of faults."""

    sets: dict[str, list[Tagged]]
    certificate: dict[str, Any]


class Prompt(Protocol):
    """How a puzzle is put to a model."""

    chat: bool
    answer_tags: tuple[str, str]

    def to_model_input(self, puzzle: Any) -> Any:
        """A text, or a list of messages."""


class Reward(Protocol):
    """What a completion is worth in training; `label` is the reward in words."""

    label: Any

    def score(self, grade: Grade) -> float:
        """The reward of a grade."""


Tree = str | tuple[str, tuple["Tree", ...]]
"""A leaf, or an operator with its operands, to be drawn."""


class Task(Config, ABC):
    """A task, with the settings that say which puzzles are made of it.

    Attributes:
        PUZZLE_COLUMNS: the columns that a puzzle is kept in, besides those that all tasks have.
        GRADER_VERSION: changes when a verdict or an attempt could change for the same text; tables are then made again.
        STRATA: for each shape class that is compared with left-heavy patterns, the columns that are held equal.
        MATCHED_BY: the columns in which held-out patterns and their controls are equal.
        TERMS: the terms of the model of success, as expressions over the columns of puzzles; a term that follows from
            those before it is left out.
        INDICATORS: those of them that are true or false.
        STRUCTURE: the columns that follow from the pattern, so that a group by one is a claim about structures.
        GROUPINGS: by which estimates are made, besides all, n and pattern.
        PROMISES: what the counts of a certificate count, in words.
        INTRODUCTION: the task in a sentence or two, for the report.
        LABELS: columns in words, where the name of a column is not enough.
        GIVEN: whether a puzzle names its pattern, so that there is nothing to choose.
    """

    kind: str
    seed: Seed = 1
    """The seed of the puzzles; runs with other training seeds keep the same puzzles."""
    puzzles: str = ""
    """A run, a folder, a file or a dataset on the hub whose puzzles are taken; none are drawn then, and the settings
    from here to `multiset_disjoint` say nothing."""
    train: Counts = Field({})
    """Puzzles to train on, by n, of patterns that are not held out."""
    test: Counts = Field({})
    """Puzzles of the trained sizes and patterns, disjoint from all training."""
    length: Counts = Field({})
    """Puzzles of sizes that are not trained."""
    held_out: Counts = Field({})
    """Puzzles of the held-out patterns."""
    skills: Counts = Field({})
    """Puzzles of the small patterns that larger ones are made of; the composition gap needs them."""

    SIZES: ClassVar[tuple[int, int]] = (1, 16)
    PUZZLE_COLUMNS: ClassVar[Schema]
    GRADER_VERSION: ClassVar[str] = "1"
    STRATA: ClassVar[Mapping[str, tuple[str, ...]]] = {"right-heavy": ("n", "depth"), "balanced": ("n",)}
    MATCHED_BY: ClassVar[tuple[str, ...]] = ("n", "depth")
    TERMS: ClassVar[Mapping[str, pl.Expr]] = {
        "n": pl.col("n"),
        "balanced": pl.col("shape_class") == "balanced",
        "depth": pl.col("depth"),
        "right-heavy": pl.col("shape_class") == "right-heavy",
    }
    INDICATORS: ClassVar[tuple[str, ...]] = ("balanced", "right-heavy")
    STRUCTURE: ClassVar[frozenset[str]] = frozenset({"shape_class", "split", "depth", "lookahead"})
    GROUPINGS: ClassVar[tuple[str, ...]] = ("n,shape_class", "n,depth")
    PROMISES: ClassVar[Mapping[str, str]] = {"shared": "puzzles shared between training and evaluation"}
    INTRODUCTION: ClassVar[str] = ""
    LABELS: ClassVar[Mapping[str, str]] = {}
    GIVEN: ClassVar[bool] = False

    @field_validator(*SETS)
    @classmethod
    def _counts(cls, counts: Counts, info: Any) -> Counts:
        for size, count in counts.items():
            if not cls.SIZES[0] <= size <= cls.SIZES[1]:
                raise ValueError(f"task.{info.field_name}.{size}: n is {cls.SIZES[0]} to {cls.SIZES[1]}")
            if count < 0:
                raise ValueError(f"task.{info.field_name}.{size} = {count}: a count cannot be negative")
            if count > MOST:
                raise ValueError(f"task.{info.field_name}.{size} = {count}: the most puzzles are {MOST:,}")
        return counts

    # Puzzles.

    @abstractmethod
    def draw(self, report: ProgressCallback) -> Split:
        """Make every set of `SETS` and its certificate. Same settings, same puzzles."""

    def asked(self) -> dict[str, Counts]:
        """How many puzzles each set is to have, by n."""
        return {name: {n: count for n, count in getattr(self, name).items() if count} for name in SETS}

    @abstractmethod
    def trained_patterns(self) -> list[str]:
        """The patterns that training puzzles can be drawn from."""

    def available(self, name: str, n: int) -> int | None:
        """How many patterns a set and size is drawn from; None where that is not known beforehand."""
        return None

    def supply(self, name: str, n: int) -> int | None:
        """About how many puzzles a set and size can have, spread evenly over patterns; None where they are plenty."""
        return None

    @abstractmethod
    def row(self, puzzle: Any) -> dict[str, Any]:
        """The values of `PUZZLE_COLUMNS`."""

    @abstractmethod
    def puzzle(self, row: Mapping[str, Any]) -> Item:
        """The puzzle of a row with `PUZZLE_COLUMNS`, n and pattern."""

    @abstractmethod
    def describe(self, row: Mapping[str, Any]) -> str:
        """A puzzle in one line, of its row."""

    # Texts.

    prompt: Any
    reward: Any

    @abstractmethod
    def grade(self, puzzle: Any, text: str, truncated: bool = False) -> Grade:
        """The verdict on a completion; never raises, in linear time."""

    @abstractmethod
    def find_attempts(self, puzzle: Any, text: str, truncated: bool = False) -> list[Attempt]:
        """The attempts in a completion, the answer among them; never raises, in linear time."""

    @abstractmethod
    def demonstrate(self, puzzle: Any) -> str:
        """A right completion, by the source pattern where there is one."""

    @abstractmethod
    def mistake(self, puzzle: Any, random: Random) -> str:
        """A wrong completion with an attempt in it, as the model of a test writes it."""

    def same_answer(self, answer: str) -> str:
        """One text for all answers that are equal; an answer is the text of an attempt's expression."""
        return answer

    # Structure.

    @abstractmethod
    def structure(self, pattern: str) -> Mapping[str, Any]:
        """What follows from a pattern.

        Returns:
            n, pattern (its text), shape_class (balanced, left-heavy, right-heavy or none), split, depth, lookahead, and
            what else `STRUCTURE` names.
        """

    def parts(self, pattern: str) -> tuple[str, ...]:
        """The patterns that are put together last, leaves left out; those of skills have puzzles of their own."""
        return ()

    def twins(self, pattern: str) -> frozenset[str]:
        """Other patterns that cannot be told apart from it by any puzzle."""
        return frozenset()

    def patterns(self, n: int) -> Sequence[str] | None:
        """All patterns of a size in a stable order; None where they are not listed."""
        return None

    @abstractmethod
    def tree(self, pattern: str) -> Tree:
        """A pattern to be drawn."""

    def attributes(self, puzzles: pl.DataFrame, trained: Sequence[str]) -> pl.DataFrame:
        """The puzzles with the columns of `STRUCTURE` that their table does not have, and what else a task adds.

        Args:
            puzzles: with the columns of `puzzle_schema`.
            trained: the source patterns of the training puzzles.
        """
        more = sorted(self.STRUCTURE - {*puzzles.columns})
        texts = puzzles["pattern"].drop_nulls().unique(maintain_order=True).to_list()
        if not more or not texts:
            return puzzles
        rows = [{"pattern": text, **{name: self.structure(text)[name] for name in more}} for text in texts]
        return puzzles.join(
            pl.DataFrame(rows, infer_schema_length=None), on="pattern", how="left", maintain_order="left"
        )

    # What follows from these.

    def scaled(self, part: Callable[[int], int]) -> Self:
        """The same task with other numbers of puzzles."""
        return self.model_copy(
            update={name: {n: part(count) for n, count in getattr(self, name).items()} for name in SETS}
        )

    def limited(self, most: int) -> Self:
        """The same task with at most so many puzzles of a set and size."""
        return self.scaled(lambda count: min(count, most))

    @classmethod
    def puzzle_schema(cls) -> dict[str, Any]:
        """The columns of a table of puzzles."""
        return {
            "puzzle_id": pl.String,
            **cls.PUZZLE_COLUMNS,
            "n": pl.Int32,
            "pattern": pl.String,  # null: no source pattern; so are the four below
            "shape_class": pl.String,
            "split": pl.String,
            "depth": pl.Int32,
            "lookahead": pl.Int32,
            "forced": pl.Boolean,
            "solving": pl.List(pl.String),
            "multiplicity": pl.Int32,
        }

    def frame(self, tagged: Iterable[Tagged]) -> pl.DataFrame:
        """Puzzles as a table, one row a puzzle, columns as in `puzzle_schema`."""
        rows = []
        for entry in tagged:
            puzzle = entry.puzzle
            text = None if puzzle.pattern is None else puzzle.pattern.text
            shape = {} if text is None else self.structure(text)
            rows.append(
                {
                    "puzzle_id": puzzle.id,
                    **self.row(puzzle),
                    "n": puzzle.size,
                    "pattern": text,
                    **{name: shape.get(name) for name in ("shape_class", "split", "depth", "lookahead")},
                    "forced": entry.forced,
                    "solving": [pattern.text for pattern in entry.solving],
                    "multiplicity": entry.multiplicity,
                }
            )
        return pl.DataFrame(rows, schema=self.puzzle_schema())

    def puzzles_in(self, frame: pl.DataFrame) -> list[Any]:
        """The puzzles of a table, in its order."""
        columns = [*self.PUZZLE_COLUMNS, "n", "pattern"]
        return [self.puzzle(row) for row in frame.select(columns).iter_rows(named=True)]
