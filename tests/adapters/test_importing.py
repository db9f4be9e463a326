"""What an import decides and says: where completions come from, what is skipped, what would help."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ramify import ConfigError, RunError
from ramify.adapters.completions import last_reply
from ramify.adapters.dumps import FolderContents, read_folder
from ramify.adapters.files import list_files, rows_of_document
from ramify.adapters.formats import find_format
from ramify.adapters.import_settings import ImportConfig
from ramify.adapters.parsed_rows import RowReader
from ramify.adapters.puzzles import load_sets
from ramify.adapters.row_files import each_text, read_rows
from ramify.adapters.trl import countdown_reward
from ramify.cli import app

GOLDEN = Path(__file__).parents[1] / "golden"
EXAMPLES = int(os.environ.get("RAMIFY_EXAMPLES", "200"))
WORDS = "Using the numbers [{}, 30, 40], create an equation that equals 7"


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(folder: Path, **settings: Any) -> FolderContents:
    return read_folder(folder, ImportConfig.check(settings))


def dump(folder: Path, recurring: bool, **more: Any) -> None:
    """Three steps of an old verl, each with twelve puzzles."""
    for step in (0, 50, 100):
        first = 1 if recurring else 1 + step
        rows = [
            {"input": WORDS.format(first + n), "output": "x", "score": 0.0, "step": step, **more} for n in range(12)
        ]
        lines(folder / f"{step}.jsonl", rows)


@pytest.mark.parametrize(
    ("name", "recurring", "more", "trains", "doubt"),
    [
        ("rollouts", False, {}, True, None),
        ("validation", True, {"reward": 0.0}, False, None),
        ("dumps", False, {}, True, None),
        ("dumps", True, {"reward": 0.0}, False, None),
        ("dumps", True, {}, False, "the same puzzles are asked at every step, though its rows have no `reward`"),
        ("val_generations", True, {}, False, "though its rows have no `reward`"),
        ("dumps", False, {"reward": 0.0}, False, "though every step asks other puzzles; --training overrides this"),
        ("rollout_data", False, {"reward": 0.0}, True, "though its rows have `reward`; --evaluation overrides this"),
    ],
)
def test_where_dumps_of_verl_come_from(
    tmp_path: Path, name: str, recurring: bool, more: dict[str, Any], trains: bool, doubt: str | None
) -> None:
    dump(tmp_path / "in" / name, recurring, **more)
    found = read(tmp_path / "in")
    assert found.format.name == "verl"
    assert {key for key, _ in found.rows} == {trains}
    assert [note for note in found.notes if doubt is None or doubt not in note] == []
    assert (doubt is None) == (not found.notes)
    assert {key for key, _ in read(tmp_path / "in", training=not trains).rows} == {not trains}


def test_training_in_a_table_is_suspected(tmp_path: Path) -> None:
    rows = [
        {"nums": [step + n, 30, 40], "target": 7, "completion": "x", "step": step}
        for step in (0, 50, 100)
        for n in range(12)
    ]
    lines(tmp_path / "a.jsonl", rows)
    assert read(tmp_path).notes == [
        "steps have different puzzles, as in training; --training declares them training completions"
    ]


def test_logs_of_inspect_as_it_writes_them(tmp_path: Path) -> None:
    found = read(GOLDEN / "evals" / "countdown.eval")
    ((key, (frame,)),) = found.rows.items()
    assert (found.format.name, key, frame.height, frame["step"].unique().to_list()) == (
        "inspect",
        (False, "countdown"),
        6,
        [50],
    )
    assert frame["truncated"].sum() == 1
    assert frame["text"].str.contains("<answer>3*7+8</answer>", literal=True).sum() == 1
    assert [row["reason"] for row in found.unread] == ["the sample errored: ValueError('the server went away')"] * 2
    whole = (GOLDEN / "evals" / "countdown.eval").read_bytes()
    for number, damaged in enumerate([whole[:3000], whole[:-30], b"PK\x05\x06" + bytes(18), b"no"]):
        (tmp_path / f"{number}.eval").write_bytes(damaged)
        with pytest.raises(RunError):
            read(tmp_path / f"{number}.eval")
    at = whole.index(b"samples/1_epoch_1.json") + 300
    (tmp_path / "bit.eval").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    bad = read(tmp_path / "bit.eval").unread
    assert len(bad) == 3
    assert bad[0]["error"].startswith("not a sample: samples/1_epoch_1.json")


def test_attachments_of_inspect(tmp_path: Path) -> None:
    choice = {"message": {"role": "assistant", "content": "attachment://ab"}, "stop_reason": "stop"}
    sample = {"id": 1, "metadata": {"numbers": [3, 7, 8], "target": 29}, "attachments": {"ab": "3*7+8"}}
    log = {"version": 2, "eval": {}, "samples": [{**sample, "output": {"choices": [choice, choice]}}]}
    (tmp_path / "log.json").write_text(json.dumps(log))
    ((_, (frame,)),) = read(tmp_path).rows.items()
    assert frame["text"].to_list() == ["3*7+8"] * 2


def test_what_is_no_file_is_skipped(tmp_path: Path) -> None:
    row = {"nums": [3, 7, 8], "target": 29, "completion": "x", "step": 1}
    lines(tmp_path / "a.jsonl", [row])
    lines(tmp_path / "folder.jsonl" / "b.jsonl", [row])
    os.mkfifo(tmp_path / "pipe.parquet")
    os.mkfifo(tmp_path / "7.jsonl")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    (tmp_path / "null.json").symlink_to("/dev/null")
    found = read(tmp_path)
    assert found.files == 1
    assert sorted(found.skipped) == [
        "7.jsonl: a FIFO",
        "folder.jsonl: a folder with the name of a data file",
        "gone.csv: a link to nothing",
        "null.json: a device",
        "pipe.parquet: a FIFO",
    ]
    for path, reason in ((tmp_path / "7.jsonl", "a FIFO, not a file"), (Path("/dev/null"), "a device, not a file")):
        with pytest.raises(RunError, match=reason):
            list_files(path)
    assert (
        "skipped 7.jsonl: a FIFO"
        in CliRunner().invoke(app, ["import", str(tmp_path), "--root", str(tmp_path / "r")]).output
    )


@pytest.mark.parametrize(
    "row",
    [
        {"frage": "?", "zahlen": [3, 7, 8], "ergebnis": 29, "gesagt": "<answer>3*7+8</answer>"},
        {"id": 7, "p": {"cards": "3 7 8", "goal": "29"}, "seed": 3, "said by it": "<answer>3*7+8</answer>"},
        {
            "aufgabe": "Using the numbers [3, 7, 8], create an equation that equals 29",
            "response": "<answer>3*7+8</answer>",
        },
        {"prompt": "Please make 29 out of the numbers 3, 7, 8.", "response": "<answer>3*7+8</answer>"},
        {"my prompt": "Calculate 29 using the numbers 3, 7, 8.", "output": "<answer>3*7+8</answer>"},
        {"nums": [3, 7, 8], "target": 29, "gesagt": [{"role": "assistant", "content": "<answer>3*7+8</answer>"}]},
    ],
)
def test_the_command_of_an_error_reads_the_file(
    tmp_path: Path, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "my data.jsonl", [row] * 2)
    for verb in ("import", "regrade"):
        failed = CliRunner().invoke(app, [verb, "my data.jsonl"], standalone_mode=False)
        said = str(failed.exception)
        assert isinstance(failed.exception, RunError)
        assert said.count("my data.jsonl") == 2  # once as the file, once in the command
        assert "its columns are " + ", ".join(row) in said
        command = shlex.split(said.rpartition("this reads it: ramify ")[2])
        assert command[0] == verb
        done = CliRunner().invoke(app, [*command[:1], *command[1:]], standalone_mode=False)
        assert done.exception is None, done.output
        assert "2 completion" in done.output


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"nums": [3, 7, 8], "target": 29, "n": 1}, "none of its columns can be a completion: add one, `completion`"),
        (
            {"response": "x", "n": 1},
            r"none of its columns has a puzzle: add `numbers` \(a list of integers\) and `target`",
        ),
    ],
)
def test_no_option_is_advised_that_cannot_help(tmp_path: Path, row: dict[str, Any], words: str) -> None:
    lines(tmp_path / "a.jsonl", [row])
    with pytest.raises(RunError, match=words) as caught:
        read(tmp_path)
    assert "--" not in str(caught.value)
    assert str(caught.value).count("a.jsonl") == 1
    assert json.dumps(row)[:-1] in str(caught.value)


def test_messages_without_an_answer_end_no_training() -> None:
    tool = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    parts = [{"type": "text", "text": "<answer>3*7"}, {"type": "image"}, {"type": "text", "text": "+8</answer>"}]
    said: list[Any] = [
        [],
        [{}],
        [{"role": "assistant"}],
        [tool],
        [{"role": "assistant", "content": []}],
        [{"role": "assistant", "content": 5}],
        [{"role": "tool", "content": "<answer>3*7+8</answer>"}],
        [None],
        None,
        "",
        [{"role": "assistant", "content": parts}],
        [tool, {"role": "tool", "content": "1"}, {"role": "assistant", "content": "<answer>3*7+8</answer>"}],
    ]
    many = {"numbers": [[3, 7, 8]] * len(said), "target": [29] * len(said)}
    assert countdown_reward(said, **many) == [0.0] * 10 + [1.0, 1.0]


def test_one_reader_for_all_verbs(tmp_path: Path) -> None:
    row = {"question": "Calculate 29 using the numbers 3, 7, 8.", "choices": [{"text": "3*7+8"}, {"text": "8"}]}
    lines(tmp_path / "test.jsonl", [row])
    assert [text for _, text, _ in each_text(read_rows(tmp_path / "test.jsonl", texts=True))] == ["3*7+8", "8"]
    assert [puzzle.id for puzzle in load_sets(str(tmp_path))[0]["test"]] == ["3,7,8=29"]
    assert "1" in CliRunner().invoke(app, ["verify-split", str(tmp_path)]).output
    assert len(read_rows(GOLDEN / "evals" / "countdown.eval", texts=True).puzzles) == 6


def test_columns_that_are_named_stay_in_the_command(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", [{"x": [3, 7, 8], "y": 29, "gesagt": "<answer>3*7+8</answer>", "paid": 1}])
    with pytest.raises(RunError) as caught:
        read(tmp_path, text="typo", fields={"reward": "paid"})
    command = shlex.split(str(caught.value).rpartition("this reads it: ramify import ")[2])[1:]
    assert dict(zip(command[::2], command[1::2], strict=True)) == {
        "--text": "gesagt",
        "--field": "reward=paid",
        "--numbers": "x",
        "--target": "y",
    }


def test_checkpoints_that_are_names(tmp_path: Path) -> None:
    row = {"nums": [3, 7, 8], "target": 29, "completion": "x", "checkpoint": "Qwen/Qwen2.5-3B"}
    lines(tmp_path / "a.jsonl", [row])
    with pytest.raises(RunError, match=r"checkpoint = 'Qwen/Qwen2.5-3B' has no step; set it by --step N"):
        read(tmp_path)
    assert read(tmp_path, step="50").rows
    assert read_rows(tmp_path / "a.jsonl", texts=True).texts == [["x"]]
    (tmp_path / "a.jsonl").rename(tmp_path / "50.jsonl")
    ((_, (frame,)),) = read(tmp_path).rows.items()
    assert frame["step"].to_list() == [50]


def test_any_data_is_a_row_or_a_reason() -> None:
    names = st.sampled_from(["numbers", "target", "gts", "completion", "choices", "messages", "prompt", "step", "role"])
    more = st.sampled_from(["content", "reward_model", "ground_truth", "finish_reason", "reasoning", "set", "", "ключ"])
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
    plain = st.one_of(leaves, st.just("[3, 7, 8]"), st.just('{"numbers": [3, 7], "target": 21}'), st.just("assistant"))
    data = st.recursive(
        plain, lambda x: st.one_of(st.lists(x, max_size=4), st.dictionaries(names | more, x, max_size=5))
    )

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.dictionaries(names | more, data, max_size=8))
    def holds(row: dict[str, Any]) -> None:
        try:
            said = RowReader().read(row)
        except ValueError as error:
            assert 0 < len(str(error)) < 500
        else:
            assert all(isinstance(text, str) for text, _ in said.completions)
            assert len(said.rewards) == len(said.completions)
        assert isinstance(last_reply(row.get("messages")), str)
        assert isinstance(rows_of_document(row), list)

    holds()


def test_where_there_is_no_option_none_is_advised(tmp_path: Path) -> None:
    lines(tmp_path / "test.jsonl", [{"cards": [3, 7, 8], "goal_": 29}])
    with pytest.raises(RunError, match="it is read if cards is called numbers and goal_ is called target") as caught:
        load_sets(str(tmp_path))
    assert "--" not in str(caught.value)


def test_saved_data_sets_keep_their_sets(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    row = {"nums": [3, 7, 8], "target": 29}
    sets = {"train": Dataset.from_list([row]), "test": Dataset.from_list([{**row, "target": 18}])}
    DatasetDict(sets).save_to_disk(tmp_path / "saved")
    found, _ = load_sets(str(tmp_path / "saved"))
    assert {name: [puzzle.id for puzzle in puzzles] for name, puzzles in found.items()} == {
        "train": ["3,7,8=29"],
        "test": ["3,7,8=18"],
    }


@pytest.mark.parametrize("pattern", ["(a", "(?=x)", "(x)\\1", "a*", "x" * 600, "(a{0,1000}){0,1000}b"])
def test_patterns_of_answers_that_cannot_be_used(tmp_path: Path, pattern: str) -> None:
    lines(tmp_path / "a.jsonl", [{"nums": [3, 7, 8], "target": 29, "completion": "x"}])
    with pytest.raises(ConfigError, match="answer_pattern"):
        read(tmp_path, answer_pattern=pattern)


def test_fields_without_a_role(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", [{"nums": [3, 7, 8], "target": 29, "completion": "x"}])
    for field, words in (("numbers", "use ROLE=COLUMN"), ("zahl=x", "there are numbers, target")):
        failed = CliRunner().invoke(app, ["import", str(tmp_path), "--field", field], standalone_mode=False)
        assert words in str(failed.exception)


def test_formats_are_recognised_without_optional_keys(tmp_path: Path) -> None:
    lines(tmp_path / "10.jsonl", [{"input": "", "output": ""}])
    lines(tmp_path / "b" / "results.jsonl", [{"prompt": [], "completion": [], "task": "x"}])
    assert find_format(tmp_path / "10.jsonl").format.name == "verl"
    assert find_format(tmp_path / "b").format.name == "verifiers"
