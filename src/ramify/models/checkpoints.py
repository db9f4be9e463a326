"""Locate models: bundled ones, and checkpoint folders by step, with shards merged."""

import re
import subprocess
from importlib import resources
from pathlib import Path

from ramify.errors import RunError
from ramify.models.packaged import PREFIX, packaged_model

_STEP = re.compile(
    r"(?:global_step|checkpoint|ckpt|step|iteration|iter|completions|eps)[-_=]?(\d{1,12})(?!\d)", re.IGNORECASE
)
BUNDLED = {"bundled": "base", "bundled-naive": "base-naive", "bundled-functions": "functions"}
"""Bundled models; the naive one was pre-trained without the families that the study holds out, the last one is of
composed functions."""
_MODEL_FILES = ("config.json", "adapter_config.json")


def model_path(name: str) -> Path | str:
    """The location of a model: a bundled folder, a folder, or a hub name unchanged.

    A packaged model is converted at the first call.

    Raises:
        ConfigError, MissingExtraError: a packaged model is not installed.
        RunError: it cannot be converted.
    """
    if name.startswith(PREFIX):
        return packaged_model(name)
    if name in BUNDLED:
        return Path(str(resources.files("ramify.models.bundled") / BUNDLED[name]))
    folder = Path(name).expanduser()
    return folder if folder.exists() else name


def step_of(path: Path) -> int | None:
    """The step in a path: global_step_50/x.json, 50.jsonl, ckpt50; the last one if there are several.

    >>> [step_of(Path(text)) for text in ("a/global_step_50/x.json", "val/100.jsonl", "samples.jsonl", "ckpt50/a.csv")]
    [50, 100, None, 50]
    """
    if re.fullmatch(r"\d{1,12}", path.stem):
        return int(path.stem)
    found = _STEP.findall(str(path))
    return int(found[-1]) if found else None


def without_step(name: str) -> str:
    """A name with its step removed.

    >>> without_step("easy_step50"), without_step("global_step_50"), without_step("50")
    ('easy_', '', '')
    """
    return "" if re.fullmatch(r"\d{1,12}", name) else _STEP.sub("", name)


def is_model(folder: Path) -> bool:
    """Whether a folder has a model, or an adapter, that transformers can load."""
    return any((folder / name).is_file() for name in _MODEL_FILES)


def find_checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints of a training run by step: folders like checkpoint-50 (transformers) or global_step_50 (verl).

    Of two folders of one step, a name that ends with the step takes precedence.

    Raises:
        RunError: there are none, or two of the same step.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        step = step_of(Path(path.name))
        if not path.is_dir() or step is None or not (is_model(path) or _saved_whole(path) or _shards(path)):
            continue
        if step in found and _is_plain(found[step]) != _is_plain(path):
            found[step] = path if _is_plain(path) else found[step]  # ignore a copy such as checkpoint-2-backup
            continue
        if step in found:
            raise RunError(f"{folder}: {found[step].name} and {path.name} are both step {step}")
        found[step] = path
    if not found:
        raise RunError(f"{folder}: no checkpoints there; looked for folders such as checkpoint-50 or global_step_50")
    return dict(sorted(found.items()))


def _is_plain(path: Path) -> bool:
    """Whether a name ends with its step."""
    return re.search(r"[0-9]$", path.name) is not None


def whole_model(checkpoint: Path, merged: Path, python: str) -> Path:
    """A folder that transformers can load: the checkpoint, or its shards merged by verl's command.

    Args:
        merged: folder of the merged model, which is kept.
        python: an interpreter with verl.

    Raises:
        RunError: verl's command failed.
    """
    saved = _saved_whole(checkpoint)
    if saved is not None:
        return saved
    shards = None if is_model(checkpoint) else _shards(checkpoint)
    if shards is None or is_model(merged):
        return merged if is_model(merged) else checkpoint
    unfinished = merged.with_name(f".{merged.name}.tmp")
    command = [python, "-m", "verl.model_merger", "merge", "--backend", "fsdp", "--local_dir", str(shards)]
    try:
        done = subprocess.run([*command, "--target_dir", str(unfinished)], capture_output=True, text=True, check=False)
    except OSError as error:
        raise RunError(f"train.verl_python = {python}: {error.strerror}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunError(
            f"{checkpoint}: `{' '.join(command)}` failed: {last}; set an interpreter with verl by train.verl_python"
        )
    unfinished.replace(merged)
    return merged


def _saved_whole(checkpoint: Path) -> Path | None:
    """The folder of an unsharded model saved by verl; next to shards verl keeps only its configuration there."""
    folder = checkpoint / "actor" / "huggingface"
    return folder if is_model(folder) and any(folder.glob("*.safetensors")) else None


def _shards(checkpoint: Path) -> Path | None:
    """The folder of the policy's shards in a verl checkpoint; None if there is none."""
    for folder in (checkpoint / "actor", checkpoint):
        if any(folder.glob("model_world_size_*_rank_*.pt")):
            return folder
    return None
