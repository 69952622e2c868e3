"""TCP inside UDP datagrams, as FreeBSD has it: what comes to the host's tunnelling port.

Behind the UDP header stands a whole TCP segment. Its own checksum is not looked at, because that of
UDP covers it; over IPv4 a UDP checksum of zero, which says nothing, is not taken. The port that a
datagram comes from belongs to the connection: a segment from another is none of its own.
"""

import struct
from typing import Final

from lastack.wire.checksum import transport_holds
from lastack.wire.icmp import IcmpMessage
from lastack.wire.ip4 import Ip4
from lastack.wire.ip6 import Ip6

UDP: Final = 17
HEADER: Final = 8
_FIELDS: Final = struct.Struct("!HHH")
_QUOTED: Final = struct.Struct("!HHI")


NOT_OURS: Final = 0
BAD: Final = -1


def sender_of(udp_port: int, header: Ip4 | Ip6, data: bytes, checked: bool) -> int:
    """Return the port that a datagram with TCP in it came from, BAD for a broken one.

    NOT_OURS for one to another port. `checked`: the device has seen to the checksum.
    """
    start, end = header.payload_start, header.payload_end
    if end - start < HEADER:
        return BAD
    source, destination, length = _FIELDS.unpack_from(data, start)
    summed = data[start + 6] or data[start + 7]
    if length != end - start or (
        summed
        and not checked
        and not transport_holds(header.source, header.destination, UDP, data, start, end)
    ):
        return BAD
    if destination != udp_port:
        return NOT_OURS
    return int(source) if summed and source else BAD


def quoted(message: IcmpMessage) -> tuple[int, int, int] | None:
    """Return the ports and the number of the segment in the datagram that an ICMP error quotes."""
    at = message.quoted_at + HEADER
    if message.quoted_at < 0 or at + _QUOTED.size > len(message.body):
        return None
    source, destination, seq = _QUOTED.unpack_from(message.body, at)
    return source, destination, seq
