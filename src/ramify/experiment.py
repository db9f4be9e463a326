"""The settings of an experiment, and the run folder that is opened with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from ramify.config import Config, Name, Seed
from ramify.errors import ConfigError, RamifyError, require
from ramify.models.checkpoints import BUNDLED, is_model, model_path
from ramify.processes import rank
from ramify.removal import drop_if_empty
from ramify.run import Run
from ramify.run_log import log_to
from ramify.sampling.hf import HFSamplerConfig
from ramify.sampling.samplers import AnySampler
from ramify.tasks.registry import DEFAULT, AnyTask, check_kind, default_task
from ramify.train.curriculum import check_patterns
from ramify.train.existing import CheckpointsConfig
from ramify.train.job import TrainerConfig
from ramify.train.online import GRPOConfig
from ramify.train.trainers import AnyTrainer

SCALES = (1e-6, 1000)
"""The smallest and the largest factor of `--scale`."""
MOST_PUZZLES = 10_000_000
"""Puzzles of all sets together."""
Tracker = Literal["tensorboard", "wandb", "trackio"]


class ExperimentConfig(Config):
    """Everything that a run needs to know."""

    name: Name = "quickstart"
    """The run's folder under `runs/`."""
    seeds: tuple[Seed, ...] = Field((1,), min_length=1, max_length=1000)
    """Training seeds; each is a training run of its own over the same puzzles."""
    model: str = "bundled"
    """The base model: `bundled` or `bundled-naive` (docs/base.md), a folder, or a name on the hub."""
    task: AnyTask = Field(default_factory=default_task)
    train: AnyTrainer = GRPOConfig()
    sample: AnySampler = HFSamplerConfig()
    track: tuple[Tracker, ...] = ()
    """Trackers that are told of the estimates."""

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is there twice; each is a training run of its own")
        return seeds

    @field_validator("model")
    @classmethod
    def _named(cls, model: str) -> str:
        if not model.strip():
            raise ValueError("names no model; give bundled, a model folder, or a name on the hub")
        return model

    @field_validator("train", mode="before")
    @classmethod
    def _kind(cls, train: Any) -> Any:
        return {"kind": "grpo", **train} if isinstance(train, dict) else train

    @field_validator("task", mode="before")
    @classmethod
    def _task(cls, task: Any) -> Any:
        if not isinstance(task, dict):
            return task
        check_kind(task.get("kind", DEFAULT))
        return {"kind": DEFAULT, **task}

    @field_validator("sample", mode="before")
    @classmethod
    def _sampler(cls, sample: Any) -> Any:
        return {"kind": "hf", **sample} if isinstance(sample, dict) else sample

    @property
    def trains(self) -> bool:
        """Whether a model is trained, rather than sampled as it is."""
        return isinstance(self.train, TrainerConfig)

    def steps(self, seed: int) -> list[int]:
        """The checkpoints of a seed that are sampled; 0 is the base model."""
        if isinstance(self.train, CheckpointsConfig):
            return [*([0] if self.train.base else []), *self.train.saved_steps(seed)]
        return [0, *self.train.saved_steps()]

    def scaled(self, factor: float) -> "ExperimentConfig":
        """The same experiment with so many times the puzzles, steps and samples, and a name that says so.

        >>> small = ExperimentConfig().scaled(0.1)
        >>> small.name, small.task.test, small.train.saved_steps()
        ('quickstart-x0.1', {3: 20, 4: 27}, [1, 2, 3])

        Raises:
            ConfigError: the factor is not from 1e-6 to 1000, or makes a setting too large.
        """
        if not SCALES[0] <= factor <= SCALES[1]:  # nor is nan
            raise ConfigError(f"--scale {factor:g}: must be above 0, from {SCALES[0]:g} to {SCALES[1]:g}")

        def part(count: int) -> int:
            return max(1, round(count * factor)) if count else 0

        changed: dict[str, Any] = {"name": f"{self.name}-x{factor:g}", "task": self.task.scaled(part)}
        if isinstance(self.train, TrainerConfig):
            later = {part(step): shares for step, shares in self.train.curriculum.later.items()}
            steps = {
                "steps": max(2, part(self.train.steps)),
                "save_steps": part(self.train.save_steps),
                "curriculum": self.train.curriculum.model_copy(update={"later": later}),
            }
            changed["train"] = self.train.model_copy(update=steps)
        changed["sample"] = self.sample.model_copy(update={"samples": max(2, part(self.sample.samples))})
        try:
            return self.check(self.model_copy(update=changed).model_dump())
        except ConfigError as error:
            raise ConfigError(f"--scale {factor:g}: {error}") from None

    def checked(self) -> "ExperimentConfig":
        """These settings, if the run could start: what does not depend on one setting alone is tested here.

        Raises:
            ConfigError: the model folder does not exist, or the settings contradict each other.
        """
        self.train.checked()
        served = self.sample.kind == "openai"
        if self.trains and served:
            raise ConfigError(
                "sample.kind = openai: a server does not have the checkpoints of this training; train.kind has to be "
                "none, or checkpoints with the server's names"
            )
        is_folder = self.model.startswith((".", "/", "~")) or self.model.partition("@")[0].count("/") > 1
        is_local = is_folder and not served and self.model not in BUNDLED
        if is_local and 0 in self.steps(self.seeds[0]) and not is_model(Path(self.model).expanduser()):
            raise ConfigError(f"model = {self.model}: no model folder with a config.json is there")
        if not self.task.puzzles:
            self._check_puzzles()
        self.sample.checked()
        for tracker in self.track:
            require(f"track = {tracker}", tracker)
        return self

    def _check_puzzles(self) -> None:
        """What can be said of the puzzles before they are drawn."""
        asked = {name: sum(counts.values()) for name, counts in self.task.asked().items()}
        if sum(asked.values()) > MOST_PUZZLES:
            raise ConfigError(f"task: {sum(asked.values()):,} puzzles asked for; the most are {MOST_PUZZLES:,} in all")
        if isinstance(self.train, TrainerConfig):
            if not asked.get("train"):
                raise ConfigError(
                    "task.train: there are no puzzles to train on; give it, for example, {3 = 1000}, of patterns that "
                    "are not held out"
                )
            check_patterns(map(self.task.structure, self.task.trained_patterns()), self.train.curriculum)


