"""Buffers that grow by themselves (Config.receive_most, send_most), within a host's memory."""

from random import Random

import pytest
from ends import assert_delivered, assert_nothing_left, octets

from lastack.link.base import Offload
from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.stack import options as o
from lastack.stack.routes import Interface
from lastack.stack.sockets import TcpSocket
from lastack.stack.stack import Stack
from lastack.tcp.config import Config, preset
from lastack.tcp.connection import Connection
from lastack.tcp.memory import Memory
from lastack.tcp.receive import ReceiveHalf
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.stop import Stop

LINUX = preset("linux").replace(strict=True, congestion="newreno")
TSO = Offload(True, True, True)


class Stream:
    """The left host sends as fast as it can; the right user takes `pace` octets a look, or all."""

    def __init__(self, pair: TwoHosts, pace: int = 1 << 30) -> None:
        self.pair = pair
        self.pace = pace
        self.taken = 0
        self.most_held = 0
        self.listener = pair.right.listen(Endpoint(b"", 80), 8)
        self.client = pair.left.connect(Endpoint(pair.right_address, 80), pair.now)
        pair.run(while_=lambda: not self.listener.acceptable)
        server = self.listener.accept()
        assert server is not None
        self.server: Connection = server
        pair.on_notice_left = lambda _: self.sends()
        if pace == 1 << 30:
            pair.on_notice_right = lambda _: self.takes()
        self.sends()

    def sends(self) -> None:
        """Fill the send buffer."""
        self.client.notices = 0
        while self.client.send(bytes(65536), self.pair.now):
            pass
        self.pair.left.wake(self.client, self.pair.now)

    def takes(self) -> None:
        """Read what the pace allows."""
        self.server.notices = 0
        self.taken += len(self.server.receive(self.pace, self.pair.now))
        self.pair.right.wake(self.server, self.pair.now)

    def flows(self, time: int, every: int = 0) -> int:
        """Let it flow; return the octets taken meanwhile."""
        before = self.taken
        end = self.pair.now + time
        while every and self.pair.now < end:
            self.pair.run(self.pair.now + every)
            self.takes()
        self.pair.run(end)
        return self.taken - before


def test_a_long_fat_pipe_is_filled_without_any_setting() -> None:
    """1 Gbit/s and 100 ms: 12.5 MB are under way, from buffers that began with 64 KiB."""
    pair = TwoHosts(
        delay=50 * MS, rate=1_000_000_000, config=LINUX, keep=False,
        left_offload=TSO, right_offload=TSO,
    )  # fmt: skip
    stream = Stream(pair)
    assert stream.server.tcb.rcv.capacity == 65536
    stream.flows(4 * SECOND)
    assert stream.flows(SECOND) > 0.9 * 125_000_000
    assert stream.server.tcb.rcv.capacity <= 16 << 20


@pytest.mark.parametrize("timestamps", [True, False])
def test_the_receive_buffer_follows_the_rate_with_and_without_timestamps(timestamps: bool) -> None:
    """Dynamic right-sizing: two windows of the path, found by echoes or by windows coming full."""
    config = LINUX.replace(timestamps=timestamps)
    pair = TwoHosts(
        delay=50 * MS, rate=40_000_000, config=config, keep=False,
        left_offload=TSO, right_offload=TSO,
    )  # fmt: skip
    stream = Stream(pair)
    stream.flows(4 * SECOND)
    assert stream.flows(SECOND) > 0.9 * 5_000_000
    assert stream.server.tcb.rcv.capacity > 500_000


def test_a_slow_reader_keeps_the_buffers_small() -> None:
    """Nobody needs memory for octets that nobody takes."""
    pair = TwoHosts(delay=20 * MS, rate=1_000_000_000, config=LINUX, keep=False)
    stream = Stream(pair, pace=1000)
    stream.flows(5 * SECOND, every=10 * MS)
    assert stream.taken > 400_000
    assert stream.server.tcb.rcv.capacity <= 2 * 65536
    assert stream.client.unacknowledged < 1 << 20


