"""What ramify does during training, whatever the trainer: a log line a step, whole checkpoints, progress."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from ramify.run import Run


class RunCallback(TrainerCallback):
    """Logs every step, marks a checkpoint as whole once it is, and saves at the last step."""

    def __init__(self, run: Run, seed: int, on_step: Callable[[int], None]) -> None:
        self.run, self.seed, self.on_step = run, seed, on_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        if state.global_step == state.max_steps:
            control.should_save = True
        self.on_step(state.global_step)
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            numbers = {key: value for key, value in logs.items() if isinstance(value, int | float)}
            log = self.run.train_log(self.seed)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a") as file:
                file.write(json.dumps({**numbers, "step": state.global_step}) + "\n")

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self.run.whole_mark(checkpoint).touch()
