"""ICMP at the host: echo answered, errors handed to the connection they quote, errors sent.

RFC 1122 3.2.2 and 4.2.3.9, RFC 4443, RFC 5927. An error is only as good as its quotation: it goes
to the connection whose 4-tuple it quotes, and that one checks the sequence number. Only what a
connection has believed changes the path MTU that the host remembers. Errors that we send share
one budget with resets.
"""

import errno
from typing import Final

from lastack.stack import tunnel
from lastack.stack.demux import Slot, key_of
from lastack.stack.host import UDP_OVERHEAD, Host
from lastack.stack.on_path import path_carries
from lastack.tcp.connection import Connection
from lastack.tcp.icmp_errors import IcmpError
from lastack.tcp.reports import MOST_REPORTS, ErrorReport
from lastack.tcp.states import SYN_RECEIVED, SYN_SENT
from lastack.wire import icmp as wire
from lastack.wire import ip6
from lastack.wire.address import Endpoint
from lastack.wire.ao import AoSigner
from lastack.wire.icmp import IcmpKind, IcmpMessage
from lastack.wire.ip4 import Ip4, decode_ip4, encode_ip4
from lastack.wire.ip6 import Ip6
from lastack.wire.packet import Packet
from lastack.wire.stop import Stop

ICMP4: Final = 1
ICMP6: Final = 58
_TCP: Final = 6
_FRAGMENT_TIME: Final = 1
_UNKNOWN_NEXT_HEADER: Final = 1

_PLATEAUS: Final = (32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296)
"""MTUs to guess from when an old router names none (RFC 1191 7)."""

_ERRNOS4: Final = {
    wire.NETWORK_UNREACHABLE4: errno.ENETUNREACH,
    wire.PROTOCOL_UNREACHABLE4: errno.ENOPROTOOPT,
    wire.PORT_UNREACHABLE4: errno.ECONNREFUSED,
    6: errno.ENETUNREACH,
    9: errno.ENETUNREACH,
    11: errno.ENETUNREACH,
}
_PROHIBITED4: Final = (9, 10, 13)
"""Communication with the network, the host, or anybody, administratively prohibited."""
_ERRNOS6: Final = {
    wire.NO_ROUTE6: errno.ENETUNREACH,
    wire.PROHIBITED6: errno.EACCES,
    wire.PORT_UNREACHABLE6: errno.ECONNREFUSED,
}


def icmp4_arrives(host: Host, header: Ip4, data: bytes, now: int) -> Stop:
    """Take an ICMP message that was sent to one of our addresses."""
    message = wire.decode_icmp4(data, header.payload_start, header.payload_end)
    if not isinstance(message, IcmpMessage):
        return message
    if message.kind == IcmpKind.ECHO_REQUEST:
        reply = wire.echo_reply(message, header.destination, header.source)
        _send4(host, header.destination, header.source, reply, header.tos)
        return Stop.ICMP_TAKEN
    return _error_arrives(host, message, header.source, now)


def icmp6_arrives(host: Host, header: Ip6, data: bytes, now: int) -> Stop:
    """Take an ICMPv6 message that was sent to one of our addresses."""
    message = wire.decode_icmp6(
        data, header.payload_start, header.payload_end, header.source, header.destination
    )
    if not isinstance(message, IcmpMessage):
        return message
    if message.kind == IcmpKind.ECHO_REQUEST:
        reply = wire.echo_reply(message, header.destination, header.source)
        _send6(host, header.destination, header.source, reply)
        return Stop.ICMP_TAKEN
    return _error_arrives(host, message, header.source, now)


def _error_arrives(host: Host, message: IcmpMessage, source: bytes, now: int) -> Stop:
    """Hand an error to the connection that it quotes (RFC 9293 3.9.2.2, MUST-54)."""
    udp_port = _unwrap(host, message)
    if (
        not message.is_error
        or message.quoted_protocol != _TCP
        or message.quoted_seq == wire.ABSENT
        or message.kind == IcmpKind.REDIRECT
        or message.kind == IcmpKind.SOURCE_QUENCH  # MUST-55
    ):
        return Stop.ICMP_IGNORED
    local = Endpoint(message.quoted_source, message.quoted_source_port)
    remote = Endpoint(message.quoted_destination, message.quoted_destination_port)
    slot = host.demux.slots.get(key_of(local, remote))
    if slot is None or slot.udp_port != udp_port:
        return Stop.ICMP_IGNORED
    severity, code = _meaning(message)
    if host.config.icmp_prohibited_is_hard:
        severity, code = _harder(message, severity, code)
    opening = slot.connection.state in (SYN_SENT, SYN_RECEIVED)
    if not opening and _is_shielded(slot, message, severity):
        return Stop.ICMP_IGNORED
    if severity is IcmpError.HARD and opening and not host.config.icmp_aborts_opening:
        severity = IcmpError.SOFT
    mtu = message.mtu
    if severity is IcmpError.TOO_BIG and mtu == 0:
        mtu = _guess(message)
    inside = mtu - UDP_OVERHEAD if udp_port else mtu
    try:
        stop = slot.connection.icmp_arrives(severity, code, message.quoted_seq, inside, now)
    except Exception as error:  # our mistake must not end the stack
        stop = host.broken(slot, error, now)
    if severity is IcmpError.TOO_BIG and stop is Stop.ICMP_TAKEN:
        path_carries(host, slot, inside, now)
    elif opening and stop is Stop.ICMP_TAKEN:
        _report(slot.connection, message, code, source)
    host.settle(slot, now)
    return stop


