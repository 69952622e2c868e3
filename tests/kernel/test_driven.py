"""Our TCP behind a TUN device, the kernel's on the other side."""

import hashlib
import random
import socket
import threading
import time
from collections.abc import Callable

import pytest
from by_hand import KERNEL_V4, KERNEL_V6, OURS_V4, OURS_V6

from lastack.driver import Driver
from lastack.link.tun import TunLink
from lastack.stack.listener import Listener
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import preset
from lastack.tcp.connection import Connection
from lastack.tcp.states import State
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.stop import Stop

DeviceMaker = Callable[..., TunLink]
SIZE = 3_000_000
OFFLOADS = pytest.mark.parametrize("offload", [True, False], ids=["offload", "plain"])
FAMILIES = pytest.mark.parametrize(
    "ours, theirs", [(OURS_V4, KERNEL_V4), (OURS_V6, KERNEL_V6)], ids=["v4", "v6"]
)


class Host:
    """Our host behind a device: echoes whatever connects to it."""

    def __init__(self, link: TunLink) -> None:
        addresses = [f"{OURS_V4}/24", f"{OURS_V6}/64"]
        config = preset("linux").replace(strict=True, msl=50 * MS)
        interface = Interface(link.name, addresses, link.mtu, link.offload)
        self.stack = Stack([interface], config, random.SystemRandom())
        self.driver = Driver(self.stack, link)
        self.driver.on_notice = self.noticed
        self.driver.wakeable()
        self.unsent: dict[int, bytes] = {}

    def noticed(self, noticed: Connection | Listener) -> None:
        noticed.notices = 0
        if isinstance(noticed, Listener):
            while (connection := noticed.accept()) is not None:
                self.unsent[connection.number] = b""
                self.echo(connection)
        elif noticed.number in self.unsent:
            self.echo(noticed)

    def echo(self, connection: Connection) -> None:
        now = self.driver.now
        rest = self.unsent[connection.number]
        while rest or (rest := connection.receive(1 << 16, now)):
            taken = connection.send(rest, now)
            rest = rest[taken:]
            if not taken:
                break
        self.unsent[connection.number] = rest
        if not rest and connection.at_end:
            connection.close(now)
            del self.unsent[connection.number]
        self.stack.wake(connection, now)

    def until(self, predicate: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic_ns() + int(seconds * SECOND)
        assert self.driver.run_until(predicate, deadline), self.stack.infos()


def digest_of_echo(host: Host, address: str, data: bytes, found: list[str]) -> None:
    """Send data to the echo and put the digest of what comes back into `found`."""
    heard = hashlib.sha256()
    with socket.create_connection((address, 7), timeout=20) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,), daemon=True)
        sender.start()
        count = 0
        while count < len(data):
            chunk = connection.recv(1 << 16)
            assert chunk
            heard.update(chunk)
            count += len(chunk)
        sender.join()
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    found.append(heard.hexdigest())
    host.driver.wake()


@OFFLOADS
@FAMILIES
def test_the_kernel_hears_its_own_octets_from_our_echo(
    device: DeviceMaker, ours: str, theirs: str, offload: bool
) -> None:
    """Every octet once and in order both ways, and nothing is left on our side."""
    host = Host(device(offload=offload))
    listener = host.stack.listen(Endpoint(b"", 7), 16)
    data = random.Random(1).randbytes(SIZE)
    found: list[str] = []
    clients = [
        threading.Thread(target=digest_of_echo, args=(host, ours, data, found), daemon=True)
        for _ in range(3)
    ]
    for client in clients:
        client.start()
    host.until(lambda: len(found) == 3)
    assert found == [hashlib.sha256(data).hexdigest()] * 3
    host.until(lambda: not host.stack.connections() and not host.stack.time_waits())
    assert not listener.children and not listener.waiting
    # On a busy machine the kernel may probe for a lost tail that was not lost.
    assert set(host.stack.counters.stopped()) <= {Stop.OUT_OF_WINDOW}


@FAMILIES
def test_we_call_the_kernel_and_it_sees_legal_states(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """Active open, data, our close first: TIME-WAIT is ours and nothing of it is the kernel's."""
    host = Host(device())
    family = socket.AF_INET6 if ":" in theirs else socket.AF_INET
    with socket.create_server((theirs, 0), family=family) as server:
        remote = Endpoint(pack_address(theirs), server.getsockname()[1])
        connection = host.stack.connect(remote, time.monotonic_ns())
        host.until(lambda: connection.state is State.ESTABLISHED)
        accepted, _ = server.accept()
        with accepted:
            now = time.monotonic_ns()
            assert connection.send(b"hello", now) == 5
            connection.shutdown_write(now)
            host.stack.wake(connection, now)
            host.until(lambda: connection.state is State.FIN_WAIT_2)
            assert accepted.recv(10) == b"hello"
            assert accepted.recv(10) == b""
            accepted.sendall(b"goodbye")
        host.until(lambda: connection.state is State.CLOSED)
    assert connection.error == 0


def test_a_refused_connection_says_so(device: DeviceMaker) -> None:
    """The kernel answers a SYN to a closed port with a reset."""
    host = Host(device())
    remote = Endpoint(pack_address(KERNEL_V4), 9)
    connection = host.stack.connect(remote, time.monotonic_ns())
    host.until(lambda: connection.state is State.CLOSED)
    with pytest.raises(ConnectionRefusedError):
        connection.send(b"x", time.monotonic_ns())


def test_idle_connections_cost_no_time(device: DeviceMaker) -> None:
    """100 idle connections: no tick, no packet, no processor time."""
    host = Host(device())
    listener = host.stack.listen(Endpoint(b"", 7), 200)
    clients: list[socket.socket] = []

    def connect_all() -> None:
        clients.extend(socket.create_connection((OURS_V4, 7)) for _ in range(100))
        host.driver.wake()

    thread = threading.Thread(target=connect_all, daemon=True)
    thread.start()
    host.until(lambda: len(clients) == len(host.stack.connections()) == 100)
    while host.driver.poll(100 * MS):
        assert not listener.waiting
    before = time.process_time()
    assert not host.driver.poll(300 * MS)
    assert time.process_time() - before < 0.02
    for client in clients:
        client.close()
    host.until(lambda: not host.stack.connections())
