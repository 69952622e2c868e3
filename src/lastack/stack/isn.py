"""Initial sequence numbers and timestamp offsets that nobody outside can foretell.

RFC 6528 3: ISN = M + F(local address, local port, remote address, remote port, key), where M ticks
every 4 microseconds and F is a keyed hash. RFC 7323 5.4 wants the timestamp clock of each
connection to start somewhere else; the other half of the same hash gives that.
"""

from typing import Final

from lastack.chance import Random, keyed_hash

TICK: Final = 4_000
"""Nanoseconds of one step of M (RFC 9293 3.4.1, MUST-8)."""


class SequenceNumbers:
    """Hands out (ISS, timestamp offset) for a 4-tuple, given as the stack's key for it."""

    key: bytes

    def __init__(self, random: Random) -> None:
        self.key = random.getrandbits(256).to_bytes(32, "big")

    def choose(self, four_tuple: bytes, now: int) -> tuple[int, int]:
        """Return the initial send sequence number and the timestamp offset, 32 bits each."""
        mixed = keyed_hash(self.key, four_tuple)
        return (now // TICK + mixed) & 0xFFFFFFFF, mixed >> 32  # SHLD-1, MUST-9
