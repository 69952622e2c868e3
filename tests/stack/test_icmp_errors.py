"""What ICMP errors do to a connection: nothing, advice, or the end (RFC 9293 3.9.2.2, 3.9.1.8)."""

import errno

import pytest
from two_stacks import LEFT, RIGHT, TwoStacks, at

from lastack.stack import options as o
from lastack.stack.sockets import TcpSocket
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.events import Advice, Advised, Notice
from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.wire.address import pack_address
from lastack.wire.icmp import IcmpKind, error4, error6
from lastack.wire.ip4 import encode_ip4
from lastack.wire.ip6 import encode_ip6
from lastack.wire.packet import Packet
from lastack.wire.stop import Stop

RIGHT_6 = "fd00::2"
HERE, HERE_6 = pack_address(LEFT), pack_address("fd00::1")
ROUTER, ROUTER_6 = pack_address("10.0.0.9"), pack_address("fd00::9")


def complained(packet: Packet, kind: IcmpKind, code: int, rest: int = 0) -> Packet:
    """Return a router's error about a packet that 10.0.0.1 or fd00::1 has sent."""
    data = packet.to_bytes()
    if data[0] >> 4 == 4:
        body = error4(kind, code, rest, data)
        return Packet(encode_ip4(ROUTER, HERE, 1, len(body)) + body)
    body = error6(kind, code, rest, data, ROUTER_6, HERE_6)
    return Packet(encode_ip6(ROUTER_6, HERE_6, 58, len(body)) + body)


def told(
    pair: TwoStacks, connection: Connection, kind: IcmpKind, code: int, rest: int = 0
) -> Stop | None:
    """Let a router complain about the next packet of the left side."""
    packet = pair.left.next_packet(pair.now)
    assert packet is not None
    return pair.left.packet_arrives(complained(packet, kind, code, rest), pair.now)


def standing(remote: str = RIGHT, config: Config | None = None) -> tuple[TwoStacks, Connection]:
    """Return an established connection with an octet on its way, and its world."""
    pair = TwoStacks()
    pair.right.listen(at(remote, 80), 8)
    left = pair.left.connect(at(remote, 80), pair.now, config=config)
    pair.run()
    assert left.state is State.ESTABLISHED
    left.send(b"x", pair.now)
    pair.left.wake(left, pair.now)
    return pair, left


def opening(remote: str = RIGHT) -> tuple[TwoStacks, Connection]:
    """Return a connection whose SYN is on its way, and its world."""
    pair = TwoStacks()
    return pair, pair.left.connect(at(remote, 80), pair.now)


SOFT = [
    *((RIGHT, IcmpKind.UNREACHABLE, code) for code in (0, 1, 5)),
    *((RIGHT, IcmpKind.TIME_EXCEEDED, code) for code in (0, 1)),
    *((RIGHT, IcmpKind.PARAMETER_PROBLEM, code) for code in (0, 1)),
    *((RIGHT_6, IcmpKind.UNREACHABLE, code) for code in (0, 3)),
    *((RIGHT_6, IcmpKind.TIME_EXCEEDED, code) for code in (0, 1)),
    *((RIGHT_6, IcmpKind.PARAMETER_PROBLEM, code) for code in (0, 1, 2)),
]


@pytest.mark.parametrize(("remote", "kind", "code"), SOFT)
def test_a_soft_error_ends_no_connection_and_is_told(
    remote: str, kind: IcmpKind, code: int
) -> None:
    """MUST-56, MUST-54: it lives on; SHLD-25, MUST-47: its user can learn what was said."""
    for make in (opening, standing):
        pair, left = make(remote)
        state = left.state
        left.notices = 0
        assert told(pair, left, kind, code) is Stop.ICMP_TAKEN
        assert left.state is state
        assert left.soft_error and left.notices & Notice.ERROR
        events = pair.left.take_events()
        advice = [e for e in events if isinstance(e, Advised) and e.advice is Advice.SOFT_ERROR]
        assert [event.detail for event in advice] == [left.soft_error]


