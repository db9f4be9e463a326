"""The stage that trains each seed, resuming from its last complete checkpoint."""

from functools import partial

from ramify.models.checkpoints import model_path
from ramify.progress import ProgressCallback
from ramify.run import Run
from ramify.settings import ExperimentConfig
from ramify.train.base import Job


def train(config: ExperimentConfig, run: Run, report: ProgressCallback) -> None:
    """Train each seed to its last step, resuming from its last complete checkpoint."""
    if not config.trains:
        return
    total = max(config.train.saved_steps(), default=0)
    for seed in config.seeds:
        done = max(run.checkpoints(seed), default=0)
        if done == total:
            continue
        stage = f"training, seed {seed}"
        report(stage, done, total)
        on_step = partial(_stepped, report, stage, total)
        with run.writing():
            config.train.train(Job(run, seed, model_path(config.model), config.task, on_step))


def _stepped(report: ProgressCallback, stage: str, total: int, step: int) -> None:
    report(stage, step, total)
