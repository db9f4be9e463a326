"""Pre-train a small base model on traces of a task with the transformers Trainer, resumably.

The settings `traces` choose the text and its tokens: random search (traces.py) or carelessly executed programs
(functions_traces.py).

Micro-batch i depends only on the seed and i, so a resumed run sees the same data.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ramify.config import MOST, Config, Name, Rate, Seed
from ramify.errors import ConfigError
from ramify.models.bundled.functions_traces import FunctionsTraceConfig
from ramify.models.bundled.tokenizer import PAD, TOKEN_IDS, TRACES
from ramify.models.bundled.traces import Trace, TraceConfig
from ramify.storage import saving

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""The label of tokens without loss: prompts and padding."""


class ArchitectureConfig(Config):
    """A small Llama architecture."""

    hidden_size: int = Field(128, ge=1, le=65_536)
    intermediate_size: int = Field(384, ge=1, le=262_144)
    num_hidden_layers: int = Field(4, ge=1, le=1000)
    num_attention_heads: int = Field(4, ge=1, le=1024)
    max_position_embeddings: int = Field(512, ge=1, le=MOST)

    @model_validator(mode="after")
    def _even_heads(self) -> "ArchitectureConfig":
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"architecture.hidden_size = {self.hidden_size}: must be a multiple of twice the "
                f"{self.num_attention_heads} attention heads"
            )
        return self


class PretrainConfig(Config):
    """Pre-training settings."""

    name: Name = "base"
    seed: Seed = 1
    start: str = ""
    """A model folder to start from; empty for random weights."""
    traces: Annotated[TraceConfig | FunctionsTraceConfig, Field(discriminator="kind")] = TraceConfig()
    architecture: ArchitectureConfig = ArchitectureConfig()
    """Architecture of a randomly initialised model; with `start`, only the context length is used."""
    steps: int = Field(7000, ge=1, le=100 * MOST)
    traces_per_step: int = Field(128, ge=1, le=MOST)
    micro_batches: int = Field(4, ge=1, le=MOST)
    """Micro-batches of a step; traces are sorted by length to reduce padding."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: Rate = 2e-3
    matrix_rate: float = Field(3.0, ge=1e-9, le=1e9)
    """Muon's learning rate for the matrices inside the layers, as a multiple of `learning_rate`."""
    warmup_steps: int = Field(100, ge=0, le=100 * MOST)
    decay_share: float = Field(0.73, ge=0, le=1)
    """Share of the steps at the end in which the learning rate decays to 0."""
    save_steps: int = Field(250, ge=1, le=100 * MOST)
    keep_checkpoints: int = Field(2, ge=1, le=MOST)
    """Number of checkpoints to keep; a learning curve needs all of them (`benchmarks/card.py --curve`)."""
    gap_share: float = Field(0.0, ge=0, le=1)
    """Share of the traces with a gap in their position ids after a random line, up to the model's context length.

    Short traces then train long relative distances (PoSE, Zhu et al. 2024, arXiv 2309.10400).
    """
    half: bool = False
    """Whether the finished model is kept in float16, in half the space."""
    compile: bool | None = None
    """Use torch.compile; by default on a GPU, since `update.py` handles a CPU."""
    bf16: bool | None = None
    """Compute in bfloat16; by default on a GPU."""

    @field_validator("traces", mode="before")
    @classmethod
    def _kind(cls, traces: Any) -> Any:
        return {"kind": "countdown", **traces} if isinstance(traces, dict) else traces