@pytest.mark.parametrize(
    ("remote", "code", "number"),
    [(RIGHT, 2, errno.ENOPROTOOPT), (RIGHT, 3, errno.ECONNREFUSED)],
)
def test_a_hard_error_ends_a_connection_in_any_state(remote: str, code: int, number: int) -> None:
    """SHLD-26, MUST-54: with the preset `rfc`; RFC 5927 6 would spare the synchronized states."""
    for make in (opening, standing):
        pair, left = make(remote)
        assert told(pair, left, IcmpKind.UNREACHABLE, code) is Stop.ICMP_TAKEN
        assert left.state is State.CLOSED and left.error == number
    cautious = Config(strict=True, icmp_aborts_synchronized=False)
    pair, left = standing(remote, cautious)
    assert told(pair, left, IcmpKind.UNREACHABLE, code) is Stop.ICMP_TAKEN
    assert left.state is State.ESTABLISHED and left.soft_error == number


def test_an_error_goes_to_the_connection_that_it_quotes_and_to_no_other() -> None:
    """MUST-54: by the header in the message."""
    pair, left = opening()
    other = pair.left.connect(at(RIGHT, 81), pair.now)
    assert told(pair, left, IcmpKind.UNREACHABLE, 3) is Stop.ICMP_TAKEN
    assert (left.state, other.state) == (State.CLOSED, State.SYN_SENT)


def test_a_source_quench_is_discarded_without_a_word() -> None:
    """MUST-55: nothing is slowed down, nothing is told."""
    for make in (opening, standing):
        pair, left = make()
        before = left.info().cwnd
        pair.left.take_events()
        left.notices = 0
        assert told(pair, left, IcmpKind.SOURCE_QUENCH, 0) is Stop.ICMP_IGNORED
        assert (left.info().cwnd, left.notices, left.soft_error) == (before, 0, 0)
        assert pair.left.take_events() == []


def test_a_user_who_does_not_ask_for_soft_errors_does_not_meet_them() -> None:
    """SHLD-20: they are news to look at; no call fails for them, nothing becomes readable."""
    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    client.send(pair.now, b"x")
    packet = pair.left.next_packet(pair.now)
    assert packet is not None
    assert pair.right.packet_arrives(packet, pair.now) is None
    error = complained(packet, IcmpKind.UNREACHABLE, 1)
    assert pair.left.packet_arrives(error, pair.now) is Stop.ICMP_TAKEN
    assert client.error == 0 and not client.readable
    assert client.getsockopt(pair.now, o.SOL_SOCKET, o.SO_ERROR) == 0
    assert client.send(pair.now, b"y") == 1
    pair.run_until(pair.now + SECOND)
    assert server.recv(pair.now, 9) == b"xy"


def test_the_differentiated_services_field_is_the_users_on_every_packet() -> None:
    """3.9.1.9, MUST-48, SHLD-21, SHLD-22: from the SYN on, changed on the way, never by us."""
    pair = TwoStacks()
    pair.right.listen(at(RIGHT, 80), 4)
    client = TcpSocket(pair.left)
    client.setsockopt(pair.now, o.IPPROTO_IP, o.IP_TOS, 0x28)
    client.connect_ex(pair.now, at(RIGHT, 80))
    seen = []
    for step in range(8):
        if step == 2:
            client.send(pair.now, b"x")
        if step == 4:
            client.setsockopt(pair.now, o.IPPROTO_IP, o.IP_TOS, 0xB8)
            client.send(pair.now, b"y")
        if step == 6:
            client.close(pair.now)
        while (packet := pair.left.next_packet(pair.now)) is not None:
            seen.append(packet.to_bytes()[1])
            pair.right.packet_arrives(packet, pair.now)
        while (packet := pair.right.next_packet(pair.now)) is not None:
            pair.left.packet_arrives(packet, pair.now)
        pair.now += SECOND
        pair.left.deadline_passed(pair.now)
        pair.right.deadline_passed(pair.now)
    assert seen == [0x28] * seen.count(0x28) + [0xB8] * seen.count(0xB8)
    assert seen.count(0x28) >= 3 and seen.count(0xB8) >= 2


@pytest.mark.parametrize("ttl", [1, 255])
def test_the_time_to_live_is_configurable(ttl: int) -> None:
    """3.9.2, MUST-49: from the first SYN on, over both kinds of IP."""
    for remote, place in ((RIGHT, 8), (RIGHT_6, 7)):
        pair = TwoStacks(left=Config(strict=True, ttl=ttl))
        pair.left.connect(at(remote, 80), pair.now)
        packet = pair.left.next_packet(pair.now)
        assert packet is not None and packet.to_bytes()[place] == ttl
