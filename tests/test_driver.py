"""The driver: batches, timers, notices, a link without room, and no work when nothing happens."""

import errno
import socket
import threading
import time
from collections import deque
from random import Random

import pytest

from lastack.driver import BATCH, Driver
from lastack.errors import DeviceUnavailable, device_error
from lastack.link.base import NO_OFFLOAD, Link
from lastack.stack.listener import Listener
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.states import State
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.packet import Packet

CONFIG = Config(strict=True, msl=10 * MS)
LEFT, RIGHT = pack_address("10.0.0.1"), pack_address("10.0.0.2")


class SocketLink(Link):
    """Packets over one end of a pair of datagram sockets: a real descriptor, no privilege."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.end = end
        self.mtu = 1500
        self.offload = NO_OFFLOAD
        self.received = 0
        self.sent: list[bytes] = []

    def fileno(self) -> int:
        return self.end.fileno()

    def receive(self) -> Packet | None:
        try:
            data = self.end.recv(65536)
        except BlockingIOError:
            return None
        self.received += 1
        return Packet(data)

    def send(self, packet: Packet) -> bool:
        try:
            self.end.send(packet.to_bytes())
        except BlockingIOError:
            return False
        self.sent.append(packet.to_bytes())
        return True

    def close(self) -> None:
        self.end.close()


class Room(Link):
    """A link that takes `room` packets and has those in `inbox` to give; `gone` once set."""

    def __init__(self, room: int = 1000) -> None:
        self.mtu = 1500
        self.offload = NO_OFFLOAD
        self.room = room
        self.inbox: deque[Packet] = deque()
        self.taken: list[Packet] = []
        self.gone = False

    def fileno(self) -> int:
        return -1

    def receive(self) -> Packet | None:
        if self.gone:
            raise device_error(errno.ENODEV, "the device is gone")
        return self.inbox.popleft() if self.inbox else None

    def send(self, packet: Packet) -> bool:
        if len(self.taken) >= self.room:
            return False
        self.taken.append(packet)
        return True

    def close(self) -> None:
        self.gone = True


def stack(address: str, seed: int) -> Stack:
    return Stack([Interface("link0", [f"{address}/24"], 1500, NO_OFFLOAD)], CONFIG, Random(seed))


class Echo:
    """Users of one driver: whatever connects is echoed, and closed when its peer closes."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.connections: list[Connection] = []
        driver.on_notice = self.noticed

    def noticed(self, noticed: Connection | Listener) -> None:
        noticed.notices = 0
        now = self.driver.now
        if isinstance(noticed, Listener):
            while (connection := noticed.accept()) is not None:
                self.connections.append(connection)
                self.noticed(connection)
            return
        while data := noticed.receive(65536, now):
            noticed.send(data, now)
        if noticed.at_end:
            noticed.close(now)
        self.driver.stack.wake(noticed, now)


class World:
    """Two drivers over a pair of sockets: a client on the left, an echo on the right."""

    def __init__(self) -> None:
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.left_link, self.right_link = SocketLink(ends[0]), SocketLink(ends[1])
        self.left = Driver(stack("10.0.0.1", 1), self.left_link)
        self.right = Driver(stack("10.0.0.2", 2), self.right_link)
        self.echo = Echo(self.right)
        self.right.stack.listen(Endpoint(b"", 7), 8)

    def turn(self, until: float = 5.0) -> None:
        """Step both until neither moves; fails when that takes too long."""
        limit = time.monotonic() + until
        while self.left.step(time.monotonic_ns()) | self.right.step(time.monotonic_ns()):
            assert time.monotonic() < limit

    def connected(self) -> Connection:
        connection = self.left.stack.connect(Endpoint(RIGHT, 7), time.monotonic_ns())
        self.turn()
        assert connection.state is State.ESTABLISHED
        return connection

    def close(self) -> None:
        self.left.close()
        self.right.close()
        self.left_link.close()
        self.right_link.close()


@pytest.fixture
def world():  # type: ignore[no-untyped-def]
    made = World()
    yield made
    made.close()


