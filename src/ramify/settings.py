"""The settings of a run: of an experiment, or of an import."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from ramify.config import Config, Name, Seed
from ramify.errors import ConfigError, RunError, require
from ramify.layout import WARM_UP
from ramify.models.checkpoints import BUNDLED, is_model, model_path
from ramify.models.packaged import PREFIX, gguf_file
from ramify.plugins import Plugins
from ramify.run import Run
from ramify.sampling.batches import SamplerConfig
from ramify.sampling.hf import HFSamplerConfig
from ramify.sampling.samplers import SAMPLERS, AnySampler
from ramify.tasks.registry import TASKS, AnyTask, default_task
from ramify.train.curriculum import check_patterns
from ramify.train.job import TrainerConfig
from ramify.train.online import GRPOConfig
from ramify.train.rft import RFTConfig
from ramify.train.sft import SFTConfig
from ramify.train.trainers import AnyTrainer

SCALES = (1e-6, 1000)
"""The range of `--scale`."""
MOST_PUZZLES = 10_000_000
"""The largest total number of puzzles."""
Tracker = Literal["tensorboard", "wandb", "trackio"]


class ExperimentConfig(Config):
    """The settings of an experiment."""

    name: Name = "quickstart"
    """The run's folder under `runs/`."""
    seeds: tuple[Seed, ...] = Field((1,), min_length=1, max_length=1000)
    """Training seeds; each is a separate training run on the same puzzles."""
    model: str = "bundled"
    """The base model: `bundled`, `bundled-naive` or `bundled-functions`, `package:smollm2`, a folder, or a name on the
    hub."""
    task: AnyTask = Field(default_factory=default_task)
    warm_up: Annotated[SFTConfig | RFTConfig, Field(discriminator="kind")] | None = None
    """Supervised training before `train`, once for all seeds, as a run of its own in the folder `warm-up`; step 0 is
    then the model after it."""
    train: AnyTrainer = GRPOConfig()
    sample: AnySampler = HFSamplerConfig()
    track: tuple[Tracker, ...] = ()
    """Trackers to which the estimates are logged."""

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed occurs twice; each has to be a separate training run")
        return seeds

    @field_validator("model")
    @classmethod
    def _named(cls, model: str) -> str:
        if not model.strip():
            raise ValueError("is not a model; set bundled, a model folder, or a hub name")
        return model

    @field_validator("train", mode="before")
    @classmethod
    def _kind(cls, train: Any) -> Any:
        return {"kind": "grpo", **train} if isinstance(train, dict) else train

    @field_validator("warm_up", mode="before")
    @classmethod
    def _warm_up_kind(cls, train: Any) -> Any:
        return {"kind": "sft", **train} if isinstance(train, dict) else train

    @field_validator("task", mode="before")
    @classmethod
    def _task(cls, task: Any) -> Any:
        return _with_kind(task, "task", TASKS)

    @field_validator("sample", mode="before")
    @classmethod
    def _sampler(cls, sample: Any) -> Any:
        return _with_kind(sample, "sample", SAMPLERS)

    @property
    def trains(self) -> bool:
        """Whether the run trains a model, rather than only sampling it."""
        return self.train.TRAINS

    @property
    def before(self) -> "ExperimentConfig | None":
        """The experiment of the warm-up, with the same puzzles and sampling; None without warm-up."""
        if self.warm_up is None:
            return None
        changed = {"name": WARM_UP, "seeds": (min(self.seeds),), "train": self.warm_up, "warm_up": None, "track": ()}
        return self.model_copy(update=changed)

    def steps(self, seed: int) -> list[int]:
        """The sampled checkpoints of a seed; 0 is the base model."""
        return self.train.evaluated_steps(seed)

    def sampled(self, seed: int, step: int) -> SamplerConfig | None:
        """The sampling of a checkpoint of a seed; None for a base model that the smallest seed samples for all.

        >>> once = ExperimentConfig.load(overrides=["seeds=[2, 1]", "sample.base_samples=32"])
        >>> [found and found.samples for found in (once.sampled(1, 0), once.sampled(2, 0), once.sampled(2, 15))]
        [32, None, 4]
        """
        base = self.sample.base_samples
        if step > 0 or base is None:
            return self.sample
        return self.sample.model_copy(update={"samples": base}) if seed == min(self.seeds) else None

    def scaled(self, factor: float) -> "ExperimentConfig":
        """The experiment with puzzles, steps and samples multiplied by a factor, and a name that includes it.

        >>> small = ExperimentConfig().scaled(0.1)
        >>> small.name, small.task.test, small.train.saved_steps()
        ('quickstart-x0.1', {3: 20, 4: 27}, [1, 2, 3])

        Raises:
            ConfigError: the factor is not from 1e-6 to 1000, or makes a setting too large.
        """
        if not SCALES[0] <= factor <= SCALES[1]:  # also rejects nan
            raise ConfigError(f"--scale {factor:g}: must be above 0, from {SCALES[0]:g} to {SCALES[1]:g}")

        def part(count: int) -> int:
            return max(1, round(count * factor)) if count else 0

        changed: dict[str, Any] = {"name": f"{self.name}-x{factor:g}", "task": self.task.scaled(part)}
        changed["train"] = self.train.scaled(part)
        changed["warm_up"] = self.warm_up and self.warm_up.scaled(part)
        samples, base = max(2, part(self.sample.samples)), self.sample.base_samples
        scaled = {"samples": samples, "base_samples": base and max(samples, part(base))}
        changed["sample"] = self.sample.model_copy(update=scaled)
        try:
            return self.check(self.model_copy(update=changed).model_dump())
        except ConfigError as error:
            raise ConfigError(f"--scale {factor:g}: {error}") from None

    def checked(self) -> "ExperimentConfig":
        """Check settings that depend on each other, and return the settings.

        Raises:
            ConfigError: the model folder does not exist, or the settings contradict each other.
        """
        self.train.checked()
        served = self.sample.SERVED
        if self.warm_up:
            self.warm_up.checked()
            if not self.trains:
                raise ConfigError(f"warm_up: nothing is trained after it (train.kind = {self.train.kind}); train by it")
        if self.model.startswith(PREFIX) and not served:
            gguf_file(self.model)
        if self.trains and served:
            raise ConfigError(
                f"sample.kind = {self.sample.kind}: a server does not have the checkpoints of this training; "
                "train.kind has to be none, or checkpoints with the server's names"
            )
        is_folder = self.model.startswith((".", "/", "~")) or self.model.partition("@")[0].count("/") > 1
        is_local = is_folder and not served and self.model not in BUNDLED
        if is_local and 0 in self.steps(self.seeds[0]) and not is_model(Path(self.model).expanduser()):
            raise ConfigError(f"model = {self.model}: no model folder with a config.json there")
        if not self.task.puzzles:
            self._check_puzzles()
        self.sample.checked()
        for tracker in self.track:
            require(f"track = {tracker}", tracker)
        return self

    def _check_puzzles(self) -> None:
        """Check the puzzle settings before drawing."""
        asked = {name: sum(counts.values()) for name, counts in self.task.asked().items()}
        if sum(asked.values()) > MOST_PUZZLES:
            raise ConfigError(f"task: {sum(asked.values()):,} puzzles requested; the maximum is {MOST_PUZZLES:,}")
        if isinstance(self.train, TrainerConfig):
            if not asked.get("train"):
                raise ConfigError(
                    "task.train: there are no puzzles to train on; give it, for example, {3 = 1000}, of patterns that "
                    "are not held out"
                )
            check_patterns(map(self.task.structure, self.task.trained_patterns()), self.train.curriculum)


