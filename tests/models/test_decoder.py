"""The compiled decoder against transformers, and against a plain decoder that reads the whole text for each token."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from ramify import Puzzle
from ramify.models.checkpoints import model_path
from ramify.models.compiled import decoder
from ramify.models.compiled.decoder_kernel import forward
from ramify.models.compiled.tiny import TinyForCausalLM
from ramify.models.loading import load_model, load_tokenizer
from ramify.sampling.hf import HFSamplerConfig
from ramify.tasks.countdown.prompts import PromptConfig
from random_llama import random_model

SHAPES = {
    "one head": {"hidden_size": 16, "num_attention_heads": 1},
    "grouped": {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
    "one key head, odd sizes": {"hidden_size": 42, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 48},
    "wide, untied": {"hidden_size": 512, "num_attention_heads": 8, "head_dim": 64, "tie_word_embeddings": False},
    "other constants": {"rms_norm_eps": 1e-2, "rope_theta": 500.0, "vocab_size": 61, "intermediate_size": 50},
}


@pytest.fixture(scope="module")
def bundled() -> TinyForCausalLM:
    return load_model(model_path("bundled")).eval()


def countdown_prompts(count: int, samples: int) -> list[list[int]]:
    random, tokenizer = np.random.default_rng(0), load_tokenizer(model_path("bundled"))
    puzzles = [Puzzle(tuple(random.integers(1, 99, 2 + k % 3).tolist()), 47) for k in range(count)]
    return [tokenizer(PromptConfig().text(puzzle))["input_ids"] for puzzle in puzzles for _ in range(samples)]


def log_softmax(model: LlamaForCausalLM, ids: list[int], temperature: float = 1.0) -> torch.Tensor:
    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor([ids])).logits[0] / temperature, -1)


def compiled_logits(model: LlamaForCausalLM, ids: list[int], read_at_once: int) -> Iterator[np.ndarray]:
    """The logits after the part that is read at once, and after each token that follows."""
    capacity = -(-len(ids) // 16) * 16
    weights = decoder.pack(model.model, model.lm_head, capacity)
    cache = np.full((2, len(weights.qkv), 3, weights.kv_heads * weights.head_dim * capacity), np.nan, np.float32)
    logits = np.zeros((3, -(-model.config.vocab_size // 16) * 16), np.float32)
    for start, end in [(0, read_at_once), *((k, k + 1) for k in range(read_at_once, len(ids)))]:
        positions = np.arange(start, end)
        tokens, slots, wanted = np.array(ids[start:end]), np.full(end - start, 1), positions == end - 1
        forward(weights, cache[0], cache[1], tokens, slots, positions, wanted, logits)
        yield logits[1, : model.config.vocab_size].copy()


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_transformers(shape: str) -> None:
    model = random_model(**SHAPES[shape])
    assert decoder.unsupported(model.model, model.lm_head) is None
    ids = torch.randint(model.config.vocab_size, (150,)).tolist()
    with torch.no_grad():
        wanted = model(torch.tensor([ids])).logits[0, 69:].numpy()
    found = np.stack(list(compiled_logits(model, ids, 70)))
    assert wanted.std() > 0.1
    np.testing.assert_allclose(found, wanted, atol=2e-5 * max(1.0, abs(wanted).max()), rtol=0)


def test_logits_of_the_bundled_model(bundled: TinyForCausalLM) -> None:
    prompt = countdown_prompts(1, 1)[0]
    ids = prompt + decoder.decode(bundled, [prompt], 200, 1.0, [], seed=1).tokens[0].tolist()
    with torch.no_grad():
        exact, wanted = (
            model(torch.tensor([ids])).logits[0, len(prompt) - 1 :].numpy()
            for model in (deepcopy(bundled).double(), bundled)
        )
    found = np.stack(list(compiled_logits(bundled, ids, len(prompt))))
    assert abs(exact).max() > 30
    np.testing.assert_allclose(found, wanted, atol=5e-6 * abs(exact).max(), rtol=0)
    # The rounding of float32: that of transformers is as large.
    assert ((found - exact) ** 2).mean() ** 0.5 < 3 * ((wanted - exact) ** 2).mean() ** 0.5


def uniform(seed: int, row: int, index: int) -> float:
    x = seed
    for part in (row, index):
        x = ((x ^ part) + 0x9E3779B97F4A7C15) % 2**64
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
        x ^= x >> 31
    return (x >> 11) / 2**53


def plain_decode(
    model: LlamaForCausalLM, prompts: list[list[int]], longest: int, temperature: float, ends: list[int], seed: int
) -> list[list[int]]:
    written = []
    for row, prompt in enumerate(prompts):
        ids: list[int] = []
        while len(ids) < longest and not (ids and ids[-1] in ends):
            logprobs = log_softmax(model, prompt + ids, temperature or 1.0)[-1].double()
            below = logprobs.exp().cumsum(0) / logprobs.exp().sum()
            drawn = int((below <= uniform(seed, row, len(ids))).sum())
            ids.append(drawn if temperature else int(logprobs.argmax()))
        written.append(ids)
    return written


@pytest.mark.parametrize(("temperature", "slots"), [(0.0, 4), (0.7, 4), (1.5, 1)])
def test_it_writes_what_a_plain_decoder_writes(temperature: float, slots: int) -> None:
    model = random_model(**SHAPES["grouped"])
    prompts = [[5, 9], [7], [5, 9], list(range(2, 40)), [7], [5, 9], [8, 8, 8]]
    ends = [1, 3, 30, 31, 32, 33]
    found = decoder.decode(model, prompts, 18, temperature, ends, seed=3, slots=slots)
    rows = [row[:length].tolist() for row, length in zip(found.tokens, found.lengths, strict=True)]
    assert rows == plain_decode(model, prompts, 18, temperature, ends, seed=3)
    assert temperature == 0 or len({*found.lengths.tolist()}) > 2  # some stop by themselves


def test_the_bytes_do_not_depend_on_slots_and_threads(bundled: TinyForCausalLM) -> None:
    prompts = countdown_prompts(20, 8)

    def written(seed: int, slots: int, threads: int) -> list[bytes]:
        found = decoder.decode(bundled, prompts, 40, 1.0, [1], seed, slots=slots, threads=threads)
        return [part.tobytes() for part in found]

    first = written(5, 64, 1)
    assert all(written(5, slots, threads) == first for slots, threads in [(32, 2), (128, 1), (128, 2), (7, 3)])
    assert written(6, 64, 1) != first


def test_one_prompt_on_two_threads(bundled: TinyForCausalLM) -> None:
    prompts = countdown_prompts(1, 33)
    alone, shared = (decoder.decode(bundled, prompts, 20, 1.0, [1], 1, threads=threads) for threads in (1, 2))
    assert all((a == b).all() for a, b in zip(alone, shared, strict=True))
    assert len({*map(bytes, alone.tokens)}) > 1


def test_a_prompt_is_read_once(bundled: TinyForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, tokens = countdown_prompts(6, 8), 0

    def counted(*arguments: object) -> None:
        nonlocal tokens
        tokens += len(arguments[3])
        forward(*arguments)

    monkeypatch.setattr(decoder, "forward", counted)
    found = decoder.decode(bundled, prompts, 30, 1.0, [1], seed=1, slots=5)
    assert tokens == sum(map(len, prompts[::8])) + (found.lengths - 1).sum()


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_log_probabilities_are_those_of_the_trainer(bundled: TinyForCausalLM, temperature: float) -> None:
    prompts = countdown_prompts(6, 2)
    found = decoder.decode(bundled, prompts, 120, temperature, [1], seed=2, threads=2)
    worst = 0.0
    for prompt, ids, length, logprobs in zip(prompts, *found, strict=True):
        row = ids[:length].tolist()
        wanted = log_softmax(bundled, prompt + row, temperature)[len(prompt) - 1 : -1].numpy()
        worst = max(worst, abs(wanted[np.arange(length), row] - logprobs[:length]).max())
        assert not logprobs[length:].any()
    assert worst < 1e-4


def test_it_draws_as_often_as_the_probabilities_say() -> None:
    model = random_model(**SHAPES["grouped"])
    found = decoder.decode(model, [[5, 9]] * 20_000, 1, 1.0, [1], seed=11)
    probabilities = log_softmax(model, [5, 9])[-1].exp().numpy()
    counts = np.bincount(found.tokens[:, 0], minlength=len(probabilities))
    chi_square = ((counts - 20_000 * probabilities) ** 2 / (20_000 * probabilities)).sum()
    degrees = len(probabilities) - 1
    assert abs(chi_square - degrees) < 4 * (2 * degrees) ** 0.5


@pytest.mark.parametrize("shape", ["grouped", "wide, untied"])
def test_any_small_llama_is_decoded(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_model(LlamaForCausalLM, **SHAPES[shape]).save_pretrained(tmp_path)
    model, theirs = load_model(tmp_path).eval(), LlamaForCausalLM.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[0, 0, 5, 9], [7, 6, 5, 4], [0, 3, 2, 2]])
    given = {"input_ids": ids, "attention_mask": (ids != 0).long(), "max_new_tokens": 20, "do_sample": False}
    wanted = theirs.generate(**given)
    assert torch.equal(model.generate(**given), wanted)
    by_torch = load_model(tmp_path, decoder="torch")
    monkeypatch.setattr(decoder, "decode", None)
    assert torch.equal(by_torch.generate(**given), wanted)


@pytest.mark.parametrize(
    ("reason", "shape"),
    [
        ("head size", {"hidden_size": 16, "num_attention_heads": 2}),
        ("hidden size", {"hidden_size": 528, "num_attention_heads": 1, "head_dim": 16}),
        ("biases", {"attention_bias": True}),
        ("rotary embeddings", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}),
    ],
)
def test_other_models_are_left_to_torch(reason: str, shape: dict) -> None:
    model = random_model(**shape)
    assert decoder.unsupported(model.model, model.lm_head) == reason
    given = {"input_ids": torch.tensor([[5, 9], [7, 6]]), "max_new_tokens": 12, "do_sample": False}
    assert torch.equal(model.generate(**given), LlamaForCausalLM.generate(model, **given))


def test_bfloat16_and_adapters_are_left_to_torch() -> None:
    assert decoder.unsupported(random_model().bfloat16().model) == "not float32 on a CPU"
    model = random_model()
    model.lm_head = torch.nn.Sequential(model.lm_head)
    assert decoder.unsupported(model.model, model.lm_head) == "adapters"


def test_the_sampler_chooses_by_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    puzzles = [Puzzle((3, 8, 7), 29), Puzzle((12, 5), 60)]
    settings = HFSamplerConfig(samples=2, max_new_tokens=30)
    given = (puzzles, PromptConfig(), True, "name")
    greedy = settings.build(model_path("bundled")).sample(*given)
    asked = settings.model_copy(update={"decoder": "torch"}).build(model_path("bundled"))
    monkeypatch.setattr(decoder, "decode", None)
    assert asked.sample(*given) == greedy
    assert len({completion.text for completion in greedy}) == 2
