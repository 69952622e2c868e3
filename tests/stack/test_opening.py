"""OPEN at a host: whose address, which route, what is refused (RFC 9293 3.9.1.1, 3.9.2.1)."""

import errno

import pytest
from two_stacks import LEFT, RIGHT, TwoStacks, at, carried, host, segment_in

from lastack.errors import LastackError
from lastack.stack.stack import Stack
from lastack.tcp.connection import Connection
from lastack.tcp.states import State
from lastack.wire.address import Endpoint, format_address, pack_address
from lastack.wire.ip4 import Ip4, SourceRoute, decode_ip4, source_route
from lastack.wire.packet import Packet
from lastack.wire.segment import ACK, FIN, PSH, SYN, Segment
from lastack.wire.stop import Stop

SECOND_ADDRESS = "10.0.1.2"
HOPS = ("10.0.0.71", "10.0.0.72", "10.0.0.73")


def pull(stack: Stack) -> Packet:
    packet = stack.next_packet(0)
    assert packet is not None
    return packet


def header_of(packet: Packet) -> Ip4:
    data = packet.to_bytes()
    header = decode_ip4(data, 0, len(data))
    assert isinstance(header, Ip4)
    return header


def route_of(packet: Packet) -> list[str]:
    """Return the addresses that a packet is sent through, its last destination at the end."""
    header = header_of(packet)
    route = source_route(header.options)
    assert isinstance(route, SourceRoute) and route.visited == 0
    return [format_address(address) for address in (header.destination, *route.addresses)]


def completed(*hops: str) -> bytes:
    """Return the option of a packet that has come through these."""
    return bytes((1, 131, 3 + 4 * len(hops), 4 + 4 * len(hops))) + b"".join(
        pack_address(hop) for hop in hops
    )


# -- listening ------------------------------------------------------------------------------------


def test_a_passive_open_leaves_every_other_connection_alone() -> None:
    """3.9.1.1, MUST-41: a new record or an error, and nothing else."""
    pair = TwoStacks()
    left, right, first = pair.connect()
    second = pair.right.listen(Endpoint(b"", 80), 8)
    with pytest.raises(LastackError) as raised:
        pair.right.listen(at(RIGHT, 80), 8)
    assert raised.value.errno == errno.EADDRINUSE
    pair.send(pair.left, left, b"still here")
    assert right.receive(99, pair.now) == b"still here"
    again = pair.left.connect(at(RIGHT, 80), pair.now)
    pair.run()
    assert again.state is State.ESTABLISHED
    assert first.acceptable and not second.acceptable


def test_a_port_can_be_listened_on_while_a_connection_from_it_is_opening() -> None:
    """3.9.1.1, MUST-42: one in SYN-SENT, one in SYN-RECEIVED, and LISTEN on the same port."""
    stack = host("10.0.0.2/24")
    for port, other in ((80, 5000), (81, 5001)):
        opening = stack.connect(at(LEFT, other), 0, at(RIGHT, port))
        assert segment_in(pull(stack)).flags == SYN
        if other == 5001:
            stack.packet_arrives(carried(Segment(other, port, 7, 0, SYN, 1000)), 0)
            assert opening.state is State.SYN_RECEIVED
            pull(stack)
        stack.listen(at(RIGHT, port), 4)
        assert stack.packet_arrives(carried(Segment(6000, port, 7, 0, SYN, 1000)), 0) is None
        assert segment_in(pull(stack)).flags == SYN | ACK


# -- whose address --------------------------------------------------------------------------------


def test_the_user_says_which_local_address() -> None:
    """3.9.1.1, MUST-43: to connect from, and to listen on."""
    stack = host("10.0.0.2/24", f"{SECOND_ADDRESS}/24")
    stack.connect(at(LEFT, 80), 0, at(SECOND_ADDRESS, 0))
    assert header_of(pull(stack)).source == pack_address(SECOND_ADDRESS)
    stack.listen(at(SECOND_ADDRESS, 90), 4)
    syn = Segment(5, 90, 7, 0, SYN, 1000)
    assert stack.packet_arrives(carried(syn, LEFT, SECOND_ADDRESS), 0) is None
    assert stack.packet_arrives(carried(syn, LEFT, RIGHT), 0) is Stop.NO_CONNECTION


def test_without_a_choice_of_the_user_ip_chooses_the_local_address() -> None:
    """3.9.1.1, MUST-44: by the route to the destination, before the first SYN."""
    stack = host("10.0.0.2/24", f"{SECOND_ADDRESS}/24")
    for remote, source in (("10.0.1.9", SECOND_ADDRESS), ("10.0.0.9", RIGHT)):
        for local in (None, Endpoint(b"", 0), Endpoint(bytes(4), 0)):
            connection = stack.connect(at(remote, 80), 0, local)
            assert header_of(pull(stack)).source == pack_address(source)
            assert connection.local.address == pack_address(source)


def test_a_connection_keeps_the_local_address_it_began_with() -> None:
    """3.9.1.1, MUST-45: not the one that a route to the peer would give."""
    stack = host("10.0.0.2/24", f"{SECOND_ADDRESS}/24")
    stack.listen(Endpoint(b"", 80), 4)
    syn = Segment(5, 80, 7, 0, SYN, 1000)
    stack.packet_arrives(carried(syn, LEFT, SECOND_ADDRESS), 0)
    answer = pull(stack)
    packets = [answer]
    ack = (segment_in(answer).seq + 1) & 0xFFFFFFFF
    data = Segment(5, 80, 8, ack, ACK | PSH | FIN, 1000, parts=(b"hello",), length=5)
    stack.packet_arrives(carried(data, LEFT, SECOND_ADDRESS), 0)
    [connection] = stack.connections()
    connection.send(b"world", 0)
    connection.close(0)
    stack.wake(connection, 0)
    while (packet := stack.next_packet(0)) is not None:
        packets.append(packet)
    assert len(packets) >= 2
    assert {header_of(packet).source for packet in packets} == {pack_address(SECOND_ADDRESS)}


