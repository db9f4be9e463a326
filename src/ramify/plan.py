"""Compute what a design can detect, and the best design for a token budget: `ramify plan`.

The base model is sampled a few times on some puzzles, or was sampled in a run. `analysis.design` has the calculation
and docs/inference.md its assumptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from ramify.analysis.allocation import Allocation, Costs, allocate
from ramify.analysis.annotate import annotate
from ramify.analysis.design import Question, Source, detectable, needed, remedy
from ramify.analysis.questions import questions
from ramify.errors import ConfigError, RunError
from ramify.experiment import open_run
from ramify.progress import ProgressCallback
from ramify.run import Run, is_run
from ramify.schemas import COMPLETIONS, completion_frame
from ramify.settings import ExperimentConfig
from ramify.stages.generate import generate
from ramify.stages.sample import model_at
from ramify.tasks.base import EVALUATION_SETS, Task
from ramify.train.online import OnlineConfig

SAMPLES = 8
"""Samples per puzzle from the base."""
PROBED = 200
"""Puzzles of a set and size for which the base is sampled."""
DRAWN = 2000
"""Puzzles drawn of a set and size, enough to know their structure."""
CHARACTERS = 3
"""Characters per token, if the server does not count tokens."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a design to one question.

    Attributes:
        puzzles, patterns: numbers of puzzles and patterns behind the estimate.
        base: success of the base model.
        detects: the smallest true difference detected with 80 % power; None if it cannot be estimated.
        needed: puzzles of the set and size that make the difference of `--detect` detectable; None if no number does.
        status: why it cannot be estimated, or what is needed instead of puzzles; None otherwise.
        recommended: the smallest difference that the recommended design detects; None if it cannot be estimated.
    """

    set: str
    n: int
    question: str
    puzzles: int
    patterns: int
    base: float
    detects: float | None
    needed: int | None
    status: str | None
    recommended: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The answers of the configured design, and a recommended design.

    Attributes:
        detect: the difference behind `needed`.
        samples: configured samples per puzzle, seed and checkpoint.
        tokens: token budget of the recommended evaluation.
        configured_tokens: tokens of the configured evaluation.
        training_tokens: tokens of a seed's training, not included above; None if training does not sample.
        allocation: the recommended design; None if the budget is too small for any design.
        supply: the number of available reserved puzzles, for counts that it limits.
        probed: puzzles sampled from the base, and samples of each.
    """

    name: str
    detect: float
    seeds: int
    samples: int
    answers: tuple[Answer, ...]
    tokens: float
    configured_tokens: float
    training_tokens: float | None
    allocation: Allocation | None
    supply: dict[Source, int]
    probed: tuple[int, int]


def plan(source: str, overrides: list[str], detect: float, tokens: int | None, report: ProgressCallback) -> Plan:
    """Sample the base model, or read its completions from a run, and compute a plan.

    Args:
        source: a run folder, a preset's name or a .toml file.
        detect: a difference as a share, such as 0.04.
        tokens: token budget of the evaluation; None for that of the configured design.

    Raises:
        ConfigError: a number is out of range, or there are no evaluation puzzles.
        RunError: the run has no completions of the base.
    """
    if not 0.001 <= detect <= 0.9:
        raise ConfigError(f"--detect {detect:g}: a difference is a share, from 0.001 to 0.9; 0.04 is four points")
    if is_run(Path(source)):
        if overrides:
            raise ConfigError(f"{overrides[0]}: the settings of a run cannot be changed; use a preset or .toml file")
        run = Run(source)
        if run.imported() is not None:
            raise RunError(f"{source}: an imported run has no design; plan one from a preset or a .toml file")
        config = ExperimentConfig.check(run.config)
        puzzles, lengths = _read(config, run, report)
    else:
        config = ExperimentConfig.load(source, overrides).checked()
        puzzles, lengths = _probed(config, report)
    counts = _counts(config.task, puzzles)
    return calculated(config, puzzles, counts, lengths, detect, tokens)


