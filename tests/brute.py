"""Brute force over binary trees, with nothing but Fractions: what the fast code is held to."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations, product
from typing import Any

Tree = Any  # an int, or (operator, left, right)


def trees(leaves: tuple[int, ...]) -> Iterator[Tree]:
    """Every binary tree over these leaves, in this order, with every choice of operators."""
    if len(leaves) == 1:
        yield leaves[0]
        return
    for cut in range(1, len(leaves)):
        for left, right in product(list(trees(leaves[:cut])), list(trees(leaves[cut:]))):
            for operator in "+-*/":
                yield (operator, left, right)


def value(tree: Tree) -> Fraction | None:
    """The value of a tree; None where it divides by zero."""
    if isinstance(tree, int):
        return Fraction(tree)
    operator, left, right = tree[0], value(tree[1]), value(tree[2])
    if left is None or right is None or (operator == "/" and right == 0):
        return None
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    return left * right if operator == "*" else left / right


def postfix(tree: Tree) -> tuple[int | str, ...]:
    """The tree in postfix order."""
    return (tree,) if isinstance(tree, int) else (*postfix(tree[1]), *postfix(tree[2]), tree[0])


def height(tree: Tree) -> int:
    return 0 if isinstance(tree, int) else 1 + max(height(tree[1]), height(tree[2]))


def lookahead(tree: Tree) -> int:
    return 1 if isinstance(tree, int) else max(lookahead(tree[1]), 1 + lookahead(tree[2]))


def subtrees(tree: Tree) -> Iterator[Tree]:
    yield tree
    if not isinstance(tree, int):
        yield from subtrees(tree[1])
        yield from subtrees(tree[2])


def orders(numbers: tuple[int, ...]) -> set[tuple[int, ...]]:
    return set(permutations(numbers))


def solutions(numbers: tuple[int, ...], target: int) -> list[Tree]:
    """Every tree over the numbers, in every order, that equals the target; equal subtrees are evaluated once."""
    whole = (1 << len(numbers)) - 1
    found: dict[int, list[tuple[Fraction, Tree]]] = {1 << k: [(Fraction(v), v)] for k, v in enumerate(numbers)}
    for subset in range(1, whole + 1):
        if subset in found:
            continue
        found[subset] = []
        left = (subset - 1) & subset
        while left:
            for (a, x), (b, y) in product(found[left], found[subset ^ left]):
                found[subset] += [(a + b, ("+", x, y)), (a - b, ("-", x, y)), (a * b, ("*", x, y))]
                if b:
                    found[subset].append((a / b, ("/", x, y)))
            left = (left - 1) & subset
    return [tree for result, tree in found[whole] if result == target]


def labelled_class(tree: Tree) -> Any:
    """A tree up to commutativity and associativity: nested groups merged, their operands as multisets."""
    if isinstance(tree, int):
        return tree
    group = "sum" if tree[0] in "+-" else "product"
    sides: tuple[list, list] = ([], [])
    stack = [(tree, 0)]
    while stack:
        part, side = stack.pop()
        if not isinstance(part, int) and (part[0] in "+-") == (group == "sum"):
            stack += [(part[1], side), (part[2], side ^ (part[0] in "-/"))]
        else:
            sides[side].append(labelled_class(part))
    return (group, *(tuple(sorted(map(repr, operands))) for operands in sides))
