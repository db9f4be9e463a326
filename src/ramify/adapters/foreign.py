"""Import completions of other tools into a run: `ramify import`.

Every row is read or set aside with a reason; none is dropped. Puzzles of Countdown are solved again: a puzzle solved by
one pattern (with its twins) has that pattern as source, whatever its label; a puzzle solved by several keeps a correct
label, and without one is left out of groupings by source pattern. Puzzles of other tasks state their pattern.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from ramify.adapters.dumps import MAIN, ROWS, FolderContents, read_folder, settle_last
from ramify.adapters.import_settings import ImportConfig
from ramify.errors import RunError
from ramify.progress import ProgressCallback
from ramify.records import Item
from ramify.removal import drop_completions, drop_derived, drop_estimates
from ramify.run import Run
from ramify.schemas import COMPLETIONS, ROLLOUTS, Schema
from ramify.storage import write_json, write_text
from ramify.tables import fault, read_table, stated, write_table
from ramify.tasks.base import Tagged
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.tagging import tag_by_solver

WINDOWS = 10
"""The largest number of windows; training completions of more steps are grouped into this many."""
EVALUATED = "the puzzles of this evaluation"
SOURCES: Schema = {"puzzle_id": pl.String, "pattern": pl.String}
TRAINED = "the sampled training puzzles"
_OF_COUNTDOWN = {"numbers", "target", "pattern", "prompt", "answer_tags", "answer_pattern"}
"""Options for the puzzles and answers of Countdown."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import.

    Attributes:
        completions, puzzles: numbers of evaluated completions and puzzles.
        rollouts: number of training completions besides them.
        unlabelled: puzzles that several patterns solve and that have no valid label.
        unsolvable: puzzles without a solution.
        steps: the checkpoints, or the last steps of the windows.
        window: the largest number of steps in a window; 1 without windows.
        unread: numbers of unreadable rows by reason.
        others: numbers of files in other formats, which were not read.
        skipped: names of invalid data files, with reasons.
        notes: assumptions that the user may want to check.
    """

    run: Run
    format: str
    files: int
    completions: int
    rollouts: int
    puzzles: int
    unlabelled: int
    unsolvable: int
    steps: list[int]
    window: int
    unread: Counter[str]
    others: dict[str, int]
    skipped: list[str]
    notes: list[str]


def import_run(
    folders: Sequence[Path], name: str, root: Path, config: ImportConfig, report: ProgressCallback
) -> Imported:
    """Import folders, one per seed, into a run; a repeated import adds only new data.

    Raises:
        RunError: nothing could be read, or the run's folder holds another run.
    """
    found = _found(folders, name, config, report)
    task = _task(found, config)
    evaluated = _is_evaluated(found)
    if evaluated and config.every:
        raise RunError(
            f"--every {config.every}: windows need training completions, and these are evaluations; see --training"
        )
    settings = {
        "name": name,
        "imported": {"folders": [str(folder.resolve()) for folder in folders], **_settings(config)},
        "task": task,
    }
    run = Run.open(root / name, settings, _complete)
    with run.writing():
        return _write(run, found, evaluated, config, report)


def _complete(saved: dict[str, Any]) -> dict[str, Any]:
    """The saved settings of an import with the defaults of this version."""
    known = dict(saved["imported"])
    folders = known.pop("folders")
    config = ImportConfig.check(known)
    return {**saved, "imported": {"folders": folders, **config.model_dump(mode="json")}}


def _write(
    run: Run, found: Sequence[FolderContents], evaluated: bool, config: ImportConfig, report: ProgressCallback
) -> Imported:
    """Write the contents of folders into a run."""
    unread = [row for one in found for row in one.unread]
    write_text("".join(json.dumps(row, default=str) + "\n" for row in unread), run.unread_file)
    names = _set_names(found, evaluated)
    tagged = _write_puzzles(run, found, names, report)
    ends = {} if evaluated else _windows(found, config.every)
    written: dict[tuple[int, str, int], int] = {}
    rollouts = 0
    for seed, one in enumerate(found, start=1):
        trained = [part for (trains, _), frames in one.rows.items() if trains for part in frames]
        _write_rollouts(run, seed, trained, tagged)
        rollouts += sum(map(len, trained))
        for (trains, own), frames in one.rows.items():
            if not (trains and evaluated):
                written |= _write_completions(run, seed, names[own], pl.concat(frames), ends)
    _drop_others(run, written, unread)
    asked = [entry for set_name, entries in tagged.items() if set_name != "train" for entry in entries]
    done = Imported(
        run,
        found[0].format.name,
        sum(one.files for one in found),
        sum(written.values()),
        rollouts if evaluated else 0,
        len(asked),
        sum(entry.puzzle.pattern is None and bool(entry.solving) for entry in asked),
        sum(not entry.solving for entry in asked),
        sorted({step for _, _, step in written}),
        max(Counter(ends.values()).values(), default=1),
        Counter(row["reason"] for row in unread),
        dict(sum((Counter(one.others) for one in found), Counter())),
        [message for one in found for message in one.skipped],
        list(dict.fromkeys(note for one in found for note in one.notes)),
    )
    saved = {part.name: getattr(done, part.name) for part in fields(done) if part.name != "run"}
    about = {"format": found[0].format.label, "asked": EVALUATED if evaluated else TRAINED, "asked_again": evaluated}
    write_json({**saved, **about}, run.import_file)
    return done


def _settings(config: ImportConfig) -> dict[str, Any]:
    """The settings of an import to save; settings of later versions are saved only if used, so older runs stay
    valid."""
    later = {name for name in ("fields", "answer_pattern") if not getattr(config, name)}
    return config.model_dump(mode="json", exclude=later)


def _found(folders: Sequence[Path], name: str, config: ImportConfig, report: ProgressCallback) -> list[FolderContents]:
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise RunError(f"{', '.join(map(str, folders))}: each folder is one seed, and a folder is given twice")
    if re.fullmatch(r"\w[\w.-]*", name) is None:
        raise RunError(f"--name {name!r}: only letters, digits, _ . and - are allowed")
    found = [read_folder(folder, config, report) for folder in folders]
    settle_last(found)
    return found


def _task(found: Sequence[FolderContents], config: ImportConfig) -> dict[str, Any]:
    """The settings of the task.

    Raises:
        RunError: the folders have different tasks, or an option has no effect on the task.
    """
    first, *others = (one.format for one in found)
    other = next((form for form in others if form.task != first.task), None)
    if other is not None:
        raise RunError(f"{first.label} and {other.label} are different tasks; import each into a run of its own")
    if first.puzzle is None:
        return {"prompt": {"answer_tags": list(config.answer_tags)}}
    changed = config.model_dump(include=_OF_COUNTDOWN, exclude_defaults=True)
    if changed:
        raise RunError(f"--{next(iter(changed)).replace('_', '-')} has no effect on {first.label}; leave it out")
    return {"kind": first.task}


def _set_names(found: Sequence[FolderContents], evaluated: bool) -> dict[str, str]:
    """The names of the sets in the run; the set with the most completions is the main one."""
    sizes: Counter[str] = Counter()
    for one in found:
        for (trains, own), frames in one.rows.items():
            if not trains or not evaluated:
                sizes[own] += sum(map(len, frames))
    main = MAIN if MAIN in sizes else max(sorted(sizes), key=lambda own: sizes[own])
    return {own: MAIN if own == main else own for own in sizes}


def _write_puzzles(
    run: Run, found: Sequence[FolderContents], names: dict[str, str], report: ProgressCallback
) -> dict[str, list[Tagged]]:
    """Solve the puzzles of each set, training-only ones under `train`; contradictory labels are dropped."""
    together: dict[str, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        for (trains, own), puzzles in one.puzzles.items():
            kept = together[names[own] if own in names and not (trains and _is_evaluated(found)) else "train"]
            for identity, same in puzzles.items():
                kept[identity] += same
    tagged = {}
    for done, (name, puzzles) in enumerate(sorted(together.items())):
        report("solving puzzles", done, len(together))
        try:
            tagged[name] = _tagged(list(puzzles.values()))
        except ValueError as error:
            raise RunError(f"{run.path}: the puzzles cannot be solved: {error}") from None
        _write_if_new(
            run.task.frame(tagged[name]), run.task.puzzle_schema(), run.puzzles_file(name), partial(drop_estimates, run)
        )
    report("solving puzzles", len(together), len(together))
    return tagged


def _tagged(puzzles: Sequence[Sequence[Any]]) -> list[Tagged]:
    """Puzzles with their solving patterns, each given with all its labels; those of other tasks state their pattern."""
    if all(isinstance(same[0], Puzzle) for same in puzzles):
        labels = [{puzzle.pattern for puzzle in same} for same in puzzles]
        kept = [some.pop() if len(some) == 1 else None for some in labels]
        return tag_by_solver([Puzzle(s[0].numbers, s[0].target, label) for s, label in zip(puzzles, kept, strict=True)])
    return [Tagged(same[0], (same[0].pattern,), True, 1) for same in puzzles]


def _is_evaluated(found: Sequence[FolderContents]) -> bool:
    return any(not trains for one in found for trains, _ in one.rows)


def _windows(found: Sequence[FolderContents], every: int | None) -> dict[int, int]:
    """For each step, the last step of its window of `every` steps; by default there are `WINDOWS` windows."""
    frames = (part for one in found for frames in one.rows.values() for part in frames)
    steps = sorted({step for part in frames for step in part["step"].unique()})
    if every:
        return {step: min(-(-step // every) * every, steps[-1]) for step in steps}
    windows = [index * WINDOWS // len(steps) for index in range(len(steps))] if len(steps) > WINDOWS else steps
    ends = dict(zip(windows, steps, strict=True))  # the last step of each window
    return {step: ends[window] for window, step in zip(windows, steps, strict=True)}


def _write_completions(
    run: Run, seed: int, name: str, rows: pl.DataFrame, ends: dict[int, int]
) -> dict[tuple[int, str, int], int]:
    """Write the completions of a set, unless unchanged; returns their number at each step."""
    if ends:
        rows = rows.with_columns(pl.col("step").replace_strict(ends))
    written = {}
    for (at,), part in rows.sort("step", maintain_order=True).group_by("step", maintain_order=True):
        step = int(str(at))
        frame = part.with_columns(sample=pl.int_range(pl.len()).over("puzzle_id"), tokens=pl.lit(None))
        drop = partial(drop_derived, run, seed, name, step)
        _write_if_new(frame, COMPLETIONS, run.completions_file(seed, name, step), drop)
        written[seed, name, step] = len(frame)
    return written


def _drop_others(run: Run, written: Container[tuple[int, str, int]], unread: Sequence[dict[str, Any]]) -> None:
    """Delete files of an earlier import that this one did not write."""
    if any(row["row"] == 0 for row in unread):
        return  # a file that became unreadable may be being written
    for seed in run.seeds:
        for name, step in run.sampled(seed):
            if (seed, name, step) not in written:
                drop_completions(run, seed, name, step)


def _write_rollouts(run: Run, seed: int, frames: Sequence[pl.DataFrame], tagged: dict[str, list[Tagged]]) -> None:
    """Write training completions with their rewards."""
    rows = pl.concat([pl.DataFrame(schema=ROWS), *frames])
    sources = {e.puzzle.id: e.puzzle.pattern.text for some in tagged.values() for e in some if e.puzzle.pattern}
    known = pl.DataFrame(list(sources.items()), schema=SOURCES, orient="row")
    paid = rows.drop_nulls("reward").join(known, on="puzzle_id", how="left", maintain_order="left")
    steps = set(paid["step"])
    for step in run.rollout_steps(seed):
        if step not in steps:
            drop_estimates(run)
            run.rollouts_file(seed, step).unlink()
    for (step,), part in paid.sort("step", maintain_order=True).group_by("step", maintain_order=True):
        _write_if_new(part, ROLLOUTS, run.rollouts_file(seed, int(str(step))), partial(drop_estimates, run))


def _write_if_new(frame: pl.DataFrame, schema: Schema, path: Path, drop: Callable[[], None]) -> None:
    """Write a table if it is missing, changed or damaged, after deleting the tables derived from it."""
    frame = stated(frame, schema)
    if fault(path) is not None or not read_table(path, schema).equals(frame):
        drop()
        write_table(frame, path, schema)
