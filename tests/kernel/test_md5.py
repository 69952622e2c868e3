"""TCP-MD5 (RFC 2385) with the kernel on the other side: the right key, a wrong one, none."""

import errno
import random
import socket
import threading
import time
from collections.abc import Callable

import pytest
from by_hand import KERNEL_V4, KERNEL_V6, OURS_V4, OURS_V6

from lastack.driver import Driver
from lastack.link.tun import TunLink
from lastack.stack.options import IPPROTO_TCP, TCP_MD5SIG, TCP_MD5SIG_EXT
from lastack.stack.routes import Interface
from lastack.stack.signing_options import pack_md5
from lastack.stack.stack import Stack
from lastack.tcp.config import preset
from lastack.tcp.connection import Connection
from lastack.tcp.states import CLOSED, ESTABLISHED, SYN_SENT
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.signing import Md5Key
from lastack.wire.stop import Stop

DeviceMaker = Callable[..., TunLink]
FAMILIES = pytest.mark.parametrize(
    ("ours", "theirs"), [(OURS_V4, KERNEL_V4), (OURS_V6, KERNEL_V6)], ids=["v4", "v6"]
)
SECRET = b"known to both"
DATA = random.Random(7).randbytes(300_000)


def kernel_socket(address: str, peer: str, secret: bytes, prefix: int = -1) -> socket.socket:
    """Return a socket of the kernel's with a key for its peer; skips where it knows none."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.settimeout(10)
    if secret:
        name = TCP_MD5SIG if prefix < 0 else TCP_MD5SIG_EXT
        try:
            made.setsockopt(IPPROTO_TCP, name, pack_md5(pack_address(peer), secret, prefix))
        except OSError as error:
            made.close()
            if error.errno in (errno.ENOPROTOOPT, errno.EOPNOTSUPP):
                pytest.skip("the kernel has no TCP_MD5SIG")
            raise
    return made


class Ours:
    """Our host behind a device, with a key for the kernel's address, or none."""

    def __init__(self, link: TunLink, theirs: str, secret: bytes) -> None:
        config = preset("linux").replace(strict=True, msl=50 * MS)
        if secret:
            config = config.replace(md5_keys=(Md5Key(pack_address(theirs), secret),))
        addresses = [f"{OURS_V4}/24", f"{OURS_V6}/64"]
        interface = Interface(link.name, addresses, link.mtu, link.offload)
        self.stack = Stack([interface], config, random.SystemRandom())
        self.driver = Driver(self.stack, link)
        self.driver.wakeable()

    def until(self, predicate: Callable[[], bool], seconds: float = 20) -> bool:
        return self.driver.run_until(predicate, time.monotonic_ns() + int(seconds * SECOND))

    def exchange(self, connection: Connection) -> bytes:
        """Send everything and hear everything; return what was heard."""
        unsent = DATA
        heard = b""

        def moved() -> bool:
            nonlocal unsent, heard
            now = self.driver.now
            unsent = unsent[connection.send(unsent, now) if unsent else 0 :]
            heard += connection.receive(1 << 20, now)
            self.stack.wake(connection, now)
            return not unsent and len(heard) >= len(DATA)

        assert self.until(moved), self.stack.infos()
        return heard


def echo(connection: socket.socket) -> None:
    """Send back what comes, until the end."""
    with connection:
        while chunk := connection.recv(1 << 16):
            connection.sendall(chunk)


@FAMILIES
@pytest.mark.parametrize("prefix", [-1, 16], ids=["address", "prefix"])
def test_we_call_the_kernel_with_the_key_that_it_has(
    device: DeviceMaker, ours: str, theirs: str, prefix: int
) -> None:
    """A long exchange over an offloading device: every segment is believed by both."""
    host = Ours(device(), theirs, SECRET)
    with kernel_socket(theirs, ours, SECRET, prefix) as server:
        server.bind((theirs, 0))
        server.listen(1)
        remote = Endpoint(pack_address(theirs), server.getsockname()[1])
        client = host.stack.connect(remote, time.monotonic_ns())
        assert host.until(lambda: client.state is ESTABLISHED)
        accepted, _ = server.accept()
        worker = threading.Thread(target=echo, args=(accepted,), daemon=True)
        worker.start()
        assert host.exchange(client) == DATA
        client.close(host.driver.now)
        host.stack.wake(client, host.driver.now)
        assert host.until(lambda: not host.stack.connections())
        worker.join(10)
    stops = host.stack.counters.stopped()
    assert not {Stop.MD5_MISSING, Stop.MD5_WRONG, Stop.MD5_UNEXPECTED} & set(stops)


