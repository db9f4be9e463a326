"""Muon for matrices and AdamW for other weights, as one optimizer for the transformers Trainer.

On the tiny model Muon reaches the loss of AdamW in about two thirds of the steps (docs/performance.md).
"""

from typing import Any

import torch


class MuonAdamW(torch.optim.Optimizer):
    """Two torch optimizers that step together under one learning-rate schedule.

    Args:
        model: Muon optimizes the 2-dimensional weights in its layers, AdamW embeddings and norms.
        learning_rate: learning rate of AdamW.
        matrix_rate: learning rate of Muon as a multiple of it; its updates are scaled to the size of AdamW's.
    """

    def __init__(self, model: torch.nn.Module, learning_rate: float, matrix_rate: float) -> None:
        named = list(model.named_parameters())
        matrices = [weight for name, weight in named if weight.ndim == 2 and ".layers." in name]
        chosen = {id(weight) for weight in matrices}
        others = [weight for _, weight in named if id(weight) not in chosen]
        self.parts = (
            torch.optim.Muon(
                matrices, lr=learning_rate * matrix_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01),
        )
        super().__init__([*matrices, *others], {})
        self._share_groups()

    def _share_groups(self) -> None:
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of both optimizers."""
        for part in self.parts:
            part.step()  # type: ignore[no-untyped-call]

    def state_dict(self) -> dict[str, Any]:
        """The states of both optimizers, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the states of both optimizers."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()
