"""The manifest of a run: versions, machine, seeds, and duration of the last start."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def manifest(seeds: Sequence[int], digest: str, seconds: float) -> dict[str, Any]:
    """The manifest of a run."""
    packages = ["ramify", "torch", "transformers", "trl", "polars", "numpy"]
    return {
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "commit": _commit(),
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
        "device": _device(),
        "seeds": list(seeds),
        "digest": digest,
        "seconds": round(seconds),
    }


def version(package: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    try:
        folder = Path(__file__).parent
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=folder, check=True)
        return found.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _device() -> str:
    if find_spec("torch") is None:
        return "cpu"
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
