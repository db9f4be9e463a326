"""Every trainer on the same puzzles: what it leaves on disk, that it goes on where it was cut off, and its settings."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from ramify import ExperimentConfig, Run, RunError, experiment
from ramify import pipeline as stages
from ramify.models.checkpoints import model_path
from ramify.models.loading import load_model, load_tokenizer
from ramify.tables import read_table, write_table
from ramify.train.job import Job
from ramify.train.rft import SAMPLED, RFTConfig

ONLINE = {"prompts_per_step": 4, "samples_per_prompt": 4, "micro_batch": 8, "max_new_tokens": 48}
OFFLINE = {"examples_per_step": 16, "micro_batch": 8}
KINDS = {
    "grpo": ONLINE,
    "rloo": ONLINE,
    "sft": OFFLINE,
    "rft": {**OFFLINE, "samples_per_puzzle": 4, "max_new_tokens": 48},
}


class CutOff(BaseException):
    """Stands for a kill."""


def settings(tiny_config: ExperimentConfig, kind: str, **more: Any) -> ExperimentConfig:
    train = {"kind": kind, "steps": 4, "save_steps": 2, **KINDS[kind], **more}
    return ExperimentConfig.check(tiny_config.model_dump(mode="json") | {"train": train})


def trained(config: ExperimentConfig, root: Path) -> Run:
    run = experiment.open_run(config.checked(), root)
    stages.generate(config, run, lambda *_: None)
    stages.train(config, run, lambda *_: None)
    return run


def files(run: Run) -> dict[str, bytes]:
    """What training left, but for times and paths."""
    kept = [*run.path.rglob("model.safetensors"), *run.path.rglob("adapter_model.safetensors")]
    kept += [*run.path.rglob("rollouts/*"), *run.path.rglob("telemetry/*"), *run.path.rglob("rejection/*")]
    return {str(file.relative_to(run.path)): file.read_bytes() for file in kept}


CHOSEN = {"dynamic_sampling": 2, "curriculum": {"by": "pattern", "by_success": True}}
"""Prompts that follow from what was sampled before."""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "more"), [*((kind, {}) for kind in KINDS), ("grpo", CHOSEN)])
def test_it_goes_on_where_it_was_cut_off(
    kind: str, more: dict[str, Any], tiny_config: ExperimentConfig, tmp_path: Path
) -> None:
    config = settings(tiny_config, kind, **more)
    whole = trained(config, tmp_path / "whole")
    run = experiment.open_run(config, tmp_path / "cut")
    stages.generate(config, run, lambda *_: None)

    def cut(step: int) -> None:
        if step == 3:
            raise CutOff

    with pytest.raises(CutOff):
        config.train.train(Job(run, 1, model_path("bundled"), config.task, cut))
    assert list(run.checkpoints(1)) == [2]
    stages.train(config, run, lambda *_: None)
    assert files(run) == files(whole)
    assert list(run.checkpoints(1)) == [2, 4]
    steps = [json.loads(line)["step"] for line in run.train_log(1).read_text().splitlines()]
    assert steps == [1, 2, 3, 4]
    seen = read_table(run.telemetry_file(1, 4))
    assert seen["groups" if "groups" in seen.columns else "examples"].sum() == (4 if kind in ("grpo", "rloo") else 16)
    base, last = load_model(model_path("bundled")), load_model(run.checkpoints(1)[4])
    assert any(not torch.equal(a, b) for a, b in zip(base.parameters(), last.parameters(), strict=True))


COMMAND = """
import sys
from pathlib import Path
from ramify import ExperimentConfig
from ramify import experiment
from ramify import pipeline as stages
from ramify.models.checkpoints import model_path
config = ExperimentConfig.model_validate_json(sys.argv[1])
run = experiment.open_run(config.checked(), Path(sys.argv[2]))
stages.generate(config, run, lambda *_: None)
stages.train(config, run, lambda *_: None)
"""


@pytest.mark.slow
def test_sigterm_saves_first(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    config = settings(tiny_config, "grpo", steps=30, save_steps=30)
    command = [sys.executable, "-c", COMMAND, config.model_dump_json(), str(tmp_path / "cut")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    run_path = tmp_path / "cut" / "tiny"
    deadline = time.monotonic() + 300
    while not (run_path / "seed-1" / "rollouts" / "step-000003.parquet").exists():
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "stopped by SIGTERM; seed 1 is saved at step" in errors
    run = Run(run_path)
    (saved,) = run.checkpoints(1)
    assert 3 <= saved < 30
    stages.train(config, run, lambda *_: None)
    assert files(run) == files(trained(config, tmp_path / "whole"))
    assert list(run.checkpoints(1)) == [30]  # the one in between is gone


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_the_kl_term_is_to_the_base(kind: str, tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    run = trained(settings(tiny_config, kind, beta=0.1, learning_rate=1e-3, warmup_steps=0), tmp_path)
    logs = [json.loads(line) for line in run.train_log(1).read_text().splitlines()]
    assert logs[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert abs(logs[-1]["kl"]) > 1e-5


@pytest.mark.slow
def test_lora_trains_an_adapter_that_the_sampler_merges(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    config = settings(tiny_config, "grpo", lora={"rank": 4}, learning_rate=1e-2, warmup_steps=0)
    run = trained(config, tmp_path)
    checkpoint = run.checkpoints(1)[4]
    assert (checkpoint / "adapter_model.safetensors").is_file()
    assert not (checkpoint / "model.safetensors").exists()
    base, merged = load_model(model_path("bundled")), load_model(checkpoint)
    assert type(merged) is type(base)
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(base.state_dict()[name], merged.state_dict()[name])
    assert torch.equal(base.model.embed_tokens.weight, merged.model.embed_tokens.weight)
    stages.sample(config, run, lambda *_: None)


def flat(prefix: str, settings: dict[str, Any]) -> list[tuple[str, Any]]:
    """Settings as dotted overrides."""
    found = []
    for key, value in settings.items():
        deeper = isinstance(value, dict)
        found += flat(f"{prefix}.{key}", value) if deeper else [(f"{prefix}.{key}", value)]
    return found


@pytest.mark.slow
def test_two_processes(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    """torchrun with two ranks on gloo: one set of files, of all completions of a step."""
    # One group a step, so that it spans the processes.
    shape = {"prompts_per_step": 1, "samples_per_prompt": 16}
    config = settings(tiny_config, "grpo", learning_rate=1e-3, warmup_steps=0, **shape)
    toml = tmp_path / "tiny.toml"
    toml.write_text("")
    overrides = [
        f"{key}={json.dumps(value)}"
        for part in ("train", "task")
        for key, value in flat(part, config.model_dump(mode="json", exclude_defaults=True)[part])
    ]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29511"]
    command = [*launcher, "-m", "ramify", "train", str(toml), *overrides, "name=tiny", "--root", str(tmp_path / "runs")]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    run = Run(tmp_path / "runs" / "tiny")
    assert list(run.checkpoints(1)) == [2, 4]
    assert len(run.train_log(1).read_text().splitlines()) == 4
    for step in range(1, 5):
        rollouts = read_table(run.rollouts_file(1, step))
        assert rollouts.group_by("puzzle_id").len()["len"].to_list() == [16]
        assert read_table(run.telemetry_file(1, step))["groups"].sum() == 1
    alone = trained(config, tmp_path / "alone")
    asked = [set(read_table(one.rollouts_file(1, 3))["puzzle_id"]) for one in (run, alone)]
    assert asked[0] == asked[1]
    with pytest.raises(RunError, match="2 processes wrote this checkpoint, and 1 are running"):
        stages.train(ExperimentConfig.check(config.model_dump(mode="json") | {"train": longer(config)}), run, silent)


def longer(config: ExperimentConfig) -> dict[str, Any]:
    return config.train.model_dump(mode="json") | {"steps": 6}


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grpo", "sft"])
def test_a_chat_template_that_changes_nothing_changes_nothing(
    kind: str, tiny_config: ExperimentConfig, tmp_path: Path
) -> None:
    chat = tmp_path / "model"
    shutil.copytree(model_path("bundled"), chat)
    settings_file = chat / "tokenizer_config.json"
    template = {"chat_template": "{{ messages[0]['content'] }}"}
    settings_file.write_text(json.dumps(json.loads(settings_file.read_text()) | template))
    plain = settings(tiny_config, kind)
    task = plain.task.model_dump(mode="json") | {"prompt": {"chat": True}}
    said = ExperimentConfig.check(plain.model_dump(mode="json") | {"task": task, "model": str(chat)})
    runs = [trained(config, tmp_path / name) for name, config in (("plain", plain), ("said", said))]
    assert files(runs[0]) == files(runs[1])
    for config, run in zip((plain, said), runs, strict=True):
        stages.sample(config, run, silent)
    assert runs[0].completions_file(1, "test", 4).read_bytes() == runs[1].completions_file(1, "test", 4).read_bytes()
    with pytest.raises(RunError, match=r"no chat template; set task\.prompt\.chat=false"):
        trained(ExperimentConfig.check(plain.model_dump(mode="json") | {"task": task}), tmp_path / "none")


@pytest.mark.slow
def test_lora_without_the_query_samples_with_its_adapter(tiny_config: ExperimentConfig) -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    base = load_model(model_path("bundled"))
    adapted = peft.get_peft_model(base, peft.LoraConfig(target_modules=["down_proj"], init_lora_weights=False)).eval()
    ids = load_tokenizer(model_path("bundled"))("29:A3B8C7>", return_tensors="pt")["input_ids"]
    written = adapted.generate(input_ids=ids, max_new_tokens=8, do_sample=False)
    by_hand = ids
    with torch.no_grad():
        for _ in range(8):
            by_hand = torch.cat([by_hand, adapted(by_hand).logits[:, -1:].argmax(-1)], 1)
    assert torch.equal(written, by_hand[:, : written.shape[1]])


def test_what_sft_learns(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    """Each puzzle's text is a right completion by its source pattern, and survives the tokenizer."""
    from ramify import find_attempts, grade

    run = experiment.open_run(tiny_config, tmp_path)
    stages.generate(tiny_config, run, lambda *_: None)
    tokenizer = load_tokenizer(model_path("bundled"))
    for puzzle in run.task.puzzles_in(run.puzzles("train")):
        text = run.task.demonstrate(puzzle)
        said = tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)
        assert grade(puzzle, said).verdict == "correct"
        attempts = find_attempts(puzzle, said)
        assert [attempt.pattern for attempt in attempts] == [puzzle.pattern] * 2
        assert attempts[0].stated == len(puzzle.numbers) - 1
        assert not attempts[0].miscalculated


