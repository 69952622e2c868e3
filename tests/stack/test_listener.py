"""LISTEN: queues, who is meant, what a SYN meets, and closing in the middle of it all."""

import errno

import pytest
from two_stacks import LEFT, RIGHT, STRICT, TwoStacks, at, carried, host, segment_in

from lastack.errors import LastackError
from lastack.stack.listener import Listener, Verdict
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.events import Notice
from lastack.tcp.states import State
from lastack.units import NEVER
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.segment import ACK, FIN, RST, SYN, Segment
from lastack.wire.stop import Stop


def syn(port: int, to: int = 80, seq: int = 1000) -> Segment:
    return Segment(port, to, seq, 0, SYN, 8192)


def knock(stack: Stack, port: int, now: int = 0) -> Segment:
    """Send a SYN from a port of 10.0.0.1; return the SYN-ACK."""
    assert stack.packet_arrives(carried(syn(port)), now) is None
    packet = stack.next_packet(now)
    assert packet is not None
    answer = segment_in(packet)
    assert answer.flags == SYN | ACK
    return answer


def finish(stack: Stack, port: int, answer: Segment, now: int = 0) -> Stop | None:
    ack = Segment(port, 80, 1001, (answer.seq + 1) & 0xFFFFFFFF, ACK, 8192)
    return stack.packet_arrives(carried(ack), now)


def listening(backlog: int = 4, config: Config = STRICT) -> tuple[Stack, Listener]:
    stack = host("10.0.0.2/24", config=config)
    return stack, stack.listen(at(RIGHT, 80), backlog)


def test_segments_other_than_a_syn_in_listen() -> None:
    """RFC 9293 3.10.7.2: RST ignored, ACK answered with a reset, the rest dropped."""
    stack, listener = listening()
    cases = [
        (RST, Stop.RST_IN_LISTEN, None),
        (RST | ACK, Stop.RST_IN_LISTEN, None),
        (ACK, Stop.ACK_IN_LISTEN, RST),
        (SYN | ACK, Stop.ACK_IN_LISTEN, RST),
        (FIN, Stop.NO_SYN_IN_LISTEN, None),
        (0, Stop.NO_SYN_IN_LISTEN, None),
    ]
    for flags, stop, answer in cases:
        segment = Segment(5000, 80, 7, 77 if flags & ACK else 0, flags, 100)
        assert stack.packet_arrives(carried(segment), 0) is stop
        packet = stack.next_packet(0)
        assert (None if packet is None else segment_in(packet).flags) == answer
        if packet is not None:
            assert segment_in(packet).seq == 77
    assert stack.connections() == [] and not listener.notices


def test_a_listener_tells_of_each_connection_that_can_be_accepted() -> None:
    """Notice.ACCEPTABLE, and the children in the order in which their handshakes ended."""
    stack, listener = listening()
    answers = {port: knock(stack, port) for port in (1, 2, 3)}
    assert stack.take_noticed() == [] and listener.accept() is None
    for port in (3, 1, 2):
        finish(stack, port, answers[port])
    assert stack.take_noticed() == [listener] and listener.notices == Notice.ACCEPTABLE
    accepted = [listener.accept() for _ in range(4)]
    assert [c.remote.port if c else 0 for c in accepted] == [3, 1, 2, 0]
    noticed = stack.take_noticed()
    assert set(map(id, noticed)) == {id(c) for c in accepted if c}


def test_the_queue_of_half_open_connections_is_bounded() -> None:
    """A SYN flood fills the backlog and no more; what is dropped is not answered."""
    stack, listener = listening(backlog=3)
    for port in (1, 2, 3):
        knock(stack, port)
    assert stack.packet_arrives(carried(syn(4)), 0) is Stop.SYN_QUEUE_FULL
    assert stack.next_packet(0) is None and len(stack.connections()) == 3
    # The same SYN again is not a new one.
    assert stack.packet_arrives(carried(syn(2)), 0) is Stop.REPEATED_SYN
    # A reset makes room.
    stack.packet_arrives(carried(Segment(1, 80, 1001, 0, RST, 0)), 0)
    knock(stack, 4)
    assert len(listener.children) == 3


