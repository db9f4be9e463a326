"""Random numbers seeded by names, so that each result is reproducible independently of the others.

Python's own generator is seeded by a name too: `random.Random("1/schedule")`.
"""

from hashlib import blake2b
from typing import Any

import numpy as np


def generator(name: str) -> np.random.Generator:
    """A numpy generator seeded by a name, such as `"1/test/A+B*C"`."""
    return np.random.default_rng(int.from_bytes(blake2b(name.encode(), digest_size=16).digest()))


def seed_of(*parts: Any) -> int:
    """A 31-bit seed derived from names, valid for every engine."""
    return int.from_bytes(blake2b("/".join(map(str, parts)).encode(), digest_size=4).digest()) >> 1
