"""Forecast the output and duration of a run: `ramify run --dry-run`.

Counts follow from the settings. Up to `MOST_DRAWN` puzzles are drawn in a temporary folder, which also finds shortages;
beyond that, only a few for the probe. Times are extrapolated from a probe of the base model: three training steps and
one evaluation batch of bounded size. A trained model may write longer or shorter texts.
"""

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import polars as pl

from ramify.errors import ConfigError
from ramify.experiment import open_run
from ramify.models.checkpoints import model_path
from ramify.progress import ProgressCallback
from ramify.run import Run
from ramify.schemas import completion_frame
from ramify.settings import ExperimentConfig
from ramify.stages.generate import generate
from ramify.stages.sample import evaluation_prompts, model_at
from ramify.tables import write_table
from ramify.tasks.base import EVALUATION_SETS, SETS, Task
from ramify.train.base import Job
from ramify.train.job import TrainerConfig
from ramify.train.online import SAMPLED

PROBED_STEPS = 3
MOST_DRAWN = 20_000
"""The largest number of puzzles that is drawn to find shortages."""
PROBED_PUZZLES = 20
"""Puzzles per set for the probe beyond `MOST_DRAWN`."""
PROBED_COMPLETIONS, PROBED_TOKENS = 64, 256
"""The size of the probe: completions, or sequences of a training step, and tokens of each."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The predicted output and duration of a run.

    Attributes:
        puzzles: puzzles per set.
        shortages: number of patterns with fewer puzzles than requested; None if not checked.
        steps: training steps of all seeds.
        checkpoints: checkpoints of all seeds, without the base.
        training_sequences: trained completions or examples of all seeds.
        evaluation_completions: completions over all seeds and checkpoints.
        training_seconds, evaluation_seconds: total over all seeds, run in sequence.
        disk: bytes on disk.
        max_new_tokens: token limits of completions in train (if it samples) and sample.
    """

    puzzles: dict[str, int]
    shortages: int | None
    steps: int
    checkpoints: int
    training_sequences: int
    evaluation_completions: int
    training_seconds: float
    evaluation_seconds: float
    disk: int
    max_new_tokens: dict[str, int]


def forecast(config: ExperimentConfig, report: ProgressCallback) -> Forecast:
    """Draw puzzles, probe training and sampling, and discard all results.

    Raises:
        ConfigError: the run could not start with these settings.
    """
    seeds, steps = len(config.seeds), config.checked().steps(config.seeds[0])
    config = config.model_copy(update={"warm_up": None})  # it has a forecast of its own
    asked_of = {name: sum(counts.values()) for name, counts in config.task.asked().items()}
    is_drawn = bool(config.task.puzzles) or sum(asked_of.values()) <= MOST_DRAWN
    with TemporaryDirectory() as folder:
        made = config if is_drawn else config.model_copy(update={"task": _few(config.task)})
        run = open_run(made, Path(folder))
        generate(made, run, report)
        sets = {name: run.puzzles(name).height for name in SETS}
        puzzle_bytes = _size(run.path)
        shortages = len((run.certificate() or {}).get("shortages", [])) if is_drawn else None
        if not is_drawn:
            puzzle_bytes = round(puzzle_bytes / max(1, sum(sets.values())) * sum(asked_of.values()))
            sets = asked_of
        if not any(sets[name] for name in EVALUATION_SETS):
            raise ConfigError("task.test: no evaluation puzzles; set it, for example, to {3 = 200}")
        config = _limited(config, run)
        report("probing evaluation", 0, 1)
        rate, bytes_each = _probe_sampler(config, run)
        report("probing evaluation", 1, 1)
        sampled = [found for seed in config.seeds for step in steps if (found := config.sampled(seed, step))]
        per_puzzle = sum(found.samples + found.greedy for found in sampled)
        asked = sum(sets[name] for name in EVALUATION_SETS) * per_puzzle
        train_seconds, checkpoint_bytes, sequences = 0.0, 0, 0
        if isinstance(config.train, TrainerConfig):
            step_seconds, checkpoint_bytes = _probe_trainer(config, config.train, run, report)
            sequences = config.train.sequences_per_step * steps[-1] * seeds
            train_seconds = step_seconds * steps[-1] * seeds
        train_seconds += config.train.samples_before(sets["train"]) * seeds / rate
    rollouts = sequences if config.train.WRITES_ROLLOUTS else 0
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
        max_new_tokens={
            part: limit
            for part, settings in (("train", config.train), ("sample", config.sample))
            if (limit := getattr(settings, "max_new_tokens", None)) is not None
        },
    )


