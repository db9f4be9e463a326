"""A GRPO step through TRL as ramify runs it, beside a bare loop that does the same and nothing else.

    python benchmarks/grpo_step.py [--steps 8] [--plain]

Both train the bundled model on the quickstart's puzzles, 64 prompts x 8 completions a step: sample, grade, loss of the
rows whose advantage is not zero in chunks of equal length, AdamW. They take turns in one process; medians, the first
step of each left out. --plain adds TRL without ramify's trainer and `generate`.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ramify import experiment
from ramify.experiment import ExperimentConfig, model_path
from ramify.models.loading import load_model, load_tokenizer, prompt_ids
from ramify.tables import puzzles_in
from ramify.tasks.grading import grade
from ramify.train import compact
from ramify.train.curriculum import schedule
from ramify.train.job import Job


def bare_steps(config: ExperimentConfig, run: Any) -> Iterator[dict[str, float]]:
    """The loop, one step at a time; yields seconds and tokens."""
    settings = config.train
    torch.manual_seed(1)
    model = load_model(model_path(config.model))
    tokenizer = load_tokenizer(model_path(config.model))
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=0.0)
    frame = run.puzzles("train")
    puzzles = puzzles_in(frame)
    order = iter(schedule(frame, settings.curriculum, settings.steps, settings.prompts_per_step, 1))
    while True:
        started = time.perf_counter()
        asked = [puzzles[next(order)] for _ in range(settings.prompts_per_step)]
        asked = [puzzle for puzzle in asked for _ in range(settings.samples_per_prompt)]
        prompts = [prompt_ids(tokenizer, config.task.prompt.said(puzzle)) for puzzle in asked]
        inputs = tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
        output = model.generate(**inputs, max_new_tokens=settings.max_new_tokens, do_sample=True, temperature=1.0)
        written = output[:, inputs["input_ids"].shape[1] :]
        mask = ((written == 1).cumsum(1) - (written == 1).int() == 0).int()
        lengths = mask.sum(1)
        sampled = time.perf_counter()
        texts = [
            tokenizer.decode(row[:length], skip_special_tokens=True)
            for row, length in zip(written, lengths.tolist(), strict=True)
        ]
        rewards = torch.tensor([config.task.reward.of(grade(p, t)) for p, t in zip(asked, texts, strict=True)])
        groups = rewards.view(-1, settings.samples_per_prompt)
        advantages = (groups - groups.mean(1, keepdim=True)).flatten()
        rows = torch.nonzero(advantages).flatten()
        rows = rows[torch.argsort(lengths[rows])]
        width = inputs["input_ids"].shape[1]
        for chunk in rows.split(compact.CHUNK):
            longest = int(lengths[chunk].max())
            ids = output[chunk, : width + longest]
            seen = torch.cat([inputs["attention_mask"][chunk], mask[chunk, :longest]], 1)
            logits = model(input_ids=ids, attention_mask=seen, use_cache=False).logits[:, width - 1 : -1]
            chosen = torch.log_softmax(logits.float(), -1).gather(2, ids[:, width:, None])[..., 0]
            loss = -(chosen * advantages[chunk, None] * mask[chunk, :longest]).sum()
            (loss / (len(asked) * settings.max_new_tokens)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        ended = time.perf_counter()
        yield {"seconds": ended - started, "sampling": sampled - started, "tokens": float(lengths.sum())}


def trl_steps(config: ExperimentConfig, run: Any, turn: Callable[[], None]) -> list[dict[str, float]]:
    """Steps of the real trainer; `turn` is called between them, and its time is not counted."""
    seconds: list[dict[str, float]] = []
    clock = time.perf_counter()

    def on_step(step: int) -> None:
        nonlocal clock
        seconds.append({"seconds": time.perf_counter() - clock})
        turn()
        clock = time.perf_counter()

    config.train.train(Job(run, 1, model_path(config.model), config.task, on_step))
    return seconds


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--steps", type=int, default=8)
    arguments.add_argument("--plain", action="store_true")
    options = arguments.parse_args()
    config = ExperimentConfig.load("quickstart", [f"train.steps={options.steps}", f"train.save_steps={options.steps}"])
    with TemporaryDirectory() as folder:
        run = experiment.open_run(config, Path(folder))
        experiment.generate(config, run, lambda *_: None)
        bare, loop = [], bare_steps(config, run)
        through_trl = trl_steps(config, run, lambda: bare.append(next(loop)))
        tokens, sampling = sum(s["tokens"] for s in bare[1:]), sum(s["sampling"] for s in bare[1:])
        whole = sum(s["seconds"] for s in bare[1:])
        own, theirs = (median(s["seconds"] for s in steps[1:]) for steps in (bare, through_trl))
        print(f"bare loop: {own:.2f} s a step; sampling {tokens / sampling:,.0f} tokens/s, all {tokens / whole:,.0f}")
        print(f"ramify through TRL: {theirs:.2f} s a step, {theirs / own:.2f} times the loop")
        if options.plain:
            from transformers import LlamaForCausalLM
            from trl.trainer.grpo_trainer import GRPOTrainer

            online_load = load_model

            def plain_model(*args: Any) -> Any:
                model = online_load(*args)
                model.__class__ = LlamaForCausalLM
                return model

            compact.CompactGRPOTrainer = GRPOTrainer  # type: ignore[misc]
            import ramify.models.loading

            ramify.models.loading.load_model = plain_model
            bare.clear()
            loop = bare_steps(config, run)
            other = experiment.open_run(config.model_copy(update={"name": "plain"}), Path(folder))
            experiment.generate(config, other, lambda *_: None)
            plain = trl_steps(config, other, lambda: bare.append(next(loop)))
            own, theirs = (median(s["seconds"] for s in steps[1:]) for steps in (bare, plain))
            print(f"TRL as it is: {theirs:.2f} s a step, {theirs / own:.2f} times the loop")


if __name__ == "__main__":
    main()
