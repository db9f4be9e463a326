"""The compiled forward and backward pass against that of transformers."""

import copy
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from ramify.models.checkpoints import model_path
from ramify.models.compiled import update
from ramify.models.compiled.tiny import TinyForCausalLM
from ramify.models.loading import load_model
from random_llama import random_model

SHAPES = {
    "tied": {},
    "grouped": {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
    "untied, odd sizes": {"tie_word_embeddings": False, "vocab_size": 61, "intermediate_size": 50},
    "wide": {"hidden_size": 512, "num_attention_heads": 8, "num_hidden_layers": 1, "rms_norm_eps": 1e-2},
}


def batch(rows: int = 7, width: int = 43, left: bool = True) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, width + 1, (rows, 1), generator=random)
    lengths[0] = width
    columns = torch.arange(width)
    mask = columns >= width - lengths if left else columns < lengths
    ids = torch.randint(2, 60, (rows, width), generator=random)
    return {"input_ids": ids * mask, "attention_mask": mask.long()}


def with_gaps(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    places = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
    return inputs | {"position_ids": places + 30 * (places > 5)}


BATCHES = {
    "left": batch(),
    "right": batch(left=False),
    "gaps": with_gaps(batch(left=False)),
    "gaps on the left": with_gaps(batch()),
    "no mask": {"input_ids": batch(rows=3)["input_ids"].clamp(min=2)},
    "several units": batch(rows=40, width=61),
    "one token": {"input_ids": torch.tensor([[5]]), "attention_mask": torch.ones(1, 1, dtype=torch.long)},
}


def seen(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()


def gradients(model: LlamaForCausalLM, inputs: dict[str, Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The logits that are not padding, and the gradients of a function of them."""
    model.zero_grad()
    logits = model(**inputs).logits
    kept = logits[seen(inputs)[:, -logits.shape[1] :]]
    (kept * torch.linspace(-1, 1, kept.numel()).reshape(kept.shape).cos()).sum().backward()
    return kept.detach(), {name: weight.grad.clone() for name, weight in model.named_parameters()}


def compare(ours: TinyForCausalLM, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = copy.deepcopy(ours)
    theirs.decoder = "torch"
    expected, wanted = gradients(theirs, inputs)
    calls, run = [], update._run
    monkeypatch.setattr(update, "_run", lambda *given: calls.append(1) or run(*given))
    logits, found = gradients(ours, inputs)
    assert calls
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    largest = max(float(gradient.abs().max()) for gradient in wanted.values())
    for name, gradient in wanted.items():  # some are nothing but rounding, as those of the keys of one token
        least = 5e-5 * max(float(gradient.abs().max()), 0.01 * largest)
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=least)


@pytest.mark.parametrize("inputs", BATCHES)
def test_gradients_are_those_of_transformers(inputs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(random_model().train(), BATCHES[inputs], monkeypatch)


@pytest.mark.parametrize("shape", SHAPES)
def test_any_small_llama(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(random_model(**SHAPES[shape]).train(), BATCHES["left"], monkeypatch)


@pytest.mark.parametrize("keep", [1, 20])
def test_logits_to_keep(keep: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(random_model().train(), BATCHES["left"] | {"logits_to_keep": keep}, monkeypatch)


def test_the_bundled_model(monkeypatch: pytest.MonkeyPatch) -> None:
    compare(load_model(model_path("bundled")).train(), batch(rows=20, width=150), monkeypatch)


def test_a_loss_of_labels() -> None:
    inputs = BATCHES["right"] | {"labels": BATCHES["right"]["input_ids"].masked_fill(~seen(BATCHES["right"]), -100)}
    losses = []
    for decoder in ("auto", "torch"):
        model = random_model().train()
        model.decoder = decoder
        losses.append(model(**inputs).loss)
    torch.testing.assert_close(*losses)


def test_the_same_bytes_on_any_number_of_threads() -> None:
    model, threads, found = random_model().train(), torch.get_num_threads(), []
    try:
        for count in (1, 2, 3, 1):
            torch.set_num_threads(count)
            model.zero_grad()
            hidden = model.model(**BATCHES["several units"]).last_hidden_state
            hidden.backward(torch.linspace(-1, 1, hidden.numel()).reshape(hidden.shape).cos())
            found.append([hidden.detach(), *(weight.grad.clone() for weight in model.model.parameters())])
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_frozen_weights_get_no_gradient() -> None:
    model = random_model().train()
    model.model.layers[0].requires_grad_(False)
    model(**BATCHES["left"]).logits.sum().backward()
    assert model.model.layers[0].mlp.up_proj.weight.grad is None
    assert model.model.layers[1].mlp.up_proj.weight.grad.any()


def test_a_second_backward_pass_is_refused() -> None:
    loss = random_model().train()(**BATCHES["left"]).logits.sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="second backward pass"):
        loss.backward()


def test_what_is_left_to_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "_run", None)
    ids = torch.tensor([[5, 9, 7, 6]])
    model = random_model().train()
    model(ids, use_cache=True)
    model(ids, output_hidden_states=True)
    model(ids, output_attentions=True)
    model(inputs_embeds=model.model.embed_tokens(ids))
    model(ids, position_ids=torch.tensor([[0, 1, 0, 1]]))  # two sequences in one row
    model(ids, attention_mask=torch.tensor([[1, 0, 1, 1]]))
    model(ids, attention_mask=torch.tensor([[0, 0, 0, 0]]))
    model.eval()(ids)  # has a cache
    for reason, other in {
        "hidden size": random_model(hidden_size=24, num_attention_heads=1, head_dim=16),
        "dropout": random_model(attention_dropout=0.1),
        "not float32 on a CPU": random_model().bfloat16(),
    }.items():
        assert update.unsupported(other.train().model) == reason
        other(ids)
    model.train().gradient_checkpointing_enable()
    assert update.unsupported(model.model) == "checkpointing"
    model.gradient_checkpointing_disable()
    with torch.autocast("cpu", torch.bfloat16):
        assert update.unsupported(model.model) == "autocast"
    model.model.layers[0].mlp.up_proj = torch.nn.Sequential(model.model.layers[0].mlp.up_proj)
    assert update.unsupported(model.model) == "adapters"


def test_lora_is_left_to_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    peft = pytest.importorskip("peft")
    monkeypatch.setattr(update, "_run", None)
    adapted = peft.get_peft_model(random_model().train(), peft.LoraConfig(r=2, target_modules="all-linear"))
    adapted(**BATCHES["left"]).logits.sum().backward()
    assert any(weight.grad is not None for name, weight in adapted.named_parameters() if "lora_B" in name)