def _is_shielded(slot: Slot, message: IcmpMessage, severity: IcmpError) -> bool:
    """Return whether TCP-AO makes a connection deaf to an error that nobody has signed (RFC 5925
    7.8): hard ones, and over IPv4 that a packet was too big."""
    if not isinstance(slot.signer, AoSigner) or not slot.connection.config.ao_ignores_icmp:
        return False
    too_big = severity is IcmpError.TOO_BIG and message.version == 4
    return too_big or severity is IcmpError.HARD


def _unwrap(host: Host, message: IcmpMessage) -> int:
    """Return the peer's UDP port where an error quotes TCP in UDP of ours, and unwrap it; else 0.

    The message then reads as if it quoted the segment.
    """
    port = host.config.udp_port
    if not port or message.quoted_protocol != tunnel.UDP or message.quoted_source_port != port:
        return 0
    peer = message.quoted_destination_port
    inner = tunnel.quoted(message)
    if inner is None:
        return 0
    message.quoted_source_port, message.quoted_destination_port, message.quoted_seq = inner
    message.quoted_protocol = _TCP
    return peer


def _report(connection: Connection, message: IcmpMessage, number: int, source: bytes) -> None:
    """Keep all that the message said for a user who wants to know (IP_RECVERR)."""
    if not connection.config.report_errors:
        return
    reports = connection.tcb.error_reports()
    if len(reports) < MOST_REPORTS:
        kind, code = message.type, message.code
        reports.append(ErrorReport(number, message.version, kind, code, message.mtu, source))


def _meaning(message: IcmpMessage) -> tuple[IcmpError, int]:
    """Return how bad an error is, and its errno (RFC 1122 4.2.3.9, RFC 5461)."""
    kind, code = message.kind, message.code
    if kind == IcmpKind.PACKET_TOO_BIG:
        return IcmpError.TOO_BIG, errno.EMSGSIZE
    if kind == IcmpKind.PARAMETER_PROBLEM:
        unknown = message.version == 6 and code == _UNKNOWN_NEXT_HEADER
        return IcmpError.SOFT, errno.ENOPROTOOPT if unknown else errno.EPROTO  # MUST-56
    if kind == IcmpKind.TIME_EXCEEDED:
        return IcmpError.SOFT, errno.EHOSTUNREACH  # MUST-56
    if message.version == 4:
        hard = code in (wire.PROTOCOL_UNREACHABLE4, wire.PORT_UNREACHABLE4)  # SHLD-26
        number = _ERRNOS4.get(code, errno.EHOSTUNREACH)
    else:
        hard = code in (wire.PROHIBITED6, wire.PORT_UNREACHABLE6)
        number = _ERRNOS6.get(code, errno.EHOSTUNREACH)
    return IcmpError.HARD if hard else IcmpError.SOFT, number


def _harder(message: IcmpMessage, severity: IcmpError, number: int) -> tuple[IcmpError, int]:
    """Return what `Config.icmp_prohibited_is_hard` makes of an error."""
    kind, code = message.kind, message.code
    if kind == IcmpKind.TIME_EXCEEDED and code == 0:
        return IcmpError.HARD, errno.EHOSTUNREACH
    if message.version == 4:
        prohibited = kind == IcmpKind.UNREACHABLE and code in _PROHIBITED4
    else:
        prohibited = kind == IcmpKind.PARAMETER_PROBLEM and code == _UNKNOWN_NEXT_HEADER
    if prohibited or severity is IcmpError.HARD:
        return IcmpError.HARD, errno.ECONNREFUSED
    return severity, number


def _guess(message: IcmpMessage) -> int:
    """Return the next plateau below the packet that was too big (RFC 1191 5)."""
    size = int.from_bytes(message.body[2:4], "big")
    for plateau in _PLATEAUS:
        if plateau < size:
            return plateau
    return 68


# What we send


def refuse4(host: Host, header: Ip4, data: bytes, start: int, now: int) -> None:
    """Say that nobody here speaks the packet's protocol (RFC 1122 3.2.2.1)."""
    code = wire.PORT_UNREACHABLE4 if header.protocol == tunnel.UDP else wire.PROTOCOL_UNREACHABLE4
    _error4(host, header, IcmpKind.UNREACHABLE, code, data[start : header.payload_end], data, now)


