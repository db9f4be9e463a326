"""The small model: a Llama with a `generate` optimised for small models on a CPU.

AutoModelForCausalLM can load the checkpoint as an ordinary Llama. `generate` is equivalent to that of transformers for
sampling and greedy search. On a CPU it is compiled (decoder.py). Elsewhere, or on request, it uses torch with one key
and value buffer per layer, fused projections, and finished rows dropped, so a batch costs only its unfinished rows.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from transformers import LlamaForCausalLM

from ramify.models.compiled import decoder
from ramify.models.compiled.update import TinyModel
from ramify.models.loading import Decoder

# Required generation settings; any other values are handled by transformers.
_PLAIN = {"top_k": (None, 0), "top_p": (None, 1.0), "min_p": (None,), "repetition_penalty": (None, 1.0)}
_PLAIN |= {"num_beams": (None, 1), "num_return_sequences": (None, 1), "suppress_tokens": (None,)}


CHUNK = 128
"""Rows per chunk: more exceed the cache of a core, fewer increase the overhead per call."""


class TinyForCausalLM(LlamaForCausalLM):
    """A Llama whose `generate` spends no time on finished rows.

    Attributes:
        decoder: `auto` is compiled code if it supports the model, else torch; `torch` is always torch.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model.__class__ = TinyModel  # created by the parent, which initialises the weights

    @property
    def decoder(self) -> Decoder:
        """The implementation, stored in the model without its head."""
        decoder: Decoder = self.model.decoder
        return decoder

    @decoder.setter
    def decoder(self, decoder: Decoder) -> None:
        self.model.decoder = decoder

    @torch.no_grad()
    def generate(  # type: ignore[override]  # its other arguments are taken by name only
        self, inputs: Any = None, generation_config: Any = None, **kwargs: Any
    ) -> Any:
        """Sample (or decode greedily) after prompts padded on the left.

        Takes the arguments of `transformers.GenerationMixin.generate`, and delegates to it anything beyond plain
        sampling at a temperature.

        Returns:
            Token ids of shape (rows, prompt + generated), padded on the right after the end token.
        """
        input_ids = kwargs.get("input_ids", inputs)
        settings: Any = generation_config or self.generation_config
        changed = {key: value for key, value in kwargs.items() if key not in ("input_ids", "attention_mask")}
        known = {"max_new_tokens", "do_sample", "temperature", "disable_compile", "eos_token_id", *_PLAIN}

        def read(name: str) -> Any:
            return changed.get(name, getattr(settings, name, None))

        plain = all(read(name) in allowed for name, allowed in _PLAIN.items())
        linear = [part for part in self.model.layers.modules() if hasattr(part, "weight") and part.weight.ndim == 2]
        adapted = any(type(part) is not torch.nn.Linear for part in linear)  # changed by LoRA
        if input_ids is None or adapted or not plain or not set(changed) <= known or read("max_new_tokens") is None:
            return self._generate_by_transformers(inputs, generation_config, kwargs)
        mask = torch.ones_like(input_ids) if kwargs.get("attention_mask") is None else kwargs["attention_mask"]
        temperature = (read("temperature") or 1.0) if read("do_sample") else 0.0
        ends = read("eos_token_id")
        end_ids = torch.tensor([ends] if isinstance(ends, int) else list(ends), device=input_ids.device)
        how = Decoding(read("max_new_tokens"), temperature, end_ids, read("pad_token_id") or 0)
        if self.decoder == "auto" and decoder.unsupported(self.model, self.lm_head) is None and mask.any(1).all():
            return _decode_compiled(self, input_ids, mask, how)
        if not _is_plain_llama(self.config):
            return self._generate_by_transformers(inputs, generation_config, kwargs)
        return decode_in_chunks(self, input_ids, mask, how)

    def _generate_by_transformers(self, inputs: Any, generation_config: Any, others: dict[str, Any]) -> Any:
        parent: Any = super()
        return parent.generate(inputs, generation_config=generation_config, **others)


