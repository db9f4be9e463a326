"""The structure of a pattern: split, depth, lookahead, shape class, skills and parts."""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

from ramify.algebra.expression import Expression
from ramify.algebra.pattern import LEAF, Pattern, signed_children
from ramify.algebra.shape import ShapeClass, shape_class


@dataclass(frozen=True, slots=True)
class Structure:
    """Structural features of a pattern.

    Attributes:
        left, right: leaves left and right of the root operator of the binary tree (0 for a single leaf).
        root: the root operator; empty for a single leaf.
        depth: height of the binary tree.
        min_depth: height of the shallowest binary tree of the class.
        lookahead: values held while writing and evaluating left to right.
        alternation: number of nested groups on the longest path.
        shape_class: balanced, left-heavy or right-heavy; "none" below three leaves.
        operators: counts of + - * / in the binary tree.
    """

    left: int
    right: int
    root: str
    depth: int
    min_depth: int
    lookahead: int
    alternation: int
    shape_class: ShapeClass
    operators: tuple[int, int, int, int]

    @property
    def split(self) -> str:
        """The paper's shape signature, for example `[2]-[1]`; empty for a single leaf."""
        return f"[{self.left}]{self.root}[{self.right}]" if self.root else ""

    @property
    def balance(self) -> float:
        """The smaller side of the root over the larger; 0 for a single leaf."""
        return min(self.left, self.right) / max(self.left, self.right, 1)


@cache
def structure(pattern: Pattern) -> Structure:
    """The structure of a pattern.

    >>> s = structure(Pattern.parse("A/(B-C/D)"))
    >>> s.split, s.depth, s.lookahead, s.shape_class
    ('[1]/[3]', 3, 4, 'right-heavy')
    >>> s = structure(Pattern.parse("A+B+C+D"))  # ((A+B)+C)+D
    >>> s.depth, s.min_depth, s.lookahead, s.alternation
    (3, 2, 2, 1)
    >>> s = structure(Pattern.parse("(A+B)*(C+D)"))
    >>> s.split, s.depth, s.lookahead, s.alternation, s.shape_class, s.balance
    ('[2]*[2]', 2, 3, 2, 'balanced', 1.0)
    """
    postfix = pattern.tree.postfix
    left, right, root = _root(pattern)
    return Structure(
        left,
        right,
        root,
        pattern.tree.fold(lambda _: 0, lambda _, a, b: 1 + max(a, b)),
        _min_depth(pattern),
        pattern.tree.fold(lambda _: 1, lambda _, a, b: max(a, 1 + b)),
        _alternation(pattern),
        shape_class(left, right),
        (postfix.count("+"), postfix.count("-"), postfix.count("*"), postfix.count("/")),
    )


def _root(pattern: Pattern) -> tuple[int, int, str]:
    if pattern == LEAF:
        return 0, 0, ""
    symbol, last = signed_children(pattern)[-1]
    return pattern.size - last.size, last.size, symbol


def _alternation(pattern: Pattern) -> int:
    children = pattern.plain + pattern.inverse
    return 1 + max(map(_alternation, children)) if children else 0


@cache
def _min_depth(pattern: Pattern) -> int:
    """The height of the shallowest binary tree: join the two shallowest children until one is left.

    Inverse children add no depth: with one plain child, any two operands of a group can be joined first (a-b, or b+c
    to be subtracted later).
    """
    heights = sorted(_min_depth(child) for child in pattern.plain + pattern.inverse)
    while len(heights) > 1:
        heights = sorted([max(heights[0], heights[1]) + 1, *heights[2:]])
    return heights[0] if heights else 0


@cache
def skills(pattern: Pattern) -> frozenset[Pattern]:
    """All subtrees of the binary trees in the pattern's class, including the pattern itself.

    Any part of a group is a skill, with its signs as given, or all inverted if the group can subtract it (divide by
    it): B-A is a skill of C-A+B, and so is A-B, through C-(A-B).

    >>> sorted(skill.text for skill in skills(Pattern.parse("A+B-C")))
    ['A', 'A+B', 'A+B-C', 'A-B']
    >>> sorted(skill.text for skill in skills(Pattern.parse("A-B-C")))
    ['A', 'A+B', 'A-B', 'A-B-C']
    """
    found = {pattern}
    children = [(0, child) for child in pattern.plain] + [(1, child) for child in pattern.inverse]
    for child in {child for _, child in children}:
        found |= skills(child)
    for taken in range(2, len(children)):
        for part in combinations(range(len(children)), taken):
            sides: tuple[list[Pattern], list[Pattern]] = ([], [])
            for index in part:
                sides[children[index][0]].append(children[index][1])
            rest_has_plain = len(sides[0]) < len(pattern.plain)
            if sides[0]:
                found.add(Pattern.group(pattern.kind, *sides))
            if sides[1] and rest_has_plain:
                found.add(Pattern.group(pattern.kind, sides[1], sides[0]))
    return frozenset(found)


@cache
def parts(pattern: Pattern) -> tuple[Pattern, ...]:
    """The immediate non-leaf children of the binary tree, left before right.

    >>> [part.text for part in parts(Pattern.parse("(A+B)*C+D"))], parts(Pattern.parse("A/B"))
    (['(A+B)*C'], ())
    >>> [part.text for part in parts(Pattern.parse("A+B-C*D"))]
    ['A+B', 'A*B']
    """
    if pattern == LEAF:
        return ()
    postfix = pattern.tree.postfix[:-1]
    needed, cut = 1, len(postfix)  # the right child is the shortest tail that evaluates to one value
    while needed:
        cut -= 1
        needed += 1 if isinstance(postfix[cut], str) else -1
    return tuple(Pattern.of(Expression(part)) for part in (postfix[:cut], postfix[cut:]) if len(part) > 1)
