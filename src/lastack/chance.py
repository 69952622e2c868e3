"""Chance is an argument: what the machine asks of a random source, and the keyed hash it shares.

Anything with the methods of `Random` will do; `random.Random(seed)` gives repeatable worlds and
`random.SystemRandom()` gives unpredictable ones.
"""

from hashlib import blake2s
from typing import Protocol


class Random(Protocol):
    """The two draws that lastack makes."""

    def getrandbits(self, k: int, /) -> int:
        """Return an int of k random bits."""

    def random(self) -> float:
        """Return a float in [0.0, 1.0)."""


def keyed_hash(key: bytes, data: bytes) -> int:
    """Return 64 bits that nobody without the key can foretell (RFC 6528 3, RFC 6056 3.3.3)."""
    return int.from_bytes(blake2s(data, digest_size=8, key=key).digest(), "big")