# The architecture that `save_pretrained` writes, by which vLLM and others identify a checkpoint.
TinyForCausalLM.__name__ = LlamaForCausalLM.__name__


@dataclass(frozen=True, slots=True)
class Decoding:
    """Decoding settings; temperature 0 is greedy."""

    max_new_tokens: int
    temperature: float
    end_ids: torch.Tensor
    pad_id: int


def _is_plain_llama(config: Any) -> bool:
    """Whether the configuration has as many key heads as query heads, no biases, and default rotary embeddings."""
    biased = config.attention_bias or config.mlp_bias
    rotary = config.rope_parameters.get("rope_type", "default")
    return config.num_key_value_heads == config.num_attention_heads and not biased and rotary == "default"


def _decode_compiled(model: Any, input_ids: torch.Tensor, mask: torch.Tensor, how: Decoding) -> torch.Tensor:
    """Decode with `ramify.models.compiled.decoder` on the threads of torch, with a seed drawn from torch."""
    prompts = [ids[seen].tolist() for ids, seen in zip(input_ids, mask.bool(), strict=True)]
    seed, threads = int(torch.randint(2**62, ())), torch.get_num_threads()
    ends = how.end_ids.tolist()
    found = decoder.decode(model, prompts, how.max_new_tokens, how.temperature, ends, seed, threads=threads)
    tokens = torch.from_numpy(found.tokens)
    past = torch.arange(tokens.shape[1]) >= torch.from_numpy(found.lengths)[:, None]
    return torch.cat([input_ids, tokens.masked_fill(past, how.pad_id)], 1)


def decode_in_chunks(
    model: LlamaForCausalLM, input_ids: torch.Tensor, mask: torch.Tensor, how: Decoding
) -> torch.Tensor:
    """Decode `CHUNK` rows at a time, two chunks in parallel if there are enough cores.

    Each chunk has its own random generator, seeded from the global one, so the result does not depend on timing.
    Shapes: ids and mask (rows, prompt), result (rows, longer).
    """
    chunks = list(zip(input_ids.split(CHUNK), mask.split(CHUNK), strict=True))
    seeds = torch.randint(2**62, (len(chunks),)).tolist()

    def work(index: int) -> torch.Tensor:
        ids, seen = chunks[index]
        random = torch.Generator(ids.device).manual_seed(seeds[index])
        with torch.no_grad():
            return decode(model, ids, seen, how, random)

    if input_ids.device.type == "cpu":  # one thread per chunk: the operations are too small to parallelise
        with ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            parts = list(pool.map(work, range(len(chunks))))
    else:
        parts = [work(index) for index in range(len(chunks))]
    width = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, width - part.shape[1]), value=how.pad_id) for part in parts])


