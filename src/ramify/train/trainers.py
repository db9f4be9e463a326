"""The trainers available in settings."""

from typing import Annotated, Literal

from pydantic import Field

from ramify.train.base import Trainer
from ramify.train.existing import CheckpointsConfig
from ramify.train.online import GRPOConfig, RLOOConfig
from ramify.train.rft import RFTConfig
from ramify.train.sft import SFTConfig


class NoTrainerConfig(Trainer):
    """No training: only the model itself is evaluated, as step 0."""

    kind: Literal["none"] = "none"


AnyTrainer = Annotated[
    GRPOConfig | RLOOConfig | SFTConfig | RFTConfig | CheckpointsConfig | NoTrainerConfig, Field(discriminator="kind")
]
