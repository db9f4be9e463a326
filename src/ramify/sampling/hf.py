"""Sample completions with a transformers model, batch by batch."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from ramify.errors import require
from ramify.models.loading import (
    Attention,
    Decoder,
    Precision,
    computes_in_half,
    load_model,
    load_tokenizer,
    prompt_ids,
)
from ramify.processes import local_rank
from ramify.records import Completion, Item
from ramify.sampling.batches import SamplerConfig
from ramify.tasks.base import Prompt


class HFSamplerConfig(SamplerConfig):
    """Sampling with transformers in this process."""

    kind: Literal["hf"] = "hf"
    attention: Attention = "auto"
    decoder: Decoder = "auto"
    precision: Precision = "auto"

    def checked(self) -> None:
        """Raise MissingExtraError if torch or transformers is missing."""
        require("sampling with transformers", "train")

    def build(self, model: str | Path) -> "HFSampler":
        """Load a model from a folder or the hub."""
        return HFSampler(self, model)


class HFSampler:
    """A loaded model with its tokenizer.

    Raises:
        RunError: the model cannot be loaded.
    """

    def __init__(self, config: HFSamplerConfig, model: str | Path) -> None:
        config.checked()
        import torch

        self.config, self.name = config, model
        on_gpu = torch.cuda.is_available()
        self.device = f"cuda:{local_rank()}" if on_gpu else "cpu"
        half = computes_in_half(model, config.precision)
        loaded = load_model(model, config.attention, half, config.decoder)
        self.model: Any = loaded.to(self.device).eval()
        self.tokenizer: Any = load_tokenizer(model)
        own = self.model.generation_config.eos_token_id
        ends = own if isinstance(own, list) else [own]
        self.ends = sorted({end for end in [*ends, self.tokenizer.eos_token_id] if end is not None})

    def sample(self, puzzles: Sequence[Item], prompt: Prompt, greedy: bool, name: str) -> list[Completion]:
        """Sample a batch: the greedy completion, or `samples` completions, of each puzzle.

        Random numbers are seeded by the name, so a batch is reproducible (on a CPU).
        """
        return [completion for completion, _ in self.sample_tokens(puzzles, prompt, greedy, name)]

    def sample_tokens(
        self, puzzles: Sequence[Item], prompt: Prompt, greedy: bool, name: str
    ) -> list[tuple[Completion, list[int]]]:
        """Sample a batch with token ids, including special and end tokens."""
        import torch

        limit = self.config.max_new_tokens
        if limit is None:  # without a run: the limit that fits this batch
            limit = self.config.resolved(self.name, map(prompt.to_model_input, puzzles)).max_new_tokens
        repeats = 1 if greedy else self.config.samples
        asked = [
            prompt_ids(self.tokenizer, prompt.to_model_input(puzzle)) for puzzle in puzzles for _ in range(repeats)
        ]
        inputs = self.tokenizer.pad({"input_ids": asked}, return_tensors="pt").to(self.device)
        # As in training, ignore the model's own generation settings.
        settings: dict[str, Any] = {"do_sample": not greedy, "repetition_penalty": 1.0, "eos_token_id": self.ends}
        if not greedy:
            settings |= {"temperature": self.config.temperature, "top_k": 0, "top_p": 1.0, "min_p": None}
        cards = [self.model.device.index or 0] if self.model.device.type == "cuda" else []
        # Preserve the random state of a training in the same process.
        with torch.no_grad(), torch.random.fork_rng(devices=cards):
            torch.manual_seed(int.from_bytes(blake2b(name.encode(), digest_size=7).digest()))
            output = self.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=limit,
                **settings,
            )
        written = output[:, inputs["input_ids"].shape[1] :]
        is_end = torch.isin(written, torch.tensor(self.ends, device=written.device))
        ended = is_end.any(1).tolist()
        lengths = torch.where(is_end.any(1), is_end.int().argmax(1) + 1, written.shape[1]).tolist()
        tokens = [row[:length] for row, length in zip(written.tolist(), lengths, strict=True)]
        texts = [self.tokenizer.decode(ids, skip_special_tokens=True) for ids in tokens]
        owners = [(puzzle, -1 if greedy else k) for puzzle in puzzles for k in range(repeats)]
        return [
            (Completion(puzzle.id, sample, text, len(ids), not end), ids)
            for (puzzle, sample), text, ids, end in zip(owners, texts, tokens, ended, strict=True)
        ]