def refuse6(host: Host, header: Ip6, data: bytes, start: int, now: int) -> None:
    """Say that nobody here speaks the packet's protocol (RFC 4443 3.1, 3.4)."""
    packet = data[start : header.payload_end]
    if header.protocol == tunnel.UDP:
        _error6(host, header, IcmpKind.UNREACHABLE, wire.PORT_UNREACHABLE6, 0, packet, data, now)
        return
    pointer = header.next_at - start
    kind = IcmpKind.PARAMETER_PROBLEM
    _error6(host, header, kind, _UNKNOWN_NEXT_HEADER, pointer, packet, data, now)


def complain6(host: Host, data: bytes, start: int, end: int, now: int) -> None:
    """Say what is wrong with an extension header, where RFC 8200 4 wants it said."""
    problem = ip6.problem_of(data, start, end)
    if problem is None:
        return
    source = data[start + 8 : start + 24]
    destination = data[start + 24 : start + 40]
    if host.routes.is_bad_source(source) or not host.routes.is_ours(destination):
        return
    if not _affords(host, now):
        return
    kind = IcmpKind.PARAMETER_PROBLEM
    body = wire.error6(kind, problem.code, problem.pointer, data[start:end], destination, source)
    _send6(host, destination, source, body)


def fragments_expired(host: Host, quotes: list[bytes], now: int) -> None:
    """Say that datagrams have not come together in time; `quotes` are their first fragments."""
    for packet in quotes:
        kind = IcmpKind.TIME_EXCEEDED
        if packet[0] >> 4 == 4:
            header = decode_ip4(packet, 0, len(packet), True)
            if isinstance(header, Ip4):
                _error4(host, header, kind, _FRAGMENT_TIME, packet, packet, now)
        else:
            header6 = ip6.decode_ip6(packet, 0, len(packet))
            if isinstance(header6, Ip6):
                _error6(host, header6, kind, _FRAGMENT_TIME, 0, packet, packet, now)


def _affords(host: Host, now: int) -> bool:
    if host.may_answer(now):
        return True
    host.counters.icmp_held_back += 1
    return False


def _error4(
    host: Host, header: Ip4, kind: IcmpKind, code: int, packet: bytes, data: bytes, now: int
) -> None:
    if not wire.deserves_error4(header, data) or host.routes.is_many(header.destination):
        return
    if _affords(host, now):
        body = wire.error4(kind, code, 0, packet)
        _send4(host, header.destination, header.source, body, 0)


def _error6(
    host: Host,
    header: Ip6,
    kind: IcmpKind,
    code: int,
    rest: int,
    packet: bytes,
    data: bytes,
    now: int,
) -> None:
    if wire.deserves_error6(header, data) and _affords(host, now):
        body = wire.error6(kind, code, rest, packet, header.destination, header.source)
        _send6(host, header.destination, header.source, body)


def _send4(host: Host, source: bytes, destination: bytes, body: bytes, tos: int) -> None:
    """Send a message, in fragments where it is longer than the link takes (RFC 791 3.2)."""
    room = _room(host, destination, 20)
    ident = host.next_ident(1)
    for at in range(0, len(body), room):
        piece = body[at : at + room]
        more = at + room < len(body)
        ttl = host.config.ttl
        head = encode_ip4(
            source, destination, ICMP4, len(piece), ttl, tos, ident, False, b"", more, at
        )
        if not host.queue(Packet(head + piece)):
            return
    host.counters.icmp_sent += 1


def _send6(host: Host, source: bytes, destination: bytes, body: bytes) -> None:
    """Send a message, in fragments where it is longer than the link takes (RFC 8200 4.5)."""
    room = _room(host, destination, 40)
    ttl = host.config.ttl
    if len(body) <= room:
        head = ip6.encode_ip6(source, destination, ICMP6, len(body), ttl)
        if host.queue(Packet(head + body)):
            host.counters.icmp_sent += 1
        return
    room -= 8
    ident = host.next_ident(1)
    for at in range(0, len(body), room):
        piece = body[at : at + room]
        head = ip6.encode_ip6(source, destination, ip6.FRAGMENT, len(piece) + 8, ttl)
        middle = ip6.encode_fragment_header(ICMP6, ident, at, at + room < len(body))
        if not host.queue(Packet(head + middle + piece)):
            return
    host.counters.icmp_sent += 1


def _room(host: Host, destination: bytes, header: int) -> int:
    """Return how many octets, a multiple of 8, fit behind an IP header on the way out."""
    interface = host.routes.towards(destination)
    mtu = 1280 if interface is None else interface.mtu
    return (mtu - header) // 8 * 8
