"""Measure a base model on reserved puzzles and print the table of its card, or how it came to be.

    python benchmarks/card.py [MODEL FOLDER]
    python benchmarks/card.py --curve FOLDER [--puzzles 60] [--out curve.csv]

The table has, per n, and per n and shape class: success (mean@8, greedy), execution, attempts a completion, and how
many of the patterns of that size some attempt uses.

The curve has success (mean@4) and execution per n at every `checkpoint-STEP` in a folder, such as that of `ramify
pretrain`. It is printed, and kept as CSV or parquet (by the name of the file), a row a step, n and metric; a step that
is in the file is not measured again, so it goes on where it was cut off, and while the training does.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from ramify.algebra.pattern import Pattern
from ramify.algebra.structure import structure
from ramify.analysis.annotate import annotate
from ramify.analysis.estimators import BLOCKS, ratios, wilson_limits
from ramify.models.bundled.tokenizer import build_tokenizer
from ramify.models.checkpoints import find_checkpoints, model_path
from ramify.report.figures import Point, interval
from ramify.sampling.hf import HFSamplerConfig
from ramify.schemas import completion_frame
from ramify.tasks.countdown.catalog import patterns
from ramify.tasks.countdown.sets import make_puzzles
from ramify.tasks.countdown.task import CountdownConfig

SIZES = (2, 3, 4, 5)
CURVE = ("success", "execution")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model wrote on a set of puzzles: the puzzles, a row a completion, a row an attempt."""

    puzzles: pl.DataFrame
    grades: pl.DataFrame
    attempts: pl.DataFrame

    def searched(self) -> pl.DataFrame:
        """The attempts of sampled completions that are not the answer."""
        return self.attempts.filter(~pl.col("is_answer") & (pl.col("sample") >= 0))


def measure(folder: Path | str, counts: dict[int, int], samples: int, greedy: bool) -> Measured:
    """Sample a model on puzzles that no base was trained on, and annotate what it wrote."""
    config = CountdownConfig(train={}, test=counts, length={}, held_out={}, skills={}, hold_out=(), seed=7)
    tagged = make_puzzles(config)[0]["test"]
    config_of = HFSamplerConfig(samples=samples, greedy=greedy)
    sampler = config_of.build(folder)
    puzzles = {entry.puzzle.id: entry.puzzle for entry in tagged}
    completions = [
        completion
        for number, (is_greedy, batch) in enumerate(config_of.batches(list(puzzles.values())))
        for completion in sampler.sample(batch, config.prompt, is_greedy, f"card/{number}")
    ]
    columns = config.frame(tagged).select("puzzle_id", "n", "shape_class")
    return Measured(columns, *annotate(completion_frame(completions), puzzles, config))


def share(numerators: np.ndarray, denominators: np.ndarray) -> Point:
    """Σ numerator / Σ denominator over puzzles, with its interval."""
    blocks = np.arange(len(numerators)) % BLOCKS
    sums = [np.bincount(blocks, part, min(len(numerators), BLOCKS))[None] for part in (numerators, denominators)]
    value, low, high = ratios(sums[0], sums[1], np.array([(denominators > 0).sum()]))
    return Point(0, float(value[0]), float(low[0]), float(high[0]))


def success(measured: Measured, ids: pl.DataFrame) -> Point:
    """Mean correctness of the sampled completions of some puzzles."""
    sampled = measured.grades.join(ids, on="puzzle_id", how="semi").filter(pl.col("sample") >= 0)
    each = sampled.group_by("puzzle_id").agg(hit=(pl.col("verdict") == "correct").mean()).sort("puzzle_id")
    return share(each["hit"].to_numpy(), np.ones(len(each)))


def execution(measured: Measured, ids: pl.DataFrame) -> Point:
    """The share of attempts whose stated values are right; missing where there are no attempts."""
    tried = measured.searched().join(ids, on="puzzle_id", how="semi")
    each = tried.group_by("puzzle_id").agg(n=pl.len(), right=(~pl.col("miscalculated")).sum()).sort("puzzle_id")
    return share(each["right"].to_numpy(), each["n"].to_numpy()) if len(each) else Point(0, *[float("nan")] * 3)


