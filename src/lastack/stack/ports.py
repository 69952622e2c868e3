"""Local ports: which are taken by whom, and the choice of ephemeral ones (RFC 6056).

A binding is an address (b"" or all zeroes for any of ours) and a port. Two bindings of one port
clash where their addresses overlap, unless both allow reuse and neither listens, or both share the
port (SO_REUSEPORT).
"""

from collections.abc import Container
from typing import Final

from lastack.chance import Random, keyed_hash
from lastack.tcp.config import Config

_TABLE: Final = 64
"""Counters of the double-hash algorithm; more make the ports of one destination harder to guess."""


class Binding:
    """A port that somebody holds. `listening` bindings clash even where reuse is allowed.

    `shared` ones (SO_REUSEPORT) do not clash with each other, listening or not.

    `config` is that of the socket which holds it, None where it is no socket's.
    """

    address: bytes
    port: int
    reuse: bool
    listening: bool
    shared: bool
    config: Config | None

    def __init__(self, address: bytes, port: int, reuse: bool, shared: bool = False) -> None:
        self.address = address
        self.port = port
        self.reuse = reuse
        self.shared = shared
        self.listening = False
        self.config = None

    def clashes(self, address: bytes, reuse: bool, shared: bool = False) -> bool:
        """Return whether another binding of the same port cannot stand beside this one."""
        if not overlap(self.address, address) or (self.shared and shared):
            return False
        return self.listening or not (self.reuse and reuse)


def overlap(a: bytes, b: bytes) -> bool:
    """Return whether two bound addresses have an address in common."""
    if not a or not b:
        return True
    if len(a) != len(b):
        return False
    return a == b or not any(a) or not any(b)


class Ports:
    """The bindings of one host and the secrets behind its ephemeral ports."""

    low: int
    high: int
    bindings: dict[int, list[Binding]]
    key: bytes
    table: list[int]

    def __init__(self, ports: tuple[int, int], random: Random) -> None:
        self.low, self.high = ports
        if not 0 < self.low <= self.high < 65536:
            raise ValueError(f"ephemeral ports {self.low} to {self.high} are no range of ports")
        self.bindings = {}
        self.key = random.getrandbits(256).to_bytes(32, "big")
        self.table = [random.getrandbits(16) for _ in range(_TABLE)]

    def clash(self, address: bytes, port: int, reuse: bool, shared: bool = False) -> bool:
        """Return whether a new binding would clash with one that stands."""
        return any(held.clashes(address, reuse, shared) for held in self.bindings.get(port, ()))

    def bind(self, address: bytes, port: int, reuse: bool, shared: bool = False) -> Binding:
        """Take a port; the caller has asked `clash` before."""
        binding = Binding(address, port, reuse, shared)
        self.bindings.setdefault(port, []).append(binding)
        return binding

    def release(self, binding: Binding) -> None:
        """Give a port back; harmless when repeated."""
        held = self.bindings.get(binding.port)
        if held is not None and binding in held:
            held.remove(binding)
            if not held:
                del self.bindings[binding.port]

    def config_of(self, address: bytes, port: int) -> Config | None:
        """Return the Config of the socket that holds the port on this address, if one does."""
        for binding in self.bindings.get(port, ()):
            if binding.config is not None and overlap(binding.address, address):
                return binding.config
        return None

    def is_bound(self, port: int) -> bool:
        """Return whether anybody holds the port on any address."""
        return port in self.bindings

    def choose(self, head: bytes, used: Container[bytes], old: Container[bytes]) -> int:
        """Return an ephemeral port by double hash (RFC 6056 3.3.4), or 0 when none is free.

        `head` is the key of the 4-tuple but for its last two octets, the local port: the choice
        depends on it, and no whole key that is in `used` or `old` is chosen.
        """
        count = self.high - self.low + 1
        # The RFC's F and G: two halves of one keyed hash are as independent as two hashes.
        mixed = keyed_hash(self.key, head)
        offset = mixed >> 32
        index = (mixed & 0xFFFFFFFF) % _TABLE
        for _ in range(count):
            port = self.low + (offset + self.table[index]) % count
            self.table[index] += 1
            if port not in self.bindings:
                key = head + port.to_bytes(2, "big")
                if key not in used and key not in old:
                    return port
        return 0
