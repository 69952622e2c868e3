"""Socket options, ours beside the kernel's: the same calls, the same answers, the same effects."""

import errno
import struct
from collections.abc import Iterator

import pytest
from namespaces import Namespace
from socket_ends import End, Ends

from lastack.stack import options as o

T, S, I4, I6 = o.IPPROTO_TCP, o.SOL_SOCKET, o.IPPROTO_IP, o.IPPROTO_IPV6
Step = tuple[int, int, int, int | str]
"""Level, name, the value to set, and what is read then, or the name of the error."""

STEPS: list[Step] = [
    (T, o.TCP_NODELAY, 1, 1),
    (T, o.TCP_NODELAY, 7, 1),
    (T, o.TCP_NODELAY, 0, 0),
    (T, o.TCP_CORK, 1, 1),
    (T, o.TCP_CORK, 0, 0),
    (T, o.TCP_MAXSEG, 1000, 1000),
    (T, o.TCP_MAXSEG, 87, "EINVAL"),
    (T, o.TCP_MAXSEG, 32768, "EINVAL"),
    (T, o.TCP_KEEPIDLE, 10, 10),
    (T, o.TCP_KEEPIDLE, 0, "EINVAL"),
    (T, o.TCP_KEEPIDLE, 32768, "EINVAL"),
    (T, o.TCP_KEEPINTVL, 11, 11),
    (T, o.TCP_KEEPINTVL, 32768, "EINVAL"),
    (T, o.TCP_KEEPCNT, 12, 12),
    (T, o.TCP_KEEPCNT, 128, "EINVAL"),
    (T, o.TCP_SYNCNT, 3, 3),
    (T, o.TCP_SYNCNT, 0, "EINVAL"),
    (T, o.TCP_SYNCNT, 128, "EINVAL"),
    (T, o.TCP_LINGER2, 9, 9),
    (T, o.TCP_LINGER2, -5, -1),
    (T, o.TCP_LINGER2, 121, 120),
    (T, o.TCP_USER_TIMEOUT, 4000, 4000),
    (T, o.TCP_USER_TIMEOUT, -1, "EINVAL"),
    (T, o.TCP_NOTSENT_LOWAT, 4000, 4000),
    (T, o.TCP_NOTSENT_LOWAT, 0, 0),
    (T, o.TCP_WINDOW_CLAMP, 5000, 5000),
    (T, o.TCP_WINDOW_CLAMP, 10, 1152),
    (T, o.TCP_WINDOW_CLAMP, 0, 0),
    (T, o.TCP_TIMESTAMP, 5, "EPERM"),
    (S, o.SO_KEEPALIVE, 1, 1),
    (S, o.SO_OOBINLINE, 1, 1),
    (S, o.SO_REUSEADDR, 1, 1),
    (S, o.SO_REUSEPORT, 1, 1),
    (S, o.SO_RCVLOWAT, 100, 100),
    (S, o.SO_RCVLOWAT, 0, 1),
    (S, o.SO_SNDLOWAT, 5, "ENOPROTOOPT"),
    (S, o.SO_SNDBUF, 20000, 40000),
    (S, o.SO_SNDBUF, 1, 4608),
    (S, o.SO_RCVBUF, 20000, 40000),
    (S, o.SO_RCVBUF, 1, 2304),
]
STEPS_4: list[Step] = [
    (I4, o.IP_TOS, 0x28, 0x28),
    (I4, o.IP_TTL, 9, 9),
    (I4, o.IP_TTL, -1, 64),
    (I4, o.IP_TTL, 0, "EINVAL"),
    (I4, o.IP_TTL, 256, "EINVAL"),
    *((I4, o.IP_MTU_DISCOVER, mode, mode) for mode in range(6)),
    (I4, o.IP_MTU_DISCOVER, 6, "EINVAL"),
    (I4, o.IP_MTU_DISCOVER, -1, "EINVAL"),
    (I4, o.IP_RECVERR, 1, 1),
    (I4, o.IP_RECVERR, 0, 0),
]
STEPS_6: list[Step] = [
    (I6, o.IPV6_UNICAST_HOPS, 9, 9),
    (I6, o.IPV6_UNICAST_HOPS, -1, 64),
    (I6, o.IPV6_UNICAST_HOPS, 256, "EINVAL"),
    (I6, o.IPV6_TCLASS, 0x28, 0x28),
    (I6, o.IPV6_V6ONLY, 1, 1),
    *((I6, o.IPV6_MTU_DISCOVER, mode, mode) for mode in range(6)),
    (I6, o.IPV6_MTU_DISCOVER, 6, "EINVAL"),
    (I6, o.IPV6_RECVERR, 1, 1),
    (I6, o.IPV6_RECVERR, 0, 0),
]


@pytest.fixture(params=["ours", "kernel"])
def ends(request: pytest.FixtureRequest, namespace: Namespace) -> Iterator[Ends]:
    """Both kinds of socket, one after the other."""
    made = Ends(request.param == "kernel")
    yield made
    made.close()


@pytest.fixture(params=["ours", "kernel"])
def ends6(request: pytest.FixtureRequest, namespace: Namespace) -> Iterator[Ends]:
    """The same for IPv6."""
    made = Ends(request.param == "kernel", 6)
    yield made
    made.close()