def test_an_answer_carries_the_acknowledgment_of_its_question(world: World) -> None:
    """Users hear of data before anything is pulled out: one packet does for both."""
    connection = world.connected()
    world.right_link.sent.clear()
    connection.send(b"question", time.monotonic_ns())
    world.left.stack.wake(connection, time.monotonic_ns())
    world.turn()
    assert connection.receive(100, time.monotonic_ns()) == b"question"
    assert len(world.right_link.sent) == 1


def test_a_step_says_whether_anything_moved(world: World) -> None:
    """False: there is nothing to do until a packet or a timer comes."""
    now = time.monotonic_ns()
    assert not world.left.step(now)
    world.left.stack.connect(Endpoint(RIGHT, 7), now)
    assert world.left.step(now)
    assert world.right.step(now)
    assert not world.right.step(now)


def test_batches_are_bounded_and_taken_in_before_anything_is_sent() -> None:
    """64 packets either way: acknowledgments aggregate, and neither way starves the other."""
    link = Room()
    driver = Driver(stack("10.0.0.2", 1), link)
    other = Driver(stack("10.0.0.1", 2), Room())
    for port in range(100):
        other.stack.connect(Endpoint(RIGHT, 1000 + port), 0)
    other.step(0)
    assert (len(other.link.taken), other.unsent) == (BATCH, True)  # type: ignore[attr-defined]
    other.step(0)
    assert not other.unsent
    link.inbox.extend(other.link.taken)  # type: ignore[attr-defined]
    assert len(link.inbox) == 100
    assert driver.step(0)
    assert (len(link.inbox), len(link.taken)) == (100 - BATCH, BATCH)
    assert driver.step(0)
    assert (len(link.inbox), len(link.taken)) == (0, 100)
    assert not driver.step(0)


def test_a_batch_is_taken_in_whole_before_anything_is_acknowledged() -> None:
    """RFC 9293 3.10.7.4, MUST-59, MUST-58: forty segments, one ACK."""
    link = Room()
    driver = Driver(stack("10.0.0.2", 1), link)
    other = Driver(stack("10.0.0.1", 2), Room())
    driver.stack.listen(Endpoint(RIGHT, 80), 1)
    connection = other.stack.connect(
        Endpoint(RIGHT, 80), 0, config=CONFIG.replace(initial_window=40)
    )
    for _ in range(3):
        other.step(0)
        link.inbox.extend(other.link.taken)  # type: ignore[attr-defined]
        other.link.taken.clear()  # type: ignore[attr-defined]
        driver.step(0)
        other.link.inbox.extend(link.taken)  # type: ignore[attr-defined]
        link.taken.clear()
    assert connection.state is State.ESTABLISHED
    connection.send(bytes(40 * 1448), 0)
    other.stack.wake(connection, 0)
    other.step(0)
    link.inbox.extend(other.link.taken)  # type: ignore[attr-defined]
    assert len(link.inbox) == 40
    driver.step(0)
    assert len(link.taken) == 1


def test_a_packet_that_finds_no_room_is_kept_and_goes_first() -> None:
    """`send` said False: keep it and try again; nothing overtakes it and nothing is lost."""
    link = Room(room=0)
    driver = Driver(stack("10.0.0.1", 1), link)
    for port in range(3):
        driver.stack.connect(Endpoint(RIGHT, 1000 + port), 0)
    assert not driver.step(0)
    assert driver.blocked
    assert not driver.step(0)
    link.room = 2
    assert driver.step(0)
    assert driver.blocked
    link.room = 10
    driver.flush(0)
    assert not driver.blocked
    ports = [int.from_bytes(packet.to_bytes()[22:24], "big") for packet in link.taken]
    assert ports == [1000, 1001, 1002]


def test_a_full_socket_blocks_and_poll_waits_for_room() -> None:
    """The link is watched for room only while there is none."""
    world = World()
    world.left.stack.config.send_buffer = 1 << 20
    connection = world.connected()
    filler = world.left_link.end
    with pytest.raises(BlockingIOError):
        while True:
            filler.send(b"nothing that is IP")
    connection.send(b"late", time.monotonic_ns())
    world.left.stack.wake(connection, time.monotonic_ns())
    world.left.poll(MS)
    assert world.left.blocked
    while world.right_link.receive() is not None:
        pass
    world.left.poll(0)
    assert not world.left.blocked
    assert world.right.poll(SECOND)
    assert world.left.poll(SECOND)
    assert connection.receive(10, time.monotonic_ns()) == b"late"
    world.close()


