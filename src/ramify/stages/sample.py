"""The stage that samples every checkpoint on every evaluation set."""

from functools import partial
from pathlib import Path
from typing import Any

from ramify.errors import RunError
from ramify.models.checkpoints import model_path
from ramify.processes import rank
from ramify.progress import ProgressCallback
from ramify.run import Run
from ramify.sampling.batches import Sampler, SamplerConfig
from ramify.sampling.sweep import sample_checkpoint
from ramify.settings import ExperimentConfig, initial_model
from ramify.stages.warm_up import warm_up_run
from ramify.storage import write_json
from ramify.tasks.base import EVALUATION_SETS


def sample(config: ExperimentConfig, run: Run, report: ProgressCallback) -> None:
    """Sample every checkpoint on every evaluation set, first those of the warm-up; existing batches are skipped."""
    if config.before:
        sample(config.before, warm_up_run(config, run), report)
    with run.writing():
        for seed in config.seeds:
            for step in config.steps(seed):
                settings = config.sampled(seed, step)
                if settings is not None:
                    build = partial(_sampler_at, config, settings, run, seed, step)
                    sample_checkpoint(run, seed, step, settings, build, report)


def _sampler_at(config: ExperimentConfig, settings: SamplerConfig, run: Run, seed: int, step: int) -> Sampler:
    model = model_at(config, run, seed, step)
    resolved = settings.resolved(model, evaluation_prompts(config, run))
    if rank() == 0 and resolved.max_new_tokens is not None:
        write_json({**run.limits(), f"{seed}/{step}": resolved.max_new_tokens}, run.limits_file)
    return resolved.build(model)


def evaluation_prompts(config: ExperimentConfig, run: Run) -> list[Any]:
    """The prompts of all evaluation sets."""
    return [
        config.task.prompt.to_model_input(puzzle)
        for name in EVALUATION_SETS
        for puzzle in config.task.puzzles_in(run.puzzles(name))
    ]


def model_at(config: ExperimentConfig, run: Run, seed: int, step: int) -> Path | str:
    """The model to sample at a step: a folder, a hub name, or a model name on a server."""
    served = config.sample.SERVED
    model = config.train.checkpoint(run, seed, step)
    if model is not None:
        return model if served or isinstance(model, Path) else model_path(model)
    if step == 0:
        return config.model if served else initial_model(config, run)
    checkpoints = run.checkpoints(seed)
    if step not in checkpoints:
        raise RunError(f"{run.path}: seed {seed} has no checkpoint of step {step}; train it with ramify train")
    return checkpoints[step]
