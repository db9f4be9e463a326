"""A missing extra is named before any work starts, with a command that installs it."""

import json
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace

import pytest

from ramify import ExperimentConfig, MissingExtraError, errors
from ramify.pipeline import run_all


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def without_trl(name: str) -> ModuleSpec | None:
        return None if name == "trl" else ModuleSpec(name, None)

    monkeypatch.setattr(errors, "find_spec", without_trl)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[train\]'"):
        run_all(ExperimentConfig.load("quickstart"), tmp_path, lambda *_: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "pip install 'ramify[train]'"),  # from an index
        ({"url": "HERE", "dir_info": {"editable": True}}, "pip install -e 'PATH[train]'"),
        ({"url": "HERE", "dir_info": {}}, "pip install 'PATH[train]'"),
        ({"url": "HERE/ramify.whl", "archive_info": {}}, "pip install 'PATH/ramify.whl[train]'"),
        ({"url": "HERE/gone", "dir_info": {}}, "pip install '.[train]' in a checkout of ramify"),
        ({"url": "https://example.org/ramify.git", "vcs_info": {}}, "pip install '.[train]' in a checkout of ramify"),
    ],
)
def test_an_extra_is_installed_from_where_ramify_came(
    origin: dict | None, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = tmp_path / "a folder"
    here.mkdir()
    (here / "ramify.whl").touch()
    written = None if origin is None else json.dumps(origin).replace("HERE", here.as_uri())
    installed = SimpleNamespace(read_text=lambda name: {"direct_url.json": written}[name])
    monkeypatch.setattr(metadata, "distribution", lambda name: {"ramify": installed}[name])
    assert errors.install_line("train") == line.replace("PATH", str(here))


def test_a_source_tree_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    assert errors.install_line("lora") == "pip install '.[lora]' in a checkout of ramify"
