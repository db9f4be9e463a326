"""The record of a metric: one frozen dataclass that estimates, comparison and report read.

`metrics` and `derived_metrics` list the built-in records; `entry_points` loads those of other packages.
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
"""Stands for every requested grouping that is not in `FINE`."""
FINE = ("pattern", "function_class")
"""Groupings with up to thousands of groups, which a metric has to name explicitly."""
GAIN = " gain"
"""The suffix of the names of gains."""
_OF_CELLS = ("trials", "share", "mean")
_NUMBER = re.compile(r"\{[jkm]\}")


class Ratio(NamedTuple):
    """Σ numerator / Σ denominator over puzzles, as expressions over the columns of `ramify.frames.CELLS`.

    Attributes:
        numerator, denominator: null where a puzzle does not count.
        kind: the kind of the metric, set by `Metric.ratio`. It selects the interval, see `estimators.ratios`.
    """

    numerator: pl.Expr
    denominator: pl.Expr
    kind: Kind = "share"


@dataclass(frozen=True)
class Metric:
    """A metric of the table of estimates.

    Attributes:
        name: the name in the column `metric`. {k} stands for the number of samples per puzzle; {j} for 1, 2, 4 … k,
            with separate rows for each; {m} for another number.
        label: the heading of its figure.
        kind: "trials" where each puzzle is one trial, "share" for another ratio between 0 and 1, "mean" for a ratio
            that may be above 1; these three select the interval of a ratio of cells. The others are "change", a
            difference of shares; "step", a training step; "log-odds", "bits", "correlation".
        bounds: the bounds to which intervals are clipped.
        groupings: groupings of its estimates; "coarse" stands for all requested ones but "pattern" and
            "function_class".
        gain: groupings of the estimates of its gain since the first checkpoint.
        pooling: how seeds are pooled: "crossed", puzzles and seeds together where the seeds answered the same puzzles,
            else the mean over seeds; "crossed only", without the mean; "seed means"; "one model", fitted to all seeds.
        compute: returns the ratio for a number of samples; None for a metric that is not a ratio of cell sums.
        shown: where it is shown. "changes": first and last checkpoint in the report; "compare": tests of `ramify
            compare`; "terminal": the summary in the terminal; "figure": a figure of the report; "comparison": a figure
            of several runs.
        full_scale: whether its figure, and those of shares beside it, span 0 to 1, not the range of the values.
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
        """Whether values may be negative."""
        return self.bounds[0] < 0

    @property
    def in_percent(self) -> bool:
        """Whether values are shown as percentages."""
        return self.kind in ("trials", "share", "change")

    @property
    def slug(self) -> str:
        """The name as part of a file name, without the number.

        >>> metric = Metric("../a rate@{m}", "", "share", SHARE)
        >>> metric.slug
        'a-rate'
        """
        return re.sub(r"[^\w.-]+", "-", _NUMBER.sub("", self.name).rstrip("@")).strip(".-")

    def named(self, k: int, j: int | None = None) -> str:
        """The name in the table: k samples, or j of them for a metric with several numbers."""
        return self.name.replace("{k}", str(k)).replace("{m}", str(k)).replace("{j}", str(k if j is None else j))

    def is_named(self, name: str) -> bool:
        """Whether a name in the table is a name of this metric."""
        return _template(self.name).fullmatch(name) is not None

    def number(self, name: str) -> int | None:
        """The number in a name of this metric; None if it has none or belongs to another metric."""
        found = _template(self.name).fullmatch(name)
        return int(found[1]) if found and found.groups() else None

    def has(self, by: str) -> bool:
        """Whether the metric is estimated by a grouping."""
        return _among(by, self.groupings)

    def has_gain(self, by: str) -> bool:
        """Whether the gain of the metric is estimated by a grouping."""
        return _among(by, self.gain)

    def ratio(self, k: int) -> Ratio:
        """The ratio that estimates the metric at k samples.

        Raises:
            ValueError: it is not a ratio of the sums of cells.
        """
        if self.compute is None:
            raise ValueError(f"{self.name} is not a ratio of the sums of cells")
        return self.compute(k)._replace(kind=self.kind)

    @property
    def of_gain(self) -> "Metric":
        """The record of the gain of this metric."""
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
    """A pattern for the names in the table; its first group is the number."""
    first, *rest = map(re.escape, _NUMBER.split(name))
    numbers = ["([0-9]{1,18})", *["[0-9]{1,18}"] * len(rest)]
    return re.compile(first + "".join(number + part for number, part in zip(numbers, rest, strict=False)))
