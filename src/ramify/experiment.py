"""One experiment, from puzzles to report: the stages of `ramify run`, each of which skips what exists."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, field_validator

from ramify.analysis.annotate import annotate_files
from ramify.config import Config
from ramify.errors import ConfigError, RunError, require
from ramify.processes import world_size
from ramify.run import Run
from ramify.sampling.hf import HFSamplerConfig
from ramify.tables import completion_frame, is_current, puzzle_frame, puzzles_in, read_table, write_json, write_table
from ramify.tasks.countdown import EVALUATION_SETS, SETS, CountdownConfig, make_puzzles
from ramify.tasks.grading import ANSWER_TAGS
from ramify.train.job import Job
from ramify.train.online import GRPOConfig
from ramify.train.trainers import AnyTrainer

Report = Callable[[str, int, int], None]
"""Told of progress: what is being done, how much of it is done, how much there is."""

BUNDLED = {"bundled": "base", "bundled-naive": "base-naive"}
"""Models that come with the package; the naive one never saw the families that the study holds out."""


class ExperimentConfig(Config):
    """Everything that a run needs to know."""

    name: str = Field("quickstart", pattern=r"^\w[\w.-]*$")
    """The run's folder under `runs/`."""
    seeds: tuple[int, ...] = Field((1,), min_length=1)
    """Training seeds; each is a training run of its own over the same puzzles."""
    model: str = "bundled"
    """The base model: `bundled` or `bundled-naive` (docs/base.md), a folder, or a name on the hub."""
    task: CountdownConfig = CountdownConfig()
    train: AnyTrainer = GRPOConfig()
    sample: HFSamplerConfig = HFSamplerConfig()

    @field_validator("train", mode="before")
    @classmethod
    def _kind(cls, train: Any) -> Any:
        return {"kind": "grpo", **train} if isinstance(train, dict) else train

    def steps(self) -> list[int]:
        """The checkpoints that are sampled; 0 is the base model."""
        return [0, *self.train.saved_steps()]

    def scaled(self, factor: float) -> "ExperimentConfig":
        """The same experiment with so many times the puzzles, steps and samples, and a name that says so.

        >>> small = ExperimentConfig().scaled(0.1)
        >>> small.name, small.task.test, small.train.saved_steps()
        ('quickstart-x0.1', {3: 20, 4: 27}, [1, 2, 3])

        Raises:
            ConfigError: the factor is not above 0.
        """
        if factor <= 0:
            raise ConfigError(f"--scale {factor:g}: must be above 0")

        def part(count: int) -> int:
            return max(1, round(count * factor)) if count else 0

        task = {name: {n: part(count) for n, count in getattr(self.task, name).items()} for name in SETS}
        changed: dict[str, Any] = {"name": f"{self.name}-x{factor:g}", "task": self.task.model_copy(update=task)}
        if self.train.kind != "none":
            later = {part(step): shares for step, shares in self.train.curriculum.later.items()}
            steps = {
                "steps": max(2, part(self.train.steps)),
                "save_steps": part(self.train.save_steps),
                "curriculum": self.train.curriculum.model_copy(update={"later": later}),
            }
            changed["train"] = self.train.model_copy(update=steps)
        changed["sample"] = self.sample.model_copy(update={"samples": max(2, part(self.sample.samples))})
        return self.model_copy(update=changed)

    def checked(self) -> "ExperimentConfig":
        """These settings, if the run could start: what does not depend on one setting alone is tested here.

        Raises:
            ConfigError: the model folder does not exist, or the settings contradict each other.
        """
        self.train.checked()
        is_folder = self.model.startswith((".", "/", "~")) or self.model.count("/") != 1
        if self.model not in BUNDLED and is_folder and not _is_model(Path(self.model).expanduser()):
            raise ConfigError(f"model = {self.model}: no model folder with a config.json is there")
        if self.train.kind != "none" and not any(self.task.train.values()):
            raise ConfigError("task.train: there are no puzzles to train on; give it, for example, {3 = 1000}")
        return self


def _is_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", "adapter_config.json"))


def model_path(name: str) -> Path | str:
    """Where the base model is: a bundled one in the package, a folder, or a hub name as it stands."""
    if name in BUNDLED:
        return Path(str(resources.files("ramify.models") / BUNDLED[name]))
    folder = Path(name).expanduser()
    return folder if folder.exists() else name


def open_run(config: ExperimentConfig, root: Path) -> Run:
    """The run's folder, made if it does not exist.

    Raises:
        RunError: it holds a run with other settings.
    """
    return Run.open(root / config.name, config.model_dump(mode="json"), config.digest)


def generate(config: ExperimentConfig, run: Run, report: Report) -> None:
    """Draw the puzzles, tag them, certify the split."""
    if run.certificate_file.is_file():
        return
    sets, certificate = make_puzzles(config.task, partial(report, "patterns to draw from"))
    for name in SETS:
        write_table(puzzle_frame(sets[name]), run.puzzles_file(name))
    if not certificate.is_clean:
        raise RunError(f"{run.path}: the split is not clean: {certificate}")
    write_json(certificate.to_dict(), run.certificate_file)


