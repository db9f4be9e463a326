"""Annotate completions with grades and attempts. Its tables are derived: they can be deleted and rebuilt."""

import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl

from ramify.errors import RunError, require
from ramify.records import Attempt, Item
from ramify.schemas import ATTEMPTS, COMPLETIONS, GRADES
from ramify.tables import made_by, read_table, write_table
from ramify.tasks.base import Task


def annotate(completions: pl.DataFrame, puzzles: Mapping[str, Item], task: Task) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Grade a table of completions and find their attempts.

    >>> from ramify import Completion, Puzzle
    >>> from ramify.schemas import completion_frame
    >>> from ramify.tasks.registry import default_task
    >>> puzzle = Puzzle((3, 7, 8), 29)
    >>> table = completion_frame([Completion(puzzle.id, 0, "<answer>3*7+8</answer>", 9, False)])
    >>> grades, attempts = annotate(table, {puzzle.id: puzzle}, default_task())
    >>> grades["verdict"].to_list(), attempts["pattern"].to_list()
    (['correct'], ['A*B+C'])
    """
    grades, attempts = [], []
    for puzzle_id, sample, text, tokens, truncated in completions.iter_rows():
        puzzle = puzzles[puzzle_id]
        verdict = task.grade(puzzle, text, truncated).verdict
        found = task.find_attempts(puzzle, text, truncated)
        searched = sum(not attempt.is_answer for attempt in found)
        grades.append((puzzle_id, sample, verdict.value, tokens, searched))
        attempts += [_row(puzzle_id, sample, attempt) for attempt in found]
    made = (grades, GRADES), (attempts, ATTEMPTS)
    return tuple(pl.DataFrame(rows, schema=dict(schema), orient="row") for rows, schema in made)  # type: ignore[return-value]


Job = tuple[Path, Path, Path, Path]
"""Paths of the puzzles, the completions, the grades and the attempts."""


def annotate_files(jobs: Sequence[Job], task: Task, processes: int | None = None) -> Iterator[int]:
    """Annotate tables of completions on all cores and write the results; yields the number of finished tables.

    A table is written only when complete, so an interrupted call resumes with the missing tables.
    """
    work = partial(_annotate_file, task=task)
    workers = min(processes or os.cpu_count() or 1, len(jobs))
    if workers <= 1:
        yield from (done for done, _ in enumerate(map(work, jobs), start=1))
        return
    # Spawn, not fork: polars has threads, and a forked child may deadlock.
    # Only this process handles Ctrl-C; the workers finish their table.
    pool_settings: dict[str, Any] = {"mp_context": get_context("spawn"), "initializer": _ignore_interrupts}
    with ProcessPoolExecutor(workers, **pool_settings) as pool:
        yield from (done for done, _ in enumerate(pool.map(work, jobs), start=1))


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def annotate_on_ray(jobs: Sequence[Job], task: Task, address: str | None = None) -> Iterator[int]:
    """Annotate tables on a Ray cluster whose machines see the run's folder; yields the number of finished tables.

    Args:
        address: of the cluster, or "auto"; None starts Ray on this machine.

    Raises:
        MissingExtraError: Ray is not installed.
        RunError: there is no cluster at the address, or a worker failed.
    """
    require("scoring on Ray", "ray")
    import ray

    _reached(address)
    started = not ray.is_initialized()
    try:
        if started:
            ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR")
        work = ray.remote(_annotate_file)
        waiting = [work.remote(job, task) for job in _absolute(jobs)]
        for done in range(1, len(jobs) + 1):
            (ready, *_), waiting = ray.wait(waiting)
            ray.get(ready)
            yield done
    except (ConnectionError, ray.exceptions.RayError) as error:
        raise RunError(f"Ray at {address or 'this machine'}: {str(error).strip().splitlines()[-1]}") from None
    finally:
        if started and ray.is_initialized():
            ray.shutdown()


def _reached(address: str | None) -> None:
    """Whether a server listens at an address; without one, Ray would end this process."""
    host, _, port = (address or "").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.rpartition("/")[2], int(port)), timeout=10).close()
    except OSError as error:
        raise RunError(f"Ray at {address}: {error.strerror or error}") from None


def _absolute(jobs: Sequence[Job]) -> list[Job]:
    """Jobs with absolute paths, since workers run in other folders."""
    return [tuple(path.resolve() for path in job) for job in jobs]  # type: ignore[misc]


def _annotate_file(job: Job, task: Task) -> None:
    puzzles_file, completions_file, *derived = job
    puzzles = {puzzle.id: puzzle for puzzle in task.puzzles_in(read_table(puzzles_file, task.puzzle_schema()))}
    completions = read_table(completions_file, COMPLETIONS).unique(["puzzle_id", "sample"], maintain_order=True)
    made = annotate(completions.select(list(COMPLETIONS)), puzzles, task)
    for frame, schema, file in zip(made, (GRADES, ATTEMPTS), derived, strict=True):
        write_table(frame, file, schema, made_by(task.GRADER_VERSION))


def _row(puzzle_id: str, sample: int, attempt: Attempt) -> tuple[Any, ...]:
    return (
        puzzle_id,
        sample,
        attempt.start,
        attempt.end,
        attempt.expression.text,
        attempt.pattern and attempt.pattern.text,
        attempt.hits_target,
        attempt.is_answer,
        attempt.stepwise,
        attempt.stated,
        attempt.miscalculated,
    )
