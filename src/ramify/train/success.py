"""Choose the prompts of a step during training: fresh ones, and by the success measured so far.

The weight of a group is its share times FLOOR + (1 - FLOOR) 4 p (1 - p), where p is the success of its completions,
discounted by one half every `HALF_LIFE` steps. 4 p (1 - p) is proportional to the variance of a binary reward, and so
to the policy gradient signal (Foster et al. 2025, arXiv 2502.12272, choose single prompts by it). Departure: weights
are per group, not per prompt, since a prompt is seen once or twice in a run of this size.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any

import polars as pl

from ramify.train.curriculum import CurriculumConfig, apportion, check_groups, in_turn, schedule

HALF_LIFE = 10
"""Steps after which the weight of a completion is halved."""
FLOOR = 0.1
"""The weight of a group that is never or always solved, relative to one that is solved half the time."""


def weight(hits: float, samples: float) -> float:
    """The weight of a group by its measured success; an unsampled group counts as solved half the time.

    >>> weight(0, 0), round(weight(8, 8), 2), round(weight(0, 98), 3)
    (1.0, 0.42, 0.136)
    """
    p = (hits + 1) / (samples + 2)
    return FLOOR + (1 - FLOOR) * 4 * p * (1 - p)


class PromptSource:
    """A source of prompts: those of a step, and replacements for groups without gradient.

    Prompts are a function of the seed and of `state`, which is plain data.

    Args:
        puzzles: the training puzzles, with the column `config.by`.
        per_step: prompts per step.

    Attributes:
        by_success: whether group weights depend on success.
        state: by group, the correct and the sampled completions (both discounted), and the prompts drawn.
    """

    def __init__(self, puzzles: pl.DataFrame, config: CurriculumConfig, steps: int, per_step: int, seed: int) -> None:
        self._config, self._per_step, self._seed = config, per_step, seed
        self.by_success = config.by_success
        self._scheduled = schedule(puzzles, config, steps, per_step, seed)
        self._members = {str(group): rows for group, rows in check_groups(puzzles, config).items()}
        self._group_of = {row: group for group, rows in self._members.items() for row in rows}
        self.state: dict[str, dict[str, Any]] = {}
        self.restore({})

    def restore(self, state: dict[str, dict[str, Any]]) -> None:
        """Restore a state; unknown groups start empty."""
        self.state = {
            name: {group: state.get(name, {}).get(group, 0) for group in self._members}
            for name in ("hits", "samples", "drawn")
        }
        self._turns = {group: self._turn(group) for group in self._members}

    def _turn(self, group: str) -> Iterator[int]:
        turn = in_turn(list(self._members[group]), Random(f"{self._seed}/fresh/{group}"))
        return islice(turn, self.state["drawn"][group], None)

    def weights(self, step: int) -> dict[str, float]:
        """The weights of the groups in a step, which sum to 1."""
        shares = self._config.at(step) or {group: len(rows) for group, rows in self._members.items()}
        if self.by_success:
            of = self.state
            shares = {group: share * weight(of["hits"][group], of["samples"][group]) for group, share in shares.items()}
        total = sum(shares.values())
        return {group: share / total for group, share in shares.items()}

    def first(self, step: int) -> list[int]:
        """The initial rows of the puzzle table for a step, counted from 1."""
        if self.by_success:
            return self.fresh(step, 0, self._per_step, ())
        return self._scheduled[(step - 1) * self._per_step : step * self._per_step]

    def fresh(self, step: int, number: int, count: int, taken: Sequence[int]) -> list[int]:
        """More rows for a step, avoiding used ones unless a group has no other.

        Args:
            number: index of the draw in the step, which seeds its random numbers.
        """
        random = Random(f"{self._seed}/draw/{step}/{number}")
        found: list[int] = []
        for group in apportion(self.weights(step), count, random):
            row = self._next(group)
            for _ in range(len(self._members[group])):
                if row not in found and row not in taken:
                    break
                row = self._next(group)
            found.append(row)
        random.shuffle(found)
        return found

    def _next(self, group: str) -> int:
        self.state["drawn"][group] += 1
        return next(self._turns[group])

    def saw(self, rows: Sequence[int], right: Sequence[int], samples: int) -> None:
        """Record the results of a step.

        Args:
            rows: the puzzle of each group of completions.
            right: the number of correct completions of each group.
            samples: completions per group.
        """
        fading = 0.5 ** (1 / HALF_LIFE)
        for name in ("hits", "samples"):
            self.state[name] = {group: fading * count for group, count in self.state[name].items()}
        for row, count in zip(rows, right, strict=True):
            self.state["hits"][self._group_of[row]] += count
            self.state["samples"][self._group_of[row]] += samples
