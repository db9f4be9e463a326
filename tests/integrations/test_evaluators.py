"""lm-eval, inspect_ai and verifiers, run for real on the bundled model, and what they wrote read back."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from others import called, small_run, tool

from ramify import Run, grade
from ramify.adapters.export import export
from ramify.adapters.foreign import import_run
from ramify.adapters.import_settings import ImportConfig
from ramify.models.checkpoints import model_path
from ramify.tables import read_table
from server import NAME, Server, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(Server()) as found:
        yield found


def imported(folder: Path, root: Path) -> Run:
    return import_run([folder], "back", root, ImportConfig(), lambda stage, done, total: None).run


def verdicts(run: Run, name: str, step: int) -> dict[str, list[bool]]:
    puzzles = {puzzle.id: puzzle for puzzle in run.task.puzzles_in(run.puzzles(name))}
    found: dict[str, list[bool]] = {}
    for row in read_table(run.completions_file(1, name, step)).iter_rows(named=True):
        right = grade(puzzles[row["puzzle_id"]], row["text"]).verdict == "correct"
        found.setdefault(row["puzzle_id"], []).append(right)
    return found


def test_lm_eval(tmp_path: Path) -> None:
    program = tool("evals", "lm_eval")
    run = small_run(tmp_path)
    export("lm-eval", run, tmp_path / "tasks")
    common = ["--include_path", tmp_path / "tasks", "--log_samples", "--device", "cpu", "--batch_size", "8"]
    called(
        *(program, "run", "--model", "hf", "--model_args", f"pretrained={model_path('bundled')}"),
        *("--tasks", "ramify_test,ramify_length", *common, "--output_path", tmp_path / "out" / "checkpoint-50"),
        cwd=tmp_path,
    )
    (results,) = (tmp_path / "out").rglob("results_*.json")
    told = json.loads(results.read_text())["results"]
    back = imported(tmp_path / "out", tmp_path)
    for name, count in (("test", 4), ("length", 2)):
        found = verdicts(back, name, 50)
        assert [len(right) for right in found.values()] == [2] * count
        assert told[f"ramify_{name}"]["mean,all"] == pytest.approx(
            sum(sum(right) / 2 for right in found.values()) / count
        )
        assert told[f"ramify_{name}"]["pass_at_2,all"] == pytest.approx(
            sum(any(right) for right in found.values()) / count
        )


@pytest.mark.parametrize("form", ["eval", "json"])
def test_inspect(tmp_path: Path, url: str, form: str) -> None:
    program = tool("evals", "inspect")
    run = small_run(tmp_path)
    export("inspect", run, tmp_path / "puzzles")
    called(
        *(program, "eval", "ramify/countdown", "-T", f"data={tmp_path / 'puzzles' / 'test.jsonl'}", "-T", "k=2"),
        *("--model", f"openai-api/local/{NAME}", "--temperature", "1", "--max-tokens", "96"),
        *("--metadata", "step=50", "--log-dir", tmp_path / "logs", "--log-format", form, "--display", "plain"),
        cwd=tmp_path,
        LOCAL_API_KEY="none",
        LOCAL_BASE_URL=url,
    )
    (log,) = (tmp_path / "logs").iterdir()
    python = tool("evals", "python")
    said = called(python, "-c", READ_LOG, log, cwd=tmp_path).strip().splitlines()[-1]
    told = json.loads(said)
    called(python, "-m", "ramify", "import", tmp_path / "logs", "--name", "back", "--root", tmp_path, cwd=tmp_path)
    found = verdicts(Run(tmp_path / "back"), "test", 50)
    assert [len(right) for right in found.values()] == [2] * 4
    assert told["mean"] == pytest.approx(sum(sum(right) / 2 for right in found.values()) / 4)
    assert told["pass_at_2"] == pytest.approx(sum(any(right) for right in found.values()) / 4)


READ_LOG = """
import json, sys
from inspect_ai.log import read_eval_log
log = read_eval_log(sys.argv[1])
assert log.status == "success", log.error
print(json.dumps({score.reducer: score.metrics["accuracy"].value for score in log.results.scores}))
"""


def test_verifiers(tmp_path: Path, url: str) -> None:
    program = tool("verifiers", "vf-eval")
    run = small_run(tmp_path)
    export("verifiers", run, tmp_path / "puzzles")
    harness = tmp_path / "direct" / "__init__.py"
    harness.parent.mkdir()
    harness.write_text(DIRECT)
    called(
        *(program, "ramify_countdown", "--env.taskset.data", tmp_path / "puzzles" / "test.jsonl"),
        *("--env.agent.runtime.type", "subprocess", "--env.agent.harness.id", "direct", "--model", NAME),
        *("--client.base-url", url, "--client.api-key-var", "LOCAL_API_KEY", "--sampling.temperature", "1"),
        *("--sampling.max-tokens", "96", "-r", "2", "--no-push", "--no-rich"),
        *("--output-dir", tmp_path / "out", "--run.name", "checkpoint-50"),
        cwd=tmp_path,
        LOCAL_API_KEY="none",
        PYTHONPATH=f"{tmp_path}{os.pathsep}{tmp_path / 'puzzles'}",
    )
    (traces,) = (tmp_path / "out").rglob("traces.jsonl")
    episodes = [json.loads(line) for line in traces.read_text().splitlines()]
    told = sum(episode["traces"][0]["rewards"]["correct"]["score"] for episode in episodes) / len(episodes)
    found = verdicts(imported(tmp_path / "out", tmp_path), "test", 50)
    assert [len(right) for right in found.values()] == [2] * 4
    assert told == pytest.approx(sum(sum(right) / 2 for right in found.values()) / 4)


DIRECT = '''
"""Asks the model once; the harnesses of verifiers start programs that want a network."""
import httpx
import verifiers.v1 as vf

__all__ = ["Direct"]

class Settings(vf.HarnessConfig):
    pass

class Direct(vf.Harness[Settings]):
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data, tool_interception_url=None):
        _, prompt = self.resolve_text_prompt(data)
        body = {"model": ctx.model, "messages": [{"role": "user", "content": prompt}]}
        async with httpx.AsyncClient(timeout=None) as client:
            headers = {"authorization": f"Bearer {secret}"}
            reply = await client.post(f"{endpoint}/chat/completions", json=body, headers=headers)
        return vf.ProgramResult(0, "", "") if reply.is_success else vf.ProgramResult(1, "", reply.text)
'''