def train(config: ExperimentConfig, run: Run, report: Report) -> None:
    """Train each seed to its last step, going on from its last whole checkpoint."""
    total = max(config.train.saved_steps(), default=0)
    for seed in config.seeds:
        done = max(run.checkpoints(seed), default=0)
        if done == total:
            continue
        stage = f"training, seed {seed}"
        report(stage, done, total)
        on_step = partial(_stepped, report, stage, total)
        config.train.train(Job(run, seed, model_path(config.model), config.task, on_step))


def _stepped(report: Report, stage: str, total: int, step: int) -> None:
    report(stage, step, total)


def sample(config: ExperimentConfig, run: Run, report: Report) -> None:
    """Sample every checkpoint on every evaluation set; a batch that is on disk is not made again."""
    sets = {name: puzzles_in(run.puzzles(name)) for name in EVALUATION_SETS}
    for seed in config.seeds:
        checkpoints = {0: model_path(config.model), **run.checkpoints(seed)}
        for step in config.steps():
            missing = [name for name in sets if not run.completions_file(seed, name, step).is_file()]
            if not missing:
                continue
            if step not in checkpoints:
                raise RunError(f"{run.path}: seed {seed} has no checkpoint of step {step}; train it with ramify train")
            sampler = config.sample.build(checkpoints[step])
            batches = {name: list(sampler.batches(sets[name])) for name in missing}
            total, done = sum(map(len, batches.values())), 0
            for name in missing:
                parts = []
                for number, (greedy, puzzles) in enumerate(batches[name]):
                    report(f"sampling step {step}, seed {seed}", done, total)
                    part = run.completions_part(seed, name, step, number)
                    if not part.is_file():
                        found = sampler.sample(puzzles, config.task.prompt, greedy, f"{seed}/{name}/{step}/{number}")
                        write_table(completion_frame(found), part)
                    parts.append(part)
                    done += 1
                whole = run.completions_file(seed, name, step)
                if parts:
                    write_table(pl.concat([read_table(part) for part in parts]), whole)
                    shutil.rmtree(parts[0].parent)  # with what a kill may have left half written
            report(f"sampling step {step}, seed {seed}", total, total)


def score(run: Run, report: Report, groupings: Sequence[str] = ()) -> None:
    """Grade every completion, find its attempts, and make the estimates; tables of another grader are made again.

    Args:
        groupings: more than the usual ones, such as "n,split,forced".
    """
    from ramify.analysis.estimate import GROUPINGS, estimate  # scipy takes a while to import

    work = [(seed, name, step) for seed in run.seeds for name, step in run.sampled(seed)]
    if not work:
        raise RunError(f"{run.path}: there are no completions to score; make some with ramify sample")
    tags = _answer_tags(run)
    jobs = []
    for seed, name, step in work:
        grades, attempts = (run.derived_file(kind, seed, name, step) for kind in ("grades", "attempts"))
        if not (is_current(grades) and is_current(attempts)):
            jobs.append((run.puzzles_file(name), run.completions_file(seed, name, step), grades, attempts))
    known = set(run.estimates()["by"]) if is_current(run.estimates_file, estimates=True) else None
    if not jobs and known is not None and known.issuperset(groupings):
        return
    if jobs:
        run.estimates_file.unlink(missing_ok=True)  # it is older than what is made now, also if that is cut off
    report("scoring", len(work) - len(jobs), len(work) + 1)
    for done in annotate_files(jobs, tags=tags):
        report("scoring", len(work) - len(jobs) + done, len(work) + 1)
    report("scoring", len(work), len(work) + 1)
    write_table(estimate(run, [*GROUPINGS, *groupings]), run.estimates_file)
    report("scoring", len(work) + 1, len(work) + 1)


def _answer_tags(run: Run) -> tuple[str, str]:
    prompt = run.config.get("task", {}).get("prompt")
    opening, closing = prompt["answer_tags"] if isinstance(prompt, dict) else ANSWER_TAGS
    return opening, closing


def run_all(config: ExperimentConfig, root: Path, report: Report) -> Run:
    """Every stage in order; called again, it goes on where it was cut off."""
    require("ramify run", "train")
    if world_size() > 1:
        raise ConfigError("ramify run works on one process; train with torchrun -m ramify train, then run the rest")
    from ramify.report.page import write_report

    run = open_run(config.checked(), root)
    started = time.time()
    generate(config, run, report)
    train(config, run, report)
    sample(config, run, report)
    score(run, report)
    if not run.manifest_file.is_file():
        write_json(manifest(config, time.time() - started), run.manifest_file)
    write_report(run)
    return run


def manifest(config: ExperimentConfig, seconds: float) -> dict:
    """What a run was made with: versions, machine, seeds, time of the last start."""
    packages = ["ramify", "torch", "transformers", "trl", "polars", "numpy"]
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "commit": _commit(),
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
        "device": _device(),
        "seeds": list(config.seeds),
        "digest": config.digest,
        "seconds": round(seconds),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    try:
        folder = Path(__file__).parent
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=folder, check=True)
        return found.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
