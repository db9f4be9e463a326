"""The stage that trains each seed, resuming from its last complete checkpoint."""

from functools import partial

from ramify.layout import WARM_UP
from ramify.progress import ProgressCallback
from ramify.run import Run
from ramify.settings import ExperimentConfig, initial_model
from ramify.stages.generate import generate
from ramify.stages.warm_up import warm_up_run, write_initial
from ramify.train.base import Job


def train(config: ExperimentConfig, run: Run, report: ProgressCallback) -> None:
    """Train each seed to its last step, after the warm-up, resuming from its last complete checkpoint."""
    if not config.trains:
        return
    if config.before:
        inner = warm_up_run(config, run)
        generate(config.before, inner, report)
        train(config.before, inner, report)
        write_initial(config.before, inner, run)
    total = max(config.train.saved_steps(), default=0)
    for seed in config.seeds:
        done = max(run.checkpoints(seed), default=0)
        if done == total:
            continue
        stage = f"training, seed {seed}" if config.name != WARM_UP else "warm-up"
        report(stage, done, total)
        on_step = partial(_stepped, report, stage, total)
        with run.writing():
            config.train.train(Job(run, seed, initial_model(config, run), config.task, on_step))


def _stepped(report: ProgressCallback, stage: str, total: int, step: int) -> None:
    report(stage, step, total)
