"""The samplers available in settings."""

from typing import Annotated

from pydantic import Field

from ramify.sampling.hf import HFSamplerConfig
from ramify.sampling.openai import OpenAISamplerConfig
from ramify.sampling.vllm import VLLMSamplerConfig

AnySampler = Annotated[HFSamplerConfig | OpenAISamplerConfig | VLLMSamplerConfig, Field(discriminator="kind")]