def calculated(
    config: ExperimentConfig,
    puzzles: pl.DataFrame,
    counts: Mapping[Source, int],
    lengths: Mapping[Source, float],
    detect: float,
    tokens: int | None,
) -> Plan:
    """The plan for given results of the base model.

    Args:
        puzzles: the argument of `questions`.
        counts: configured puzzles by set and size.
        lengths: mean tokens of the base's completions, by set and size.
    """
    seeds, samples = len(config.seeds), config.sample.samples
    available = {(name, n): _available(config.task, puzzles, name, n) for name, n in counts}
    asked = questions(config.task, puzzles, counts, available)
    if not asked:
        raise ConfigError("task.test: no evaluation puzzles; set it, for example, to {3 = 200}")
    moved = {source for one in asked for source in one.sources}
    costs = Costs(
        lengths,
        {source: count for source, count in counts.items() if source not in moved},
        {source: most for source in moved if (most := _most(config.task, *source, puzzles)) is not None},
        len(config.steps(config.seeds[0])),
        config.sample.greedy,
        config.sample.base_samples if 0 in config.steps(config.seeds[0]) else None,
    )
    configured = costs.total_tokens({source: counts[source] for source in moved}, seeds, samples)
    budget = configured if tokens is None else tokens
    found = allocate(asked, costs, budget, detect)
    if found is None and tokens is not None:
        raise ConfigError(f"--tokens {budget:,.0f}: not enough for 20 puzzles of each set and size with three seeds")
    recommended = [float("nan")] * len(asked) if found is None else found.detects
    answers = [_answer(one, detect, seeds, samples, at) for one, at in zip(asked, recommended, strict=True)]
    supply = {} if found is None else {source: costs.most[source] for source in found.short}
    per_puzzle = puzzles.filter(pl.col("k") > 0)
    probed = len(per_puzzle), int(per_puzzle["k"].median() or 0)  # type: ignore[arg-type]
    trained = _training(config, lengths)
    return Plan(config.name, detect, seeds, samples, tuple(answers), budget, configured, trained, found, supply, probed)


def _answer(one: Question, detect: float, seeds: int, samples: int, recommended: float) -> Answer:
    count = needed(one, detect, seeds, samples)
    status = one.status
    if status is None and count is None:
        status = remedy(one, detect, seeds, samples)
    detects = detectable(one, seeds, samples)
    return Answer(
        *one.sources[0], one.name, one.n, one.patterns, one.base, detects if isfinite(detects) else None,
        None if count is None else int(np.ceil(count)), status, recommended if isfinite(recommended) else None,
    )  # fmt: skip


def _probed(config: ExperimentConfig, report: ProgressCallback) -> tuple[pl.DataFrame, dict[Source, float]]:
    """Draw puzzles in a temporary folder, and sample the base on some of them."""
    with TemporaryDirectory() as folder:
        run = open_run(config.model_copy(update={"task": _drawn(config.task)}), Path(folder) / "run")
        generate(config.model_copy(update={"task": _drawn(config.task)}), run, report)
        sets = {name: run.attributed(name) for name in EVALUATION_SETS if run.puzzles(name).height}
        if not sets:
            raise ConfigError("task.test: no evaluation puzzles; set it, for example, to {3 = 200}")
        settings = config.sample.model_copy(update={"samples": SAMPLES, "greedy": False})
        model = model_at(config, run, config.seeds[0], config.steps(config.seeds[0])[0])
        chosen = {name: _some(frame, config.task.seed) for name, frame in sets.items()}
        batches = [
            (name, batch)
            for name, some in chosen.items()
            for _, batch in settings.batches(config.task.puzzles_in(some))
        ]
        sampler = settings.build(model)
        found: dict[str, list[Any]] = {name: [] for name in sets}
        for number, (name, batch) in enumerate(batches):
            report("asking the base", number, len(batches))
            found[name] += sampler.sample(batch, config.task.prompt, False, f"plan/{name}/{number}")
        report("asking the base", len(batches), len(batches))
    return _joined(config, sets, {name: completion_frame(some) for name, some in found.items()})


