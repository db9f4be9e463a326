"""What a run will make and how long it will take, before it is made: `ramify run --dry-run`.

All puzzles are made, in a folder that is thrown away. Times come from a probe of the base model: three steps
of training and one batch of evaluation. A trained model may write longer or shorter texts.
"""

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from ramify import experiment
from ramify.experiment import ExperimentConfig, model_path
from ramify.processes import Report
from ramify.run import Run
from ramify.tables import completion_frame, puzzles_in, write_table
from ramify.tasks.countdown import EVALUATION_SETS, SETS
from ramify.train.job import Job, TrainerConfig
from ramify.train.rft import RFTConfig
from ramify.train.sft import SFTConfig

PROBED_STEPS = 3


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run will make.

    Attributes:
        puzzles: in each set.
        shortages: how many patterns have fewer puzzles than were asked for.
        steps: of training, over all seeds.
        checkpoints: over all seeds, the base not counted.
        training_sequences: completions or examples that are trained on, over all seeds.
        evaluation_completions: over all seeds and checkpoints.
        training_seconds, evaluation_seconds: over all seeds, one after the other.
        disk: bytes.
    """

    puzzles: dict[str, int]
    shortages: int
    steps: int
    checkpoints: int
    training_sequences: int
    evaluation_completions: int
    training_seconds: float
    evaluation_seconds: float
    disk: int


def forecast(config: ExperimentConfig, report: Report) -> Forecast:
    """Make the puzzles, probe training and sampling, and throw all of it away.

    Raises:
        ConfigError: the run could not start with these settings.
    """
    seeds, steps = len(config.seeds), config.checked().steps(config.seeds[0])
    with TemporaryDirectory() as folder:
        run = experiment.open_run(config, Path(folder))
        experiment.generate(config, run, report)
        sets = {name: run.puzzles(name).height for name in SETS}
        shortages = len((run.certificate() or {}).get("shortages", []))
        puzzle_bytes = _size(run.path)
        report("probing evaluation", 0, 1)
        rate, bytes_each = _probe_sampler(config, run)
        report("probing evaluation", 1, 1)
        per_puzzle = config.sample.samples + config.sample.greedy
        asked = sum(sets[name] for name in EVALUATION_SETS) * per_puzzle * seeds * len(steps)
        train_seconds, checkpoint_bytes, sequences = 0.0, 0, 0
        if isinstance(config.train, TrainerConfig):
            step_seconds, checkpoint_bytes = _probe_trainer(config, run, report)
            sequences = config.train.sequences_per_step * steps[-1] * seeds
            train_seconds = step_seconds * steps[-1] * seeds
            if isinstance(config.train, RFTConfig):
                train_seconds += sets["train"] * config.train.samples_per_puzzle * seeds / rate
    rollouts = sequences if config.train.kind in ("grpo", "rloo") else 0
    saved = len(steps) - 1 if config.trains else 0
    disk = puzzle_bytes + checkpoint_bytes * saved * seeds + int(bytes_each * (2 * asked + rollouts))
    return Forecast(
        puzzles=sets,
        shortages=shortages,
        steps=(steps[-1] if config.trains else 0) * seeds,
        checkpoints=saved * seeds,
        training_sequences=sequences,
        evaluation_completions=asked,
        training_seconds=train_seconds,
        evaluation_seconds=asked / rate,
        disk=disk,
    )


def _probe_sampler(config: ExperimentConfig, run: Run) -> tuple[float, float]:
    """Completions a second, and bytes a completion on disk."""
    sampler = config.sample.build(experiment.model_at(config, run, config.seeds[0], config.steps(config.seeds[0])[0]))
    puzzles = max((puzzles_in(run.puzzles(name)) for name in EVALUATION_SETS), key=len)
    batch = next(puzzles for greedy, puzzles in config.sample.batches(puzzles) if not greedy)
    sampler.sample(batch[:4], config.task.prompt, False, "warm up")
    started = time.perf_counter()
    found = sampler.sample(batch, config.task.prompt, False, "probe")
    seconds = time.perf_counter() - started
    file = run.path / "probe.parquet"
    write_table(completion_frame(found), file)
    return len(found) / seconds, file.stat().st_size / len(found)


def _probe_trainer(config: ExperimentConfig, run: Run, report: Report) -> tuple[float, int]:
    """Seconds a step, and bytes a checkpoint."""
    changed = {"steps": PROBED_STEPS, "save_steps": PROBED_STEPS, "report_to": ()}
    trainer = config.train.model_copy(update=changed)
    if isinstance(trainer, RFTConfig):  # its steps, on other texts; what it samples is counted apart
        shared = {name: getattr(trainer, name) for name in SFTConfig.model_fields if name != "kind"}
        trainer = SFTConfig(**shared)
    ends: list[float] = []

    def on_step(step: int) -> None:
        ends.append(time.perf_counter())
        report("probing training", step, PROBED_STEPS)

    report("probing training", 0, PROBED_STEPS)
    trainer.train(Job(run, config.seeds[0], model_path(config.model), config.task, on_step))
    seconds = median(after - before for before, after in pairwise(ends))
    return seconds, _size(run.checkpoints(config.seeds[0])[PROBED_STEPS])


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
