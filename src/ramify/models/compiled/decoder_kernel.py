"""The compiled loop of the decoder: the forward pass of a small Llama, and the choice of the next tokens.

One product (product_kernel.py) computes projections and attention; keys and values are cached as panels of 16 columns.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ramify.models.compiled.product_kernel import (
    OPTIONS,
    PANEL,
    ROWS,
    exp,
    multiply,
    multiply_and_add,
    normalize,
    product_of,
    six_by_one,
    softmax,
)

_TILE = 48  # rows that pass through all layers together, a multiple of the rows of a product
_ONE = np.float32(1.0)
_one_by_one, _one_by_two, _one_by_four = product_of(1, 1), product_of(1, 2), product_of(1, 4)


class Weights(NamedTuple):
    """The weights in the layout of the compiled loop: panels, one layer per row, with norms folded in."""

    embedding: np.ndarray
    qkv: np.ndarray
    out: np.ndarray
    gate_up: np.ndarray
    down: np.ndarray
    head: np.ndarray
    cos: np.ndarray
    sin: np.ndarray
    epsilon: np.float32
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    inner: int


@njit(**OPTIONS, fastmath={"contract"})
def _multiply_gated(a, step, panels, depth, c, width, rows):
    """Multiply pairs of panels: SiLU of the first product, times the second."""
    both, size = np.empty(ROWS * 2 * PANEL, np.float32), depth * PANEL
    for pair in range(width // PANEL):
        for i in range(0, rows, ROWS):
            six_by_one(a, i * step, step, panels, 2 * pair * size, 0, PANEL, both, 0, 2 * PANEL, depth)
            six_by_one(a, i * step, step, panels, (2 * pair + 1) * size, 0, PANEL, both, PANEL, 2 * PANEL, depth)
            for row in range(ROWS):
                for j in range(PANEL):
                    gate = both[row * 2 * PANEL + j]
                    gated = gate / (_ONE + exp(-gate)) * both[row * 2 * PANEL + PANEL + j]
                    c[(i + row) * width + pair * PANEL + j] = gated


@njit(**OPTIONS, fastmath={"contract"})
def _remember(w, keys, values, joined, position):
    """Rotate the queries and keys of a row, and store its keys and values in the cache."""
    size, half = w.head_dim, w.head_dim // 2
    capacity = len(keys) // (w.kv_heads * size)
    for at in range(0, (w.heads + w.kv_heads) * size, size):
        for d in range(half):
            cos, sin = w.cos[position, d], w.sin[position, d]
            a, b = joined[at + d], joined[at + half + d]
            joined[at + d] = a * cos - b * sin
            joined[at + half + d] = b * cos + a * sin
    for head in range(w.kv_heads):
        start = (head * capacity + position // PANEL * PANEL) * size + position % PANEL
        at = (w.heads + head) * size
        for d in range(size):
            keys[start + d * PANEL] = joined[at + d]
    for part in range(w.kv_heads * size // PANEL):
        start, at = (part * capacity + position) * PANEL, (w.heads + w.kv_heads) * size + part * PANEL
        for d in range(PANEL):
            values[start + d] = joined[at + d]


@njit(**OPTIONS, fastmath={"contract"})
def _attend(w, keys, values, queries, seen, scores, shares, mixed):
    """The attention output of one row; all arrays are those of this row."""
    size, block, capacity = w.head_dim, w.head_dim * PANEL, len(keys) // (w.kv_heads * w.head_dim)
    for head in range(w.heads):
        cache, at = head // (w.heads // w.kv_heads) * capacity * size, head * size
        start = 0
        while start + 3 * PANEL < seen:
            _one_by_four(queries, at, 0, keys, cache + start * size, block, PANEL, scores, start, 0, size)
            start += 4 * PANEL
        while start < seen:
            _one_by_one(queries, at, 0, keys, cache + start * size, 0, PANEL, scores, start, 0, size)
            start += PANEL
        total, _ = softmax(scores, seen, _ONE, shares)
        gap, part = capacity * PANEL, 0
        while part + PANEL < size:
            _one_by_two(shares, 0, 0, values, cache + part * capacity, gap, PANEL, mixed, at + part, 0, seen)
            part += 2 * PANEL
        if part < size:
            _one_by_one(shares, 0, 0, values, cache + part * capacity, 0, PANEL, mixed, at + part, 0, seen)
        for d in range(at, at + size):
            mixed[d] /= total


@njit(**OPTIONS, fastmath={"contract"})
def forward(w, keys, values, tokens, slots, positions, wanted, logits):
    """Run tokens through the model, `_TILE` at a time; write the requested logits to the rows of their slots.

    A token attends to positions up to its own in its slot, so the tokens of a prompt have to be in order.
    """
    step = w.embedding.shape[1]
    width, inside = (w.heads + 2 * w.kv_heads) * w.head_dim, w.heads * w.head_dim
    inner = w.gate_up.shape[1] // w.hidden // 2
    hidden, normed = np.zeros(_TILE * step, np.float32), np.zeros(_TILE * step, np.float32)
    joined, mixed = np.zeros(_TILE * width, np.float32), np.zeros(_TILE * inside, np.float32)
    product, norms = np.zeros(_TILE * inner, np.float32), np.zeros(_TILE, np.float32)
    scores, shares = np.zeros(len(w.cos), np.float32), np.zeros(len(w.cos), np.float32)
    found = np.zeros((_TILE, logits.shape[1]), np.float32)
    for start in range(0, len(tokens), _TILE):
        rows = min(_TILE, len(tokens) - start)
        at, where = slots[start : start + rows], positions[start : start + rows]
        for i in range(rows):
            hidden[i * step : (i + 1) * step] = w.embedding[tokens[start + i]]
        for layer in range(len(w.qkv)):
            normalize(hidden, step, normed, step, norms, rows, w.hidden, w.epsilon)
            multiply(normed, step, w.qkv[layer], w.hidden, joined, width, rows)
            for i in range(rows):
                row = joined[i * width : (i + 1) * width]
                _remember(w, keys[layer, at[i]], values[layer, at[i]], row, where[i])
            for i in range(rows):
                row, out = joined[i * width : (i + 1) * width], mixed[i * inside : (i + 1) * inside]
                _attend(w, keys[layer, at[i]], values[layer, at[i]], row, where[i] + 1, scores, shares, out)
            multiply_and_add(mixed, inside, w.out[layer], inside, hidden, step, rows)
            normalize(hidden, step, normed, step, norms, rows, w.hidden, w.epsilon)
            _multiply_gated(normed, step, w.gate_up[layer], w.hidden, product, inner, rows)
            multiply_and_add(product, inner, w.down[layer], w.inner, hidden, step, rows)
        asked = 0
        for i in range(rows):
            if wanted[start + i]:
                hidden[asked * step : (asked + 1) * step] = hidden[i * step : (i + 1) * step].copy()
                asked += 1
        normalize(hidden, step, normed, step, norms, asked, w.hidden, w.epsilon)
        multiply(normed, step, w.head, w.hidden, found.ravel(), found.shape[1], asked)
        asked = 0
        for i in range(rows):
            if wanted[start + i]:
                logits[at[i]] = found[asked]
                asked += 1


@njit(**OPTIONS)
def _uniform(seed, row, index):
    """A uniform number in [0, 1) from three keys (the finalizer of SplitMix64, over a counter)."""
    x = seed
    for part in (np.uint64(row), np.uint64(index)):
        x = (x ^ part) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return np.float64(x >> np.uint64(11)) * 2.0**-53


@njit(**OPTIONS)
def choose(logits, vocabulary, busy, rows, last, ended, end_ids, seed, temperature, tokens, lengths, logprobs):
    """Sample the next token of each busy slot, store it, and mark the slots whose rows have ended."""
    weights = np.empty(vocabulary, np.float32)
    scale = _ONE / temperature if temperature > 0 else _ONE
    for k in range(len(busy)):
        slot, row = busy[k], rows[busy[k]]
        index = lengths[row]
        total, largest = softmax(logits[slot], vocabulary, scale, weights)
        chosen = 0
        if temperature > 0:
            whole = 0.0
            for weight in weights:
                whole += weight
            wanted, below = _uniform(seed, row, index) * whole, 0.0
            for token in range(vocabulary):
                below += weights[token]
                chosen = token
                if below > wanted:
                    break
        else:
            while logits[slot, chosen] < largest:
                chosen += 1
        tokens[row, index], last[slot] = chosen, chosen
        logprobs[row, index] = (logits[slot, chosen] - largest) * scale - np.log(total)
        lengths[row] = index + 1
        ended[k] = index + 1 == tokens.shape[1]
        for end in end_ids:
            ended[k] |= end == chosen
