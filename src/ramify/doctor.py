"""Check the files of a run: `ramify doctor`. It changes nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from ramify.errors import RamifyError, RunError
from ramify.layout import DERIVED
from ramify.run import Run, is_run
from ramify.schemas import ATTEMPTS, COMPLETIONS, ESTIMATES, GRADES, ROLLOUTS, Schema
from ramify.storage import TEMPORARY
from ramify.tables import is_current, is_stamped, made_by
from ramify.tasks.base import Task

STATES = ("whole", "unchecked", "outdated", "unfinished", "damaged", "stray")
SCHEMAS: dict[str, Schema] = {
    "completions": COMPLETIONS,
    "rollouts": ROLLOUTS,
    "grades": GRADES,
    "attempts": ATTEMPTS,
    "estimates": ESTIMATES,
    "telemetry": {"pattern": pl.String},
    "rejection": {"puzzle_id": pl.String, "verdict": pl.String},
}
_LONGEST_HEADER = 100_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """The state of a file of a run, or of a checkpoint folder.

    Attributes:
        file: path within the run.
        kind: puzzles, completions, grades, checkpoints, config, ...; "other" for unknown files.
        state: whole: intact; unchecked: readable, without a hash (earlier versions); outdated: from another version,
            rebuilt by scoring; unfinished: its writer was interrupted; damaged; stray: unknown to ramify.
        message: what is wrong and what to do about it; "" for a file that is intact.
        rebuilt: whether the command of the run, or `ramify report`, rebuilds it without further action.
    """

    file: str
    kind: str
    state: str
    message: str = ""
    rebuilt: bool = False


def examine(run: Run) -> list[Checked]:
    """Check every file of a run, in the order of names; a checkpoint is one entry."""
    task, found = _task(run), []
    for seed in run.seeds:
        folder = run.checkpoints_folder(seed)
        whole = run.checkpoints(seed)
        for one in sorted(folder.iterdir()) if folder.is_dir() else []:
            found.append(_checkpoint(run, one, one in whole.values()))
    if is_run(run.warm_up_folder):
        inner = examine(Run(run.warm_up_folder))
        found += [replace(one, file=f"{run.warm_up_folder.name}/{one.file}") for one in inner]
    if run.initial_folder.is_dir():
        found.append(_initial(run.initial_folder))
    seeds = {run.seed_folder(seed).name for seed in run.seeds}
    others = {run.warm_up_folder.name, run.initial_folder.name}
    for child in sorted(run.path.iterdir()):
        if child.name in others:
            continue
        if child.is_dir() and child.name not in {*seeds, "puzzles", run.estimates_tracker_folder.name}:
            found.append(Checked(child.name, "other", "stray", "not a folder of the run"))
            continue
        for file in [child] if child.is_file() else sorted(child.rglob("*")):
            if "checkpoints" not in file.relative_to(run.path).parts and not file.is_dir():
                found.append(_file(run, task, file))
    return sorted(found, key=lambda one: one.file)


def _task(run: Run) -> Task | None:
    """The task of a run; None if its settings cannot be read, which the entry of config.json reports."""
    try:
        return run.task
    except RamifyError:
        return None


def _file(run: Run, task: Task | None, file: Path) -> Checked:
    name, kind = str(file.relative_to(run.path)), run.kind(file)
    if not run.is_ours(file):
        unfinished = file.name.startswith(".") and file.name.endswith(TEMPORARY)
        message = "left by a process that was killed; it can be deleted" if unfinished else "not a file of the run"
        return Checked(name, kind or "other", "unfinished" if unfinished else "stray", message)
    rebuilt = kind in (*DERIVED, "estimates", "rejection") or file.parent.suffix == ".parts"
    try:
        _read(run, task, file, kind)
    except RunError as error:
        message = str(error).removeprefix(f"{file}: ")
        if rebuilt:
            message = f"{message.partition(';')[0]}; {run.again(file)}"
        return Checked(name, kind, "damaged", message, rebuilt)
    if file.suffix != ".parquet":
        return Checked(name, kind, "whole")
    derived = kind in (*DERIVED, "estimates")
    if task and derived and not is_current(file, made_by(task.GRADER_VERSION, kind == "estimates")):
        return Checked(name, kind, "outdated", f"another version of ramify made it; {run.again(file)}", True)
    return Checked(name, kind, "whole" if is_stamped(file) else "unchecked")


def _read(run: Run, task: Task | None, file: Path, kind: str) -> None:
    """Read a file as its kind; raises RunError if that fails."""
    if file.suffix == ".parquet":
        puzzles = task.puzzle_schema() if task else {}
        run.scan(file, puzzles if kind == "puzzles" else SCHEMAS[kind])
        return
    readers = {"config": lambda: run.config, "certificate": run.certificate, "manifest": run.manifest}
    readers["import"] = run.imported
    if kind in readers:
        readers[kind]()
    elif file.suffix == ".jsonl":
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            try:
                json.loads(line)
            except (ValueError, RecursionError):
                raise RunError(f"{file}: damaged, line {number} is not JSON; readers skip it") from None


def _initial(folder: Path) -> Checked:
    wrong = next(_faults(folder), None)
    if wrong is None:
        return Checked(folder.name, "initial", "whole")
    return Checked(folder.name, "initial", "damaged", f"{wrong}; delete {folder}, and the same command recreates it")


def _checkpoint(run: Run, folder: Path, is_whole: bool) -> Checked:
    name = str(folder.relative_to(run.path))
    if folder.is_file() and folder.name == "README.md":  # TRL writes a model card beside its checkpoints
        return Checked(name, "checkpoints", "whole")
    if not folder.is_dir() or not run.is_checkpoint(folder):
        return Checked(name, "checkpoints", "stray", "not a checkpoint of the run")
    if not is_whole:
        message = "writing was interrupted; training resumes from the previous checkpoint and rewrites it"
        return Checked(name, "checkpoints", "unfinished", message, True)
    wrong = next(_faults(folder), None)
    if wrong is None:
        return Checked(name, "checkpoints", "whole")
    return Checked(name, "checkpoints", "damaged", f"{wrong}; delete {name}, and the same training recreates it")


def _faults(folder: Path) -> Iterator[str]:
    """The faults of the files of a checkpoint that are visible without loading them."""
    for file in sorted(folder.iterdir()):
        if file.suffix == ".json":
            try:
                json.loads(file.read_bytes())
            except (ValueError, RecursionError):
                yield f"{file.name} is not JSON"
        elif file.suffix == ".safetensors":
            size = file.stat().st_size
            with file.open("rb") as opened:
                length = int.from_bytes(opened.read(8), "little")
                head = opened.read(length) if 8 + length <= min(size, _LONGEST_HEADER) else b""
            if not head or _end(head) != size - 8 - length:
                yield f"{file.name} is truncated or damaged"


def _end(head: bytes) -> int:
    """The end of the last tensor, by the header of a safetensors file; -1 if the header cannot be read."""
    try:
        tensors = json.loads(head)
        return max((one["data_offsets"][1] for name, one in tensors.items() if name != "__metadata__"), default=0)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, IndexError):
        return -1
