"""Seconds that the explorer takes for a page of a large run: `python benchmarks/explore.py [--completions 5000000]`.

The run has five seeds and ten checkpoints of a simulated model whose eight completions of each puzzle are repeated.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import polars as pl

from ramify.analysis.annotate import annotate
from ramify.experiment import open_run
from ramify.explore.completions import page_of, search
from ramify.explore.filters import Filters
from ramify.explore.source import Source
from ramify.progress import silent
from ramify.run import Run
from ramify.sampling.oracle import succeeding
from ramify.schemas import ATTEMPTS, COMPLETIONS, GRADES, completion_frame
from ramify.settings import ExperimentConfig
from ramify.stages.generate import generate
from ramify.tables import made_by, write_table

SEEDS, STEPS, VARIANTS = 5, 10, 8
SEARCHES = {
    "everything": {},
    "wrong right-heavy completions": {"shape_class": "right-heavy", "wrong": "yes"},
    "one checkpoint": {"seed": "3", "step": "60"},
    "a text": {"step": "60", "text": "answer"},
    "misses, longest first": {"hit": "no", "sort": "-tokens"},
    "everything, longest first": {"sort": "-tokens"},
}


def make(folder: Path, completions: int) -> Run:
    """A scored run with about this number of completions."""
    sets = {"train": {3: 200}, "test": {3: 432, 4: 768}, "length": {}, "held_out": {}, "skills": {}}
    config = ExperimentConfig.load("quickstart", [f"seeds={list(range(1, SEEDS + 1))}", "name=large"])
    task = config.task.model_copy(update={**sets, "hold_out": ()})
    run = open_run(config.model_copy(update={"task": task}), folder)
    generate(config.model_copy(update={"task": task}), run, silent)
    puzzles = {puzzle.id: puzzle for puzzle in run.task.puzzles_in(run.puzzles("test"))}
    copies = round(completions / (SEEDS * STEPS * len(puzzles) * (VARIANTS + 1)))
    copy = pl.DataFrame({"copy": range(copies)}, schema={"copy": pl.Int32}).lazy()
    model = succeeding(run.task, lambda puzzle, step, seed: 0.1 + step / 200)
    for step in range(0, STEPS * 20, 20):
        texts = completion_frame(one for puzzle in puzzles.values() for one in model(puzzle, step, 1, VARIANTS))
        tables = dict(
            zip(("completions", "grades", "attempts"), (texts, *annotate(texts, puzzles, run.task)), strict=True)
        )
        schemas = {"completions": COMPLETIONS, "grades": GRADES, "attempts": ATTEMPTS}
        for name, table in tables.items():
            repeated = (
                table.lazy()
                .join(copy, how="cross")
                .with_columns(
                    sample=pl.when(pl.col("sample") < 0)
                    .then(-1 - pl.col("copy"))
                    .otherwise(pl.col("sample") + VARIANTS * pl.col("copy"))
                )
            )
            if name == "completions":  # no two are equal, so that the file is as large as a real one
                digits = pl.concat_str(
                    [pl.struct("puzzle_id", "sample").hash(seed).cast(pl.String) for seed in range(16)]
                )
                repeated = repeated.with_columns(text=pl.col("text") + "\n" + digits)
            whole = repeated.drop("copy").sort("puzzle_id", "sample").collect()
            for seed in range(1, SEEDS + 1):
                file = run.completions_file(seed, "test", step)
                file = file if name == "completions" else run.derived_file(name, seed, "test", step)
                write_table(
                    whole, file, schemas[name], {} if name == "completions" else made_by(run.task.GRADER_VERSION)
                )
    return run


def seconds(source: Source, values: dict[str, str]) -> tuple[int, float, float]:
    """The number of matches, and the seconds of the first page and of a later one (median of nine)."""
    filters = Filters.read(values)
    start = time.perf_counter()
    matches = search(source, filters)
    page_of(source, matches, 1)
    first = time.perf_counter() - start
    later = []
    for number in (2, 3, 5, 8, 50, 500, 5000, 9000, 12000):
        start = time.perf_counter()
        page_of(source, search(source, filters), number)
        later.append(time.perf_counter() - start)
    return len(matches.found), first, median(later)


def main() -> None:
    """Make the run in a temporary folder, and print a row for each search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--completions", type=int, default=5_000_000)
    wanted = parser.parse_args().completions
    with tempfile.TemporaryDirectory() as folder:
        run = make(Path(folder), wanted)
        size = sum(file.stat().st_size for file in run.path.rglob("*.parquet")) / 1e6
        print(f"{wanted:,} completions, {size:,.0f} MB")
        source = Source([Run(run.path)])
        print(f"{'search':<32}{'matches':>12}{'first page':>12}{'later page':>12}")
        for name, values in SEARCHES.items():
            count, first, later = seconds(source, values)
            print(f"{name:<32}{count:>12,}{first:>11.2f}s{later:>11.3f}s", flush=True)


if __name__ == "__main__":
    main()
