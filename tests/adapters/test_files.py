"""Reading data that others wrote."""

import json
from pathlib import Path

import polars as pl
import pytest

from ramify.adapters.files import files_in
from ramify.adapters.parsed_rows import RowReader
from ramify.adapters.row_files import each_text, read_rows
from ramify.errors import RunError


def test_countdown_tasks(tmp_path: Path) -> None:
    pl.DataFrame({"target": [98, 64], "nums": [[44, 19, 35], [63, 95, 96]]}).write_parquet(tmp_path / "train.parquet")
    rows = read_rows(tmp_path / "train.parquet")
    assert [puzzle.id for puzzle in rows.puzzles] == ["19,35,44=98", "63,95,96=64"]


def test_the_papers_parquet_for_verl(tmp_path: Path) -> None:
    row = {
        "data_source": "countdown",
        "prompt": [{"role": "user", "content": "…"}],
        "reward_model": {"style": "rule", "ground_truth": 29},
        "extra_info": {"numbers": [3, 7, 8], "canonical_pattern": "A*B+C", "canonical_pattern_index": 3},
    }
    pl.DataFrame([row]).write_parquet(tmp_path / "test.parquet")
    (puzzle,) = read_rows(tmp_path / "test.parquet").puzzles
    assert (puzzle.id, str(puzzle.pattern)) == ("3,7,8=29", "A*B+C")


def test_tinyzeros_parquet_for_verl(tmp_path: Path) -> None:
    row = {"reward_model": {"ground_truth": {"numbers": [3, 7, 8], "target": 29}}}
    pl.DataFrame([row]).write_parquet(tmp_path / "train.parquet")
    assert read_rows(tmp_path / "train.parquet").puzzles[0].id == "3,7,8=29"


def test_the_papers_outputs(tmp_path: Path) -> None:
    entry = {"nums": [3, 7, 8], "target": 29, "canonical_pattern": "A*B+C", "outputs": ["<answer>3*7+8</answer>", "?"]}
    (tmp_path / "out.json").write_text(json.dumps([entry]))
    rows = read_rows(tmp_path / "out.json", texts=True)
    assert [(puzzle.id, text) for puzzle, text, _ in each_text(rows)] == [
        ("3,7,8=29", text) for text in entry["outputs"]
    ]


def test_our_own_completions_know_their_puzzle_by_its_id(tmp_path: Path) -> None:
    pl.DataFrame({"puzzle_id": ["3,7,8=29"], "sample": [0], "text": ["3*7"]}).write_parquet(tmp_path / "step.parquet")
    assert [(p.numbers, p.target, t) for p, t, _ in each_text(read_rows(tmp_path / "step.parquet", texts=True))] == [
        ((3, 7, 8), 29, "3*7")
    ]


def test_lines_csv_chats_and_named_columns(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_text(json.dumps({"x": {"n": "[3, 7, 8]"}, "t": "29", "said": [{"role": "assistant", "content": "hm"}]}))
    rows = read_rows(lines, RowReader({"numbers": "x.n", "target": "t", "text": "said"}), texts=True)
    assert (rows.puzzles[0].id, rows.texts) == ("3,7,8=29", [["hm"]])
    (tmp_path / "b.csv").write_text('nums,target\n"[3, 7, 8]",29\n')
    assert read_rows(tmp_path / "b.csv").puzzles[0].id == "3,7,8=29"
    assert list(files_in(tmp_path)) == ["a", "b"]


def test_rows_that_cannot_be_read_are_named_and_kept_aside(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    good = {"nums": [3, 7, 8], "target": 29}
    bad = [
        {"nums": "three", "target": 29},
        {"nums": [3, None], "target": 29},
        {"nums": [3], "target": 2.5},
        {"nums": []},
    ]
    file.write_text("\n".join(json.dumps(row) for row in [good, *bad, good]))
    rows = read_rows(file)
    assert len(rows.puzzles) == 2
    assert [line.split(":")[0] for line in rows.unread] == ["row 2", "row 3", "row 4", "row 5"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{", "cannot be read as json"),
        ("a.parquet", "PAR", "cannot be read as parquet"),
        ("a.jsonl", '{"a": 1}', "no numbers and no target"),
        ("a.json", "[" * 100_000, "cannot be read"),
    ],
)
def test_files_that_cannot_be_read_are_one_sentence(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RunError, match=words):
        read_rows(tmp_path / name)


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    assert read_rows(tmp_path / "a.jsonl") == ([], [], [], [])


def test_folders_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "seed-1"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"nums": [3, 7, 8], "target": 29}')
    assert list(files_in(tmp_path)) == ["seed-1/train"]


def test_a_folder_without_data(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no data there"):
        files_in(tmp_path)
