"""The interface of a task: its puzzles, prompts, grades, attempts and structure.

A task is a settings class, that of the table `[task]`, with methods. A new task derives from `Task` and is registered
as an entry point of the group `ramify.tasks`; docs/adding-a-task.md has an example. A puzzle is one item of any task,
and a pattern is the structure of a solution, which other packages handle as text.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import polars as pl
from pydantic import Field, field_validator

from ramify.algebra.drawing import Tree as Tree  # as part of the interface
from ramify.config import MOST, Config, Seed
from ramify.progress import ProgressCallback
from ramify.records import Attempt, Grade, Item

EVALUATION_SETS = ("test", "length", "held_out", "skills")
"""Sets of seen structure, longer puzzles, held-out structure, and the parts of larger puzzles."""
SETS = (*EVALUATION_SETS, "train")
SHAPE_CLASSES = ("balanced", "left-heavy", "right-heavy")
Schema = Mapping[str, Any]
"""Column types by name."""
Counts = dict[int, int]
"""Numbers of puzzles by size."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A puzzle with its solving patterns.

    Attributes:
        solving: the solving patterns, in a stable order.
        forced: whether the puzzle is uniquely solvable: by its source pattern (and its twins) alone.
        multiplicity: number of solutions.
    """

    puzzle: Any
    solving: tuple[Any, ...]
    forced: bool
    multiplicity: int


class Split(NamedTuple):
    """Puzzle sets by name, and their certificate: `is_clean`, `puzzles` by set, and counts of faults."""

    sets: dict[str, list[Tagged]]
    certificate: dict[str, Any]


class Prompt(Protocol):
    """The presentation of a puzzle to a model."""

    chat: bool
    answer_tags: tuple[str, str]

    def to_model_input(self, puzzle: Any) -> Any:
        """The prompt of a puzzle: a text, or a list of messages."""


class Reward(Protocol):
    """A reward function; `label` describes it in words."""

    label: Any

    def score(self, grade: Grade) -> float:
        """The reward of a grade."""


class Task(Config, ABC):
    """The base class of tasks: the settings of the puzzle sets, and the methods of the task.

    Attributes:
        PUZZLE_COLUMNS: columns of a puzzle besides those of all tasks.
        GRADER_VERSION: increased when the verdict or attempts of a text could change; tables are then rebuilt.
        STRATA: for each shape class compared with left-heavy patterns, the columns to match.
        MATCHED_BY: columns that match held-out patterns and their controls.
        TERMS: terms of the logistic model of success, as expressions over the columns of puzzles; a term that is a
            linear combination of earlier ones is dropped.
        INDICATORS: the binary terms.
        STRUCTURE: columns derived from the pattern; groups by them support claims about new patterns.
        GROUPINGS: groupings of estimates besides all, n and pattern.
        PROMISES: descriptions of the counts in a certificate.
        INTRODUCTION: the task in one or two sentences, for the report.
        LABELS: names of columns, terms and metrics for readers, where they differ.
        GIVEN: whether a puzzle states its pattern, so that patterns are not chosen.
        CHARTED: groupings of which the report has a figure of success.
        ANSWER: the form of an answer that is not between tags, for messages.
        UNKNOWN: metrics that cannot be measured on the completions of this task; the table leaves them out.
    """

    kind: str
    seed: Seed = 1
    """The seed of the puzzles, independent of the training seeds."""
    puzzles: str = ""
    """A run, folder, file or hub dataset with existing puzzles; the settings from here to `multiset_disjoint` then have
    no effect."""
    train: Counts = Field({})
    """Training puzzles by n, of patterns that are not held out."""
    test: Counts = Field({})
    """Puzzles of trained sizes and patterns, disjoint from training."""
    length: Counts = Field({})
    """Puzzles of untrained sizes."""
    held_out: Counts = Field({})
    """Puzzles of the held-out patterns."""
    skills: Counts = Field({})
    """Puzzles of the parts of larger patterns, for the composition gap."""

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
    CHARTED: ClassVar[tuple[str, ...]] = ()
    ANSWER: ClassVar[str] = ""
    UNKNOWN: ClassVar[frozenset[str]] = frozenset()

    @field_validator(*SETS)
    @classmethod
    def _counts(cls, counts: Counts, info: Any) -> Counts:
        for size, count in counts.items():
            if not cls.SIZES[0] <= size <= cls.SIZES[1]:
                raise ValueError(f"task.{info.field_name}.{size}: n is {cls.SIZES[0]} to {cls.SIZES[1]}")
            if count < 0:
                raise ValueError(f"task.{info.field_name}.{size} = {count}: a count cannot be negative")
            if count > MOST:
                raise ValueError(f"task.{info.field_name}.{size} = {count}: the maximum is {MOST:,}")
        return counts

    # Puzzles.

    @abstractmethod
    def draw(self, report: ProgressCallback) -> Split:
        """Draw every set of `SETS` with its certificate; the same settings give the same puzzles."""

    def asked(self) -> dict[str, Counts]:
        """Requested numbers of puzzles by set and n."""
        return {name: {n: count for n, count in getattr(self, name).items() if count} for name in SETS}

    @abstractmethod
    def trained_patterns(self) -> list[str]:
        """The patterns of training puzzles."""

    def available(self, name: str, n: int) -> int | None:
        """The number of patterns of a set and size; None if unknown before drawing."""
        return None

    def supply(self, name: str, n: int) -> int | None:
        """The approximate number of available puzzles of a set and size, equally spread over patterns; None if it is no
        limit."""
        return None

    @abstractmethod
    def row(self, puzzle: Any) -> dict[str, Any]:
        """The values of `PUZZLE_COLUMNS`."""

    @abstractmethod
    def puzzle(self, row: Mapping[str, Any]) -> Item:
        """The puzzle of a row with `PUZZLE_COLUMNS`, n and pattern."""

    @abstractmethod
    def describe(self, row: Mapping[str, Any]) -> str:
        """A row of a puzzle as one line of text."""

    # Texts.

    prompt: Any
    reward: Any

    @abstractmethod
    def grade(self, puzzle: Any, text: str, truncated: bool = False) -> Grade:
        """Grade a completion; never raises, linear time."""

    @abstractmethod
    def find_attempts(self, puzzle: Any, text: str, truncated: bool = False) -> list[Attempt]:
        """Find the attempts in a completion, including the answer; never raises, linear time."""

    @abstractmethod
    def demonstrate(self, puzzle: Any) -> str:
        """A correct completion, by the source pattern if there is one."""

    @abstractmethod
    def mistake(self, puzzle: Any, random: Random) -> str:
        """A wrong completion with an attempt, for simulated models."""

    def same_answer(self, answer: str) -> str:
        """A canonical text that equal answers share; an answer is the text of an attempt's expression."""
        return answer

    # Structure.

    @abstractmethod
    def structure(self, pattern: str) -> Mapping[str, Any]:
        """Structural features of a pattern.

        Returns:
            n, pattern (in the normal form of the tables), shape_class (balanced, left-heavy, right-heavy or none),
            split, depth, lookahead, and what else `STRUCTURE` names.

        Raises:
            ValueError: not a pattern of the task; also KeyError or RecursionError.
        """

    def parts(self, pattern: str) -> tuple[str, ...]:
        """The non-leaf patterns combined at the root of a pattern; the set of skills has puzzles of them."""
        return ()

    def sub_patterns(self, pattern: str) -> frozenset[str]:
        """The non-leaf patterns within a pattern; by default its parts, their parts, and so on."""
        found: set[str] = set()
        waiting = [*self.parts(pattern)]
        while waiting:
            part = waiting.pop()
            if part not in found:
                found.add(part)
                waiting += self.parts(part)
        return frozenset(found)

    def twins(self, pattern: str) -> frozenset[str]:
        """Other patterns that solve exactly the same puzzles."""
        return frozenset()

    def patterns(self, n: int) -> Sequence[str] | None:
        """All patterns of a size in a stable order; None if they are not listed."""
        return None

    @abstractmethod
    def tree(self, pattern: str) -> Tree:
        """The tree of a pattern, for drawing."""

    def attributes(self, puzzles: pl.DataFrame, trained: Sequence[str]) -> pl.DataFrame:
        """The puzzles with the columns of `STRUCTURE` missing from their table, and further columns of the task.

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

    # Derived methods.

    def scaled(self, part: Callable[[int], int]) -> Self:
        """The task with numbers of puzzles scaled."""
        return self.model_copy(
            update={name: {n: part(count) for n, count in getattr(self, name).items()} for name in SETS}
        )

    def limited(self, most: int) -> Self:
        """The task with at most `most` puzzles per set and size."""
        return self.scaled(lambda count: min(count, most))

    @classmethod
    def puzzle_schema(cls) -> dict[str, Any]:
        """The columns of a table of puzzles."""
        return {
            "puzzle_id": pl.String,
            **cls.PUZZLE_COLUMNS,
            "n": pl.Int32,
            "pattern": pl.String,  # null without a source pattern, like the four columns below
            "shape_class": pl.String,
            "split": pl.String,
            "depth": pl.Int32,
            "lookahead": pl.Int32,
            "forced": pl.Boolean,
            "solving": pl.List(pl.String),
            "multiplicity": pl.Int32,
        }

    def frame(self, tagged: Iterable[Tagged]) -> pl.DataFrame:
        """Puzzles as a table, one per row, with the columns of `puzzle_schema`."""
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
        """The puzzles of a table, in order."""
        columns = [*self.PUZZLE_COLUMNS, "n", "pattern"]
        return [self.puzzle(row) for row in frame.select(columns).iter_rows(named=True)]