def test_a_full_accept_queue_refuses_new_syns_and_keeps_what_was_begun() -> None:
    """A handshake that ends while the queue is full waits among the half-open ones."""
    stack, listener = listening(backlog=2)
    first, second = knock(stack, 1), knock(stack, 2)
    finish(stack, 1, first)
    third = knock(stack, 3)
    finish(stack, 2, second)
    finish(stack, 3, third)
    assert stack.packet_arrives(carried(syn(4)), 0) is Stop.ACCEPT_QUEUE_FULL
    assert listener.accept() is not None  # two still wait: as many as the backlog allows
    assert stack.packet_arrives(carried(syn(4)), 0) is Stop.ACCEPT_QUEUE_FULL
    assert listener.accept() is not None
    knock(stack, 4)
    ports = [c.remote.port for c in iter(listener.accept, None)]
    assert ports == [3]


def test_a_child_that_is_reset_before_it_is_accepted_leaves_its_queue() -> None:
    """Production taught: accept queue entries leak when the peer resets first."""
    stack, listener = listening()
    answer = knock(stack, 1)
    finish(stack, 1, answer)
    assert listener.acceptable
    reset = Segment(1, 80, 1001, 0, RST, 0)
    assert stack.packet_arrives(carried(reset), 0) is Stop.RESET
    assert not listener.acceptable and listener.accept() is None
    assert stack.connections() == [] and stack.next_deadline() == NEVER
    # Half-open: back to LISTEN, and gone.
    knock(stack, 2)
    stack.packet_arrives(carried(Segment(2, 80, 1001, 0, RST, 0)), 0)
    assert not listener.children and stack.connections() == []
    assert stack.next_deadline() == NEVER


def test_a_child_whose_peer_has_sent_and_closed_can_still_be_accepted() -> None:
    """Data and FIN may come before accept does."""
    stack, listener = listening()
    answer = knock(stack, 1)
    data = (b"early",)
    last = Segment(1, 80, 1001, answer.seq + 1, ACK | FIN, 8192, 0, b"", data, 5)
    stack.packet_arrives(carried(last), 0)
    child = listener.accept()
    assert child is not None and child.state is State.CLOSE_WAIT
    assert child.receive(99, 0) == b"early" and child.at_end


def test_closing_a_listener_in_the_middle_of_handshakes_resets_them() -> None:
    """Production taught: a listener closed in the middle of handshakes."""
    stack, listener = listening()
    knock(stack, 1)
    answer = knock(stack, 2)
    finish(stack, 2, answer)
    taken = knock(stack, 3)
    finish(stack, 3, taken)
    first = listener.accept()
    assert first is not None
    listener.close(0)
    listener.close(0)
    resets = set()
    while (packet := stack.next_packet(0)) is not None:
        segment = segment_in(packet)
        assert segment.flags & RST
        resets.add(segment.destination_port)
    assert resets == {1, 3}
    assert stack.connections() == [first] and first.state is State.ESTABLISHED
    assert stack.counters.children_reset == 2
    assert stack.packet_arrives(carried(syn(9)), 0) is Stop.NO_CONNECTION
    # The late ACK of a handshake whose listener has gone.
    assert finish(stack, 1, answer) is Stop.NO_CONNECTION
    stack.listen(at(RIGHT, 80), 1)


def test_a_half_open_child_that_hears_nothing_gives_up() -> None:
    """RFC 9293 3.8.3: the SYN-ACK is sent again, and R2 ends it; its place is free again."""
    pair = TwoStacks()
    listener = pair.right.listen(at(RIGHT, 80), 1)
    pair.lose_right = True
    left = pair.left.connect(at(RIGHT, 80), pair.now)
    pair.run()
    left.abort(pair.now)
    pair.left.wake(left, pair.now)
    assert len(listener.children) == 1
    pair.run_out()
    assert not listener.children and pair.right.connections() == []


