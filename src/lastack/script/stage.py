"""A stack on stage: virtual time, what is handed to it, and what it sends, in the order of time."""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final

from lastack.script.model import Header
from lastack.script.verdict import Mismatch
from lastack.stack.ip import Path, encode
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.units import NEVER, SECOND
from lastack.wire import icmp, ip4, ip6
from lastack.wire.address import pack_address
from lastack.wire.checksum import transport_holds
from lastack.wire.packet import Packet
from lastack.wire.segment import Segment, decode_segment
from lastack.wire.stop import Stop

EPOCH: Final = 1_000 * SECOND
"""What the stack's clock shows when the script's shows 0."""
_LOCAL: Final = {4: "192.168.0.1", 6: "fd3d:fa7b:d17d::1"}
_REMOTE: Final = {4: "192.0.2.1", 6: "2001:db8::1"}
_STANDING_STILL: Final = 10_000
_TCP: Final = 6


class Sent:
    """A packet that the stack has sent: when, from which port to which, and the segment.

    `segment` is None for what is not TCP (`what` then says what it is).
    """

    def __init__(
        self, time: int, segment: Segment | None, tos: int, ttl: int, what: str = ""
    ) -> None:
        self.time = time
        self.segment = segment
        self.tos = tos
        self.ttl = ttl
        self.what = what


class Stage:
    """One stack with one interface and a default route. `now` is in the script's time.

    `on_change` is called whenever something has moved; `alarm` is a time, besides the stack's own
    deadlines, at which it is to be called.
    """

    def __init__(self, header: Header, config: Config, seed: int) -> None:
        version = header.ip_version
        self.local = pack_address(header.local_ip or _LOCAL[version])
        self.remote = pack_address(header.remote_ip or _REMOTE[version])
        self.version = 4 if len(self.local) == 4 else 6
        text = header.local_ip or _LOCAL[version]
        length = 16 if self.version == 4 else 64
        self.stack = Stack(
            [Interface("script", [f"{text}/{length}"], header.mtu)], config, Random(seed)
        )
        self.now = 0
        self.remote_offset = 0
        self.outbox: deque[Sent] = deque()
        self.alarm = NEVER
        self.on_change: Callable[[], None] | None = None
        self.on_sent: Callable[[Sent], None] | None = None
        self._ident = 0

    @property
    def clock(self) -> int:
        """The stack's own time."""
        return self.now + EPOCH

    def next_moment(self) -> int:
        """Return when something will happen by itself, NEVER if nothing."""
        deadline = self.stack.next_deadline()
        return min(deadline - EPOCH if deadline < NEVER else NEVER, self.alarm)

    def advance(self, to: int) -> None:
        """Let time pass until `to`, and everything happen that is due by then."""
        still = 0
        while self.next_moment() <= to:
            still = self.step(still)
        self.now = max(self.now, to)

    def step(self, still: int = 0) -> int:
        """Go to the next moment; returns how often time has stood still."""
        moment = self.next_moment()
        if moment > self.now:
            self.now = moment
            still = 0
        if self.alarm <= self.now:
            self.alarm = NEVER
        self.stack.deadline_passed(self.clock)
        self.settle()
        if still >= _STANDING_STILL:
            raise Mismatch("the stack wants to be called again and again at the same moment")
        return still + 1

    def settle(self) -> None:
        """Pull what the stack wants to send, and tell that something may have changed."""
        while True:
            while True:
                packet = self.stack.next_packet(self.clock)
                if packet is None:
                    break
                self._take(packet)
            count = len(self.outbox)
            if self.on_change is not None:
                self.on_change()
            packet = self.stack.next_packet(self.clock)
            if packet is None:
                break
            self._take(packet)
            if len(self.outbox) - count > _STANDING_STILL:
                raise Mismatch("the stack sends without end")

    def _take(self, packet: Packet) -> None:
        sent = self._read(packet)
        self.outbox.append(sent)
        if self.on_sent is not None:
            self.on_sent(sent)

    def _read(self, packet: Packet) -> Sent:
        data = packet.to_bytes()
        if data[0] >> 4 == 4:
            header: ip4.Ip4 | ip6.Ip6 | Stop = ip4.decode_ip4(data, 0, len(data))
        else:
            header = ip6.decode_ip6(data, 0, len(data))
        if isinstance(header, Stop):
            raise Mismatch(f"the stack sent a bad packet: {header.sentence}", "", data.hex())
        if header.protocol != _TCP:
            return Sent(self.now, None, header.tos, header.ttl, f"IP protocol {header.protocol}")
        start, end = header.payload_start, header.payload_end
        if not transport_holds(header.source, header.destination, _TCP, data, start, end):
            raise Mismatch("the stack sent a segment with a bad checksum (MUST-2)")
        segment = decode_segment(data, start, end)
        if isinstance(segment, Stop):
            raise Mismatch(f"the stack sent a bad segment: {segment.sentence}", "", data.hex())
        segment.ecn = header.tos & 3
        return Sent(self.now, segment, header.tos, header.ttl)

    # what comes from the remote host

    def deliver(self, segment: Segment, ttl: int = 64, tos: int = 0) -> Stop | None:
        """Hand a segment of the remote host to the stack."""
        data = self._packet(self.remote, self.local, segment, ttl, tos)
        stop = self.stack.packet_arrives(Packet(data), self.clock)
        self.settle()
        return stop

    def deliver_icmp(
        self, kind: icmp.IcmpKind, code: int, rest: int, quoted: Segment, ttl: int = 64
    ) -> Stop | None:
        """Hand an ICMP error about a segment of the stack's to the stack."""
        about = self._packet(self.local, self.remote, quoted, 64, 0)
        if self.version == 4:
            body = icmp.error4(kind, code, rest, about)
            head = ip4.encode_ip4(self.remote, self.local, 1, len(body), ttl)
        else:
            body = icmp.error6(kind, code, rest, about, self.remote, self.local)
            head = ip6.encode_ip6(self.remote, self.local, ip6.PROTOCOL_ICMP6, len(body), ttl)
        stop = self.stack.packet_arrives(Packet(head + body), self.clock)
        self.settle()
        return stop

    def _packet(
        self, source: bytes, destination: bytes, segment: Segment, ttl: int, tos: int
    ) -> bytes:
        self._ident = (self._ident + 1) & 0xFFFF
        interface = Interface("remote", [], 65535)
        path = Path(interface, source, destination, ttl, tos >> 2, True)
        return encode(path, segment, self._ident).to_bytes()