@FAMILIES
def test_the_kernel_calls_us_with_the_key_that_we_have(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """Our listener's child answers signed from its SYN-ACK on; its reset is believed too."""
    host = Ours(device(), theirs, SECRET)
    listener = host.stack.listen(Endpoint(b"", 179), 4)
    heard: list[bytes] = []

    def call() -> None:
        with kernel_socket(ours, ours, SECRET) as client:
            client.connect((ours, 179))
            sender = threading.Thread(target=client.sendall, args=(DATA,), daemon=True)
            sender.start()
            got = b""
            while len(got) < len(DATA):
                got += client.recv(1 << 16)
            sender.join()
            heard.append(got)
            host.driver.wake()  # what this thread has seen, nothing on the wire tells the other
            try:
                client.recv(1)
            except ConnectionResetError:
                heard.append(b"reset")
            host.driver.wake()

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    assert host.until(lambda: listener.acceptable)
    server = listener.accept()
    assert server is not None
    assert host.exchange(server) == DATA
    assert host.until(lambda: len(heard) == 1)
    server.abort(host.driver.now)
    host.stack.wake(server, host.driver.now)
    assert host.until(lambda: len(heard) == 2 or not caller.is_alive())
    caller.join(10)
    assert heard == [DATA, b"reset"]


@FAMILIES
@pytest.mark.parametrize(
    ("our_key", "their_key"),
    [(SECRET, b"other"), (b"", SECRET), (SECRET, b"")],
    ids=["wrong", "we have none", "it has none"],
)
def test_the_kernel_does_not_hear_a_wrong_key(
    device: DeviceMaker, ours: str, theirs: str, our_key: bytes, their_key: bytes
) -> None:
    """Nor a key that it has not, nor none where it has one: our SYN goes unanswered."""
    host = Ours(device(), theirs, our_key)
    with kernel_socket(theirs, ours, their_key) as server:
        server.bind((theirs, 0))
        server.listen(1)
        remote = Endpoint(pack_address(theirs), server.getsockname()[1])
        client = host.stack.connect(remote, time.monotonic_ns())
        assert not host.until(lambda: client.state is not SYN_SENT, 0.4)


@FAMILIES
@pytest.mark.parametrize(
    ("our_key", "their_key", "stop"),
    [
        (SECRET, b"other", Stop.MD5_WRONG),
        (b"", SECRET, Stop.MD5_UNEXPECTED),
        (SECRET, b"", Stop.MD5_MISSING),
    ],
    ids=["wrong", "we have none", "it has none"],
)
def test_we_do_not_hear_the_kernels_wrong_key(
    device: DeviceMaker, ours: str, theirs: str, our_key: bytes, their_key: bytes, stop: Stop
) -> None:
    """Its SYN is dropped under the right name, and no state is made of it."""
    host = Ours(device(), theirs, our_key)
    host.stack.listen(Endpoint(b"", 179), 4)
    with kernel_socket(ours, ours, their_key) as client:
        client.setblocking(False)
        assert client.connect_ex((ours, 179)) == errno.EINPROGRESS
        assert host.until(lambda: host.stack.counters.stops[stop] > 0)
        assert host.stack.connections() == []


@FAMILIES
def test_the_kernel_believes_the_reset_of_our_closed_port(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """It is signed with the host's key for the peer."""
    host = Ours(device(), theirs, SECRET)
    with kernel_socket(ours, ours, SECRET) as client:
        client.setblocking(False)
        assert client.connect_ex((ours, 180)) == errno.EINPROGRESS
        assert host.until(lambda: host.stack.counters.resets_sent > 0)
        client.setblocking(True)
        error = 0
        for _ in range(100):
            error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                break
            host.until(lambda: False, 0.01)
        assert error == errno.ECONNREFUSED


@FAMILIES
def test_we_believe_the_reset_that_the_kernel_signs(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """A reset of an established connection of the kernel's carries the signature."""
    host = Ours(device(), theirs, SECRET)
    with kernel_socket(theirs, ours, SECRET) as server:
        server.bind((theirs, 0))
        server.listen(1)
        remote = Endpoint(pack_address(theirs), server.getsockname()[1])
        client = host.stack.connect(remote, time.monotonic_ns())
        assert host.until(lambda: client.state is ESTABLISHED)
        accepted, _ = server.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        accepted.close()
        assert host.until(lambda: client.state is CLOSED)
        assert client.error == errno.ECONNRESET
