"""How fast the exact core is, on one core, beside others: `make bench`. Medians of five runs after one to warm up.

    make bench                                   installs reasoning-gym too
    python benchmarks/core.py --paper FOLDER     with a checkout of princeton-pli/RL-skill-comp as well

The pure-Python solver here is the independent one that the tests use. The paper's code is run as it is published, apart
from its table of patterns, which is made by its own script if it is not there.
"""

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import brute
from ramify import Puzzle, count_instances, find_attempts, grade, parse, patterns
from ramify.algebra.pattern import Pattern
from ramify.randomness import generator
from ramify.tasks.countdown.generation import values
from ramify.tasks.countdown.instances import InstanceCounter
from ramify.tasks.countdown.solver import solve_many
from ramify.tasks.countdown.statements import _kept_shape


def seconds(work: Callable[[], object], runs: int = 5) -> float:
    """The median time of a piece of work."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def puzzles_of(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(size)
    return random.integers(1, 100, (count, size)), random.integers(1, 100, count)


def completion(random: Random) -> tuple[Puzzle, str]:
    """A text of about 1,500 characters with 12 attempts, the last one in the answer."""
    numbers = [random.randint(1, 99) for _ in range(4)]
    lines = []
    for _ in range(11):
        random.shuffle(numbers)
        a, b, c, d = numbers
        ops = [random.choice("+-*/") for _ in range(3)]
        attempt = f"({a} {ops[0]} {b}) {ops[1]} {c} {ops[2]} {d} = {random.randint(1, 999)}"
        lines.append(
            f"Let me try another way and see what we get: {attempt}, which does not seem to be what we need, so I "
            "go on and think again."
        )
    return Puzzle(tuple(numbers), 50), "\n".join(lines) + f"\n<answer>{a}+{b}+{c}+{d}</answer>"


def six_numbers(random: Random) -> tuple[Puzzle, str]:
    """A text of about 1,300 characters with 12 attempts over six numbers, trees and operators at random."""
    numbers = [random.randint(1, 99) for _ in range(6)]

    def tree(part: list[int]) -> str:
        if len(part) == 1:
            return str(part[0])
        cut = random.randint(1, len(part) - 1)
        return f"({tree(part[:cut])} {random.choice('+-*/')} {tree(part[cut:])})"

    lines = []
    for _ in range(12):
        random.shuffle(numbers)
        lines.append(f"Try {tree(numbers)} = {random.randint(1, 999)}, which is not the target, so I try again.")
    return Puzzle(tuple(numbers), 50), "\n".join(lines)


class Report:
    """Rows of the table: what, ours, and others with their ratio to ours."""

    def __init__(self) -> None:
        self.table = Table(
            title=f"{_processor()}, {os.cpu_count()} cores, one used; Python {platform.python_version()}"
        )
        for column in ("what", "ramify", "others"):
            self.table.add_column(column)

    def row(self, what: str, ours: float, show: Callable[[float], str], **others: float | None) -> None:
        """Add a row; times are seconds for one of what is counted."""
        shown = [
            f"{name.replace('_', ' ')} {show(t)} ({t / ours:,.3g} ×)" for name, t in others.items() if t is not None
        ]
        self.table.add_row(what, show(ours), "; ".join(shown))


def _processor() -> str:
    try:
        names = [line.split(":")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
        return names[0].strip()
    except (OSError, IndexError):
        return platform.machine()


def micro(t: float) -> str:
    return f"{t * 1e6:,.3g} µs" if t < 1e-3 else f"{t * 1e3:,.3g} ms" if t < 1 else f"{t:,.3g} s"


def rate(t: float) -> str:
    return f"{1 / t:,.0f} a second"


def solver_rows(report: Report, paper: Path | None) -> None:
    for size, count, slow in ((3, 20000, 200), (4, 20000, 20), (5, 4000, 1), (6, 200, 0)):
        numbers, targets = puzzles_of(size, count)
        ours = seconds(lambda n=numbers, t=targets: solve_many(n, t, threads=1)) / count
        tried = [(tuple(row), int(t)) for row, t in zip(numbers[:slow].tolist(), targets[:slow], strict=True)]
        python = seconds(lambda p=tried: [brute.solutions(*one) for one in p], 1) / slow if slow else None
        theirs = paper_solver(paper, tried[: 5 if size == 4 else 50]) if paper and size < 5 else None
        report.row(f"all solutions of a puzzle, n = {size}", ours, micro, pure_Python=python, paper=theirs)


def paper_solver(paper: Path, puzzles: list) -> float | None:
    code = (
        "import json,sys,time\nfrom utils import solve\nimport utils\npuzzles=json.loads(sys.argv[1])\n"
        "start=time.perf_counter()\n"
        "for numbers,target in puzzles:\n    utils.all_exprs.cache_clear(); solve(numbers,target)\n"
        "print((time.perf_counter()-start)/len(puzzles))"
    )
    return run_in(paper, code, json.dumps(puzzles))


def paper_attempts(paper: Path, texts: list[tuple[Puzzle, str]]) -> float | None:
    if not (paper / "annotated_expressions.txt").is_file():
        subprocess.run([sys.executable, "annotate_expressions.py"], cwd=paper, capture_output=True)
    code = (
        "import json,sys,time\nfrom utils import extract_patterns\ntexts=json.loads(sys.argv[1])\n"
        "start=time.perf_counter()\nfor numbers,text in texts:\n    extract_patterns(text,numbers)\n"
        "print((time.perf_counter()-start)/len(texts))"
    )
    return run_in(paper, code, json.dumps([(list(puzzle.numbers), text) for puzzle, text in texts]))


def paper_grades(paper: Path, texts: list[tuple[Puzzle, str]]) -> float | None:
    code = (
        "import json,sys,time\nfrom grader_utils import compute_score\ntexts=json.loads(sys.argv[1])\n"
        "start=time.perf_counter()\n"
        "for n,t,s in texts:\n    compute_score('',s,t,{'numbers':n},verbose=False)\n"
        "print((time.perf_counter()-start)/len(texts))"
    )
    return run_in(paper, code, json.dumps([(list(puzzle.numbers), puzzle.target, text) for puzzle, text in texts]))


def run_in(folder: Path, code: str, argument: str) -> float | None:
    done = subprocess.run([sys.executable, "-c", code, argument], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        print(f"the paper's code failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return float(done.stdout)


def reading_rows(report: Report, paper: Path | None) -> None:
    random = Random("bench")
    texts = [completion(random) for _ in range(2000)]
    length = sum(len(text) for _, text in texts) / len(texts)
    attempts = sum(len(find_attempts(*pair)) for pair in texts) / len(texts)
    # Counted and dropped: kept, the records would be walked again and again by the garbage collector.
    ours = seconds(lambda: sum(len(find_attempts(*pair)) for pair in texts)) / len(texts)
    theirs = paper_attempts(paper, texts[:10]) if paper else None
    report.row(f"find_attempts, {length:,.0f} characters, {attempts:g} attempts", ours, rate, paper=theirs)
    fresh = [six_numbers(random) for _ in range(300)]

    def read_fresh() -> None:
        _kept_shape.cache_clear()
        for pair in fresh:
            find_attempts(*pair)

    report.row("find_attempts, 12 attempts over six numbers, no shape seen before", seconds(read_fresh) / 300, rate)
    answers = [(puzzle, text[text.rindex("<answer>") :]) for puzzle, text in texts]
    ours = seconds(lambda: sum(grade(*pair).value == pair[0].target for pair in answers)) / len(answers)
    theirs = paper_grades(paper, answers) if paper else None
    report.row("grade, an ordinary answer", ours, rate, paper=theirs, reasoning_gym=gym_grades(answers))
    worst = hostile()
    slowest = max((seconds(lambda t=text: grade(texts[0][0], t)), name) for name, text in worst.items())
    report.row(f"grade, the slowest hostile text ({slowest[1]})", slowest[0], micro)
    ours = seconds(lambda: [Pattern.of(parse("(48+7)*12-95/5")) for _ in range(1000)]) / 1000
    report.row("parse an expression to its pattern", ours, micro)


def hostile() -> dict[str, str]:
    """The texts of up to a megabyte that took longest in a search by hand."""
    return {
        "a megabyte of opening tags": "<answer>" * 125_000,
        "a megabyte of answers": "<answer>3*7+8</answer>" * 45_000,
        "an answer of 10,000 terms": "<answer>" + "3+" * 9_990 + "3</answer>",
        "an answer with 6,000 stated values": "<answer>3*7+8" + "=29" * 6_000 + "</answer>",
        "an answer of 4,900 fractions": "<answer>3*7+8=" + "1/3+" * 4_900 + "3</answer>",
        "products of 1,000 digits": "<answer>3*7+8=" + ("9" * 990 + "*") * 19 + "3</answer>",
    }


def gym_grades(answers: list[tuple[Puzzle, str]]) -> float | None:
    if importlib.util.find_spec("reasoning_gym") is None:
        return None
    import reasoning_gym

    data = reasoning_gym.create_dataset("countdown", size=1, seed=1)
    entries = [(t[8:-9], {"metadata": {"numbers": list(p.numbers), "target": p.target}}) for p, t in answers[:100]]
    return seconds(lambda: [data.score_answer(*entry) for entry in entries], 1) / len(entries)


def puzzle_rows(report: Report) -> None:
    pattern = Pattern.parse("A*B-C/D")
    drawn = generator("bench").integers(1, 100, (1 << 16, 4))
    ours = seconds(lambda: values(pattern, drawn)) / len(drawn)
    report.row("random assignments evaluated, A*B-C/D", ours, rate)
    for size in (3, 4, 5):
        start = time.perf_counter()
        for unordered in (False, True):
            counter = InstanceCounter((1, 99), (1, 99), unordered)
            for one in patterns(size):
                counter.count(one)
        report.row(f"exact instance counts of all patterns, n = {size}", time.perf_counter() - start, micro)
    report.row(
        "exact instance counts of A/B/C/D/E/F", seconds(lambda: count_instances(Pattern.parse("A/B/C/D/E/F"))), micro
    )


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--paper", type=Path, help="a checkout of the paper's code")
    paper = options.parse_args().paper
    report = Report()
    reading_rows(report, paper)  # first: the brute-force solver leaves a memory in pieces behind
    solver_rows(report, paper)
    puzzle_rows(report)
    Console(width=150).print(report.table)
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:,.2f} GB")


if __name__ == "__main__":
    main()
