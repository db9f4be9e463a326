"""What a training process holds between steps."""

from pathlib import Path

import pytest
import torch

from ramify.train.callbacks import give_back_memory

STATM = Path("/proc/self/statm")


def resident() -> float:
    """MiB of this process that are in memory."""
    return int(STATM.read_text().split()[1]) * 4096 / 2**20


@pytest.mark.skipif(not STATM.exists(), reason="reads /proc")
def test_what_is_freed_between_blocks_that_stay_goes_back() -> None:
    blocks = [torch.ones(100_000 // 4) for _ in range(4000)]  # 400 MB in pieces that malloc keeps
    stay = blocks[::50]
    full = resident()
    del blocks
    give_back_memory()
    assert resident() < full - 300
    assert len(stay) == 80
