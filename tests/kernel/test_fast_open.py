"""Fast Open and SYN cookies with the kernel at the other end, both ways."""

import errno
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from by_hand import KERNEL_V4, KERNEL_V6, OURS_V4, OURS_V6

from lastack.driver import Driver
from lastack.errors import LastackError
from lastack.link.base import Link
from lastack.link.tun import TunLink
from lastack.link.wrappers import Filtered
from lastack.stack import options as o
from lastack.stack.routes import Interface
from lastack.stack.sockets import TcpSocket
from lastack.stack.stack import Stack
from lastack.tcp.config import Config, preset
from lastack.tcp.states import State
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.packet import Packet
from lastack.wire.segment import ACK, SYN, Segment, decode_segment

DeviceMaker = Callable[..., TunLink]
TCP = o.IPPROTO_TCP
PATIENCE = 20 * SECOND
FAMILIES = pytest.mark.parametrize(
    "ours, theirs", [(OURS_V4, KERNEL_V4), (OURS_V6, KERNEL_V6)], ids=["v4", "v6"]
)


class Ours:
    """Our stack at one end of a device; `syns` are the SYNs that passed, as (ours, segment)."""

    def __init__(self, link: Link, config: Config) -> None:
        self.link = Filtered(link)
        self.syns: list[tuple[bool, Segment]] = []
        self.drop_data_on_syn = False
        self.link.predicate_in = lambda packet: self.passes(packet, False)
        self.link.predicate_out = lambda packet: self.passes(packet, True)
        interface = Interface("tun", [f"{OURS_V4}/24", f"{OURS_V6}/64"], link.mtu, link.offload)
        self.stack = Stack([interface], config.replace(strict=True, msl=50 * MS), _Chance())
        self.driver = Driver(self.stack, self.link)
        self.driver.wakeable()

    def passes(self, packet: Packet, ours: bool) -> bool:
        segment = _segment_in(packet)
        if segment is None or not segment.flags & SYN:
            return True
        if self.drop_data_on_syn and segment.length:
            return False
        self.syns.append((ours, segment))
        return True

    def until(self, what: Callable[[], bool]) -> None:
        assert self.driver.run_until(what, self.driver.now + PATIENCE), self.stack.infos()

    def send(self, client: TcpSocket, data: bytes, to: Endpoint) -> int:
        """Send with MSG_FASTOPEN; return how many octets the SYN took."""
        try:
            return client.send(self.driver.now, data, o.MSG_FASTOPEN, to)
        except LastackError as error:
            assert error.errno == errno.EINPROGRESS
            return 0

    def received(self, of: TcpSocket, octets: int) -> bytes:
        """Return so many octets, waiting for them."""
        connection = of.connection
        assert connection is not None
        heard = b""
        while len(heard) < octets:
            self.until(lambda: connection.available > 0)
            heard += of.recv(self.driver.now, octets - len(heard))
        return heard


class _Chance:
    """Any seed will do: nobody guesses here."""

    def getrandbits(self, k: int, /) -> int:
        return int.from_bytes(b"fast open" * 8, "big") & ((1 << k) - 1)

    def random(self) -> float:
        return 0.5


def _segment_in(packet: Packet) -> Segment | None:
    data = packet.to_bytes()
    start = (data[0] & 0xF) * 4 if data[0] >> 4 == 4 else 40
    found = decode_segment(data, start, len(data))
    return found if isinstance(found, Segment) else None


def sysctl(name: str, value: object) -> None:
    Path("/proc/sys/net/ipv4", name).write_text(str(value))


def kernel_server(address: str, fast_open: bool = True, backlog: int = 8) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind((address, 0))
    if fast_open:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 8)
    server.listen(backlog)
    server.settimeout(10)
    return server


def our_server(host: Ours, fast_open: int, address: str, backlog: int = 8) -> TcpSocket:
    packed = pack_address(address)
    server = TcpSocket(host.stack, o.AF_INET if len(packed) == 4 else o.AF_INET6)
    server.bind(host.driver.now, Endpoint(packed, 80))
    server.setsockopt(host.driver.now, TCP, o.TCP_FASTOPEN, fast_open)
    server.listen(host.driver.now, backlog)
    return server


