"""The trainers that a run can name."""

from typing import Annotated, Literal

from pydantic import Field

from ramify.config import Config
from ramify.train.existing import CheckpointsConfig
from ramify.train.job import Job
from ramify.train.online import GRPOConfig, RLOOConfig
from ramify.train.rft import RFTConfig
from ramify.train.sft import SFTConfig


class NoTrainerConfig(Config):
    """No training: the model is only evaluated."""

    kind: Literal["none"] = "none"

    def checked(self) -> "NoTrainerConfig":
        """These settings."""
        return self

    def saved_steps(self) -> list[int]:
        """None: there is only the model itself, step 0."""
        return []

    def train(self, job: Job) -> None:
        """Nothing."""


AnyTrainer = Annotated[
    GRPOConfig | RLOOConfig | SFTConfig | RFTConfig | CheckpointsConfig | NoTrainerConfig, Field(discriminator="kind")
]
