"""Delete unfinished checkpoints and tables of a run, and tables derived from changed ones."""

import shutil
from collections.abc import Collection

from ramify.layout import DERIVED
from ramify.run import Run
from ramify.storage import numbered


def drop_if_empty(run: Run) -> bool:
    """Delete the folder if it has only its settings; returns whether it was deleted."""
    made = {file.name for file in run.path.iterdir() if not file.name.startswith(".")}
    if made - {"config.json", run.log_file.name}:
        return False
    shutil.rmtree(run.path)
    return True


def drop_broken_checkpoints(run: Run, seed: int) -> None:
    """Delete checkpoint folders whose writing was interrupted."""
    whole = set(run.checkpoints(seed).values())
    for folder in numbered(run.checkpoints_folder(seed), "checkpoint-").values():
        if folder not in whole:
            shutil.rmtree(folder)


def drop_checkpoints_but(run: Run, seed: int, steps: Collection[int]) -> None:
    """Delete the checkpoints of other steps, such as one saved at SIGTERM."""
    for step, folder in run.checkpoints(seed).items():
        if step not in steps:
            shutil.rmtree(folder)


def drop_estimates(run: Run) -> None:
    """Delete the estimates, because their inputs change."""
    run.estimates_file.unlink(missing_ok=True)


def drop_derived(run: Run, seed: int, name: str, step: int) -> None:
    """Delete the tables derived from changed completions, and the estimates."""
    for kind in DERIVED:
        run.derived_file(kind, seed, name, step).unlink(missing_ok=True)
    drop_estimates(run)


def drop_completions(run: Run, seed: int, name: str, step: int) -> None:
    """Delete the completions of a set at a checkpoint, with the tables derived from them."""
    drop_derived(run, seed, name, step)
    run.completions_file(seed, name, step).unlink(missing_ok=True)
