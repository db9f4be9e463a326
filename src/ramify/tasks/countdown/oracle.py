"""A simulated model with known rates of success, attempts, arithmetic errors and substitution.

It writes completions in several styles with its own printer, so that parsing and grading can be tested against known
parameters. Sampling is seeded by names.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Literal

from ramify.algebra.expression import Expression
from ramify.algebra.pattern import Pattern
from ramify.records import Completion
from ramify.tasks.countdown.catalog import patterns
from ramify.tasks.countdown.families import twins
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.solver import solve

Tree = int | tuple["Tree", str, "Tree"]
Style = Literal["plain", "nested", "steps", "latex", "prose"]
STYLES: tuple[Style, ...] = ("plain", "nested", "steps", "latex", "prose")
_REMARKS = ("Let me try", "Not that", "Too far off", "What about", "Hmm, next", "Another way")
_POOL = 24  # cached wrong attempts per puzzle and style


@dataclass(frozen=True)
class Oracle:
    """The parameters of a simulated model.

    Attributes:
        success: probability that a completion is correct, a function of (puzzle, step, seed).
        tries: attempts before the answer, a function of (puzzle, step); the last one is the answer.
        execution: probability that the stated value of an attempt is right.
        substitution: probability that a correct answer uses another solving pattern, if there is one.
        tried: patterns of wrong attempts by n; all patterns for a missing n.
        styles: writing styles, one per completion.
        remarks: words between attempts, which lengthen the text.
    """

    success: Callable[[Puzzle, int, int], float]
    tries: Callable[[Puzzle, int], int] = lambda puzzle, step: 2
    execution: float = 1.0
    substitution: float = 0.0
    tried: dict[int, Sequence[Pattern]] = field(default_factory=dict)
    styles: Sequence[Style] = STYLES
    remarks: int = 1

    def completions(self, puzzle: Puzzle, step: int, seed: int, samples: int) -> Iterator[Completion]:
        """The greedy completion (correct where success is at least one half) and `samples` others.

        >>> puzzle = Puzzle((3, 7, 8), 29, Pattern.parse("A*B+C"))
        >>> oracle = Oracle(lambda puzzle, step, seed: 1.0, lambda puzzle, step: 1, styles=["plain"], remarks=0)
        >>> print(next(oracle.completions(puzzle, step=0, seed=1, samples=1)).text)
        (3*7)+8 = 29
        <answer>(3*7)+8</answer>
        """
        random = Random(f"oracle/{seed}/{step}/{puzzle.id}")
        chance, count = self.success(puzzle, step, seed), self.tries(puzzle, step)
        own, others = _solutions(puzzle)
        wrong: dict[Style, list[Tree]] = {}
        for sample in range(-1, samples):
            style = random.choice(self.styles)
            correct = chance >= 0.5 if sample < 0 else random.random() < chance
            pool = wrong.setdefault(style, [self._wrong(puzzle, random) for _ in range(_POOL)])
            trees = random.choices(pool, k=count)
            if correct:
                substitutes = others if others and random.random() < self.substitution else [own]
                trees = [*trees[: max(count - 1, 0)], random.choice(substitutes)]
            yield self._written(puzzle, sample, style, trees, random)

    def _written(self, puzzle: Puzzle, sample: int, style: Style, trees: list[Tree], random: Random) -> Completion:
        lines = []
        for tree in trees:
            lines += random.choices(_REMARKS, k=self.remarks) if self.remarks else []
            off = 0 if random.random() < self.execution else random.randint(1, 9)
            lines.append(_WRITERS[style](tree, off))
        answer = _infix(trees[-1], _PLAIN)
        lines.append(f"\\boxed{{{answer}}}" if style == "latex" else f"<answer>{answer}</answer>")
        text = "\n".join(lines)
        return Completion(puzzle.id, sample, text, len(text) // 3, False)

    def _wrong(self, puzzle: Puzzle, random: Random) -> Tree:
        """An attempt that misses the target."""
        listed = self.tried.get(len(puzzle.numbers)) or patterns(len(puzzle.numbers))
        while True:
            numbers = random.sample(puzzle.numbers, len(puzzle.numbers))
            shape = random.choice(listed).tree
            tree = _tree(shape, lambda leaf, numbers=numbers: numbers[leaf])  # type: ignore[misc]
            value = _value(tree)
            if value is not None and value != puzzle.target:
                return tree


def _solutions(puzzle: Puzzle) -> tuple[Tree, list[Tree]]:
    """One solution by the source pattern, and one by each other solving pattern except its twins."""
    source, solutions = puzzle.pattern, solve(puzzle.numbers, puzzle.target)
    found = {pattern: _tree(witness, lambda leaf: leaf) for pattern, witness in solutions.items()}
    if source is None or source not in found:
        raise ValueError(f"{puzzle.id} is not solved by its source pattern {source}")
    return found[source], [
        tree for pattern, tree in found.items() if pattern != source and pattern not in twins(source)
    ]


def _tree(expression: Expression, leaf: Callable[[int], int]) -> Tree:
    stack: list[Tree] = []
    for item in expression.postfix:
        if isinstance(item, str):
            right = stack.pop()
            stack.append((stack.pop(), item, right))
        else:
            stack.append(leaf(item))
    return stack[0]


def _value(tree: Tree) -> Fraction | None:
    if isinstance(tree, int):
        return Fraction(tree)
    left, right = _value(tree[0]), _value(tree[2])
    if left is None or right is None or (tree[1] == "/" and right == 0):
        return None
    return {"+": left.__add__, "-": left.__sub__, "*": left.__mul__, "/": left.__truediv__}[tree[1]](right)


# The printer puts brackets around every part that is not a number.

_PLAIN = {"+": "+", "-": "-", "*": "*", "/": "/"}
_IN_LATEX = {"+": "+", "-": "-", "*": "\\times"}
_SIGNS = {"+": " + ", "-": " − ", "*": " × ", "/": " ÷ "}


def _infix(tree: Tree, signs: dict[str, str]) -> str:
    if isinstance(tree, int):
        return str(tree)
    left, right = (str(side) if isinstance(side, int) else f"({_infix(side, signs)})" for side in (tree[0], tree[2]))
    return left + signs[tree[1]] + right


def _number(value: Fraction | None, off: int = 0) -> str:
    return str((value or 0) + off)


def _plain(tree: Tree, off: int) -> str:
    return f"{_infix(tree, _PLAIN)} = {_number(_value(tree), off)}"


def _nested(tree: Tree, off: int) -> str:
    """(3*7=21)+8=29, with the value of every step."""
    if isinstance(tree, int):
        return str(tree)
    left, right = (str(side) if isinstance(side, int) else f"({_nested(side, 0)})" for side in (tree[0], tree[2]))
    return f"{left}{tree[1]}{right}={_number(_value(tree), off)}"


def _steps(tree: Tree, off: int) -> str:
    """3*7 = 21, then 21+8 = 29; as one expression if a step has no new integer value."""
    lines: list[str] = []
    values: list[Fraction] = []

    def step(part: Tree) -> str:
        if isinstance(part, int):
            return str(part)
        left, right = step(part[0]), step(part[2])
        value = _value(part)
        assert value is not None
        values.append(value)
        lines.append(f"{left}{part[1]}{right} = {_number(value, off if part is tree else 0)}")
        return str(value)

    step(tree)
    leaves = _leaves(tree)
    inner = values[:-1]
    clear = all(value.denominator == 1 and value > 0 for value in inner) and not {*inner} & {*leaves}
    return "\n".join(lines) if clear and len({*inner}) == len(inner) else _plain(tree, off)


def _leaves(tree: Tree) -> list[int]:
    return [tree] if isinstance(tree, int) else _leaves(tree[0]) + _leaves(tree[2])


def _latex(tree: Tree, off: int) -> str:
    return f"\\[ {_in_latex(tree)} = {_number(_value(tree), off)} \\]"


def _in_latex(tree: Tree) -> str:
    if isinstance(tree, int):
        return str(tree)
    if tree[1] == "/":
        return f"\\frac{{{_in_latex(tree[0])}}}{{{_in_latex(tree[2])}}}"
    left, right = (
        str(side) if isinstance(side, int) else f"\\left({_in_latex(side)}\\right)" for side in (tree[0], tree[2])
    )
    return f"{left} {_IN_LATEX[tree[1]]} {right}"


def _prose(tree: Tree, off: int) -> str:
    return f"**{_infix(tree, _SIGNS)}** gives {_number(_value(tree), off)}."


_WRITERS: dict[Style, Callable[[Tree, int], str]] = {
    "plain": _plain,
    "nested": _nested,
    "steps": _steps,
    "latex": _latex,
    "prose": _prose,
}