def _read(config: ExperimentConfig, run: Run, report: ProgressCallback) -> tuple[pl.DataFrame, dict[Source, float]]:
    """The results of the base in a run, pooled over seeds, without greedy completions."""
    sets, found = {}, {}
    base = config.steps(config.seeds[0])[0]
    for done, name in enumerate(EVALUATION_SETS):
        report("reading the base", done, len(EVALUATION_SETS))
        files = [run.completions_file(seed, name, base) for seed in run.seeds]
        tables = [run.scan(file, COMPLETIONS).collect() for file in files if file.is_file()]
        if tables:
            sets[name] = run.attributed(name)
            every = pl.concat(tables).filter(pl.col("sample") >= 0)
            number = pl.int_range(pl.len()).over("puzzle_id").cast(every.schema["sample"])
            found[name] = every.with_columns(sample=number)
    report("reading the base", len(EVALUATION_SETS), len(EVALUATION_SETS))
    if not sets:
        raise RunError(f"{run.path}: no completions of the base; sample them with ramify sample {run.path}")
    return _joined(config, sets, found)


def _joined(
    config: ExperimentConfig, sets: Mapping[str, pl.DataFrame], found: Mapping[str, pl.DataFrame]
) -> tuple[pl.DataFrame, dict[Source, float]]:
    """The puzzles of all sets with correct and k, and mean tokens per completion by set and size."""
    frames, lengths = [], {}
    for name, puzzles in sets.items():
        grades, _ = annotate(
            found[name].select(list(COMPLETIONS)),
            {puzzle.id: puzzle for puzzle in config.task.puzzles_in(puzzles)},
            config.task,
        )
        asked = grades.with_columns(characters=found[name]["text"].str.len_chars()).group_by("puzzle_id")
        tokens = pl.col("tokens").fill_null(pl.col("characters") // CHARACTERS)
        sums = asked.agg(k=pl.len(), correct=(pl.col("verdict") == "correct").sum(), tokens=tokens.sum())
        joined = puzzles.join(sums, on="puzzle_id", how="left", maintain_order="left").filter(
            pl.col("pattern").is_not_null()
        )
        frames.append(joined.with_columns(pl.lit(name).alias("set")))
        for (n,), of in joined.filter(pl.col("k") > 0).partition_by("n", as_dict=True).items():
            lengths[name, int(n)] = float(of["tokens"].sum()) / float(of["k"].sum())
    return pl.concat(frames), lengths


def _drawn(task: Task) -> Task:
    """The task with bounded evaluation sets and a minimal training set."""
    if task.puzzles:
        return task
    few = {name: {n: min(DRAWN, count) for n, count in counts.items()} for name, counts in task.asked().items()}
    few["train"] = {n: min(1, count) for n, count in task.train.items()}
    return task.limited(DRAWN).model_copy(update=few)


def _counts(task: Task, puzzles: pl.DataFrame) -> dict[Source, int]:
    """Configured puzzle counts, limited to the available ones."""
    drawn = {(str(name), int(n)): count for name, n, count in puzzles.group_by("set", "n").len().iter_rows()}
    wanted = {} if task.puzzles else task.asked()
    asked = {(name, n): count for name in wanted for n, count in wanted[name].items()}
    ordered = sorted(drawn, key=lambda source: (EVALUATION_SETS.index(source[0]), source[1]))
    return {one: asked[one] if asked.get(one, 0) > DRAWN else drawn[one] for one in ordered}


def _some(puzzles: pl.DataFrame, seed: int) -> pl.DataFrame:
    """At most `PROBED` puzzles of each size, drawn at random."""
    return pl.concat(of.sample(min(PROBED, len(of)), seed=seed) for of in puzzles.partition_by("n"))


def _available(task: Task, puzzles: pl.DataFrame, name: str, n: int) -> int:
    of = puzzles.filter((pl.col("set") == name) & (pl.col("n") == n))
    there = None if task.puzzles else task.available(name, n)
    return of["pattern"].n_unique() if there is None else there


def _most(task: Task, name: str, n: int, puzzles: pl.DataFrame) -> int | None:
    """The approximate number of evaluation puzzles, equally spread over patterns; None if it is no limit."""
    if task.puzzles:
        return puzzles.filter((pl.col("set") == name) & (pl.col("n") == n)).height
    return task.supply(name, n)


def _training(config: ExperimentConfig, lengths: Mapping[Source, float]) -> float | None:
    """Tokens sampled in the training of a seed, if completions are as long as the base's."""
    if not isinstance(config.train, OnlineConfig):
        return None
    of_trained = [length for (_, n), length in lengths.items() if n in config.task.train]
    if not of_trained:
        return None
    return config.train.sequences_per_step * config.steps(config.seeds[0])[-1] * float(np.mean(of_trained))
