"""A run folder. This is the only module that knows the names of the files in it.

config.json  manifest.json  certificate.json  import.json  unread.jsonl (of an imported run)
puzzles/{train,test,length,held_out}.parquet
seed-1/checkpoints/checkpoint-15/      a model folder; `whole` in it says that it is complete
       train.jsonl                     what the trainer logs, a line a step
       rollouts/step-000001.parquet    every training completion
       telemetry/step-000001.parquet   what the step saw of each pattern
       rejection/part-00001.parquet    completions that rejection fine-tuning chose from
       tracker/                        what TensorBoard reads
       merged/checkpoint-50/           foreign checkpoints, merged from shards
       completions/test/step-000015.parquet, and step-000015.parts/ until it is complete
       grades/, attempts/              derived from completions; can be deleted
estimates.parquet  report.html  tracker/      derived
.lock  .scoring                               held by the process that writes, or scores
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from ramify.config import digest_of
from ramify.errors import ConfigError, RunError
from ramify.lock import exclusive
from ramify.processes import Report, rank
from ramify.storage import numbered, read_json, write_json
from ramify.tables import ESTIMATES, PUZZLES, Schema, scan_table

MOST_NAMED = 4
"""Settings that differ and are named."""
FORMAT = 2
"""Of config.json: its digest is that of its settings."""
STEP_DIGITS = 6
DERIVED = ("grades", "attempts")
"""What is made of each file of completions."""
CERTIFIED: dict[str, Any] = {
    "puzzles": {},
    "held_out": [],
    **dict.fromkeys(("is_clean", "shared", "repeated", "solved_by_held_out", "reserved_in_training")),
    **dict.fromkeys(("unreserved_in_evaluation", "not_forced", "of_unknown_skills", "numbers_in_both")),
}
"""What is read of a certificate; null where one of an earlier version does not say it."""


class Run:
    """A run folder that exists.

    Args:
        path: the folder.

    Raises:
        RunError: the folder is not a run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.config_file.is_file():
            raise RunError(f"{path}: not a run folder (it has no config.json); make one with ramify run")

    @classmethod
    def open(
        cls,
        path: Path,
        config: Mapping[str, Any],
        complete: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda saved: saved,
    ) -> "Run":
        """Open a run with these settings, making the folder if there is none.

        Args:
            complete: validates the settings of an earlier version, and gives those that it did not have their defaults.

        Raises:
            RunError: the folder holds a run with other settings; the changed ones are named.
        """
        config = json.loads(json.dumps(config))  # as they will be read
        # A folder in which nothing is finished was cut off before its settings were written.
        if not path.exists() or all(file.name.startswith(".") for file in path.iterdir()):
            digest = digest_of(config)
            write_json({"format": FORMAT, "digest": digest, "config": config}, path / "config.json")
        run = cls(path)
        there = run.config
        changed = _differences(there, config)
        if changed:
            with suppress(ConfigError, KeyError, TypeError):  # what is not valid any more is among the changes
                changed = _differences(json.loads(json.dumps(complete(there))), config)
        if changed:
            named = ", ".join(changed[:MOST_NAMED]) + (", and more" if len(changed) > MOST_NAMED else "")
            raise RunError(f"{path}: this folder holds a run with other settings ({named}); give this one another name")
        return run

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing into the run; of several that train together, the first stands for all.

        Raises:
            RunError: another process is at work on it.
        """
        if rank() > 0:
            yield
            return
        with exclusive(self.path / ".lock", f"{self.path}: another process is at work on this run"):
            yield

    @contextmanager
    def scoring(self, report: Report) -> Iterator[None]:
        """Wait for whoever makes the derived tables, and keep others from it: so the last estimates rest on all."""
        with exclusive(self.path / ".scoring", "", lambda holder: report(f"waiting for {holder}, which scores", 0, 1)):
            yield

    @property
    def config_file(self) -> Path:
        """The settings."""
        return self.path / "config.json"

    @property
    def _saved(self) -> dict[str, Any]:
        remedy = "restore it from a copy, since the settings of the run stand nowhere else"
        found = read_json(self.config_file, ("digest", "config"), remedy)
        # Before there was a format, the digest of some runs had another recipe.
        if not isinstance(found["config"], dict) or "name" not in found["config"]:
            raise RunError(f"{self.config_file}: damaged, it holds no settings; {remedy}")
        if "format" in found and digest_of(found["config"]) != found["digest"]:
            raise RunError(f"{self.config_file}: changed since it was written; {remedy}")
        return found

    @property
    def config(self) -> dict[str, Any]:
        """The resolved settings, as plain data.

        Raises:
            RunError: they are damaged, or were changed by hand.
        """
        return self._saved["config"]

    @property
    def digest(self) -> str:
        """The digest of the settings, as the version that made the run knew them."""
        return self._saved["digest"]

    @property
    def seeds(self) -> list[int]:
        """The seeds for which there is anything."""
        return list(numbered(self.path, "seed-"))

    # Files of the whole run.

    @property
    def manifest_file(self) -> Path:
        """Versions, machine and times."""
        return self.path / "manifest.json"

    @property
    def certificate_file(self) -> Path:
        """The split certificate."""
        return self.path / "certificate.json"

    def certificate(self) -> dict[str, Any] | None:
        """The split certificate as plain data; None if the puzzles are not made yet."""
        if not self.certificate_file.is_file():
            return None
        remedy = f"delete it, and {self.again(self.certificate_file)}"
        found = read_json(self.certificate_file, ("is_clean", "puzzles"), remedy)
        if not isinstance(found["puzzles"], dict):
            raise RunError(f"{self.certificate_file}: damaged, it does not count puzzles; {remedy}")
        return {**CERTIFIED, **found}

    def manifest(self) -> dict[str, Any] | None:
        """Versions, machine and times; None if the run is not finished."""
        if not self.manifest_file.is_file():
            return None
        remedy = f"delete it, and {self.again(self.manifest_file)}"
        return read_json(self.manifest_file, ("versions", "machine", "device", "seconds"), remedy)

    @property
    def import_file(self) -> Path:
        """What an import read, and what it could not."""
        return self.path / "import.json"

    @property
    def unread_file(self) -> Path:
        """Rows of imported files that could not be read, a JSON line each, with the reason."""
        return self.path / "unread.jsonl"

    @property
    def estimates_file(self) -> Path:
        """Every estimate, tidy."""
        return self.path / "estimates.parquet"

    @property
    def report_file(self) -> Path:
        """The page that people look at."""
        return self.path / "report.html"

    @property
    def estimates_tracker_folder(self) -> Path:
        """What TensorBoard reads of the estimates."""
        return self.path / "tracker"

    def puzzles_file(self, name: str) -> Path:
        """The puzzles of a set."""
        return self.path / "puzzles" / f"{name}.parquet"

    def puzzles(self, name: str) -> pl.DataFrame:
        """The puzzles of a set; columns as in `tables.PUZZLES`."""
        return self.scan(self.puzzles_file(name), PUZZLES).collect()

    def scan(self, file: Path, schema: Schema) -> pl.LazyFrame:
        """A table of the run, whole and with the columns of a schema; of its rows only what is asked for is read.

        Raises:
            RunError: it is not there, or damaged; with what makes it again.
        """
        return scan_table(file, schema, self.again(file))

    def again(self, file: Path) -> str:
        """What makes a file of the run again, in words that go on with "delete it, and"."""
        kind, imported = self.kind(file), self.import_file.is_file()
        if kind in (*DERIVED, "estimates", "report"):
            return f"ramify report {self.path} makes it again"
        if imported and kind in ("puzzles", "completions", "rollouts", "import"):
            return "the same ramify import reads it again"
        if kind == "completions":
            return f"ramify sample {self.path}, or the command that made the run, asks for them again"
        if kind in ("rollouts", "telemetry"):
            return "do without it: only training the seed anew would make it again"
        return "the command that made the run makes it again"

    def kind(self, file: Path) -> str:
        """What a file of the run holds: puzzles, completions, grades, checkpoints, certificate, ...; "" for others."""
        first, *rest = file.relative_to(self.path).parts
        if not rest:
            return first.partition(".")[0]
        return first if not first.startswith("seed-") else rest[0]

    def evaluation_sets(self) -> list[str]:
        """The puzzle sets but the training set."""
        return sorted(file.stem for file in (self.path / "puzzles").glob("*.parquet") if file.stem != "train")

    def trained_patterns(self) -> list[str]:
        """The source patterns of the training puzzles; empty if the run has no training puzzles."""
        if not self.puzzles_file("train").is_file():
            return []
        return self.puzzles("train")["pattern"].drop_nulls().unique(maintain_order=True).to_list()

    def estimates(self) -> pl.DataFrame:
        """Every estimate, one a row.

        Columns:
            metric: such as mean@4, pass@4, coverage@256, mean@4 gain; docs/definitions.md has them all.
            set: the puzzle set; step: the checkpoint, 0 is the base model; seed: null if pooled over seeds.
            by, group: the grouping, such as `n,shape_class`, and the group, such as `4,right-heavy`.
            value, low, high: the estimate and its 95 % interval; null where it is missing.
            n: the puzzles that it rests on, or the seeds if pooled.
            p, q: of a test that the value is 0, alone and adjusted for all groups (Benjamini and Hochberg); or null.
            status: of an acquisition step: acquired, already present, not acquired, lost again, unknown; or null.
        """
        return self.scan(self.estimates_file, ESTIMATES).collect()

    # Files of one seed.

    def seed_folder(self, seed: int) -> Path:
        """Everything that one training seed made."""
        return self.path / f"seed-{seed}"

    def checkpoints_folder(self, seed: int) -> Path:
        """Where the trainer keeps its checkpoints."""
        return self.seed_folder(seed) / "checkpoints"

    def checkpoints(self, seed: int) -> dict[int, Path]:
        """The whole checkpoints, by step."""
        folders = numbered(self.checkpoints_folder(seed), "checkpoint-")
        return {step: folder for step, folder in folders.items() if self.whole_mark(folder).is_file()}

    @staticmethod
    def whole_mark(checkpoint: Path) -> Path:
        """The file that says that a checkpoint is complete."""
        return checkpoint / "whole"

    def drop_broken_checkpoints(self, seed: int) -> None:
        """Delete checkpoint folders that were cut off while being written."""
        whole = set(self.checkpoints(seed).values())
        for folder in numbered(self.checkpoints_folder(seed), "checkpoint-").values():
            if folder not in whole:
                shutil.rmtree(folder)

    def drop_checkpoints_but(self, seed: int, steps: Collection[int]) -> None:
        """Delete the checkpoints of other steps, such as the one that SIGTERM left."""
        for step, folder in self.checkpoints(seed).items():
            if step not in steps:
                shutil.rmtree(folder)

    def merged_folder(self, seed: int, step: int) -> Path:
        """A foreign checkpoint whose shards were merged."""
        return self.seed_folder(seed) / "merged" / f"checkpoint-{step}"

    def train_log(self, seed: int) -> Path:
        """What the trainer logs, a JSON line a step."""
        return self.seed_folder(seed) / "train.jsonl"

    def rollouts_file(self, seed: int, step: int) -> Path:
        """The training completions of a step."""
        return self.seed_folder(seed) / "rollouts" / f"step-{step:0{STEP_DIGITS}d}.parquet"

    def telemetry_file(self, seed: int, step: int) -> Path:
        """What a step saw of each pattern; columns as in `train.online.telemetry` or `train.offline.telemetry`."""
        return self.seed_folder(seed) / "telemetry" / f"step-{step:0{STEP_DIGITS}d}.parquet"

    def tracker_folder(self, seed: int) -> Path:
        """What TensorBoard reads."""
        return self.seed_folder(seed) / "tracker"

    def rejection_part(self, seed: int, part: int) -> Path:
        """Completions of training puzzles that rejection fine-tuning chose from."""
        return self.seed_folder(seed) / "rejection" / f"part-{part:05d}.parquet"

    def imported(self) -> dict[str, Any] | None:
        """What an import read, and what it could not; None if the run was not imported."""
        if not self.import_file.is_file():
            return None
        remedy = f"delete it, and {self.again(self.import_file)}"
        return read_json(self.import_file, ("format", "asked", "asked_again", "steps", "window"), remedy)

    def rollout_steps(self, seed: int) -> list[int]:
        """The steps whose training completions are on disk."""
        return list(numbered(self.seed_folder(seed) / "rollouts", "step-", ".parquet", STEP_DIGITS))

    def completions_file(self, seed: int, name: str, step: int) -> Path:
        """The evaluation completions of a set at a checkpoint."""
        return self.seed_folder(seed) / "completions" / name / f"step-{step:0{STEP_DIGITS}d}.parquet"

    def completions_part(self, seed: int, name: str, step: int, batch: int) -> Path:
        """A batch of them, until all are there."""
        whole = self.completions_file(seed, name, step)
        return whole.with_suffix(".parts") / f"batch-{batch:05d}.parquet"

    def derived_file(self, kind: str, seed: int, name: str, step: int) -> Path:
        """The grades or attempts that belong to a file of completions."""
        return self.seed_folder(seed) / kind / name / f"step-{step:0{STEP_DIGITS}d}.parquet"

    def drop_derived(self, seed: int, name: str, step: int) -> None:
        """Delete what was made of completions that changed, and the estimates."""
        for kind in DERIVED:
            self.derived_file(kind, seed, name, step).unlink(missing_ok=True)
        self.drop_estimates()

    def drop_estimates(self) -> None:
        """Delete the estimates, because something that they rest on changes."""
        self.estimates_file.unlink(missing_ok=True)

    def drop_completions(self, seed: int, name: str, step: int) -> None:
        """Delete the completions of a set at a checkpoint, with all that was made of them."""
        self.drop_derived(seed, name, step)
        self.completions_file(seed, name, step).unlink(missing_ok=True)

    def sampled_sets(self) -> list[str]:
        """The sets that any seed was asked."""
        return sorted({name for seed in self.seeds for name, _ in self.sampled(seed)})

    def sampled(self, seed: int) -> list[tuple[str, int]]:
        """The (set, step) pairs whose completions are complete."""
        folder = self.seed_folder(seed) / "completions"
        names = sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
        return [(n, step) for n in names for step in numbered(folder / n, "step-", ".parquet", STEP_DIGITS)]

    def scored(self, seed: int) -> list[tuple[str, int]]:
        """Those of them that are graded: others may be sampled while the run is scored."""
        return [
            (name, step)
            for name, step in self.sampled(seed)
            if all(self.derived_file(kind, seed, name, step).is_file() for kind in DERIVED)
        ]


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, rather than a model, which has a config.json too."""
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