def _with_kind(given: Any, part: str, known: Plugins[Any]) -> Any:
    """A table of settings with its kind, which must be known."""
    if not isinstance(given, dict):
        return given
    kind = given.get("kind", known.default)
    known.check(f"{part}.kind", kind)
    return {"kind": kind, **given}


def initial_model(settings: ExperimentConfig, run: Run) -> Path | str:
    """The model that training starts from: the base model, or that after the warm-up.

    Raises:
        RunError: the warm-up is not finished.
    """
    if settings.warm_up is None:
        return model_path(settings.model)
    if not run.initial_folder.is_dir():
        raise RunError(f"{run.path}: its warm-up is not finished; train it with ramify train")
    return run.initial_folder


class ImportedSettings(Config):
    """The settings of an imported run.

    Attributes:
        imported: the folders and the settings of `adapters.import_settings.ImportConfig`.
        task: the answer tags.
    """

    name: Name
    imported: dict[str, Any]
    task: dict[str, Any] = Field(default_factory=dict)


def settings_of(run: Run) -> ExperimentConfig | ImportedSettings:
    """The settings of a run, of this or an earlier version.

    Raises:
        ConfigError: this version cannot read them.
    """
    saved = run.config
    return ImportedSettings.of_saved(saved) if "imported" in saved else ExperimentConfig.of_saved(saved)
