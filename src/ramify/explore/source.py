"""Read runs for the explorer: finished, in training or growing. Nothing is ever written.

A part is one table of completions: a set at a checkpoint of a seed, or the training completions of a step (set
`train`). Parts that are not graded on disk yet are graded in memory.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import polars as pl

from ramify.analysis.annotate import annotate
from ramify.errors import RunError
from ramify.frames import attributed, samples
from ramify.layout import DERIVED
from ramify.run import Run
from ramify.schemas import ATTEMPTS, COMPLETIONS, GRADES, ROLLOUTS
from ramify.tables import is_current, made_by

TRAINING = "train"
"""The set of the training completions."""
KEPT = 64
"""The number of values that are kept in memory, of each kind."""


class Part(NamedTuple):
    """One table of completions: its run by name, seed, set and step."""

    run: str
    seed: int
    set: str
    step: int


class Kept:
    """The latest values of a function by key. Threads may compute the same value twice."""

    def __init__(self, most: int = KEPT) -> None:
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()
        self._most = most

    def get(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """The value of a key, computed if it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = compute()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


class Source:
    """Runs to explore, by name.

    Args:
        runs: with distinct folders; of equal folder names, later ones get a number.

    Raises:
        RunError: there is no run.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        if not runs:
            raise RunError("no run to explore")
        self.runs: dict[str, Run] = {}
        for run in runs:
            name, number = run.path.resolve().name, 1
            while name in self.runs:
                number += 1
                name = f"{run.path.resolve().name}-{number}"
            self.runs[name] = run
        self._graded, self._judged = Kept(), Kept()
        self._puzzles = Kept()
        self.kept = Kept()

    def run(self, name: str) -> Run:
        """A run by name.

        Raises:
            RunError: there is none.
        """
        if name not in self.runs:
            raise RunError(f"{name}: no such run; there are {', '.join(self.runs)}")
        return self.runs[name]

    def parts(self, name: str) -> list[Part]:
        """The parts of a run, sorted by set, step and seed, training completions last."""
        run = self.run(name)
        found = [Part(name, seed, of, step) for seed in run.seeds for of, step in run.sampled(seed)]
        found += [Part(name, seed, TRAINING, step) for seed in run.seeds for step in run.rollout_steps(seed)]
        return sorted(found, key=lambda part: (part.set == TRAINING, part.set, part.step, part.seed))

    def sampled_by(self, name: str, seed: int, step: int) -> int:
        """The seed in whose folder the evaluation completions of a checkpoint are: of a shared base, the smallest."""
        run = self.run(name)
        return min(run.seeds) if step == 0 and run.shares_base else seed

    def file(self, part: Part) -> Path:
        """The file with the completions of a part."""
        run = self.run(part.run)
        if part.set == TRAINING:
            return run.rollouts_file(part.seed, part.step)
        return run.completions_file(part.seed, part.set, part.step)

    def stamp(self, part: Part) -> tuple[int, ...]:
        """What changes when a file of the part does; the size is -1 while there is no file."""
        found: list[int] = []
        for path in (self.file(part), *self._derived(part)):
            try:
                stat = path.stat()
                found += [stat.st_size, stat.st_mtime_ns]
            except OSError:
                found += [-1, 0]
        return tuple(found)

    def version(self) -> str:
        """A text that changes when a run gets a new part, changed tables or another training step."""
        found: list[Any] = []
        for name, run in self.runs.items():
            found += [(part, self.stamp(part)) for part in self.parts(name)]
            for file in (run.estimates_file, *map(run.train_log, run.seeds)):
                found.append(file.stat().st_mtime_ns if file.is_file() else 0)
        return f"{hash(tuple(found)) & 0xFFFFFFFFFFFF:012x}"

    def puzzles(self, name: str, of: str) -> pl.DataFrame:
        """The puzzles of a set with all columns of their structure; see `frames.attributed`.

        The set of training completions has all puzzles of the run, since an import does not tell them apart.
        """
        run = self.run(name)
        own = run.puzzles_file(of)
        files = sorted(own.parent.glob("*.parquet")) if of == TRAINING else [own]
        there = [file for file in files if file.is_file()]
        if not there:
            raise RunError(f"{run.path}: there are no puzzles of the set {of}")

        def read() -> pl.DataFrame:
            frames = [run.scan(file, run.task.puzzle_schema()) for file in there]
            frame: pl.DataFrame = pl.concat(frames).collect()
            return attributed(run.task, frame, run.trained_patterns())

        found: pl.DataFrame = self._puzzles.get((name, of, *(file.stat().st_mtime_ns for file in there)), read)
        return found

    def is_graded(self, part: Part) -> bool:
        """Whether the grades and attempts of a part are on disk, by the grader of this version."""
        files = self._derived(part)
        versions = made_by(self.run(part.run).task.GRADER_VERSION)
        return bool(files) and all(is_current(file, versions) for file in files)

    def rows(self, part: Part) -> pl.LazyFrame:
        """The completions of a part without their texts, in the order of all its tables: puzzle_id, sample, tokens."""
        if self.is_graded(part):
            return self.grades(part).select("puzzle_id", "sample", "tokens")
        return self.completions(part).select("puzzle_id", "sample", "tokens")

    def completions(self, part: Part) -> pl.LazyFrame:
        """The completions of a part, with the columns of `COMPLETIONS`; those of unknown puzzles are left out.

        Raises:
            RunError: a table is missing or damaged.
        """
        run, file = self.run(part.run), self.file(part)
        if part.set != TRAINING:
            return run.scan(file, COMPLETIONS)
        frame = self._rollouts(part)
        there = frame.collect_schema()
        return frame.select(
            "puzzle_id",
            "sample",
            "text",
            pl.col("tokens").cast(pl.Int32) if "tokens" in there else pl.lit(None, pl.Int32).alias("tokens"),
            pl.col("truncated") if "truncated" in there else pl.lit(False).alias("truncated"),
        )

    def verdicts(self, part: Part) -> pl.LazyFrame:
        """The verdicts of a part: puzzle_id, sample, verdict, tokens. Computed ones take no search for attempts."""
        if self.is_graded(part) or self._is_graded_in_training(part):
            return self.grades(part).select("puzzle_id", "sample", "verdict", "tokens")

        def judge() -> pl.DataFrame:
            task, puzzles = self.run(part.run).task, self.puzzles(part.run, part.set)
            items = dict(zip(puzzles["puzzle_id"], task.puzzles_in(puzzles), strict=True))
            found = self.completions(part).select("puzzle_id", "sample", "tokens", "text", "truncated").collect()
            texts = found.select("puzzle_id", "text", "truncated").iter_rows()
            verdicts = [task.grade(items[puzzle_id], text, cut).verdict.value for puzzle_id, text, cut in texts]
            return found.drop("text", "truncated").with_columns(verdict=pl.Series(verdicts, dtype=pl.String))

        found: pl.DataFrame = self._judged.get((part, self.stamp(part)), judge)
        return found.lazy()

    def grades(self, part: Part, ids: Sequence[str] | None = None) -> pl.LazyFrame:
        """The grades of a part, with the columns of `GRADES`; without tables on disk they are computed.

        Args:
            ids: the puzzles to grade if they have to be graded; None for all.
        """
        if self.is_graded(part):
            return self.run(part.run).scan(self._derived(part)[0], GRADES)
        if self._is_graded_in_training(part):
            return self._rollouts(part).select(pl.col(name).cast(kind) for name, kind in GRADES.items())
        return self._annotated(part, ids)[0].lazy()

    def attempts(self, part: Part, ids: Sequence[str] | None = None) -> pl.LazyFrame:
        """The attempts of a part, with the columns of `ATTEMPTS`; arguments as for `grades`."""
        if self.is_graded(part):
            return self.run(part.run).scan(self._derived(part)[1], ATTEMPTS)
        return self._annotated(part, ids)[1].lazy()

    def samples(self, part: Part) -> pl.LazyFrame:
        """One row per completion of a part, with the columns of `frames.SAMPLES` and text; see `frames.samples`."""
        tables = self.completions(part), self.grades(part), self.attempts(part)
        return samples(self.run(part.run).task, self.puzzles(part.run, part.set), *tables)

    def _annotated(self, part: Part, ids: Sequence[str] | None) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Grades and attempts, computed and kept."""

        def grade() -> tuple[pl.DataFrame, pl.DataFrame]:
            puzzles = self.puzzles(part.run, part.set)
            completions = self.completions(part).select(list(COMPLETIONS))
            if ids is not None:
                puzzles = puzzles.filter(pl.col("puzzle_id").is_in(ids))
                completions = completions.filter(pl.col("puzzle_id").is_in(ids))
            task = self.run(part.run).task
            items = dict(zip(puzzles["puzzle_id"], task.puzzles_in(puzzles), strict=True))
            return annotate(completions.collect(), items, task)

        wanted = None if ids is None else tuple(sorted(ids))
        found: tuple[pl.DataFrame, pl.DataFrame] = self._graded.get((part, self.stamp(part), wanted), grade)
        return found

    def _is_graded_in_training(self, part: Part) -> bool:
        """Whether a part has training completions that were stored with their grades."""
        return part.set == TRAINING and set(GRADES) <= set(self._rollouts(part).collect_schema())

    def _rollouts(self, part: Part) -> pl.LazyFrame:
        """The training completions of a step, numbered within each puzzle."""
        known = self.puzzles(part.run, part.set)["puzzle_id"].implode()
        frame = self.run(part.run).scan(self.file(part), ROLLOUTS).filter(pl.col("puzzle_id").is_in(known))
        return frame.with_columns(sample=pl.int_range(pl.len(), dtype=pl.Int32).over("puzzle_id"))

    def _derived(self, part: Part) -> list[Path]:
        if part.set == TRAINING:
            return []
        run = self.run(part.run)
        return [run.derived_file(kind, part.seed, part.set, part.step) for kind in DERIVED]
