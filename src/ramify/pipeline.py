"""The pipeline of `ramify run`, from puzzles to report."""

import time
from pathlib import Path

from ramify.errors import ConfigError, require
from ramify.experiment import as_begun, begun
from ramify.manifest import manifest
from ramify.processes import world_size
from ramify.progress import ProgressCallback
from ramify.run import Run
from ramify.settings import ExperimentConfig
from ramify.stages.generate import generate
from ramify.stages.sample import sample
from ramify.stages.score import score
from ramify.stages.train import train
from ramify.stages.warm_up import warm_up_run
from ramify.storage import write_json


def run_all(config: ExperimentConfig, root: Path, report: ProgressCallback) -> Run:
    """Run every stage in order; a second call resumes."""
    if config.trains:
        require("training", "train")
    if world_size() > 1:
        raise ConfigError("ramify run uses one process; train with torchrun -m ramify train, then use ramify run")
    from ramify.report.page import write_report

    started = time.time()
    config = as_begun(config, root)
    with begun(config, root) as run, run.writing():
        generate(config, run, report)
        train(config, run, report)
        sample(config, run, report)
        if config.before:
            inner = warm_up_run(config, run)
            score(inner, report)
            write_report(inner)
        score(run, report)
        if not run.manifest_file.is_file():
            write_json(manifest(config.seeds, config.digest, time.time() - started), run.manifest_file)
        write_report(run)
    if config.track:
        from ramify.report.trackers import track

        track(run, config.track)
    return run
