"""Checkpoints that are hostile or broken: one sentence, and nothing of theirs is run or unpickled."""

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from ramify import ExperimentConfig, RunError
from ramify.models.checkpoints import model_path
from ramify.models.loading import check_model, load_model, load_tokenizer
from ramify.pipeline import run_all


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple:
        return Path.touch, (self.file,)


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder / "ran")))


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def empty_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def endless_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")


def no_tensors(folder: Path) -> None:
    header = json.dumps({}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def changed(name: str, **values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


def written(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None  # type: ignore[return-value]


REMOTE = {"AutoConfig": "run.Config", "AutoModelForCausalLM": "run.Model"}


def own_code(folder: Path) -> None:
    (folder / "run.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    changed("config.json", auto_map=REMOTE, model_type="mine")(folder)


BROKEN = {
    "pickle": (only_pickle, "is a pickle, which may run code"),
    "no weights": (no_weights, "there are no weights"),
    "cut": (cut_weights, "cannot be loaded as a model"),
    "empty": (empty_weights, "cannot be loaded as a model"),
    "endless header": (endless_header, "cannot be loaded as a model"),
    "other shapes": (changed("config.json", hidden_size=96, head_dim=24), "cannot be loaded as a model"),
    "a million layers": (changed("config.json", num_hidden_layers=10**6), "must be from 1 to 1000"),
    "no layers": (changed("config.json", num_hidden_layers="many"), "cannot be loaded as a model"),
    "a list": (written("config.json", b"[1, 2]"), "cannot be loaded as a model"),
    "no JSON": (written("config.json", b"{"), "cannot be loaded as a model"),
    "nested JSON": (written("config.json", b"[" * 200_000), "cannot be loaded as a model"),
    "bytes": (written("config.json", b"\xff\xfe\x00"), "cannot be loaded as a model"),
    "own code": (own_code, "cannot be loaded as a model"),
    "tokenizer of bytes": (written("tokenizer.json", b"\xff\xfe\x00"), "has no tokenizer"),
    "tokenizer of nothing": (written("tokenizer.json", b"{}"), "has no tokenizer"),
    "nested tokenizer": (written("tokenizer.json", b"[" * 200_000), "has no tokenizer"),
    "tokenizer of wrong types": (changed("tokenizer.json", model={"type": "BPE", "vocab": 3}), "has no tokenizer"),
    "tokenizer config": (written("tokenizer_config.json", b"[]"), "has no tokenizer"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(model_path("bundled"), tmp_path / "mine")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_is_one_sentence(name: str, copy: Path) -> None:
    break_it, words = BROKEN[name]
    break_it(copy)
    with pytest.raises(RunError) as error:
        check_model(copy)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).count(str(copy)) == 1
    with pytest.raises(RunError):
        load_model(copy)
        load_tokenizer(copy)
    assert not (copy / "ran").exists()


def test_weights_that_are_missing_are_not_drawn_at_random(copy: Path) -> None:
    no_tensors(copy)
    with pytest.raises(RunError, match=r"its files lack \d+ weights"):
        load_model(copy)


def test_what_is_whole_passes(copy: Path) -> None:
    check_model(copy)


def test_an_adapter_of_pickle(copy: Path) -> None:
    (copy / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(model_path("bundled"))}))
    (copy / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(copy / "ran")))
    for load in (check_model, load_model):
        with pytest.raises(RunError, match=r"no adapter_model\.safetensors; pickles are never loaded"):
            load(copy)
    assert not (copy / "ran").exists()
    (copy / "adapter_config.json").write_text('{"base_model_name_or_path": 3}')
    with pytest.raises(RunError, match="base_model_name_or_path = 3 is not a model"):
        check_model(copy)


@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{% if %}", "{{ raise_exception('x') }}"])
def test_a_chat_template_that_fails(template: str, copy: Path) -> None:
    (copy / "chat_template.jinja").write_text(template)
    with pytest.raises(RunError, match="its chat template fails"):
        check_model(copy, chat=True)


def test_a_run_of_a_broken_model_leaves_nothing(copy: Path, tmp_path: Path, tiny_config: ExperimentConfig) -> None:
    only_pickle(copy)
    config = tiny_config.model_copy(update={"model": str(copy)})
    with pytest.raises(RunError, match="is a pickle"):
        run_all(config, tmp_path / "runs", lambda *_: None)
    chat = tiny_config.task.model_copy(update={"prompt": tiny_config.task.prompt.model_copy(update={"chat": True})})
    with pytest.raises(RunError, match="no chat template"):
        run_all(tiny_config.model_copy(update={"task": chat}), tmp_path / "runs", lambda *_: None)
    assert not (tmp_path / "runs").exists()
