"""Open and create the run folder of an experiment."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ramify.errors import RamifyError
from ramify.models.checkpoints import model_path
from ramify.processes import rank
from ramify.removal import drop_if_empty
from ramify.run import Run
from ramify.run_log import log_to
from ramify.settings import ExperimentConfig


def open_run(config: ExperimentConfig, root: Path) -> Run:
    """Open the run folder, creating it if missing.

    Raises:
        RunError: the folder has a run with other settings.
    """
    return Run.open(root / config.name, config.model_dump(mode="json"), _complete)


def _complete(saved: dict[str, Any]) -> dict[str, Any]:
    """The saved settings of a run with the defaults of this version."""
    return ExperimentConfig.check(saved).model_dump(mode="json")


def as_begun(config: ExperimentConfig, root: Path) -> ExperimentConfig:
    """The settings, with `max_new_tokens` from an existing run of the same name if unset.

    Presets of an earlier version set a number, and the same command has to resume their runs.
    """
    folder = root / config.name
    if not (folder / "config.json").is_file():
        return config
    there, changed = Run(folder).config, {}
    for part in ("train", "sample"):
        settings, saved = getattr(config, part), there.get(part)
        given = saved.get("max_new_tokens") if isinstance(saved, dict) else None
        if isinstance(given, int) and getattr(settings, "max_new_tokens", given) is None:
            changed[part] = settings.model_copy(update={"max_new_tokens": given})
    return config.model_copy(update=changed)


@contextmanager
def begun(config: ExperimentConfig, root: Path, loads_models: bool = True) -> Iterator[Run]:
    """Open the run folder after validation; a new folder is removed if an error leaves it empty.

    So invalid settings can be corrected and tried again under the same name.

    Args:
        loads_models: whether models will be loaded, so that they are checked first.

    Raises:
        ConfigError: the settings contradict each other.
        RunError: a model cannot be loaded, or the folder has a run with other settings.
    """
    folder = root / config.checked().name
    is_new, had_root = not folder.exists(), root.exists()
    if is_new and loads_models:
        _check_models(config)
    run = open_run(config, root)
    log_to(run)
    try:
        yield run
    except RamifyError:
        if is_new and rank() == 0 and drop_if_empty(run):
            log_to(None)
            if not had_root and not any(root.iterdir()):
                root.rmdir()
        raise


def saved(run: Run) -> str:
    """The saved results of an interrupted run, in words."""
    if not run.certificate_file.is_file():
        return "its settings"
    parts = ["its puzzles"]
    for seed in run.seeds:
        if steps := run.checkpoints(seed):
            parts.append(f"the checkpoints of seed {seed} to step {max(steps)}")
        if sampled := run.sampled(seed):
            parts.append(f"{len(sampled)} tables of completions of seed {seed}")
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _check_models(config: ExperimentConfig) -> None:
    """Check whether the models can be loaded, by their files."""
    if config.sample.SERVED or find_spec("transformers") is None:
        return
    from ramify.models.loading import check_model

    named: list[Path | str] = [model_path(config.model)] if 0 in config.steps(config.seeds[0]) else []
    named += [model_path(str(each)) for seed in config.seeds for each in config.train.models(seed)]
    for model in dict.fromkeys(named):
        check_model(model, config.task.prompt.chat)
