"""How many tokens a completion may have, by the context of the model."""

import json
import shutil
from pathlib import Path

import pytest

from ramify import ConfigError, ExperimentConfig
from ramify import experiment as stages
from ramify.models.loading import MOST_NEW, new_tokens
from ramify.sampling.openai import OpenAISamplerConfig

PROMPTS = ["29:A3B8C7>", "5:A2B3>"]
LONGEST = 9


def with_context(folder: Path, context: int) -> Path:
    """The bundled model, as if its context had this length."""
    copy = Path(shutil.copytree(stages.model_path("bundled"), folder / str(context)))
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
    with pytest.raises(ConfigError, match="leaves none after the longest prompt of 9"):
        new_tokens(with_context(tmp_path, LONGEST), PROMPTS, None, "x")


def test_settings_of_earlier_runs_stand() -> None:
    found = ExperimentConfig.check({"train": {"max_new_tokens": 224}, "sample": {"max_new_tokens": 224}})
    assert (found.train.max_new_tokens, found.sample.max_new_tokens) == (224, 224)
    fresh = ExperimentConfig()
    assert fresh.train.max_new_tokens is None
    assert fresh.sample.max_new_tokens is None
    assert OpenAISamplerConfig().resolved("any", []).max_new_tokens == 1024
