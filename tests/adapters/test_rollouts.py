"""Rollouts of prime-rl, slime, and verl's agent loops."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from ramify import solve
from ramify.adapters.foreign import import_run
from ramify.adapters.formats import find_format
from ramify.adapters.import_settings import ImportConfig
from ramify.progress import silent
from ramify.tables import read_table

ROOT = Path(__file__).parents[2]
EPISODE = json.loads((ROOT / "tests/golden/foreign/verifiers/checkpoint-50/traces.jsonl").read_text().splitlines()[0])


def written(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def episode(numbers: list[int], kind: str, step: int, solves: bool) -> dict[str, Any]:
    """An episode of verifiers 0.4 as prime-rl's file monitor writes it: a training run, of training or evaluation."""
    found = json.loads(json.dumps(EPISODE))
    found["run"] = {"type": "train", "id": "run", "name": "mine", "work": {"type": kind, "step": step}}
    target = sum(numbers)
    for task in (found["task"], found["traces"][0]["task"]):
        task["data"] |= {"id": "x", "numbers": numbers, "target": target, "prompt": "?"}
    text = f"<answer>{'+'.join(map(str, numbers))}</answer>" if solves else "no"
    found["traces"][0]["nodes"][-1]["message"]["content"] = text
    found["traces"][0]["rewards"] = {"correct": {"score": float(solves), "weight": 1.0}, "short": {"score": 0.5}}
    return found


def test_prime_rl_keeps_training_and_evaluation_apart(tmp_path: Path) -> None:
    for step in (0, 10):
        asked = [episode([1, 2, n], "eval", step, solves=step > 0) for n in range(3, 9)]
        trained = [episode([2, n + step, 30], "train", step, solves=n % 2 > 0) for n in range(5, 9) for _ in range(4)]
        for kind, rows in (("eval", asked), ("train", trained)):
            written(tmp_path / f"run/rollouts/step_{step}/{kind}/all/traces.jsonl", rows)
            written(tmp_path / f"run/rollouts/step_{step}/{kind}/effective/traces.jsonl", rows[:-1])
    found = import_run([tmp_path / "run"], "back", tmp_path, ImportConfig(), silent)
    assert (found.format, found.files, found.completions, found.steps) == ("verifiers", 4, 12, [0, 10])
    assert found.unread.total() == 0
    assert found.run.rollout_steps(1) == [0, 10]
    rollouts = read_table(found.run.rollouts_file(1, 10))
    assert (rollouts.height, set(rollouts["reward"])) == (16, {0.5, 1.5})
    alone = tmp_path / "run/rollouts/step_0/train/effective"
    (alone.with_name("all") / "traces.jsonl").unlink()
    assert len(find_format(alone).files) == 1, "without `all`, `effective` is read"


@pytest.mark.parametrize("rewards", [None, {}, [], {"a": None}, {"a": {"score": "x"}}, {"a": 1.0}])
def test_strange_rewards_of_an_episode_are_none(tmp_path: Path, rewards: Any) -> None:
    one = episode([1, 2, 3], "train", 5, solves=True)
    one["traces"][0]["rewards"] = rewards
    written(tmp_path / "run/traces.jsonl", [one, episode([1, 2, 4], "train", 5, solves=True)])
    found = import_run([tmp_path / "run"], "back", tmp_path, ImportConfig(), silent)
    assert (found.completions, found.unread.total()) == (2, 0)


def sample(numbers: list[int], target: int, text: str, status: str = "completed") -> dict[str, Any]:
    """A sample of slime as its `to_dict` gives it, with a tensor."""
    import torch

    prompt = [{"role": "user", "content": f"Make {target} of {numbers}"}]
    asked = {"group_index": 0, "index": 1, "rollout_id": None, "prompt": prompt, "tokens": torch.tensor([5, 6])}
    label = json.dumps({"numbers": numbers, "target": target})
    said = {"response": text, "response_length": 2, "label": label, "reward": 1.0, "status": status}
    return {**asked, **said, "metadata": {"a": 1}, "loss_mask": [1, 1], "spec_info": {"spec_verify_ct": 0}}


def test_slime_is_read_after_a_conversion_that_runs_no_pickle(tmp_path: Path) -> None:
    import torch

    spec = importlib.util.spec_from_file_location("slime_rollouts", ROOT / "examples" / "slime_rollouts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    source, out = tmp_path / "rollout_data", tmp_path / "mine"
    source.mkdir()
    for step in (0, 20):
        for name in (f"eval_{step}.pt", f"{step}.pt"):
            samples = [sample([3, 7, n], 21 + n, f"<answer>3*7+{n}</answer>") for n in range(4, 9)]
            samples.append(sample([1, 2, 3], 6, "1+", "truncated"))
            torch.save({"rollout_id": step, "samples": samples}, source / name)
            module.convert(source / name, out)
    found = import_run([out], "back", tmp_path, ImportConfig(), silent)
    assert (found.format, found.completions, found.steps, found.unread.total()) == ("slime", 12, [0, 20], 0)
    kept = read_table(found.run.completions_file(1, "test", 20))
    assert kept.filter(puzzle_id="1,2,3=6")["truncated"].to_list() == [True]
    assert read_table(found.run.rollouts_file(1, 20)).height == 6
    hostile = source / "40.pt"
    torch.save({"rollout_id": 40, "samples": [Hostile(tmp_path / "pwned")]}, hostile)
    with pytest.raises(Exception, match=r"weights_only|Unsupported"):
        module.convert(hostile, out)
    assert not (tmp_path / "pwned").exists()


class Hostile:
    """Its pickle makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def dumped(output: str, uid: str, score: float = 1.0) -> dict[str, Any]:
    truth = json.dumps({"numbers": [3, 7, 8], "target": 29})
    return {"input": "29:A3B7C8>", "output": output, "gts": truth, "score": score, "step": 5, "uid": uid}


def test_of_a_rollout_with_several_outputs_the_last_is_read(tmp_path: Path) -> None:
    """As verl's agent loops dump them: uid of the prompt, rollout, output."""
    right = f"<answer>{next(iter(solve((3, 7, 8), 29).values())).text}</answer>"
    prompt = "0a1b-2c"
    rows = [dumped("let me see", f"{prompt}_0_0"), dumped(right, f"{prompt}_0_1"), dumped("no", f"{prompt}_1_0", 0.0)]
    rows += [dumped(right, f"{prompt}_2_10"), dumped("not yet", f"{prompt}_2_9"), dumped(right, "uid-7")]
    written(tmp_path / "run/validation/5.jsonl", rows)
    found = import_run([tmp_path / "run"], "back", tmp_path, ImportConfig(training=False), silent)
    assert (found.completions, found.unread.total()) == (4, 2)
    assert "an earlier output of the same rollout" in next(iter(found.unread))
    kept = read_table(found.run.completions_file(1, "test", 5))["text"].to_list()
    assert sorted(kept) == sorted([right, "no", right, right])
