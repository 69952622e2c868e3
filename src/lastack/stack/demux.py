"""Which connection a packet belongs to: one lookup of one slice of the packet.

The key of a connection is its 4-tuple in the order in which it stands in a packet that arrives:

    remote address | local address | remote port | local port
    4 or 16 octets | 4 or 16       | 2           | 2

so for IPv4 without options it is `packet[12:24]`, for IPv6 without extensions `packet[8:44]`.
"""

from lastack.stack.ip import Path
from lastack.stack.listener import Listener
from lastack.tcp.connection import Connection
from lastack.wire.address import Endpoint
from lastack.wire.signing import Signer


def key_of(local: Endpoint, remote: Endpoint) -> bytes:
    """Return the key of a 4-tuple."""
    return b"".join(
        (
            remote.address,
            local.address,
            remote.port.to_bytes(2, "big"),
            local.port.to_bytes(2, "big"),
        )
    )


class Slot:
    """What the stack knows of a connection besides the connection itself.

    `places` are its times in the schedule, latest first, None without any. `listener` is set until
    the connection has been accepted; `reopens` while it is a SYN that may yet turn out to be an old
    duplicate for an entry of the TIME-WAIT table. `early` is the listener whose bound on Fast Open
    a child counts against, accepted or not, while it is in SYN-RECEIVED. `path` is made at the
    first segment out and dropped whenever what it was made from changes. `told_mtu` is the path's
    MTU as the stack has last told it to the connection, `held` the octets that it has queued.
    `hops` is the source route of its packets (RFC 9293 3.9.2.1), and `routed` says that the user
    has given it: then no packet of the peer's changes it.
    `signer` is None where nothing is signed, `udp_port` the peer's where segments go inside UDP,
    else 0.
    """

    key: bytes
    connection: Connection
    path: Path | None
    listener: Listener | None
    early: Listener | None
    queued: bool
    noticed: bool
    reopens: bool
    places: list[int] | None
    told_mtu: int
    held: int
    hops: tuple[bytes, ...]
    routed: bool
    signer: Signer | None
    udp_port: int

    def __init__(self, key: bytes, connection: Connection, listener: Listener | None) -> None:
        self.key = key
        self.connection = connection
        self.path = None
        self.listener = listener
        self.early = None
        self.queued = False
        self.noticed = False
        self.reopens = False
        self.places = None
        self.told_mtu = connection.tcb.mtu
        self.held = 0
        self.hops = ()
        self.routed = False
        self.signer = None
        self.udp_port = 0


class Demux:
    """All connections of a stack, by key and by number."""

    slots: dict[bytes, Slot]
    numbers: dict[int, Slot]

    def __init__(self) -> None:
        self.slots = {}
        self.numbers = {}

    def add(self, slot: Slot) -> None:
        """Put a connection in; its key must be free."""
        assert slot.key not in self.slots
        self.slots[slot.key] = slot
        self.numbers[slot.connection.number] = slot

    def remove(self, slot: Slot) -> bool:
        """Take a connection out; False when it was out already."""
        if self.numbers.pop(slot.connection.number, None) is None:
            return False
        del self.slots[slot.key]
        return True
