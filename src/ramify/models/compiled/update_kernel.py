"""Compiled forward and backward pass of a small Llama over units of complete sequences.

A unit is a few consecutive sequences without padding between them; its rows are padded to a multiple of six, with at
least five rows after the last sequence, because products write six rows. `Saved` has the activations for the backward
pass. Norms are folded into the matrices (decoder.py), so gradients are those of the folded matrices. Rows of scratch
arrays are an odd number of cache lines apart, since otherwise their columns would share few cache sets.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ramify.models.compiled.product_kernel import (
    OPTIONS,
    PANEL,
    ROWS,
    accumulate,
    columns_added,
    exp,
    multiply,
    multiply_and_add,
    normalize,
    six_added,
    six_by_one,
    softmax,
)

TILE = 96
"""Rows per product, a multiple of six."""
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


class Unit(NamedTuple):
    """Padded tokens and positions of sequences, their bounds, and their rows in the batch."""

    tokens: np.ndarray
    positions: np.ndarray
    begins: np.ndarray
    rows: np.ndarray


class Saved(NamedTuple):
    """Saved activations of a unit, one layer per row; `hidden` has one more, and `middle` follows the attention.

    Queries and keys are rotated; `logs` are the log-sum-exps of the softmax.
    """

    hidden: np.ndarray
    qkv: np.ndarray
    logs: np.ndarray
    mixed: np.ndarray
    middle: np.ndarray
    gate_up: np.ndarray


class Matrices(NamedTuple):
    """Transposed weights as panels, or gradients of weights (out, in), one layer per row, padded to six rows.

    `norm` is the final norm.
    """

    embedding: np.ndarray
    qkv: np.ndarray
    out: np.ndarray
    gate_up: np.ndarray
    down: np.ndarray
    norm: np.ndarray


@njit(**OPTIONS)
def _step(width):
    """The distance of rows: the width and at least six more, an odd number of cache lines."""
    return (width // PANEL + 1 | 1) * PANEL


@njit(**OPTIONS, fastmath={"contract"})
def _rotate(row, heads, size, cos, sin, sign):
    """Rotate the heads of a row by the angles of its position, or back (sign -1)."""
    half = size // 2
    for at in range(0, heads * size, size):
        for d in range(half):
            a, b = row[at + d], row[at + half + d]
            row[at + d] = a * cos[d] - sign * b * sin[d]
            row[at + half + d] = b * cos[d] + sign * a * sin[d]


@njit(**OPTIONS)
def _as_panels(x, begin, length, step, at, size, filled, panels):
    """The columns of a head as panels of 16 columns, padded with zeros."""
    for part in range(0, size, PANEL):
        for i in range(length):
            for j in range(PANEL):
                panels[(part * filled) + i * PANEL + j] = x[(begin + i) * step + at + part + j]
        panels[part * filled + length * PANEL : (part + PANEL) * filled] = _ZERO


@njit(**OPTIONS)
def _as_columns(x, begin, length, step, at, size, filled, panels):
    """The transposed head: panels of 16 rows as columns, padded with zeros."""
    panels[(filled - PANEL) * size : filled * size] = _ZERO
    panels[max(filled - 2 * PANEL, 0) * size : filled * size] = _ZERO
    for i in range(length):
        start, row = i // PANEL * PANEL * size + i % PANEL, (begin + i) * step + at
        for d in range(size):
            panels[start + d * PANEL] = x[row + d]


@njit(**OPTIONS, fastmath={"contract"})
def _attend(w, qkv, mixed, logs, begin, length):
    """The attention of a sequence: `mixed` and `logs` of its rows, and zeros in up to five rows after it."""
    size, group = w.head_dim, w.heads // w.kv_heads
    width, inside = (w.heads + 2 * w.kv_heads) * size, w.heads * size
    filled = (length + ROWS + PANEL - 1) // PANEL * PANEL
    step = _step(filled)
    columns, panels = np.empty(filled * size, np.float32), np.empty(filled * size, np.float32)
    scores, shares = np.zeros((ROWS, step), np.float32), np.zeros((ROWS, step), np.float32)
    for head in range(w.heads):
        if head % group == 0:
            at = (w.heads + head // group) * size
            _as_columns(qkv, begin, length, width, at, size, filled, columns)
            _as_panels(qkv, begin, length, width, at + w.kv_heads * size, size, filled, panels)
        for i in range(0, length, ROWS):
            query = (begin + i) * width + head * size
            for j in range(0, i + ROWS, PANEL):
                six_by_one(qkv, query, width, columns, j * size, 0, PANEL, scores.ravel(), j, step, size)
            for row in range(ROWS):
                seen = i + row + 1
                if seen <= length:
                    total, largest = softmax(scores[row], seen, _ONE, shares[row])
                    logs[(begin + i + row) * w.heads + head] = largest + np.log(total)
                    scale = _ONE / total
                    for j in range(seen):
                        shares[row, j] *= scale
                    shares[row, seen : i + ROWS] = _ZERO
                else:
                    shares[row, : i + ROWS] = _ZERO
            for part in range(0, size, PANEL):
                place = (begin + i) * inside + head * size + part
                six_by_one(shares.ravel(), 0, step, panels, part * filled, 0, PANEL, mixed, place, inside, i + ROWS)


@njit(**OPTIONS, fastmath={"contract", "reassoc"})
def _attend_backward(w, qkv, mixed, logs, d_mixed, d_step, begin, length, d_qkv, out_step):
    """Add the gradients of queries, keys and values (rotated), given the gradient of the attention output."""
    size, group = w.head_dim, w.heads // w.kv_heads
    width, inside = (w.heads + 2 * w.kv_heads) * size, w.heads * size
    filled = (length + ROWS + PANEL - 1) // PANEL * PANEL
    step = _step(filled)
    key_columns, value_columns = np.empty(filled * size, np.float32), np.empty(filled * size, np.float32)
    key_panels, query_panels = np.empty(filled * size, np.float32), np.empty(filled * size, np.float32)
    d_panels = np.empty(filled * size, np.float32)
    scores, d_shares = np.zeros((ROWS, step), np.float32), np.zeros((ROWS, step), np.float32)
    shares, d_scores = np.zeros((length + ROWS, step), np.float32), np.zeros((length + ROWS, step), np.float32)
    for head in range(w.heads):
        at, key = head * size, (w.heads + head // group) * size
        value = key + w.kv_heads * size
        if head % group == 0:
            _as_columns(qkv, begin, length, width, key, size, filled, key_columns)
            _as_columns(qkv, begin, length, width, value, size, filled, value_columns)
            _as_panels(qkv, begin, length, width, key, size, filled, key_panels)
        _as_panels(qkv, begin, length, width, at, size, filled, query_panels)
        _as_panels(d_mixed, begin, length, d_step, at, size, filled, d_panels)
        for i in range(0, length, ROWS):
            query, gathered = (begin + i) * width + at, (begin + i) * d_step + at
            for j in range(0, i + ROWS, PANEL):
                six_by_one(qkv, query, width, key_columns, j * size, 0, PANEL, scores.ravel(), j, step, size)
                six_by_one(
                    d_mixed, gathered, d_step, value_columns, j * size, 0, PANEL, d_shares.ravel(), j, step, size
                )
            for row in range(ROWS):
                seen = min(i + row + 1, length) if i + row < length else 0
                share, d_score = shares[i + row], d_scores[i + row]
                if seen:
                    log, mean = logs[(begin + i + row) * w.heads + head], _ZERO
                    for d in range(at, at + size):
                        mean += d_mixed[(begin + i + row) * d_step + d] * mixed[(begin + i + row) * inside + d]
                    for j in range(seen):
                        share[j] = exp(scores[row, j] - log)
                    for j in range(seen):
                        d_score[j] = share[j] * (d_shares[row, j] - mean)
                share[seen : i + ROWS] = _ZERO
                d_score[seen : i + ROWS] = _ZERO
            for part in range(0, size, PANEL):
                place = (begin + i) * out_step + at + part
                scored = d_scores.ravel()
                six_added(scored, i * step, step, key_panels, part * filled, 0, PANEL, d_qkv, place, out_step, i + ROWS)
        for j in range(0, length, ROWS):
            seeing, first = length - j, j * step + j
            for part in range(0, size, PANEL):
                line, place = part * filled + j * PANEL, (begin + j) * out_step + part
                columns_added(
                    shares.ravel(), first, step, d_panels, line, 0, PANEL, d_qkv, place + value, out_step, seeing
                )
                columns_added(
                    d_scores.ravel(), first, step, query_panels, line, 0, PANEL, d_qkv, place + key, out_step, seeing
                )


@njit(**OPTIONS, fastmath={"contract"})
def _gate(gate_up, out, step, rows, width):
    """SiLU of the gates times `up`, from rows of both (rows, 2 * width)."""
    for row in range(rows):
        gates, ups = gate_up[2 * row * width : (2 * row + 1) * width], gate_up[(2 * row + 1) * width :]
        found = out[row * step : row * step + width]
        for j in range(width):
            found[j] = gates[j] / (_ONE + exp(-gates[j])) * ups[j]


@njit(**OPTIONS, fastmath={"contract"})
def _gate_backward(gate_up, d_out, out, step, d_gate_up, d_step, rows, width):
    """The gradients of gates and `up` from that of the result, which is recomputed in `out`."""
    shares = np.empty(width, np.float32)
    for row in range(rows):
        gates, ups = gate_up[2 * row * width : (2 * row + 1) * width], gate_up[(2 * row + 1) * width :]
        d_gates, d_ups = d_gate_up[row * d_step : row * d_step + width], d_gate_up[row * d_step + width :]
        d, found = d_out[row * step : row * step + width], out[row * step : row * step + width]
        for j in range(width):
            shares[j] = _ONE / (_ONE + exp(-gates[j]))
        for j in range(width):
            d_ups[j] = d[j] * gates[j] * shares[j]
        for j in range(width):
            d_gates[j] = d[j] * ups[j] * shares[j] * (_ONE + gates[j] * (_ONE - shares[j]))
        for j in range(width):
            found[j] = gates[j] * shares[j] * ups[j]


@njit(**OPTIONS, fastmath={"contract", "reassoc"})
def _normalize_backward(d_normed, normed, scales, d, step, rows, size):
    """Add the gradient of rows, given that of the normalized rows; all rows are `step` apart."""
    for row in range(rows):
        mean = _ZERO
        for j in range(row * step, row * step + size):
            mean += d_normed[j] * normed[j]
        mean /= np.float32(size)
        for j in range(row * step, row * step + size):
            d[j] += scales[row] * (d_normed[j] - normed[j] * mean)


@njit(**OPTIONS, fastmath={"contract"})
def forward(w, norm, unit, saved, out):
    """Run a unit through all layers and the last norm, and write its rows of the batch (rows, hidden)."""
    rows, hidden = len(unit.tokens), w.hidden
    width, inside = (w.heads + 2 * w.kv_heads) * w.head_dim, w.heads * w.head_dim
    pairs = w.gate_up.shape[1] // hidden
    step, inner_step = _step(hidden), _step(pairs // 2)
    normed, gated = np.zeros(TILE * step, np.float32), np.zeros(TILE * inner_step, np.float32)
    scales = np.zeros(TILE, np.float32)
    for i in range(rows):
        saved.hidden[0, i * hidden : (i + 1) * hidden] = w.embedding[unit.tokens[i], :hidden]
    saved.hidden[0, unit.begins[-1] * hidden : rows * hidden] = _ZERO
    for layer in range(len(w.qkv)):
        x, qkv, mixed, middle = saved.hidden[layer], saved.qkv[layer], saved.mixed[layer], saved.middle[layer]
        for start in range(0, rows, TILE):
            count = min(TILE, rows - start)
            normalize(x[start * hidden :], hidden, normed, step, scales, count, hidden, w.epsilon)
            multiply(normed, step, w.qkv[layer], hidden, qkv[start * width :], width, count)
            for i in range(start, start + count):
                at = unit.positions[i]
                _rotate(qkv[i * width : (i + 1) * width], w.heads + w.kv_heads, w.head_dim, w.cos[at], w.sin[at], _ONE)
        mixed[unit.begins[-1] * inside : rows * inside] = _ZERO
        for k in range(len(unit.begins) - 1):
            begin = unit.begins[k]
            _attend(w, qkv, mixed, saved.logs[layer], begin, unit.begins[k + 1] - begin)
        middle[: rows * hidden] = x[: rows * hidden]
        after = saved.hidden[layer + 1]
        for start in range(0, rows, TILE):
            count = min(TILE, rows - start)
            multiply_and_add(
                mixed[start * inside :], inside, w.out[layer], inside, middle[start * hidden :], hidden, count
            )
            normalize(middle[start * hidden :], hidden, normed, step, scales, count, hidden, w.epsilon)
            both = saved.gate_up[layer, start * pairs :]
            multiply(normed, step, w.gate_up[layer], hidden, both, pairs, count)
            _gate(both, gated, inner_step, count, pairs // 2)
            after[start * hidden : (start + count) * hidden] = middle[start * hidden : (start + count) * hidden]
            multiply_and_add(gated, inner_step, w.down[layer], w.inner, after[start * hidden :], hidden, count)
    for start in range(0, unit.begins[-1], TILE):
        count = min(TILE, unit.begins[-1] - start)
        normalize(saved.hidden[-1, start * hidden :], hidden, normed, step, scales, count, hidden, w.epsilon)
        for i in range(count):
            for j in range(hidden):
                out[unit.rows[start + i], j] = normed[i * step + j] * norm[j]


@njit(**OPTIONS, fastmath={"contract"})
def backward(w, t, unit, saved, d_out, g):
    """Add the gradients of a unit to `g`, given those of its rows; `t` has the transposed weights."""
    rows, hidden, size = len(unit.tokens), w.hidden, w.head_dim
    width, inside = (w.heads + 2 * w.kv_heads) * size, w.heads * size
    pairs = w.gate_up.shape[1] // hidden
    inner, step, pair_step, inside_step = pairs // 2, _step(hidden), _step(pairs), _step(inside)
    width_step, inner_step = _step(width), _step(inner)
    normed, d_normed = np.zeros(TILE * step, np.float32), np.zeros(TILE * step, np.float32)
    gated, d_gated = np.zeros(TILE * inner_step, np.float32), np.zeros(TILE * inner_step, np.float32)
    d_pairs, gathered = np.zeros(TILE * pair_step, np.float32), np.zeros((TILE, inside_step), np.float32)
    scales = np.zeros(TILE, np.float32)
    d_hidden, d_mixed = np.zeros(rows * step, np.float32), np.zeros(rows * inside_step, np.float32)
    d_qkv = np.empty(rows * width_step, np.float32)
    for start in range(0, unit.begins[-1], TILE):
        count = min(TILE, unit.begins[-1] - start)
        normalize(saved.hidden[-1, start * hidden :], hidden, normed, step, scales, count, hidden, w.epsilon)
        for i in range(count):
            for j in range(hidden):
                d = d_out[unit.rows[start + i], j]
                g.norm[j] += d * normed[i * step + j]
                d_normed[i * step + j] = d * t.norm[j]
        _normalize_backward(d_normed, normed, scales, d_hidden[start * step :], step, count, hidden)
    for layer in range(len(w.qkv) - 1, -1, -1):
        mixed = saved.mixed[layer]
        for start in range(0, rows, TILE):
            count, d = min(TILE, rows - start), d_hidden[start * step :]
            middle = saved.middle[layer, start * hidden :]
            multiply(d, step, t.down[layer], hidden, d_gated, inner_step, count)
            both = saved.gate_up[layer, start * pairs :]
            _gate_backward(both, d_gated, gated, inner_step, d_pairs, pair_step, count, inner)
            accumulate(d, step, hidden, gated, inner_step, inner, g.down[layer], count)
            normalize(middle, hidden, normed, step, scales, count, hidden, w.epsilon)
            accumulate(d_pairs, pair_step, pairs, normed, step, hidden, g.gate_up[layer], count)
            multiply(d_pairs, pair_step, t.gate_up[layer], pairs, d_normed, step, count)
            _normalize_backward(d_normed, normed, scales, d, step, count, hidden)
            for i in range(count):
                gathered[i, :inside] = mixed[(start + i) * inside : (start + i + 1) * inside]
            accumulate(d, step, hidden, gathered.ravel(), inside_step, inside, g.out[layer], count)
            multiply(d, step, t.out[layer], hidden, d_mixed[start * inside_step :], inside_step, count)
        d_qkv[:] = _ZERO
        for k in range(len(unit.begins) - 1):
            begin, length = unit.begins[k], unit.begins[k + 1] - unit.begins[k]
            logs, qkv = saved.logs[layer], saved.qkv[layer]
            _attend_backward(w, qkv, mixed, logs, d_mixed, inside_step, begin, length, d_qkv, width_step)
        for start in range(0, rows, TILE):
            count, d = min(TILE, rows - start), d_qkv[start * width_step :]
            for i in range(count):
                at, row = unit.positions[start + i], d[i * width_step : (i + 1) * width_step]
                _rotate(row, w.heads + w.kv_heads, size, w.cos[at], w.sin[at], -_ONE)
            x = saved.hidden[layer, start * hidden :]
            normalize(x, hidden, normed, step, scales, count, hidden, w.epsilon)
            accumulate(d, width_step, width, normed, step, hidden, g.qkv[layer], count)
            multiply(d, width_step, t.qkv[layer], width, d_normed, step, count)
            _normalize_backward(d_normed, normed, scales, d_hidden[start * step :], step, count, hidden)
    for i in range(unit.begins[-1]):
        g.embedding[unit.tokens[i]] += d_hidden[i * step : i * step + hidden]
