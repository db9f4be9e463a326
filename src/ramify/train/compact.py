"""TRL trainers that compute the same gradient with less work on a CPU.

TRL pads every completion of a step to the longest one and runs forward and backward passes on all of them. Here rows
with zero advantage are dropped (without a KL term their gradient is zero), and the others are sorted by length and cut
into chunks, each padded to its longest row. TRL's metrics inside the loss (entropy, KL, clip ratios) are therefore
means over chunks, and over the rows with a gradient.
"""

from typing import Any

import torch
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer

CHUNK = 64
"""Rows per forward pass."""

# Whether chunk losses are weighted by their share of the rows, or summed.
_BY_ROWS = {"grpo", "dr_grpo"}
_BY_SUM = {"dapo"}


class CompactGRPOTrainer(GRPOTrainer):
    """GRPO with the same loss, less padding, and no work for rows with zero advantage."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch, chunk by chunk; unchanged with several processes, which would wait for each other."""
        known = self.loss_type in _BY_ROWS | _BY_SUM and inputs["advantages"].dim() == 1
        if not known or self.aux_loss_enabled or self.accelerator.num_processes > 1:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        chunks, loss = _chunks(inputs, keep_all=self.beta != 0), super().compute_loss
        losses = [loss(model, part) for part in chunks]
        return _sum(losses, chunks if self.loss_type in _BY_ROWS else None, len(inputs["advantages"]))


class CompactRLOOTrainer(RLOOTrainer):
    """RLOO with the same loss and less work; its KL term is part of the advantage."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch, chunk by chunk; unchanged with several processes, which would wait for each other."""
        if self.aux_loss_enabled or self.accelerator.num_processes > 1:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        chunks, loss = _chunks(inputs, keep_all=False), super().compute_loss
        losses = [loss(model, part) for part in chunks]
        return _sum(losses, chunks, len(inputs["advantages"]))


def _chunks(inputs: dict[str, Any], keep_all: bool) -> list[dict[str, Any]]:
    """The rows with a gradient, sorted by length, `CHUNK` at a time."""
    lengths = inputs["completion_mask"].sum(1)
    rows = torch.arange(len(lengths), device=lengths.device)
    if not keep_all:
        rows = rows[inputs["advantages"] != 0]
    if len(rows) == 0:
        rows = torch.arange(1, device=lengths.device)  # one row, with zero gradient
    rows = rows[torch.argsort(lengths[rows], stable=True)]
    return [_take(inputs, chunk, int(lengths[chunk].max())) for chunk in rows.split(CHUNK)]


def _sum(losses: list[torch.Tensor], by_rows: list[dict[str, Any]] | None, rows: int) -> torch.Tensor:
    """The loss of the batch: chunks weighted by their share of its rows, or a plain sum."""
    weights = [len(chunk["advantages"]) / rows for chunk in by_rows] if by_rows else [1.0] * len(losses)
    return torch.stack([loss * weight for loss, weight in zip(losses, weights, strict=True)]).sum()


def _take(inputs: dict[str, Any], rows: torch.Tensor, length: int) -> dict[str, Any]:
    """Selected rows of a batch, with completions cut to a length; other tensors are unchanged."""
    batch, width = inputs["completion_ids"].shape
    taken = {}
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor) and value.dim() > 0 and len(value) == batch:
            value = value[rows]
            if value.dim() > 1 and value.shape[1] == width and not name.startswith("prompt"):
                value = value[:, :length]
        taken[name] = value
    return taken
