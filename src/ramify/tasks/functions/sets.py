"""The sets of programs: drawn stratum by stratum, and certified."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from random import Random
from typing import Any

from ramify.progress import ProgressCallback
from ramify.randomness import seed_of
from ramify.tasks.base import EVALUATION_SETS, SETS, Counts, Split, Tagged
from ramify.tasks.functions.counting import Stratum, count, strata, unrank
from ramify.tasks.functions.drawing import draw_leaves, draw_pattern, is_held_back, is_live
from ramify.tasks.functions.language import Program
from ramify.tasks.functions.puzzle import ProgramPuzzle
from ramify.tasks.functions.settings import FunctionsSettings
from ramify.tasks.functions.structure import contains, structure
from ramify.tasks.reservation import is_reserved

LISTED = 2000
"""Patterns of a stratum that are listed; of a larger one, patterns are drawn by number."""
TRIES = 1000
"""Programs that are drawn of a pattern before it counts as having none."""
LIVE_TRIES = 100
"""Programs of a pattern among which one has to be live."""
MISSES = 20_000
"""Patterns of a stratum that are drawn in vain before it counts as exhausted."""

PROMISES = {
    "shared": "programs shared between training and evaluation",
    "repeated": "repeated",
    "reserved_in_training": "training programs that are reserved or state one that is",
    "unreserved_in_evaluation": "unreserved in evaluation",
    "held_out_in_training": "training programs with a held-out composition or shape",
    "idle": "programs in which a function changes nothing, or whose value has one digit",
    "untrained": "test programs of a trained depth whose pattern is not trained",
}
"""What a certificate counts, in words."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was checked about a split, on the programs themselves.

    Every count of a fault is 0 in a clean split.

    Attributes:
        puzzles: number of programs in each set.
        held_out: the held-out compositions and shapes.
        shared: programs of an evaluation set that are also training programs.
        repeated: programs that occur twice, in one set or in two.
        reserved_in_training: training programs that are reserved, or have a part or a step that is.
        unreserved_in_evaluation: evaluation programs that are not reserved.
        held_out_in_training: training programs that contain a held-out composition or have a held-out shape.
        idle: programs that are not live: a function can be left out without a change of the value, or it has one digit.
        untrained: test programs of a trained depth whose pattern no training program has.
        shortages: strata that have fewer programs than were asked for.
    """

    puzzles: dict[str, int]
    held_out: tuple[str, ...]
    shared: int
    repeated: int
    reserved_in_training: int
    unreserved_in_evaluation: int
    held_out_in_training: int
    idle: int
    untrained: int
    shortages: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether no fault was found."""
        return not any(getattr(self, name) for name in PROMISES)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self) | {"is_clean": self.is_clean}


def make_sets(config: FunctionsSettings, report: ProgressCallback = lambda *_: None) -> Split:
    """Draw every set and certify the split. Same settings, same programs.

    Training programs neither are reserved nor state a reserved one on the way; evaluation programs are reserved. Every
    program is live: each of its functions matters.
    """
    drawn: dict[str, Sequence[Program]] = {"train": _training(config)}
    trained = _by_stratum(drawn["train"])
    taken: set[tuple[str, ...]] = set()
    for done, name in enumerate(EVALUATION_SETS, start=1):
        report("drawing programs", done, len(SETS))
        drawn[name] = _draw_set(config, name, trained, taken)
    report("drawing programs", len(SETS), len(SETS))
    shortages = [
        f"{name} of depth {n}: {found} of {wanted}"
        for name, counts in asked(config).items()
        for n, wanted in counts.items()
        if (found := sum(program.depth == n for program in drawn[name])) < wanted
    ]
    sets = {name: [_tagged(program) for program in drawn[name]] for name in SETS}
    return Split(sets, certify(drawn, config, shortages).to_dict())


