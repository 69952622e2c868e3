"""The path MTU of each destination, as far as routers have told (RFC 1191 6, RFC 8201 5)."""

from collections import OrderedDict
from typing import Final

from lastack.units import MINUTE

LIFETIME: Final = 10 * MINUTE
"""After this a larger packet may be tried again (RFC 1191 6.3)."""
_MOST: Final = 1024
_UNLIMITED: Final = 65535


class PathMtus:
    """A bounded cache of (MTU in octets, when to forget it), the oldest going first.

    `fragmented` are those on which routers may fragment: they carry less than we care to believe.
    """

    known: OrderedDict[bytes, tuple[int, int]]
    fragmented: set[bytes]

    def __init__(self) -> None:
        self.known = OrderedDict()
        self.fragmented = set()

    def get(self, destination: bytes, now: int) -> int:
        """Return the MTU of the path to a destination; 65535 where nothing is known."""
        if not self.known:
            return _UNLIMITED
        found = self.known.get(destination)
        if found is None:
            return _UNLIMITED
        if found[1] <= now:
            self.forget(destination)
            return _UNLIMITED
        return found[0]

    def lower(self, destination: bytes, mtu: int, now: int) -> None:
        """No more than `mtu` gets through: a router has said it, and a connection believed it."""
        if mtu < self.get(destination, now):
            self.known.pop(destination, None)
            while len(self.known) >= _MOST:
                self.forget(next(iter(self.known)))
            self.known[destination] = (mtu, now + LIFETIME)

    def forget(self, destination: bytes) -> None:
        """Nothing is known any more."""
        self.known.pop(destination, None)
        self.fragmented.discard(destination)
