"""Data that lack what an analysis asks for: each measurement is there or missing, and nothing ends in an error."""

import json
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from ramify import Run, solve
from ramify.cli import app
from ramify.schemas import ESTIMATES

SOLVABLE = [(3, 7, 8, 29), (1, 2, 3, 6), (2, 5, 9, 43), (4, 6, 7, 31), (2, 3, 11, 17), (5, 6, 8, 22)]
UNSOLVABLE = [(1, 1, 1, 50), (1, 1, 2, 77), (2, 2, 2, 99), (1, 2, 1, 60), (1, 3, 1, 88), (2, 1, 2, 95)]
SEVERAL = [(1, 2, 3, 6), (2, 4, 8, 4), (2, 3, 6, 6), (1, 4, 5, 20), (2, 2, 4, 4), (1, 3, 9, 27)]
"""Without a label these have no source pattern."""
Rows = list[dict]


def rows(seed: int = 1, steps: tuple[int, ...] = (0, 10, 20), samples: int = 4, puzzles: list = SOLVABLE) -> Rows:
    """Each puzzle at each step, right at every other sample of the later steps, with one attempt beside the answer."""
    found = []
    for step in steps:
        for *numbers, target in puzzles:
            right = next(iter(solve(numbers, target).values()), None)
            for sample in range(samples):
                solves = right is not None and step > 0 and (sample + seed) % 2
                wrong = "+".join(map(str, numbers))
                text = f"{wrong} = 0\n<answer>{right.text if right and solves else wrong}</answer>"
                labelled = {"pattern": next(iter(solve(numbers, target))).text} if right else {}
                found.append({"numbers": numbers, "target": target, "completion": text, "step": step, **labelled})
    return found


def everywhere(change: dict) -> Callable[[Rows], Rows]:
    return lambda found: [row | change for row in found]


def unlabelled(found: Rows) -> Rows:
    return [{key: value for key, value in row.items() if key != "pattern"} for row in found]


def only(some: list) -> Callable[[Rows], Rows]:
    return lambda found: rows(puzzles=some, steps=tuple(sorted({row["step"] for row in found})))


def all_right(found: Rows) -> Rows:
    return [
        row | {"completion": f"<answer>{next(iter(solve(row['numbers'], row['target']).values())).text}</answer>"}
        if solve(row["numbers"], row["target"])
        else row
        for row in found
    ]


def at_one_step(found: Rows) -> Rows:
    return [row for row in found if row["step"] == max(row["step"] for row in found)]


def of_one_puzzle(found: Rows) -> Rows:
    return [row for row in found if row["numbers"] == found[0]["numbers"]]


def unequal(found: Rows) -> Rows:
    """The i-th puzzle is asked i times at the first step, and other numbers of times later."""
    kept, seen = [], {}
    for row in found:
        key = row["step"], *row["numbers"], row["target"]
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= 1 + (sum(row["numbers"]) + row["step"]) % 4:
            kept.append(row)
    return kept


CASES: dict[str, Callable[[Rows], Rows]] = {
    "no label": lambda found: unlabelled(only(SEVERAL)(found)),
    "one label": lambda found: unlabelled(only(SEVERAL)(found)) + of_one_puzzle(found),
    "no puzzle solvable": only(UNSOLVABLE),
    "one puzzle": of_one_puzzle,
    "one step": at_one_step,
    "no attempt": everywhere({"completion": "I do not know."}),
    "empty texts": everywhere({"completion": ""}),
    "all right": all_right,
    "all wrong": everywhere({"completion": "<answer>1</answer>"}),
    "all truncated": everywhere({"completion": "3 +", "truncated": True}),
    "unequal samples": unequal,
    "one sample": lambda found: found[::4],
    "duplicated rows": lambda found: [row for row in found for _ in range(2)],
    "other puzzles at every step": lambda found: [
        row | {"numbers": [*row["numbers"][:2], row["numbers"][2] + row["step"]]} for row in found
    ],
}
ALONE = [pytest.param((one,), id=one) for one in CASES]
PAIRS = [pytest.param(pair, id=" and ".join(pair), marks=pytest.mark.slow) for pair in combinations(CASES, 2)]


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """To start others takes longer than these data."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


def ramify(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def imported(folder: Path, seeds: list[Rows], *options: str) -> Run:
    dumps = []
    for number, found in enumerate(seeds, start=1):
        dump = folder / f"theirs-{number}" / "dump.jsonl"
        dump.parent.mkdir(parents=True)
        dump.write_text("".join(json.dumps(row) + "\n" for row in found))
        dumps.append(dump.parent)
    ramify("import", *dumps, "--root", folder, "--name", "run", *options)
    return Run(folder / "run")


def read_everywhere(run: Run, folder: Path) -> None:
    """Every way that a run is looked at."""
    assert "<html" in run.report_file.read_text()
    ramify("report", run.path, "--text", "--export", folder / "figures")
    ramify("report", run.path, run.path, "--output", folder / "both.html")
    ramify("compare", run.path, run.path)
    ramify("export", "dataset", run.path, "--output", folder / "dataset")


def bounded(estimates: pl.DataFrame) -> Iterator[str]:
    """Estimates that cannot be."""
    shares = estimates.filter(
        pl.col("metric").str.contains(r"^(mean|pass)@\d+$|^(greedy|execution|hit rate given solvable)$")
    )
    yield from shares.filter(~pl.col("value").is_between(0, 1))["metric"]
    yield from estimates.filter(pl.any_horizontal(pl.col("value", "low", "high").is_nan()))["metric"]
    yield from estimates.filter((pl.col("low") > pl.col("value") + 1e-9) | (pl.col("high") < pl.col("value") - 1e-9))[
        "metric"
    ]


@pytest.mark.parametrize(
    "options",
    [pytest.param((), id="evaluation"), pytest.param(("--training",), id="training", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("names", ALONE + PAIRS)
def test_every_analysis_of(names: tuple[str, ...], options: tuple[str, ...], tmp_path: Path) -> None:
    found = rows()
    for name in names:
        found = CASES[name](found)
    if options:
        found = [row | {"reward": float("answer" in row["completion"])} for row in found]
    run = imported(tmp_path, [found], *options)
    assert run.estimates().schema == ESTIMATES
    assert not list(bounded(run.estimates()))
    read_everywhere(run, tmp_path)