def asked(config: FunctionsSettings) -> dict[str, Counts]:
    """How many programs each set is to have, by depth; the held-out set is empty where nothing is held out.

    >>> from ramify.tasks.functions.task import FunctionsConfig
    >>> asked(FunctionsConfig(train={2: 9}, test={}, length={}, skills={}, hold_out=()))
    {'test': {}, 'length': {}, 'held_out': {}, 'skills': {}, 'train': {2: 9}}
    """
    found: dict[str, Counts] = {
        name: {n: count for n, count in getattr(config, name).items() if count} for name in SETS
    }
    return found if config.hold_out or config.hold_out_shapes else {**found, "held_out": {}}


def trained_patterns(config: FunctionsSettings) -> list[str]:
    """The patterns of the training programs, which are drawn for it."""
    return list(dict.fromkeys(program.pattern.text for program in _training(config)))


def _training(config: FunctionsSettings) -> Sequence[Program]:
    """The training programs; drawn once, since they are asked for before anything is written."""
    return _drawn_for_training(type(config), config.model_dump_json(exclude={"prompt", "reward", *EVALUATION_SETS}))


@lru_cache(maxsize=4)
def _drawn_for_training(kind: type[FunctionsSettings], settings: str) -> tuple[Program, ...]:
    return tuple(_draw_set(kind.model_validate_json(settings), "train", {}, set()))


def listed_patterns(config: FunctionsSettings, n: int, most: int) -> list[str] | None:
    """All patterns of a depth, stratum by stratum, each in the order of its number; None where there are too many."""
    found = strata(n, config.leaves, config.functions)
    if sum(map(count, found)) > most:
        return None
    return [unrank(stratum, number).text for stratum in found for number in range(count(stratum))]


def is_held_out(program: Program, config: FunctionsSettings) -> bool:
    """Whether a program or pattern contains a held-out composition, or has a held-out shape."""
    if config.hold_out_shapes and structure(program).shape_class in config.hold_out_shapes:
        return True
    return any(contains(program, fragment) for fragment in config.fragments())


def certify(drawn: Mapping[str, Sequence[Program]], config: FunctionsSettings, shortages: Sequence[str]) -> Certificate:
    """Check a split on its programs; the set called `train` is trained on, every other one evaluates."""
    trained = drawn["train"]
    evaluation = [program for name, some in drawn.items() if name != "train" for program in some]
    texts, known = {program.text for program in trained}, {program.pattern.text for program in trained}
    everything, depths = [*trained, *evaluation], {program.depth for program in trained}
    return Certificate(
        puzzles={name: len(drawn[name]) for name in SETS},
        held_out=(*config.hold_out, *config.hold_out_shapes),
        shared=sum(program.text in texts for program in evaluation),
        repeated=len(everything) - len({program.text for program in everything}),
        reserved_in_training=sum(map(is_held_back, trained)),
        unreserved_in_evaluation=sum(not is_reserved(program.text) for program in evaluation),
        held_out_in_training=sum(is_held_out(program, config) for program in trained),
        idle=sum(not is_live(program) for program in everything),
        untrained=sum(program.depth in depths and program.pattern.text not in known for program in drawn["test"]),
        shortages=tuple(shortages),
    )


def _tagged(program: Program) -> Tagged:
    return Tagged(ProgramPuzzle(program), (program.pattern,), True, 1)


Trained = Mapping[Stratum, Sequence[Program]]
"""The patterns of the training programs."""


def _by_stratum(programs: Iterable[Program]) -> dict[Stratum, list[Program]]:
    found: dict[Stratum, dict[Program, None]] = {}
    for program in programs:
        pattern = program.pattern
        found.setdefault(structure(pattern).stratum, {})[pattern] = None
    return {stratum: list(patterns) for stratum, patterns in found.items()}


def _draw_set(config: FunctionsSettings, name: str, trained: Trained, taken: set[tuple[str, ...]]) -> list[Program]:
    """The programs of a set, every depth spread evenly over the strata that have patterns for it.

    Args:
        taken: the programs that are drawn already; those of the set are put there too.
    """
    found: list[Program] = []
    for n, wanted in asked(config)[name].items():
        sources = {
            stratum: _Source(config, name, stratum, trained) for stratum in strata(n, config.leaves, config.functions)
        }
        usable = [stratum for stratum, source in sources.items() if source.has_any()]
        for stratum, share in _spread(usable, wanted, f"{config.seed}/{name}/{n}"):
            found += sources[stratum].programs(share, taken)
    return found


