"""ICMP for IPv4 and IPv6: errors with the packet they quote, and echo (RFC 792, 1191, 4443, 4884).

`decode_icmp4` and `decode_icmp6` never raise, whatever the octets. What an error means for a
connection is not decided here (RFC 1122 4.2.3.9, RFC 5461, RFC 5927): a message says only what it
is and which packet it is about.
"""

import struct
from enum import IntEnum
from typing import Final

from lastack.wire import ip4, ip6
from lastack.wire.checksum import checksum, checksum_holds, pseudo_sum
from lastack.wire.stop import Stop

HEADER: Final = struct.Struct("!BBHI")
_PORTS: Final = struct.Struct("!HHI")
_FIXED4: Final = struct.Struct("!BBHHHBBH4s4s")
_EXTENSIONS: Final = (ip6.HOP_BY_HOP, ip6.ROUTING, ip6.DESTINATION_OPTIONS)

# Whole error datagrams, IP header and ICMP header included (RFC 1812 4.3.2.3, RFC 4443 2.4 c).
_MOST4: Final = 576 - 20 - 8
_MOST6: Final = 1280 - 40 - 8

ABSENT: Final = -1


class IcmpKind(IntEnum):
    """What a message is, in both versions; `code` tells the rest."""

    OTHER = 0
    UNREACHABLE = 1
    PACKET_TOO_BIG = 2
    TIME_EXCEEDED = 3
    PARAMETER_PROBLEM = 4
    SOURCE_QUENCH = 5
    REDIRECT = 6
    ECHO_REQUEST = 7
    ECHO_REPLY = 8


# Codes of UNREACHABLE, IPv4 (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1).
NETWORK_UNREACHABLE4: Final = 0
HOST_UNREACHABLE4: Final = 1
PROTOCOL_UNREACHABLE4: Final = 2
PORT_UNREACHABLE4: Final = 3
FRAGMENTATION_NEEDED4: Final = 4
SOURCE_ROUTE_FAILED4: Final = 5
PROHIBITED4: Final = 13
# Codes of UNREACHABLE, IPv6 (RFC 4443 3.1).
NO_ROUTE6: Final = 0
PROHIBITED6: Final = 1
ADDRESS_UNREACHABLE6: Final = 3
PORT_UNREACHABLE6: Final = 4

_KINDS4: Final = {
    0: IcmpKind.ECHO_REPLY,
    3: IcmpKind.UNREACHABLE,
    4: IcmpKind.SOURCE_QUENCH,
    5: IcmpKind.REDIRECT,
    8: IcmpKind.ECHO_REQUEST,
    11: IcmpKind.TIME_EXCEEDED,
    12: IcmpKind.PARAMETER_PROBLEM,
}
_KINDS6: Final = {
    1: IcmpKind.UNREACHABLE,
    2: IcmpKind.PACKET_TOO_BIG,
    3: IcmpKind.TIME_EXCEEDED,
    4: IcmpKind.PARAMETER_PROBLEM,
    128: IcmpKind.ECHO_REQUEST,
    129: IcmpKind.ECHO_REPLY,
    137: IcmpKind.REDIRECT,
}
_TYPES4: Final = {
    IcmpKind.ECHO_REPLY: 0,
    IcmpKind.UNREACHABLE: 3,
    IcmpKind.PACKET_TOO_BIG: 3,
    IcmpKind.SOURCE_QUENCH: 4,
    IcmpKind.REDIRECT: 5,
    IcmpKind.ECHO_REQUEST: 8,
    IcmpKind.TIME_EXCEEDED: 11,
    IcmpKind.PARAMETER_PROBLEM: 12,
}
_TYPES6: Final = {
    IcmpKind.UNREACHABLE: 1,
    IcmpKind.PACKET_TOO_BIG: 2,
    IcmpKind.TIME_EXCEEDED: 3,
    IcmpKind.PARAMETER_PROBLEM: 4,
    IcmpKind.ECHO_REQUEST: 128,
    IcmpKind.ECHO_REPLY: 129,
}


