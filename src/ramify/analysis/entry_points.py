"""Metrics of other packages, loaded from the entry point group `ramify.metrics`."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

import polars as pl

from ramify.analysis.metric_record import GAIN, Metric
from ramify.errors import RamifyError, reason

GROUP = "ramify.metrics"


def load(is_taken: Callable[[str], bool]) -> tuple[Metric, ...]:
    """Load the metrics of installed packages, ordered by entry point name.

    Args:
        is_taken: whether a name belongs to a built-in metric.

    Raises:
        RamifyError: an entry point cannot be loaded, or is not a metric that can be estimated.
    """
    found: list[Metric] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        package = entry.dist.name if entry.dist is not None else "an unknown package"
        try:
            metric = _checked(entry, lambda name: is_taken(name) or any(one.is_named(name) for one in found))
        except Exception as error:  # another package may raise anything
            raise RamifyError(
                f"the entry point {entry.name} = {entry.value} of {package} is not a metric for {GROUP}: "
                f"{reason(error)}; correct it, or uninstall {package}"
            ) from error
        found.append(metric)
    return tuple(found)


def _checked(entry: EntryPoint, is_taken: Callable[[str], bool]) -> Metric:
    """The metric of an entry point, tested on cells without rows."""
    from ramify.frames import CELL_TYPES

    metric = entry.load()
    if not isinstance(metric, Metric):
        raise TypeError(f"it is a {type(metric).__name__}, not a ramify.Metric")
    if not metric.name.strip() or not metric.name.isprintable() or metric.name.endswith(GAIN):
        raise ValueError(f"{metric.name!r} cannot be the name of a metric")
    if is_taken(metric.named(4)):
        raise ValueError(f"the name {metric.name} is taken by another metric")
    ratio = metric.ratio(4)
    parts = {"numerator": ratio.numerator, "denominator": ratio.denominator}
    for name, part in parts.items():
        if not isinstance(part, pl.Expr):
            raise TypeError(f"its {name} is a {type(part).__name__}, not an expression of polars")
    pl.DataFrame(schema=CELL_TYPES).select(part.cast(pl.Float64) + pl.col("k") for part in parts.values())
    return metric
