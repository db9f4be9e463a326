"""Callbacks of all trainers: logs, telemetry, completion markers of checkpoints, progress."""

import ctypes
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from ramify.processes import world_size
from ramify.run import Run
from ramify.storage import write_text
from ramify.tables import write_table
from ramify.train.base import Telemetry


def give_back_memory() -> None:
    """Return free memory to the system, where the C library supports it.

    The activations of a step are hundreds of megabytes, in blocks whose sizes vary with the lengths of completions.
    glibc keeps freed blocks, which do not fit the next step, so the process would grow during training.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


class RunCallback(TrainerCallback):
    """Log each step, mark complete checkpoints, and save at the last step and on SIGTERM."""

    def __init__(self, run: Run, seed: int, on_step: Callable[[int], None], telemetry: Telemetry) -> None:
        self.run, self.seed, self.on_step, self.telemetry = run, seed, on_step, telemetry
        self.is_stopping = False

    @contextmanager
    def saving_on_sigterm(self) -> Iterator[None]:
        """Finish the step and save on SIGTERM; a second signal kills. Only the main thread can handle signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(*_: Any) -> None:
            self.is_stopping = True
            signal.signal(signal.SIGTERM, before)

        before = signal.signal(signal.SIGTERM, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        if torch.distributed.is_initialized():  # a signal to one process stops all
            stops = torch.tensor(float(self.is_stopping), device=args.device)
            torch.distributed.all_reduce(stops, torch.distributed.ReduceOp.MAX)
            self.is_stopping = bool(stops)
        if state.global_step == state.max_steps or self.is_stopping:
            control.should_save = True
        if self.is_stopping:
            control.should_training_stop = True
        give_back_memory()
        if state.is_world_process_zero:
            seen = self.telemetry(state.global_step)
            if seen is not None:
                write_table(seen, self.run.telemetry_file(self.seed, state.global_step))
            self.on_step(state.global_step)
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if logs and "loss" in logs and state.is_world_process_zero:
            # The telemetry has the values of single patterns.
            numbers = {k: v for k, v in logs.items() if isinstance(v, int | float) and not k.startswith("pattern/")}
            log = self.run.train_log(self.seed)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a") as file:
                file.write(json.dumps({**numbers, "step": state.global_step}) + "\n")

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # each process saves its random state
        if state.is_world_process_zero:
            checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            write_text(f"{world_size()}\n", self.run.completion_marker(checkpoint))
