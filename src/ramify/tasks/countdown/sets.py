"""Draw, solve and certify the puzzle sets of Countdown settings."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ramify.algebra.pattern import Pattern
from ramify.randomness import generator
from ramify.tasks import reservation
from ramify.tasks.base import SETS, Counts, Tagged
from ramify.tasks.countdown.catalog import index_of, patterns
from ramify.tasks.countdown.generation import automorphisms, draw_distinct, scarcity
from ramify.tasks.countdown.instances import InstanceCounter
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.settings import CountdownSettings
from ramify.tasks.countdown.splits import Certificate, Rules, certify, is_of_known_skills, is_reserved
from ramify.tasks.countdown.tagging import tag

COUNTED = 4
"""The largest size whose puzzles are counted; larger sizes have enough."""
SHORTAGE = 0.05
"""The share of missing puzzles at which the supply of a set counts as exhausted."""


def puzzles_asked(config: CountdownSettings) -> dict[str, Counts]:
    """Requested puzzles by set and n, without sizes whose patterns are all held out, or none is.

    >>> from ramify import CountdownConfig
    >>> puzzles_asked(CountdownConfig(per_pattern=True, train={3: 10}, test={}, length={}, hold_out=()))
    {'test': {}, 'length': {}, 'held_out': {}, 'skills': {2: 128}, 'train': {3: 180}}
    """
    rules = config.rules()
    found: dict[str, Counts] = {name: {} for name in SETS}
    for name in SETS:
        for size, count in getattr(config, name).items():
            drawn_from = len(source_patterns(config, name, size, rules)) if count else 0
            if drawn_from:
                found[name][size] = count * drawn_from if config.per_pattern else count
    return found


def trained_patterns(config: CountdownSettings) -> list[Pattern]:
    """The patterns of training puzzles."""
    rules = config.rules()
    return [
        pattern
        for size, count in config.train.items()
        if count
        for pattern in source_patterns(config, "train", size, rules)
    ]


def make_puzzles(
    config: CountdownSettings, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[dict[str, list[Tagged]], Certificate]:
    """Draw every set, solve every puzzle, and certify the split; the same settings give the same puzzles.

    No puzzle occurs twice. Evaluation sets are drawn before the training set, and rare patterns before frequent ones,
    so that puzzles already taken affect rare patterns least.
    """
    rules = config.rules()
    taken: set[str] = set()
    shortages: list[str] = []
    sets: dict[str, list[Puzzle]] = {}
    wanted = sum(
        len(_spread(source_patterns(config, name, size, rules), count, config.per_pattern, ""))
        for name in SETS
        for size, count in getattr(config, name).items()
    )
    drawn_from = 0
    for name in SETS:
        sets[name] = []
        accept = _acceptance(name, rules, [puzzle for some in sets.values() for puzzle in some])
        for size, count in getattr(config, name).items():
            chosen = _rarest_first(config, source_patterns(config, name, size, rules))
            found: dict[Pattern, list[Puzzle]] = {}
            shares = dict(_spread(chosen, count, config.per_pattern, f"{config.seed}/{name}/{size}"))
            for pattern, share in shares.items():
                random = generator(f"{config.seed}/{name}/{pattern.text}")
                fits = partial(accept, pattern)
                drawn = draw_distinct(pattern, share, random, fits, taken, config.numbers, config.target)
                found[pattern] = drawn.puzzles
                drawn_from += 1
                progress(drawn_from, wanted)
                if len(drawn.puzzles) < share:
                    proof = "there are no more" if drawn.all_found else "a long search found no more"
                    shortages.append(f"{name} {pattern.text}: {len(drawn.puzzles)} of {share}, {proof}")
            sets[name] += [puzzle for pattern in sorted(found, key=index_of) for puzzle in found[pattern]]
    tagged = {name: tag(puzzles) for name, puzzles in sets.items()}
    return tagged, certify(tagged, rules, shortages)


def source_patterns(config: CountdownSettings, name: str, size: int, rules: Rules) -> list[Pattern]:
    """The source patterns of a set."""
    if name not in ("length", "skills"):
        return [pattern for pattern in patterns(size) if (pattern in rules.held_out) == (name == "held_out")]
    if name == "skills" or not config.known_skills:
        return list(patterns(size))
    trained = {pattern for n in config.train for pattern in source_patterns(config, "train", n, rules)}
    return [pattern for pattern in patterns(size) if is_of_known_skills(pattern, trained)]


def _rarest_first(config: CountdownSettings, chosen: Sequence[Pattern]) -> list[Pattern]:
    """Patterns sorted by unordered instances: exact up to four leaves, else estimated from a few thousand draws."""
    counter = InstanceCounter(config.numbers, config.target, unordered=True)
    found: dict[Pattern, float] = {}
    for pattern in chosen:
        try:
            if pattern.size > 4:
                raise OverflowError
            found[pattern] = counter.count(pattern)
        except OverflowError:
            random = generator(f"{config.seed}/scarcity/{pattern.text}")
            found[pattern] = scarcity(pattern, random, config.numbers, config.target) / automorphisms(pattern)
    return sorted(chosen, key=found.__getitem__)


def _spread(chosen: Sequence[Pattern], count: int, per_pattern: bool, name: str) -> list[tuple[Pattern, int]]:
    """The number of puzzles per pattern: `count`, or an equal part with the remainder assigned at random."""
    if not chosen:
        return []
    each, rest = (count, 0) if per_pattern else divmod(count, len(chosen))
    order = sorted(chosen, key=index_of)
    lucky = {order[index] for index in generator(name).permutation(len(order))[:rest].tolist()}
    shares = [(pattern, each + (pattern in lucky)) for pattern in chosen]
    return [(pattern, share) for pattern, share in shares if share]


def _acceptance(name: str, rules: Rules, evaluation: Sequence[Puzzle]) -> Callable[..., np.ndarray]:
    """A predicate on pattern, numbers and targets for the puzzles of a set, given the sets before it."""
    kept_apart = {tuple(sorted(puzzle.numbers)) for puzzle in evaluation} if rules.multiset_disjoint else set()

    def accept(pattern: Pattern, numbers: np.ndarray, targets: np.ndarray) -> np.ndarray:
        fits = np.ones(len(targets), dtype=bool)
        if rules.reserved:
            reserved = [is_reserved(row, goal) for row, goal in zip(numbers.tolist(), targets.tolist(), strict=True)]
            fits &= np.array(reserved, dtype=bool) != (name == "train")
        if name == "train" and kept_apart:
            fits &= np.array([tuple(sorted(row)) not in kept_apart for row in numbers.tolist()], dtype=bool)
        if name in rules.forced or (name == "train" and rules.held_out):
            rows, goals = numbers[fits].tolist(), targets[fits].tolist()
            tagged = tag([Puzzle(tuple(row), goal, pattern) for row, goal in zip(rows, goals, strict=True)])
            banned = rules.held_out if name == "train" else frozenset()
            fits[fits] = [
                banned.isdisjoint(entry.solving) and (entry.forced or name not in rules.forced) for entry in tagged
            ]
        return fits

    return accept


def supply(config: CountdownSettings, name: str, n: int) -> int | None:
    """The approximate number of available puzzles of a set, equally spread over patterns; None if it is no limit.

    Instances approximate puzzles, which are somewhat fewer; the number of uniquely solvable ones is scaled by the share
    found while drawing.
    """
    if n > COUNTED:
        return None
    counter = InstanceCounter(config.numbers, config.target, unordered=True)
    try:
        there = np.array(
            [counter.count(pattern) for pattern in source_patterns(config, name, n, config.rules())], float
        )
    except OverflowError:
        return None
    there /= reservation.SHARE if config.reserved else 1
    low, high = 1.0, float(there.sum())
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        lacking = 1 - np.minimum(there, middle / len(there)).sum() / middle
        low, high = (middle, high) if lacking <= SHORTAGE else (low, middle)
    return int(low)
