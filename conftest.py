"""The run of the examples in the docstrings of `Run`."""

import json
from pathlib import Path

import pytest

LEFT, RIGHT = ((3, 7, 8), 29), ((24, 7, 3), 6)
WRITTEN = {
    (LEFT, 0): "8-7=1, 8+7*3=29\n<answer>3*8+7</answer>",
    (LEFT, 20): "3*7+8=29\n<answer>3*7+8</answer>",
    (RIGHT, 0): "<answer>24-7-3</answer>",
    (RIGHT, 20): "24-7-3=14\n<answer>24/7-3</answer>",
}
"""The text of both samples of a puzzle at a step."""


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/mine: two puzzles at two steps, the first of which is learned."""
    from ramify.adapters.foreign import import_run
    from ramify.adapters.import_settings import ImportConfig
    from ramify.report.page import write_report
    from ramify.stages.score import score

    folder = tmp_path_factory.mktemp("examples")
    rows = [
        {"nums": numbers, "target": target, "step": step, "completion": text}
        for ((numbers, target), step), text in WRITTEN.items()
        for _ in range(2)
    ]
    (folder / "logs").mkdir()
    (folder / "logs" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ImportConfig.check({"training": False})
    run = import_run([folder / "logs"], "mine", folder / "runs", settings, silent).run
    score(run, silent)
    write_report(run)
    return folder


@pytest.fixture(autouse=True)
def _in_the_folder_of_examples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the examples of the module need the folder, which takes seconds."""
    if request.node.name.startswith("ramify.run."):
        monkeypatch.chdir(request.getfixturevalue("examples_folder"))
