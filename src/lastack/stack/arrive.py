"""The path down: a packet arrives, and goes to its connection, or stops for a reason with a name.

Plain packets (IPv4 without options, IPv6 without extension headers, whole, TCP) take the short way:
one slice of the packet is the key, and the Segment is the only object made. All others are read by
`wire.ip4` and `wire.ip6` first and then go the same way.

Order of those who may be meant: connection, TIME-WAIT entry, listener, nobody.
"""

from typing import Final

from lastack.stack import icmp, tunnel
from lastack.stack.authentic import signature_stop, stranger_stop
from lastack.stack.demux import Slot
from lastack.stack.host import Host
from lastack.stack.listening import arrives_in_listen, is_syn_fin
from lastack.stack.on_path import reroute
from lastack.stack.refuse import address_stop, is_newer_syn, other_port, reset, stop_of_many
from lastack.tcp.states import CLOSED, LISTEN, TIME_WAIT, Cause
from lastack.tcp.time_wait import TimeWait, time_wait_segment
from lastack.wire.address import endpoint
from lastack.wire.checksum import checksum_holds
from lastack.wire.ip4 import Ip4, decode_ip4, return_route, source_route
from lastack.wire.ip6 import Ip6, decode_ip6
from lastack.wire.packet import CHECKSUM_PRESENT, Packet
from lastack.wire.segment import RST, SYN, Segment, decode_segment
from lastack.wire.stop import Stop

_TCP: Final = 6


def packet_arrives(host: Host, packet: Packet, now: int) -> Stop | None:
    """Take one IP packet; return why it went no further than here, None when it was welcome."""
    if packet.parts:
        packet = _whole(packet)
    data = packet.data
    start = packet.start
    end = packet.end
    counters = host.counters
    counters.packets_in += 1
    counters.octets_in += end - start
    if end - start < 20:
        stop: Stop | None = Stop.NOT_IP if end <= start else Stop.TRUNCATED
    elif (
        data[start] == 0x45
        and data[start + 9] == _TCP
        and not data[start + 6] & 0x3F
        and not data[start + 7]
    ):
        stop = _plain_ip4(host, packet, data, start, end, now)
    elif data[start] >> 4 == 6 and end - start >= 40 and data[start + 6] == _TCP:
        stop = _plain_ip6(host, packet, data, start, end, now)
    elif data[start] >> 4 == 4:
        stop = _other_ip4(host, packet, data, start, end, now)
    else:
        stop = _other_ip6(host, packet, data, start, end, now)
    if stop is not None:
        counters.stops[stop] += 1
    return stop


def _whole(packet: Packet) -> Packet:
    """Return a packet that came in parts as one piece, as those that come from a device are."""
    return Packet(
        packet.to_bytes(),
        gso_size=packet.gso_size,
        checksum=packet.checksum,
        checksum_start=packet.checksum_start,
        checksum_offset=packet.checksum_offset,
    )


def _plain_ip4(
    host: Host, packet: Packet, data: bytes, start: int, end: int, now: int
) -> Stop | None:
    whole = start + (data[start + 2] << 8 | data[start + 3])
    if whole > end:
        return Stop.TRUNCATED
    if whole < start + 20:
        return Stop.BAD_IP_HEADER
    addresses = 0
    if packet.checksum == CHECKSUM_PRESENT:
        if int.from_bytes(data[start : start + 20], "big") % 65535:
            return Stop.BAD_IP_CHECKSUM
        addresses = int.from_bytes(data[start + 12 : start + 20], "big")
    key = data[start + 12 : start + 24]
    return _tcp(host, packet, key, 4, addresses, start + 20, whole, data[start + 1] & 3, now)


def _plain_ip6(
    host: Host, packet: Packet, data: bytes, start: int, end: int, now: int
) -> Stop | None:
    whole = start + 40 + (data[start + 4] << 8 | data[start + 5])
    if whole > end:
        return Stop.TRUNCATED
    addresses = 0
    if packet.checksum == CHECKSUM_PRESENT:
        addresses = int.from_bytes(data[start + 8 : start + 40], "big")
    key = data[start + 8 : start + 44]
    ecn = data[start + 1] >> 4 & 3
    return _tcp(host, packet, key, 16, addresses, start + 40, whole, ecn, now)


def _other_ip4(
    host: Host, packet: Packet, data: bytes, start: int, end: int, now: int
) -> Stop | None:
    """IPv4 with options, in fragments, or carrying something else than TCP."""
    header = decode_ip4(data, start, end, packet.checksum != CHECKSUM_PRESENT)
    if not isinstance(header, Ip4):
        return header
    if header.protocol != _TCP:
        stop = address_stop(host, header.source, header.destination)
        if stop is not None:
            return Stop.NOT_OURS if stop is Stop.SYN_TO_MANY else stop
    if header.is_fragment:
        return _fragment(host, header, data, start, now)
    if header.protocol == icmp.ICMP4:
        return icmp.icmp4_arrives(host, header, data, now)
    if header.protocol == tunnel.UDP and host.config.udp_port:
        port = tunnel.sender_of(host.config.udp_port, header, data, _is_checked(packet))
        if port != tunnel.NOT_OURS:
            return _datagram(host, packet, header, data, 4, port, now)
    if header.protocol != _TCP:
        icmp.refuse4(host, header, data, start, now)
        return Stop.UNKNOWN_PROTOCOL
    route = source_route(header.options) if header.options else None
    if route is not None and not route.complete:
        return Stop.BAD_IP_OPTION  # we are one of its hops, and do not forward
    key = _key(header, data)
    hops: tuple[bytes, ...] = ()
    back = return_route(header) if route is not None else None  # MUST-53
    if back is not None:
        hops = (back.first_hop, *_between(back.options))
    addresses = int.from_bytes(header.source + header.destination, "big")
    return _tcp(
        host, packet, key, 4, addresses, header.payload_start, header.payload_end,
        header.ecn, now, hops,
    )  # fmt: skip


