"""Programs drawn at random, and what makes one worth asking for."""

from collections.abc import Sequence
from random import Random

from ramify.tasks.functions.counting import Stratum, count, unrank
from ramify.tasks.functions.language import Program, apply
from ramify.tasks.reservation import is_reserved

DIGITS = "0123456789"


def draw_pattern(stratum: Stratum, random: Random) -> Program:
    """A pattern of a stratum, each as likely as the others.

    >>> draw_pattern(Stratum(3, 2, 4, "none"), Random("example")).text
    'zip(rot(A),rot(rev(B)))'
    """
    return unrank(stratum, random.randrange(count(stratum)))


def draw_leaves(pattern: Program, lengths: tuple[int, int], random: Random) -> Program:
    """The pattern with random strings for its letters; every length from the first to the second is as likely.

    >>> draw_leaves(Program.parse("zip(rev(A),B)"), (2, 3), Random("example")).text
    'zip(rev(276),51)'
    """
    strings = ["".join(random.choices(DIGITS, k=random.randint(*lengths))) for _ in pattern.leaves]
    return pattern.filled(strings)


def is_live(program: Program) -> bool:
    """Whether every function matters: to leave out any one (one of its operands in its place) changes the value.

    So no program is solved by a shorter one that skips a function. A value of one digit, which chance hits, is not live
    either.

    >>> texts = ("rev(401)", "rev(404)", "sort(rev(401))", "take(401,123)", "drop(40)")
    >>> [is_live(Program.parse(text)) for text in texts]
    [True, False, False, False, False]
    """
    value, shorter = program.fold(_whole, _skipped)
    return len(value) > 1 and value not in shorter


def _whole(leaf: str) -> tuple[str, list[str]]:
    return leaf, []


def _skipped(name: str, operands: Sequence[tuple[str, list[str]]]) -> tuple[str, list[str]]:
    """The value of a function, and the values where one function, itself or below it, is left out."""
    values = [value for value, _ in operands]
    found = list(values)
    for at, (_, others) in enumerate(operands):
        found += [apply(name, *values[:at], other, *values[at + 1 :]) for other in others]
    return apply(name, *values), found


def is_held_back(program: Program) -> bool:
    """Whether a program is reserved for evaluation, or states one that is as one of its parts or steps.

    >>> is_held_back(Program.parse("rev(401)"))
    False
    """
    return any(is_reserved(part.text) for part in program.subtrees()) or any(
        is_reserved(step.call) for step in program.steps()
    )
