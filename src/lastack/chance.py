"""Chance is an argument: what the machine asks of a random source, and the keyed hashes it shares.

Anything with the methods of `Random` will do; `random.Random(seed)` gives repeatable worlds and
`random.SystemRandom()` gives unpredictable ones.
"""

from hashlib import blake2s
from typing import Final, Protocol


class Random(Protocol):
    """The two draws that lastack makes."""

    def getrandbits(self, k: int, /) -> int:
        """Return an int of k random bits."""

    def random(self) -> float:
        """Return a float in [0.0, 1.0)."""


def keyed_hash(key: bytes, data: bytes) -> int:
    """Return 64 bits that nobody without the key can foretell (RFC 6528 3, RFC 6056 3.3.3)."""
    return int.from_bytes(blake2s(data, digest_size=8, key=key).digest(), "big")


_MASK: Final = 0xFFFFFFFFFFFFFFFF


def siphash(key: bytes, data: bytes) -> int:
    """Return SipHash-2-4 of some octets with a key of 16: what Fast Open's cookies are made with.

    (Aumasson and Bernstein, 2012.) Other systems make them so too: hosts that answer for the same
    address, and are given the same key, know each other's cookies.
    """
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:16], "little")
    a, b = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    c, d = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    whole = data + bytes(-(len(data) + 1) % 8) + bytes((len(data) & 0xFF,))
    for at in range(0, len(whole), 8):
        word = int.from_bytes(whole[at : at + 8], "little")
        a, b, c, d = _round(*_round(a, b, c, d ^ word))
        a ^= word
    c ^= 0xFF
    for _ in range(4):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


def _round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    a = (a + b) & _MASK
    b = _rotated(b, 13) ^ a
    a = _rotated(a, 32)
    c = (c + d) & _MASK
    d = _rotated(d, 16) ^ c
    a = (a + d) & _MASK
    d = _rotated(d, 21) ^ a
    c = (c + b) & _MASK
    b = _rotated(b, 17) ^ c
    return a, b, _rotated(c, 32), d


def _rotated(word: int, by: int) -> int:
    return (word << by & _MASK) | word >> 64 - by
