"""Which puzzles are kept for evaluation, now and for ever, by a hash of what tells a puzzle apart.

The reservation needs no list and holds before any data set exists: pre-training, fine-tuning and RL draw from the
puzzles that are not reserved, every evaluation set from those that are.
"""

from hashlib import blake2b

SHARE = 16
"""One puzzle in this many is reserved."""


def is_reserved(identity: str) -> bool:
    """Whether the puzzle of an identity is reserved for evaluation.

    >>> sum(is_reserved(f"puzzle {number}") for number in range(16_000))  # 1000 are expected
    1043
    """
    return int.from_bytes(blake2b(identity.encode(), digest_size=8).digest()) % SHARE == 0
