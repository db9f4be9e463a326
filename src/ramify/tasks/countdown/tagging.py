"""Tag puzzles with the solver: solving patterns, unique solvability, multiplicity."""

from collections import defaultdict
from collections.abc import Sequence

from ramify.algebra.pattern import Pattern
from ramify.tasks.base import Tagged
from ramify.tasks.countdown.catalog import patterns
from ramify.tasks.countdown.families import twins
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.solver import solve_many

MOST_TWINS = 6
"""An upper bound of the number of twins of a pattern of up to six leaves."""


def tag(puzzles: Sequence[Puzzle]) -> list[Tagged]:
    """Tag puzzles of any sizes from 2 to 6.

    >>> tag([Puzzle((3, 7, 8), 29, Pattern.parse("A*B+C"))])[0].forced
    True
    """
    return [
        Tagged(puzzle, solving, _is_forced(puzzle, solving), multiplicity)
        for puzzle, (solving, multiplicity) in zip(puzzles, solving_patterns(puzzles), strict=True)
    ]


def tag_by_solver(puzzles: Sequence[Puzzle]) -> list[Tagged]:
    """Tag external puzzles, which may lack a source pattern or have a wrong one.

    Where one pattern alone (with its twins) solves a puzzle, that is its source; where several do, it has none.

    >>> [str(entry.puzzle.pattern) for entry in tag_by_solver([Puzzle((3, 7, 8), 29), Puzzle((1, 2, 3), 6)])]
    ['A*B+C', 'None']
    """
    found = []
    for puzzle, (solving, multiplicity) in zip(puzzles, solving_patterns(puzzles), strict=True):
        source = puzzle.pattern
        if source is None or source not in solving:
            source = solving[0] if is_one_function(solving) else None
        named = Puzzle(puzzle.numbers, puzzle.target, source)
        found.append(Tagged(named, solving, _is_forced(named, solving), multiplicity))
    return found


def solving_patterns(puzzles: Sequence[Puzzle]) -> list[tuple[tuple[Pattern, ...], int]]:
    """The solving patterns and the multiplicity of each puzzle, of any sizes from 2 to 7."""
    found: dict[int, tuple[tuple[Pattern, ...], int]] = {}
    by_size: dict[int, list[int]] = defaultdict(list)
    for index, puzzle in enumerate(puzzles):
        by_size[len(puzzle.numbers)].append(index)
    for size, indices in by_size.items():
        listed = patterns(size)
        chosen = [puzzles[index] for index in indices]
        solutions = solve_many([puzzle.numbers for puzzle in chosen], [puzzle.target for puzzle in chosen])
        multiplicities = solutions.multiplicity.tolist()
        for row, index in enumerate(indices):
            found[index] = tuple(listed[pattern] for pattern in solutions.solving(row)), multiplicities[row]
    return [found[index] for index in range(len(puzzles))]


def is_one_function(solving: Sequence[Pattern]) -> bool:
    """Whether solving patterns are one pattern and its twins."""
    return len(solving) == 1 or (1 < len(solving) <= MOST_TWINS and twins(solving[0]).issuperset(solving[1:]))


def _is_forced(puzzle: Puzzle, solving: Sequence[Pattern]) -> bool:
    source = puzzle.pattern
    return source is not None and all(pattern == source or pattern in twins(source) for pattern in solving)
