"""The puzzle of composed functions: a program whose value is asked for."""

from dataclasses import dataclass

from ramify.tasks.functions.language import Program


@dataclass(frozen=True, slots=True)
class ProgramPuzzle:
    """A program; what identifies it is its text.

    >>> puzzle = ProgramPuzzle(Program.parse("zip(rev(401),73)"))
    >>> puzzle.id, puzzle.size, puzzle.pattern.text, puzzle.target
    ('zip(rev(401),73)', 2, 'zip(rev(A),B)', '83')
    """

    program: Program

    @property
    def id(self) -> str:
        """The program as a text."""
        return self.program.text

    @property
    def size(self) -> int:
        """Its depth: the most functions within each other."""
        return self.program.depth

    @property
    def pattern(self) -> Program:
        """The program with letters for its strings."""
        return self.program.pattern

    @property
    def target(self) -> str:
        """Its value, by execution."""
        return self.program.value
