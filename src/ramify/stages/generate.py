"""The puzzle sets of a run."""

from ramify.adapters.puzzles import write_puzzles
from ramify.progress import ProgressCallback
from ramify.run import Run
from ramify.settings import ExperimentConfig


def generate(config: ExperimentConfig, run: Run, report: ProgressCallback) -> None:
    """Draw the puzzles, or take those that are named, tag them, certify the split."""
    with run.writing():
        write_puzzles(config.task, run, report)
