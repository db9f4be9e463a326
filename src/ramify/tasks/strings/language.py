"""Programs of string functions: an expression of Python as a tree of calls, and its pattern.

The functions are known by their names only, so a program is read but never executed.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from typing import Any

from ramify.tasks.base import Tree
from ramify.tasks.functions.structure import Folded, Structure, fold_call, fold_leaf

MAX_LENGTH = 4096
"""The most characters of an expression."""
MAX_DEPTH = 32
"""The most functions within each other."""


class StringsError(ValueError):
    """An expression is not a program of string functions."""


Call = tuple[str, tuple[Tree, ...]]
"""A function with its operands."""


def read_tree(text: str) -> Call:
    """The calls of an expression as a tree; its leaves are variables and strings.

    `+` and methods are functions. A constant after the first operand of a call, such as the 3 of func_1(x,3), is a
    parameter, which the tree leaves out: the names of functions do not tell it from a string to work on.

    Raises:
        StringsError: it is not an expression of calls, it applies no function, it is too long or too deep, or a call
            has no operand or more than two.

    >>> read_tree("func_7(func_1(x, 3) + 'ab', x.upper())")
    ('func_7', (('+', (('func_1', ('x',)), "'ab'")), ('.upper', ('x',))))
    >>> read_tree("func_1(x, y, z)")
    Traceback (most recent call last):
    ramify.tasks.strings.language.StringsError: func_1 with 3 operands is not a function of one or two
    """
    if len(text) > MAX_LENGTH:
        raise StringsError(f"a program has up to {MAX_LENGTH} characters")
    try:
        parsed = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise StringsError("a program is one expression of Python") from None
    tree = _tree(parsed, MAX_DEPTH)
    if isinstance(tree, str):
        raise StringsError("a program applies a function")
    return tree


def _tree(node: ast.expr, deeper: int) -> Tree:
    match node:
        case ast.Name(name):
            return name
        case ast.Constant(str() as value):
            return repr(value)
        case _ if not deeper:
            raise StringsError(f"a program has up to {MAX_DEPTH} functions within each other")
        case ast.BinOp(left, ast.Add(), right):
            return _call("+", [left, right], deeper)
        case ast.Call(ast.Name(name), arguments, []):
            return _call(name, arguments, deeper)
        case ast.Call(ast.Attribute(value, name), arguments, []):
            return _call(f".{name}", [value, *arguments], deeper)
    raise StringsError(f"a program has calls, + and strings, and no {type(node).__name__}")


def _call(name: str, arguments: list[ast.expr], deeper: int) -> Call:
    operands = [
        each for at, each in enumerate(arguments) if not at or name == "+" or not isinstance(each, ast.Constant)
    ]
    if not 1 <= len(operands) <= 2:
        raise StringsError(f"{name[:40]} with {len(operands)} operands is not a function of one or two")
    return name, tuple(_tree(each, deeper - 1) for each in operands)


def pattern_of(tree: Tree) -> str:
    """A tree as an expression with letters for its leaves, which `read_tree` reads.

    >>> pattern_of(read_tree("func_7(func_1(x, 3) + 'ab', x.upper())"))
    'func_7((func_1(A)+B),C.upper())'
    """
    return _written(tree, (f"{chr(65 + at % 26)}{at // 26 or ''}" for at in count()))


def _written(tree: Tree, letters: Iterator[str]) -> str:
    if isinstance(tree, str):
        return next(letters)
    name, operands = tree
    first, *others = [_written(each, letters) for each in operands]
    if name == "+":
        return f"({first}+{others[0]})"
    return f"{first}{name}({','.join(others)})" if name.startswith(".") else f"{name}({','.join([first, *others])})"


def leaves(tree: Tree) -> tuple[str, ...]:
    """The leaves in reading order."""
    return (tree,) if isinstance(tree, str) else tuple(leaf for each in tree[1] for leaf in leaves(each))


def parts(pattern: str) -> tuple[str, ...]:
    """The outermost function alone, and its operands that are calls; none for a pattern of one function.

    >>> parts("func_7(func_1(func_2(A)),B)")
    ('func_7(A,B)', 'func_1(func_2(A))')
    """
    name, operands = read_tree(pattern)
    calls = [each for each in operands if not isinstance(each, str)]
    return tuple(map(pattern_of, [(name, ("A",) * len(operands)), *calls])) if calls else ()


@lru_cache(maxsize=1 << 16)
def structure(pattern: str) -> dict[str, Any]:
    """The fields of `functions.structure.Structure`, and further columns.

    Returns:
        Also n (the depth), pattern in its normal form, outer (the outermost function), and pair: it with the first of
        its operands that is a call, or "none".

    >>> found = structure("func_7(func_1(func_2(A)),B)")
    >>> found["n"], found["functions"], found["split"], found["outer"], found["pair"]
    (3, 3, '[1]func_7[1]', 'func_7', 'func_7(func_1)')
    >>> structure("func_7( x, func_1( y ) )")["pattern"]
    'func_7(A,func_1(B))'
    """
    tree = read_tree(pattern)
    outer, operands = tree
    leaves, lookahead, split, shape = _folded(tree)
    depth, functions = _size(tree)
    inner = next((each[0] for each in operands if not isinstance(each, str)), None)
    found = Structure(depth, leaves, functions, lookahead, split, shape)._asdict()
    pair = "none" if inner is None else f"{outer}({inner})"
    return {"n": depth, "pattern": pattern_of(tree), **found, "outer": outer, "pair": pair}


def _folded(tree: Tree) -> Folded:
    return fold_leaf(tree) if isinstance(tree, str) else fold_call(tree[0], [_folded(each) for each in tree[1]])


def _size(tree: Tree) -> tuple[int, int]:
    """The depth and the number of functions of a tree."""
    if isinstance(tree, str):
        return 0, 0
    sizes = [_size(each) for each in tree[1]]
    return 1 + max(depth for depth, _ in sizes), 1 + sum(functions for _, functions in sizes)
