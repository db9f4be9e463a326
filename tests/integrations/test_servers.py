"""`transformers serve` and llama.cpp, Ray with two workers, W&B and trackio without a network: each run for real."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from others import called, tool

from ramify import ConfigError, Puzzle, Run
from ramify.models.checkpoints import model_path
from ramify.models.packaged import gguf_file
from ramify.sampling.hf import HFSamplerConfig
from ramify.sampling.openai import OpenAISamplerConfig
from ramify.tasks.countdown.prompts import PromptConfig

pytestmark = pytest.mark.slow
PUZZLES = [Puzzle((3, 7, 8), 29), Puzzle((12, 5, 30), 47)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The base URL of `transformers serve`, and its name for a model that samples and has a chat template."""
    folder = tmp_path_factory.mktemp("served") / "model"
    shutil.copytree(model_path("bundled"), folder)
    own = json.loads((folder / "generation_config.json").read_text())
    own |= {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    (folder / "generation_config.json").write_text(json.dumps(own))
    (folder / "chat_template.jinja").write_text("{{ messages[-1]['content'] }}")
    program = Path(sys.executable).with_name("transformers")
    with serving(program, "serve", folder, "--device", "cpu", health="health") as url:
        yield url, str(folder)


@pytest.fixture(scope="module")
def llama_cpp() -> Iterator[str]:
    """The base URL of llama-cpp-python's server of SmolLM2; `make .venv-llama/ready` builds it with a compiler."""
    python = tool("llama", "python")
    try:
        file = gguf_file("package:smollm2")
    except ConfigError as error:
        pytest.skip(str(error))
    with serving(python, "-m", "llama_cpp.server", "--model", file, health="v1/models") as url:
        yield url


@contextmanager
def serving(*command: str | Path, health: str) -> Iterator[str]:
    """The base URL of a server while it runs, once it answers at the path `health`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listening = [*map(str, command), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(listening, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{health}", timeout=5)
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, f"{command} ended"
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("chat", [False, True])
def test_llama_cpp_answers_texts_and_messages(llama_cpp: str, chat: bool) -> None:
    config = OpenAISamplerConfig.check({"base_url": llama_cpp, "samples": 3, "max_new_tokens": 24, "concurrency": 1})
    sampler, prompt = config.build("smollm2"), PromptConfig(chat=chat)
    found = sampler.sample(PUZZLES, prompt, False, "a")
    assert [(one.puzzle_id, one.sample) for one in found] == [(p.id, k) for p in PUZZLES for k in range(3)]
    assert len({one.text for one in found}) > 2
    assert all(one.tokens is None or 0 < one.tokens <= 24 for one in found)
    greedy = [[one.text for one in sampler.sample(PUZZLES, prompt, True, name)] for name in ("a", "b")]
    assert greedy[0] == greedy[1]


@pytest.mark.parametrize("chat", [False, True])
def test_transformers_serve_ignores_n_and_is_asked_again(served: tuple[str, str], chat: bool) -> None:
    url, model = served
    config = OpenAISamplerConfig.check({"base_url": url, "samples": 3, "max_new_tokens": 48, "concurrency": 1})
    prompt = PromptConfig(chat=chat)
    found = config.build(model).sample(PUZZLES, prompt, False, "a")
    assert [(one.puzzle_id, one.sample) for one in found] == [(p.id, k) for p in PUZZLES for k in range(3)]
    assert len({one.text for one in found}) > 2
    assert all(one.tokens for one in found)
    greedy = config.build(model).sample(PUZZLES, prompt, True, "a")
    local = HFSamplerConfig(max_new_tokens=48).build(model).sample(PUZZLES, PromptConfig(), True, "a")
    assert [one.text for one in greedy] == [one.text for one in local]


def test_ray_scores_as_we_do(known_run: Run, tmp_path: Path) -> None:
    python = tool("verl", "python")  # it has Ray
    other = shutil.copytree(known_run.path, tmp_path / "other")
    for kind in ("grades", "attempts"):
        shutil.rmtree(other / "seed-1" / kind)
    said = called(python, "-c", ON_RAY, other, cwd=tmp_path)
    assert "workers: 2" in said
    for kind in ("grades", "attempts"):
        for file in (known_run.path / "seed-1" / kind).rglob("*.parquet"):
            assert (other / file.relative_to(known_run.path)).read_bytes() == file.read_bytes()
    assert (other / "estimates.parquet").read_bytes() == known_run.estimates_file.read_bytes()


ON_RAY = """
import sys, ray
from ramify import Run
from ramify.stages.score import score
ray.init(num_cpus=2, log_to_driver=False)
run = Run(sys.argv[1])
score(run, lambda stage, done, total: None, ray="local")
print("workers:", int(ray.cluster_resources()["CPU"]))
"""


def test_no_cluster_there_is_one_sentence(known_run: Run, tmp_path: Path) -> None:
    shutil.rmtree(known_run.path / "seed-1" / "grades")
    command = [tool("verl", "python"), "-m", "ramify", "score", str(known_run.path), "--ray", "127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr[-2000:]
    assert "error: Ray at 127.0.0.1:1" in done.stderr


def test_wandb_offline_keeps_the_estimates(known_run: Run, tmp_path: Path) -> None:
    python = tool("evals", "python")
    called(python, "-m", "ramify", "report", known_run.path, "--track", "wandb", cwd=tmp_path, WANDB_MODE="offline")
    (kept,) = known_run.path.glob("wandb/offline-run-*/*.wandb")
    assert b"test/mean@4/n/3" in kept.read_bytes()


def test_trackio_keeps_the_estimates(known_run: Run, tmp_path: Path) -> None:
    python = tool("evals", "python")
    folder = tmp_path / "kept"
    called(
        python, "-m", "ramify", "report", known_run.path, "--track", "trackio", cwd=tmp_path, TRACKIO_DIR=str(folder)
    )
    (kept,) = folder.rglob("*.db")
    assert b"test/mean@4/n/3" in kept.read_bytes()
