"""How fast the exact core is, on one core: `make bench`. Medians of five runs after one to warm up."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from random import Random

from rich.console import Console
from rich.table import Table

from ramify import Puzzle, find_attempts, grade, parse
from ramify.algebra.pattern import Pattern
from ramify.algebra.solver import solve_many
from ramify.tasks.countdown import CountdownConfig, make_puzzles


def seconds(work: Callable[[], object]) -> float:
    """The median time of a piece of work."""
    work()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def completion(random: Random) -> tuple[Puzzle, str]:
    """A text of about 1,500 characters with 12 attempts."""
    numbers = [random.randint(1, 99) for _ in range(4)]
    lines = []
    for _ in range(12):
        random.shuffle(numbers)
        a, b, c, d = numbers
        ops = [random.choice("+-*/") for _ in range(3)]
        attempt = f"({a} {ops[0]} {b}) {ops[1]} {c} {ops[2]} {d} = {random.randint(1, 999)}"
        lines.append(f"Let me try another way: {attempt}, which does not seem to be what we need, so I think again.")
    return Puzzle(tuple(numbers), 50), "\n".join(lines) + f"\n<answer>{a}+{b}+{c}+{d}</answer>"


def main() -> None:
    """Print the table."""
    random = Random("bench")
    table = Table(
        "what", "figure", title=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one used"
    )
    for size, count in ((3, 20000), (4, 20000), (5, 2000), (6, 100)):
        puzzles = [([random.randint(1, 99) for _ in range(size)], random.randint(1, 99)) for _ in range(count)]
        numbers, targets = zip(*puzzles, strict=True)
        took = seconds(lambda n=numbers, t=targets: solve_many(n, t, threads=1))
        table.add_row(f"all solving patterns, n = {size}", f"{took / count * 1e6:,.1f} µs a puzzle")
    texts = [completion(random) for _ in range(200)]
    took = seconds(lambda: [find_attempts(puzzle, text) for puzzle, text in texts])
    mean = sum(len(text) for _, text in texts) / len(texts)
    table.add_row(
        f"find_attempts, {mean:,.0f} characters, 13 attempts", f"{len(texts) / took:,.0f} completions a second"
    )
    answers = [(puzzle, text[text.rindex("<answer>") :]) for puzzle, text in texts]
    took = seconds(lambda: [grade(puzzle, text) for puzzle, text in answers])
    table.add_row("grade, an ordinary answer", f"{len(answers) / took:,.0f} a second")
    took = seconds(lambda: [Pattern.of(parse("(48+7)*12-95/5")) for _ in range(1000)])
    table.add_row("parse to pattern", f"{took * 1000:,.1f} µs an expression")
    took = seconds(lambda: make_puzzles(CountdownConfig()))
    table.add_row("the quickstart's 3,470 puzzles, tagged and certified", f"{took:,.1f} s")
    Console().print(table)


if __name__ == "__main__":
    main()
