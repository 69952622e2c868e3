"""What a host sends for itself: paths to other hosts, and the packets that no connection sends."""

import struct
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from lastack.stack.counters import Counters
from lastack.stack.demux import Slot
from lastack.stack.ip import Path, encode
from lastack.stack.listener import Keeper
from lastack.stack.mtus import PathMtus
from lastack.stack.routes import Interface, Routes
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.states import CLOSED, State
from lastack.units import SECOND
from lastack.wire.packet import Packet
from lastack.wire.segment import Segment
from lastack.wire.signing import Signer
from lastack.wire.stop import Stop

MOST_REPLIES: Final = 256
"""Packets of the stack's own (resets, echo replies ...) that wait to be pulled, at most."""
MOST_PATHS: Final = 1024
"""Paths kept for connections to come; those in use live on in their connections."""

_PORTS: Final = struct.Struct("!HH")

Trace = Callable[[int, str, Connection | None, Segment, State, Stop | None], None]
"""Called with (now, "in" or "out", connection, segment, state before, stop)."""


class Outbox(Keeper):
    """The part of a host that answers: resets, ICMP errors, SYN-ACKs without a connection."""

    config: Config
    routes: Routes
    mtus: PathMtus
    replies: deque[Packet]
    paths: OrderedDict[bytes, Path]
    counters: Counters
    trace: Trace | None
    ident: int
    _budget_second: int
    _budget_used: int

    def __init__(self, interfaces: list[Interface], config: Config) -> None:
        self.config = config
        self.routes = Routes(interfaces)
        self.mtus = PathMtus()
        self.replies = deque()
        self.paths = OrderedDict()
        self.counters = Counters()
        self.trace = None
        self._budget_second = -1
        self._budget_used = 0
        self.ident = 0

    def path_of(self, slot: Slot) -> Path | None:
        """Return the connection's path, made when there is none; None without a route any more."""
        if slot.path is None:
            connection = slot.connection
            # MUST-45: the address that the connection began with, whatever the route says.
            local, remote = connection.local.address, connection.remote.address
            slot.path = self.path(local, remote, connection.config, slot.hops, slot.udp_port)
        return slot.path

    def path(
        self,
        source: bytes,
        destination: bytes,
        config: Config,
        hops: tuple[bytes, ...] = (),
        udp_port: int = 0,
    ) -> Path | None:
        """Return the path from an address of ours to another host, None without a route.

        Connections between the same two addresses share it. With a `udp_port` of the peer's, it is
        one through UDP datagrams.
        """
        discovers = 1 <= config.path_mtu_discovery <= 2
        if discovers and destination in self.mtus.fragmented:
            discovers = False
        udp = _PORTS.pack(self.config.udp_port, udp_port) if udp_port else b""
        marks = config.ttl << 9 | config.dscp << 1 | (1 if discovers else 0)
        key = b"".join((source, destination, marks.to_bytes(3, "big"), udp))
        found = self.paths.get(key)
        if found is not None and not hops:
            return found
        interface = self.routes.towards(destination)
        if interface is None:
            return None
        loops = self.routes.is_ours(destination)
        found = Path(
            interface, source, destination, config.ttl, config.dscp, discovers, hops, loops, udp
        )
        if not hops:
            if len(self.paths) >= MOST_PATHS:
                self.paths.popitem(last=False)
            self.paths[key] = found
        return found

    def next_ident(self, count: int) -> int:
        """Return an IPv4 identification with `count` - 1 more behind it that nobody else gets."""
        ident = self.ident
        self.ident = (ident + count) & 0xFFFF
        return ident

    def reply(
        self,
        source: bytes,
        destination: bytes,
        segment: Segment,
        now: int,
        hops: tuple[bytes, ...] = (),
        config: Config | None = None,
        signer: Signer | None = None,
        udp_port: int = 0,
    ) -> None:
        """Queue a segment that no connection sends: from one address of ours to another host.

        `config` is that of the socket it is about, for TTL and DSCP; `signer` signs it.
        """
        path = self.path(source, destination, config or self.config, hops, udp_port)
        if path is None:
            return
        if signer is not None:
            signer.sign(segment)
        if self.queue(encode(path, segment, self.next_ident(1))):
            self.counters.segments_out += 1
            if segment.flags & 4:
                self.counters.resets_sent += 1
            if self.trace is not None:
                self.trace(now, "out", None, segment, CLOSED, None)

    def queue(self, packet: Packet) -> bool:
        """Queue a packet of the stack's own; False when too many wait already."""
        if len(self.replies) >= MOST_REPLIES:
            self.counters.replies_dropped += 1
            return False
        self.replies.append(packet)
        return True

    def may_answer(self, now: int) -> bool:
        """Return whether one more reset or ICMP error may be sent in this second, and count it."""
        second = now // SECOND
        if second != self._budget_second:
            self._budget_second = second
            self._budget_used = 0
        if self._budget_used >= self.config.max_resets:
            return False
        self._budget_used += 1
        return True
