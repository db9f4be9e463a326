"""The compiled loop of the decoder: tokens through a small Llama, and the choice of the next ones.

Weights are packed into panels of 16 columns, and one product (`_product`) does the projections as well as the
attention, whose keys and values lie in the cache as such panels. It is written in LLVM's own terms, because only so is
it sure that the sums stay in vector registers; it runs on any processor, fastest where 16 of these hold 8 numbers each.
Every sum has an order of its own, whatever else is in the batch, which no BLAS promises.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

PANEL = 16
"""Columns of a panel."""
_ROWS, _TILE = 6, 48  # rows of a product; rows that go through all layers together, a multiple of it
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
_f = np.float32
_LOG2E, _LN2_HIGH, _LN2_LOW = _f(1.44269504), _f(0.693359375), _f(-2.12194440e-4)
_LOWEST, _ONE, _HALF = _f(-87.0), _f(1.0), _f(0.5)
_C2, _C3, _C4, _C5, _C6 = _f(0.5), _f(0.16666546), _f(0.041665796), _f(0.008333452), _f(0.0013981999)


class Weights(NamedTuple):
    """The model as the compiled loop reads it; matrices as panels, one layer a row, norms folded in."""

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


_vector = ir.VectorType(ir.FloatType(), 8)


def _product(rows, panels, adding):
    """A compiled product of rows of `a` with panels of `w`, into `c`, or added to it.

    Rows are `step` apart in `a` and `width` in `c`, panels `gap` apart in `w` and 16 in `c`. All accumulators stay in
    registers, and each is summed from the first to the last of `depth`.
    """

    @intrinsic
    def product(typing, a, a0, step, w, w0, gap, c, c0, width, depth):
        i64 = types.int64
        signature = types.void(a, i64, i64, w, i64, i64, c, i64, i64, i64)

        def build(context, builder, signature, args):
            def number(value):
                return ir.Constant(ir.IntType(64), value)

            def at(array, *terms):
                place = context.make_array(signature.args[array])(context, builder, args[array]).data
                for value, times in terms:
                    place = builder.gep(place, [builder.mul(value, number(times))])
                return place

            def vector(place, offset):
                return builder.bitcast(builder.gep(place, [offset]), _vector.as_pointer())

            kind = ir.FunctionType(_vector, [_vector] * 3)
            multiply_add = cgutils.get_or_insert_function(builder.module, kind, "llvm.fmuladd.v8f32")
            undefined, first = ir.Constant(_vector, ir.Undefined), ir.IntType(32)(0)
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8)
            inputs = [at(0, (args[1], 1), (args[2], row)) for row in range(rows)]
            weights = [at(3, (args[4], 1), (args[5], panel)) for panel in range(panels)]
            outputs = [at(6, (args[7], 1), (args[8], row)) for row in range(rows)]
            columns = range(0, panels * PANEL, 8)
            places = [vector(output, number(column)) for output in outputs for column in columns]
            zero = ir.Constant(_vector, [0.0] * 8)
            sums = [cgutils.alloca_once_value(builder, builder.load(x, align=4) if adding else zero) for x in places]
            with cgutils.for_range(builder, args[9]) as loop:
                line = builder.mul(loop.index, number(PANEL))
                parts = [builder.add(line, number(half)) for half in (0, 8)]
                parts = [builder.load(vector(panel, part), align=4) for panel in weights for part in parts]
                for row, x in enumerate(inputs):
                    x = builder.insert_element(undefined, builder.load(builder.gep(x, [loop.index])), first)
                    x = builder.shuffle_vector(x, undefined, everywhere)
                    for total, part in zip(sums[row * len(parts) :], parts, strict=False):
                        builder.store(builder.call(multiply_add, [x, part, builder.load(total)]), total)
            for total, place in zip(sums, places, strict=True):
                builder.store(builder.load(total), place, align=4)
            return context.get_dummy_value()

        return signature, build

    return product


_six_by_one, _six_added, _one_by_one = _product(_ROWS, 1, False), _product(_ROWS, 1, True), _product(1, 1, False)
_one_by_two, _one_by_four = _product(1, 2, False), _product(1, 4, False)


@intrinsic
def _power_of_two(typing, exponent):
    """2 ** exponent, for an exponent without fraction, by its bits."""

    def build(context, builder, signature, args):
        whole = builder.add(builder.fptosi(args[0], ir.IntType(32)), ir.IntType(32)(127))
        return builder.bitcast(builder.shl(whole, ir.IntType(32)(23)), ir.FloatType())

    return types.float32(types.float32), build


@njit(**_OPTIONS, fastmath={"contract"})
def _exp(x):
    """The exponential to 2e-7 of itself, in operations that the compiler turns into vectors (Cephes expf)."""
    x = max(x, _LOWEST)
    whole = np.floor(x * _LOG2E + _HALF)
    x = x - whole * _LN2_HIGH - whole * _LN2_LOW
    series = ((((_C6 * x + _C5) * x + _C4) * x + _C3) * x + _C2) * x * x + x + _ONE
    return series * _power_of_two(whole)


@njit(**_OPTIONS, fastmath={"contract", "reassoc", "nnan", "nsz"})
def _softmax(x, count, scale, out):
    """Exponentials of (x - largest x) * scale, of the first of x; returns their sum and the largest x."""
    largest = x[0]
    for j in range(count):
        largest = max(largest, x[j])
    total = _f(0.0)
    for j in range(count):
        part = _exp((x[j] - largest) * scale)
        out[j] = part
        total += part
    return total, largest


@njit(**_OPTIONS, fastmath={"contract", "reassoc"})
def _normalize(x, out, rows, size, step, epsilon):
    """Rows over the root of their mean square."""
    for i in range(0, rows * step, step):
        squares = _f(0.0)
        for j in range(i, i + size):
            squares += x[j] * x[j]
        scale = _ONE / np.sqrt(squares / _f(size) + epsilon)
        for j in range(i, i + size):
            out[j] = x[j] * scale


@njit(**_OPTIONS)
def _multiply(a, step, panels, depth, c, width, rows):
    """Rows (rows, step) with a matrix of panels, into rows (rows, width); rows are filled to a multiple of six."""
    size = depth * PANEL
    for panel in range(len(panels) // size):
        for i in range(0, rows, _ROWS):
            _six_by_one(a, i * step, step, panels, panel * size, 0, c, i * width + panel * PANEL, width, depth)


@njit(**_OPTIONS)
def _multiply_and_add(a, step, panels, depth, c, width, rows):
    """Add the product to what is there."""
    size = depth * PANEL
    for panel in range(len(panels) // size):
        for i in range(0, rows, _ROWS):
            _six_added(a, i * step, step, panels, panel * size, 0, c, i * width + panel * PANEL, width, depth)


@njit(**_OPTIONS, fastmath={"contract"})
def _multiply_gated(a, step, panels, depth, c, width, rows):
    """The product for pairs of panels: SiLU of the product with the first of a pair, times that with the second."""
    both, size = np.empty(_ROWS * 2 * PANEL, np.float32), depth * PANEL
    for pair in range(width // PANEL):
        for i in range(0, rows, _ROWS):
            _six_by_one(a, i * step, step, panels, 2 * pair * size, 0, both, 0, 2 * PANEL, depth)
            _six_by_one(a, i * step, step, panels, (2 * pair + 1) * size, 0, both, PANEL, 2 * PANEL, depth)
            for row in range(_ROWS):
                for j in range(PANEL):
                    gate = both[row * 2 * PANEL + j]
                    gated = gate / (_ONE + _exp(-gate)) * both[row * 2 * PANEL + PANEL + j]
                    c[(i + row) * width + pair * PANEL + j] = gated


@njit(**_OPTIONS, fastmath={"contract"})
def _remember(w, keys, values, joined, position):
    """Rotate the queries and keys of one row, and put its keys and values into the cache."""
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


@njit(**_OPTIONS, fastmath={"contract"})
def _attend(w, keys, values, queries, seen, scores, shares, mixed):
    """What one row gathers of the values that it sees; all arrays are those of this row."""
    size, block, capacity = w.head_dim, w.head_dim * PANEL, len(keys) // (w.kv_heads * w.head_dim)
    for head in range(w.heads):
        cache, at = head // (w.heads // w.kv_heads) * capacity * size, head * size
        start = 0
        while start + 3 * PANEL < seen:
            _one_by_four(queries, at, 0, keys, cache + start * size, block, scores, start, 0, size)
            start += 4 * PANEL
        while start < seen:
            _one_by_one(queries, at, 0, keys, cache + start * size, 0, scores, start, 0, size)
            start += PANEL
        total, _ = _softmax(scores, seen, _ONE, shares)
        gap, part = capacity * PANEL, 0
        while part + PANEL < size:
            _one_by_two(shares, 0, 0, values, cache + part * capacity, gap, mixed, at + part, 0, seen)
            part += 2 * PANEL
        if part < size:
            _one_by_one(shares, 0, 0, values, cache + part * capacity, 0, mixed, at + part, 0, seen)
        for d in range(at, at + size):
            mixed[d] /= total


@njit(**_OPTIONS, fastmath={"contract"})
def forward(w, keys, values, tokens, slots, positions, wanted, logits):
    """Run tokens through the model, `_TILE` at a time; the logits of those wanted go to the rows of their slots.

    A token sees the positions up to its own in its slot, so those of a prompt have to come in order.
    """
    step = w.embedding.shape[1]
    width, inside = (w.heads + 2 * w.kv_heads) * w.head_dim, w.heads * w.head_dim
    inner = w.gate_up.shape[1] // w.hidden // 2
    hidden, normed = np.zeros(_TILE * step, np.float32), np.zeros(_TILE * step, np.float32)
    joined, mixed = np.zeros(_TILE * width, np.float32), np.zeros(_TILE * inside, np.float32)
    product = np.zeros(_TILE * inner, np.float32)
    scores, shares = np.zeros(len(w.cos), np.float32), np.zeros(len(w.cos), np.float32)
    found = np.zeros((_TILE, logits.shape[1]), np.float32)
    for start in range(0, len(tokens), _TILE):
        rows = min(_TILE, len(tokens) - start)
        at, where = slots[start : start + rows], positions[start : start + rows]
        for i in range(rows):
            hidden[i * step : (i + 1) * step] = w.embedding[tokens[start + i]]
        for layer in range(len(w.qkv)):
            _normalize(hidden, normed, rows, w.hidden, step, w.epsilon)
            _multiply(normed, step, w.qkv[layer], w.hidden, joined, width, rows)
            for i in range(rows):
                row = joined[i * width : (i + 1) * width]
                _remember(w, keys[layer, at[i]], values[layer, at[i]], row, where[i])
            for i in range(rows):
                row, out = joined[i * width : (i + 1) * width], mixed[i * inside : (i + 1) * inside]
                _attend(w, keys[layer, at[i]], values[layer, at[i]], row, where[i] + 1, scores, shares, out)
            _multiply_and_add(mixed, inside, w.out[layer], inside, hidden, step, rows)
            _normalize(hidden, normed, rows, w.hidden, step, w.epsilon)
            _multiply_gated(normed, step, w.gate_up[layer], w.hidden, product, inner, rows)
            _multiply_and_add(product, inner, w.down[layer], w.inner, hidden, step, rows)
        asked = 0
        for i in range(rows):
            if wanted[start + i]:
                hidden[asked * step : (asked + 1) * step] = hidden[i * step : (i + 1) * step].copy()
                asked += 1
        _normalize(hidden, normed, asked, w.hidden, step, w.epsilon)
        _multiply(normed, step, w.head, w.hidden, found.ravel(), found.shape[1], asked)
        asked = 0
        for i in range(rows):
            if wanted[start + i]:
                logits[at[i]] = found[asked]
                asked += 1


@njit(**_OPTIONS)
def _uniform(seed, row, index):
    """A number in [0, 1) that follows from three others (the finalizer of SplitMix64, over a counter)."""
    x = seed
    for part in (np.uint64(row), np.uint64(index)):
        x = (x ^ part) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return np.float64(x >> np.uint64(11)) * 2.0**-53


@njit(**_OPTIONS)
def choose(logits, vocabulary, busy, rows, last, ended, end_ids, seed, temperature, tokens, lengths, logprobs):
    """Draw the next token of each busy slot, write it down, and mark the slots whose rows have ended."""
    weights = np.empty(vocabulary, np.float32)
    scale = _ONE / temperature if temperature > 0 else _ONE
    for k in range(len(busy)):
        slot, row = busy[k], rows[busy[k]]
        index = lengths[row]
        total, largest = _softmax(logits[slot], vocabulary, scale, weights)
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
