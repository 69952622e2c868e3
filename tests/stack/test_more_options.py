"""Options of how sockets read, write, share and hear of errors; what they do from end to end."""

import errno

import pytest
from test_icmp_errors import RIGHT_6, complained, told
from two_stacks import RIGHT, STRICT, TwoStacks, at

from lastack.errors import LastackError
from lastack.stack import options as o
from lastack.stack.sockets import TcpSocket
from lastack.tcp.config import preset
from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.wire.icmp import IcmpKind


@pytest.mark.parametrize("remote", [RIGHT, RIGHT_6])
def test_what_a_router_said_of_an_opening_is_told_in_full(remote: str) -> None:
    """IP_RECVERR and IPV6_RECVERR, as recvmsg(MSG_ERRQUEUE) has it."""
    pair = TwoStacks()
    family = o.AF_INET if remote == RIGHT else o.AF_INET6
    level, name = (
        (o.IPPROTO_IP, o.IP_RECVERR) if remote == RIGHT else (o.IPPROTO_IPV6, o.IPV6_RECVERR)
    )
    client = TcpSocket(pair.left, family)
    client.setsockopt(pair.now, level, name, 1)
    client.connect_ex(pair.now, at(remote, 80))
    assert client.connection is not None
    code = 3 if remote == RIGHT else 4
    told(pair, client.connection, IcmpKind.UNREACHABLE, code)
    report = client.recv_error(pair.now)
    assert (report.number, report.code) == (errno.ECONNREFUSED, code)
    assert report.offender[-1] == 9
    assert client.connect_ex(pair.now, at(remote, 80)) == errno.ECONNREFUSED
    with pytest.raises(LastackError) as raised:
        client.recv_error(pair.now)
    assert raised.value.errno == errno.EAGAIN


def test_without_the_option_nothing_is_kept() -> None:
    """A queue that nobody reads does not grow."""
    pair = TwoStacks()
    client = TcpSocket(pair.left)
    client.connect_ex(pair.now, at(RIGHT, 80))
    assert client.connection is not None
    told(pair, client.connection, IcmpKind.UNREACHABLE, 1)
    assert client.reports == []


def test_the_queue_of_reports_is_bounded() -> None:
    """A router that repeats itself costs no memory."""
    pair = TwoStacks()
    client = TcpSocket(pair.left)
    client.setsockopt(pair.now, o.IPPROTO_IP, o.IP_RECVERR, 1)
    client.connect_ex(pair.now, at(RIGHT, 80))
    packet = pair.left.next_packet(pair.now)
    assert packet is not None
    for _ in range(40):
        pair.left.packet_arrives(complained(packet, IcmpKind.UNREACHABLE, 1), pair.now)
    assert len(client.reports) == 16
    client.setsockopt(pair.now, o.IPPROTO_IP, o.IP_RECVERR, 0)
    assert client.reports == []


def test_on_a_standing_connection_the_next_call_fails_and_the_connection_goes_on() -> None:
    """IP_RECVERR: SHLD-25 made audible, as Linux has it."""
    pair = TwoStacks()
    client, _, _ = pair.socket_pair()
    client.setsockopt(pair.now, o.IPPROTO_IP, o.IP_RECVERR, 1)
    client.send(pair.now, b"x")
    assert client.connection is not None
    told(pair, client.connection, IcmpKind.UNREACHABLE, 1)
    assert client.error == errno.EHOSTUNREACH
    with pytest.raises(LastackError) as raised:
        client.send(pair.now, b"y")
    assert raised.value.errno == errno.EHOSTUNREACH
    assert client.connection.state is State.ESTABLISHED
    assert client.send(pair.now, b"z") == 1


def test_a_clamp_bounds_the_window_that_the_peer_sees() -> None:
    """TCP_WINDOW_CLAMP, set before the connection and on it."""
    pair = TwoStacks(STRICT, STRICT)
    client, server, _ = pair.socket_pair()
    server.setsockopt(pair.now, o.IPPROTO_TCP, o.TCP_WINDOW_CLAMP, 4000)
    assert client.connection is not None
    before = client.connection.tcb.snd
    edge = before.una + before.wnd
    sent = 0
    while sent < edge - before.una:  # what was offered before the clamp stays offered
        sent += client.send(pair.now, bytes(min(65536, edge - before.una - sent)))
        pair.run()
        server.recv(pair.now, 1 << 20)
        pair.run()
    client.send(pair.now, bytes(100))
    pair.run()
    assert client.connection.tcb.snd.wnd <= 4096


def test_quick_ack_sends_the_ack_that_was_being_delayed() -> None:
    """TCP_QUICKACK."""
    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    client.send(pair.now, b"x")
    pair.run()
    assert client.connection is not None and client.connection.unacknowledged == 1
    server.setsockopt(pair.now, o.IPPROTO_TCP, o.TCP_QUICKACK, 1)
    pair.run()
    assert client.connection.unacknowledged == 0