def _between(options: bytes) -> tuple[bytes, ...]:
    """Return the hops of a return route but for the first (which is the header's) and the last."""
    route = source_route(options)
    return route.addresses[:-1] if route is not None else ()


def _other_ip6(
    host: Host, packet: Packet, data: bytes, start: int, end: int, now: int
) -> Stop | None:
    """IPv6 with extension headers, in fragments, or carrying something else; or no IP at all."""
    header = decode_ip6(data, start, end)
    if not isinstance(header, Ip6):
        if header in (Stop.BAD_EXTENSION, Stop.UNKNOWN_PROTOCOL):
            icmp.complain6(host, data, start, end, now)
        return header
    if header.protocol != _TCP:
        stop = address_stop(host, header.source, header.destination)
        if stop is not None:
            return Stop.NOT_OURS if stop is Stop.SYN_TO_MANY else stop
    if header.is_fragment:
        return _fragment(host, header, data, start, now)
    if header.protocol == icmp.ICMP6:
        return icmp.icmp6_arrives(host, header, data, now)
    if header.protocol == tunnel.UDP and host.config.udp_port:
        port = tunnel.sender_of(host.config.udp_port, header, data, _is_checked(packet))
        if port != tunnel.NOT_OURS:
            return _datagram(host, packet, header, data, 16, port, now)
    if header.protocol != _TCP:
        icmp.refuse6(host, header, data, start, now)
        return Stop.UNKNOWN_PROTOCOL
    addresses = int.from_bytes(header.source + header.destination, "big")
    return _tcp(
        host, packet, _key(header, data), 16, addresses, header.payload_start,
        header.payload_end, header.ecn, now,
    )  # fmt: skip


def _is_checked(packet: Packet) -> bool:
    return packet.checksum != CHECKSUM_PRESENT


def _datagram(
    host: Host,
    packet: Packet,
    header: Ip4 | Ip6,
    data: bytes,
    width: int,
    port: int,
    now: int,
) -> Stop | None:
    """Take the segment in a datagram that came from this port of the peer's."""
    if port == tunnel.BAD:
        return Stop.BAD_UDP
    start, end = header.payload_start + tunnel.HEADER, header.payload_end
    key = header.source + header.destination + data[start : start + 4]
    return _tcp(host, packet, key, width, 0, start, end, header.ecn, now, (), port)


def _key(header: Ip4 | Ip6, data: bytes) -> bytes:
    """Return the key where addresses and ports do not stand side by side."""
    ports = data[header.payload_start : min(header.payload_start + 4, header.payload_end)]
    return header.source + header.destination + ports


def _fragment(host: Host, header: Ip4 | Ip6, data: bytes, start: int, now: int) -> Stop | None:
    """Keep a fragment; the last one missing makes a packet that arrives like any other."""
    if not host.routes.is_ours(header.destination) and not host.listeners.claims(
        header.destination
    ):
        return Stop.NOT_OURS
    whole = host.fragments.arrives(header, data, start, now)
    if isinstance(whole, Stop):
        return whole
    host.counters.packets_in -= 1  # it has been counted in pieces
    host.counters.octets_in -= len(whole)
    stop = packet_arrives(host, Packet(whole), now)
    if stop is not None:
        host.counters.stops[stop] -= 1
    return stop


