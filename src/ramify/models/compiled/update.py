"""Forward and backward pass of a small Llama on a CPU for training, without padding.

The pass is one torch operation with a hand-written gradient (update_kernel.py). The rows of a batch are divided into
units of complete sequences, which threads process in turn. A unit adds its gradients to one of a few lanes, and lanes
are summed in order, so the gradient has the same bytes for any number of threads.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import LlamaModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from ramify.models.compiled import decoder
from ramify.models.compiled.decoder_kernel import Weights
from ramify.models.compiled.product_kernel import PANEL, ROWS
from ramify.models.compiled.update_kernel import Matrices, Saved, Unit, backward, forward
from ramify.models.loading import Decoder

UNIT = 384
"""Rows of a unit, or of its longest sequence if that is longer."""
LANES, LANE_BYTES = 8, 2**28
"""The number of gradient buffers and their total size; a model too large for two has one."""
LONGEST, LAST = 2048, 2**16
"""The longest sequence and the largest position; torch handles longer ones, since attention is stored as a matrix."""


class TinyModel(LlamaModel):
    """A Llama without head whose training passes are compiled if `decoder` is `auto`."""

    decoder: Decoder = "auto"

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Any = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """The forward pass of `transformers.LlamaModel`, which handles unsupported input; zeros in padded rows."""
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        cached = use_cache or past_key_values is not None
        asked = any(value for name, value in kwargs.items() if name != "num_items_in_batch")
        if self.decoder == "auto" and input_ids is not None and not cached and not asked and unsupported(self) is None:
            batch = pack(input_ids, attention_mask, position_ids)
            if batch is not None:
                return BaseModelOutputWithPast(last_hidden_state=_run(self, batch))
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )


def unsupported(model: Any) -> str | None:
    """The reason that a model (without its head) cannot be trained by compiled code, in a few words; None if it can.

    Required are support by the decoder, a hidden size that is a multiple of 16, and no dropout.
    """
    config = model.config
    reasons = {
        "hidden size": config.hidden_size % PANEL != 0,
        "checkpointing": model.gradient_checkpointing and model.training,
        "dropout": config.attention_dropout > 0 and model.training,
        "autocast": torch.is_autocast_enabled("cpu"),
        "outputs of layers": bool(config.output_hidden_states or config.output_attentions),
    }
    return decoder.unsupported(model) or next((reason for reason, holds in reasons.items() if holds), None)


@dataclass(frozen=True, slots=True)
class Batch:
    """The sequences of a batch (rows, tokens) in units, with positions below `positions`."""

    units: list[Unit]
    shape: tuple[int, int]
    positions: int


def pack(
    input_ids: torch.Tensor, attention_mask: torch.Tensor | None, position_ids: torch.Tensor | None
) -> Batch | None:
    """The sequences of a batch without padding; None if torch has to run the batch.

    torch runs batches with holes in the mask, empty rows, masks of another shape, joined or long sequences. Positions
    count from the first token of a row unless given.
    """
    rows, width = input_ids.shape
    if attention_mask is None:
        attention_mask = torch.ones_like(input_ids)
        if position_ids is not None:  # transformers interprets a gap as the start of another sequence
            return None
    if attention_mask.shape != input_ids.shape or input_ids.numel() == 0:
        return None
    mask = attention_mask.numpy() != 0
    lengths, firsts = mask.sum(1), mask.argmax(1)
    pieces = (mask[:, 1:] & ~mask[:, :-1]).sum(1) + mask[:, 0]
    if (pieces != 1).any() or lengths.max() > LONGEST:
        return None
    ids = input_ids.numpy()
    places = np.arange(width) - firsts[:, None]
    if position_ids is not None:
        places = np.broadcast_to(position_ids.numpy(), mask.shape)
    if places[mask].min() < 0 or places[mask].max() >= LAST or ids.min() < 0:
        return None
    numbers = np.arange(rows * width).reshape(rows, width)
    units, members, size = [], list[int](), 0
    for row in range(rows):
        members.append(row)
        size += int(lengths[row])
        if size >= UNIT or row == rows - 1:
            filled = -(-(size + ROWS - 1) // ROWS) * ROWS
            tokens, positions = np.zeros(filled, np.int64), np.zeros(filled, np.int64)
            taken = mask[members]
            tokens[:size], positions[:size] = ids[members][taken], places[members][taken]
            begins = np.append(0, lengths[members].cumsum())
            units.append(Unit(tokens, positions, begins, numbers[members][taken]))
            members, size = [], 0
    return Batch(units, (rows, width), int(places[mask].max()) + 1)


def _run(model: LlamaModel, batch: Batch) -> torch.Tensor:
    parameters = dict(model.named_parameters())
    apply: Any = _Layers.apply
    hidden: torch.Tensor = apply(model, batch, tuple(parameters), *parameters.values())
    return hidden


class _Layers(torch.autograd.Function):
    """The last hidden states (rows, tokens, hidden) as a differentiable function of a model's parameters."""

    @staticmethod
    def forward(ctx: Any, model: Any, batch: Batch, names: tuple[str, ...], *parameters: torch.Tensor) -> torch.Tensor:
        weights = _weights(model, batch.positions)
        norm = model.norm.weight.detach().numpy()
        out = torch.zeros(*batch.shape, model.config.hidden_size)
        rows = out.view(-1, out.shape[-1]).numpy()
        saved: list[Any] = [None] * len(batch.units)
        keeps = any(ctx.needs_input_grad)

        def run(index: int) -> None:
            made = _room(weights, len(batch.units[index].tokens))
            forward(weights, norm, batch.units[index], made, rows)
            if keeps:
                saved[index] = made

        _side_by_side(run, range(len(batch.units)))
        ctx.model, ctx.names, ctx.weights, ctx.batch, ctx.saved = model, names, weights, batch, saved
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_out: torch.Tensor) -> Any:
        if ctx.saved is None:
            raise RuntimeError("a second backward pass is not supported: the activations were released")
        weights, units, saved = ctx.weights, ctx.batch.units, ctx.saved
        ctx.saved = None
        d_rows = d_out.contiguous().view(-1, d_out.shape[-1]).numpy()
        transposed = _transposed(weights, ctx.model.norm.weight.detach().numpy())
        lanes = max(1, min(LANES, len(units), LANE_BYTES // (4 * sum(part.size for part in transposed))))
        sums = _zeros(weights, lanes)

        def run(lane: int) -> None:
            mine = Matrices(*(part[lane] for part in sums))
            for index in range(lane, len(units), lanes):
                backward(weights, transposed, units[index], saved[index], d_rows, mine)
                saved[index] = None

        _side_by_side(run, range(lanes))
        found = _unfold(ctx.model, Matrices(*(part.sum(0) for part in sums)))
        needed = zip(ctx.names, ctx.needs_input_grad[3:], strict=True)
        return None, None, None, *(torch.from_numpy(found[name]) if needs else None for name, needs in needed)


def _side_by_side(run: Callable[[int], None], indices: Iterable[int]) -> None:
    """Call `run` for all indices on the threads of torch."""
    threads = torch.get_num_threads()
    if threads == 1:
        for index in indices:
            run(index)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, indices))


