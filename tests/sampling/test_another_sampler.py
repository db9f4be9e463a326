"""A sampler of another package, as docs/adding-a-sampler.md has it."""

from pathlib import Path

import polars as pl
import pytest

from installed import command, install, python
from ramify import Run

PAGE = "adding-a-sampler.md"
ANSWER = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    assert request["model"] == "my-model" and request["max_new_tokens"] == 1024
    text = f"<answer>{request['seed']}</answer>" if request["temperature"] else "no"
    print(json.dumps({"text": text, "tokens": 3}))
"""


def run(folder: Path, *more: str) -> tuple[int, str]:
    (folder / "answer.py").write_text(ANSWER)
    small = ["task.test={3=4}", "task.length={}", "task.held_out={}", "task.skills={}", "sample.batch_size=4"]
    done = python(folder, *command(PAGE, "ramify run"), *small, *more)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_the_page_adds_a_sampler(tmp_path: Path) -> None:
    code, said = run(install(PAGE, tmp_path))
    assert code == 0, said
    made = Run(tmp_path / "runs" / "asked")
    found = made.completions().collect()
    assert found.filter("greedy")["text"].unique().to_list() == ["no"]
    sampled = found.filter(~pl.col("greedy"))
    assert sampled["text"].n_unique() == len(sampled) == 32  # a seed of its own for each
    assert sampled["tokens"].to_list() == [3] * 32
    file = made.completions_file(1, "test", 0)
    before = file.read_bytes()
    file.unlink()
    assert run(tmp_path)[0] == 0
    assert file.read_bytes() == before


def test_a_program_that_fails_is_one_sentence(tmp_path: Path) -> None:
    code, said = run(install(PAGE, tmp_path), 'sample.command=["false"]')
    assert code == 2
    assert "error: false: 0 of 4 completions" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("raise OSError('no')", "OSError: no"),
        ("ProgramSamplerConfig = int", "is not a ramify.sampling.batches.SamplerConfig"),
    ],
)
def test_a_sampler_that_cannot_be_loaded_is_named(tmp_path: Path, module: str, reason: str) -> None:
    install(PAGE, tmp_path, module)
    code, said = run(tmp_path)
    assert code == 2
    assert "sample.kind = program: my_sampler:ProgramSamplerConfig" in said
    assert reason in said
    assert "Traceback" not in said
    done = python(tmp_path, "-m", "ramify", "run", "sweep", "train.kind=none", "sample.kind=nothing")
    assert "sample.kind = nothing: no such sampler; known: hf, openai, vllm" in done.stderr