class TraceBatches:
    """A map-style dataset of micro-batches that are functions of the seed.

    Item i is a dict of `input_ids` and `labels`, each of shape (traces, tokens), padded on the right.
    """

    def __init__(self, config: PretrainConfig) -> None:
        self.config = config
        self._step = lru_cache(maxsize=2)(self._draw_step)

    def __len__(self) -> int:
        return self.config.steps * self.config.micro_batches

    def __getitem__(self, index: int) -> dict[str, "torch.Tensor"]:
        step, part = divmod(index, self.config.micro_batches)
        traces = self._step(step)
        cuts = [len(traces) * k // self.config.micro_batches for k in (part, part + 1)]
        batch = collate(traces[cuts[0] : cuts[1]], self.config.traces.token_ids)
        if self.config.gap_share:
            self._add_gaps(batch, Random(f"{self.config.seed}/gaps/{index}"))
        return batch

    def _add_gaps(self, batch: dict[str, "torch.Tensor"], random: Random) -> None:
        """Add `position_ids` with gaps."""
        import torch

        rows, width = batch["input_ids"].shape
        limit = self.config.architecture.max_position_embeddings
        positions = torch.arange(width).repeat(rows, 1)
        for row in range(rows):
            if random.random() < self.config.gap_share:
                ends = (batch["input_ids"][row] == self.config.traces.token_ids["\n"]).nonzero()[:, 0].tolist()
                start = random.choice(
                    [int((batch["labels"][row] != IGNORED).int().argmax()), *(end + 1 for end in ends)]
                )
                positions[row, start:] += random.randint(0, limit - width)
        batch["position_ids"] = positions

    def _draw_step(self, step: int) -> list[Trace]:
        random = Random(f"{self.config.seed}/traces/{step}")
        traces = [self.config.traces.draw(random) for _ in range(self.config.traces_per_step)]
        return sorted(traces, key=lambda trace: len(trace.prompt) + len(trace.search))


def collate(traces: list[Trace], token_ids: Mapping[str, int] = TOKEN_IDS) -> dict[str, "torch.Tensor"]:
    """Traces as tensors, padded on the right to a multiple of 16; only what follows the prompt has loss."""
    import torch

    longest = max(len(trace.prompt) + len(trace.search) for trace in traces)
    shape = (len(traces), -(-longest // 16) * 16)
    input_ids, labels = torch.zeros(shape, dtype=torch.long), torch.full(shape, IGNORED)
    for row, (prompt, search) in enumerate(traces):
        ids = torch.tensor([token_ids[token] for token in (*prompt, *search)])
        input_ids[row, : len(ids)] = ids
        labels[row, len(prompt) : len(ids)] = ids[len(prompt) :]
    # Without a mask, transformers interprets a gap in the positions as the start of another sequence.
    return {"input_ids": input_ids, "labels": labels, "attention_mask": (input_ids != token_ids[PAD]).long()}


def pretrain(config: PretrainConfig, folder: Path) -> Path:
    """Pre-train, resuming from the last checkpoint in the folder; returns the folder of the final model.

    Raises:
        ConfigError: `start` is not a model folder.
    """
    if config.start and not (Path(config.start) / "config.json").is_file():
        raise ConfigError(f"start = {config.start}: no model folder with a config.json is there")
    import torch
    from transformers import LlamaConfig, Trainer, TrainingArguments, set_seed
    from transformers.trainer_utils import get_last_checkpoint

    from ramify.models.bundled.muon import MuonAdamW
    from ramify.models.compiled.tiny import TinyForCausalLM
    from ramify.models.loading import as_one_sentence

    gpu = torch.cuda.is_available()
    set_seed(config.seed)
    tokenizer = config.traces.tokenizer()
    # Eager attention is faster than fused attention at these lengths on a CPU.
    if config.start:
        context = config.architecture.max_position_embeddings
        with as_one_sentence(config.start, "cannot be loaded as a model"):
            model = TinyForCausalLM.from_pretrained(
                config.start, attn_implementation="eager", max_position_embeddings=context, use_safetensors=True
            )
    else:
        architecture = LlamaConfig(
            vocab_size=len(config.traces.token_ids),
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            attn_implementation="eager",  # type: ignore[call-arg]  # taken by the parent class
            **config.architecture.model_dump(),
        )
        setattr(architecture, TRACES, config.traces.kind)
        model = TinyForCausalLM(architecture)
    if gpu if config.compile is None else config.compile:
        model.compile(dynamic=True)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=config.micro_batches,
        learning_rate=config.learning_rate,
        adam_beta2=0.98,
        weight_decay=0.01,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": int(config.steps * config.decay_share)},
        warmup_steps=config.warmup_steps,
        train_sampling_strategy="sequential",
        bf16=gpu if config.bf16 is None else config.bf16,
        use_cpu=not gpu,
        logging_steps=50,
        save_steps=config.save_steps,
        save_total_limit=config.keep_checkpoints,
        report_to="none",
        seed=config.seed,
    )
    batches: Any = TraceBatches(config)
    muon = MuonAdamW(model, config.learning_rate, config.matrix_rate) if config.optimizer == "muon" else None
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=batches,
        data_collator=lambda items: items[0],
        optimizers=(muon, None),
    )
    finished = folder / "model"
    with saving(folder):
        trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)) if folder.is_dir() else None)
        model.config.use_cache = True  # the Trainer disables it
        if config.half:
            model.half()  # type: ignore[no-untyped-call]
        model.save_pretrained(finished)
        tokenizer.save_pretrained(finished)
    return finished