@pytest.mark.parametrize(
    "text",
    ["10.0.0.255", "255.255.255.255", "224.0.0.1", "0.0.0.0", "240.0.0.1", "ff02::1", "::"],
)
def test_nobody_can_be_called_at_an_address_that_is_no_hosts(text: str) -> None:
    """3.9.1.1, MUST-46: broadcast, multicast, unspecified, reserved: an error at once."""
    stack = host("10.0.0.1/24", "fd00::1/64")
    with pytest.raises(LastackError) as raised:
        stack.connect(at(text, 80), 0)
    assert raised.value.errno == errno.ENETUNREACH
    assert stack.connections() == [] and stack.next_packet(0) is None


# -- source routes --------------------------------------------------------------------------------


def routed(stack: Stack) -> tuple[Connection, Segment]:
    """Return an active open through two hops of the user's, and its SYN."""
    hops = tuple(pack_address(hop) for hop in HOPS[:2])
    connection = stack.connect(at(RIGHT, 80), 0, hops=hops)
    packet = pull(stack)
    assert route_of(packet) == [*HOPS[:2], RIGHT]
    return connection, segment_in(packet)


def test_an_active_open_takes_the_route_that_the_user_gives() -> None:
    """3.9.2.1, MUST-51: the SYN, and all that follows."""
    stack = host("10.0.0.1/24")
    connection, syn = routed(stack)
    answer = Segment(80, syn.source_port, 7, syn.seq + 1, SYN | ACK, 1000)
    assert stack.packet_arrives(carried(answer, RIGHT, LEFT), 0) is None
    assert route_of(pull(stack)) == [*HOPS[:2], RIGHT]
    connection.send(b"x", 0)
    stack.wake(connection, 0)
    assert route_of(pull(stack)) == [*HOPS[:2], RIGHT]


def test_the_users_route_counts_and_not_the_one_that_a_packet_came_by() -> None:
    """3.9.2.1, MUST-52: it takes precedence over a route received in a datagram."""
    stack = host("10.0.0.1/24")
    _, syn = routed(stack)
    answer = Segment(80, syn.source_port, 7, syn.seq + 1, SYN | ACK, 1000)
    packet = carried(answer, RIGHT, LEFT, options=completed(HOPS[2]))
    assert stack.packet_arrives(packet, 0) is None
    assert route_of(pull(stack)) == [*HOPS[:2], RIGHT]


def called(stack: Stack) -> tuple[Connection, int]:
    """Return the child of a SYN that came through two hops, and the ACK of our SYN-ACK."""
    stack.listen(at(RIGHT, 80), 4)
    syn = Segment(5, 80, 7, 0, SYN, 1000)
    assert stack.packet_arrives(carried(syn, options=completed(*HOPS[:2])), 0) is None
    packet = pull(stack)
    assert route_of(packet) == [HOPS[1], HOPS[0], LEFT]
    ack = (segment_in(packet).seq + 1) & 0xFFFFFFFF
    [child] = stack.connections()
    return child, ack


def test_a_passive_open_answers_along_the_reversed_route_to_the_end() -> None:
    """3.9.2.1, MUST-53: every segment of the connection, in TIME-WAIT too."""
    stack = host("10.0.0.2/24")
    child, ack = called(stack)
    stack.packet_arrives(carried(Segment(5, 80, 8, ack, ACK, 1000)), 0)
    child.send(b"hello", 0)
    child.close(0)
    stack.wake(child, 0)
    assert route_of(pull(stack)) == [HOPS[1], HOPS[0], LEFT]
    fin = Segment(5, 80, 8, ack + 6, ACK | FIN, 1000)
    for _ in range(2):
        stack.packet_arrives(carried(fin), 0)
        assert route_of(pull(stack)) == [HOPS[1], HOPS[0], LEFT]
        assert stack.next_packet(0) is None
    assert len(stack.time_waits()) == 1


def test_a_later_route_of_the_peer_replaces_his_earlier_one() -> None:
    """3.9.2.1, SHLD-24: the newest definition counts."""
    stack = host("10.0.0.2/24")
    child, ack = called(stack)
    packet = carried(Segment(5, 80, 8, ack, ACK, 1000), options=completed(HOPS[2]))
    assert stack.packet_arrives(packet, 0) is None
    child.send(b"hello", 0)
    stack.wake(child, 0)
    assert route_of(pull(stack)) == [HOPS[2], LEFT]


def test_a_route_that_comes_later_leaves_room_for_itself() -> None:
    """3.7.1, MUST-16: IP options count against Eff.snd.MSS; no packet exceeds the link's MTU."""
    stack = host("10.0.0.2/24")
    stack.listen(at(RIGHT, 80), 4)
    stack.packet_arrives(carried(Segment(5, 80, 7, 0, SYN, 60000, 0, b"\2\4\x23\x28")), 0)
    ack = (segment_in(pull(stack)).seq + 1) & 0xFFFFFFFF
    last = Segment(5, 80, 8, ack, ACK, 60000)
    stack.packet_arrives(carried(last, options=completed(*HOPS)), 0)
    [child] = stack.connections()
    child.send(bytes(5000), 0)
    stack.wake(child, 0)
    packet = pull(stack)
    assert packet.length == 1500
    assert segment_in(packet).length == 1500 - 40 - 16