def _limited(config: ExperimentConfig, run: Run) -> ExperimentConfig:
    """The settings with token limits that fit the model's context."""
    model = model_at(config, run, config.seeds[0], config.steps(config.seeds[0])[0])
    prompts = map(config.task.prompt.to_model_input, config.task.puzzles_in(run.puzzles("train")))
    changed = {
        "sample": config.sample.resolved(model, evaluation_prompts(config, run)),
        "train": config.train.resolved(model_path(config.model), prompts),
    }
    return config.model_copy(update=changed)


def _probe_sampler(config: ExperimentConfig, run: Run) -> tuple[float, float]:
    """Completions per second, and bytes per completion on disk."""
    limits = {"samples": PROBED_COMPLETIONS, "batch_size": PROBED_COMPLETIONS, "max_new_tokens": PROBED_TOKENS}
    limited = {name: min(most, getattr(config.sample, name)) for name, most in limits.items()}
    small = config.sample.model_copy(update=limited)
    sampler = small.build(model_at(config, run, config.seeds[0], config.steps(config.seeds[0])[0]))
    puzzles = max((config.task.puzzles_in(run.puzzles(name)) for name in EVALUATION_SETS), key=len)
    batch = next(puzzles for greedy, puzzles in small.batches(puzzles) if not greedy)
    sampler.sample(batch[:4], config.task.prompt, False, "warm up")
    started = time.perf_counter()
    found = sampler.sample(batch, config.task.prompt, False, "probe")
    seconds = time.perf_counter() - started
    file = run.path / "probe.parquet"
    write_table(completion_frame(found), file)
    # Completions truncated by the probe's limit may reach the full limit.
    longer = (config.sample.max_new_tokens or 1) / (small.max_new_tokens or 1)
    factor = 1 + (longer - 1) * sum(completion.truncated for completion in found) / len(found)
    return len(found) / seconds / factor, factor * file.stat().st_size / len(found)


def _probe_trainer(
    config: ExperimentConfig, planned: TrainerConfig, run: Run, report: ProgressCallback
) -> tuple[float, int]:
    """Seconds per step, and bytes per checkpoint."""
    trainer = planned.probe(PROBED_STEPS, PROBED_COMPLETIONS, PROBED_TOKENS)
    ends: list[float] = []

    def on_step(step: int) -> None:
        ends.append(time.perf_counter())
        report("probing training", step, PROBED_STEPS)

    report("probing training", 0, PROBED_STEPS)
    trainer.train(Job(run, config.seeds[0], model_path(config.model), config.task, on_step))
    seconds = median(after - before for before, after in pairwise(ends))
    factor = planned.sequences_per_step / trainer.sequences_per_step
    if trainer.WRITES_ROLLOUTS:  # as in evaluation; a lower bound, since cost grows faster than length
        limit = getattr(trainer, "max_new_tokens", None) or 1
        ended = [
            run.scan(run.rollouts_file(config.seeds[0], step), SAMPLED).select(pl.col("tokens") >= limit).collect()
            for step in range(1, PROBED_STEPS + 1)
        ]
        longer = (getattr(planned, "max_new_tokens", None) or limit) / limit
        factor *= 1 + (longer - 1) * float(pl.concat(ended)["tokens"].to_numpy().mean())
    return seconds * factor, _size(run.checkpoints(config.seeds[0])[PROBED_STEPS])


def _few(task: Task) -> Task:
    """The task with fewer puzzles in each set."""
    return task.limited(PROBED_PUZZLES)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
