"""The ranks of the processes that torchrun starts."""

import os


def world_size() -> int:
    """The number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """The rank of this process on its machine, which is the index of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def rank() -> int:
    """The rank of this process, from 0."""
    return int(os.environ.get("RANK", "0"))
