"""Checkpoints that others trained, in the place of a training of ours: they are only sampled."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ramify.errors import RunError
from ramify.models.checkpoints import find_checkpoints, is_model, whole_model
from ramify.run import Run
from ramify.train.base import Trainer


class CheckpointsConfig(Trainer):
    """A folder of checkpoints, or their names one by one."""

    kind: Literal["checkpoints"] = "checkpoints"
    folder: str | None = None
    """Holds checkpoint-50 and so on, or verl's global_step_50; {seed} in it stands for the seed."""
    names: dict[int, str] = Field({})
    """Step to folder, hub name, hub name@revision, or a server's name for the model."""
    base: bool = False
    """Whether `model` is sampled too, as step 0."""
    verl_python: str = ""
    """An interpreter that has verl, which merges verl's shards; this one if not given."""

    @field_validator("folder")
    @classmethod
    def _absolute(cls, folder: str | None) -> str | None:
        return folder if not (folder or "").strip() else str(Path(folder or "").expanduser().absolute())

    @model_validator(mode="after")
    def _one_way(self) -> "CheckpointsConfig":
        if (self.folder is None) == (not self.names):
            raise ValueError("train: checkpoints are named by folder or by names, one of the two")
        if any(not 0 <= step < 2**31 for step in self.names) or (self.base and 0 in self.names):
            raise ValueError("train.names: steps are 0 to 2^31 - 1, and 0 is the model itself if train.base is set")
        unnamed = [step for step, name in self.names.items() if not name.strip()]
        if unnamed or (self.folder is not None and not self.folder.strip()):
            raise ValueError(f"train.{f'names.{unnamed[0]}' if unnamed else 'folder'}: names no checkpoint")
        return self

    def checked(self) -> "CheckpointsConfig":
        """These settings, if the checkpoints are there.

        Raises:
            RunError: the folder has none.
        """
        if self.folder is not None and "{seed}" not in self.folder:
            find_checkpoints(Path(self.folder))
        return self

    def saved_steps(self, seed: int = 1) -> list[int]:
        """The steps that there are checkpoints of."""
        return sorted(self.names or find_checkpoints(self._folder(seed)))

    def describe(self, model: str) -> str:
        """Where the checkpoints are from."""
        return f"The checkpoints ({self.folder or 'by their names'}) were trained elsewhere"

    def evaluated_steps(self, seed: int) -> list[int]:
        """Steps that are sampled; 0, the model itself, if `base` is set."""
        return [*([0] if self.base else []), *self.saved_steps(seed)]

    def models(self, seed: int) -> list[Path | str]:
        """The checkpoints that can be loaded; shards of verl are merged when they are sampled."""
        if self.names:
            return list(self.names.values())
        return [path for path in find_checkpoints(self._folder(seed)).values() if is_model(path)]

    def checkpoint(self, run: Run, seed: int, step: int) -> Path | str | None:
        """The checkpoint of a step; shards of verl are merged first. None: step 0 is the model itself.

        Raises:
            RunError: there is none, or its shards cannot be merged.
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
