"""From a segment to a packet: the IP and TCP headers of a connection, packed in one go.

Whatever stays the same in a connection's packets is added up once, in its `Path`; what is left for
each packet is the length, the identification and the two checksums. A checksum is a sum modulo
65535, in which a 32-bit number counts the same as its two halves, so that the fields of a header
are simply added.
"""

import struct
from typing import Final

from lastack.stack.routes import Interface
from lastack.wire.checksum import parts_sum, transport_checksum
from lastack.wire.ip4 import encode_ip4, encode_source_route
from lastack.wire.ip6 import encode_ip6
from lastack.wire.packet import CHECKSUM_OWED, CHECKSUM_PRESENT, Packet
from lastack.wire.segment import Segment

TCP: Final = 6
_UDP: Final = 17
_UDP_HEADER: Final = 8
_DONT_FRAGMENT: Final = 0x4000
_TCP_CHECKSUM: Final = 16
_IP4: Final = struct.Struct("!BBHHHBBH8sHHIIHHHH")
_IP6: Final = struct.Struct("!IHBB32sHHIIHHHH")
_ONLY_IP4: Final = struct.Struct("!BBHHHBBH8s")
_ONLY_TCP: Final = struct.Struct("!HHIIHHHH")


class Path:
    """All that the packets from one address to another have in common.

    `tos` holds the DSCP in its place, ECN bits zero; `hops` is a source route through these
    addresses (IPv4 only), and the packet is sent to the first of them; `loops` says that the
    destination is ourselves. `udp` are two ports, ours and the peer's, where segments travel inside
    UDP datagrams; else it is empty.
    """

    version: int
    interface: Interface
    addresses: bytes
    options: bytes
    tos: int
    ttl: int
    fragment: int
    header_sum: int
    pseudo_sum: int
    owed: bool
    divides: bool
    loops: bool
    udp: bytes

    def __init__(
        self,
        interface: Interface,
        source: bytes,
        destination: bytes,
        ttl: int,
        dscp: int,
        dont_fragment: bool,
        hops: tuple[bytes, ...] = (),
        loops: bool = False,
        udp: bytes = b"",
    ) -> None:
        self.interface = interface
        self.udp = udp
        self.tos = (dscp & 0x3F) << 2  # MUST-48, SHLD-22: as the user has it
        self.ttl = ttl  # MUST-49
        self.loops = loops
        self.owed = interface.checksum
        self.pseudo_sum = (
            int.from_bytes(source, "big") + int.from_bytes(destination, "big") + TCP
        ) % 65535
        self.options = b""
        if len(source) == 16:
            self.version = 6
            self.divides = interface.tso6
            self.addresses = source + destination
            self.fragment = 0
            self.header_sum = 0
            return
        self.version = 4
        self.divides = interface.tso4
        if hops:
            self.options = encode_source_route((*hops[1:], destination))
            self.divides = False
        self.addresses = source + (hops[0] if hops else destination)
        self.fragment = _DONT_FRAGMENT if dont_fragment else 0
        self.header_sum = (
            ((0x45 + len(self.options) // 4) << 8)
            + self.tos
            + self.fragment
            + (ttl << 8)
            + TCP
            + int.from_bytes(self.addresses, "big")
            + int.from_bytes(self.options, "big")
        ) % 65535


def encode(path: Path, segment: Segment, ident: int) -> Packet:
    """Return the packet that carries a segment; payload is not copied.

    The TCP checksum is owed where the interface's device finishes it, else computed here (MUST-2).
    """
    if path.udp:
        return _in_datagram(path, segment, ident)
    options = segment.options
    header_length = 20 + len(options)
    length = header_length + segment.length
    flags = header_length << 10 | segment.flags
    value = (path.pseudo_sum + length) % 65535 or 65535
    if not path.owed:
        value = _checksum(segment, flags, value)
    if path.version == 6:
        ip_length = 40
        data = _IP6.pack(
            0x60000000 | (path.tos | segment.ecn) << 20,
            length,
            TCP,
            path.ttl,
            path.addresses,
            segment.source_port,
            segment.destination_port,
            segment.seq,
            segment.ack,
            flags,
            segment.window,
            value,
            segment.urgent,
        )
    elif path.options:
        ip_length = 20 + len(path.options)
        data = _with_ip_options(path, segment, ident, flags, length + ip_length, value)
    else:
        ip_length = 20
        length += 20
        data = _IP4.pack(
            0x45,
            path.tos | segment.ecn,
            length,
            ident,
            path.fragment,
            path.ttl,
            TCP,
            65535 - ((path.header_sum + segment.ecn + length + ident) % 65535 or 65535),
            path.addresses,
            segment.source_port,
            segment.destination_port,
            segment.seq,
            segment.ack,
            flags,
            segment.window,
            value,
            segment.urgent,
        )
    if options:
        data += options
    gso_size = segment.gso_size if segment.length > segment.gso_size else 0
    if path.owed:
        return Packet(
            data, 0, len(data), segment.parts, segment.length, gso_size,
            CHECKSUM_OWED, ip_length, _TCP_CHECKSUM,
        )  # fmt: skip
    return Packet(data, 0, len(data), segment.parts, segment.length, gso_size, CHECKSUM_PRESENT)


def _in_datagram(path: Path, segment: Segment, ident: int) -> Packet:
    """Return the packet that carries a segment inside a UDP datagram, as FreeBSD has it.

    The checksum of UDP is over everything, and that of TCP stays zero.
    """
    inner = segment.header()
    length = _UDP_HEADER + len(inner) + segment.length
    width = len(path.addresses) // 2
    source, destination = path.addresses[:width], path.addresses[width:]
    blank = path.udp + length.to_bytes(2, "big") + bytes(2) + inner
    value = transport_checksum(source, destination, _UDP, blank, segment.parts, length) or 0xFFFF
    tos = path.tos | segment.ecn
    if path.version == 6:
        head = encode_ip6(source, destination, _UDP, length, path.ttl, tos)
    else:
        head = encode_ip4(
            source, destination, _UDP, length, path.ttl, tos, ident, path.fragment != 0
        )
    data = b"".join((head, blank[:6], value.to_bytes(2, "big"), inner))
    return Packet(data, 0, len(data), segment.parts, segment.length, 0, CHECKSUM_PRESENT)


def _checksum(segment: Segment, flags: int, pseudo: int) -> int:
    """Return the TCP checksum, given the sum of the pseudo-header."""
    total = (
        pseudo
        + segment.source_port
        + segment.destination_port
        + segment.seq
        + segment.ack
        + flags
        + segment.window
        + segment.urgent
    )
    if segment.options:
        total += int.from_bytes(segment.options, "big")
    if segment.parts:
        total += parts_sum(segment.parts)
    return 65535 - (total % 65535 or 65535)


def _with_ip_options(
    path: Path, segment: Segment, ident: int, flags: int, length: int, value: int
) -> bytes:
    """Return the headers of a packet that has IP options."""
    head = _ONLY_IP4.pack(
        0x45 + len(path.options) // 4,
        path.tos | segment.ecn,
        length,
        ident,
        path.fragment,
        path.ttl,
        TCP,
        65535 - ((path.header_sum + segment.ecn + length + ident) % 65535 or 65535),
        path.addresses,
    )
    return b"".join(
        (
            head,
            path.options,
            _ONLY_TCP.pack(
                segment.source_port,
                segment.destination_port,
                segment.seq,
                segment.ack,
                flags,
                segment.window,
                value,
                segment.urgent,
            ),
        )
    )