def test_rejection_keeps_what_is_right_and_wanted(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    run = experiment.open_run(tiny_config, tmp_path)
    stages.generate(tiny_config, run, lambda *_: None)
    ids = run.puzzles("train")["puzzle_id"].to_list()
    rows = [
        (ids[0], 0, "a", [1], "correct", "A+B+C"),
        (ids[0], 1, "a", [1], "correct", "A+B+C"),  # the same text
        (ids[0], 2, "b", [2], "wrong value", "A+B+C"),
        (ids[0], 3, "c", [3], "correct", "A-B*C"),
        (ids[1], 0, "d", [4], "correct", "A+B-C"),
        (ids[1], 1, "e", [5], "correct", "A+B+C"),
        (ids[1], 2, "f", [6], "correct", "A+B+C"),
    ]

    def kept(**more: Any) -> list[tuple[int, list[int]]]:
        config = RFTConfig.check({"samples_per_puzzle": 1, "sample_batch": 1000, **more})
        job = Job(run, 1, "nowhere", tiny_config.task, lambda step: None)
        write_table(pl.DataFrame(rows, schema=SAMPLED, orient="row"), run.rejection_part(1, 0))
        return [tuple(example) for example in config._kept(job)]

    assert kept() == [(0, [1]), (0, [3]), (1, [4]), (1, [5]), (1, [6])]
    assert kept(per_puzzle=1) == [(0, [1]), (1, [4])]
    assert kept(reject=["A+B+C"]) == [(0, [3]), (1, [4])]
    assert kept(keep=["A-B*C"]) == [(0, [3])]
    with pytest.raises(RunError, match="no completion of seed 1 is correct with a wanted pattern"):
        kept(keep=["A/B/C"])


def test_a_step_that_does_not_divide_is_refused(tiny_config: ExperimentConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    from ramify import ConfigError

    with pytest.raises(ConfigError, match=r"train\.micro_batch = 7: must divide the 16 sequences of a step"):
        settings(tiny_config, "sft", micro_batch=7).checked()
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="times 3 processes"):
        settings(tiny_config, "sft").checked()


@pytest.mark.slow
def test_a_curriculum_and_a_tracker(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    curriculum = {"by": "pattern", "shares": {"A+B+C": 1.0}, "later": {3: {"A*B+C": 1.0, "A+B+C": 3.0}}}
    config = settings(tiny_config, "grpo", curriculum=curriculum, report_to=["tensorboard"])
    run = trained(config, tmp_path)
    asked = [read_table(run.rollouts_file(1, step))["pattern"].value_counts() for step in range(1, 5)]
    counts = [dict(step.iter_rows()) for step in asked]
    assert counts == [{"A+B+C": 16}, {"A+B+C": 16}, {"A*B+C": 4, "A+B+C": 12}, {"A*B+C": 4, "A+B+C": 12}]
    events = event_accumulator.EventAccumulator(str(run.tracker_folder(1))).Reload()
    seen = [event.value for event in events.Scalars("train/pattern/A+B+C/tokens")]
    kept = [read_table(run.telemetry_file(1, step)).filter(pl.col("pattern") == "A+B+C") for step in range(1, 5)]
    assert seen == pytest.approx([step["tokens"].item() for step in kept])
    assert len(events.Scalars("train/reward")) == 4
    assert "pattern/" not in run.train_log(1).read_text()
