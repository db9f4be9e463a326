"""Groups without gradient are replaced, within a budget; what is trained on is what TRL would have sampled."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ramify import ConfigError, ExperimentConfig, experiment
from ramify import pipeline as stages
from ramify.models.checkpoints import model_path
from ramify.models.loading import load_tokenizer
from ramify.tables import read_table
from ramify.train.curriculum import CurriculumConfig
from ramify.train.dynamic import RolloutState, rollouts
from ramify.train.online import GRPOConfig
from ramify.train.success import PromptSource


class FakeTrainer:
    """What a `rollout_func` sees of TRL's trainer; every completion is a token and the end."""

    END = 1

    def __init__(self, samples: int) -> None:
        self.num_generations, self.state = samples, SimpleNamespace(global_step=0)
        self.accelerator = SimpleNamespace(
            device=torch.device("cpu"),
            state=SimpleNamespace(deepspeed_plugin=None),
            unwrap_model=lambda model, **_: model,
        )
        self.args = SimpleNamespace(gradient_checkpointing_kwargs=None)
        self.generation_kwargs, self.generation_config = None, SimpleNamespace(eos_token_id=[self.END])
        self.model_wrapped, self.asked = self, []
        self.is_gradient_checkpointing = False

    def generate(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, generation_config: Any) -> torch.Tensor:
        """A 7, the end, and what comes after it, which is cut."""
        self.asked.append(len(input_ids))
        return torch.cat([input_ids, torch.tensor([[7, self.END, 9]]).expand(len(input_ids), 3)], 1)


def rolled(table: Any, rounds: int, solved: dict[int, list[float]]) -> tuple[dict[str, Any], FakeTrainer, PromptSource]:
    """A step of four prompts and two samples; `solved` has the rewards of a puzzle, all others get 0."""
    source = PromptSource(table, CurriculumConfig(), steps=3, per_step=4, seed=1)
    turns = {row: iter(rewards * 9) for row, rewards in solved.items()}

    def judge(row: int, ids: list[int]) -> tuple[float, bool]:
        assert ids == [7, FakeTrainer.END]
        reward = next(turns[row]) if row in turns else 0.0
        return reward, reward == 1

    tokenizer = load_tokenizer(model_path("bundled"))
    trainer = FakeTrainer(2)
    return rollouts(source, rounds, lambda row: f"{row}:A1B2>", judge, tokenizer)([], trainer), trainer, source


@pytest.fixture
def table() -> Any:
    import polars as pl

    return pl.DataFrame({"n": [3] * 30})


def test_groups_of_equal_rewards_are_replaced(table: Any) -> None:
    first = PromptSource(table, CurriculumConfig(), 3, 4, 1).first(1)
    found, trainer, _ = rolled(table, 5, {row: [0.0, 1.0] for row in range(30) if row not in first[:3]})
    # Three of four are never solved; all that are fresh are solved once in two.
    assert trainer.asked == [8, 6]
    assert found["chosen"] == {"dynamic/replaced": 0.75, "dynamic/samples": 14.0}
    assert found["puzzle"][6:] == [first[3]] * 2  # it had an advantage, and keeps its place
    assert not {*found["puzzle"]} & {*first[:3]}
    assert found["completion_ids"] == [[7, 1]] * 8
    assert len(found["prompt_ids"]) == 8
    assert found["logprobs"] is None


def test_the_budget_ends_it(table: Any) -> None:
    first = PromptSource(table, CurriculumConfig(), 3, 4, 1).first(1)
    found, trainer, source = rolled(table, 2, {})
    assert trainer.asked == [8, 8, 8]
    assert found["puzzle"] == [row for row in first for _ in range(2)]
    assert found["chosen"] == {"dynamic/replaced": 0.0, "dynamic/samples": 24.0}
    assert source.state["samples"]["3"] == 24
    assert source.state["hits"]["3"] == 0


def test_a_step_in_which_every_group_has_an_advantage_costs_nothing_more(table: Any) -> None:
    found, trainer, source = rolled(table, 5, {row: [1.0, 0.0] for row in range(30)})
    assert trainer.asked == [8]
    assert found["chosen"]["dynamic/replaced"] == 0
    assert source.state["hits"]["3"] == 4


def test_the_state_is_that_of_the_last_checkpoint(table: Any) -> None:
    source = PromptSource(table, CurriculumConfig(by_success=True), 3, 4, 1)
    source.saw([0], [2], 8)
    kept = json.loads(json.dumps(RolloutState(source).state()))
    other = PromptSource(table, CurriculumConfig(by_success=True), 3, 4, 1)
    resumed = SimpleNamespace(stateful_callbacks={"RolloutState": kept})
    RolloutState(other).on_train_begin(None, resumed, None)
    assert other.state == source.state
    RolloutState(other).on_train_begin(None, SimpleNamespace(stateful_callbacks={}), None)
    assert other.state["samples"] == {"3": 0}


@pytest.mark.parametrize("setting", ["train.dynamic_sampling=1", "train.curriculum.by_success=true"])
def test_several_processes_are_refused(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    config = ExperimentConfig.load("quickstart", [setting])
    with pytest.raises(ConfigError, match=rf"^{setting.split('=')[0]}: needs a single process, and 2 are running"):
        config.train.checked()


@pytest.mark.parametrize("kind", ["rloo", "sft", "rft"])
def test_success_needs_a_trainer_that_measures_it(kind: str) -> None:
    config = ExperimentConfig.check({"train": {"kind": kind, "curriculum": {"by_success": True}}})
    with pytest.raises(ConfigError, match=r"^train\.curriculum\.by_success: only train\.kind = grpo measures success"):
        config.train.checked()


@pytest.mark.slow
def test_a_training_replaces_and_logs(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    train = tiny_config.train.model_dump() | {"dynamic_sampling": 3, "steps": 2, "max_new_tokens": 150}
    train["curriculum"] = {"by": "pattern", "by_success": True}
    config = ExperimentConfig.check(tiny_config.model_dump(mode="json") | {"train": train})
    run = experiment.open_run(config.checked(), tmp_path)
    stages.generate(config, run, lambda *_: None)
    stages.train(config, run, lambda *_: None)
    logs = [json.loads(line) for line in run.train_log(1).read_text().splitlines()]
    for step, log in enumerate(logs, 1):
        trained_on = read_table(run.rollouts_file(1, step))
        assert trained_on.height == 16
        assert trained_on["puzzle_id"].n_unique() == 4
        extra = log["dynamic/samples"] - 16
        assert 0 <= log["dynamic/replaced"] * 16 <= extra <= 3 * 16
        shares = [value for name, value in log.items() if name.startswith("curriculum/")]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert any(log["dynamic/replaced"] > 0 for log in logs)


@pytest.mark.slow
def test_without_rounds_it_is_the_same_training(
    tiny_config: ExperimentConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our rollouts, told to replace nothing, sample what TRL samples without them."""
    weights = []
    for name, chooses in (("plain", False), ("chosen", True)):
        monkeypatch.setattr(GRPOConfig, "_chooses", lambda self, chooses=chooses: {"": chooses})
        run = experiment.open_run(tiny_config.checked(), tmp_path / name)
        stages.generate(tiny_config, run, lambda *_: None)
        stages.train(tiny_config, run, lambda *_: None)
        rollouts = [run.rollouts_file(1, step).read_bytes() for step in range(1, 5)]
        weights.append([*rollouts, (run.checkpoints(1)[4] / "model.safetensors").read_bytes()])
    assert weights[0] == weights[1]
