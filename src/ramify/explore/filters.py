"""What selects completions: the conditions of a search, as they stand in an address or on the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

import polars as pl

from ramify.errors import RunError
from ramify.records import Verdict

SORTS = ("", "tokens", "-tokens", "attempts", "-attempts", "verdict", "n", "-n")
"""Orders of completions; a minus sign puts the largest first, and "" is the order of the tables."""
FLAGS = ("hit", "miscalculated", "wrong", "greedy")
LONGEST = 300
"""The number of characters of a condition."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that a completion has to meet; empty ones do not count.

    Attributes:
        run, seed, set, step: the place of the completion.
        n, pattern, shape_class, depth: of its puzzle.
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
    n: int | None = None
    pattern: str = ""
    shape_class: str = ""
    depth: int | None = None
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
        Filters(run='', seed=None, set='', step=30, n=None, pattern='A-B', shape_class='', depth=None, puzzle='',
        verdict='', uses='', hit='', miscalculated='', wrong='', greedy='', text='', sort='')
        """
        found: dict[str, Any] = {}
        for one in fields(cls):
            value = values.get(one.name, "").strip()[:LONGEST]
            if not value:
                continue
            if one.default is None:
                if not value.isascii() or not value.isdigit() or len(value) > 9:
                    raise RunError(f"{one.name} = {value}: not a number")
                found[one.name] = int(value)
            else:
                found[one.name] = value
        _check("sort", found.get("sort", ""), SORTS)
        _check("verdict", found.get("verdict", ""), ("", *Verdict))
        for name in FLAGS:
            _check(name, found.get(name, ""), ("", "yes", "no"))
        return cls(**found)

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
        asked = ((self.run or run, run), (self.set or of, of))
        numbers = ((self.seed, seed), (self.step, step))
        return all(a == b for a, b in asked) and all(a is None or a == b for a, b in numbers)

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

    def of_puzzles(self) -> pl.Expr | None:
        """The conditions on the puzzle; None without any."""
        wanted = {"n": self.n, "pattern": self.pattern, "shape_class": self.shape_class, "depth": self.depth}
        wanted["puzzle_id"] = self.puzzle
        tests = [pl.col(name) == value for name, value in wanted.items() if value not in (None, "")]
        return pl.all_horizontal(tests) if tests else None

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


def _check(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise RunError(f"{name} = {value}: use one of {', '.join(each for each in allowed if each)}")
