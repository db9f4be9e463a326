"""Train for a number of steps and print the memory of the process as it goes.

    python benchmarks/memory.py [--steps 60] [--every 10] [train.prompts_per_step=16 ...]

The base is the bundled one, the puzzles are those of the quickstart. Peak is that of the process, resident what it
holds after the step, in MiB.
"""

import argparse
import resource
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from ramify import ExperimentConfig, experiment
from ramify import pipeline as stages
from ramify.models.checkpoints import model_path
from ramify.train.job import Job


def main() -> None:
    """Print a line every so many steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    steps = [f"train.steps={given.steps}", f"train.save_steps={given.steps}"]
    config = ExperimentConfig.load("quickstart", [*steps, *given.overrides])
    process = psutil.Process()

    def on_step(step: int) -> None:
        if step == 1 or step % given.every == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            resident = process.memory_info().rss / 2**20
            print(f"step {step:4}  resident {resident:6.0f}  peak {peak:6.0f}", flush=True)

    with TemporaryDirectory() as folder:
        run = experiment.open_run(config, Path(folder))
        stages.generate(config, run, lambda *_: None)
        config.train.train(Job(run, 1, model_path(config.model), config.task, on_step))


if __name__ == "__main__":
    main()
