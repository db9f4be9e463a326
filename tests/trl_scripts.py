"""What the tests of TRL scripts share: puzzles, and settings of a training of seconds."""

from pathlib import Path
from typing import Any

from ramify import Puzzle

PUZZLES = [Puzzle((3, 7, 8), 29), Puzzle((12, 5, 30), 47), Puzzle((2, 9, 40), 51), Puzzle((1, 2, 3), 6)]


def settings(folder: Path, **more: Any) -> Any:
    from trl import GRPOConfig

    common = {
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "disable_tqdm": True,
    }
    sizes = {"per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 48, "max_steps": 2}
    return GRPOConfig(str(folder), **{"learning_rate": 1e-4, "logging_steps": 1, **common, **sizes, **more})
