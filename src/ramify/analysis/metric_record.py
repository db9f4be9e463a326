"""What is known of a metric: one frozen record, which the estimates, the comparison and the report read.

The records are listed in `metrics` and `derived_metrics`; those of other packages are found by `entry_points`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import Literal, NamedTuple, get_args

import polars as pl

Kind = Literal["trials", "share", "mean", "change", "step", "log-odds", "bits", "correlation"]
Pooling = Literal["crossed", "crossed only", "seed means", "one model"]
Place = Literal["changes", "compare", "terminal", "figure", "comparison"]

SHARE, CHANGE, POSITIVE, UNBOUNDED = (0.0, 1.0), (-1.0, 1.0), (0.0, inf), (-inf, inf)
"""Common bounds."""
COARSE = "coarse"
"""Stands for every grouping that is asked for and is not in `FINE`."""
FINE = ("pattern", "function_class")
"""Groupings with up to thousands of groups: each metric says which of them it is worth estimating by."""
GAIN = " gain"
"""What the name of a metric is followed by in the rows of its gain."""
_OF_CELLS = ("trials", "share", "mean")
_NUMBER = re.compile(r"\{[jkm]\}")


class Ratio(NamedTuple):
    """Σ numerator / Σ denominator over puzzles, as expressions over the columns of `ramify.frames.CELLS`.

    Attributes:
        numerator, denominator: null where a puzzle does not count.
        kind: that of the metric, which `Metric.ratio` puts in. It chooses the interval, see `estimators.ratios`.
    """

    numerator: pl.Expr
    denominator: pl.Expr
    kind: Kind = "share"


@dataclass(frozen=True)
class Metric:
    """A metric of the table of estimates.

    Attributes:
        name: as in the column `metric`. {k} stands for the number of samples a puzzle; {j} for 1, 2, 4 … k, each of
            which has rows of its own; {m} for another number.
        label: the heading of its figure.
        kind: "trials" where each puzzle is right or wrong once, "share" for another ratio between 0 and 1, "mean" for a
            ratio that may be above 1; these three choose the interval of a ratio of cells. Of the others: "change", a
            difference of shares; "step", a training step; "log-odds", "bits", "correlation".
        bounds: the least and the largest end that an interval is cut to.
        groupings: those it is estimated by; "coarse" for all that are asked for but "pattern" and "function_class".
        gain: the groupings by which its gain since the first checkpoint is estimated too.
        pooling: over seeds: "crossed", puzzles and seeds together where the seeds answered the same puzzles, else the
            mean over seeds; "crossed only", no mean stands in for it; "seed means"; "one model", fitted to all seeds.
        compute: gives the ratio for a number of samples; None where it is not a ratio of the sums of cells.
        shown: where. "changes": first and last checkpoint in the report; "compare": tests of `ramify compare`;
            "terminal": the story in the terminal; "figure": a figure of the report; "comparison": one of several runs.
        full_scale: whether its figure shows all of 0 to 1, rather than what the values need.
        shown_as: the name in reports and comparisons, where it differs from the column `metric`.

    Raises:
        ValueError: a field has a value that is not listed here.

    >>> tries = Metric("tries@{k}", "Tries a completion", "mean", (0, inf))
    >>> tries.named(4), tries.number("tries@16"), tries.number("tries"), tries.is_signed, tries.in_percent
    ('tries@4', 16, None, False, False)
    """

    name: str
    label: str
    kind: Kind
    bounds: tuple[float, float]
    groupings: tuple[str, ...] = (COARSE,)
    gain: tuple[str, ...] = ()
    pooling: Pooling = "crossed"
    compute: Callable[[int], Ratio] | None = None
    shown: tuple[Place, ...] = ()
    full_scale: bool = False
    shown_as: str = ""

    def __post_init__(self) -> None:
        for field in ("bounds", "groupings", "gain", "shown"):
            if not isinstance(getattr(self, field), tuple):
                raise ValueError(f"{field} of the metric {self.name!r} is {getattr(self, field)!r}, not a tuple")
        kinds = get_args(Kind) if self.compute is None else _OF_CELLS
        given: list[tuple[str, str, tuple[str, ...]]] = [
            ("kind", self.kind, kinds),
            ("pooling", self.pooling, get_args(Pooling)),
        ]
        given += [("shown", place, get_args(Place)) for place in self.shown]
        for field, value, allowed in given:
            if value not in allowed:
                raise ValueError(f"{field} of the metric {self.name!r} is {value!r}, not one of {', '.join(allowed)}")
        low, high = self.bounds
        if not low < high:
            raise ValueError(f"bounds of the metric {self.name!r} are {low} and {high}, not in order")

    @property
    def is_signed(self) -> bool:
        """Whether it may be below 0."""
        return self.bounds[0] < 0

    @property
    def in_percent(self) -> bool:
        """Whether it is shown as a percentage."""
        return self.kind in ("trials", "share", "change")

    @property
    def slug(self) -> str:
        """The name as part of a file's name, without the number.

        >>> metric = Metric("../a rate@{m}", "", "share", SHARE)
        >>> metric.slug
        'a-rate'
        """
        return re.sub(r"[^\w.-]+", "-", _NUMBER.sub("", self.name).rstrip("@")).strip(".-")

    def named(self, k: int, j: int | None = None) -> str:
        """The name in the table with its number: k samples, or j of them where it is one of several."""
        return self.name.replace("{k}", str(k)).replace("{m}", str(k)).replace("{j}", str(k if j is None else j))

    def is_named(self, name: str) -> bool:
        """Whether a name in the table is that of the metric."""
        return _template(self.name).fullmatch(name) is not None

    def number(self, name: str) -> int | None:
        """The number in a name of the metric; None if there is none, or it is the name of another."""
        found = _template(self.name).fullmatch(name)
        return int(found[1]) if found and found.groups() else None

    def has(self, by: str) -> bool:
        """Whether it is estimated by a grouping."""
        return _among(by, self.groupings)

    def has_gain(self, by: str) -> bool:
        """Whether its gain is estimated by a grouping."""
        return _among(by, self.gain)

    def ratio(self, k: int) -> Ratio:
        """What it is measured by at k samples.

        Raises:
            ValueError: it is not a ratio of the sums of cells.
        """
        if self.compute is None:
            raise ValueError(f"{self.name} is not a ratio of the sums of cells")
        return self.compute(k)._replace(kind=self.kind)

    @property
    def of_gain(self) -> "Metric":
        """The record of its gain."""
        kind: Kind = "change" if self.in_percent else self.kind
        return replace(
            self,
            name=self.name + GAIN,
            label=f"{self.label}, gain",
            kind=kind,
            bounds=CHANGE if self.in_percent else UNBOUNDED,
            groupings=self.gain,
            gain=(),
            compute=None,
            shown=(),
            full_scale=False,
            shown_as=self.shown_as and self.shown_as + GAIN,
        )


def _among(by: str, groupings: tuple[str, ...]) -> bool:
    return by in groupings or (by not in FINE and COARSE in groupings)


@lru_cache(maxsize=4096)
def _template(name: str) -> re.Pattern[str]:
    """What the names in the table match; the first number is a group."""
    first, *rest = map(re.escape, _NUMBER.split(name))
    numbers = ["([0-9]{1,18})", *["[0-9]{1,18}"] * len(rest)]
    return re.compile(first + "".join(number + part for number, part in zip(numbers, rest, strict=False)))
