"""The stage that creates the puzzle sets."""

from ramify.adapters.puzzles import write_puzzles
from ramify.progress import ProgressCallback
from ramify.run import Run
from ramify.settings import ExperimentConfig


def generate(config: ExperimentConfig, run: Run, report: ProgressCallback) -> None:
    """Draw or load the puzzles, solve them, and certify the split."""
    with run.writing():
        write_puzzles(config.task, run, report)
