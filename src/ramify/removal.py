"""What is deleted from a run: checkpoints and tables that were cut off, and what was made of tables that change."""

import shutil
from collections.abc import Collection

from ramify.layout import DERIVED
from ramify.run import Run
from ramify.storage import numbered


def drop_if_empty(run: Run) -> bool:
    """Delete the folder if it holds only its settings; whether it did."""
    made = {file.name for file in run.path.iterdir() if not file.name.startswith(".")}
    if made - {"config.json", run.log_file.name}:
        return False
    shutil.rmtree(run.path)
    return True


def drop_broken_checkpoints(run: Run, seed: int) -> None:
    """Delete checkpoint folders that were cut off while being written."""
    whole = set(run.checkpoints(seed).values())
    for folder in numbered(run.checkpoints_folder(seed), "checkpoint-").values():
        if folder not in whole:
            shutil.rmtree(folder)


def drop_checkpoints_but(run: Run, seed: int, steps: Collection[int]) -> None:
    """Delete the checkpoints of other steps, such as the one that SIGTERM left."""
    for step, folder in run.checkpoints(seed).items():
        if step not in steps:
            shutil.rmtree(folder)


def drop_estimates(run: Run) -> None:
    """Delete the estimates, because something that they rest on changes."""
    run.estimates_file.unlink(missing_ok=True)


def drop_derived(run: Run, seed: int, name: str, step: int) -> None:
    """Delete what was made of completions that changed, and the estimates."""
    for kind in DERIVED:
        run.derived_file(kind, seed, name, step).unlink(missing_ok=True)
    drop_estimates(run)


def drop_completions(run: Run, seed: int, name: str, step: int) -> None:
    """Delete the completions of a set at a checkpoint, with all that was made of them."""
    drop_derived(run, seed, name, step)
    run.completions_file(seed, name, step).unlink(missing_ok=True)
