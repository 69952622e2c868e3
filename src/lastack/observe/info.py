"""A captured connection as the record that every view of connections takes."""

from lastack.observe.connection import Connection, Side
from lastack.tcp.info import ConnectionInfo


def connection_info(connection: Connection, of_a: bool = True) -> ConnectionInfo:
    """Return what a capture knows of a connection as one of its ends would tell it.

    What a capture does not show is None; so is the state where several are possible.
    """
    me: Side = connection.a if of_a else connection.b
    peer: Side = connection.b if of_a else connection.a
    return ConnectionInfo(
        me.endpoint,
        peer.endpoint,
        me.states[0] if len(me.states) == 1 else None,
        number=connection.number,
        time=connection.last,
        srtt=me.rtt_mean,
        min_rtt=me.rtt_least,
        segments_sent=me.packets,
        segments_received=peer.packets,
        bytes_sent=me.octets,
        bytes_received=peer.octets,
        retransmissions=me.resent,
        duplicate_acks=peer.remarks.get("duplicate ack", 0),
    )
