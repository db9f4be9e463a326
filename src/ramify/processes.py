"""Which of several processes this is, where torchrun started more than one; and how work tells of its progress."""

import logging
import os
from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]
"""Told of progress: what is being done, how much of it is done, how much there is."""
LINE = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
"""How a line of the log looks."""
logging.getLogger("ramify").addHandler(logging.NullHandler())
logging.getLogger("ramify").setLevel(logging.INFO)


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """The number of this one on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def rank() -> int:
    """The number of this one, from 0."""
    return int(os.environ.get("RANK", "0"))
