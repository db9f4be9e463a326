"""Rollouts for TRL's GRPO with prompts chosen during training: dynamic sampling, and a curriculum by success.

Dynamic sampling (DAPO, Yu et al. 2025, arXiv 2503.14476, section 3.2): a group whose rewards are all equal has no
gradient, so fresh prompts are sampled in its place. Departures: the number of rounds is limited, each round samples as
many prompts as there are such groups, and groups that remain stay in the step; DAPO continues until the step is full.

The module uses the `rollout_func` of `trl.GRPOTrainer`. Its state is saved in `trainer_state.json` of every checkpoint,
as the state of a callback.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState
from trl.models.utils import unwrap_model_for_generation

from ramify.models.loading import prompt_ids
from ramify.train.success import PromptSource

warnings.filterwarnings("ignore", message="You are using 'rollout_func'", category=UserWarning)


class Group(NamedTuple):
    """The completions of one prompt.

    Attributes:
        row: row of the puzzle in the training table.
        prompt: token ids.
        completions: token ids, including the end token.
    """

    row: int
    prompt: list[int]
    completions: list[list[int]]
    rewards: list[float]
    right: int

    @property
    def is_equal(self) -> bool:
        """Whether all rewards are equal, so that all advantages are 0."""
        return len(set(self.rewards)) == 1


class RolloutState(TrainerCallback, ExportableState):
    """A callback that saves the state of a prompt source in checkpoints, and restores it."""

    def __init__(self, source: PromptSource) -> None:
        self.source = source

    def state(self) -> dict[str, Any]:
        """The state to save."""
        return {"args": {}, "attributes": {name: dict(counts) for name, counts in self.source.state.items()}}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Restore the state from the checkpoint, if there is one."""
        found = state.stateful_callbacks.get(type(self).__name__)
        self.source.restore(found["attributes"] if isinstance(found, dict) else {})


def rollouts(
    source: PromptSource,
    rounds: int,
    prompt_of: Callable[[int], Any],
    judge: Callable[[int, list[int]], tuple[float, bool]],
    tokenizer: Any,
) -> Callable[[list[Any], Any], dict[str, Any]]:
    """A `rollout_func` that chooses and samples the prompts of a step, independently of the data set.

    Args:
        rounds: rounds of fresh prompts that replace groups with equal rewards.
        prompt_of: the prompt of a puzzle, by its row.
        judge: the reward of a completion, and whether it is correct, from the row and the token ids.

    Returns:
        A function whose result also has `puzzle` (the row of each completion) and `chosen` (numbers to log), which TRL
        passes to the reward function.
    """

    def rollout(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        step, samples = trainer.state.global_step + 1, trainer.num_generations

        def ask(rows: Sequence[int]) -> list[Group]:
            asked = [prompt_ids(tokenizer, prompt_of(row)) for row in rows]
            written = _generate(trainer, tokenizer, [ids for ids in asked for _ in range(samples)])
            groups = []
            for index, (row, prompt) in enumerate(zip(rows, asked, strict=True)):
                completions = written[index * samples : (index + 1) * samples]
                judged = [judge(row, ids) for ids in completions]
                rewards = [reward for reward, _ in judged]
                groups.append(Group(row, prompt, completions, rewards, sum(right for _, right in judged)))
            return groups

        weights = source.weights(step)
        kept = ask(source.first(step))
        seen, replaced = list(kept), 0
        for number in range(1, rounds + 1):
            places = [place for place, group in enumerate(kept) if group.is_equal]
            if not places:
                break
            more = ask(source.fresh(step, number, len(places), [group.row for group in seen]))
            seen += more
            useful = [group for group in more if not group.is_equal]
            for place, group in zip(places, useful, strict=False):
                kept[place] = group
            replaced += len(useful)
        source.saw([group.row for group in seen], [group.right for group in seen], samples)
        chosen = {f"curriculum/{group}": share for group, share in weights.items()} if source.by_success else {}
        if rounds:
            chosen |= {"dynamic/replaced": replaced / len(kept), "dynamic/samples": float(len(seen) * samples)}
        return {
            "prompt_ids": [group.prompt for group in kept for _ in range(samples)],
            "completion_ids": [ids for group in kept for ids in group.completions],
            "logprobs": None,
            "puzzle": [group.row for group in kept for _ in range(samples)],
            "chosen": chosen,
        }

    return rollout


def _generate(trainer: Any, tokenizer: Any, asked: list[list[int]]) -> list[list[int]]:
    """The completions of prompts, cut after their end token, sampled with the settings of TRL."""
    device = trainer.accelerator.device
    inputs = tokenizer.pad({"input_ids": asked}, padding_side="left", return_tensors="pt").to(device)
    with (
        unwrap_model_for_generation(
            trainer.model_wrapped,
            trainer.accelerator,
            generation_kwargs=trainer.generation_kwargs,
            gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs,
        ) as model,
        torch.no_grad(),
    ):
        written = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            generation_config=trainer.generation_config,
        )[:, inputs["input_ids"].shape[1] :]
    ends = trainer.generation_config.eos_token_id
    is_end = torch.isin(written, torch.tensor(ends, device=device).reshape(-1))
    before = is_end.cumsum(1) - is_end.int() == 0  # up to and including the first end token
    return [ids[kept].tolist() for ids, kept in zip(written.cpu(), before.cpu(), strict=True)]
