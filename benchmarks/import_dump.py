"""How long `ramify import` takes for a dump of verl: reading, solving, grading and finding attempts, estimates, report.

python benchmarks/import_dump.py [COMPLETIONS]: an oracle writes the dump, ten checkpoints with eight samples a puzzle.
"""

import json
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ramify import CountdownConfig
from ramify.adapters.foreign import import_run
from ramify.adapters.import_settings import ImportConfig
from ramify.report.page import write_report
from ramify.stages.score import score
from ramify.tasks.countdown.oracle import Oracle
from ramify.tasks.countdown.sets import make_puzzles

STEPS, SAMPLES = 10, 8


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


def write_dump(folder: Path, count: int) -> int:
    """Write so many completions; returns their characters."""
    each = count // (STEPS * SAMPLES)
    task = CountdownConfig(
        train={}, test={3: each // 2, 4: each - each // 2}, length={}, held_out={}, skills={}, hold_out=()
    )
    puzzles = [entry.puzzle for entry in make_puzzles(task)[0]["test"]]
    oracle = Oracle(lambda puzzle, step, seed: 0.1 + 0.04 * step, lambda puzzle, step: 6)
    folder.mkdir()
    characters = 0
    for step in range(STEPS):
        with (folder / f"{50 * step}.jsonl").open("w") as file:
            for puzzle in puzzles:
                truth = json.dumps({"numbers": puzzle.numbers, "target": puzzle.target})
                for one in oracle.completions(puzzle, step, 1, SAMPLES):
                    if one.sample >= 0:
                        row = {"input": "", "output": one.text, "gts": truth, "score": 0.0, "step": step, "reward": 0.0}
                        file.write(json.dumps(row) + "\n")
                        characters += len(one.text)
    return characters


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        characters = write_dump(folder / "dump", count)
        times = [time.perf_counter()]
        found = import_run([folder / "dump"], "run", folder, ImportConfig(), silent)
        times.append(time.perf_counter())
        score(found.run, silent)
        times.append(time.perf_counter())
        write_report(found.run)
        times.append(time.perf_counter())
        import_run([folder / "dump"], "run", folder, ImportConfig(), silent)
        times.append(time.perf_counter())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    length = characters / found.completions
    print(f"{found.completions:,} completions of {length:,.0f} characters, {found.puzzles:,} puzzles")
    names = ("read and solved", "graded, attempts, estimates", "report", "read again, nothing new")
    for name, before, after in zip(names, times, times[1:], strict=False):
        print(f"{name:<28} {after - before:7.1f} s")
    print(f"peak memory of this process  {peak:,} MiB")


if __name__ == "__main__":
    main()
