"""Decode with a small Llama on a CPU, several times faster than an operator at a time allows.

All of a token's work is one compiled function. Weights are packed into panels of 16 columns, and one product of vectors
(`_product`) does the projections as well as the attention, whose keys and values lie in the cache as such panels. Every
sum runs in an order that depends on its row alone, and random numbers follow from (seed, row, token), so the result
does not depend on what else is in the batch, on the number of slots, or on threads.

A slot holds the keys and values of one row. A row that ends gives its slot to the next one; a prompt is read once for
all of its rows, in the same pass in which the other slots write their next token.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LARGEST = 512
"""Hidden size up to which this decoder is chosen: with wider models the products dominate, where torch is as fast."""
SLOTS = 128
"""Rows that a thread decodes together; fewer where their cache would take more than `CACHE` bytes."""
CACHE = 2**28
_PANEL, _ROWS, _TILE = 16, 6, 48  # columns of a panel, rows of a product, rows that go through all layers together
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


class Decoded(NamedTuple):
    """What was written: token ids, padded on the right (rows, longest), and their log-probabilities, 0 there."""

    tokens: np.ndarray
    lengths: np.ndarray
    logprobs: np.ndarray


def unsupported(model: Any) -> str | None:
    """Why a model cannot be decoded here, in a few words; None if it can.

    It has to be a Llama in float32 on a CPU, of hidden size up to `LARGEST`, with default rotary embeddings, heads of a
    multiple of 16, no biases, and linear layers that are just that (no adapters).
    """
    import torch

    config, layers = model.config, model.model.layers
    linear = [part for part in layers.modules() if hasattr(part, "weight") and part.weight.ndim == 2]
    reasons = {
        "not a Llama": config.model_type != "llama" or config.hidden_act != "silu",
        "not float32 on a CPU": model.device.type != "cpu" or model.dtype != torch.float32,
        "hidden size": config.hidden_size > LARGEST,
        "head size": config.head_dim % _PANEL != 0,
        "rotary embeddings": config.rope_parameters.get("rope_type", "default") != "default",
        "biases": any(getattr(part, "bias", None) is not None for part in linear),
        "adapters": any(type(part) is not torch.nn.Linear for part in (*linear, model.lm_head)),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def pack(model: Any, length: int) -> Weights:
    """Copy the weights of a model, for positions below a length."""
    config = model.config
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    scale = config.head_dim**-0.5

    def layer(index: int) -> tuple[np.ndarray, ...]:
        at = f"model.layers.{index}."
        q, k, v, out = (state[f"{at}self_attn.{name}_proj.weight"] for name in "qkvo")
        gate, up, down = (state[f"{at}mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
        first, second = state[f"{at}input_layernorm.weight"], state[f"{at}post_attention_layernorm.weight"]
        qkv = np.concatenate([_panels(part * first) for part in (q * _f(scale), k, v)])
        # A panel of the gate, then the one of `up` that it is for.
        pairs = [_panels(part * second).reshape(-1, config.hidden_size * _PANEL) for part in (gate, up)]
        gate_up = np.stack(pairs, 1).ravel()
        return qkv, _panels(out), gate_up, _panels(down)

    layers = [np.stack(parts) for parts in zip(*map(layer, range(config.num_hidden_layers)), strict=True)]
    embedding = state["model.embed_tokens.weight"]
    angles = np.arange(length, dtype=np.float32)[:, None] * model.model.rotary_emb.inv_freq.float().numpy()
    return Weights(
        np.pad(embedding, [(0, 0), (0, -embedding.shape[1] % _PANEL)]),
        *layers,
        _panels(model.lm_head.weight.detach().numpy() * state["model.norm.weight"]),
        np.cos(angles),
        np.sin(angles),
        _f(config.rms_norm_eps),
        config.num_attention_heads,
        config.num_key_value_heads,
        config.head_dim,
        config.hidden_size,
        config.intermediate_size,
    )


def _panels(matrix: np.ndarray) -> np.ndarray:
    """A matrix (out, in) as panels of 16 outputs, (in, 16) each, one after the other; zeros where outputs lack."""
    filled = np.pad(matrix, [(0, -len(matrix) % _PANEL), (0, 0)])
    return np.ascontiguousarray(filled.reshape(-1, _PANEL, matrix.shape[1]).transpose(0, 2, 1)).ravel()


def decode(
    model: Any,
    prompts: list[list[int]],
    max_new_tokens: int,
    temperature: float,
    end_ids: list[int],
    seed: int,
    slots: int = SLOTS,
    threads: int = 1,
) -> Decoded:
    """Write after each prompt until a token of `end_ids` or `max_new_tokens`; temperature 0 is greedy.

    Equal prompts are read once. The same seed gives the same bytes whatever `slots` and `threads`.

    Args:
        prompts: token ids, at least one each.
        seed: 64 bits, of which the random numbers of all rows follow.
    """
    capacity = -(-(max(map(len, prompts)) + max_new_tokens) // _PANEL) * _PANEL
    weights = pack(model, capacity)
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, prompt in enumerate(prompts):
        groups.setdefault(tuple(prompt), []).append(row)
    parts = 1 if len(groups) >= threads else threads  # else a thread would have nothing to do
    queue = ((prompt, rows[part::parts]) for prompt, rows in groups.items() for part in range(parts))
    slot_bytes = 8 * len(weights.qkv) * weights.kv_heads * weights.head_dim * capacity
    slots = max(1, min(slots, -(-len(prompts) // threads), CACHE // slot_bytes))
    written = Decoded(
        np.zeros((len(prompts), max_new_tokens), np.int64),
        np.zeros(len(prompts), np.int64),
        np.zeros((len(prompts), max_new_tokens), np.float32),
    )
    how = (np.array(end_ids, np.int64), np.uint64(seed), _f(temperature))
    lock = Lock()

    def work(_: int) -> None:
        _serve(weights, queue, lock, slots, capacity, how, written)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    longest = int(written.lengths.max())
    return Decoded(written.tokens[:, :longest], written.lengths, written.logprobs[:, :longest])


@dataclass(slots=True)
class _Group:
    """Rows that share a prompt, and the slot that read it; `logits` are there once it is read."""

    prompt: tuple[int, ...]
    waiting: list[int]
    source: int
    logits: np.ndarray | None = None


def _serve(
    weights: Weights,
    queue: Iterator[tuple[tuple[int, ...], list[int]]],
    lock: Lock,
    slots: int,
    capacity: int,
    how: tuple[Any, ...],
    written: Decoded,
) -> None:
    """What a thread does: it keeps its slots busy until the queue is empty and its rows have ended."""
    layers, parts = len(weights.qkv), weights.kv_heads * weights.head_dim // _PANEL
    keys, values = (np.empty((layers, slots, parts * _PANEL * capacity), np.float32) for _ in range(2))
    # What a copy of a prompt copies: of each key head its first blocks, of each panel of values its first positions.
    by_head = keys.reshape(layers, slots, weights.kv_heads, -1)
    by_panel = values.reshape(layers, slots, parts, -1)
    logits = np.zeros((slots, len(weights.head) // weights.hidden), np.float32)
    rows, positions, last = (np.zeros(slots, np.int64) for _ in range(3))  # of each slot; the latter of its last token
    free, busy = list(range(slots)), np.zeros(0, np.int64)
    group = _Group((), [], 0)

    def place(owner: _Group, slot: int) -> None:
        filled = -(-len(owner.prompt) // _PANEL) * _PANEL
        if slot != owner.source:
            by_head[:, slot, :, : filled * weights.head_dim] = by_head[:, owner.source, :, : filled * weights.head_dim]
            by_panel[:, slot, :, : filled * _PANEL] = by_panel[:, owner.source, :, : filled * _PANEL]
        logits[slot] = owner.logits
        positions[slot] = len(owner.prompt) - 1

    while True:
        ended = np.zeros(len(busy), np.bool_)
        _choose(logits, len(weights.embedding), busy, rows, last, ended, *how, *written)
        free += busy[ended].tolist()
        busy = busy[~ended]
        positions[busy] += 1
        # The other slots go to rows of the group; where it has none left, to the first row of the next, which reads.
        placed: list[tuple[_Group, int]] = []
        reading: list[_Group] = []
        while free:
            if not group.waiting:
                with lock:
                    found = next(queue, None)
                if found is None:
                    break
                group = _Group(found[0], found[1][::-1], free[-1])
                reading.append(group)
            slot = free.pop()
            rows[slot] = group.waiting.pop()
            placed.append((group, slot))
            if group.logits is not None:  # now, because the slot that read may get another prompt
                place(group, slot)
        if not len(busy) and not placed:
            return
        _forward(
            weights,
            keys,
            values,
            np.concatenate([last[busy], *(one.prompt for one in reading)]).astype(np.int64),
            np.concatenate([busy, *(np.full(len(one.prompt), one.source) for one in reading)]),
            np.concatenate([positions[busy], *(np.arange(len(one.prompt)) for one in reading)]),
            np.concatenate([busy >= 0, *(np.arange(len(one.prompt)) == len(one.prompt) - 1 for one in reading)]),
            logits,
        )
        new = [(owner, slot) for owner, slot in placed if owner.logits is None]
        for one in reading:
            one.logits = logits[one.source].copy()
        for owner, slot in new:
            place(owner, slot)
        busy = np.concatenate([busy, np.array([slot for _, slot in placed], np.int64)])


_vector = ir.VectorType(ir.FloatType(), 8)


def _product(rows: int, panels: int, adding: bool) -> Any:
    """A compiled product of rows of `a` with panels of `w`, into `c`, or added to it.

    Rows are `step` apart in `a` and `width` in `c`, panels `gap` apart in `w` and 16 in `c`. All accumulators stay in
    registers, and each is summed from the first to the last of `depth`.
    """

    @intrinsic
    def product(typing: Any, a: Any, a0: Any, step: Any, w: Any, w0: Any, gap: Any, c: Any, c0: Any, width: Any, depth: Any) -> Any:
        i64 = types.int64
        signature = types.void(a, i64, i64, w, i64, i64, c, i64, i64, i64)

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def number(value: int) -> Any:
                return ir.Constant(ir.IntType(64), value)

            def at(array: int, *terms: tuple[Any, int]) -> Any:
                place = context.make_array(signature.args[array])(context, builder, args[array]).data
                for value, times in terms:
                    place = builder.gep(place, [builder.mul(value, number(times))])
                return place

            def vector(place: Any, offset: Any) -> Any:
                return builder.bitcast(builder.gep(place, [offset]), _vector.as_pointer())

            kind = ir.FunctionType(_vector, [_vector] * 3)
            multiply_add = cgutils.get_or_insert_function(builder.module, kind, "llvm.fmuladd.v8f32")
            undefined, first = ir.Constant(_vector, ir.Undefined), ir.IntType(32)(0)
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8)
            inputs = [at(0, (args[1], 1), (args[2], row)) for row in range(rows)]
            weights = [at(3, (args[4], 1), (args[5], panel)) for panel in range(panels)]
            outputs = [at(6, (args[7], 1), (args[8], row)) for row in range(rows)]
            columns = range(0, panels * _PANEL, 8)
            places = [vector(output, number(column)) for output in outputs for column in columns]
            zero = ir.Constant(_vector, [0.0] * 8)
            sums = [cgutils.alloca_once_value(builder, builder.load(x, align=4) if adding else zero) for x in places]
            with cgutils.for_range(builder, args[9]) as loop:
                line = builder.mul(loop.index, number(_PANEL))
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
def _power_of_two(typing: Any, exponent: Any) -> Any:
    """2 ** exponent, for an exponent without fraction, by its bits."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = builder.add(builder.fptosi(args[0], ir.IntType(32)), ir.IntType(32)(127))
        return builder.bitcast(builder.shl(whole, ir.IntType(32)(23)), ir.FloatType())

    return types.float32(types.float32), build


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _exp(x):
    """The exponential to 2e-7 of itself, in operations that the compiler turns into vectors (Cephes expf)."""
    x = max(x, _LOWEST)
    whole = np.floor(x * _LOG2E + _HALF)
    x = x - whole * _LN2_HIGH - whole * _LN2_LOW
    series = ((((_C6 * x + _C5) * x + _C4) * x + _C3) * x + _C2) * x * x + x + _ONE
    return series * _power_of_two(whole)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nnan", "nsz"})
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _normalize(x, out, rows, size, step, epsilon):
    """Rows over the root of their mean square."""
    for i in range(0, rows * step, step):
        squares = _f(0.0)
        for j in range(i, i + size):
            squares += x[j] * x[j]
        scale = _ONE / np.sqrt(squares / _f(size) + epsilon)
        for j in range(i, i + size):
            out[j] = x[j] * scale


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply(a, step, panels, depth, c, width, rows):
    """Rows (rows, step) with a matrix of panels, into rows (rows, width); rows are filled to a multiple of six."""
    size = depth * _PANEL
    for panel in range(len(panels) // size):
        for i in range(0, rows, _ROWS):
            _six_by_one(a, i * step, step, panels, panel * size, 0, c, i * width + panel * _PANEL, width, depth)


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply_and_add(a, step, panels, depth, c, width, rows):
    """Likewise, added to what is there."""
    size = depth * _PANEL
    for panel in range(len(panels) // size):
        for i in range(0, rows, _ROWS):
            _six_added(a, i * step, step, panels, panel * size, 0, c, i * width + panel * _PANEL, width, depth)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _multiply_gated(a, step, panels, depth, c, width, rows):
    """Likewise with pairs of panels: SiLU of the product with the first of a pair, times that with the second."""
    both, size = np.empty(_ROWS * 2 * _PANEL, np.float32), depth * _PANEL
    for pair in range(width // _PANEL):
        for i in range(0, rows, _ROWS):
            _six_by_one(a, i * step, step, panels, 2 * pair * size, 0, both, 0, 2 * _PANEL, depth)
            _six_by_one(a, i * step, step, panels, (2 * pair + 1) * size, 0, both, _PANEL, 2 * _PANEL, depth)
            for row in range(_ROWS):
                for j in range(_PANEL):
                    gate = both[row * 2 * _PANEL + j]
                    gated = gate / (_ONE + _exp(-gate)) * both[row * 2 * _PANEL + _PANEL + j]
                    c[(i + row) * width + pair * _PANEL + j] = gated


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
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
        start = (head * capacity + position // _PANEL * _PANEL) * size + position % _PANEL
        at = (w.heads + head) * size
        for d in range(size):
            keys[start + d * _PANEL] = joined[at + d]
    for part in range(w.kv_heads * size // _PANEL):
        start, at = (part * capacity + position) * _PANEL, (w.heads + w.kv_heads) * size + part * _PANEL
        for d in range(_PANEL):
            values[start + d] = joined[at + d]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _attend(w, keys, values, queries, seen, scores, shares, mixed):
    """What one row gathers of the values that it sees; all arrays are those of this row."""
    size, block, capacity = w.head_dim, w.head_dim * _PANEL, len(keys) // (w.kv_heads * w.head_dim)
    for head in range(w.heads):
        cache, at = head // (w.heads // w.kv_heads) * capacity * size, head * size
        start = 0
        while start + 3 * _PANEL < seen:
            _one_by_four(queries, at, 0, keys, cache + start * size, block, scores, start, 0, size)
            start += 4 * _PANEL
        while start < seen:
            _one_by_one(queries, at, 0, keys, cache + start * size, 0, scores, start, 0, size)
            start += _PANEL
        total, _ = _softmax(scores, seen, _ONE, shares)
        gap, part = capacity * _PANEL, 0
        while part + _PANEL < size:
            _one_by_two(shares, 0, 0, values, cache + part * capacity, gap, mixed, at + part, 0, seen)
            part += 2 * _PANEL
        if part < size:
            _one_by_one(shares, 0, 0, values, cache + part * capacity, 0, mixed, at + part, 0, seen)
        for d in range(at, at + size):
            mixed[d] /= total


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _forward(w, keys, values, tokens, slots, positions, wanted, logits):
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


@njit(cache=True, nogil=True, error_model="numpy")
def _uniform(seed, row, index):
    """A number in [0, 1) that follows from three others (the finalizer of SplitMix64, over a counter)."""
    x = seed
    for part in (np.uint64(row), np.uint64(index)):
        x = (x ^ part) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return np.float64(x >> np.uint64(11)) * 2.0**-53


@njit(cache=True, nogil=True, error_model="numpy")
def _choose(logits, vocabulary, busy, rows, last, ended, end_ids, seed, temperature, tokens, lengths, logprobs):
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
