"""The loss without waste has the gradient of TRL's own."""

from pathlib import Path

import datasets
import pytest
import torch
from transformers import LlamaConfig
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer

from ramify.models.bundled.tokenizer import VOCABULARY, build_tokenizer
from ramify.models.compiled import decoder
from ramify.models.compiled.tiny import TinyForCausalLM
from ramify.train import compact
from ramify.train.compact import CompactGRPOTrainer, CompactRLOOTrainer


def trainer(kind: type, folder: Path, loss_type: str | None) -> GRPOTrainer | RLOOTrainer:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(VOCABULARY), pad_token_id=0, eos_token_id=1, bos_token_id=None, **sizes)
    loss = {} if loss_type is None else {"loss_type": loss_type, "scale_rewards": "none"}
    arguments = (RLOOConfig if loss_type is None else GRPOConfig)(
        output_dir=str(folder),
        per_device_train_batch_size=16,
        num_generations=4,
        max_completion_length=24,
        beta=0.0,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        **loss,
    )
    made = kind(
        model=TinyForCausalLM(config),
        args=arguments,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        train_dataset=datasets.Dataset.from_list([{"prompt": "3:A1B2>"}] * 8),
        processing_class=build_tokenizer(),
    )
    made.current_gradient_accumulation_steps = 1
    made.model.eval()  # no dropout; and the metrics of the trainer go to its evaluation log
    return made


def batch() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 25, (16,), generator=random)
    mask = (torch.arange(24)[None] < lengths[:, None]).long()
    advantages = torch.randn(16, generator=random)
    advantages[::3] = 0
    return {
        "prompt_ids": torch.randint(12, 200, (16, 9), generator=random),
        "prompt_mask": torch.ones(16, 9, dtype=torch.long),
        "completion_ids": torch.randint(12, 200, (16, 24), generator=random) * mask,
        "completion_mask": mask,
        "advantages": advantages,
        "old_logps": -torch.rand(16, generator=random),
        "num_items_in_batch": mask.sum(),
    }


def gradient(made: GRPOTrainer | RLOOTrainer, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    made.model.zero_grad()
    made.compute_loss(made.model, inputs).backward()
    return torch.cat([parameter.grad.flatten() for parameter in made.model.parameters()])


@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo"])
def test_same_gradient(loss_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "CHUNK", 5)
    plain = gradient(trainer(GRPOTrainer, tmp_path / "plain", loss_type), batch())
    ours = gradient(trainer(CompactGRPOTrainer, tmp_path / "compact", loss_type), batch())
    assert plain.abs().max() > 1e-4
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-7)


def test_same_gradient_of_rloo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "CHUNK", 5)
    inputs = batch()
    plain_trainer = trainer(RLOOTrainer, tmp_path / "plain", None)
    with torch.no_grad():  # ratios near 1, so that nothing is clipped
        inputs["old_logps"] = _logps(plain_trainer, inputs) + 0.01 * torch.randn(16)
    plain = gradient(plain_trainer, inputs)
    ours = gradient(trainer(CompactRLOOTrainer, tmp_path / "compact", None), inputs)
    assert plain.abs().max() > 1e-4
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


def _logps(made: RLOOTrainer, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
    seen = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
    logits = made.model(input_ids=ids, attention_mask=seen).logits[:, 8:-1]
    chosen = torch.log_softmax(logits, -1).gather(2, inputs["completion_ids"][..., None])[..., 0]
    return (chosen * inputs["completion_mask"]).sum(1)


def test_a_batch_without_advantage_has_no_gradient(tmp_path: Path) -> None:
    inputs = batch() | {"advantages": torch.zeros(16)}
    assert not gradient(trainer(CompactGRPOTrainer, tmp_path, "dr_grpo"), inputs).any()


def test_the_trainer_agrees_with_the_decoder(tmp_path: Path) -> None:
    """On policy: before the first update the ratio of trainer and sampler is 1 for every sampled token."""
    made = trainer(CompactGRPOTrainer, tmp_path, "dr_grpo")
    torch.nn.init.normal_(made.model.model.embed_tokens.weight, std=1.0)  # far from uniform
    prompts = [[20 + k, 30, 40 + k][: 1 + k % 3] for k in range(12)]
    written = decoder.decode(made.model, prompts, 24, 1.0, [1], seed=3)
    width = max(map(len, prompts))
    prompt_ids = torch.tensor([[0] * (width - len(ids)) + ids for ids in prompts])
    mask = (torch.arange(written.tokens.shape[1]) < torch.from_numpy(written.lengths)[:, None]).long()
    ids = torch.cat([prompt_ids, torch.from_numpy(written.tokens) * mask], 1)
    seen = torch.cat([(prompt_ids != 0).long(), mask], 1)
    made.model.train()
    found, _, _ = made._get_per_token_logps_and_entropies(made.model, ids, seen, mask.shape[1])
    ratios = ((found.detach() - torch.from_numpy(written.logprobs)) * mask).exp()
    assert float(torch.from_numpy(written.logprobs).min()) < -5
    torch.testing.assert_close(ratios, torch.ones_like(ratios), rtol=0, atol=2e-4)
