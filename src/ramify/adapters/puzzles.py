"""The puzzle sets of a run: drawn, or (for Countdown) taken from a run, a folder, a file or the hub."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from ramify.adapters.files import files_in
from ramify.adapters.parsed_rows import is_usable
from ramify.adapters.row_files import read_rows
from ramify.errors import ConfigError, RunError, require
from ramify.progress import ProgressCallback
from ramify.run import Run
from ramify.storage import write_json
from ramify.tables import write_table
from ramify.tasks.base import EVALUATION_SETS, SETS, Split, Task
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.splits import Certificate, Rules, certify
from ramify.tasks.countdown.tagging import tag_by_solver
from ramify.tasks.registry import TASKS


def write_puzzles(task: Task, run: Run, report: ProgressCallback) -> None:
    """Write the sets and their certificate, unless they exist.

    Raises:
        RunError: the source has no puzzles, or the drawn split is not clean.
    """
    certified = run.certificate() is not None
    if certified and all(run.puzzles_file(name).is_file() for name in SETS):
        return
    if task.puzzles and task.kind != TASKS.default:
        raise ConfigError(f"task.puzzles = {task.puzzles}: only puzzles of {TASKS.default} are taken from elsewhere")
    sets, counted = _taken(task.puzzles, report) if task.puzzles else task.draw(report)
    for name in SETS:
        frame, file = task.frame(sets[name]), run.puzzles_file(name)
        if not certified or not file.is_file():
            write_table(frame, file, task.puzzle_schema())
        elif not run.puzzles(name).equals(frame):
            raise RunError(
                f"{file}: not the puzzles that this version of ramify draws; restore the missing files next to it"
            )
    if not task.puzzles and not counted["is_clean"]:
        raise RunError(f"{run.path}: the split is not clean: {counted}")
    write_json(counted, run.certificate_file)


def _taken(source: str, report: ProgressCallback) -> Split:
    """Load existing sets and solve their puzzles; their certificate is read, or else computed."""
    found, folder = load_sets(source)
    sets = {}
    for done, name in enumerate(SETS):
        report("solving puzzles", done, len(SETS))
        sets[name] = tag_by_solver(found.get(name, []))
    report("solving puzzles", len(SETS), len(SETS))
    if not any(sets[name] for name in EVALUATION_SETS):
        raise RunError(
            f"{source}: only training puzzles found; an evaluation needs other puzzles, in a file named test"
        )
    unsolvable = [entry.puzzle.id for entry in sets["train"] if not entry.solving]
    if unsolvable:
        raise RunError(f"{source}: {len(unsolvable)} training puzzles have no solution, such as {unsolvable[0]}")
    counted = _certificate(folder / "certificate.json") or certify(sets, Rules(reserved=False)).to_dict()
    # Duplicates are counted above, and asked once.
    once = {name: list({entry.puzzle.id: entry for entry in some}.values()) for name, some in sets.items()}
    return Split(once, counted)


def _certificate(file: Path) -> dict[str, Any] | None:
    """A certificate of ramify; None if there is none."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {part.name for part in fields(Certificate)} <= found.keys() else None


def load_sets(source: str) -> tuple[dict[str, list[Puzzle]], Path]:
    """Load the puzzle sets of a run, a folder, a file, or a hub dataset (`owner/name`); returns them by name, with
    their path.

    Names that contain `train` become the training set; the names of ramify's other sets are kept, and a single other
    set is called `test`.

    Raises:
        RunError: no puzzle is found, a row cannot be read, or the sets cannot be identified.
    """
    path = Path(source).expanduser()
    if not path.exists():
        path = _downloaded(source)
    found: dict[str, list[Puzzle]] = {}
    for name, file in files_in(path).items():
        if file.name == "certificate.json":
            continue
        rows = read_rows(file)
        if rows.unread:
            raise RunError(f"{file}: {len(rows.unread)} rows could not be read, the first is {rows.unread[0]}")
        wrong = next((puzzle.id for puzzle in rows.puzzles if not is_usable(puzzle)), None)
        if wrong is not None:
            raise RunError(f"{file}: {wrong[:60]}: puzzles have 2 to 6 numbers below 10^9")
        own = re.sub(r"-\d{5}-of-\d{5}$", "", name.rpartition("/")[2])  # in parts, as on the hub
        if own == "data":  # the layout of datasets: a folder with the name of the set
            own = file.parent.name
        found[own] = found.get(own, []) + rows.puzzles
    named: dict[str, list[Puzzle]] = {}
    for name, puzzles in found.items():
        known = "train" if "train" in name.lower() else name if name in SETS else "test"
        if known == "test" and "test" in named:
            raise RunError(f"{source}: of the sets {', '.join(sorted(found))}, which is test? Name the file test")
        named[known] = named.get(known, []) + puzzles
    return named, path


def _downloaded(name: str) -> Path:
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise RunError(f"{name}: no such file or folder")
    require("loading a dataset from the hub", "train")
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(name, repo_type="dataset", allow_patterns=["*.parquet", "*.jsonl", "*.json", "*.csv"])
        )
    except (OSError, ValueError) as error:
        raise RunError(f"{name}: cannot be loaded from the hub: {str(error).strip().splitlines()[0]}") from None