def test_any_address_takes_every_address_of_ours_and_no_other() -> None:
    """b"" is any address, all zeroes any of its family."""
    stack = host("10.0.0.2/24", "10.0.1.2/24", "fd00::2/64")
    stack.listen(Endpoint(b"", 80), 4)
    stack.listen(Endpoint(bytes(4), 81), 4)
    stack.listen(Endpoint(bytes(16), 82), 4)
    for to, source, port, welcome in (
        ("10.0.0.2", LEFT, 80, True),
        ("10.0.1.2", LEFT, 80, True),
        ("fd00::2", "fd00::1", 80, True),
        ("10.0.1.2", LEFT, 81, True),
        ("fd00::2", "fd00::1", 81, False),
        ("10.0.0.2", LEFT, 82, False),
        ("fd00::2", "fd00::1", 82, True),
    ):
        stop = stack.packet_arrives(carried(syn(5, port), source, to), 0)
        assert stop is (None if welcome else Stop.NO_CONNECTION), (to, port)
    assert stack.packet_arrives(carried(syn(5), LEFT, "10.0.2.2"), 0) is Stop.NOT_OURS


def test_the_most_specific_listener_wins() -> None:
    """One address before a longer prefix before a shorter one before any address."""
    stack = host("10.0.0.2/24")
    anywhere = stack.listen(Endpoint(b"", 80), 9)
    wide = stack.listen(at("10.0.0.0", 80), 9, prefix_length=8)
    narrow = stack.listen(at("10.0.1.0", 80), 9, prefix_length=24)
    every_port = stack.listen(at("10.0.1.0", 0), 9, prefix_length=24)
    exact = stack.listen(at(RIGHT, 80), 9)
    find = stack.listeners.find
    assert find(pack_address(RIGHT), 80, True) is exact
    assert find(pack_address("10.0.1.7"), 80, False) is narrow
    assert find(pack_address("10.9.1.7"), 80, False) is wide
    assert find(pack_address("10.0.1.7"), 22, False) is every_port
    assert find(pack_address("192.0.2.1"), 80, False) is None
    assert find(pack_address("192.0.2.1"), 80, True) is anywhere


def test_a_listener_may_answer_for_a_whole_prefix_and_sees_each_syn_first() -> None:
    """ACCEPT, REJECT with a reset, or IGNORE; the child has the address that was called."""
    stack = host("10.0.0.2/24")
    seen = []

    def inspect(segment: Segment, local: Endpoint, remote: Endpoint) -> Verdict:
        seen.append((str(local), str(remote), segment.flags))
        return Verdict(local.address[3])

    listener = stack.listen(at("192.0.2.0", 80), 9, prefix_length=24, inspect=inspect)
    for last, stop in ((1, None), (2, Stop.SYN_REJECTED), (3, Stop.SYN_IGNORED)):
        called = f"192.0.2.{last}"
        assert stack.packet_arrives(carried(syn(5), LEFT, called), 0) is stop
        packet = stack.next_packet(0)
        if stop is Stop.SYN_IGNORED:
            assert packet is None
            continue
        assert packet is not None
        answer = segment_in(packet)
        assert answer.flags == (SYN | ACK if stop is None else RST | ACK)
        assert packet.to_bytes()[12:16] == pack_address(called)
    assert seen[0] == ("192.0.2.1:80", "10.0.0.1:5", SYN)
    [child] = listener.children.values()
    assert str(child.local) == "192.0.2.1:80"
    assert stack.packet_arrives(carried(syn(5, 81), LEFT, "192.0.2.1"), 0) is Stop.NO_CONNECTION
    assert stack.packet_arrives(carried(syn(5), LEFT, "192.0.3.1"), 0) is Stop.NOT_OURS
    stack.listen(at("198.51.100.0", 0), 9, prefix_length=24)
    for port in (1, 65535):
        assert stack.packet_arrives(carried(syn(5, port), LEFT, "198.51.100.9"), 0) is None


