"""The shapes in which people keep completions: each is read without an option, with its puzzle, answers, step, ends."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ramify.adapters.dumps import FolderContents, read_folder, settle_last
from ramify.adapters.import_settings import ImportConfig

ASKED = "Using the numbers [8, 3, 7], create an equation that equals 29. Answer in <answer> tags."
RIGHT, WRONG = "so <answer>3*7+8</answer>", "hm <answer>3+7+8</answer>"
PUZZLE = {"nums": [8, 3, 7], "target": 29}
CHAT = [{"role": "user", "content": ASKED}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def put_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["nums", "target", "response", "step", "truncated"])
        writer.writerow(["[8, 3, 7]", "29", RIGHT, "50", "False"])
        writer.writerow(["[8, 3, 7]", "29.0", WRONG, "50", "True"])


def put_dataset(path: Path) -> None:
    from datasets import Dataset

    rows = [{**PUZZLE, "response": text, "global_step": 50} for text in (RIGHT, WRONG)]
    Dataset.from_list(rows).save_to_disk(path / "saved")


def put_gz(path: Path) -> None:
    with gzip.open(path / "all.jsonl.gz", "wt") as file:
        file.write(lines([{**PUZZLE, "completion": text, "step": 50} for text in (RIGHT, WRONG)]))


def rows_of(make: Callable[[str], dict[str, Any]], name: str = "all.jsonl") -> Callable[[Path], None]:
    return lambda folder: put(folder / name, lines([make(RIGHT), make(WRONG)]))


def document(name: str, value: Any) -> Callable[[Path], None]:
    return lambda folder: put(folder / name, json.dumps(value))


CHOICES = [
    {"index": 0, "message": {"role": "assistant", "content": RIGHT}, "finish_reason": "stop"},
    {"index": 1, "message": {"role": "assistant", "content": WRONG}, "finish_reason": "length"},
]
SHAPES: dict[str, tuple[Callable[[Path], None], int]] = {
    "parquet of Countdown-Tasks with responses": (
        lambda at: pl.DataFrame([{**PUZZLE, "response": text, "step": 50} for text in (RIGHT, WRONG)]).write_parquet(
            at / "all.parquet"
        ),
        50,
    ),
    "JSON lines": (rows_of(lambda text: {"numbers": [3, 7, 8], "target": 29, "completion": text, "step": 50}), 50),
    "CSV": (lambda at: put_csv(at / "all.csv"), 50),
    "names in camel case": (
        rows_of(lambda text: {"inputNumbers": [3, 7, 8], "targetNumber": 29, "modelOutput": text, "globalStep": 50}),
        50,
    ),
    "a question": (rows_of(lambda text: {"question": ASKED, "response": text, "step": 50}), 50),
    "the words of reasoning-gym": (
        rows_of(
            lambda text: {
                "question": "Calculate 29 using all of these numbers: 8, 3, 7.\nEach number",
                "response": text,
            }
        ),
        0,
    ),
    "messages": (rows_of(lambda text: {"messages": [*CHAT, *said(text)], "step": 50}), 50),
    "chat prompt and chat completion": (
        rows_of(lambda text: {"prompt": CHAT, "completion": said(text), "step": 50}),
        50,
    ),
    "conversations of ShareGPT": (
        rows_of(lambda text: {"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": text}]}),
        0,
    ),
    "choices of a served model": (document("all.jsonl", {"prompt": ASKED, "choices": CHOICES}), 0),
    "an answer of a server, kept whole": (
        document("all.json", [{"request": {"messages": CHAT}, "response": {"id": "x", "choices": CHOICES}}]),
        0,
    ),
    "outputs of vLLM": (
        document(
            "step_50.json",
            [{"prompt": ASKED, "outputs": [{"text": RIGHT, "finish_reason": "stop"}, {"text": WRONG}]}],
        ),
        50,
    ),
    "reasoning kept apart": (
        rows_of(lambda text: {**PUZZLE, "reasoning_content": "3*7=21", "content": text, "step": 50}),
        50,
    ),
    "JSON lines, compressed": (put_gz, 50),
    "a data set saved to disk": (put_dataset, 50),
    "a table of W&B": (
        document(
            "media/table/completions_50_ab12.table.json",
            {"columns": ["prompt", "completion"], "data": [[ASKED, RIGHT], [ASKED, WRONG]], "ncols": 2, "nrows": 2},
        ),
        50,
    ),
    "columns": (
        document("all.json", {"nums": [[3, 7, 8]] * 2, "target": [29] * 2, "output": [RIGHT, WRONG], "step": [50] * 2}),
        50,
    ),
    "rows in an object": (
        document("all.json", {"model": "m", "step": 50, "results": [{**PUZZLE, "responses": [RIGHT, WRONG]}]}),
        50,
    ),
    "steps that are names": (rows_of(lambda text: {**PUZZLE, "completion": text, "checkpoint": "step-50"}), 50),
    "folders called ckpt50": (rows_of(lambda text: {**PUZZLE, "completion": text}, "ckpt50/out.jsonl"), 50),
    "files called final": (rows_of(lambda text: {**PUZZLE, "completion": text}, "final.jsonl"), 1),
    "episodes of nano-aha-moment": (
        document(
            "episodes/eps_000050.json",
            [{"query": ASKED, "response": text, "reward": 1.0} for text in (RIGHT, WRONG)],
        ),
        50,
    ),
    "results of verifiers": (
        rows_of(
            lambda text: {
                "example_id": 0,
                "prompt": CHAT,
                "completion": said(text),
                "answer": "",
                "task": "countdown",
                "info": {"numbers": [3, 7, 8], "target": 29},
                "reward": 1.0,
            },
            "results.jsonl",
        ),
        0,
    ),
    "samples of lm-eval, arguments in a list": (
        document(
            "samples_countdown.jsonl",
            {
                "doc_id": 0,
                "doc": {},
                "target": "3*7+8",
                "arguments": [[ASKED, {"until": []}]],
                "resps": [[RIGHT, WRONG]],
            },
        ),
        0,
    ),
    "results of reasoning-gym": (
        document(
            "games/countdown.json",
            {
                "name": "countdown",
                "category": "games",
                "results": [
                    {
                        "question": "Find a way to make 29 using all of these numbers: 8, 3, 7.\nEach number",
                        "expected_answer": "3*7 + 8",
                        "best_full_model_response": RIGHT,
                        "completions": [
                            {"model_answer": "3*7+8", "full_model_response": text, "score": 1.0}
                            for text in (RIGHT, WRONG)
                        ],
                        "metadata": {"numbers": [8, 3, 7], "target": 29, "expression": "3*7 + 8"},
                    }
                ],
            },
        ),
        0,
    ),
    "dumps of verl before it had gts": (
        rows_of(lambda text: {"input": ASKED, "output": text, "score": 1.0, "step": 50}, "rollouts/50.jsonl"),
        50,
    ),
    "data of TinyZero with responses": (
        lambda at: pl.DataFrame(
            [
                {
                    "data_source": "countdown",
                    "prompt": CHAT,
                    "reward_model": {"style": "rule", "ground_truth": {"target": 29, "numbers": [8, 3, 7]}},
                    "extra_info": {"split": "test", "index": 0},
                    "responses": [RIGHT, WRONG],
                }
            ]
        ).write_parquet(at / "test.parquet"),
        0,
    ),
    "ground truth in a text": (
        rows_of(lambda text: {"ground_truth": json.dumps(PUZZLE), "prediction": text, "iteration": 50}, "a.ndjson"),
        50,
    ),
}


def read(folder: Path, **settings: Any) -> FolderContents:
    found = read_folder(folder, ImportConfig.check(settings))
    settle_last([found])
    return found


def frame_of(found: FolderContents) -> pl.DataFrame:
    return pl.concat([frame for frames in found.rows.values() for frame in frames])


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_read_without_an_option(tmp_path: Path, name: str) -> None:
    make, step = SHAPES[name]
    (tmp_path / "in").mkdir()
    make(tmp_path / "in")
    found = read(tmp_path / "in")
    frame = frame_of(found)
    assert not found.unread
    assert frame["puzzle_id"].to_list() == ["3,7,8=29"] * 2
    assert [text.rpartition("</think>\n")[2] for text in frame["text"]] == [RIGHT, WRONG]
    assert frame["step"].unique().to_list() == [step]


def test_there_are_enough_shapes() -> None:
    assert len(SHAPES) >= 24


def test_ends_and_reasoning(tmp_path: Path) -> None:
    for name in ("choices of a served model", "CSV"):
        (tmp_path / name).mkdir()
        SHAPES[name][0](tmp_path / name)
        assert frame_of(read(tmp_path / name))["truncated"].to_list() == [False, True]
    (tmp_path / "r").mkdir()
    SHAPES["reasoning kept apart"][0](tmp_path / "r")
    assert frame_of(read(tmp_path / "r"))["text"][0] == f"<think>\n3*7=21\n</think>\n{RIGHT}"


@pytest.mark.parametrize(
    ("row", "cut"),
    [
        ({"finish_reason": "length"}, True),
        ({"finishReason": "MAX_TOKENS"}, True),
        ({"stop_reason": "max_tokens"}, True),
        ({"finish_reason": "stop", "is_truncated": True}, True),
        ({"truncated": False, "finish_reason": "length"}, True),
        ({"stop_reason": "end_turn"}, False),
        ({"finish_reason": None, "truncated": "false"}, False),
    ],
)
def test_how_completions_ended(tmp_path: Path, row: dict[str, Any], cut: bool) -> None:
    put(tmp_path / "a.jsonl", lines([{**PUZZLE, "completion": "x", "step": 1, **row}]))
    assert frame_of(read(tmp_path))["truncated"].to_list() == [cut]


def test_steps_base_and_final(tmp_path: Path) -> None:
    row = {**PUZZLE, "completion": "x"}
    for name in ("base", "ckpt50", "final"):
        put(tmp_path / f"{name}.jsonl", lines([row]))
    found = read(tmp_path)
    assert sorted(frame_of(found)["step"]) == [0, 50, 51]
    assert {own for _, own in found.rows} == {"test"}
    assert found.notes == ["`final` is assigned step 51; --step N sets another"]
    assert set(frame_of(read(tmp_path, step="7"))["step"]) == {7}


def test_rows_without_a_step_beside_others(tmp_path: Path) -> None:
    row = {**PUZZLE, "completion": "x"}
    put(tmp_path / "a.jsonl", lines([row]))
    assert read(tmp_path).notes == [
        "no step found: all completions are assigned to one checkpoint, step 0; --step N sets another"
    ]
    put(tmp_path / "b.jsonl", lines([{**row, "step": 3}]))
    found = read(tmp_path)
    assert (frame_of(found)["step"].to_list(), len(found.unread)) == ([3], 1)


def test_named_columns(tmp_path: Path) -> None:
    row = {"x": {"y": [3, 7, 8]}, "ziel": 29, "said": "3*7+8", "frage": ASKED, "paid": {"total": 0.5}}
    put(tmp_path / "a.jsonl", lines([row]))
    named = {"numbers": "x.y", "target": "ziel", "text": "said", "reward": "paid.total"}
    assert frame_of(read(tmp_path, fields=named)).row(0) == ("3,7,8=29", 0, "3*7+8", False, 0.5)
    assert frame_of(read(tmp_path, prompt="frage", text="said"))["puzzle_id"].to_list() == ["3,7,8=29"]


def test_answers_behind_words(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", lines([{**PUZZLE, "completion": "Answer: 1+1\nno, Answer: 3*7+8\nDone."}]))
    text = frame_of(read(tmp_path, answer_pattern="Answer: *(.+)"))["text"][0]
    assert text == "Answer: 1+1\nno, Answer: <answer>3*7+8</answer>\nDone."
