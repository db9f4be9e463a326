"""The paper's evaluation at a share of its size: 32 checkpoints × 11,000 puzzles × 32 samples of 1,500 characters.

python benchmarks/scale.py --share 0.05 --repeat 1 2 20 [--folder DIR]

For each share an oracle writes the completions of that share of the puzzles, all cores annotate them, and then, in a
process of its own, every estimate is made from the annotated tables. Times, and the peak memory of that process. With
--repeat the annotated tables stand there so many times, with new puzzle ids: share 0.05 times 20 is the whole.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import polars as pl

from ramify import ExperimentConfig, Run
from ramify.analysis.annotate import annotate_files
from ramify.analysis.estimate import estimate
from ramify.experiment import open_run
from ramify.sampling.oracle import play
from ramify.stages.generate import generate
from ramify.tables import read_table, write_table
from ramify.tasks.countdown.oracle import Oracle
from ramify.tasks.countdown.puzzle import Puzzle

CHECKPOINTS = tuple(range(0, 1600, 50))
SAMPLES = 32
# As in the paper: ten puzzles a pattern at n = 3, 4, 5 and one at n = 6.
WHOLE = {"test": {3: 180, 4: 960}, "length": {5: 5580, 6: 3494}}


def success(puzzle: Puzzle, step: int, seed: int) -> float:
    """Longer puzzles are learned later and less."""
    size = len(puzzle.numbers)
    return 0.05 + 0.8 / (size - 2) * (step / 1600) ** (size - 2)


def written(folder: Path, share: float) -> Run:
    """A run whose completions an oracle wrote."""
    sets = {name: {n: max(1, round(count * share)) for n, count in sizes.items()} for name, sizes in WHOLE.items()}
    task = {**sets, "train": {3: 18}, "held_out": {}, "hold_out": [], "skills": {}}
    config = ExperimentConfig.check({"name": f"share-{share}", "task": task})
    run = open_run(config, folder)
    generate(config, run, lambda *_: None)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(write_checkpoint, [run.path] * len(CHECKPOINTS), CHECKPOINTS))
    return run


def write_checkpoint(folder: Path, step: int) -> None:
    """The completions of one checkpoint."""
    oracle = Oracle(success, lambda puzzle, step: 11, execution=0.9, remarks=7)
    play(oracle.completions, Run(folder), [step], [1], SAMPLES)


def annotated(run: Run) -> float:
    """Seconds to annotate every completion on all cores."""
    jobs = [
        (
            run.puzzles_file(name),
            run.completions_file(1, name, step),
            *(run.derived_file(k, 1, name, step) for k in KINDS),
        )
        for name, step in run.sampled(1)
    ]
    started = time.perf_counter()
    for _ in annotate_files(jobs):
        pass
    return time.perf_counter() - started


KINDS = ("grades", "attempts")


def repeated(run: Run, folder: Path, times: int) -> Run:
    """The same annotated run with every puzzle so many times, without its completions."""
    folder.mkdir(parents=True)
    shutil.copy(run.path / "config.json", folder / "config.json")
    more = Run(folder)

    def copy(source: Path, target: Path) -> None:
        table = read_table(source)
        copies = [table.with_columns(pl.col("puzzle_id") + f"#{number}") for number in range(times)]
        write_table(pl.concat(copies), target)

    for name in WHOLE:
        copy(run.puzzles_file(name), more.puzzles_file(name))
    write_table(run.puzzles("train"), more.puzzles_file("train"))
    for name, step in run.sampled(1):
        if name in WHOLE:
            more.completions_file(1, name, step).parent.mkdir(parents=True, exist_ok=True)
            more.completions_file(1, name, step).touch()
            for kind in ("grades", "attempts"):
                copy(run.derived_file(kind, 1, name, step), more.derived_file(kind, 1, name, step))
    return more


def measure(folder: Path) -> None:
    """Make every estimate, and print seconds and peak memory in MB."""
    started = time.perf_counter()
    frame = estimate(Run(folder))
    seconds = time.perf_counter() - started
    # Not getrusage: a child's peak starts at what its parent held when it was started.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(f"{seconds} {int(peak.split()[1]) / 1024} {len(frame)}")


def main() -> None:
    """Print a line for each share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, nargs="+", default=[0.1])
    parser.add_argument("--repeat", type=int, nargs="+", default=[1])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.measure)
        return
    print(f"{os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as temporary:
        for share in chosen.share:
            run = written(chosen.folder or Path(temporary), share)
            first = pl.concat([pl.scan_parquet(run.completions_file(1, name, 0)) for name in WHOLE])
            count, length = first.select(pl.len(), pl.col("text").str.len_chars().mean()).collect().row(0)
            seconds = annotated(run)
            total = count * len(CHECKPOINTS)
            rate = total / seconds
            print(f"share {share}: {total:,} completions of {length:,.0f} characters, {rate:,.0f} a second annotated")
            for times in chosen.repeat:
                with tempfile.TemporaryDirectory() as copies:
                    table = run if times == 1 else repeated(run, Path(copies) / "run", times)
                    again = [sys.executable, __file__, "--measure", str(table.path)]
                    found = subprocess.run(again, check=True, capture_output=True, text=True).stdout.split()
                print(
                    f"  × {times}, {total * times:,} completions: {int(found[2]):,} estimates in "
                    f"{float(found[0]):.1f} s, peak {float(found[1]):,.0f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