def test_two_drivers_in_two_threads_carry_a_megabyte_and_its_echo(world: World) -> None:
    """Real time, real descriptors: poll and nothing else turns the world."""
    data = Random(5).randbytes(1 << 20)
    ended = threading.Event()
    server = threading.Thread(target=world.right.run_until, args=(ended.is_set,), daemon=True)
    world.right.wakeable()
    server.start()
    received = bytearray()
    offset = 0
    connection = world.left.stack.connect(Endpoint(RIGHT, 7), time.monotonic_ns())

    def noticed(one: Connection | Listener) -> None:
        nonlocal offset
        one.notices = 0
        now = world.left.now
        while chunk := connection.receive(1 << 16, now):
            received.extend(chunk)
        if connection.state is State.ESTABLISHED and offset < len(data):
            offset += connection.send(data[offset : offset + 65536], now)
            if offset == len(data):
                connection.shutdown_write(now)
        if connection.at_end:
            connection.close(now)
        world.left.stack.wake(connection, now)

    world.left.on_notice = noticed
    deadline = time.monotonic_ns() + 20 * SECOND
    assert world.left.run_until(lambda: not world.left.stack.infos(), deadline)
    ended.set()
    world.right.wake()
    server.join(5)
    assert not server.is_alive()
    assert bytes(received) == data
    assert world.right.stack.connections() == []


def test_idle_costs_nothing(world: World) -> None:
    """No tick: an established, idle connection uses no processor time."""
    world.connected()
    before = time.process_time()
    began = time.monotonic()
    assert not world.left.poll(300 * MS)
    assert time.monotonic() - began >= 0.3
    assert time.process_time() - before < 0.02


def test_a_timer_ends_the_waiting_at_its_time(world: World) -> None:
    """Poll waits for the stack's next deadline too, and not in whole milliseconds only."""
    now = time.monotonic_ns()
    connection = world.left.stack.connect(Endpoint(pack_address("10.0.0.9"), 7), now)
    world.left.flush(now)
    sent = len(world.left_link.sent)
    deadline = world.left.stack.next_deadline()
    assert deadline - now >= CONFIG.initial_rto
    assert world.left.poll()
    assert time.monotonic_ns() >= deadline
    assert len(world.left_link.sent) == sent + 1
    assert connection.state is State.SYN_SENT


def test_a_wake_up_from_another_thread_ends_the_waiting(world: World) -> None:
    """Users in other threads say that there is something to do."""
    world.left.wakeable()
    world.left.wakeable()
    began = time.monotonic()
    thread = threading.Timer(0.05, world.left.wake)
    thread.start()
    assert world.left.poll(10 * SECOND)
    assert time.monotonic() - began < 5
    thread.join()
    assert not world.left.poll(0)


def test_run_until_gives_up_at_its_deadline(world: World) -> None:
    """False when the predicate did not come true in time."""
    deadline = time.monotonic_ns() + 20 * MS
    assert not world.left.run_until(lambda: False, deadline)
    assert time.monotonic_ns() >= deadline
    assert world.left.run_until(lambda: True)


def test_a_device_that_is_gone_ends_the_driving() -> None:
    """The user of the driver hears of it as an OSError."""
    link = Room()
    driver = Driver(stack("10.0.0.1", 1), link)
    link.close()
    with pytest.raises(DeviceUnavailable):
        driver.step(0)


def test_news_that_nobody_wants_is_put_away() -> None:
    """Without `on_notice` a driver still turns."""
    link = Room()
    driver = Driver(stack("10.0.0.1", 1), link)
    connection = driver.stack.connect(Endpoint(RIGHT, 7), 0)
    connection.abort(0)
    driver.stack.wake(connection, 0)
    driver.flush(0)
    assert connection.notices == 0
