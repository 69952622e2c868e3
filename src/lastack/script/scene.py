"""The scene of a script: time, and the remote host's end of the wire.

Whoever plays a script sees only this: a stack of ours in virtual time (`stage`), a stack of ours
on a real device (`tun_stage`), or the machine's kernel (`kernel_stage`).
"""

import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final

from lastack.script.model import Header
from lastack.script.verdict import Mismatch
from lastack.stack.ip import Path, encode
from lastack.stack.routes import Interface
from lastack.units import NEVER
from lastack.wire import icmp, ip4, ip6
from lastack.wire.address import pack_address
from lastack.wire.checksum import transport_holds
from lastack.wire.segment import Segment, decode_segment
from lastack.wire.signing import Md5Signer, md5_digest, place_of_signature
from lastack.wire.stop import Stop

_LOCAL: Final = {4: "192.168.0.1", 6: "fd3d:fa7b:d17d::1"}
_REMOTE: Final = {4: "192.0.2.1", 6: "2001:db8::1"}
_TCP: Final = 6
_UDP: Final = 17
_UDP_HEADER: Final = 8
_UDP_PORTS: Final = struct.Struct("!HH")
_ICMP4: Final = 1


class Sent:
    """A packet that the subject has sent: when, from which port to which, and the segment.

    `segment` is None for what is not TCP (`what` then says what it is); `message` is an ICMP one.
    `udp` are the ports of the datagram that the segment was in, `signature_holds` tells that it is
    signed with the script's key.
    """

    def __init__(
        self,
        time: int,
        segment: Segment | None,
        tos: int,
        ttl: int,
        what: str = "",
        message: icmp.IcmpMessage | None = None,
    ) -> None:
        self.time = time
        self.segment = segment
        self.tos = tos
        self.ttl = ttl
        self.what = what
        self.message = message
        self.udp: tuple[int, int] | None = None
        self.signature_holds = False