def test_a_buffer_that_the_user_has_set_does_not_grow() -> None:
    """SO_RCVBUF and SO_SNDBUF are a lock, as in Linux."""
    pair = TwoHosts(delay=20 * MS, config=LINUX, keep=False)
    listening, client = TcpSocket(pair.right), TcpSocket(pair.left)
    listening.setsockopt(0, o.SOL_SOCKET, o.SO_RCVBUF, 30_000)
    client.setsockopt(0, o.SOL_SOCKET, o.SO_SNDBUF, 40_000)
    listening.bind(0, Endpoint(bytes(4), 80))
    listening.listen(0, 8)
    client.connect_ex(0, Endpoint(pair.right_address, 80))
    pair.run(SECOND)
    server, _ = listening.accept(pair.now)
    total = 0
    for _ in range(300):
        while client.writable:
            client.send(pair.now, bytes(65536))
        pair.run(pair.now + 10 * MS)
        if server.readable:
            total += len(server.recv(pair.now, 1 << 20))
    assert total > 1_000_000
    assert server.connection is not None and client.connection is not None
    assert server.connection.tcb.rcv.capacity == 30_000
    assert client.connection.unacknowledged <= 80_000 + 65_536


def test_the_options_read_what_the_buffers_have_become() -> None:
    """As in Linux: 16384 and 131072 to begin with, 87040 for ten segments."""
    pair = TwoHosts(delay=20 * MS, rate=30_000_000, config=LINUX, keep=False)
    fresh = TcpSocket(pair.left)
    assert fresh.getsockopt(0, o.SOL_SOCKET, o.SO_SNDBUF) == 16384
    assert fresh.getsockopt(0, o.SOL_SOCKET, o.SO_RCVBUF) == 131072
    stream = Stream(pair)
    for connection, name, first in (
        (stream.client, o.SO_SNDBUF, 87040),
        (stream.server, o.SO_RCVBUF, 131072),
    ):
        fresh.connection = connection
        assert fresh.getsockopt(pair.now, o.SOL_SOCKET, name) == first
    stream.flows(2 * SECOND)
    for connection, name, first in (
        (stream.client, o.SO_SNDBUF, 87040),
        (stream.server, o.SO_RCVBUF, 131072),
    ):
        fresh.connection = connection
        grown = fresh.getsockopt(pair.now, o.SOL_SOCKET, name)
        assert isinstance(grown, int) and grown > first


def test_fixed_buffers_are_the_default() -> None:
    """The preset `rfc`: what is configured is what there is."""
    pair = TwoHosts(delay=20 * MS, rate=50_000_000, keep=False, config=Config(strict=True))
    stream = Stream(pair)
    stream.flows(SECOND)
    assert stream.server.tcb.rcv.capacity == 1 << 20
    assert stream.client.unacknowledged <= 1 << 20


def stack_of(address: str, config: Config) -> Stack:
    return Stack([Interface("if0", [address])], config, Random(1))


def test_ten_thousand_idle_connections_do_not_grow() -> None:
    """Each has the buffers that it began with, and nothing in them."""
    config = LINUX.replace(ports=(10000, 60000))
    left, right = stack_of("10.0.0.1/8", config), stack_of("10.0.0.2/8", config)
    remote = Endpoint(pack_address("10.0.0.2"), 80)
    listener = right.listen(Endpoint(b"", 80), 10_000)
    for _ in range(10_000):
        left.connect(remote, 0)
    moved = True
    while moved:
        moved = False
        for one, other in ((left, right), (right, left)):
            while (packet := one.next_packet(0)) is not None:
                other.packet_arrives(packet, 0)
                moved = True
    assert len(listener.waiting) == 10_000
    for stack in (left, right):
        assert stack.memory.used == 0
        for connection in stack.connections():
            assert connection.tcb.rcv.capacity == 65536
            assert connection.tcb.send_limit <= 128 << 10


