"""Curves: each point leads to exactly the completions that its value is computed from."""

import json
import re
import shutil
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest

from ramify import Run
from ramify.explore.completions import rows_of, search
from ramify.explore.filters import Filters
from ramify.explore.panels import panels
from ramify.explore.source import Source
from ramify.schemas import ESTIMATES, ROLLOUTS
from ramify.tables import write_table


def points(source: Source, metric: str, by: str, seeds: str = "pooled") -> list[tuple[float, pl.DataFrame]]:
    """The value of every point, and the completions that it leads to."""
    found = []
    for _, svg, _ in panels(source, list(source.runs), metric, "", by, [], seeds):
        for address, title in re.findall(r'<a href="([^"]+)" aria-label="([^"]+)"', svg):
            value = float(re.search(r": ([\d.]+)", title)[1])
            matches = search(source, Filters.read(dict(parse_qsl(urlsplit(unescape(address)).query))))
            found.append((value, rows_of(source, matches, 0, len(matches.found))))
    return found


@pytest.mark.parametrize("metric", ["mean@4", "greedy"])
@pytest.mark.parametrize("by", ["all", "n", "n,shape_class", "n,depth", "pattern"])
def test_a_point_has_the_success_of_its_completions(known_run_once: Run, metric: str, by: str) -> None:
    there = points(Source([known_run_once]), metric, by)
    assert len(there) >= 6
    for value, rows in there:
        assert value == pytest.approx(100 * (rows["verdict"] == "correct").mean(), abs=0.05)


def test_a_point_of_a_tried_pattern_leads_to_the_completions_that_try_it(known_run_once: Run) -> None:
    source = Source([known_run_once])
    there = points(source, "attempt rate", "pattern")
    tried = [(value, rows) for value, rows in there if value > 0]
    assert tried
    attempts = known_run_once.attempts().collect()
    for _, rows in tried:
        mine = attempts.join(rows, on=["set", "step", "puzzle_id", "sample"], how="semi")
        shared = mine.group_by("set", "step", "puzzle_id", "sample").agg(pl.col("pattern").unique())["pattern"]
        assert set.intersection(*map(set, shared))


def test_all_seeds_lead_to_the_base_that_one_of_them_sampled(known_run: Run) -> None:
    config = known_run.config | {"seeds": [1, 2]}
    config["sample"] |= {"base_samples": 4}
    known_run.config_file.write_text(json.dumps({"digest": "", "config": config}))
    run = Run(known_run.path)
    shutil.copytree(run.seed_folder(1), run.seed_folder(2))
    for file in run.seed_folder(2).glob("completions/*/*0.parquet"):
        file.unlink()
    assert {step for _, step in run.sampled(2)} == {4}
    estimates = run.estimates()
    both = pl.concat([estimates, estimates.with_columns(seed=pl.lit(2, pl.Int32))])
    write_table(both.select(list(ESTIMATES)), run.estimates_file, ESTIMATES)
    there = points(Source([run]), "mean@4", "all", "each")
    assert [value for value, _ in there].count(0) == 8  # four sets of two seeds
    for value, rows in there:
        assert value == pytest.approx(100 * (rows["verdict"] == "correct").mean(), abs=0.05)


def test_a_checkpoint_without_an_estimate_of_all_seeds_shows_each_seed(known_run: Run) -> None:
    source = Source([known_run])
    (name,) = source.runs
    first = panels(source, [name], "mean@4", "test", "all", [], "pooled")
    shutil.copy(known_run.completions_file(1, "test", 4), known_run.completions_file(1, "test", 8))
    ((_, svg, legend),) = panels(Source([known_run]), [name], "mean@4", "test", "all", [], "pooled")
    assert len(first) == 1 and "step 8" not in first[0][1]
    assert "seed 1, step 8" in svg and [label for label, _ in legend] == ["seed 1"]


def test_runs_with_other_numbers_of_samples_are_laid_over_each_other(known_run_once: Run, known_run: Run) -> None:
    estimates = known_run.estimates().with_columns(pl.col("metric").str.replace("^mean@4", "mean@8"))
    write_table(estimates, known_run.estimates_file, ESTIMATES)
    names = [run.path.name for run in (known_run_once, known_run)]
    found = panels(Source([known_run_once, known_run]), names, "mean@4", "test", "all", [], "pooled")
    assert [label for label, _ in found[0][2]] == [f"{names[0]}, seed 1", f"{names[1]}, seed 1, mean@8"]


def test_a_share_without_signal_leads_to_the_steps_since_the_checkpoint_before(known_run: Run) -> None:
    puzzle = known_run.puzzles("train").row(0, named=True)
    for step in (1, 2, 3, 4):
        rows = [(puzzle["puzzle_id"], puzzle["pattern"], "1+1=2", 0.0)]
        write_table(pl.DataFrame(rows, schema=ROLLOUTS, orient="row"), known_run.rollouts_file(1, step), ROLLOUTS)
    matches = search(Source([known_run]), Filters(set="train", since=2, step=4))
    assert sorted(part.step for part in matches.parts) == [3, 4]
