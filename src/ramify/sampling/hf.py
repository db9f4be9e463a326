"""Sample completions with a transformers model, batch by batch."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import Field

from ramify.config import Config
from ramify.errors import RunError, require
from ramify.records import Completion, Puzzle
from ramify.tasks.prompts import Template, prompt


class HFSamplerConfig(Config):
    """How every checkpoint is sampled."""

    kind: str = Field("hf", pattern="^hf$")
    samples: int = Field(4, ge=1)
    """Completions a puzzle at the temperature."""
    greedy: bool = True
    """Whether to add one completion at temperature 0."""
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(224, ge=1)
    batch_size: int = Field(256, ge=1)
    """Completions that are generated at once."""

    def build(self, model: str | Path) -> "HFSampler":
        """Load a model folder, or a model by hub name."""
        return HFSampler(self, model)


class HFSampler:
    """A loaded model with its tokenizer.

    Raises:
        RunError: the model cannot be loaded.
    """

    def __init__(self, config: HFSamplerConfig, model: str | Path) -> None:
        require("sampling with transformers", "train")
        import torch
        from transformers import AutoTokenizer

        from ramify.models.tiny import load_model

        self.config = config
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.model: Any = load_model(model).to(self.device).eval()
            self.tokenizer: Any = AutoTokenizer.from_pretrained(model, padding_side="left")
        except (OSError, ValueError) as error:
            raise RunError(f"{model}: cannot be loaded as a model: {str(error).splitlines()[0]}") from None

    def sample(self, puzzles: Sequence[Puzzle], template: Template, greedy: bool, name: str) -> list[Completion]:
        """One batch: the greedy completion, or `samples` completions, of each puzzle.

        The random numbers follow from the name, so a batch that is made again is the same (on a CPU).
        """
        import torch

        repeats = 1 if greedy else self.config.samples
        prompts = [prompt(puzzle, template) for puzzle in puzzles for _ in range(repeats)]
        inputs = self.tokenizer(prompts, return_tensors="pt", padding=True).to(self.device)
        torch.manual_seed(int.from_bytes(blake2b(name.encode(), digest_size=7).digest()))
        settings = {"do_sample": False} if greedy else {"do_sample": True, "temperature": self.config.temperature}
        if not greedy:
            settings |= {"top_k": 0, "top_p": 1.0}
        with torch.no_grad():
            output = self.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=self.config.max_new_tokens,
                **settings,
            )
        written = output[:, inputs["input_ids"].shape[1] :]
        ends = self.model.generation_config.eos_token_id
        is_end = torch.isin(written, torch.tensor(ends, device=written.device))
        ended = is_end.any(1)
        lengths = torch.where(ended, is_end.int().argmax(1) + 1, written.shape[1])
        texts = [
            self.tokenizer.decode(row[:length], skip_special_tokens=True)
            for row, length in zip(written, lengths.tolist(), strict=True)
        ]
        owners = [(puzzle, -1 if greedy else k) for puzzle in puzzles for k in range(repeats)]
        return [
            Completion(puzzle.id, sample, text, length, not end)
            for (puzzle, sample), text, length, end in zip(owners, texts, lengths.tolist(), ended.tolist(), strict=True)
        ]

    def batches(self, puzzles: Sequence[Puzzle]) -> Iterator[tuple[bool, Sequence[Puzzle]]]:
        """The batches that cover a set: (greedy, puzzles). Puzzles of one size go together, which wastes no padding."""
        ordered = sorted(puzzles, key=lambda puzzle: (len(puzzle.numbers), puzzle.id))
        for greedy in [True, False] if self.config.greedy else [False]:
            each = max(1, self.config.batch_size // (1 if greedy else self.config.samples))
            for start in range(0, len(ordered), each):
                yield greedy, ordered[start : start + each]
