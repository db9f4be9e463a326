"""A compiled decoder for small Llama models on a CPU, several times faster than separate operators.

One compiled function (decoder_kernel.py) computes a token, with sums that do not depend on the rest of the batch.
Random numbers are functions of (seed, row, token). So the same seed gives the same bytes for any number of slots and
threads.

A slot has the keys and values of one row, and passes to the next row when that row ends. A prompt is read once for all
of its rows, in the same pass as the next token of the other slots.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from ramify.models.compiled.decoder_kernel import Weights, choose, forward
from ramify.models.compiled.product_kernel import PANEL
from ramify.models.loading import LARGEST_DECODED

SLOTS = 48
"""Rows per thread; fewer if their cache would exceed `CACHE` bytes."""
CACHE = 2**28


class Decoded(NamedTuple):
    """Sampled token ids, padded on the right (rows, longest), and their log-probabilities, 0 at padding."""

    tokens: np.ndarray
    lengths: np.ndarray
    logprobs: np.ndarray


def unsupported(model: Any, head: Any = None) -> str | None:
    """The reason that a model (without its head) is not supported, in a few words; None if it is.

    Required are a Llama in float32 on a CPU, hidden size up to `LARGEST_DECODED`, head size a multiple of 16, default
    rotary embeddings, and plain linear layers without biases or adapters.
    """
    import torch

    config = model.config
    linear = [part for name, part in model.layers.named_modules() if name.endswith("_proj")]
    linear += [] if head is None else [head]
    reasons = {
        "not a Llama": config.model_type != "llama" or config.hidden_act != "silu",
        "not float32 on a CPU": model.device.type != "cpu" or model.dtype != torch.float32,
        "hidden size": config.hidden_size > LARGEST_DECODED,
        "head size": config.head_dim % PANEL != 0,
        "rotary embeddings": config.rope_parameters.get("rope_type", "default") != "default",
        "biases": config.attention_bias or config.mlp_bias,
        "adapters": any(type(part) is not torch.nn.Linear for part in linear),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def pack(model: Any, head: Any, length: int) -> Weights:
    """Copy the weights of a model, and of its head if there is one, for positions below a length."""
    config = model.config
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    scale = config.head_dim**-0.5

    def layer(index: int) -> tuple[np.ndarray, ...]:
        at = f"layers.{index}."
        q, k, v, out = (state[f"{at}self_attn.{name}_proj.weight"] for name in "qkvo")
        gate, up, down = (state[f"{at}mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
        first, second = state[f"{at}input_layernorm.weight"], state[f"{at}post_attention_layernorm.weight"]
        qkv = np.concatenate([panels(part * first) for part in (q * np.float32(scale), k, v)])
        # Panels of gate and `up` alternate.
        pairs = [panels(part * second).reshape(-1, config.hidden_size * PANEL) for part in (gate, up)]
        gate_up = np.stack(pairs, 1).ravel()
        return qkv, panels(out), gate_up, panels(down)

    layers = zip(*map(layer, range(config.num_hidden_layers)), strict=True)
    qkv, out, gate_up, down = (np.stack(parts) for parts in layers)
    embedding = state["embed_tokens.weight"]
    angles = np.arange(length, dtype=np.float32)[:, None] * model.rotary_emb.inv_freq.float().numpy()
    return Weights(
        np.pad(embedding, [(0, 0), (0, -embedding.shape[1] % PANEL)]),
        qkv,
        out,
        gate_up,
        down,
        np.zeros(0, np.float32) if head is None else panels(head.weight.detach().numpy() * state["norm.weight"]),
        np.cos(angles),
        np.sin(angles),
        np.float32(config.rms_norm_eps),
        config.num_attention_heads,
        config.num_key_value_heads,
        config.head_dim,
        config.hidden_size,
        config.intermediate_size,
    )


def panels(matrix: np.ndarray) -> np.ndarray:
    """A matrix (out, in) as consecutive panels of 16 outputs, (in, 16) each, padded with zeros."""
    filled = np.pad(matrix, [(0, -len(matrix) % PANEL), (0, 0)])
    return np.ascontiguousarray(filled.reshape(-1, PANEL, matrix.shape[1]).transpose(0, 2, 1)).ravel()


def decode(
    model: Any,
    prompts: list[list[int]],
    max_new_tokens: int,
    temperature: float,
    end_ids: list[int],
    seed: int,
    slots: int | None = None,
    threads: int = 1,
) -> Decoded:
    """Sample after each prompt until a token of `end_ids` or `max_new_tokens`; temperature 0 is greedy.

    Equal prompts are read once. The same seed gives the same bytes for any `slots` and `threads`.

    Args:
        prompts: token ids, at least one each.
        seed: 64-bit seed of the random numbers of all rows.
        slots: rows per thread; None for `SLOTS`.
    """
    capacity = -(-(max(map(len, prompts)) + max_new_tokens) // PANEL) * PANEL
    weights = pack(model.model, model.lm_head, capacity)
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, prompt in enumerate(prompts):
        groups.setdefault(tuple(prompt), []).append(row)
    parts = 1 if len(groups) >= threads else threads  # else a thread would be idle
    shares = ((prompt, rows[part::parts]) for prompt, rows in groups.items() for part in range(parts))
    queue = (share for share in shares if share[1])
    slot_bytes = 8 * len(weights.qkv) * weights.kv_heads * weights.head_dim * capacity
    slots = max(1, min(slots or SLOTS, -(-len(prompts) // threads), CACHE // slot_bytes))
    written = Decoded(
        np.zeros((len(prompts), max_new_tokens), np.int64),
        np.zeros(len(prompts), np.int64),
        np.zeros((len(prompts), max_new_tokens), np.float32),
    )
    how = (np.array(end_ids, np.int64), np.uint64(seed), np.float32(temperature))
    lock = Lock()

    def work(_: int) -> None:
        _serve(weights, queue, lock, slots, capacity, how, written)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    longest = int(written.lengths.max())
    return Decoded(written.tokens[:, :longest], written.lengths, written.logprobs[:, :longest])


@dataclass(slots=True)
class _Group:
    """Rows with the same prompt, and the slot that read it; `logits` are set afterwards."""

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
    """The loop of a thread: fill its slots until the queue is empty and its rows have ended."""
    layers, parts = len(weights.qkv), weights.kv_heads * weights.head_dim // PANEL
    keys, values = (np.empty((layers, slots, parts * PANEL * capacity), np.float32) for _ in range(2))
    # Copying a prompt copies the first blocks of each key head and the first positions of each panel of values.
    by_head = keys.reshape(layers, slots, weights.kv_heads, -1)
    by_panel = values.reshape(layers, slots, parts, -1)
    logits = np.zeros((slots, len(weights.head) // weights.hidden), np.float32)
    rows, positions, last = (np.zeros(slots, np.int64) for _ in range(3))  # per slot; the latter for its last token
    free, busy = list(range(slots)), np.zeros(0, np.int64)
    group = _Group((), [], 0)

    def place(owner: _Group, slot: int) -> None:
        filled = -(-len(owner.prompt) // PANEL) * PANEL
        if slot != owner.source:
            by_head[:, slot, :, : filled * weights.head_dim] = by_head[:, owner.source, :, : filled * weights.head_dim]
            by_panel[:, slot, :, : filled * PANEL] = by_panel[:, owner.source, :, : filled * PANEL]
        logits[slot] = owner.logits
        positions[slot] = len(owner.prompt) - 1

    while True:
        ended = np.zeros(len(busy), np.bool_)
        choose(logits, len(weights.embedding), busy, rows, last, ended, *how, *written)
        free += busy[ended].tolist()
        busy = busy[~ended]
        positions[busy] += 1
        # Other slots take rows of the group or, if none is left, the first row of the next group, which reads its
        # prompt.
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
            if group.logits is not None:  # now, because the slot may get another prompt
                place(group, slot)
        if not len(busy) and not placed:
            return
        forward(
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
