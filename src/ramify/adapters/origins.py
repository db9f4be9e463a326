"""Classify completions as training or evaluation, where their format does not tell.

Three signs are combined: the keys of the rows (verl writes `reward` into validation only, and not in every version),
the names of folders, and whether the same puzzles recur at every step.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

FEW = 10
"""The least distinct puzzles for which recurrence is evidence."""
_EVALUATION = frozenset({"val", "valid", "validation", "eval", "evals", "evaluation", "evaluations", "test", "dev"})
_TRAINING = frozenset({"train", "training", "rollout", "rollouts", "episodes"})


class Origin(NamedTuple):
    """Whether completions come from training, and the evidence that is contradictory or weak."""

    trains: bool
    doubt: str | None


def origin_of(
    where: str, has_reward: bool, named: bool | None, puzzles: Mapping[int, Collection[str]], known_key: bool = True
) -> Origin:
    """Classify the completions of one folder.

    Args:
        where: the folder, for messages.
        has_reward: whether the rows have the key that verl writes into validation only.
        named: the origin in the folder's name (`named_origin`).
        puzzles: puzzle ids by step.
        known_key: whether `has_reward` is evidence in this format.

    >>> origin_of("a", False, None, {step: {str(n) for n in range(20)} for step in (0, 50)}).trains
    False
    >>> origin_of("rollouts", False, True, {})
    Origin(trains=True, doubt=None)
    """
    recurring = recur(puzzles)
    signs = []
    if known_key:
        signs.append((-2 if has_reward else 1, f"its rows have {'' if has_reward else 'no '}`reward`"))
    if named is not None:
        signs.append((2 if named else -2, "its name says so" if not signs else "its name"))
    if recurring is not None:
        sign = "the same puzzles are asked at every step" if recurring else "every step asks other puzzles"
        signs.append((-2 if recurring else 2, sign))
    total = sum(weight for weight, _ in signs)
    trains = total > 0 if total else (named if named is not None else not has_reward)
    against = [sign for weight, sign in signs if (weight > 0) != trains]
    if against or abs(total) < 2:
        what, option = ("training", "--evaluation") if trains else ("an evaluation", "--training")
        pro = [sign for weight, sign in signs if (weight > 0) == trains]
        because = f", as {' and '.join(pro)}" if pro else ""
        though = f", though {' and '.join(against)}" if against else ""
        return Origin(trains, f"{where}: assumed to be completions of {what}{because}{though}; {option} overrides this")
    return Origin(trains, None)


def named_origin(folder: Path) -> bool | None:
    """The origin in the names of folders, innermost first: training, evaluation, or None.

    >>> named_origin(Path("my-run/rollouts")), named_origin(Path("train/eval_episodes")), named_origin(Path("my-run"))
    (True, False, None)
    """
    for part in reversed(folder.parts):
        words = set(re.split(r"[-_.\s]", part.lower()))
        if words & _EVALUATION:
            return False
        if words & _TRAINING:
            return True
    return None


def recur(puzzles: Mapping[int, Collection[str]]) -> bool | None:
    """Whether the same puzzles recur at every step; None if steps or puzzles are too few, or the overlap is partial.

    >>> recur({1: {"a"}, 2: {"a"}}) is None
    True
    """
    sets = [set(ids) for ids in puzzles.values()]
    together = set().union(*sets)
    if len(sets) < 2 or len(together) < FEW:
        return None
    mean = sum(map(len, sets)) / len(sets)
    if mean >= 0.9 * len(together):
        return True
    return False if mean <= 0.6 * len(together) else None