def decode(
    model: LlamaForCausalLM, input_ids: torch.Tensor, mask: torch.Tensor, how: Decoding, random: torch.Generator
) -> torch.Tensor:
    """Decode one chunk token by token."""
    layers = [_fused(layer) for layer in model.model.layers]
    rows, width = input_ids.shape
    config: Any = model.config  # head_dim is set once the model is built
    heads, size = config.num_attention_heads, config.head_dim
    length = width + how.max_new_tokens
    shape = (rows, heads, length, size)
    keys = [input_ids.new_zeros(shape, dtype=model.dtype) for _ in layers]
    cached = [input_ids.new_zeros(shape, dtype=model.dtype) for _ in layers]
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cos, sin = _rotary(model, int(positions.max()) + how.max_new_tokens + 1)
    # Additive mask over the columns of the cache, which hides left padding.
    bias = input_ids.new_zeros((rows, 1, 1, length), dtype=model.dtype)
    bias[..., :width].masked_fill_(mask[:, None, None] == 0, float("-inf"))
    causal = input_ids.new_full((width, width), float("-inf"), dtype=model.dtype).triu(1)
    prefill = (bias[..., :width] + causal).clamp(min=torch.finfo(model.dtype).min)
    logits = _forward(model, layers, input_ids, cos[positions], sin[positions], prefill, keys, cached, 0)[:, -1]
    positions = positions[:, -1]
    result = input_ids.new_full((rows, length), how.pad_id)
    result[:, :width] = input_ids
    alive = torch.arange(rows, device=input_ids.device)  # rows of the result that are still in the batch
    done = torch.zeros(rows, dtype=torch.bool, device=input_ids.device)
    for column in range(width, length):
        tokens = _choose(logits, how.temperature, random).masked_fill(done, how.pad_id)
        result[alive, column] = tokens
        done |= torch.isin(tokens, how.end_ids)
        finished = int(done.sum())
        if finished == len(done):
            return result[:, : column + 1]
        if column == length - 1:
            break
        if finished * 4 >= len(done):  # dropping rows copies the cache, so a quarter of them is dropped at a time
            going = ~done
            alive, tokens, positions, bias, done = (x[going] for x in (alive, tokens, positions, bias, done))
            keys = [key[going] for key in keys]
            cached = [value[going] for value in cached]
        positions = positions + 1
        logits = _forward(
            model,
            layers,
            tokens[:, None],
            cos[positions][:, None],
            sin[positions][:, None],
            bias[..., : column + 1],
            keys,
            cached,
            column,
        )[:, -1]
    return result


def _choose(logits: torch.Tensor, temperature: float, random: torch.Generator) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial(F.softmax(logits.float() / temperature, -1), 1, generator=random)[:, 0]


def _fused(layer: Any) -> tuple[torch.Tensor, ...]:
    """The weights of a layer, with projections of the same input joined."""
    attention, mlp = layer.self_attn, layer.mlp
    return (
        layer.input_layernorm.weight,
        torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]),
        attention.o_proj.weight,
        layer.post_attention_layernorm.weight,
        torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        mlp.down_proj.weight,
    )


def _rotary(model: LlamaForCausalLM, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    rotary: Any = model.model.rotary_emb
    positions = torch.arange(length, device=rotary.inv_freq.device)
    angles = positions[:, None].float() * rotary.inv_freq[None].float()
    angles = torch.cat([angles, angles], -1)
    return angles.cos().to(model.dtype), angles.sin().to(model.dtype)


def _forward(
    model: LlamaForCausalLM,
    layers: list[tuple[torch.Tensor, ...]],
    tokens: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    bias: torch.Tensor,
    keys: list[torch.Tensor],
    cached: list[torch.Tensor],
    column: int,
) -> torch.Tensor:
    """Logits of the last tokens; stores keys and values in the cache from a given column."""
    rows, new = tokens.shape
    config: Any = model.config  # head_dim is set once the model is built
    heads, size = config.num_attention_heads, config.head_dim
    epsilon, end = model.config.rms_norm_eps, column + new
    cos, sin = cos[:, None], sin[:, None]
    hidden = F.embedding(tokens, model.model.embed_tokens.weight)
    for index, (norm, qkv, out, norm2, gate_up, down) in enumerate(layers):
        joined = F.linear(F.rms_norm(hidden, norm.shape, norm, epsilon), qkv)
        query, key, value = joined.view(rows, new, 3, heads, size).permute(2, 0, 3, 1, 4)
        keys[index][:, :, column:end] = _rotate(key, cos, sin)
        cached[index][:, :, column:end] = value
        seen = F.scaled_dot_product_attention(
            _rotate(query, cos, sin), keys[index][:, :, :end], cached[index][:, :, :end], bias
        )
        hidden = hidden + F.linear(seen.transpose(1, 2).reshape(rows, new, heads * size), out)
        gate, up = F.linear(F.rms_norm(hidden, norm2.shape, norm2, epsilon), gate_up).chunk(2, -1)
        hidden = hidden + F.linear(F.silu(gate) * up, down)
    last: Any = model.model.norm
    return F.linear(F.rms_norm(hidden[:, -1:], last.weight.shape, last.weight, epsilon), model.lm_head.weight)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin
