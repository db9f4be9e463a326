"""The inner loops of the solver, compiled by numba.

A task is a row (operation, first x, past x, first y, past y, first node): every x with every y, in this order. An
operation is one of x+y, x-y, y-x, x*y, x/y, y/x, numbered from 0. Nodes are numerators and denominators in two arrays
of float64; NaN in either means undefined, and comparisons with NaN are false.
"""

import numpy as np
from numba import njit

_CHUNK = 256  # nodes per vectorised comparison, before hits are searched one by one


@njit(cache=True, nogil=True)
def _evaluate(tasks, top, bottom):
    """Evaluate the nodes over the proper subsets of the numbers."""
    for k in range(len(tasks)):
        operation, x0, x1, y0, y1, node = tasks[k]
        c, d = top[y0:y1], bottom[y0:y1]
        for i in range(x0, x1):
            a, b = top[i], bottom[i]
            n, m = top[node : node + len(c)], bottom[node : node + len(c)]
            if operation == 0:
                for j in range(len(c)):
                    n[j], m[j] = a * d[j] + c[j] * b, b * d[j]
            elif operation == 1:
                for j in range(len(c)):
                    n[j], m[j] = a * d[j] - c[j] * b, b * d[j]
            elif operation == 2:
                for j in range(len(c)):
                    n[j], m[j] = c[j] * b - a * d[j], b * d[j]
            elif operation == 3:
                for j in range(len(c)):
                    n[j], m[j] = a * c[j], b * d[j]
            elif operation == 4:
                for j in range(len(c)):
                    n[j], m[j] = a * d[j], b * (c[j] if c[j] != 0.0 else np.nan)
            else:
                divisor = a if a != 0.0 else np.nan
                for j in range(len(c)):
                    n[j], m[j] = c[j] * b, d[j] * divisor
            node += len(c)


@njit(cache=True, nogil=True)
def _search(tasks, target, top, bottom, hits):
    """Count the nodes over all numbers that equal the target, and store the first len(hits) of them.

    With x = a/b and y = c/d each equation becomes c*p == d*q, where p and q depend on x alone.
    """
    count = 0
    for k in range(len(tasks)):
        operation, x0, x1, y0, y1, node = tasks[k]
        for i in range(x0, x1):
            a, b = top[i], bottom[i]
            p, q = b, target * b - a
            if operation == 1:
                q = a - target * b
            elif operation == 2:
                q = target * b + a
            elif operation == 3:
                p, q = a, target * b
            elif operation == 4:
                p, q = target * b, a
            elif operation == 5:
                q = target * a
            first = node - y0
            node += y1 - y0
            if operation >= 4 and a == 0.0 and (operation == 5 or target != 0.0):
                continue  # division by zero, or 0/y for a nonzero target
            zero = operation == 4 and a == 0.0  # 0/y is 0 for nonzero y
            for start in range(y0, y1, _CHUNK):
                stop = min(start + _CHUNK, y1)
                c, d = top[start:stop], bottom[start:stop]
                found = False
                for j in range(len(c)):
                    found |= c[j] * p == d[j] * q
                if found:
                    for j in range(len(c)):
                        if c[j] * p == d[j] * q and not (zero and c[j] == 0.0):
                            if count < len(hits):
                                hits[count] = first + start + j
                            count += 1
    return count


@njit(cache=True, nogil=True)
def solve_one(numbers, target, inner, outer, nodes):
    """The nodes over all numbers that equal the target."""
    top, bottom = np.empty(nodes), np.empty(nodes)
    top[: len(numbers)] = numbers
    bottom[: len(numbers)] = 1.0
    _evaluate(inner, top, bottom)
    hits = np.empty(1024, dtype=np.int64)
    count = _search(outer, target, top, bottom, hits)
    if count > len(hits):
        hits = np.empty(count, dtype=np.int64)
        _search(outer, target, top, bottom, hits)
    return hits[:count]


@njit(cache=True, nogil=True)
def solve_all(numbers, targets, inner, outer, nodes, patterns, solved, multiplicity):
    """Solve one puzzle per row: mark its patterns in `solved` and count its solutions in `multiplicity`."""
    size = numbers.shape[1]
    top, bottom = np.empty(nodes), np.empty(nodes)
    bottom[:size] = 1.0
    hits = np.empty(1024, dtype=np.int64)
    for row in range(len(numbers)):
        top[:size] = numbers[row]
        _evaluate(inner, top, bottom)
        count = _search(outer, targets[row], top, bottom, hits)
        if count > len(hits):
            hits = np.empty(2 * count, dtype=np.int64)
            _search(outer, targets[row], top, bottom, hits)
        for hit in hits[:count]:
            solved[row, patterns[hit]] = True
        multiplicity[row] = count