@pytest.mark.parametrize(
    ("mode", "fixed"), [(0, False), (1, True), (2, True), (3, False), (5, False)]
)
def test_who_may_fragment_is_the_users_choice(mode: int, fixed: bool) -> None:
    """IP_MTU_DISCOVER: Don't Fragment on what is sent."""
    pair = TwoStacks()
    client, _, _ = pair.socket_pair()
    client.setsockopt(pair.now, o.IPPROTO_IP, o.IP_MTU_DISCOVER, mode)
    client.send(pair.now, b"x")
    packet = pair.left.next_packet(pair.now)
    assert packet is not None and bool(packet.to_bytes()[6] & 0x40) is fixed


@pytest.mark.parametrize(
    ("mode", "believes"), [(0, False), (1, True), (2, True), (3, True), (4, False)]
)
def test_whether_routers_are_believed_is_the_users_choice(mode: int, believes: bool) -> None:
    """IP_MTU_DISCOVER: the path's MTU by ICMP; IP_MTU reads it."""
    pair = TwoStacks()
    client, _, _ = pair.socket_pair()
    client.setsockopt(pair.now, o.IPPROTO_IP, o.IP_MTU_DISCOVER, mode)
    client.send(pair.now, bytes(1400))
    assert client.connection is not None
    told(pair, client.connection, IcmpKind.PACKET_TOO_BIG, 4, 1000)
    mtu = client.getsockopt(pair.now, o.IPPROTO_IP, o.IP_MTU)
    assert mtu == (1000 if believes else 1500)


def test_listeners_that_share_a_port_stay_with_it_when_one_goes() -> None:
    """SO_REUSEPORT: what comes later goes to those that are left."""
    pair = TwoStacks()
    made = []
    for _ in range(2):
        listener = TcpSocket(pair.right)
        listener.setsockopt(pair.now, o.SOL_SOCKET, o.SO_REUSEPORT, 1)
        listener.bind(pair.now, at(RIGHT, 80))
        listener.listen(pair.now, 64)
        made.append(listener)
    made[0].close(pair.now)
    for _ in range(20):
        TcpSocket(pair.left).connect_ex(pair.now, at(RIGHT, 80))
    pair.run()
    found = made[1].listener
    assert found is not None and len(found.waiting) == 20


def test_sharing_takes_two() -> None:
    """SO_REUSEPORT: both have to say so before they bind."""
    pair = TwoStacks()
    first, second = TcpSocket(pair.right), TcpSocket(pair.right)
    first.bind(pair.now, at(RIGHT, 80))
    second.setsockopt(pair.now, o.SOL_SOCKET, o.SO_REUSEPORT, 1)
    with pytest.raises(LastackError) as raised:
        second.bind(pair.now, at(RIGHT, 80))
    assert raised.value.errno == errno.EADDRINUSE


def between(world: TwoStacks, *options: tuple[int, int, int]) -> tuple[TcpSocket, TcpSocket]:
    """A client, and what a listener with these options has accepted from it."""
    listener = TcpSocket(world.right)
    for level, name, value in options:
        listener.setsockopt(world.now, level, name, value)
    listener.bind(world.now, at("0.0.0.0", 80))
    listener.listen(world.now, 1)
    client = TcpSocket(world.left)
    client.connect_ex(world.now, at(RIGHT, 80))
    world.run()
    return client, listener.accept(world.now)[0]


def test_a_buffer_that_grows_grows_with_the_low_water_mark() -> None:
    """SO_RCVLOWAT above half of what Linux begins with is no less than asked for there either."""
    linux = preset("linux").replace(strict=True)
    world = TwoStacks(linux, linux)
    client, server = between(world, (o.SOL_SOCKET, o.SO_RCVLOWAT, 70_000))
    assert server.getsockopt(world.now, o.SOL_SOCKET, o.SO_RCVLOWAT) == 70_000
    for _ in range(70):
        assert not server.readable
        client.send(world.now, bytes(1000))
        world.run_until(world.now + SECOND)
    assert server.readable
    assert len(server.recv(world.now, 100_000)) == 70_000


@pytest.mark.parametrize("size", [1152, 3000, 4000])
def test_a_low_water_mark_that_no_window_reaches_does_not_wait_for_ever(size: int) -> None:
    """SO_RCVBUF, set after the mark, would otherwise close the window below it."""
    world = TwoStacks(STRICT.replace(nagle=False))
    option = (o.SOL_SOCKET, o.SO_RCVBUF, size)
    client, server = between(world, (o.SOL_SOCKET, o.SO_RCVLOWAT, 100_000), option)
    client.send(world.now, bytes(100_000))
    client.shutdown(world.now, o.SHUT_WR)
    got = 0
    while got < 100_000:
        world.run_until(world.now + 10 * SECOND)
        assert server.readable
        got += len(server.recv(world.now, 100_000))


def test_a_number_at_the_level_of_ipv4_may_be_a_single_octet() -> None:
    """IP_TOS and IP_TTL are an `unsigned char` in programs of old; elsewhere that is too short."""
    world = TwoStacks()
    client = TcpSocket(world.left)
    for name in (o.IP_TOS, o.IP_TTL):
        client.setsockopt(world.now, o.IPPROTO_IP, name, b"\x10")
        assert client.getsockopt(world.now, o.IPPROTO_IP, name) == 16
    with pytest.raises(LastackError):
        client.setsockopt(world.now, o.IPPROTO_TCP, o.TCP_NODELAY, b"\x01")