def _spread(usable: Sequence[Stratum], wanted: int, name: str) -> list[tuple[Stratum, int]]:
    """An even share for each stratum; what is left over goes to strata drawn at random."""
    if not usable:
        return []
    each, rest = divmod(wanted, len(usable))
    lucky = set(Random(name).sample(range(len(usable)), rest))
    return [(stratum, each + (at in lucky)) for at, stratum in enumerate(usable)]


class _Source:
    """The patterns of a stratum that a set is drawn from: a list where there are few, else drawn by number."""

    def __init__(self, config: FunctionsSettings, name: str, stratum: Stratum, trained: Trained) -> None:
        self.config, self.name, self.stratum = config, name, stratum
        self.random = Random(f"{config.seed}/{name}/{'/'.join(map(str, stratum))}")
        self.listed: list[Program] | None = None
        if name == "test" and any(known.depth == stratum.depth for known in trained):
            self.listed = list(trained.get(stratum, ()))
        elif count(stratum) <= LISTED:
            every = (unrank(stratum, number) for number in range(count(stratum)))
            self.listed = [pattern for pattern in every if self._fits(pattern)]
        if self.listed is not None:  # in an order that does not depend on which others are listed
            self.listed.sort(key=lambda pattern: seed_of(config.seed, name, pattern.text))
        self.of_pattern: dict[Program, Random] = {}

    def _fits(self, pattern: Program) -> bool:
        if self.name in ("length", "skills"):
            return True
        return is_held_out(pattern, self.config) == (self.name == "held_out")

    def has_any(self) -> bool:
        """Whether there is a pattern; of a large stratum, whether some hundred tries find one."""
        if self.listed is not None:
            return bool(self.listed)
        random = Random(f"{self.stratum}")
        return any(self._fits(draw_pattern(self.stratum, random)) for _ in range(TRIES))

    def programs(self, wanted: int, taken: set[tuple[str, ...]]) -> list[Program]:
        """So many programs, of as many patterns as there are; fewer where a long search finds no more."""
        found: list[Program] = []
        missed = 0
        while len(found) < wanted and missed < MISSES and self.listed != []:
            for pattern in self._round():
                program = self._program(pattern, taken)
                if program is None:
                    missed += 1
                    if self.listed is not None:
                        self.listed.remove(pattern)
                elif len(found) < wanted:
                    found.append(program)
                    taken.add(program.postfix)
                else:
                    break
            missed += self.listed is None
        return found

    def _round(self) -> list[Program]:
        """Patterns to draw one program of each."""
        if self.listed is not None:
            return list(self.listed)
        pattern = draw_pattern(self.stratum, self.random)
        return [pattern] if self._fits(pattern) else []

    def _program(self, pattern: Program, taken: set[tuple[str, ...]]) -> Program | None:
        """A live program of a pattern that may be in the set, and is not taken; None where no try finds one."""
        if not _has_live(pattern, self.config.digits):
            return None
        named = f"{self.config.seed}/{self.name}/{pattern.text}"
        random = self.of_pattern.setdefault(pattern, Random(named))  # the same programs, whatever others are drawn
        for _ in range(TRIES):
            program = draw_leaves(pattern, self.config.digits, random)
            if program.postfix in taken:
                continue
            if self.name == "train":
                if is_live(program) and not is_held_back(program):
                    return program
            elif is_reserved(program.text) and is_live(program):
                return program
        return None


@lru_cache(maxsize=1 << 16)
def _has_live(pattern: Program, digits: tuple[int, int]) -> bool:
    """Whether a live program of a pattern is found soon; of sort(rev(A)) there is none."""
    random = Random(pattern.text)
    return any(is_live(draw_leaves(pattern, digits, random)) for _ in range(LIVE_TRIES))