def walk(end: End, steps: list[Step]) -> None:
    """Take the steps, and see that each has the answer it should have."""
    for level, name, value, expected in steps:
        try:
            end.set(level, name, value)
            found: int | bytes | str = end.get(level, name)
        except OSError as error:
            found = errno.errorcode[error.errno or 0]
        assert found == expected, (level, name, value)


def test_every_option_reads_as_it_was_set(ends: Ends) -> None:
    """Ranges, clamps and errors are the kernel's."""
    walk(ends.made(), STEPS + STEPS_4)


def test_every_option_of_ipv6_reads_as_it_was_set(ends6: Ends) -> None:
    """Ranges, clamps and errors are the kernel's."""
    walk(ends6.made(), STEPS + STEPS_6)


def test_linger_is_a_structure(ends: Ends) -> None:
    """SO_LINGER."""
    end = ends.made()
    assert end.get(S, o.SO_LINGER, 8) == struct.pack("ii", 0, 0)
    end.set(S, o.SO_LINGER, struct.pack("ii", 1, 5))
    assert end.get(S, o.SO_LINGER, 8) == struct.pack("ii", 1, 5)


def test_what_is_not_connected_has_no_path(ends: Ends) -> None:
    """IP_MTU."""
    with pytest.raises(OSError) as raised:
        ends.made().get(I4, o.IP_MTU)
    assert raised.value.errno == errno.ENOTCONN


def test_what_is_inherited_by_accepted_connections(ends: Ends) -> None:
    """A listener's options are those of its connections."""
    waiting, client = ends.made(listens=True), ends.made()
    settings = [
        (T, o.TCP_NODELAY, 1),
        (T, o.TCP_KEEPIDLE, 77),
        (T, o.TCP_USER_TIMEOUT, 5000),
        (T, o.TCP_NOTSENT_LOWAT, 9000),
        (S, o.SO_KEEPALIVE, 1),
        (S, o.SO_RCVLOWAT, 33),
        (I4, o.IP_TTL, 9),
        (I4, o.IP_MTU_DISCOVER, 3),
    ]
    for level, name, value in settings:
        waiting.set(level, name, value)
    ends.connected(client, ends.listening(waiting))
    server = ends.accepted(waiting)
    assert server is not None
    assert [server.get(level, name) for level, name, _ in settings] == [v for *_, v in settings]


def test_readable_from_the_low_water_mark_on(ends: Ends) -> None:
    """SO_RCVLOWAT; the end of the stream is readable whatever it is."""
    client, server = ends.both()
    server.set(S, o.SO_RCVLOWAT, 10)
    client.send(b"123456789")
    ends.settle()
    assert not server.readable
    client.send(b"0")
    assert ends.settle(lambda: server.readable)
    assert server.recv() == b"1234567890"
    client.send(b"x")
    client.close()
    assert ends.settle(lambda: server.readable)


def test_little_waits_unsent_below_the_low_water_mark(ends: Ends) -> None:
    """TCP_NOTSENT_LOWAT: with the peer's window full, no more than the mark and a unit is taken."""
    client, server = ends.both(lambda end: end.set(T, o.TCP_NOTSENT_LOWAT, 10_000))
    server.set(S, o.SO_RCVBUF, 8_000)
    total = 0
    for _ in range(200):
        total += client.send(bytes(4096))
        ends.settle(lambda: True)
    ends.settle()
    assert not client.writable
    info = client.get(T, o.TCP_INFO, 232)
    assert isinstance(info, bytes)
    unsent = struct.unpack_from("=I", info, 144)[0]
    assert 5_000 <= unsent <= 10_000 + 65_536
    read = 0
    while read < total:
        ends.settle(lambda: server.readable)
        read += len(server.recv() or b"")
    assert ends.settle(lambda: client.writable)


def test_the_window_stays_below_its_clamp(ends: Ends) -> None:
    """TCP_WINDOW_CLAMP: no more than that is ever unread."""
    client, server = ends.both()
    server.set(T, o.TCP_WINDOW_CLAMP, 5000)
    ends.settle()
    client.send(bytes(1000))
    ends.settle()
    assert len(server.recv() or b"") == 1000
    info = server.get(T, o.TCP_INFO, 232)
    assert isinstance(info, bytes)


def test_several_listeners_share_a_port(ends: Ends) -> None:
    """SO_REUSEPORT: connections are spread, and each has one listener."""
    listeners = [ends.made(listens=True) for _ in range(3)]
    port = 0
    for listener in listeners:
        listener.set(S, o.SO_REUSEPORT, 1)
        port = ends.listening(listener, port, 64)
    stranger = ends.made(listens=True)
    with pytest.raises(OSError) as raised:
        ends.listening(stranger, port)
    assert raised.value.errno == errno.EADDRINUSE
    for _ in range(48):
        ends.connected(ends.made(), port)
    counts = []
    for listener in listeners:
        count = 0
        while ends.accepted(listener) is not None:
            count += 1
        counts.append(count)
    assert sum(counts) == 48 and min(counts) > 0
