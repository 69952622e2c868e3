"""The path up: from the connections that wish to send to the packets that a driver pulls.

First what the stack itself has to say (resets, echo replies), then the connections of the ready
queue in turn. A connection that has sent its share goes to the back of the queue. Connections that
wish nothing are never looked at.
"""

from typing import Final

from lastack.stack.arrive import packet_arrives
from lastack.stack.demux import Slot
from lastack.stack.host import Host
from lastack.stack.ip import encode
from lastack.stack.on_path import look_at_path
from lastack.tcp.states import CLOSED, LISTEN, TIME_WAIT
from lastack.wire.packet import Packet
from lastack.wire.segment import RST, Segment

SHARE: Final = 65536
"""Octets, headers counted generously, that a connection may send before the next has its turn."""
_HEADERS: Final = 2048
"""What a segment counts beyond its data: 32 bare ACKs are as good as a full super-segment."""


def next_packet(host: Host, now: int) -> Packet | None:
    """Return the next packet to put on the link, None when there is nothing to send now."""
    counters = host.counters
    while True:
        while host.replies:
            packet = host.replies.popleft()
            if not _is_for_us(host, packet):
                counters.packets_out += 1
                counters.octets_out += packet.length
                return packet
            _loop(host, packet, now)
        if not host.ready:
            return None
        slot = host.ready[0]
        segment = _pull(host, slot, now)
        if segment is None:
            host.count_broken(slot.connection)
            finish_turn(host, slot, now)
            continue
        path = host.path_of(slot)
        if path is None:
            continue
        if slot.signer is not None:
            slot.signer.sign(segment)
        packet = encode(path, segment, host.next_ident(segment.segments))
        host.outgoing = path.interface.index
        counters.segments_out += 1
        if segment.flags & RST:
            counters.resets_sent += 1
        if host.trace is not None:
            connection = slot.connection
            host.trace(now, "out", connection, segment, connection.state, None)
        host.turn += segment.length + _HEADERS
        if host.turn >= SHARE:
            host.turn = 0
            if len(host.ready) > 1:
                host.schedule.add(slot, slot.connection.next_deadline())
                host.ready.rotate(-1)
        if path.loops:
            _loop(host, packet, now)
            continue
        counters.packets_out += 1
        counters.octets_out += packet.length
        return packet


def _is_for_us(host: Host, packet: Packet) -> bool:
    """Return whether a packet of the stack's own is addressed to itself."""
    data = packet.data
    destination = data[16:20] if data[0] >> 4 == 4 else data[24:40]
    return host.routes.is_ours(destination)


def _loop(host: Host, packet: Packet, now: int) -> None:
    """Let a packet to one of our own addresses arrive here, as a loopback device would."""
    host.looping = True
    try:
        packet_arrives(host, packet, now)
    finally:
        host.looping = False


def _pull(host: Host, slot: Slot, now: int) -> Segment | None:
    """Ask a connection for its next segment; our own mistakes end that connection alone."""
    try:
        if host.mtus.known or slot.told_mtu < slot.connection.tcb.first_mtu:
            look_at_path(host, slot, now)
        return slot.connection.next_segment(now)
    except Exception as error:
        host.counters.stops[host.broken(slot, error, now)] += 1
        return None


def finish_turn(host: Host, slot: Slot, now: int) -> None:
    """The connection at the head of the queue has no more to send now."""
    host.ready.popleft()
    host.turn = 0
    slot.queued = False
    connection = slot.connection
    host.note(slot, now)
    state = connection.state
    if (state is CLOSED or state is TIME_WAIT or state is LISTEN) and host.retire(slot, now):
        return
    host.schedule.add(slot, connection.next_deadline())