def _weights(model: Any, positions: int) -> Weights:
    """The weights of the decoder, with all gates before all `up` weights."""
    weights = decoder.pack(model, None, positions)
    layers, size = len(weights.gate_up), model.config.hidden_size * PANEL
    apart = weights.gate_up.reshape(layers, -1, 2, size).swapaxes(1, 2).reshape(layers, -1)
    return weights._replace(gate_up=apart)


def _room(w: Weights, rows: int) -> Saved:
    """Buffers for the activations of a unit."""
    layers, width = len(w.qkv), (w.heads + 2 * w.kv_heads) * w.head_dim
    sizes = (w.hidden, width, w.heads, w.heads * w.head_dim, w.hidden, w.gate_up.shape[1] // w.hidden)
    counts = (layers + 1, layers, layers, layers, layers, layers)
    return Saved(*(np.empty((n, rows * size), np.float32) for n, size in zip(counts, sizes, strict=True)))


def _matrices(w: Weights) -> dict[str, tuple[np.ndarray, int, int]]:
    """Packed weights by name, one layer per row, with padded input and output sizes."""
    inputs = {"qkv": w.hidden, "out": w.heads * w.head_dim, "gate_up": w.hidden, "down": w.inner}
    return {name: (getattr(w, name), size, getattr(w, name).shape[1] // size) for name, size in inputs.items()}


def _transposed(w: Weights, norm: np.ndarray) -> Matrices:
    """The packed weights, transposed and repacked."""

    def turned(panels: np.ndarray, size: int) -> np.ndarray:
        matrix = panels.reshape(-1, size, PANEL).transpose(1, 0, 2).reshape(size, -1)  # (in, out)
        return decoder.panels(matrix)

    packed = _matrices(w).items()
    parts = {name: np.stack([turned(layer, size) for layer in stack]) for name, (stack, size, _) in packed}
    return Matrices(embedding=w.embedding, norm=norm, **parts)


def _zeros(w: Weights, lanes: int) -> Matrices:
    """Zero gradients for all lanes."""
    parts = {}
    for name, (stack, size, outputs) in _matrices(w).items():
        rows, columns = -(-outputs // ROWS) * ROWS, -(-size // PANEL) * PANEL
        parts[name] = np.zeros((lanes, len(stack), rows * columns), np.float32)
    embedding = np.zeros((lanes, len(w.embedding), w.hidden), np.float32)
    return Matrices(embedding=embedding, norm=np.zeros((lanes, w.hidden), np.float32), **parts)


def _unfold(model: Any, g: Matrices) -> dict[str, np.ndarray]:
    """The gradients of a model's parameters by name, from those of the packed matrices with folded norms."""
    config = model.config
    state = {name: value.detach().numpy() for name, value in model.named_parameters()}
    hidden, inside = config.hidden_size, config.num_attention_heads * config.head_dim
    inner = -(-config.intermediate_size // PANEL) * PANEL
    found: dict[str, np.ndarray] = {}

    def normed(norm: str, parts: dict[str, np.ndarray]) -> None:
        """Matrices after a norm: the gradient of the norm is the sum over their outputs."""
        weight = state[norm]
        for name, part in parts.items():
            found[name] = part * weight
        found[norm] = np.sum([(part * state[name]).sum(0) for name, part in parts.items()], 0)

    for layer in range(config.num_hidden_layers):
        at = f"layers.{layer}."
        qkv = g.qkv[layer].reshape(-1, hidden)
        key = config.num_key_value_heads * config.head_dim
        parts = dict(zip("qkv", np.split(qkv[: inside + 2 * key], [inside, inside + key]), strict=True))
        parts["q"] = parts["q"] * np.float32(config.head_dim**-0.5)
        normed(f"{at}input_layernorm.weight", {f"{at}self_attn.{n}_proj.weight": part for n, part in parts.items()})
        found[f"{at}self_attn.o_proj.weight"] = g.out[layer].reshape(-1, inside)[:hidden]
        pairs = g.gate_up[layer].reshape(-1, hidden)
        both = {"gate": pairs[: config.intermediate_size], "up": pairs[inner : inner + config.intermediate_size]}
        normed(f"{at}post_attention_layernorm.weight", {f"{at}mlp.{n}_proj.weight": part for n, part in both.items()})
        found[f"{at}mlp.down_proj.weight"] = g.down[layer].reshape(-1, inner)[:hidden, : config.intermediate_size]
    return found | {"norm.weight": g.norm, "embed_tokens.weight": g.embedding}
