"""Checkpoints trained elsewhere, which are only sampled."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ramify.errors import RunError
from ramify.models.checkpoints import find_checkpoints, is_model, whole_model
from ramify.run import Run
from ramify.train.base import Trainer


class CheckpointsConfig(Trainer):
    """A folder of checkpoints, or a list of their names."""

    kind: Literal["checkpoints"] = "checkpoints"
    folder: str | None = None
    """A folder with checkpoint-50 and so on, or verl's global_step_50; {seed} is replaced by the seed."""
    names: dict[int, str] = Field({})
    """Step to folder, hub name, hub name@revision, or model name on a server."""
    base: bool = False
    """Whether `model` is sampled too, as step 0."""
    verl_python: str = ""
    """An interpreter with verl, to merge its shards; by default the current one."""

    @field_validator("folder")
    @classmethod
    def _absolute(cls, folder: str | None) -> str | None:
        return folder if not (folder or "").strip() else str(Path(folder or "").expanduser().absolute())

    @model_validator(mode="after")
    def _one_way(self) -> "CheckpointsConfig":
        if (self.folder is None) == (not self.names):
            raise ValueError("train: set either folder or names for the checkpoints")
        if any(not 0 <= step < 2**31 for step in self.names) or (self.base and 0 in self.names):
            raise ValueError("train.names: steps are 0 to 2^31 - 1, and 0 is the model itself if train.base is set")
        unnamed = [step for step, name in self.names.items() if not name.strip()]
        if unnamed or (self.folder is not None and not self.folder.strip()):
            raise ValueError(f"train.{f'names.{unnamed[0]}' if unnamed else 'folder'}: names no checkpoint")
        return self

    def checked(self) -> "CheckpointsConfig":
        """Return the settings if the checkpoints exist.

        Raises:
            RunError: the folder has no checkpoint.
        """
        if self.folder is not None and "{seed}" not in self.folder:
            find_checkpoints(Path(self.folder))
        return self

    def saved_steps(self, seed: int = 1) -> list[int]:
        """The steps of the checkpoints."""
        return sorted(self.names or find_checkpoints(self._folder(seed)))

    def describe(self, model: str) -> str:
        """The origin of the checkpoints."""
        return f"The checkpoints ({self.folder or 'by their names'}) were trained elsewhere"

    def evaluated_steps(self, seed: int) -> list[int]:
        """The sampled steps; 0, the base model, if `base` is set."""
        return [*([0] if self.base else []), *self.saved_steps(seed)]

    def models(self, seed: int) -> list[Path | str]:
        """The checkpoints that can be loaded; verl shards are merged when sampled."""
        if self.names:
            return list(self.names.values())
        return [path for path in find_checkpoints(self._folder(seed)).values() if is_model(path)]

    def checkpoint(self, run: Run, seed: int, step: int) -> Path | str | None:
        """The checkpoint of a step, after merging verl shards; None for step 0, the base model.

        Raises:
            RunError: the checkpoint does not exist, or its shards cannot be merged.
        """
        if step == 0 and self.base:
            return None
        if self.names:
            return self.names[step]
        found = find_checkpoints(self._folder(seed))
        if step not in found:
            raise RunError(f"{self._folder(seed)}: no checkpoint of step {step}")
        return whole_model(found[step], run.merged_folder(seed, step), self.verl_python or sys.executable)

    def _folder(self, seed: int) -> Path:
        return Path((self.folder or "").replace("{seed}", str(seed)))
