"""Two stacks, back to back: whatever one wants to send arrives at the other at once."""

from random import Random

from lastack.stack.listener import Listener
from lastack.stack.routes import Interface
from lastack.stack.sockets import TcpSocket
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.units import NEVER
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.checksum import transport_checksum
from lastack.wire.ip4 import encode_ip4
from lastack.wire.ip6 import encode_ip6
from lastack.wire.packet import Packet
from lastack.wire.segment import Segment, decode_segment
from lastack.wire.stop import Stop

STRICT = Config(strict=True)
LEFT = "10.0.0.1"
RIGHT = "10.0.0.2"


def at(text: str, port: int) -> Endpoint:
    return Endpoint(pack_address(text), port)


def host(*addresses: str, seed: int = 1, config: Config = STRICT, mtu: int = 1500) -> Stack:
    return Stack([Interface("if0", list(addresses), mtu)], config, Random(seed))


def carried(
    segment: Segment, source: str = LEFT, destination: str = RIGHT, options: bytes = b""
) -> Packet:
    """Return a segment in an IP packet of its own, as from somewhere out there."""
    here, there = pack_address(source), pack_address(destination)
    length = 20 + len(segment.options) + segment.length
    value = transport_checksum(here, there, 6, segment.header(), segment.parts, length)
    if len(here) == 16:
        head = encode_ip6(here, there, 6, length)
    else:
        head = encode_ip4(here, there, 6, length, options=options)
    return Packet(head + segment.header(value) + segment.payload)


def segment_in(packet: Packet) -> Segment:
    """Return the segment that a packet carries."""
    data = packet.to_bytes()
    start = (data[0] & 0xF) * 4 if data[0] >> 4 == 4 else 40
    found = decode_segment(data, start, len(data))
    assert isinstance(found, Segment)
    return found


class TwoStacks:
    """`left` is 10.0.0.1 and fd00::1, `right` 10.0.0.2 and fd00::2; `now` is their common clock.

    `lose` drops what the named side sends; `stops` are those that were returned, in order.
    """

    def __init__(self, left: Config = STRICT, right: Config = STRICT, seed: int = 1) -> None:
        self.left = host("10.0.0.1/24", "fd00::1/64", seed=seed, config=left)
        self.right = host("10.0.0.2/24", "fd00::2/64", seed=seed + 1, config=right)
        self.now = 1_000_000_000
        self.lose_left = False
        self.lose_right = False
        self.stops: list[Stop] = []

    def run(self) -> None:
        """Let packets pass until both are quiet, in no time."""
        moved = True
        while moved:
            moved = False
            for side, other, lost in (
                (self.left, self.right, self.lose_left),
                (self.right, self.left, self.lose_right),
            ):
                while (packet := side.next_packet(self.now)) is not None:
                    moved = True
                    if not lost:
                        stop = other.packet_arrives(packet, self.now)
                        if stop is not None:
                            self.stops.append(stop)

    def run_until(self, end: int) -> None:
        """Let time pass, and with it everything that waits for it."""
        self.run()
        while (time := min(self.left.next_deadline(), self.right.next_deadline())) <= end:
            self.now = max(self.now, time)
            self.left.deadline_passed(self.now)
            self.right.deadline_passed(self.now)
            self.run()
        self.now = max(self.now, end)

    def run_out(self) -> None:
        """Let time pass until nothing waits for it any more."""
        self.run_until(NEVER - 1)

    def connect(self, port: int = 80, backlog: int = 8) -> tuple[Connection, Connection, Listener]:
        """Return both ends of a new connection and the listener that it came from."""
        listener = self.right.listen(at(RIGHT, port), backlog)
        left = self.left.connect(at(RIGHT, port), self.now)
        self.run()
        right = listener.accept()
        assert right is not None
        return left, right, listener

    def socket_pair(self) -> tuple[TcpSocket, TcpSocket, TcpSocket]:
        """Return two connected sockets and the one that listens."""
        listening = TcpSocket(self.right)
        listening.bind(self.now, at(RIGHT, 80))
        listening.listen(self.now, 8)
        client = TcpSocket(self.left)
        client.connect_ex(self.now, at(RIGHT, 80))
        self.run()
        server, _ = listening.accept(self.now)
        return client, server, listening

    def send(self, side: Stack, connection: Connection, data: bytes) -> None:
        """Send and let it arrive."""
        assert connection.send(data, self.now) == len(data)
        side.wake(connection, self.now)
        self.run()

    def close(self, side: Stack, connection: Connection) -> None:
        """Close and let that arrive."""
        connection.close(self.now)
        side.wake(connection, self.now)
        self.run()

    def nothing_left(self) -> bool:
        """Return whether no connection, entry, timer or packet is left on either side."""
        return all(
            not side.connections()
            and not side.time_waits()
            and side.next_deadline() == NEVER
            and not side.schedule.heap
            and side.next_packet(self.now) is None
            for side in (self.left, self.right)
        )
