"""A run folder: opened with its settings, locked while written, and read with remedies for damaged files.

layout.py defines the file names.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from ramify.config import digest_of
from ramify.errors import ConfigError, RamifyError, RunError
from ramify.frames import CELL_TYPES, CELLS, WHERE, attributed, cells, placed, samples, shaped
from ramify.layout import DERIVED, Layout
from ramify.lock import exclusive
from ramify.processes import rank
from ramify.progress import ProgressCallback
from ramify.schemas import ATTEMPTS, COMPLETIONS, ESTIMATES, GRADES, Schema
from ramify.storage import read_json, write_json
from ramify.summary import facts_of, summary_html
from ramify.tables import scan_table
from ramify.tasks.base import Task
from ramify.tasks.registry import task_of

MOST_NAMED = 4
"""The number of differing settings that a message names."""
FORMAT = 2
"""The format version of config.json, in which the digest is that of the settings."""
CERTIFIED: dict[str, Any] = {
    "puzzles": {},
    "held_out": [],
    **dict.fromkeys(("is_clean", "shared", "repeated", "solved_by_held_out", "reserved_in_training")),
    **dict.fromkeys(("unreserved_in_evaluation", "not_forced", "of_unknown_skills", "numbers_in_both")),
}
"""Fields of a certificate; null if an earlier version did not write them."""


TABLES = {"completions": COMPLETIONS, "grades": GRADES, "attempts": ATTEMPTS}
"""The tables of a set at a checkpoint."""
READ = ("completions", "attempts", "cells", "estimates", "puzzles", "certificate", "manifest")
"""The methods that read a run."""


class Run(Layout):
    """An existing run folder.

    `estimates` has every number of the report, `cells` the sums behind them, `completions` and `attempts` what the
    model wrote; `puzzles`, `certificate`, `manifest` and `config` document the inputs.

    Args:
        path: the folder.

    Raises:
        RunError: the folder is not a run.

    A notebook shows its settings, the success at the first and last checkpoint, and a link to the report.

    >>> Run("runs/mine")
    Run('runs/mine', task='countdown', seeds='1', checkpoints='0, 20')
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(Path(path))
        if not self.config_file.is_file():
            raise RunError(f"{path}: not a run folder (it has no config.json); make one with ramify run")

    @classmethod
    def open(
        cls,
        path: Path,
        config: Mapping[str, Any],
        complete: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda saved: saved,
    ) -> "Run":
        """Open a run with these settings, creating the folder if missing.

        Args:
            complete: validates saved settings of an earlier version and adds defaults for new ones.

        Raises:
            RunError: the folder has a run with other settings; the message names the differences.
        """
        config = json.loads(json.dumps(config))  # in the form in which they are read
        # A folder without finished files was interrupted before its settings were written.
        if not path.exists() or all(file.name.startswith(".") for file in path.iterdir()):
            digest = digest_of(config)
            write_json({"format": FORMAT, "digest": digest, "config": config}, path / "config.json")
        run = cls(path)
        there = run.config
        changed = _differences(there, config)
        if changed:
            with suppress(ConfigError, KeyError, TypeError):  # settings that are invalid by now count as changes
                changed = _differences(json.loads(json.dumps(complete(there))), config)
        if changed:
            named = ", ".join(changed[:MOST_NAMED]) + (", and more" if len(changed) > MOST_NAMED else "")
            raise RunError(f"{path}: this folder has a run with other settings ({named}); choose another name")
        return run

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing into the run; of processes that train together, the first holds the lock.

        Raises:
            RunError: another process is writing into the run.
        """
        if rank() > 0:
            yield
            return
        with exclusive(self.lock_file, f"{self.path}: another process is at work on this run"):
            yield

    @contextmanager
    def scoring(self, report: ProgressCallback) -> Iterator[None]:
        """Hold the lock of the derived tables, waiting for other processes, so that the estimates cover all
        completions."""
        with exclusive(self.scoring_file, "", lambda holder: report(f"waiting for {holder}, which scores", 0, 1)):
            yield

    @property
    def _saved(self) -> dict[str, Any]:
        remedy = "restore it from a copy, since the settings of the run stand nowhere else"
        found = read_json(self.config_file, ("digest", "config"), remedy)
        # Without a format version, the digest may have been computed differently.
        if not isinstance(found["config"], dict) or "name" not in found["config"]:
            raise RunError(f"{self.config_file}: damaged, it has no settings; {remedy}")
        if "format" in found and digest_of(found["config"]) != found["digest"]:
            raise RunError(f"{self.config_file}: changed since it was written; {remedy}")
        return found

    @property
    def config(self) -> dict[str, Any]:
        """The resolved settings as plain data.

        Raises:
            RunError: they are damaged, or were edited.
        """
        return dict(self._saved["config"])

    @property
    def shares_base(self) -> bool:
        """Whether the base model was sampled once for all seeds (`sample.base_samples`)."""
        sample = self.config.get("sample")
        return isinstance(sample, dict) and sample.get("base_samples") is not None

    @cached_property
    def task(self) -> Task:
        """The task, with the settings of this run.

        Raises:
            ConfigError: it is of another package, which is not there.
        """
        return task_of(self.config)

    @property
    def digest(self) -> str:
        """The digest of the settings, as saved."""
        return str(self._saved["digest"])

    def certificate(self) -> dict[str, Any] | None:
        """The split certificate as plain data; None if puzzles are not drawn yet."""
        if not self.certificate_file.is_file():
            return None
        remedy = f"delete it, and {self.again(self.certificate_file)}"
        found = read_json(self.certificate_file, ("is_clean", "puzzles"), remedy)
        if not isinstance(found["puzzles"], dict):
            raise RunError(f"{self.certificate_file}: damaged, it has no puzzle counts; {remedy}")
        return {**CERTIFIED, **found}

    def manifest(self) -> dict[str, Any] | None:
        """Versions, machine and times; None if the run is not finished."""
        if not self.manifest_file.is_file():
            return None
        remedy = f"delete it, and {self.again(self.manifest_file)}"
        return read_json(self.manifest_file, ("versions", "machine", "device", "seconds"), remedy)

    def limits(self) -> dict[str, int]:
        """The token limits of completions sampled on this machine, by "seed/step"."""
        if not self.limits_file.is_file():
            return {}
        found = read_json(self.limits_file, (), f"delete it, and {self.again(self.limits_file)}")
        return {name: limit for name, limit in found.items() if isinstance(limit, int)}

    def puzzles(self, name: str) -> pl.DataFrame:
        """The puzzles of a set; columns as in `Task.puzzle_schema`."""
        return self.scan(self.puzzles_file(name), self.task.puzzle_schema()).collect()

    def scan(self, file: Path, schema: Schema) -> pl.LazyFrame:
        """A lazy table of the run with the columns of a schema, after a check of its content.

        Raises:
            RunError: the table is missing or damaged; the message has the remedy.
        """
        return scan_table(file, schema, self.again(file))

    def again(self, file: Path) -> str:
        """The remedy for a missing file, to follow "delete it, and"."""
        kind, imported = self.kind(file), self.import_file.is_file()
        if kind in (*DERIVED, "estimates", "report"):
            return f"ramify report {self.path} rebuilds it"
        if imported and kind in ("puzzles", "completions", "rollouts", "import"):
            return "repeat the same ramify import"
        if kind == "completions":
            return f"ramify sample {self.path}, or the command of the run, samples them again"
        if kind in ("rollouts", "telemetry"):
            return "do without it: only retraining the seed would recreate it"
        return "the command of the run recreates it"

    def trained_patterns(self) -> list[str]:
        """The source patterns of the training puzzles; empty if the run has no training puzzles."""
        if not self.puzzles_file("train").is_file():
            return []
        return self.puzzles("train")["pattern"].drop_nulls().unique(maintain_order=True).to_list()

    def estimates(self) -> pl.DataFrame:
        """Every estimate, one per row.

        Columns:
            metric: such as mean@4, pass@4, coverage@256, mean@4 gain; docs/definitions.md has them all.
            set: the puzzle set; step: the checkpoint, 0 is the base model; seed: null if pooled over seeds.
            by, group: the grouping, such as `n,shape_class`, and the group, such as `4,right-heavy`.
            value, low, high: the estimate and its 95 % interval for new puzzles (of new patterns, for groups by
                structure); null if missing.
            retrained_low, retrained_high: the 95 % interval for the same puzzles, retrained; null for one seed.
            n, patterns: numbers of puzzles and source patterns behind the estimate.
            p, q: p of the test that the value is 0, and p adjusted over groups (Benjamini and Hochberg); or null.
            primary: whether it is a pre-specified contrast, for which q is adjusted over these (Holm).
            status: status of an acquisition step: acquired, already present, not acquired, lost again, unknown; else
                the reason for a missing value or interval, such as too few right-heavy puzzles (4); or null.

        Raises:
            RunError: the run is not scored, or the table is damaged.

        >>> rows = Run("runs/mine").estimates().filter(metric="mean@2", by="pattern", step=20)
        >>> rows.select("group", "value").sort("group").rows()
        [('A*B+C', 1.0), ('A/(B-C)', 0.0)]
        """
        return self.scan(self.estimates_file, ESTIMATES).collect()

    def completions(self) -> pl.LazyFrame:
        """Every graded completion of the evaluation sets, one per row, with the columns of its puzzle.

        The frame is lazy: `collect` reads the selected columns only, and text is by far the largest.

        Columns:
            seed, set, step, puzzle_id, sample: the key of the completion; step 0 is the base model, which has only
                the smallest seed if it was sampled once for all (`sample.base_samples`).
            greedy: whether it is the completion at temperature 0, one per puzzle, with sample -1.
            verdict, correct, attempts, answer, answer_pattern, ...: as in `frames.SAMPLES`.
            pattern, n, shape_class, split, depth, lookahead, forced, ...: columns of the puzzle, see
            `frames.attributed`.
            solving: all solving patterns of the puzzle.
            text: the completion.

        Raises:
            RunError: no completion is graded, or a table is damaged.

        >>> by_shape = Run("runs/mine").completions().group_by("shape_class", "step").agg(pl.col("correct").mean())
        >>> by_shape.sort("shape_class", "step").collect().rows()
        [('left-heavy', 0, 0.0), ('left-heavy', 20, 1.0), ('right-heavy', 0, 0.0), ('right-heavy', 20, 0.0)]
        """
        found = []
        for name in self._graded_sets():
            puzzles = self.attributed(name)
            tables = (self._everywhere(kind, name) for kind in TABLES)
            rows = samples(self.task, puzzles, *tables, where=list(WHERE)).sort(*WHERE, "puzzle_id", "sample")
            found.append(rows.join(puzzles.lazy(), on="puzzle_id", maintain_order="left"))
        return pl.concat(found).select(pl.exclude("text"), "text")

    def attempts(self) -> pl.LazyFrame:
        """Every attempt in the evaluation completions, one per row, in the order of the text.

        Columns:
            seed, set, step, puzzle_id, sample: the key of the completion, as in `completions`.
            start, end, expression, hits_target, is_answer, stated, miscalculated, ...: see `records.Attempt`.
            pattern: the pattern of the attempt; null after a minus sign before the whole expression.
            n, shape_class, split, depth, lookahead: the structure of this pattern.

        Raises:
            RunError: no completion is graded, or a table is damaged.

        >>> tried = Run("runs/mine").attempts().filter(pl.col("step") == 20, ~pl.col("is_answer"))
        >>> tried.select("expression", "pattern", "depth", "hits_target").collect().unique(maintain_order=True).rows()
        [('24-7-3', 'A-B-C', 2, False), ('3*7+8', 'A*B+C', 2, True)]
        """
        found = pl.concat(self._everywhere("attempts", name) for name in self._graded_sets())
        return shaped(self.task, found.sort(*WHERE, "puzzle_id", "sample", "start", maintain_order=True))

    def cells(self) -> pl.DataFrame:
        """Every puzzle at every checkpoint, one per row, with sums over its samples.

        Columns:
            seed, set, step, puzzle_id: the key of the cell, as in `completions`.
            k, correct, ...: as in `frames.CELLS`; the completion at temperature 0 only counts in greedy.
            pattern, n, shape_class, split, depth, lookahead, forced, ...: columns of the puzzle, see
            `frames.attributed`.

        Raises:
            RunError: no completion is graded, or a table is damaged.

        >>> Run("runs/mine").cells().select("pattern", "step", "correct", "k").sort("pattern", "step").rows()
        [('A*B+C', 0, 0, 2), ('A*B+C', 20, 2, 2), ('A/(B-C)', 0, 0, 2), ('A/(B-C)', 20, 0, 2)]
        """
        found = []
        for name in self._graded_sets():
            puzzles = self.attributed(name)
            rows = self.cells_of(name, puzzles).with_columns(set=pl.lit(name))
            keys = [*WHERE, "puzzle_id"]
            found.append(rows.select(*keys, *CELLS).sort(keys).join(puzzles, on="puzzle_id", maintain_order="left"))
        return pl.concat(found)

    def attributed(self, name: str) -> pl.DataFrame:
        """The puzzles of a set with all columns derived from their patterns; see `frames.attributed`."""
        return attributed(self.task, self.puzzles(name), self.trained_patterns())

    def samples_at(self, seed: int, name: str, step: int, puzzles: pl.DataFrame) -> pl.LazyFrame:
        """The samples of a set at a checkpoint; see `frames.samples`."""
        return samples(self.task, puzzles, *(self._table(kind, seed, name, step) for kind in TABLES))

    def cells_of(self, name: str, puzzles: pl.DataFrame) -> pl.DataFrame:
        """The cells of a set at all checkpoints: seed, step, puzzle_id and the columns of `frames.CELLS`.

        One checkpoint at a time is in memory, without texts.
        """
        keys = {"seed": pl.Int32, "step": pl.Int32, "puzzle_id": pl.String}
        found = [pl.DataFrame(schema={**keys, **CELL_TYPES})]
        for seed, step in self._scored(name):
            of_step = self.samples_at(seed, name, step, puzzles)
            hashed = of_step.with_columns(text_hash=pl.col("text").hash()).drop("text")
            one = cells(self.task, hashed.collect(engine="streaming"))
            found.append(placed(one.lazy(), seed, name, step).select(found[0].columns).collect())
        return pl.concat(found)

    def _scored(self, name: str) -> list[tuple[int, int]]:
        """The seeds and steps at which a set is graded."""
        return [(seed, step) for seed in self.seeds for of, step in self.scored(seed) if of == name]

    def _graded_sets(self) -> list[str]:
        """The sets that are graded at a checkpoint of any seed, at least one."""
        found = [name for name in self.sampled_sets() if self._scored(name)]
        if not found:
            raise RunError(f"{self.path}: no completion is graded; run ramify score {self.path}")
        return found

    def _table(self, kind: str, seed: int, name: str, step: int) -> pl.LazyFrame:
        """One of `TABLES` of a set at a checkpoint."""
        raw = self.completions_file(seed, name, step)
        file = self.derived_file(kind, seed, name, step) if kind in DERIVED else raw
        return self.scan(file, TABLES[kind]).select(list(TABLES[kind]))

    def _everywhere(self, kind: str, name: str) -> pl.LazyFrame:
        """The same at all graded checkpoints, with the columns `WHERE`."""
        return pl.concat(placed(self._table(kind, *at), *at) for at in ((s, name, t) for s, t in self._scored(name)))

    def _facts(self) -> dict[str, str]:
        steps = {step for seed in self.seeds for _, step in self.sampled(seed)}
        return facts_of(self.config, self.task.kind, self.seeds, sorted(steps))

    def __repr__(self) -> str:
        try:
            facts = self._facts()
        except RamifyError:  # an error of a repr would hide others in a traceback
            facts = {}
        shown = [f"{fact}={facts[fact]!r}" for fact in ("task", "seeds", "checkpoints") if fact in facts]
        return f"Run({', '.join([repr(str(self.path)), *shown])})"

    def _repr_html_(self) -> str:
        facts: dict[str, str] = {}
        estimates = report = None
        note = f"no report: ramify report {self.path} writes it"
        try:
            facts = self._facts()
            if self.estimates_file.is_file():
                estimates = self.estimates()
            report = self.report_file if self.report_file.is_file() else None
        except RamifyError as error:
            note = str(error)
        return summary_html(self.path, facts, estimates, report, note)

    def __dir__(self) -> list[str]:
        """The names for users; file names and writing methods are internal."""
        return ["path", "config", "task", "seeds", *READ]

    def saved_by(self, checkpoint: Path) -> int:
        """The number of processes that wrote a complete checkpoint.

        Raises:
            RunError: its marker is damaged.
        """
        mark = self.completion_marker(checkpoint)
        count = mark.read_text(errors="replace").strip() or "1"
        if re.fullmatch(r"[0-9]{1,6}", count) is None:
            raise RunError(f"{mark}: damaged, it does not contain the number of processes; delete {checkpoint}")
        return int(count)

    def imported(self) -> dict[str, Any] | None:
        """The result of an import; None if the run was not imported."""
        if not self.import_file.is_file():
            return None
        remedy = f"delete it, and {self.again(self.import_file)}"
        saved = read_json(self.import_file, ("format", "asked", "asked_again", "steps", "window"), remedy)
        if "sourceless" in saved:  # the name of the count in earlier versions
            saved["unlabelled"] = saved.pop("sourceless")
        return saved


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, rather than a model, which also has a config.json."""
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"digest", "config"} <= found.keys()


def _differences(before: Any, after: Any, prefix: str = "") -> list[str]:
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return [f"{prefix}: {json.dumps(before)} there, {json.dumps(after)} here"] if before != after else []
    found: list[str] = []
    for key in {**before, **after}:
        where = f"{prefix}.{key}" if prefix else str(key)
        found += _differences(before.get(key), after.get(key), where)
    return found
