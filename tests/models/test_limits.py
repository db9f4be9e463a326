"""How many tokens a completion may have, by the context of the model."""

import json
import shutil
from pathlib import Path

import pytest

from ramify import ConfigError, ExperimentConfig, RunError, experiment
from ramify import pipeline as stages
from ramify.models.checkpoints import model_path
from ramify.models.loading import MOST_NEW, new_tokens
from ramify.run import Run
from ramify.sampling.openai import OpenAISamplerConfig
from ramify.stages.sample import evaluation_prompts
from ramify.tables import read_table

PROMPTS = ["29:A3B8C7>", "5:A2B3>"]
LONGEST = 9


def with_context(folder: Path, context: int) -> Path:
    """The bundled model, as if its context had this length."""
    copy = Path(shutil.copytree(model_path("bundled"), folder / str(context)))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"max_position_embeddings": context}))
    return copy


def test_it_is_what_the_context_leaves(tmp_path: Path) -> None:
    assert new_tokens(with_context(tmp_path, 300), PROMPTS, None, "x") == 300 - LONGEST
    assert new_tokens(with_context(tmp_path, 100_000), PROMPTS, None, "x") == MOST_NEW
    assert new_tokens(with_context(tmp_path, 400), PROMPTS, 24, "x") == 24


def test_more_than_the_context_leaves_is_refused(tmp_path: Path) -> None:
    model = with_context(tmp_path, 64)
    with pytest.raises(ConfigError, match=r"^sample.max_new_tokens = 56: .* 64 tokens, which leave 55 .* at most 55"):
        new_tokens(model, PROMPTS, 56, "sample.max_new_tokens")
    with pytest.raises(ConfigError, match="leaves no token after the longest prompt of 9"):
        new_tokens(with_context(tmp_path, LONGEST), PROMPTS, None, "x")


def test_settings_of_earlier_runs_stand() -> None:
    found = ExperimentConfig.check({"train": {"max_new_tokens": 224}, "sample": {"max_new_tokens": 224}})
    assert (found.train.max_new_tokens, found.sample.max_new_tokens) == (224, 224)
    fresh = ExperimentConfig()
    assert fresh.train.max_new_tokens is None
    assert fresh.sample.max_new_tokens is None
    assert OpenAISamplerConfig().resolved("any", []).max_new_tokens == 1024


def test_a_run_that_was_begun_with_a_number_goes_on(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    experiment.open_run(tiny_config, tmp_path)
    data = tiny_config.model_dump(mode="json")
    data["train"]["max_new_tokens"] = data["sample"]["max_new_tokens"] = None
    unstated = ExperimentConfig.check(data)
    with pytest.raises(RunError, match=r"train\.max_new_tokens: 48 there, null here"):
        experiment.open_run(unstated, tmp_path)
    adopted = experiment.as_begun(unstated, tmp_path)
    assert adopted == tiny_config
    assert experiment.open_run(adopted, tmp_path).path == tmp_path / "tiny"
    data["sample"]["max_new_tokens"] = 64  # what is stated is not taken back
    with pytest.raises(RunError, match=r"sample\.max_new_tokens: 48 there, 64 here"):
        experiment.open_run(experiment.as_begun(ExperimentConfig.check(data), tmp_path), tmp_path)
    assert experiment.as_begun(unstated, tmp_path / "elsewhere") == unstated


def test_the_limit_of_each_checkpoint_is_noted(tiny_config: ExperimentConfig, tmp_path: Path) -> None:
    task = tiny_config.task.model_copy(update={"test": {2: 2}, "length": {}, "held_out": {}, "skills": {}})
    changes = {"model": str(with_context(tmp_path, 40)), "train": {"kind": "none"}, "task": task.model_dump()}
    sample = {"samples": 1, "greedy": False, "max_new_tokens": None}
    config = ExperimentConfig.check(tiny_config.model_dump(mode="json") | changes | {"sample": sample})
    run = experiment.open_run(config.checked(), tmp_path)
    stages.generate(config, run, lambda *_: None)
    assert run.limits() == {}
    stages.sample(config, run, lambda *_: None)
    longest = max(len(said) for said in evaluation_prompts(config, run))
    (limit,) = Run(run.path).limits().values()
    assert 40 - longest <= limit < 40
    written = read_table(run.completions_file(1, "test", 0))
    assert written["tokens"].max() <= limit
