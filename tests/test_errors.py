"""A missing extra is named before any work starts."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from ramify import ExperimentConfig, MissingExtraError, errors
from ramify.pipeline import run_all


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def without_trl(name: str) -> ModuleSpec | None:
        return None if name == "trl" else ModuleSpec(name, None)

    monkeypatch.setattr(errors, "find_spec", without_trl)
    with pytest.raises(MissingExtraError, match=r"pip install 'ramify\[train\]'"):
        run_all(ExperimentConfig.load("quickstart"), tmp_path, lambda *_: None)
    assert not list(tmp_path.iterdir())
