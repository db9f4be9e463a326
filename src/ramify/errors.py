"""The errors a user can cause.

RamifyError           one sentence that names the setting, the value and the remedy; the command line exits with 2
├── ConfigError       a setting, an override or a file of settings
└── RunError          a run folder that cannot be used as asked
MissingExtraError     an optional dependency that is not installed (also an ImportError)
"""

from importlib.util import find_spec


class RamifyError(Exception):
    """An error whose text is meant for the person at the terminal."""


class ConfigError(RamifyError):
    """A setting that does not exist, has the wrong type, or contradicts another."""


class RunError(RamifyError):
    """A run folder, or a file in it, that cannot be used as asked."""


class MissingExtraError(RamifyError, ImportError):
    """A part of ramify whose optional dependencies are not installed."""

    def __init__(self, part: str, extra: str) -> None:
        super().__init__(f"{part} needs packages that are not installed: pip install 'ramify[{extra}]'")


_MODULES = {
    "inspect": ("inspect_ai",),
    "lora": ("peft",),
    "tensorboard": ("tensorboard",),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "openai": ("openai",),
    "ray": ("ray",),
    "verifiers": ("verifiers",),
    "vllm": ("vllm",),
    "report": ("resvg_py",),
    "train": ("torch", "transformers", "trl", "datasets", "accelerate", "safetensors"),
}


def require(part: str, extra: str) -> None:
    """Raise MissingExtraError if a package of an extra is not installed; imports nothing."""
    if any(find_spec(module) is None for module in _MODULES[extra]):
        raise MissingExtraError(part, extra)
