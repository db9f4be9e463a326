"""What is exported for others."""

import json
import subprocess
from pathlib import Path

import polars as pl
import pytest

from ramify import ConfigError, ExperimentConfig, Run, RunError
from ramify.adapters.export import KINDS, export
from ramify.adapters.verl import compute_score
from ramify.config import digest_of
from ramify.experiment import open_run
from ramify.stages.generate import generate


def test_for_verl(known_run: Run, tmp_path: Path) -> None:
    export("verl", known_run, tmp_path / "out")
    rows = pl.read_parquet(tmp_path / "out" / "test.parquet")
    assert rows.columns == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    assert rows["data_source"].unique().to_list() == ["countdown/test/n3"]
    truth = json.loads(rows["reward_model"][0]["ground_truth"])
    puzzle = known_run.puzzles("test").row(0, named=True)
    assert (truth["id"], truth["numbers"], truth["set"]) == (puzzle["puzzle_id"], puzzle["numbers"], "test")
    script = (tmp_path / "out" / "launch.sh").read_text()
    assert subprocess.run(["bash", "-n", tmp_path / "out" / "launch.sh"]).returncode == 0
    for line in (
        "algorithm.adv_estimator=grpo",
        "data.train_batch_size=4",
        "actor_rollout_ref.rollout.n=4",
        "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-sum-norm",
        "actor_rollout_ref.actor.use_kl_loss=False",
        "trainer.total_training_steps=4",
        "trainer.total_epochs=2",
        '"[$HERE/held_out.parquet,$HERE/length.parquet,$HERE/skills.parquet,$HERE/test.parquet]"',
    ):
        assert line in script
    compile((tmp_path / "out" / "reward.py").read_text(), "reward.py", "exec")


def test_the_reward_for_verl() -> None:
    truth = json.dumps({"numbers": [3, 7, 8], "target": 29})
    assert compute_score("x", "<answer>3*7+8</answer>", truth, {"index": 0}, num_turns=1)["score"] == 1.0
    assert compute_score("x", "<answer>1+1</answer>", truth, form=0.1) == {"score": 0.1, "correct": 0.0}
    own = {"numbers": [3, 7, 8], "target": 29, "answer_tags": ["[[", "]]"]}
    assert compute_score("x", "[[3*7+8]]", own)["correct"] == 1.0
    with pytest.raises(ValueError, match="needs numbers and target"):
        compute_score("x", "29", "29")


def test_what_cannot_be_exported(known_run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there are verl, lm-eval, inspect, verifiers, dataset, model"):
        export("other", known_run, tmp_path / "out")
    config = ExperimentConfig.check({"name": "sft", "train": {"kind": "sft"}, "task": {"train": {3: 8}}})
    run = open_run(config, tmp_path)
    with pytest.raises(RunError, match=r"train\.kind = sft"):
        export("verl", run, tmp_path / "out")
    for kind in KINDS:
        if kind != "verl":
            with pytest.raises(RunError, match="ramify generate"):
                export(kind, run, tmp_path / "out")
    few = config.model_copy(update={"name": "few", "train": ExperimentConfig().train})
    generate(few, open_run(few, tmp_path), lambda stage, done, total: None)
    with pytest.raises(RunError, match="8 training puzzles; verl needs the 64 of a step"):
        export("verl", Run(tmp_path / "few"), tmp_path / "out")


def test_what_verl_cannot_be_told_is_refused(known_run: Run, tmp_path: Path) -> None:
    saved = json.loads((known_run.path / "config.json").read_text())
    for change in ({"lora": {"rank": 4}}, {"curriculum": {"by": "n", "shares": {"3": 1}}}, {"scale_rewards": "batch"}):
        changed = {**saved["config"], "train": {**saved["config"]["train"], **change}}
        known_run.config_file.write_text(json.dumps({**saved, "config": changed, "digest": digest_of(changed)}))
        with pytest.raises(RunError, match=f"train.{next(iter(change))}.* has no counterpart"):
            export("verl", known_run, tmp_path / "out")


def test_names_in_a_run_of_others_do_nothing(known_run: Run, tmp_path: Path) -> None:
    saved = json.loads((known_run.path / "config.json").read_text())

    def write(**settings: str) -> None:
        config = saved["config"] | settings
        known_run.config_file.write_text(json.dumps({**saved, "config": config, "digest": digest_of(config)}))

    write(name="x\ntouch pwned")
    with pytest.raises(ConfigError, match="name = x"):
        export("verl", known_run, tmp_path / "out")
    write(model="$(touch pwned)'`touch pwned`")
    export("verl", known_run, tmp_path / "out")
    printer = tmp_path / "printer"
    printer.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    printer.chmod(0o755)
    done = subprocess.run(
        ["bash", "./launch.sh"], cwd=tmp_path / "out", env={"PYTHON": str(printer)}, capture_output=True, text=True
    )
    assert "actor_rollout_ref.model.path=$(touch pwned)'`touch pwned`" in done.stdout
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("kind", ["lm-eval", "inspect", "verifiers"])
def test_for_evaluators(known_run: Run, tmp_path: Path, kind: str) -> None:
    command = export(kind, known_run, tmp_path / "out")
    assert "&& ramify import OUT" in command
    rows = [json.loads(line) for line in (tmp_path / "out" / "test.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == known_run.puzzles("test")["puzzle_id"].to_list()
    assert rows[0]["prompt"].startswith(f"{rows[0]['target']}:A{rows[0]['numbers'][0]}B")
