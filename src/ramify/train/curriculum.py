"""The schedule of training puzzles, a function of the seed and of shares by group."""

from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field, field_validator

from ramify.config import MOST, Config
from ramify.errors import ConfigError

Shares = dict[str, Annotated[float, Field(ge=0, le=1e9)]]
"""Weights of groups."""


class CurriculumConfig(Config):
    """Shares of the training puzzles by group, initially and from later steps on.

    By default all puzzles are equally likely.
    """

    by: Literal["n", "pattern", "shape_class", "lookahead", "depth"] = "n"
    """The column that defines the groups."""
    shares: Shares = Field({})
    """Group = weight, such as {right-heavy = 2, left-heavy = 1}; other groups get no puzzle."""
    later: dict[int, Shares] = Field({})
    """Shares from later steps on, such as {20 = {3 = 1, 4 = 3}}."""
    by_success: bool = False
    """Whether groups with a success near one half get more weight, by the success measured so far (success.py)."""

    @field_validator("shares", "later")
    @classmethod
    def _positive(cls, given: dict[Any, Any]) -> dict[Any, Any]:
        for shares in given.values() if any(isinstance(value, dict) for value in given.values()) else [given]:
            if shares and max(shares.values()) < 1e-9:
                raise ValueError("one weight must be above 0")
        return given

    @field_validator("later")
    @classmethod
    def _steps(cls, later: dict[int, Shares]) -> dict[int, Shares]:
        if later and not 1 <= min(later) <= max(later) <= MOST:
            raise ValueError(f"steps count from 1, to {MOST}")
        return later

    def at(self, step: int) -> Shares:
        """The shares at a step, counted from 1.

        >>> CurriculumConfig(shares={"3": 1}, later={10: {"4": 1}}).at(10)
        {'4': 1.0}
        """
        begun = [start for start in self.later if start <= step]
        return self.later[max(begun)] if begun else self.shares


def schedule(puzzles: pl.DataFrame, config: CurriculumConfig, steps: int, per_step: int, seed: int) -> list[int]:
    """The rows of the puzzle table for each step in turn: `steps * per_step` of them.

    Within a group, every puzzle occurs once per pass, in a new random order each pass.

    Args:
        puzzles: a table with the column `config.by`.

    Raises:
        ConfigError: a group with a share has no puzzle.

    >>> table = pl.DataFrame({"n": [3, 3, 4]})
    >>> schedule(table, CurriculumConfig(shares={"3": 1}, later={3: {"4": 1}}), 4, 2, seed=1)
    [1, 0, 1, 0, 2, 2, 2, 2]
    """
    random = Random(f"{seed}/schedule")
    members = check_groups(puzzles, config)
    everything = in_turn(list(range(len(puzzles))), random)
    turns = {group: in_turn(rows, random) for group, rows in members.items()}
    found: list[int] = []
    for step in range(1, steps + 1):
        shares = config.at(step)
        if shares:
            drawn = [next(turns[group]) for group in apportion(shares, per_step, random)]
            random.shuffle(drawn)
            found += drawn
        else:
            found += [next(everything) for _ in range(per_step)]
    return found


def check_groups(puzzles: pl.DataFrame, config: CurriculumConfig) -> dict[str | None, list[int]]:
    """The rows of each group.

    Raises:
        ConfigError: a group with a share has no row.
    """
    members: dict[str | None, list[int]] = {}
    for row, group in enumerate(puzzles[config.by].cast(pl.String)):
        members.setdefault(group, []).append(row)
    for shares in [config.shares, *config.later.values()]:
        for group in shares:
            if group not in members:
                known = ", ".join(sorted(map(str, members)))
                raise ConfigError(
                    f"train.curriculum: no training puzzle has {config.by} = {group}; the groups are {known}"
                )
    return members


def check_patterns(trained: Iterable[Mapping[str, Any]], config: CurriculumConfig) -> None:
    """Check the shares against the structure of the available patterns, before puzzles are drawn.

    Raises:
        ConfigError: a group with a share has none of the patterns.
    """
    check_groups(pl.DataFrame({config.by: [str(each[config.by]) for each in trained]}), config)


def in_turn(rows: list[int], random: Random) -> Iterator[int]:
    """Yield rows forever: every row once per pass, in a new random order each pass."""
    while True:
        random.shuffle(rows)
        yield from tuple(rows)


def apportion(shares: Shares, count: int, random: Random) -> list[str]:
    """Divide a count among groups by their shares; remainders are drawn at random in proportion."""
    total = sum(shares.values())
    exact = {group: count * weight / total for group, weight in shares.items()}
    chosen = [group for group, number in exact.items() for _ in range(int(number))]
    rest = [number - int(number) for number in exact.values()]
    missing = count - len(chosen)
    return chosen + (random.choices(list(exact), rest, k=missing) if missing else [])
