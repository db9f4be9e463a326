"""Measure a base model on reserved puzzles and print the table of its card.

    python benchmarks/card.py [MODEL FOLDER]

Per n, and per n and shape class: success (mean@8, greedy), execution, attempts a completion, and how many of the
patterns of that size some attempt uses.
"""

import sys

import numpy as np
import polars as pl

from ramify.algebra.catalog import patterns
from ramify.algebra.pattern import Pattern
from ramify.algebra.structure import structure
from ramify.analysis.annotate import annotate
from ramify.analysis.estimators import BLOCKS, ratios, wilson
from ramify.experiment import model_path
from ramify.report.figures import Point, interval
from ramify.sampling.hf import HFSamplerConfig
from ramify.tables import completion_frame, puzzle_frame
from ramify.tasks.countdown import CountdownConfig, make_puzzles


def share(tops: np.ndarray, bottoms: np.ndarray) -> Point:
    """Σ top / Σ bottom over puzzles, with its interval."""
    blocks = np.arange(len(tops)) % BLOCKS
    sums = [np.bincount(blocks, part, min(len(tops), BLOCKS))[None] for part in (tops, bottoms)]
    value, low, high = ratios(sums[0], sums[1], np.array([(bottoms > 0).sum()]))
    return Point(0, float(value[0]), float(low[0]), float(high[0]))


def main() -> None:
    """Print the table."""
    folder = sys.argv[1] if len(sys.argv) > 1 else model_path("bundled")
    config = CountdownConfig(
        train={}, test={2: 120, 3: 270, 4: 288, 5: 279}, length={}, held_out={}, skills={}, hold_out=(), seed=7
    )
    tagged = make_puzzles(config)[0]["test"]
    frame = puzzle_frame(tagged)
    config_of = HFSamplerConfig(samples=8)
    sampler = config_of.build(folder)
    puzzles = {entry.puzzle.id: entry.puzzle for entry in tagged}
    completions = [
        completion
        for number, (greedy, batch) in enumerate(config_of.batches(list(puzzles.values())))
        for completion in sampler.sample(batch, config.prompt, greedy, f"card/{number}")
    ]
    grades, attempts = annotate(completion_frame(completions), puzzles)
    columns = frame.select("puzzle_id", "n", "shape_class")
    print("| n | source shape | puzzles | mean@8 | greedy | execution | attempts | patterns attempted |")
    print("|---|---|---|---|---|---|---|---|")
    for size in (2, 3, 4, 5):
        shapes = ["all"] if size == 2 else ["all", "left-heavy", "right-heavy", *(["balanced"] if size > 3 else [])]
        of_size = columns.filter(pl.col("n") == size)
        searched = attempts.filter(~pl.col("is_answer") & (pl.col("sample") >= 0))
        every = searched.join(of_size, on="puzzle_id", how="semi")["pattern"].unique().to_list()
        for shape in shapes:
            ids = of_size.filter((pl.col("shape_class") == shape) | (shape == "all")).select("puzzle_id")
            of = grades.join(ids, on="puzzle_id", how="semi")
            sampled = of.filter(pl.col("sample") >= 0).with_columns(hit=pl.col("verdict") == "correct")
            each = sampled.group_by("puzzle_id").agg(pl.col("hit").mean(), pl.col("attempts").mean()).sort("puzzle_id")
            once = of.filter(pl.col("sample") < 0)
            tried = attempts.join(ids, on="puzzle_id", how="semi").filter(
                ~pl.col("is_answer") & (pl.col("sample") >= 0)
            )
            right = (
                tried.group_by("puzzle_id").agg(n=pl.len(), right=(~pl.col("miscalculated")).sum()).sort("puzzle_id")
            )
            greedy = wilson(float((once["verdict"] == "correct").sum()), len(once))
            found = [
                share(each["hit"].to_numpy(), np.ones(len(each))),
                Point(0, greedy.value, greedy.low, greedy.high),
                share(right["right"].to_numpy(), right["n"].to_numpy()),
            ]
            cells = [interval(point) for point in found]
            # Whatever its puzzle was drawn from, an attempt counts for the shape that it has itself.
            fits = [text for text in every if shape in ("all", structure(Pattern.parse(text)).shape_class)]
            listed = [p for p in patterns(size) if shape in ("all", structure(p).shape_class)]
            per = f"{each['attempts'].mean():.2f}"
            print(f"| {size} | {shape} | {len(ids)} | {' | '.join(cells)} | {per} | {len(fits)} of {len(listed)} |")


if __name__ == "__main__":
    main()