class IcmpMessage:
    """One message. For an error, the `quoted_` fields say which packet it is about.

    Quoted source and destination are those of the packet that we are said to have sent; numbers
    that the quotation is too short for, or that a later fragment lacks, are `ABSENT`. `mtu` is that
    of the next hop: 0 when the message carries none (old routers, RFC 1191 5), which is as good as
    unknown. `pointer` is that of a parameter problem. `ident`, `sequence` and `body` belong to echo
    (`body` of other messages: all that follows the first eight octets; `quoted_at` is where in it
    the transport header of the quoted packet begins). `gateway` is a redirect's.
    """

    version: int
    type: int
    code: int
    kind: IcmpKind
    mtu: int
    pointer: int
    gateway: bytes
    ident: int
    sequence: int
    body: bytes
    quoted_source: bytes
    quoted_destination: bytes
    quoted_protocol: int
    quoted_source_port: int
    quoted_destination_port: int
    quoted_seq: int
    quoted_at: int

    def __init__(self, version: int, kind: IcmpKind, type: int, code: int, body: bytes) -> None:
        self.version = version
        self.type = type
        self.code = code
        self.kind = kind
        self.mtu = 0
        self.pointer = 0
        self.gateway = b""
        self.ident = 0
        self.sequence = 0
        self.body = body
        self.quoted_source = b""
        self.quoted_destination = b""
        self.quoted_protocol = ABSENT
        self.quoted_source_port = ABSENT
        self.quoted_destination_port = ABSENT
        self.quoted_seq = ABSENT
        self.quoted_at = ABSENT

    @property
    def is_error(self) -> bool:
        """Whether the message is about a packet that is said to have been ours."""
        return IcmpKind.UNREACHABLE <= self.kind <= IcmpKind.REDIRECT

    def __repr__(self) -> str:
        return f"<ICMPv{self.version} {self.kind.name} code {self.code}>"


def decode_icmp4(data: bytes, start: int, end: int) -> IcmpMessage | Stop:
    """Read the ICMP message in data[start:end]; BAD_ICMP when short or its checksum is wrong.

    An error whose quotation names no packet is BAD_ICMP too.
    """
    if end - start < 8 or not checksum_holds(data, start, end):
        return Stop.BAD_ICMP
    type_, code, _, rest = HEADER.unpack_from(data, start)
    kind = _KINDS4.get(type_, IcmpKind.OTHER)
    message = IcmpMessage(4, kind, type_, code, data[start + 8 : end])
    if kind == IcmpKind.ECHO_REQUEST or kind == IcmpKind.ECHO_REPLY:
        message.ident = rest >> 16
        message.sequence = rest & 0xFFFF
        return message
    if kind == IcmpKind.OTHER:
        return message
    if kind == IcmpKind.UNREACHABLE and code == FRAGMENTATION_NEEDED4:
        message.kind = IcmpKind.PACKET_TOO_BIG
        message.mtu = rest & 0xFFFF
    elif kind == IcmpKind.PARAMETER_PROBLEM:
        message.pointer = rest >> 24
    elif kind == IcmpKind.REDIRECT:
        message.gateway = data[start + 4 : start + 8]
    return message if _read_quoted4(message, data, start + 8, end) else Stop.BAD_ICMP


def decode_icmp6(
    data: bytes, start: int, end: int, source: bytes, destination: bytes
) -> IcmpMessage | Stop:
    """Read the ICMPv6 message in data[start:end] that came from `source` to `destination`."""
    initial = pseudo_sum(source, destination, ip6.PROTOCOL_ICMP6, end - start)
    if end - start < 8 or not checksum_holds(data, start, end, initial):
        return Stop.BAD_ICMP
    type_, code, _, rest = HEADER.unpack_from(data, start)
    kind = _KINDS6.get(type_, IcmpKind.OTHER)
    message = IcmpMessage(6, kind, type_, code, data[start + 8 : end])
    if kind == IcmpKind.ECHO_REQUEST or kind == IcmpKind.ECHO_REPLY:
        message.ident = rest >> 16
        message.sequence = rest & 0xFFFF
        return message
    if kind == IcmpKind.OTHER:
        return message
    if kind == IcmpKind.REDIRECT:
        # Target and destination, then options; the packet in them is no use to us (RFC 4861 4.5).
        if end - start < 40:
            return Stop.BAD_ICMP
        message.gateway = data[start + 8 : start + 24]
        message.quoted_destination = data[start + 24 : start + 40]
        return message
    if kind == IcmpKind.PACKET_TOO_BIG:
        message.mtu = rest
    elif kind == IcmpKind.PARAMETER_PROBLEM:
        message.pointer = rest
    return message if _read_quoted6(message, data, start + 8, end) else Stop.BAD_ICMP


def encode_icmp4(kind: IcmpKind, code: int, rest: int, body: bytes) -> bytes:
    """Return a message of a kind, with 32 bits of whatever belongs there (`rest`) and a body.

    `rest` is the MTU of PACKET_TOO_BIG, `pointer << 24` of PARAMETER_PROBLEM,
    `ident << 16 | sequence` of an echo.
    """
    header = HEADER.pack(_TYPES4[kind], code, 0, rest)
    value = checksum(header + body)
    return HEADER.pack(_TYPES4[kind], code, value, rest) + body


def encode_icmp6(
    kind: IcmpKind, code: int, rest: int, body: bytes, source: bytes, destination: bytes
) -> bytes:
    """Return an ICMPv6 message; `rest` as in `encode_icmp4`, but a pointer stands as it is."""
    header = HEADER.pack(_TYPES6[kind], code, 0, rest)
    initial = pseudo_sum(source, destination, ip6.PROTOCOL_ICMP6, 8 + len(body))
    value = checksum(header + body, initial)
    return HEADER.pack(_TYPES6[kind], code, value, rest) + body