def talk(host: Ours, client: TcpSocket, server: socket.socket, taken: int, data: bytes) -> None:
    """Let our client's data arrive at the kernel's server, and what that answers come back."""
    connection = client.connection
    assert connection is not None
    host.until(lambda: connection.state is State.ESTABLISHED)
    if taken < len(data):
        client.send(host.driver.now, data[taken:])
    theirs, _ = server.accept()
    theirs.settimeout(0.0)
    heard = b""

    def all_heard() -> bool:
        nonlocal heard
        try:
            heard += theirs.recv(65536)
        except BlockingIOError:
            pass
        return len(heard) >= len(data)

    host.driver.run_until(all_heard, host.driver.now + 5 * MS)
    while not all_heard():
        host.driver.run_until(lambda: False, host.driver.now + 5 * MS)
    assert heard == data
    theirs.sendall(b"answer")
    assert host.received(client, 6) == b"answer"
    theirs.close()
    client.close(host.driver.now)
    host.until(lambda: not host.stack.connections())


@FAMILIES
def test_our_client_gets_a_cookie_of_the_kernel_and_uses_it(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """The second SYN carries the cookie and data, and the kernel acknowledges both."""
    host = Ours(device(), preset("linux"))
    sysctl("tcp_fastopen", 3)
    with kernel_server(theirs) as server:
        there = Endpoint(pack_address(theirs), server.getsockname()[1])
        for data in (b"", b"hello kernel"):
            client = TcpSocket(host.stack, o.AF_INET if ":" not in theirs else o.AF_INET6)
            taken = host.send(client, data, there)
            assert taken == len(data)
            talk(host, client, server, taken, data)
    sent = [segment.payload for mine, segment in host.syns if mine]
    assert sent == [b"", b"hello kernel"]
    first, second = [segment for mine, segment in host.syns if not mine]
    assert first.ack == (host.syns[0][1].seq + 1) & 0xFFFFFFFF
    assert second.ack == (host.syns[2][1].seq + 13) & 0xFFFFFFFF


def test_our_client_falls_back_where_the_path_eats_data_on_a_syn(device: DeviceMaker) -> None:
    """RFC 7413 4.1.3.1: the SYN that is sent again has none, and nothing is lost."""
    host = Ours(device(), preset("linux"))
    sysctl("tcp_fastopen", 3)
    with kernel_server(KERNEL_V4) as server:
        there = Endpoint(pack_address(KERNEL_V4), server.getsockname()[1])
        client = TcpSocket(host.stack)
        host.send(client, b"", there)
        talk(host, client, server, 0, b"")
        host.drop_data_on_syn = True
        client = TcpSocket(host.stack)
        taken = host.send(client, b"hello kernel", there)
        assert taken == 12
        talk(host, client, server, taken, b"hello kernel")


def test_our_client_meets_a_kernel_that_wants_no_fast_open(device: DeviceMaker) -> None:
    """The data waits for the handshake."""
    host = Ours(device(), preset("rfc"))
    sysctl("tcp_fastopen", 0)
    with kernel_server(KERNEL_V4, fast_open=False) as server:
        there = Endpoint(pack_address(KERNEL_V4), server.getsockname()[1])
        for _ in range(2):
            client = TcpSocket(host.stack)
            assert host.send(client, b"hello", there) == 0
            talk(host, client, server, 0, b"hello")


def ask(address: str, data: bytes, found: list[bytes], host: Ours) -> None:
    """Be the kernel's client: send with MSG_FASTOPEN, and read to the end."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.sendto(data, socket.MSG_FASTOPEN, (address, 80))  # waits for the handshake
        client.settimeout(20)
        heard = b""
        while chunk := client.recv(65536):
            heard += chunk
    found.append(heard)
    host.driver.wake()


def serve(host: Ours, server: TcpSocket, data: bytes, drop: bool = False) -> list[State]:
    """Answer one request of the kernel's; return the states in which it could be read."""
    found: list[bytes] = []
    host.drop_data_on_syn = drop
    address = OURS_V6 if server.family == o.AF_INET6 else OURS_V4
    asker = threading.Thread(target=ask, args=(address, data, found, host), daemon=True)
    asker.start()
    host.until(lambda: server.readable)
    accepted, _ = server.accept(host.driver.now)
    assert accepted.connection is not None
    states = [accepted.connection.state]
    assert host.received(accepted, len(data)) == data
    accepted.send(host.driver.now, data.upper())
    accepted.close(host.driver.now)
    host.until(lambda: bool(found))
    asker.join()
    assert found == [data.upper()]
    return states


@FAMILIES
def test_the_kernel_gets_a_cookie_of_ours_and_uses_it(
    device: DeviceMaker, ours: str, theirs: str
) -> None:
    """Its second request is answered before its handshake is over."""
    host = Ours(device(), preset("rfc"))
    sysctl("tcp_fastopen", 1)
    server = our_server(host, 8, ours)
    assert serve(host, server, b"first") == [State.ESTABLISHED]
    assert serve(host, server, b"second") == [State.SYN_RECEIVED]
    assert [segment.payload for mine, segment in host.syns if not mine] == [b"", b"second"]


def test_the_kernel_falls_back_where_the_path_eats_data_on_a_syn(device: DeviceMaker) -> None:
    """It sends its SYN again without; every octet arrives once."""
    host = Ours(device(), preset("linux"))
    sysctl("tcp_fastopen", 1)
    server = our_server(host, 8, OURS_V4)
    serve(host, server, b"first")
    assert serve(host, server, b"second", drop=True) == [State.ESTABLISHED]


@pytest.mark.parametrize("stamps", [True, False], ids=["timestamps", "none"])
def test_the_kernel_answers_a_cookie_of_ours(device: DeviceMaker, stamps: bool) -> None:
    """Window scale and SACK come back in the echoed timestamp."""
    host = Ours(device(), preset("linux").replace(syn_cookies=2))
    sysctl("tcp_fastopen", 0)
    sysctl("tcp_timestamps", int(stamps))
    server = our_server(host, 0, OURS_V4)
    found: list[bytes] = []

    def request() -> None:
        with socket.create_connection((OURS_V4, 80), timeout=20) as client:
            client.sendall(b"x" * 100_000)
            client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(65536):
                found.append(chunk)
        host.driver.wake()

    asker = threading.Thread(target=request, daemon=True)
    asker.start()
    host.until(lambda: server.readable)
    accepted, _ = server.accept(host.driver.now)
    connection = accepted.connection
    assert connection is not None
    assert host.received(accepted, 100_000) == b"x" * 100_000
    info = connection.info()
    assert (info.timestamps, info.sack) == (stamps, stamps)
    assert (info.snd_scale == 0 or (info.snd_scale or 0) > 0) is stamps
    accepted.send(host.driver.now, b"thanks")
    accepted.close(host.driver.now)
    host.until(lambda: not asker.is_alive())
    assert b"".join(found) == b"thanks"
    counters = host.stack.counters
    assert counters.cookies_sent >= 1 and counters.cookies_received == 1


def test_our_client_answers_a_cookie_of_the_kernel(device: DeviceMaker) -> None:
    """To a client it is a SYN-ACK like any other."""
    host = Ours(device(), preset("linux"))
    sysctl("tcp_fastopen", 0)
    sysctl("tcp_syncookies", 2)
    with kernel_server(KERNEL_V4, fast_open=False) as server:
        there = Endpoint(pack_address(KERNEL_V4), server.getsockname()[1])
        client = TcpSocket(host.stack)
        client.connect_ex(host.driver.now, there)
        talk(host, client, server, 0, b"hello kernel")
    assert [bool(segment.flags & ACK) for _, segment in host.syns] == [False, True]