class Scene(ABC):
    """Time, what is handed to the subject, and what it sends, in the order of time.

    `gso_size` is that of the packet at hand. `now` is in the script's time, nanoseconds. `outbox`
    holds what has been sent and not yet been looked at; `on_sent` hears of each packet, `on_change`
    whenever something has moved, and when the time is `alarm`.
    """

    def __init__(self, header: Header) -> None:
        version = header.ip_version
        self.local_text = header.local_ip or _LOCAL[version]
        self.remote_text = header.remote_ip or _REMOTE[version]
        self.local = pack_address(self.local_text)
        self.remote = pack_address(self.remote_text)
        self.version = 4 if len(self.local) == 4 else 6
        self.local_prefix = f"{self.local_text}/{16 if self.version == 4 else 64}"
        self.now = 0
        self.alarm = NEVER
        self.mss = header.mss
        self.gso_size = 0
        self.remote_offset = 0
        self.outbox: deque[Sent] = deque()
        self.on_change: Callable[[], None] | None = None
        self.on_sent: Callable[[Sent], None] | None = None
        self._secret = header.md5_secret
        self._ident = 0

    def begin(self) -> None:
        """The script's time begins now."""
        return

    @abstractmethod
    def advance(self, to: int) -> None:
        """Let time pass until `to`, and everything happen that happens by then."""

    @abstractmethod
    def happens(self, limit: int) -> bool:
        """Let time pass until something has happened; False when nothing does until `limit`."""

    @abstractmethod
    def settle(self) -> None:
        """See to what the last event has set in motion."""

    @abstractmethod
    def _hand_over(self, data: bytes) -> Stop | None:
        """Give the subject a packet from the wire."""

    def close(self) -> None:
        """Give back what the scene has opened."""
        return

    # what comes from the remote host

    def deliver(
        self,
        segment: Segment,
        ttl: int = 64,
        tos: int = 0,
        udp: tuple[int, int] | None = None,
        signed: bool = False,
    ) -> Stop | None:
        """Hand a segment of the remote host to the subject, whole where a device would join it.

        `udp` are the ports of a datagram around it; `signed` puts the right MD5 signature into the
        option that is there.
        """
        self.gso_size = self.mss if segment.length > self.mss else 0
        if signed:
            self._sign(segment)
        stop = self._hand_over(self._packet(self.remote, self.local, segment, ttl, tos, udp))
        self.settle()
        return stop

    def deliver_icmp(
        self,
        kind: icmp.IcmpKind,
        code: int,
        rest: int,
        quoted: Segment,
        ttl: int = 64,
        udp: tuple[int, int] | None = None,
    ) -> Stop | None:
        """Hand an ICMP error about a segment of the subject's to the subject."""
        about = self._packet(self.local, self.remote, quoted, 64, 0, udp)
        if self.version == 4:
            body = icmp.error4(kind, code, rest, about)
            head = ip4.encode_ip4(self.remote, self.local, 1, len(body), ttl)
        else:
            body = icmp.error6(kind, code, rest, about, self.remote, self.local)
            head = ip6.encode_ip6(self.remote, self.local, ip6.PROTOCOL_ICMP6, len(body), ttl)
        stop = self._hand_over(head + body)
        self.settle()
        return stop

    def _packet(
        self,
        source: bytes,
        destination: bytes,
        segment: Segment,
        ttl: int,
        tos: int,
        udp: tuple[int, int] | None,
    ) -> bytes:
        self._ident = (self._ident + 1) & 0xFFFF
        interface = Interface("remote", [], 65535)
        ports = b"" if udp is None else _UDP_PORTS.pack(*udp)
        path = Path(interface, source, destination, ttl, tos >> 2, True, (), False, ports)
        return encode(path, segment, self._ident).to_bytes()

    def _sign(self, segment: Segment) -> None:
        options = segment.options
        at = place_of_signature(options) + 2
        digest = md5_digest(self.remote, self.local, segment, len(options), self._secret)
        segment.options = options[:at] + digest + options[at + len(digest) :]

    # what the subject sends

    def _take(self, data: bytes, time: int, unchecked: bool = False) -> None:
        """A packet of the subject has come out at `time`; `unchecked`: with its checksum owed."""
        sent = _read(data, time, unchecked)
        if sent.segment is not None and sent.segment.signed:
            signer = Md5Signer(self.remote, self.local, self._secret, False)
            sent.signature_holds = signer.check(sent.segment) is None
        self.outbox.append(sent)
        if self.on_sent is not None:
            self.on_sent(sent)


def _read(data: bytes, time: int, unchecked: bool) -> Sent:
    if data[0] >> 4 == 4:
        header: ip4.Ip4 | ip6.Ip6 | Stop = ip4.decode_ip4(data, 0, len(data))
    else:
        header = ip6.decode_ip6(data, 0, len(data))
    if isinstance(header, Stop):
        raise Mismatch(f"the stack sent a bad packet: {header.sentence}", "", data.hex())
    start, end = header.payload_start, header.payload_end
    udp: tuple[int, int] | None = None
    if header.protocol == _UDP and end - start > _UDP_HEADER:
        udp = _UDP_PORTS.unpack_from(data, start)
        start += _UDP_HEADER
    elif header.protocol != _TCP:
        message: icmp.IcmpMessage | Stop | None = None
        if header.protocol == _ICMP4 and isinstance(header, ip4.Ip4):
            message = icmp.decode_icmp4(data, start, end)
        elif header.protocol == ip6.PROTOCOL_ICMP6:
            message = icmp.decode_icmp6(data, start, end, header.source, header.destination)
        if not isinstance(message, icmp.IcmpMessage):
            return Sent(time, None, header.tos, header.ttl, f"IP protocol {header.protocol}")
        return Sent(time, None, header.tos, header.ttl, repr(message), message)
    if not unchecked and not transport_holds(
        header.source, header.destination, header.protocol, data, header.payload_start, end
    ):
        raise Mismatch("the stack sent a segment with a bad checksum (MUST-2)")
    segment = decode_segment(data, start, end)
    if isinstance(segment, Stop):
        raise Mismatch(f"the stack sent a bad segment: {segment.sentence}", "", data.hex())
    segment.ecn = header.tos & 3
    sent = Sent(time, segment, header.tos, header.ttl)
    sent.udp = udp
    return sent