def echo_reply(message: IcmpMessage, source: bytes, destination: bytes) -> bytes:
    """Return the answer to an echo request, to be sent from `source` to `destination`."""
    rest = message.ident << 16 | message.sequence
    if message.version == 4:
        return encode_icmp4(IcmpKind.ECHO_REPLY, 0, rest, message.body)
    return encode_icmp6(IcmpKind.ECHO_REPLY, 0, rest, message.body, source, destination)


def error4(kind: IcmpKind, code: int, rest: int, packet: bytes) -> bytes:
    """Return the error about a packet, quoting what fits into 576 octets (RFC 1812 4.3.2.3)."""
    return encode_icmp4(kind, code, rest, packet[:_MOST4])


def error6(
    kind: IcmpKind, code: int, rest: int, packet: bytes, source: bytes, destination: bytes
) -> bytes:
    """Return the error about a packet, quoting what fits into 1280 octets (RFC 4443 2.4 c)."""
    return encode_icmp6(kind, code, rest, packet[:_MOST6], source, destination)


def deserves_error4(header: ip4.Ip4, data: bytes) -> bool:
    """Return whether a packet may be answered with an ICMP error at all (RFC 1122 3.2.2).

    Not: an ICMP error, what went to or came from more than one host, a later fragment. Broadcasts
    of a subnet are for the caller to know.
    """
    if header.offset or not _is_host4(header.source) or not _is_host4(header.destination):
        return False
    if header.protocol != ip4.PROTOCOL_ICMP:
        return True
    if header.payload_end <= header.payload_start:
        return False
    # Of the rest, only queries and replies may be answered; unknown types are better not.
    return data[header.payload_start] in (0, 8, 13, 14, 15, 16, 17, 18)


def deserves_error6(header: ip6.Ip6, data: bytes, to_multicast: bool = False) -> bool:
    """Return whether a packet may be answered with an ICMPv6 error at all (RFC 4443 2.4 e).

    `to_multicast` for the two that may answer a packet sent to a group: packet too big, and a
    parameter problem of an unknown option that asks for it.
    """
    if header.offset or header.source[0] == 0xFF or not any(header.source):
        return False
    if header.destination[0] == 0xFF and not to_multicast:
        return False
    if header.protocol != ip6.PROTOCOL_ICMP6:
        return True
    if header.payload_end <= header.payload_start:
        return False
    type_ = data[header.payload_start]
    return type_ >= 128 and type_ != 137


def _is_host4(address: bytes) -> bool:
    """Return whether the address can be that of one host."""
    return 0 < address[0] < 224 and address[0] != 127


def _read_quoted4(message: IcmpMessage, data: bytes, start: int, end: int) -> bool:
    """Read as much of a quoted IPv4 packet as there is; False when not even its header is whole."""
    if end - start < 20 or data[start] >> 4 != 4:
        return False
    fields = _FIXED4.unpack_from(data, start)
    transport = start + (fields[0] & 0xF) * 4
    if transport < start + 20 or transport > end:
        return False
    message.quoted_protocol = fields[6]
    message.quoted_source = fields[8]
    # What was source-routed bears the address of a hop; its connection knows the last one.
    route = ip4.source_route(data[start + 20 : transport]) if transport > start + 20 else None
    if route is None or route.complete:
        message.quoted_destination = fields[9]
    else:
        message.quoted_destination = route.addresses[len(route.addresses) - 1]
    if fields[4] & 0x1FFF == 0:
        message.quoted_at = transport - start
        _read_ports(message, data, transport, end)
    return True


def _read_quoted6(message: IcmpMessage, data: bytes, start: int, end: int) -> bool:
    """Read as much of a quoted IPv6 packet as there is; False when not even its header is whole."""
    if end - start < 40 or data[start] >> 4 != 6:
        return False
    _, _, protocol, _, source, destination = ip6.HEADER.unpack_from(data, start)
    message.quoted_source = source
    message.quoted_destination = destination
    at = start + 40
    first = True
    while (protocol in _EXTENSIONS or protocol == ip6.FRAGMENT) and at + 8 <= end:
        if protocol == ip6.FRAGMENT:
            first = first and (data[at + 2] << 8 | data[at + 3]) & 0xFFF8 == 0
            protocol, at = data[at], at + 8
        else:
            protocol, at = data[at], at + (data[at + 1] + 1) * 8
    message.quoted_protocol = protocol
    if first:
        message.quoted_at = at - start
        _read_ports(message, data, at, end)
    return True


def _read_ports(message: IcmpMessage, data: bytes, at: int, end: int) -> None:
    """Read the ports and the sequence number, which RFC 792 promises: eight octets."""
    if at + 8 <= end:
        ports = _PORTS.unpack_from(data, at)
        message.quoted_source_port = ports[0]
        message.quoted_destination_port = ports[1]
        message.quoted_seq = ports[2]
