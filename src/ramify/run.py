"""A run folder: opened with its settings, locked while it is written, read with what to do where a file is damaged.

layout.py has the names of its files.
"""

import json
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from ramify.config import digest_of
from ramify.errors import ConfigError, RunError
from ramify.layout import DERIVED, Layout
from ramify.lock import exclusive
from ramify.processes import Report, rank
from ramify.storage import numbered, read_json, write_json
from ramify.tables import ESTIMATES, PUZZLES, Schema, scan_table

MOST_NAMED = 4
"""Settings that differ and are named."""
FORMAT = 2
"""Of config.json: its digest is that of its settings."""
CERTIFIED: dict[str, Any] = {
    "puzzles": {},
    "held_out": [],
    **dict.fromkeys(("is_clean", "shared", "repeated", "solved_by_held_out", "reserved_in_training")),
    **dict.fromkeys(("unreserved_in_evaluation", "not_forced", "of_unknown_skills", "numbers_in_both")),
}
"""What is read of a certificate; null where one of an earlier version does not say it."""


class Run(Layout):
    """A run folder that exists.

    Args:
        path: the folder.

    Raises:
        RunError: the folder is not a run.
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

    def drop_if_empty(self) -> bool:
        """Delete the folder if it holds only its settings; whether it did."""
        made = {file.name for file in self.path.iterdir() if not file.name.startswith(".")}
        if made - {"config.json", self.log_file.name}:
            return False
        shutil.rmtree(self.path)
        return True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing into the run; of several that train together, the first stands for all.

        Raises:
            RunError: another process is at work on it.
        """
        if rank() > 0:
            yield
            return
        with exclusive(self.lock_file, f"{self.path}: another process is at work on this run"):
            yield

    @contextmanager
    def scoring(self, report: Report) -> Iterator[None]:
        """Wait for whoever makes the derived tables, and keep others from it: so the last estimates rest on all."""
        with exclusive(self.scoring_file, "", lambda holder: report(f"waiting for {holder}, which scores", 0, 1)):
            yield

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

    def limits(self) -> dict[str, int]:
        """The most tokens that a completion could have, by "seed/step", of what was sampled here."""
        if not self.limits_file.is_file():
            return {}
        found = read_json(self.limits_file, (), f"delete it, and {self.again(self.limits_file)}")
        return {name: limit for name, limit in found.items() if isinstance(limit, int)}

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

    def saved_by(self, checkpoint: Path) -> int:
        """How many processes wrote a checkpoint that is complete.

        Raises:
            RunError: its mark is damaged.
        """
        mark = self.whole_mark(checkpoint)
        said = mark.read_text(errors="replace").strip() or "1"
        if re.fullmatch(r"[0-9]{1,6}", said) is None:
            raise RunError(f"{mark}: damaged, it does not say how many processes wrote it; delete {checkpoint}")
        return int(said)

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

    def imported(self) -> dict[str, Any] | None:
        """What an import read, and what it could not; None if the run was not imported."""
        if not self.import_file.is_file():
            return None
        remedy = f"delete it, and {self.again(self.import_file)}"
        return read_json(self.import_file, ("format", "asked", "asked_again", "steps", "window"), remedy)

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
