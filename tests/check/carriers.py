"""A carrier without a wire: our own stack with an echo service, in this process."""

from collections.abc import Callable
from random import Random

from lastack.check.carrier import Carrier
from lastack.stack.listener import Listener
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.units import NEVER, SECOND
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.ip4 import encode_ip4
from lastack.wire.packet import Packet
from lastack.wire.segment import Segment, decode_segment

HERE = "10.0.0.1"
THERE = "10.0.0.2"
ECHO = 7
NOBODY = 9


class OurStack(Carrier):
    """Our stack at 10.0.0.2 with an echo at port 7; time is virtual and passes while one waits.

    `loses(segment)` may hide segments from it: a stack with a fault.
    """

    def __init__(self, config: Config, loses: Callable[[Segment], bool] | None = None) -> None:
        super().__init__(rate=1_000_000)
        self.local, self.remote = pack_address(HERE), pack_address(THERE)
        self.now = SECOND
        self.stack = Stack([Interface("if0", [f"{THERE}/24"], 1500)], config, Random(1))
        self.listener: Listener = self.stack.listen(Endpoint(b"", ECHO), 64)
        self.loses = loses
        self.open: list[Connection] = []
        self.port = 20000

    def time(self) -> float:
        return self.now / SECOND

    def rest(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def take_port(self) -> int:
        self.port += 1
        return self.port

    def give_port(self, port: int) -> None:
        pass

    def put(self, data: bytes) -> None:
        segment = decode_segment(data, 0, len(data))
        assert isinstance(segment, Segment)
        if self.loses is not None and self.loses(segment):
            return
        header = encode_ip4(self.local, self.remote, 6, len(data))
        self.stack.packet_arrives(Packet(header + data), self.now)
        self.serve()

    def serve(self) -> None:
        """The echo: what has come goes back."""
        while (connection := self.listener.accept()) is not None:
            self.open.append(connection)
        for connection in self.open:
            if connection.error or not connection.readable:
                continue
            data = connection.receive(1 << 16, self.now)
            if data:
                connection.send(data, self.now)
            self.stack.wake(connection, self.now)

    def get(self, seconds: float) -> Segment | None:
        until = self.now + int(seconds * SECOND) + 1
        while True:
            packet = self.stack.next_packet(self.now)
            if packet is not None:
                data = packet.to_bytes()
                found = decode_segment(data, 20, len(data))
                assert isinstance(found, Segment)
                return found
            deadline = self.stack.next_deadline()
            if deadline == NEVER or deadline > until:
                self.now = until
                return None
            self.now = max(self.now, deadline)
            self.stack.deadline_passed(self.now)

    def close(self) -> None:
        pass
