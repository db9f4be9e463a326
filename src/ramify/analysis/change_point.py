"""The change point of a series of training: the step at which its level jumps, beside a linear trend.

Entropy and length drift throughout training, and the best single split of a drift is near its middle. So the level may
change at one step beside a straight line, fitted by least squares, and the p is that of the largest reduction of the
squares over all splits. Neighbouring steps are alike, so a permutation of the steps would find jumps in their slow
waves, and one of blocks, measured, in up to half of the series. So the steps are averaged over blocks, and draws
without a jump have the correlation of neighbouring blocks, estimated without the bias of fitting a line and a jump
(Andrews 1993).
"""

from dataclasses import dataclass
from functools import cache
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np

from ramify.randomness import generator

LEVEL = 0.05
FEWEST = 40
"""Below this number of values a change is not looked for."""
MOST = 100
"""The number of blocks of a longer series."""
EDGE = 0.05
"""The share of the values at either end among which no change is looked for; at least `FEWEST_BESIDE` values."""
FEWEST_BESIDE = 4
LOW = 0.25
DRAWS = 999
TRIED = np.append(np.linspace(0.0, 0.9, 10), [0.95, 0.98])
"""Correlations of neighbouring blocks whose estimates are simulated."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The jump of a series.

    Attributes:
        at: the index of the first value after the jump.
        jump: the size of the jump beside the trend, in units of the series.
        p: of the test that the series has a linear trend without a jump.
    """

    at: int
    jump: float
    p: float

    @property
    def is_clear(self) -> bool:
        """Whether the jump is beyond the noise."""
        return self.p <= LEVEL


class Fits(NamedTuple):
    """Of each series, the share of squares that its best jump takes off, the jump, its place, and the correlation of
    neighbouring residuals; each of shape (series,)."""

    share: np.ndarray
    jump: np.ndarray
    place: np.ndarray
    alike: np.ndarray


def change_point(values: np.ndarray) -> ChangePoint | None:
    """The most likely jump of a series, with its p.

    Args:
        values: finite, in the order of the steps.

    Returns:
        The jump; None below `FEWEST` values, or if they lie on a line.

    >>> found = change_point(np.r_[np.tile([1.0, 1.2], 20), np.tile([0.4, 0.2], 15)])
    >>> found.at, round(found.jump, 1), found.is_clear
    (40, -0.8, True)
    >>> change_point(np.arange(50.0)) is None
    True
    """
    width = ceil(len(values) / MOST)
    blocks = values[: len(values) // width * width].reshape(-1, width).mean(1)
    count = len(blocks)
    if count < FEWEST:
        return None
    line = _line(count)
    off = np.abs(blocks - line @ (line.T @ blocks)).max()
    if not off > 1e-9 * max(1.0, float(np.abs(blocks).max())):
        return None
    own = _fits(blocks[None])
    alike = float(np.interp(own.alike[0], _expected(count), TRIED))
    drawn = _fits(_noise(count, alike)).share
    p = (1 + int((drawn >= own.share[0] - 1e-12).sum())) / (DRAWS + 1)
    return ChangePoint(int(own.place[0]) * width, float(own.jump[0]), p)


def _fits(rows: np.ndarray) -> Fits:
    """Fit a line and the best jump beside it to series of shape (series, values)."""
    count = rows.shape[1]
    line = _line(count)
    edge = max(FEWEST_BESIDE, round(EDGE * count))
    splits = np.arange(edge, count - edge + 1)
    steps = (np.arange(count) >= splits[:, None]).astype(float)
    beside = steps - (steps @ line) @ line.T
    flat = rows - (rows @ line) @ line.T
    squares = (beside**2).sum(1)
    along = flat @ beside.T
    chosen = np.argmax(along**2 / squares, 1)
    jump = along[np.arange(len(rows)), chosen] / squares[chosen]
    rest = flat - jump[:, None] * beside[chosen]
    whole, left = (flat**2).sum(1), (rest**2).sum(1)
    alike = np.where(left > 1e-12 * whole, (rest[:, 1:] * rest[:, :-1]).sum(1) / np.where(left > 0, left, 1.0), 0.0)
    return Fits(1 - left / whole, jump, splits[chosen], alike)


def _line(count: int) -> np.ndarray:
    """An orthonormal basis of the straight lines, of shape (values, 2)."""
    return np.linalg.qr(np.c_[np.ones(count), np.arange(count)])[0]


@cache
def _expected(count: int) -> np.ndarray:
    """The correlation of residuals that three quarters of series exceed, for each true one in `TRIED`; ascending."""
    found = [np.quantile(_fits(_noise(count, alike)).alike, LOW) for alike in TRIED]
    return np.asarray(np.maximum.accumulate(found) + 1e-9 * np.arange(len(found)))


def _noise(count: int, alike: float) -> np.ndarray:
    """Series without a jump whose neighbours have a correlation, of shape (DRAWS, count), from a fixed seed."""
    found = generator(f"change point/{count}").normal(size=(DRAWS, count))
    for place in range(1, count):
        found[:, place] = alike * found[:, place - 1] + sqrt(1 - alike**2) * found[:, place]
    return found
