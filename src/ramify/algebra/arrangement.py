"""Rewrite an expression in the order of its pattern's canonical text, with the fewest parentheses."""

from typing import Any, NamedTuple

from ramify.algebra.expression import Expression
from ramify.algebra.pattern import LEAF, Kind, Pattern, kind_of

Operand = tuple[Pattern, Expression]


class _Group(NamedTuple):
    kind: Kind
    plain: list[Operand]
    inverse: list[Operand]


def arranged(expression: Expression) -> Expression:
    """An equal expression in the order of the canonical text; equal operands are ordered by their numbers.

    >>> from ramify.algebra.parser import parse
    >>> arranged(parse("8-(5-7*3)")).text
    '3*7+8-5'
    """
    return _closed(expression.fold(_leaf, _node))[1]


def _leaf(number: int) -> _Group:
    return _Group("leaf", [(LEAF, Expression.leaf(number))], [])


def _node(operator: str, left: _Group, right: _Group) -> _Group:
    kind, inverts = kind_of(operator)
    sides: tuple[list[Operand], list[Operand]] = ([], [])
    for group, turned in ((left, False), (right, inverts)):
        if group.kind == kind:
            sides[turned].extend(group.plain)
            sides[not turned].extend(group.inverse)
        else:
            sides[turned].append(_closed(group))
    return _Group(kind, *sides)


def _closed(group: _Group) -> Operand:
    if group.kind == "leaf":
        return group.plain[0]
    joins, inverts = ("+", "-") if group.kind == "sum" else ("*", "/")
    plain, inverse = (sorted(side, key=_order) for side in (group.plain, group.inverse))
    expression = plain[0][1]
    for operator, operands in ((joins, plain[1:]), (inverts, inverse)):
        for _, operand in operands:
            expression = expression.join(operator, operand)
    return Pattern.group(group.kind, *([pattern for pattern, _ in side] for side in (plain, inverse))), expression


def _order(operand: Operand) -> tuple[Any, ...]:
    return operand[0].order, operand[1].numbers
