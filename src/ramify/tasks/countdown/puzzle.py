"""A Countdown puzzle."""

from dataclasses import dataclass, field

from ramify.algebra.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Numbers and a target; puzzles with the same sorted numbers and target are equal.

    Attributes:
        numbers: the numbers, in the order of the prompt.
        target: the value to reach.
        pattern: the source pattern, or None.

    >>> Puzzle((8, 3, 7), 29).id
    '3,7,8=29'
    >>> Puzzle((8, 3, 7), 29) == Puzzle((3, 7, 8), 29)
    True
    """

    numbers: tuple[int, ...] = field(compare=False)
    target: int = field(compare=False)
    pattern: Pattern | None = field(default=None, compare=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(self.numbers))
        object.__setattr__(self, "id", f"{','.join(map(str, sorted(self.numbers)))}={self.target}")

    @property
    def size(self) -> int:
        """The number of numbers."""
        return len(self.numbers)
