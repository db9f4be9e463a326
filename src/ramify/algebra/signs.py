"""Fold unary minus signs into subtractions, so that patterns need no sign."""

NEGATION = "~"
"""The unary minus in postfix order; it follows its operand."""

Postfix = tuple[int | str, ...]


def fold_signs(postfix: Postfix) -> tuple[Postfix, bool]:
    """Remove unary minus signs; returns the postfix items and whether the value has to be negated.

    A sign before a difference swaps its operands: -(5-11) is 11-5. Any other sign moves outwards until a sum or a
    difference absorbs it. A sign that nothing absorbs, as in -(9*2), remains; the result then has no subtraction.
    Linear in the number of items, without recursion.

    >>> fold_signs((9, 2, "-", 5, 11, "-", "~", "*"))
    ((9, 2, '-', 11, 5, '-', '*'), False)
    >>> fold_signs((7, 9, 2, "*", "~", "+"))
    ((7, 9, 2, '*', '-'), False)
    >>> fold_signs((9, 2, "*", "~"))
    ((9, 2, '*'), True)
    """
    size = len(postfix)
    operator: list[int | str] = list(postfix)
    first, second = [0] * size, [0] * size
    # Whether the negative of a node can be written without a sign, and whether it has to be.
    flippable, flipped = [False] * size, [False] * size
    negative = [False] * size  # the node as written is minus its value; only if it is not flippable
    stack: list[int] = []
    for index, item in enumerate(postfix):
        if item == NEGATION:
            child = first[index] = stack.pop()
            flippable[index] = flipped[index] = flippable[child]
            negative[index] = not flippable[child] and not negative[child]
        elif isinstance(item, str):
            right, left = stack.pop(), stack.pop()
            if item in "*/":
                flippable[index] = flippable[left] or flippable[right]
                minus = negative[left] is not negative[right]
            else:
                inverts = (item == "-") is not negative[right]
                if negative[left] and not inverts:  # -a + b is b - a
                    left, right, inverts, minus = right, left, True, False
                elif negative[left]:  # -a - b is -(a + b)
                    inverts, minus = False, True
                else:
                    minus = False
                operator[index] = "-" if inverts else "+"
                flippable[index] = inverts or flippable[left] or flippable[right]
            first[index], second[index] = left, right
            flipped[index] = minus and flippable[index]
            negative[index] = minus and not flippable[index]
        stack.append(index)
    root = stack[0]
    written: list[int | str] = []  # from the last item to the first
    ahead = [(root, False)]
    while ahead:
        index, flip = ahead.pop()
        flip = flip is not flipped[index]
        symbol, left, right = operator[index], first[index], second[index]
        if not isinstance(symbol, str):
            written.append(symbol)
        elif symbol == NEGATION:
            ahead.append((left, flip))
        elif not flip:
            written.append(symbol)
            ahead += [(left, False), (right, False)]
        elif symbol == "-":
            written.append("-")
            ahead += [(right, False), (left, False)]
        elif symbol == "+":  # -(a + b) is (-a) - b, or (-b) - a
            written.append("-")
            ahead += [(left, True), (right, False)] if flippable[left] else [(right, True), (left, False)]
        else:
            written.append(symbol)
            ahead += [(left, flippable[left]), (right, not flippable[left])]
    return tuple(reversed(written)), negative[root]


__all__ = ["NEGATION", "Postfix", "fold_signs"]
