"""The public names, fixed."""

import tomllib
from pathlib import Path

import pytest

import ramify


def test_names_are_sorted_and_there() -> None:
    assert ramify.__all__ == sorted(ramify.__all__)
    assert all(hasattr(ramify, name) for name in ramify.__all__)
    fixed = {"parse", "Pattern", "patterns", "Puzzle", "solve", "grade", "find_attempts", "Run", "pass_at_k", "Verdict"}
    assert fixed <= set(ramify.__all__)


def test_each_has_a_docstring() -> None:
    for name in ramify.__all__:
        assert (getattr(ramify, name).__doc__ or "").strip(), name


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert ramify.__version__ == project["version"]
    with pytest.raises(AttributeError, match="no attribute '__versions__'"):
        _ = ramify.__versions__
