"""Sample completions with vLLM in this process."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ramify.config import MOST
from ramify.errors import RunError, reason, require
from ramify.models.loading import hub_name
from ramify.randomness import seed_of
from ramify.records import Completion, Item
from ramify.sampling.batches import SamplerConfig
from ramify.tasks.base import Prompt


class VLLMSamplerConfig(SamplerConfig):
    """Sampling with vLLM offline, in large batches, since the engine forms its own."""

    kind: Literal["vllm"] = "vllm"
    batch_size: int = Field(16_384, ge=1, le=MOST)
    tensor_parallel_size: int = Field(1, ge=1, le=1024)
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    dtype: str = "auto"
    extra: dict[str, Any] = Field({})
    """Additional arguments of `vllm.LLM`, such as { max_model_len = 2048 }."""

    def checked(self) -> None:
        """Raise MissingExtraError if vLLM is missing."""
        require("sampling with vLLM", "vllm")

    def build(self, model: str | Path) -> "VLLMSampler":
        """Load a model from a folder or the hub (`name@revision`)."""
        return VLLMSampler(self, model)


class VLLMSampler:
    """A vLLM engine with a model."""

    def __init__(self, config: VLLMSamplerConfig, model: str | Path) -> None:
        config.checked()
        import vllm

        if (Path(model) / "adapter_config.json").is_file():
            raise RunError(f"{model}: an adapter, which the vLLM sampler does not load; use sample.kind=hf")
        gc.collect()  # the previous engine may still hold the GPU
        self.config, self.vllm, self.name = config, vllm, model
        name, revision = hub_name(model)
        try:
            self.llm: Any = vllm.LLM(
                model=name,
                revision=revision,
                tensor_parallel_size=config.tensor_parallel_size,
                gpu_memory_utilization=config.gpu_memory_utilization,
                dtype=config.dtype,
                **{"load_format": "safetensors", **config.extra},  # never unpickle
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise RunError(f"{model}: vLLM cannot load it: {reason(error, model)}") from None

    def sample(self, puzzles: Sequence[Item], prompt: Prompt, greedy: bool, name: str) -> list[Completion]:
        """Sample a batch: the greedy completion, or `samples` completions, of each puzzle, in order."""
        config = self.config
        if config.max_new_tokens is None:  # without a run: the limit that fits this batch
            config = config.resolved(self.name, map(prompt.to_model_input, puzzles))
        settings = [
            self.vllm.SamplingParams(
                n=1 if greedy else self.config.samples,
                temperature=0.0 if greedy else self.config.temperature,
                top_p=1.0,
                max_tokens=config.max_new_tokens,
                seed=seed_of(name, puzzle.id),
            )
            for puzzle in puzzles
        ]
        prompts = [prompt.to_model_input(puzzle) for puzzle in puzzles]
        ask = self.llm.chat if prompt.chat else self.llm.generate
        answers = ask(prompts, settings, use_tqdm=False)
        return [
            Completion(puzzle.id, -1 if greedy else k, one.text, len(one.token_ids), one.finish_reason == "length")
            for puzzle, answer in zip(puzzles, answers, strict=True)
            for k, one in enumerate(answer.outputs)
        ]
