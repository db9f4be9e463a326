"""What is exported for others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

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
    assert subprocess.run(["bash", "-n", tmp_path / "out" / "launch.sh"]).returncode == 0
    found = yaml.safe_load((tmp_path / "out" / "verl.yaml").read_text())
    policy, trainer = found["actor_rollout_ref"], found["trainer"]
    assert found["algorithm"]["adv_estimator"] == "grpo"
    assert (found["data"]["train_batch_size"], policy["rollout"]["n"]) == (4, 4)
    assert (policy["actor"]["loss_agg_mode"], policy["actor"]["use_kl_loss"]) == ("seq-mean-token-sum-norm", False)
    assert (trainer["total_training_steps"], trainer["total_epochs"]) == (4, 2)
    sets = ["held_out", "length", "skills", "test"]
    assert found["data"]["val_files"] == [f"${{ramify.folder}}/{name}.parquet" for name in sets]
    assert (found["ramify"]["gpus"], found["ramify"]["nodes"], found["ramify"]["keep"]) == (8, 1, None)
    assert policy["rollout"]["gpu_memory_utilization"] == 0.5
    assert policy["actor"]["ppo_max_token_len_per_gpu"] >= sum(
        found["data"][f"max_{part}_length"] for part in ("prompt", "response")
    )
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
    write(model='$(touch pwned)\'`touch pwned`: "x"\\')
    launched(export_to(known_run, tmp_path / "$(touch pwned) 'out'"))
    told = yaml.safe_load((tmp_path / "$(touch pwned) 'out'" / "verl.yaml").read_text())["ramify"]["model"]
    assert told == '$(touch pwned)\'`touch pwned`: "x"\\'
    assert not list(tmp_path.rglob("pwned"))
    write(model="${oc.env:HOME}")
    with pytest.raises(RunError, match="Hydra would replace"):
        export("verl", known_run, tmp_path / "other")


def export_to(run: Run, folder: Path) -> Path:
    export("verl", run, folder)
    return folder


def launched(folder: Path, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run launch.sh with a Python that prints verl's command instead of running it."""
    fake = folder.parent / "python"
    fake.write_text(f'#!/bin/sh\n[ "$1" = -m ] && printf \'%s\\n\' "$@" || exec \'{sys.executable}\' "$@"\n')
    fake.chmod(0o755)
    told = {"PYTHON": str(fake), "PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = ["bash", folder / "launch.sh", *overrides]
    return subprocess.run(command, cwd=folder, env={**told, **environment}, capture_output=True, text=True)


def test_the_launch_for_verl_tells_hydra_of_the_machine(known_run: Run, tmp_path: Path) -> None:
    folder = export_to(known_run, tmp_path / "a $(b) 'c'")
    done = launched(folder, "trainer.save_freq=5", MODEL="my model's $HOME", GPUS="1", LOGGER="console,wandb", KEEP="2")
    options = ["--config-dir", str(folder), "--config-name", "verl", "trainer.save_freq=5"]
    assert done.stdout.splitlines() == ["-m", "verl.trainer.main_ppo", *options], done.stderr
    told = {"folder": str(folder), "model": "my model's $HOME", "gpus": 1, "logger": ["console", "wandb"], "keep": 2}
    assert yaml.safe_load((folder / "here.yaml").read_text()) == {"ramify": told}
    assert launched(folder).returncode == 0
    assert yaml.safe_load((folder / "here.yaml").read_text()) == {"ramify": {"folder": str(folder)}}
    for wrong, said in (({"GPUS": "all"}, "GPUS=all: must be a number"), ({"MODEL": "${x}"}, "Hydra would replace")):
        refused = launched(folder, **wrong)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert not refused.stdout


def test_the_launch_for_verl_stops_where_the_reward_cannot_be_imported(known_run: Run, tmp_path: Path) -> None:
    folder = export_to(known_run, tmp_path / "out")
    (folder / "reward.py").write_text("import no_such_package")
    done = launched(folder)
    assert done.returncode == 1
    assert "No module named 'no_such_package'" in done.stderr.splitlines()[-1]
    assert not done.stdout


@pytest.mark.parametrize("kind", ["lm-eval", "inspect", "verifiers"])
def test_for_evaluators(known_run: Run, tmp_path: Path, kind: str) -> None:
    command = export(kind, known_run, tmp_path / "out")
    assert "&& ramify import OUT" in command
    rows = [json.loads(line) for line in (tmp_path / "out" / "test.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == known_run.puzzles("test")["puzzle_id"].to_list()
    assert rows[0]["prompt"].startswith(f"{rows[0]['target']}:A{rows[0]['numbers'][0]}B")