def open_run(config: ExperimentConfig, root: Path) -> Run:
    """The run's folder, made if it does not exist.

    Raises:
        RunError: it holds a run with other settings.
    """
    return Run.open(root / config.name, config.model_dump(mode="json"), _complete)


def _complete(saved: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run as this version would have saved them."""
    return ExperimentConfig.check(saved).model_dump(mode="json")


def as_begun(config: ExperimentConfig, root: Path) -> ExperimentConfig:
    """The same settings; where no `max_new_tokens` is given, that of a run of this name which was begun with one.

    So a run of a version whose presets gave a number goes on by the same command.
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
    """The run's folder; a new one is made when nothing is found wrong, and goes again if an error leaves it empty.

    So settings that could not work are corrected and tried again under the same name.

    Args:
        loads_models: whether what follows loads models, so that they are looked at first.

    Raises:
        ConfigError: the settings contradict each other.
        RunError: a model cannot be loaded, or the folder holds a run with other settings.
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
    """What a run keeps when it is cut off, in words."""
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
    """Whether the models can be loaded and asked, as far as their files say."""
    if config.sample.kind == "openai" or find_spec("transformers") is None:
        return
    from ramify.models.loading import check_model

    named: list[Path | str] = [model_path(config.model)] if 0 in config.steps(config.seeds[0]) else []
    if isinstance(config.train, CheckpointsConfig):
        named += [model_path(str(each)) for seed in config.seeds for each in config.train.whole(seed)]
    for model in dict.fromkeys(named):
        check_model(model, config.task.prompt.chat)
