"""The samplers that a run can name: those of ramify, and those of other packages (entry points `ramify.samplers`)."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ramify.plugins import Plugins
from ramify.sampling.batches import SamplerConfig
from ramify.sampling.hf import HFSamplerConfig
from ramify.sampling.openai import OpenAISamplerConfig
from ramify.sampling.vllm import VLLMSamplerConfig

SAMPLERS: Plugins[type[SamplerConfig]] = Plugins(
    "ramify.samplers",
    "sampler",
    SamplerConfig,
    {"hf": HFSamplerConfig, "openai": OpenAISamplerConfig, "vllm": VLLMSamplerConfig},
)

if TYPE_CHECKING:
    AnySampler = SamplerConfig
else:
    AnySampler = Annotated[SAMPLERS.union(), Field(discriminator="kind")]
