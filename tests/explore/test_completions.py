"""The search for completions: conditions, order, pages, files, and what is not scored yet."""

import shutil
from collections.abc import Iterable

import polars as pl
import pytest

from ramify import Run
from ramify.errors import RunError
from ramify.explore.completions import export, page_of, rows_of, search
from ramify.explore.filters import Filters
from ramify.explore.source import Source
from ramify.schemas import ROLLOUTS
from ramify.tables import write_table


def found(run: Run, **values: str) -> pl.DataFrame:
    source = Source([run])
    matches = search(source, Filters.read(values))
    return rows_of(source, matches, 0, len(matches.found))


def texts(frames: Iterable[pl.DataFrame]) -> list[str]:
    return [text for frame in frames for text in frame["text"]]


def test_every_completion_is_found_once_without_conditions(known_run_once: Run) -> None:
    everything = known_run_once.completions().collect()
    rows = found(known_run_once)
    keys = ["seed", "set", "step", "puzzle_id", "sample"]
    assert len(rows) == len(everything)
    assert rows.select(keys).sort(keys).equals(everything.select(keys).sort(keys))


@pytest.mark.parametrize(
    ("values", "test"),
    [
        ({"step": "4", "wrong": "yes"}, (pl.col("step") == 4) & ~pl.col("correct")),
        ({"wrong": "no"}, pl.col("correct")),
        ({"n": "3", "set": "test"}, (pl.col("n") == 3) & (pl.col("set") == "test")),
        ({"shape_class": "right-heavy"}, pl.col("shape_class") == "right-heavy"),
        ({"pattern": "A+B"}, pl.col("pattern") == "A+B"),
        ({"greedy": "yes"}, pl.col("greedy")),
        ({"hit": "yes"}, pl.col("hit")),
        ({"verdict": "wrong numbers"}, pl.col("verdict") == "wrong numbers"),
        ({"text": "<SCRIPT>"}, pl.col("text").str.contains("<script>", literal=True)),
    ],
)
def test_a_condition_keeps_what_the_frame_of_samples_keeps(
    known_run_once: Run, values: dict[str, str], test: pl.Expr
) -> None:
    wanted = known_run_once.completions().filter(test).collect()
    keys = ["set", "step", "puzzle_id", "sample"]
    rows = found(known_run_once, **values)
    assert 0 < len(wanted) < len(known_run_once.completions().collect())
    assert rows.select(keys).sort(keys).equals(wanted.select(keys).sort(keys))


def test_uses_and_miscalculated_follow_the_attempts(known_run_once: Run) -> None:
    attempts = known_run_once.attempts().collect()
    used = attempts["pattern"].drop_nulls()[0]
    keys = ["set", "step", "puzzle_id", "sample"]
    for values, test in (
        ({"uses": used}, pl.col("pattern") == used),
        ({"miscalculated": "yes"}, pl.col("miscalculated")),
    ):
        wanted = attempts.filter(test).select(keys).unique().sort(keys)
        assert len(wanted) and found(known_run_once, **values).select(keys).sort(keys).equals(wanted)


def test_sorting_orders_all_pages(known_run_once: Run) -> None:
    rows = found(known_run_once, sort="-tokens")
    assert rows["tokens"].to_list() == sorted(rows["tokens"], reverse=True)
    assert found(known_run_once, sort="n")["n"].is_sorted()


def test_pages_follow_each_other(known_run_once: Run) -> None:
    source = Source([known_run_once])
    matches = search(source, Filters())
    pages = [page_of(source, matches, number, 7) for number in (1, 2, 3)]
    assert pl.concat(pages).equals(rows_of(source, matches, 0, 21))
    assert page_of(source, matches, 10**6).is_empty()
    assert texts(export(source, matches, chunk=11)) == texts([rows_of(source, matches, 0, len(matches.found))])


def test_completions_that_are_not_scored_are_graded_in_memory(known_run: Run) -> None:
    keys = ["set", "step", "puzzle_id", "sample"]
    before = found(known_run).sort(keys)
    for kind in ("grades", "attempts"):
        shutil.rmtree(known_run.seed_folder(1) / kind)
    files = {path: path.stat().st_mtime_ns for path in known_run.path.rglob("*")}
    assert found(known_run).sort(keys).equals(before)
    assert {path: path.stat().st_mtime_ns for path in known_run.path.rglob("*")} == files, "the run was written to"


def test_training_completions_are_the_set_train(known_run: Run) -> None:
    puzzle = known_run.puzzles("train").row(0, named=True)
    rows = [(puzzle["puzzle_id"], puzzle["pattern"], text, 0.0) for text in ("1+1=2", "no idea")]
    write_table(pl.DataFrame(rows, schema=ROLLOUTS, orient="row"), known_run.rollouts_file(1, 3), ROLLOUTS)
    there = found(known_run, set="train")
    assert there["text"].to_list() == ["1+1=2", "no idea"] and there["sample"].to_list() == [0, 1]
    assert "train" not in found(known_run)["set"].to_list()


def test_a_damaged_table_is_named_and_the_rest_is_found(known_run: Run) -> None:
    file = known_run.completions_file(1, "test", 4)
    file.write_bytes(file.read_bytes()[:-20])
    source = Source([known_run])
    matches = search(source, Filters())
    assert [part.set for part, _ in matches.unread] == ["test"] and "damaged" in matches.unread[0][1]
    assert len(matches.found) > 0


def test_a_changed_table_is_read_again(known_run: Run) -> None:
    source = Source([known_run])
    before, version = len(search(source, Filters()).found), source.version()
    known_run.completions_file(1, "test", 4).unlink()
    assert source.version() != version
    assert len(search(source, Filters()).found) < before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": "x"}, "step = x: not a number"),
        ({"sort": "text"}, "sort = text"),
        ({"wrong": "maybe"}, "wrong = maybe"),
    ],
)
def test_a_bad_condition_is_one_sentence(values: dict[str, str], message: str) -> None:
    with pytest.raises(RunError, match=message):
        Filters.read(values)


def test_runs_of_one_name_are_told_apart(known_run_once: Run, known_run: Run) -> None:
    copy = Run(shutil.copytree(known_run.path, known_run.path.parent / "again" / known_run_once.path.name))
    assert list(Source([known_run_once, copy]).runs) == [known_run_once.path.name, f"{known_run_once.path.name}-2"]
