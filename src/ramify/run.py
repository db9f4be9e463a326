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
ramify.log                             what was done when, and what went wrong
"""

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from ramify.errors import RunError
from ramify.tables import read_table, write_json

MOST_NAMED = 4
"""Settings that differ and are named."""


class Run:
    """A run folder that exists.

    Args:
        path: the folder.

    Raises:
        RunError: the folder is not a run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / "config.json").is_file():
            raise RunError(f"{path}: not a run folder (it has no config.json); make one with ramify run")

    @classmethod
    def open(cls, path: Path, config: Mapping[str, Any], digest: str) -> "Run":
        """Open a run with these settings, making the folder if there is none.

        Raises:
            RunError: the folder holds a run with other settings; the changed ones are named.
        """
        # A folder in which nothing is finished was cut off before its settings were written.
        if not path.exists() or all(file.name.startswith(".") for file in path.iterdir()):
            write_json({"digest": digest, "config": config}, path / "config.json")
        run = cls(path)
        if run._saved["digest"] != digest:
            changed = _differences(run._saved["config"], config)
            named = ", ".join(changed[:MOST_NAMED]) + (", and more" if len(changed) > MOST_NAMED else "")
            raise RunError(f"{path}: this folder holds a run with other settings ({named}); give this one another name")
        return run

    def drop_if_empty(self) -> bool:
        """Delete the folder if it holds only its settings; whether it did."""
        made = {file.name for file in self.path.iterdir() if not file.name.startswith(".")}
        if made - {"config.json", self.log_file.name}:
            return False
        shutil.rmtree(self.path)
        return True

    @property
    def log_file(self) -> Path:
        """What was done when, and what went wrong."""
        return self.path / "ramify.log"

    @property
    def _saved(self) -> dict[str, Any]:
        return json.loads((self.path / "config.json").read_text())

    @property
    def config(self) -> dict[str, Any]:
        """The resolved settings, as plain data."""
        return self._saved["config"]

    @property
    def digest(self) -> str:
        """The digest of the settings."""
        return self._saved["digest"]

    @property
    def seeds(self) -> list[int]:
        """The seeds for which there is anything."""
        return sorted(int(folder.name.removeprefix("seed-")) for folder in self.path.glob("seed-*"))

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
        return json.loads(self.certificate_file.read_text()) if self.certificate_file.is_file() else None

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
        """The puzzles of a set; columns as in `tables.puzzle_frame`."""
        return read_table(self.puzzles_file(name))

    def evaluation_sets(self) -> list[str]:
        """The puzzle sets but the training set."""
        return sorted(file.stem for file in (self.path / "puzzles").glob("*.parquet") if file.stem != "train")

    def trained_patterns(self) -> list[str]:
        """The source patterns of the training puzzles; empty if the run has no training puzzles."""
        file = self.puzzles_file("train")
        if not file.is_file():
            return []
        return read_table(file)["pattern"].drop_nulls().unique(maintain_order=True).to_list()

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
        return read_table(self.estimates_file)

    # Files of one seed.

    def seed_folder(self, seed: int) -> Path:
        """Everything that one training seed made."""
        return self.path / f"seed-{seed}"

    def checkpoints_folder(self, seed: int) -> Path:
        """Where the trainer keeps its checkpoints."""
        return self.seed_folder(seed) / "checkpoints"

    def checkpoints(self, seed: int) -> dict[int, Path]:
        """The whole checkpoints, by step."""
        folders = self.checkpoints_folder(seed).glob("checkpoint-*")
        whole = {int(f.name.removeprefix("checkpoint-")): f for f in folders if self.whole_mark(f).is_file()}
        return dict(sorted(whole.items()))

    @staticmethod
    def whole_mark(checkpoint: Path) -> Path:
        """The file that says that a checkpoint is complete."""
        return checkpoint / "whole"

    def drop_broken_checkpoints(self, seed: int) -> None:
        """Delete checkpoint folders that were cut off while being written."""
        whole = set(self.checkpoints(seed).values())
        for folder in self.checkpoints_folder(seed).glob("checkpoint-*"):
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
        return self.seed_folder(seed) / "rollouts" / f"step-{step:06d}.parquet"

    def telemetry_file(self, seed: int, step: int) -> Path:
        """What a step saw of each pattern; columns as in `train.online.telemetry` or `train.offline.telemetry`."""
        return self.seed_folder(seed) / "telemetry" / f"step-{step:06d}.parquet"

    def tracker_folder(self, seed: int) -> Path:
        """What TensorBoard reads."""
        return self.seed_folder(seed) / "tracker"

    def rejection_part(self, seed: int, part: int) -> Path:
        """Completions of training puzzles that rejection fine-tuning chose from."""
        return self.seed_folder(seed) / "rejection" / f"part-{part:05d}.parquet"

    def imported(self) -> dict[str, Any] | None:
        """What an import read, and what it could not; None if the run was not imported."""
        return json.loads(self.import_file.read_text()) if self.import_file.is_file() else None

    def rollout_steps(self, seed: int) -> list[int]:
        """The steps whose training completions are on disk."""
        files = (self.seed_folder(seed) / "rollouts").glob("step-*.parquet")
        return sorted(int(file.stem.removeprefix("step-")) for file in files)

    def completions_file(self, seed: int, name: str, step: int) -> Path:
        """The evaluation completions of a set at a checkpoint."""
        return self.seed_folder(seed) / "completions" / name / f"step-{step:06d}.parquet"

    def completions_part(self, seed: int, name: str, step: int, batch: int) -> Path:
        """A batch of them, until all are there."""
        whole = self.completions_file(seed, name, step)
        return whole.with_suffix(".parts") / f"batch-{batch:05d}.parquet"

    def derived_file(self, kind: str, seed: int, name: str, step: int) -> Path:
        """The grades or attempts that belong to a file of completions."""
        return self.seed_folder(seed) / kind / name / f"step-{step:06d}.parquet"

    def drop_derived(self, seed: int, name: str, step: int) -> None:
        """Delete what was made of completions that changed, and the estimates."""
        for kind in ("grades", "attempts"):
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
        files = (self.seed_folder(seed) / "completions").glob("*/step-*.parquet")
        return sorted((file.parent.name, int(file.stem.removeprefix("step-"))) for file in files)


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
    found = []
    for key in {**before, **after}:
        where = f"{prefix}.{key}" if prefix else str(key)
        found += _differences(before.get(key), after.get(key), where)
    return found