def test_near_the_limit_of_memory_no_buffer_grows() -> None:
    """tcp_mem: pressure keeps buffers as they are; windows that were offered are kept."""
    limited = LINUX.replace(memory_limit=200_000)
    pair = TwoHosts(
        delay=20 * MS, rate=30_000_000, left_config=LINUX, right_config=limited, keep=False
    )
    pair.right.memory.changes(180_000)
    assert pair.right.memory.pressed
    stream = Stream(pair)
    assert stream.flows(2 * SECOND) > 1_000_000
    assert stream.server.tcb.rcv.capacity == 65536
    pair.right.memory.changes(-180_000)
    stream.flows(2 * SECOND)
    assert stream.server.tcb.rcv.capacity > 65536


def test_memory_is_counted_and_given_back() -> None:
    """What is queued at either end, and nothing when it is over."""
    pair = TwoHosts(config=LINUX, keep=False)
    stream = Stream(pair, pace=1)
    stream.flows(SECOND)
    assert pair.left.memory.used == stream.client.unacknowledged > 0
    assert pair.right.memory.used == stream.server.tcb.rcv.queued > 0
    pair.on_notice_left = None
    stream.client.abort(pair.now)
    pair.left.wake(stream.client, pair.now)
    pair.run(pair.now + SECOND)
    stream.server.close(pair.now)
    pair.right.wake(stream.server, pair.now)
    pair.run(pair.now + 300 * SECOND)
    assert pair.left.memory.used == pair.right.memory.used == 0


def test_what_came_out_of_order_goes_first_when_memory_is_short() -> None:
    """It can come again (RFC 2018 8); the transfer goes on all the same."""
    limited = LINUX.replace(memory_limit=50_000)
    pair = TwoHosts(
        delay=20 * MS, loss=0.05, rate=20_000_000, left_config=LINUX, right_config=limited,
        keep=False,
    )  # fmt: skip
    pair.right.memory.changes(49_000)
    stream = Stream(pair)
    assert stream.flows(20 * SECOND) > 200_000
    assert pair.right.counters.stops[Stop.NO_MEMORY] > 0


def test_the_furthest_goes_first() -> None:
    """All that came out of order but what is next; what is left is still counted."""
    half = ReceiveHalf(10_000)
    half.synchronize(999)
    for start in (1100, 1300, 1500):
        half.keep(start, bytes(50), 16)
    half.keep(1320, bytes(200), 16)
    assert half.early == half.out_of_order == 50 + 250
    assert half.prune() == 250 and half.early == 50
    half.deliver(bytes(100))
    half.drain()
    assert half.early == 0 and half.queued == 150


def test_pressure_begins_at_three_quarters_and_ends_at_half() -> None:
    """So that it does not come and go with every segment."""
    memory = Memory(1000)
    memory.changes(750)
    assert not memory.pressed
    memory.changes(1)
    assert memory.pressed and memory.times_pressed == 1
    memory.changes(-200)
    assert memory.pressed
    memory.changes(-52)
    assert not memory.pressed


@pytest.mark.parametrize("clamp", [1, 500, 3000])
@pytest.mark.parametrize("in_steps", [True, False])
@pytest.mark.parametrize("scaled", [0, 1 << 30])
def test_a_small_clamp_never_closes_the_window_for_good(
    clamp: int, in_steps: bool, scaled: int
) -> None:
    """RFC 7323 2.3: below a unit of the window's scale nothing can be said; two units are."""
    config = Config(strict=True).replace(
        window_clamp=clamp, window_in_steps=in_steps, scaled_buffer=scaled
    )
    pair = TwoHosts(config=config)
    talk = Conversation(pair, octets(1, 2_000 * clamp), octets(2, 10))
    talk.run()
    assert_delivered(talk)
    assert_nothing_left(pair)
