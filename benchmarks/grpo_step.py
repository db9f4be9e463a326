"""A GRPO step through TRL as ramify runs it: compiled code beside torch, in turns.

    python benchmarks/grpo_step.py [--steps 8] [--threads 2] [SETTING...]

Both train the bundled model on the quickstart's puzzles, 64 prompts x 8 completions a step, one step of the one and
then one of the other, in one process: `decoder = "auto"` and `"torch"`. Printed are medians over steps, the first of
each left out, in seconds of CPU and of the clock: sampling, the update (loss, gradient, optimizer), and the whole.
Ratios are within a pair, of seconds a token: the two write different completions. Last, the largest difference of the
log-probabilities that the decoder samples by from those of the trainer.
"""

import argparse
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from ramify.experiment import open_run
from ramify.models.checkpoints import model_path
from ramify.models.compiled import decoder
from ramify.models.compiled.tiny import TinyForCausalLM
from ramify.models.loading import load_model, load_tokenizer, new_tokens, prompt_ids
from ramify.settings import ExperimentConfig
from ramify.stages.generate import generate
from ramify.train import compact
from ramify.train.job import Job

Seconds = dict[str, list[tuple[float, float, int]]]
"""Of each part, a step a row: CPU, clock, and tokens of the step."""


class Timed(compact.CompactGRPOTrainer):
    """The trainer, with clocks around its parts."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.tokens = 0

    def _clocked(self, part: str, call: Callable[[], Any]) -> Any:
        cpu, clock = time.process_time(), time.perf_counter()
        result = call()
        spent = self.spent[part]
        spent[0] += time.process_time() - cpu
        spent[1] += time.perf_counter() - clock
        return result

    def _prepare_inputs(self, *given: Any) -> Any:
        generate = TinyForCausalLM.generate

        def clocked(*asked: Any, **named: Any) -> Any:
            output = self._clocked("sampling", lambda: generate(*asked, **named))
            prompt = named.get("input_ids", asked[1] if len(asked) > 1 else None).shape[1]
            self.tokens += int((output[:, prompt:] != 0).sum())
            return output

        TinyForCausalLM.generate = clocked  # type: ignore[method-assign]
        try:
            return self._clocked("sampling and rewards", lambda: super(Timed, self)._prepare_inputs(*given))
        finally:
            TinyForCausalLM.generate = generate  # type: ignore[method-assign]

    def training_step(self, *given: Any, **named: Any) -> Any:
        return self._clocked("steps", lambda: super(Timed, self).training_step(*given, **named))


class Turns:
    """Two threads, of which one runs at a time."""

    def __init__(self) -> None:
        self.condition, self.turn, self.running = threading.Condition(), 0, {0, 1}

    def wait(self, index: int) -> None:
        with self.condition:
            self.condition.wait_for(lambda: self.turn == index or len(self.running) == 1)

    def give(self, index: int) -> None:
        with self.condition:
            self.turn = 1 - index
            self.condition.notify_all()

    def leave(self, index: int) -> None:
        with self.condition:
            self.running.discard(index)
            self.turn = 1 - index
            self.condition.notify_all()


def steps(config: ExperimentConfig, folder: Path, index: int, turns: Turns, threads: int) -> Seconds:
    """The steps of a training, in turns with another one."""
    torch.set_num_threads(threads)
    found: Seconds = defaultdict(list)
    made: list[Timed] = []
    started = [0.0, 0.0]

    def on_step(step: int) -> None:
        whole = [time.process_time() - started[0], time.perf_counter() - started[1]]
        trainer = made[0]
        parts = {name: list(spent) for name, spent in trainer.spent.items()}
        parts["whole"] = whole
        parts["update"] = [whole[k] - parts["sampling and rewards"][k] for k in (0, 1)]
        for name, (cpu, clock) in parts.items():
            found[name].append((cpu, clock, trainer.tokens))
        trainer.spent.clear()
        trainer.tokens = 0
        turns.give(index)
        turns.wait(index)
        torch.set_num_threads(threads)  # the other training sets that of its workers, which torch keeps for all
        started[:] = time.process_time(), time.perf_counter()

    class Mine(Timed):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            made.append(self)

    turns.wait(index)
    torch.set_num_threads(threads)
    run = open_run(config, folder)
    generate(config, run, lambda *_: None)
    compact.CompactGRPOTrainer = Mine  # type: ignore[misc]
    started[:] = time.process_time(), time.perf_counter()
    config.train.train(Job(run, 1, model_path(config.model), config.task, on_step))
    turns.leave(index)
    return found


def difference(config: ExperimentConfig, run: Any, sampled: int = 128) -> tuple[float, int]:
    """The largest difference of log-probabilities between the decoder and the trainer's forward pass, of tokens."""
    model, tokenizer = load_model(model_path(config.model)).train(), load_tokenizer(model_path(config.model))
    puzzles = run.task.puzzles_in(run.puzzles("train"))[:sampled]
    prompts = [prompt_ids(tokenizer, config.task.prompt.to_model_input(puzzle)) for puzzle in puzzles]
    limit = new_tokens(model_path(config.model), [config.task.prompt.to_model_input(one) for one in puzzles], None, "")
    written = decoder.decode(model, prompts, limit, 1.0, [1], seed=1)
    largest = 0.0
    for prompt, tokens, length, known in zip(prompts, *written, strict=True):
        ids = torch.tensor([prompt + tokens[:length].tolist()])
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, len(prompt) - 1 : -1]
        own = torch.log_softmax(logits, -1).gather(1, ids[0, len(prompt) :, None])[:, 0].detach().numpy()
        largest = max(largest, float(np.abs(own - known[:length]).max()))
    return largest, int(written.lengths.sum())


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--steps", type=int, default=8)
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments.add_argument("settings", nargs="*", help="such as train.max_new_tokens=224")
    options = arguments.parse_args()
    changes = [f"train.steps={options.steps}", f"train.save_steps={options.steps}", *options.settings]
    configs = [
        ExperimentConfig.load("quickstart", [*changes, f"train.decoder={decoder}", f"name={decoder}"])
        for decoder in ("torch", "auto")
    ]
    turns, found = Turns(), dict[int, Seconds]()
    with TemporaryDirectory() as folder:

        def work(index: int) -> None:
            try:
                found[index] = steps(configs[index], Path(folder), index, turns, options.threads)
            finally:
                turns.leave(index)

        workers = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for part in ("sampling", "sampling and rewards", "update", "whole"):
            slow, fast = (found[index][part][1:] for index in (0, 1))
            for k, clock in enumerate(("CPU", "clock")):
                pairs = [(a[k] / a[2]) / (b[k] / b[2]) for a, b in zip(slow, fast, strict=True)]
                print(
                    f"{part}, {clock}: torch {median(a[k] for a in slow):.2f} s, compiled "
                    f"{median(b[k] for b in fast):.2f} s, {median(pairs):.2f} times as fast a token"
                )
        print(f"tokens a step: torch {median(a[2] for a in slow):,.0f}, compiled {median(b[2] for b in fast):,.0f}")
        run = open_run(configs[1], Path(folder))
        largest, tokens = difference(configs[1], run)
        print(f"log-probabilities of the decoder and the trainer differ by {largest:.1e} at most, {tokens:,} tokens")


if __name__ == "__main__":
    main()
