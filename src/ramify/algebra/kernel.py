"""The inner loop of the solver, compiled by numba."""

import numpy as np
from numba import njit


@njit(cache=True)
def evaluate(numbers, operator, left, right, first_full, target, top, bottom, hits):
    """Evaluate every node; fills `hits` with the inner nodes that use all numbers and reach the target."""
    size = len(numbers)
    for k in range(size):
        top[k] = numbers[k]
        bottom[k] = 1.0
    count = 0
    for k in range(len(operator)):
        a, b = top[left[k]], bottom[left[k]]
        c, d = top[right[k]], bottom[right[k]]
        op = operator[k]
        if op == 0:
            n, m = a * d + c * b, b * d
        elif op == 1:
            n, m = a * d - c * b, b * d
        elif op == 2:
            n, m = a * c, b * d
        else:
            n, m = a * d, b * c
            if c == 0.0:
                n = np.nan
        if k >= first_full:
            if n == target * m:
                hits[count] = k
                count += 1
        else:
            top[size + k] = n
            bottom[size + k] = m
    return count