def _tcp(
    host: Host,
    packet: Packet,
    key: bytes,
    width: int,
    addresses: int,
    start: int,
    end: int,
    ecn: int,
    now: int,
    hops: tuple[bytes, ...] = (),
    udp_port: int = 0,
) -> Stop | None:
    """Take the segment in data[start:end]; its addresses have `width` octets and that sum.

    One that came in a datagram from `udp_port` has been verified already.
    """
    slot = host.demux.slots.get(key)
    if slot is None and key not in host.time_wait_table.entries:
        stop = address_stop(host, key[:width], key[width : 2 * width])
        if stop is not None:
            return stop_of_many(packet.data, start, end) if stop is Stop.SYN_TO_MANY else stop
    data = packet.data
    if (
        packet.checksum == CHECKSUM_PRESENT
        and not udp_port
        and not checksum_holds(data, start, end, addresses + _TCP + end - start)
    ):
        return Stop.BAD_CHECKSUM if end - start >= 20 else Stop.BAD_TCP_HEADER  # MUST-3
    segment = decode_segment(data, start, end)
    if not isinstance(segment, Segment):
        return segment
    segment.gso_size = packet.gso_size
    segment.ecn = ecn
    segment.udp_port = udp_port
    host.counters.segments_in += 1
    if slot is None:
        return _stranger(host, packet, start, key, width, segment, hops, now)
    connection = slot.connection
    before = connection.state
    if before is CLOSED or (before is TIME_WAIT and segment.flags & SYN):
        if _makes_way(host, slot, now):
            return _stranger(host, packet, start, key, width, segment, hops, now)
    if segment.signed or slot.signer is not None:
        stop = signature_stop(slot.signer, segment, connection.config)
        if stop is not None:
            return stop
    if slot.udp_port != udp_port:
        local, remote = connection.local, connection.remote
        return other_port(host, local, remote, segment, connection.config, slot.signer, now)
    if hops and hops != slot.hops:
        reroute(host, slot, hops, now)
    if host.config.drop_syn_fin and is_syn_fin(segment) and before is not TIME_WAIT:
        return Stop.SYN_WITH_FIN
    try:
        stop = connection.segment_arrives(segment, now)
    except Exception as error:  # our mistake must not end the stack
        stop = host.broken(slot, error, now)
    if host.trace is not None:
        host.trace(now, "in", connection, segment, before, stop)
    host.settle(slot, now)
    return stop


def _makes_way(host: Host, slot: Slot, now: int) -> bool:
    """A SYN for a connection in TIME-WAIT, or anything for one in CLOSED: let it leave the table.

    True when the key is free now, or is that of a TIME-WAIT entry.
    """
    connection = slot.connection
    if connection.state is CLOSED and connection.wants_output:
        return False  # its reset has not been pulled yet
    if connection.state is TIME_WAIT and not slot.reopens:
        host.keep_time_wait(slot, now)
        return True
    host.forget(slot)
    return True


def _stranger(
    host: Host,
    packet: Packet,
    start: int,
    key: bytes,
    width: int,
    segment: Segment,
    hops: tuple[bytes, ...],
    now: int,
) -> Stop | None:
    """A segment for no connection: for TIME-WAIT, for a listener, or for nobody."""
    entry = host.time_wait_table.entries.get(key)
    if entry is not None:
        stop = _time_wait(host, key, entry, segment, now)
        if stop is not None:
            return stop
    if segment.source_port == 0 or segment.destination_port == 0:
        return Stop.BAD_TCP_PORT
    remote = endpoint(key[:width], segment.source_port)
    address, port = key[width : 2 * width], segment.destination_port
    listener = host.listeners.find(address, port, host.routes.is_ours(address), key)
    if listener is not None:
        local = listener.local_end(address, port)
        stop, slot = arrives_in_listen(host, listener, local, remote, segment, entry, hops, now)
        if host.trace is not None:
            child = slot.connection if slot is not None else None
            host.trace(now, "in", child, segment, LISTEN, stop)
        if slot is not None:
            if listener.config.save_syn and segment.flags & SYN:
                end = start + 20 + len(segment.options)
                slot.connection.tcb.saved_syn = packet.data[packet.start : end]
            host.settle(slot, now)
        return stop
    local = endpoint(address, port)
    config = host.ports.config_of(address, port) or host.config
    stop = stranger_stop(config, local, remote, segment)
    if stop is not None:
        return stop
    stop = Stop.RST_TO_NOBODY if segment.flags & RST else Stop.NO_CONNECTION
    if host.trace is not None:
        host.trace(now, "in", None, segment, CLOSED, stop)
    reset(host, local, remote, segment, now, config)
    return stop


def _time_wait(host: Host, key: bytes, entry: TimeWait, segment: Segment, now: int) -> Stop | None:
    """Give a segment to a TIME-WAIT entry; None for a SYN that may open the 4-tuple again."""
    if segment.signed or entry.signer is not None:
        wrong = signature_stop(entry.signer, segment, host.config)
        if wrong is not None:
            return wrong
    if entry.udp_port != segment.udp_port and not is_newer_syn(host, entry, segment, now):
        config = entry.config or host.config
        return other_port(host, entry.local, entry.remote, segment, config, entry.signer, now)
    stop = time_wait_segment(entry, segment, now, host.config)
    if stop is None:
        listener = host.listeners.find(
            entry.local.address, entry.local.port, host.routes.is_ours(entry.local.address)
        )
        if listener is not None:
            return None
        # Nobody to open it for: to the old connection it is a SYN like any other.
        stop = time_wait_segment(entry, segment, now, host.config.replace(reuse_time_wait=False))
    if host.trace is not None:
        host.trace(now, "in", None, segment, TIME_WAIT, stop)
    if entry.reply is not None:
        host.reply(
            entry.local.address, entry.remote.address, entry.reply, now, entry.hops, entry.config,
            entry.signer, entry.udp_port,
        )  # fmt: skip
        entry.reply = None
    if stop is Stop.RESET:
        host.time_wait_table.remove(key)
        host.time_wait_over(entry, Cause.RESET, now)
    return stop