def print_card(folder: Path | str) -> None:
    """The table of a model."""
    measured = measure(folder, {2: 120, 3: 270, 4: 288, 5: 279}, samples=8, greedy=True)
    print("| n | source shape | puzzles | mean@8 | greedy | accuracy | attempts | patterns attempted |")
    print("|---|---|---|---|---|---|---|---|")
    for size in SIZES:
        shapes = ["all"] if size == 2 else ["all", "left-heavy", "right-heavy", *(["balanced"] if size > 3 else [])]
        of_size = measured.puzzles.filter(pl.col("n") == size)
        every = measured.searched().join(of_size, on="puzzle_id", how="semi")["pattern"].unique().to_list()
        for shape in shapes:
            ids = of_size.filter((pl.col("shape_class") == shape) | (shape == "all")).select("puzzle_id")
            of = measured.grades.join(ids, on="puzzle_id", how="semi")
            once = of.filter(pl.col("sample") < 0)
            greedy = np.array([(once["verdict"] == "correct").mean()])
            low, high = wilson_limits(greedy, np.array([len(once)]))
            found = [
                success(measured, ids),
                Point(0, *map(float, (greedy[0], low[0], high[0]))),
                execution(measured, ids),
            ]
            cells = [interval(point) for point in found]
            # Whatever its puzzle was drawn from, an attempt counts for the shape that it has itself.
            fits = [text for text in every if shape in ("all", structure(Pattern.parse(text)).shape_class)]
            listed = [p for p in patterns(size) if shape in ("all", structure(p).shape_class)]
            per = f"{of.filter(pl.col('sample') >= 0)['attempts'].mean():.2f}"
            print(f"| {size} | {shape} | {len(ids)} | {' | '.join(cells)} | {per} | {len(fits)} of {len(listed)} |")


def with_tokenizer(checkpoint: Path, folder: Path) -> Path:
    """The checkpoint, or where it has no tokenizer, as those of `ramify pretrain`, a folder that has both."""
    if (checkpoint / "tokenizer.json").is_file():
        return checkpoint
    build_tokenizer().save_pretrained(folder)
    for file in [*checkpoint.glob("*.safetensors"), *checkpoint.glob("*config.json")]:
        (folder / file.name).symlink_to(file.resolve())
    return folder


def make_curve(folder: Path, puzzles: int, out: Path) -> pl.DataFrame:
    """Success and execution at every checkpoint: step, n, puzzles, metric, value, low, high."""
    is_csv = out.suffix == ".csv"
    known = (pl.read_csv(out) if is_csv else pl.read_parquet(out)) if out.is_file() else None
    done = set() if known is None else set(known.filter(pl.col("puzzles") == puzzles)["step"])
    for step, checkpoint in find_checkpoints(folder).items():
        if step in done:
            continue
        with TemporaryDirectory() as whole:
            model = with_tokenizer(checkpoint, Path(whole))
            measured = measure(model, dict.fromkeys(SIZES, puzzles), samples=4, greedy=False)
        rows = []
        for size in SIZES:
            ids = measured.puzzles.filter(pl.col("n") == size).select("puzzle_id")
            for metric, point in zip(CURVE, (success(measured, ids), execution(measured, ids)), strict=True):
                rows.append((step, size, puzzles, metric, point.value, point.low, point.high))
        new = pl.DataFrame(rows, schema=["step", "n", "puzzles", "metric", "value", "low", "high"], orient="row")
        known = new if known is None else pl.concat([known, new], how="vertical_relaxed")
        known = known.sort("step", "n", "metric", descending=[False, False, True])
        partial = out.with_name(f".{out.name}")
        known.write_csv(partial) if is_csv else known.write_parquet(partial)
        partial.rename(out)
        print(f"step {step}", flush=True)
    return known


def print_curve(curve: pl.DataFrame) -> None:
    """The curve as a table, a row a checkpoint."""
    print("| step | " + " | ".join(f"{metric}, n = {size}" for metric in CURVE for size in SIZES) + " |")
    print("|---" * (1 + len(CURVE) * len(SIZES)) + "|")
    for (step,), rows in curve.group_by("step", maintain_order=True):
        of = {(row["metric"], row["n"]): row for row in rows.iter_rows(named=True)}
        cells = [
            interval(Point(0, row["value"], row["low"], row["high"])) if (row := of.get((metric, size))) else ""
            for metric in CURVE
            for size in SIZES
        ]
        print(f"| {step} | {' | '.join(cells)} |")


def main() -> None:
    """Print the table, or the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--curve", type=Path)
    parser.add_argument("--puzzles", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("curve.csv"))
    given = parser.parse_args()
    if given.curve:
        print_curve(make_curve(given.curve, given.puzzles, given.out))
    else:
        print_card(given.model or model_path("bundled"))


if __name__ == "__main__":
    main()
