"""Random numbers that follow from names, so that what is made again is the same, whatever was made before it.

Python's own generator is seeded by a name too: `random.Random("1/schedule")`.
"""

from hashlib import blake2b
from typing import Any

import numpy as np


def generator(name: str) -> np.random.Generator:
    """A generator of numpy whose numbers follow from a name, such as `"1/test/A+B*C"`."""
    return np.random.default_rng(int.from_bytes(blake2b(name.encode(), digest_size=16).digest()))


def seed_of(*parts: Any) -> int:
    """A seed that follows from names: 31 bits, which every engine takes."""
    return int.from_bytes(blake2b("/".join(map(str, parts)).encode(), digest_size=4).digest()) >> 1