def test_an_inspector_that_raises_has_not_accepted() -> None:
    """Promise 4: a packet cannot make us raise, unless strict."""

    def inspect(segment: Segment, local: Endpoint, remote: Endpoint) -> Verdict:
        raise ValueError("no")

    stack = host("10.0.0.2/24", config=Config())
    stack.listen(at(RIGHT, 80), 9, inspect=inspect)
    assert stack.packet_arrives(carried(syn(5)), 0) is Stop.SYN_IGNORED
    assert stack.counters.stops[Stop.INTERNAL] == 1


def test_listening_twice_is_an_address_in_use() -> None:
    """EADDRINUSE for the same address; one for an address and one for any may both stand."""
    stack = host("10.0.0.2/24", "10.0.1.2/24")
    stack.listen(at("10.0.0.2", 80), 1)
    stack.listen(at("10.0.1.2", 80), 1)
    stack.listen(at("10.0.0.0", 80), 1, prefix_length=24)
    stack.listen(Endpoint(b"", 80), 1)
    for local, prefix in (
        (at("10.0.0.2", 80), None),
        (Endpoint(b"", 80), None),
        (at("10.0.0.0", 80), 24),
    ):
        with pytest.raises(LastackError) as raised:
            stack.listen(local, 1, prefix_length=prefix)
        assert raised.value.errno == errno.EADDRINUSE
    with pytest.raises(LastackError) as raised:
        stack.listen(at("10.0.9.9", 80), 1)
    assert raised.value.errno == errno.EADDRNOTAVAIL
    first = stack.listen(Endpoint(b"", 0), 1)
    assert 49152 <= first.local.port <= 65535


def test_a_syn_to_or_from_many_is_dropped_silently() -> None:
    """RFC 9293 3.9.2.3: MUST-57, MUST-63."""
    stack = host("10.0.0.2/24", "fd00::2/64")
    stack.listen(Endpoint(b"", 80), 9)
    cases = [
        (LEFT, "10.0.0.255", Stop.SYN_TO_MANY),
        (LEFT, "255.255.255.255", Stop.SYN_TO_MANY),
        (LEFT, "224.0.0.1", Stop.SYN_TO_MANY),
        ("fd00::1", "ff02::1", Stop.SYN_TO_MANY),
        ("10.0.0.255", RIGHT, Stop.SYN_TO_MANY),
        ("224.0.0.1", RIGHT, Stop.SYN_TO_MANY),
        ("0.0.0.0", RIGHT, Stop.BAD_SOURCE),
        ("127.0.0.1", RIGHT, Stop.BAD_SOURCE),
        (RIGHT, RIGHT, Stop.BAD_SOURCE),
        ("ff02::1", "fd00::2", Stop.SYN_TO_MANY),
        ("::", "fd00::2", Stop.BAD_SOURCE),
    ]
    for source, destination, stop in cases:
        packet = carried(syn(5), source, destination)
        assert stack.packet_arrives(packet, 0) is stop, (source, destination)
    assert stack.next_packet(0) is None and stack.connections() == []


def test_a_source_route_is_followed_back() -> None:
    """RFC 9293 3.9.2.1, MUST-53: a passive open answers along the route that the SYN came by."""
    from lastack.wire.ip4 import Ip4, decode_ip4, source_route

    stack, _ = listening()
    hop = pack_address("10.0.0.77")
    # Complete: the pointer stands behind the last address.
    route = bytes((1, 131, 7, 8)) + hop
    assert stack.packet_arrives(carried(syn(5), options=route), 0) is None
    packet = stack.next_packet(0)
    assert packet is not None
    data = packet.to_bytes()
    header = decode_ip4(data, 0, len(data))
    assert isinstance(header, Ip4) and header.destination == hop
    back = source_route(header.options)
    assert back is not None and back.addresses == (pack_address(LEFT),) and back.visited == 0
    from lastack.wire.checksum import transport_holds

    start, end = header.payload_start, header.payload_end
    assert transport_holds(header.source, pack_address(LEFT), 6, data, start, end)
    [child] = stack.connections()
    assert child.tcb.mtu == 1500 - 8
