"""Muon for the matrices of a model and AdamW for everything else, as one optimizer for the transformers Trainer.

On the tiny model Muon reaches the loss of AdamW in about two thirds of the steps (docs/performance.md).
"""

from typing import Any

import torch


class MuonAdamW(torch.optim.Optimizer):
    """Two optimizers of torch that step together; their parameter groups share one learning-rate schedule.

    Args:
        model: its 2-dimensional weights inside the layers go to Muon, embeddings and norms to AdamW.
        learning_rate: of AdamW.
        matrix_rate: Muon's learning rate as a multiple of that; its updates are scaled to the size of AdamW's.
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
        """One step of both."""
        for part in self.parts:
            part.step()  # type: ignore[no-untyped-call]

    def state_dict(self) -> dict[str, Any]:
        """The states of both, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()
