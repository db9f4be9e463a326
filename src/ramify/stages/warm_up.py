"""The run of the warm-up, and the model after it.

The warm-up is a run of its own in the folder `warm-up`, so its checkpoints, completions and report are those of any
run. Training needs a whole model to start from, so a LoRA adapter is merged into its base.
"""

from ramify.experiment import open_run
from ramify.processes import rank
from ramify.run import Run
from ramify.settings import ExperimentConfig
from ramify.storage import folder_in_one_step


def warm_up_run(config: ExperimentConfig, run: Run) -> Run:
    """The run of the warm-up of a run, created if missing.

    Raises:
        ValueError: the settings have no warm-up.
    """
    if config.before is None:
        raise ValueError("these settings have no warm-up")
    return open_run(config.before, run.path)


def write_initial(config: ExperimentConfig, warm_up: Run, run: Run) -> None:
    """Write the last model of the warm-up as the initial model of a run, unless it is there.

    Args:
        config: the settings of the warm-up.
    """
    if run.initial_folder.is_dir() or rank() != 0:
        return
    from ramify.models.loading import load_model, load_tokenizer

    last = warm_up.checkpoints(config.seeds[0])[max(config.train.saved_steps())]
    with run.writing(), folder_in_one_step(run.initial_folder) as unfinished:
        load_model(last).save_pretrained(unfinished)
        load_tokenizer(last).save_pretrained(unfinished)
