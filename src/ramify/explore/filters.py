"""What selects completions: the conditions of a search, as they stand in an address or on the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

import polars as pl

from ramify.analysis.cells import grouping
from ramify.errors import RunError
from ramify.explore.query import number_of
from ramify.records import Verdict
from ramify.tasks.base import Task

SORTS = ("", "tokens", "-tokens", "attempts", "-attempts", "verdict", "n", "-n")
"""Orders of completions; a minus sign puts the largest first, and "" is the order of the tables."""
FLAGS = ("hit", "miscalculated", "wrong", "greedy")
PATTERNS = ("pattern", "solving", "uses")
_OF_PUZZLES = ("n", "pattern", "shape_class", "solving", "where", "puzzle")
LONGEST = 300
"""The number of characters of a condition."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that a completion has to meet; empty ones do not count.

    Attributes:
        run, seed, set, step: the place of the completion.
        since: with it, the step is any after it, up to `step` if that is given.
        n, pattern, shape_class: of its puzzle.
        solving: a pattern that solves its puzzle.
        where: a group of puzzles by other columns, such as "depth,divisions=3,1".
        puzzle: the id of its puzzle.
        verdict: of its answer.
        uses: a pattern that one of its attempts, or its answer, has.
        hit: yes or no, whether an attempt or the answer hits the target.
        miscalculated: yes or no, whether it states a wrong value.
        wrong: yes or no, whether its answer is not correct.
        greedy: yes or no, whether it is the completion at temperature 0.
        text: words in it, in this order; upper and lower case are the same.
        sort: one of `SORTS`.
    """

    run: str = ""
    seed: int | None = None
    set: str = ""
    step: int | None = None
    since: int | None = None
    n: int | None = None
    pattern: str = ""
    shape_class: str = ""
    solving: str = ""
    where: str = ""
    puzzle: str = ""
    verdict: str = ""
    uses: str = ""
    hit: str = ""
    miscalculated: str = ""
    wrong: str = ""
    greedy: str = ""
    text: str = ""
    sort: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Filters":
        """The filters of an address; names that are none are left out.

        Raises:
            RunError: a value is not one of its condition.

        >>> Filters.read({"pattern": "A-B", "step": "30", "page": "2"})
        Filters(run='', seed=None, set='', step=30, since=None, n=None, pattern='A-B', shape_class='', solving='',
        where='', puzzle='', verdict='', uses='', hit='', miscalculated='', wrong='', greedy='', text='', sort='')
        """
        found: dict[str, Any] = {}
        for one in fields(cls):
            value = values.get(one.name, "").strip()[:LONGEST]
            if not value:
                continue
            found[one.name] = number_of({one.name: value}, one.name) if one.default is None else value
        _check("sort", found.get("sort", ""), SORTS)
        _check("verdict", found.get("verdict", ""), ("", *Verdict))
        for name in FLAGS:
            _check(name, found.get(name, ""), ("", "yes", "no"))
        if "where" in found and not all(found["where"].partition("=")):
            raise RunError(f"where = {found['where']}: use COLUMN=VALUE")
        return cls(**found)

    def normal(self, task: Task) -> "Filters":
        """The filters with their patterns in the normal form of a task's tables.

        Raises:
            RunError: one is not a pattern of the task.

        >>> from ramify.tasks.registry import default_task
        >>> Filters(pattern="B*A-C", uses="z+(y+x)").normal(default_task()).query()
        'pattern=A%2AB-C&uses=A%2BB%2BC'
        """
        given = {name: value for name in PATTERNS if (value := getattr(self, name))}
        found: dict[str, Any] = {name: normal_form(task, value, name) for name, value in given.items()}
        return replace(self, **found)

    def query(self, **changed: Any) -> str:
        """The filters as the query of an address, with changes; None and "" leave a condition out.

        >>> Filters(step=30, pattern="A-B*C").query(wrong="yes", step=None)
        'pattern=A-B%2AC&wrong=yes'
        """
        values = {one.name: getattr(self, one.name) for one in fields(self)} | changed
        return urlencode({name: value for name, value in values.items() if value not in (None, "")})

    def holds(self, run: str, seed: int, of: str, step: int) -> bool:
        """Whether completions of a place are asked for; training completions only by their set."""
        if of == "train" and self.set != "train":
            return False
        if (self.run or run) != run or (self.set or of) != of or self.seed not in (None, seed):
            return False
        if self.since is None:
            return self.step in (None, step)
        return self.since < step and (self.step is None or step <= self.step)

    @property
    def need_attempts(self) -> bool:
        """Whether attempts have to be known."""
        return bool(self.hit or self.miscalculated or self.uses)

    @property
    def need_grades(self) -> bool:
        """Whether numbers of attempts have to be known."""
        return self.sort.removeprefix("-") == "attempts"

    @property
    def need_verdicts(self) -> bool:
        """Whether verdicts have to be known."""
        return bool(self.verdict or self.wrong) or self.sort == "verdict"

    @property
    def need_puzzles(self) -> bool:
        """Whether there are conditions on the puzzle."""
        return any(getattr(self, name) not in (None, "") for name in _OF_PUZZLES)

    def among(self, puzzles: pl.DataFrame) -> pl.DataFrame:
        """The puzzles, as of `Source.puzzles`, that meet the conditions on them.

        Raises:
            RunError: `where` names a column that puzzles are not grouped by.
        """
        wanted = {"n": self.n, "pattern": self.pattern, "shape_class": self.shape_class, "puzzle_id": self.puzzle}
        tests = [pl.col(name) == value for name, value in wanted.items() if value not in (None, "")]
        found = puzzles.filter(pl.lit(True), *tests)
        if self.solving:
            found = found.filter(pl.col("solving").list.contains(self.solving))
        if self.where:
            by, _, group = self.where.partition("=")
            groups = grouping(found, by)
            number = groups.names.index(group) if group in groups.names else -1
            found = found.filter(pl.Series(groups.codes) == number)
        return found

    def matching(self, grades: pl.LazyFrame, attempts: pl.LazyFrame, completions: pl.LazyFrame) -> pl.LazyFrame:
        """The rows of `grades` that meet the conditions on completions.

        Without `need_verdicts` they need no verdict, and without `need_attempts` the attempts may be empty.
        """
        keys = ["puzzle_id", "sample"]
        if self.verdict:
            grades = grades.filter(pl.col("verdict") == self.verdict)
        if self.wrong:
            grades = grades.filter((pl.col("verdict") != Verdict.CORRECT.value) == (self.wrong == "yes"))
        if self.greedy:
            grades = grades.filter((pl.col("sample") < 0) == (self.greedy == "yes"))
        for name, column in (("hit", "hits_target"), ("miscalculated", "miscalculated")):
            wanted = getattr(self, name)
            if wanted:
                there = attempts.filter(pl.col(column)).select(keys)
                grades = grades.join(there, on=keys, how="semi" if wanted == "yes" else "anti")
        if self.uses:
            grades = grades.join(attempts.filter(pl.col("pattern") == self.uses).select(keys), on=keys, how="semi")
        if self.text:
            has = pl.col("text").str.to_lowercase().str.contains(self.text.lower(), literal=True)
            grades = grades.join(completions.filter(has).select(keys), on=keys, how="semi")
        return grades


def normal_form(task: Task, pattern: str, name: str = "pattern") -> str:
    """A pattern in the normal form of a task's tables.

    Raises:
        RunError: it is not a pattern of the task.

    >>> from ramify.tasks.registry import default_task
    >>> normal_form(default_task(), "C*(B-A)")
    '(A-B)*C'
    """
    try:
        return str(task.structure(pattern[:LONGEST])["pattern"])
    except (ValueError, KeyError, RecursionError):
        raise RunError(f"{name} = {pattern[:80]}: not a pattern of this task") from None


def _check(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise RunError(f"{name} = {value}: use one of {', '.join(each for each in allowed if each)}")
