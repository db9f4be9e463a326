"""Pre-training: it goes on where it was cut off, whatever the optimizer; what a trace never shows."""

import shutil
from pathlib import Path
from random import Random

import pytest
import torch

from ramify import ConfigError, Puzzle, find_attempts
from ramify.models.bundled.muon import MuonAdamW
from ramify.models.bundled.pretrain import PretrainConfig, TraceBatches, pretrain
from ramify.models.bundled.tokenizer import TOKEN_IDS, build_tokenizer
from ramify.models.bundled.traces import TraceConfig, draw_trace
from ramify.tasks.countdown.slots import demonstrate
from ramify.tasks.countdown.splits import held_out_patterns

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def settings(preset: str, **more: object) -> PretrainConfig:
    read = PretrainConfig.load(preset).model_dump()
    small = {"steps": 4, "save_steps": 2, "traces_per_step": 8, "micro_batches": 2}
    return PretrainConfig.check(read | small | {"architecture": SMALL} | more)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["base", "base-naive", "base-gpu"])
def test_it_goes_on_where_it_was_cut_off(preset: str, tmp_path: Path) -> None:
    config = settings(preset)
    whole = pretrain(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "cut" / "checkpoint-2")
    again = pretrain(config, tmp_path / "cut")
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_gaps_in_positions_start_at_a_line_and_stay_within_the_context() -> None:
    batch = TraceBatches(settings("base", gap_share=1.0, traces_per_step=16, micro_batches=1))[0]
    steps = batch["position_ids"].diff(dim=1)
    rows, columns = (steps != 1).nonzero(as_tuple=True)
    assert len(rows) > 10
    assert len(set(rows.tolist())) == len(rows)  # at most one gap a trace
    assert (steps >= 1).all()
    assert int(batch["position_ids"].max()) < 512
    before = batch["input_ids"][rows, columns]
    assert {int(token) for token in before} <= {TOKEN_IDS["\n"], TOKEN_IDS[">"]}
    assert torch.equal(batch["attention_mask"] == 0, batch["input_ids"] == TOKEN_IDS["<pad>"])
    assert "position_ids" not in TraceBatches(settings("base"))[0]


def test_muon_takes_the_matrices_of_the_layers() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(LlamaConfig(vocab_size=64, **SMALL))
    optimizer = MuonAdamW(model, 1e-3, 3.0)
    groups = [[weight for group in part.param_groups for weight in group["params"]] for part in optimizer.parts]
    sizes = [sum(weight.numel() for weight in group) for group in groups]
    matrices = sum(w.numel() for name, w in model.named_parameters() if "proj" in name)
    assert sizes == [matrices, sum(w.numel() for w in model.parameters()) - matrices]
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([3e-3, 1e-3])
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    model(input_ids=torch.arange(16)[None], labels=torch.arange(16)[None]).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    assert all(not torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert all(weight.grad is None for weight in model.parameters())


def test_what_is_never_tried() -> None:
    config = TraceConfig(never=("A-B*C", "(A+B)*(C+D)"), fraction_bound=100, bound=1000)
    never = held_out_patterns(config.never, (2, 3, 4, 5))
    assert never == config.never_tried
    random, tokenizer = Random("never"), build_tokenizer()
    seen = set()
    for _ in range(600):
        trace = draw_trace(config, random)
        body = trace.prompt[trace.prompt.index(":") + 1 : -1]
        puzzle = Puzzle(tuple(int(token) for token in body if token.isdigit()), int(trace.prompt[0]))
        text = tokenizer.decode([TOKEN_IDS[token] for token in trace.search], skip_special_tokens=True)
        for attempt in find_attempts(puzzle, text):
            seen.add(attempt.pattern)
            for value in attempt.expression.intermediates():
                assert abs(value.numerator) < (1000 if value.denominator == 1 else 100)
    assert len(seen) > 100
    assert seen.isdisjoint(never)


def test_a_family_that_is_none() -> None:
    with pytest.raises(ConfigError, match="'A-' is not a pattern such as A-B"):
        TraceConfig.check({"never": ["A-"]})


def test_a_demonstration_divides_by_nothing_that_is_zero() -> None:
    from ramify import parse

    with pytest.raises(ValueError, match="divides by zero"):
        demonstrate(Puzzle((4, 2, 2), 1), parse("4/(2-2)"))
    assert demonstrate(Puzzle((4, 4, 2), 3), parse("4/4+2")).splitlines()[0] == "(A4/B4=1)+C2=3"
