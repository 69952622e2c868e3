"""What arrives: the IP floor of a host, the reasons why packets stop there, and ICMP."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_stacks import LEFT, RIGHT, STRICT, TwoStacks, at, carried, host, segment_in

from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.states import State
from lastack.units import MINUTE, SECOND
from lastack.wire.address import Endpoint, pack_address
from lastack.wire.checksum import transport_holds
from lastack.wire.icmp import (
    IcmpKind,
    IcmpMessage,
    decode_icmp4,
    decode_icmp6,
    encode_icmp4,
    encode_icmp6,
    error4,
    error6,
)
from lastack.wire.ip4 import Ip4, decode_ip4, encode_ip4
from lastack.wire.ip6 import encode_fragment_header, encode_ip6
from lastack.wire.packet import CHECKSUM_OWED, CHECKSUM_TRUSTED, Packet
from lastack.wire.segment import ACK, SYN, Segment
from lastack.wire.stop import Stop

HERE, THERE = pack_address(RIGHT), pack_address(LEFT)
HERE6, THERE6 = pack_address("fd00::2"), pack_address("fd00::1")
SYN_HERE = Segment(5000, 80, 7, 0, SYN, 1000)


@pytest.fixture
def stack() -> Stack:
    made = host("10.0.0.2/24", "fd00::2/64")
    made.listen(Endpoint(b"", 80), 8)
    return made


def changed(packet: Packet, place: int, value: int) -> Packet:
    octets = bytearray(packet.data)
    octets[place] = value
    return Packet(bytes(octets))


def test_every_packet_that_stops_is_counted_under_its_name(stack: Stack) -> None:
    """Promise 4: a named reason and a counter for each; MUST-3: bad checksums among them."""
    plain = carried(SYN_HERE)
    plain6 = carried(SYN_HERE, "fd00::1", "fd00::2")
    cases = [
        (Packet(b""), Stop.NOT_IP),
        (Packet(b"\x45" + bytes(10)), Stop.TRUNCATED),
        (Packet(b"\x75" + bytes(60)), Stop.NOT_IP),
        (Packet(plain.data[:-1]), Stop.TRUNCATED),
        (Packet(plain6.data[:-1]), Stop.TRUNCATED),
        (changed(plain, 3, 19), Stop.BAD_IP_HEADER),
        (changed(plain, 8, 1), Stop.BAD_IP_CHECKSUM),
        (changed(plain, 30, 1), Stop.BAD_CHECKSUM),
        (changed(plain6, 50, 1), Stop.BAD_CHECKSUM),
        (carried(SYN_HERE, LEFT, "10.0.0.3"), Stop.NOT_OURS),
        (carried(SYN_HERE, "fd00::1", "fd00::3"), Stop.NOT_OURS),
        (carried(Segment(0, 80, 7, 0, SYN, 1000)), Stop.BAD_TCP_PORT),
        (carried(Segment(5, 0, 7, 0, SYN, 1000)), Stop.BAD_TCP_PORT),
        (Packet(encode_ip4(THERE, HERE, 6, 4) + b"tiny"), Stop.BAD_TCP_HEADER),
        (Packet(encode_ip4(THERE, HERE, 17, 8) + bytes(8)), Stop.UNKNOWN_PROTOCOL),
        (Packet(encode_ip6(THERE6, HERE6, 17, 8) + bytes(8)), Stop.UNKNOWN_PROTOCOL),
        (Packet(encode_ip4(THERE, HERE, 1, 8) + bytes(7) + b"x"), Stop.BAD_ICMP),
    ]
    for packet, stop in cases:
        before = stack.counters.stops[stop]
        assert stack.packet_arrives(packet, 0) is stop
        assert stack.counters.stops[stop] == before + 1
    assert stack.connections() == []
    assert stack.counters.packets_in == len(cases)
    assert sum(stack.counters.stopped().values()) == len(cases)
    assert stack.counters.as_dict()["stop_not_ours"] == 2


def test_a_packet_may_lie_behind_a_device_header_and_before_padding(stack: Stack) -> None:
    """Links put their header in front and Ethernet pads short packets."""
    data = carried(SYN_HERE).data
    assert (
        stack.packet_arrives(Packet(bytes(10) + data + bytes(6), 10, 10 + len(data) + 6), 0) is None
    )
    [child] = stack.connections()
    assert child.state is State.SYN_RECEIVED and not child.tcb.rcv.queued


def test_a_packet_in_parts_arrives_like_any_other(stack: Stack) -> None:
    """A memory link hands over what the other stack has made."""
    data = carried(SYN_HERE).data
    packet = Packet(data[:40], parts=(data[40:],), parts_length=len(data) - 40)
    assert stack.packet_arrives(packet, 0) is None


@pytest.mark.parametrize("how", [CHECKSUM_OWED, CHECKSUM_TRUSTED])
def test_what_the_device_answers_for_is_not_checked_again(stack: Stack, how: int) -> None:
    """Checksum offload."""
    data = bytearray(carried(SYN_HERE).data)
    data[36:38] = b"\0\0"
    assert stack.packet_arrives(Packet(bytes(data)), 0) is Stop.BAD_CHECKSUM
    assert stack.packet_arrives(Packet(bytes(data), checksum=how), 0) is None


def test_ip_options_are_read_over(stack: Stack) -> None:
    """RFC 9293 3.9.2, MUST-50: whatever we do not understand is ignored."""
    for port, options in ((1, b"\1\1\1\0"), (2, b"\x99\4ab"), (3, b"\7\7\4\0\0\0\0\0")):
        segment = Segment(port, 80, 7, 0, SYN, 1000)
        assert stack.packet_arrives(carried(segment, options=options), 0) is None
    bad = carried(SYN_HERE, options=b"\x07\x09\4\0")
    assert stack.packet_arrives(bad, 0) is Stop.BAD_IP_OPTION


def test_extension_headers_are_read_over(stack: Stack) -> None:
    """RFC 8200 4: destination options before TCP."""
    data = carried(SYN_HERE, "fd00::1", "fd00::2").data
    head = encode_ip6(THERE6, HERE6, 60, len(data) - 40 + 8)
    assert stack.packet_arrives(Packet(head + b"\6\0\1\4\0\0\0\0" + data[40:]), 0) is None


def test_fragments_come_together(stack: Stack) -> None:
    """RFC 791 3.2 and RFC 8200 4.5; only for us, and given up in time."""
    whole = carried(SYN_HERE).data[20:]
    first = encode_ip4(THERE, HERE, 6, 8, ident=9, dont_fragment=False, more_fragments=True)
    last = encode_ip4(THERE, HERE, 6, len(whole) - 8, ident=9, dont_fragment=False, offset=8)
    assert stack.packet_arrives(Packet(first + whole[:8]), 0) is Stop.FRAGMENT_HELD
    assert stack.packet_arrives(Packet(last + whole[8:]), 0) is None
    whole = carried(SYN_HERE, "fd00::1", "fd00::2").data[40:]
    pieces = [(0, whole[:8]), (8, whole[8:])]
    for offset, piece in reversed(pieces):
        middle = encode_fragment_header(6, 77, offset, offset == 0)
        head = encode_ip6(THERE6, HERE6, 44, len(piece) + 8)
        stop = stack.packet_arrives(Packet(head + middle + piece), 0)
        assert stop is (Stop.FRAGMENT_HELD if offset else None)
    assert len(stack.connections()) == 2
    other = encode_ip4(THERE, pack_address("10.0.0.9"), 6, 8, ident=9, more_fragments=True)
    assert stack.packet_arrives(Packet(other + bytes(8)), 0) is Stop.NOT_OURS


def test_a_datagram_that_never_comes_together_is_reported() -> None:
    """RFC 1122 3.3.2: time exceeded, code 1."""
    stack = host("10.0.0.2/24")
    first = encode_ip4(THERE, HERE, 6, 8, ident=9, dont_fragment=False, more_fragments=True)
    stack.packet_arrives(Packet(first + bytes(8)), 0)
    assert stack.next_deadline() <= MINUTE
    stack.deadline_passed(MINUTE)
    message = icmp_of(stack)
    assert (message.kind, message.code) == (IcmpKind.TIME_EXCEEDED, 1)


def icmp_of(stack: Stack, now: int = 0) -> IcmpMessage:
    packet = stack.next_packet(now)
    assert packet is not None
    data = packet.to_bytes()
    if data[0] >> 4 == 4:
        message = decode_icmp4(data, 20, len(data))
    else:
        message = decode_icmp6(data, 40, len(data), data[8:24], data[24:40])
    assert isinstance(message, IcmpMessage)
    return message


def test_echo_requests_are_answered(stack: Stack) -> None:
    """RFC 792, RFC 4443 4.2, RFC 1122 3.2.2.6: with all the data, in fragments where it is long."""
    request = encode_icmp4(IcmpKind.ECHO_REQUEST, 0, 5 << 16 | 6, b"ping" * 9)
    packet = Packet(encode_ip4(THERE, HERE, 1, len(request)) + request)
    assert stack.packet_arrives(packet, 0) is Stop.ICMP_TAKEN
    answer = icmp_of(stack)
    assert answer.kind == IcmpKind.ECHO_REPLY
    assert (answer.ident, answer.sequence, answer.body) == (5, 6, b"ping" * 9)
    request = encode_icmp6(IcmpKind.ECHO_REQUEST, 0, 7, b"six", THERE6, HERE6)
    packet = Packet(encode_ip6(THERE6, HERE6, 58, len(request)) + request)
    assert stack.packet_arrives(packet, 0) is Stop.ICMP_TAKEN
    assert icmp_of(stack).body == b"six"
    for version in (4, 6):
        body = bytes(range(256)) * 16
        if version == 4:
            request = encode_icmp4(IcmpKind.ECHO_REQUEST, 0, 1, body)
            packet = Packet(encode_ip4(THERE, HERE, 1, len(request)) + request)
        else:
            request = encode_icmp6(IcmpKind.ECHO_REQUEST, 0, 1, body, THERE6, HERE6)
            packet = Packet(encode_ip6(THERE6, HERE6, 58, len(request)) + request)
        stack.packet_arrives(packet, 0)
        asker = host("10.0.0.1/24", "fd00::1/64")
        stops = []
        while (piece := stack.next_packet(0)) is not None:
            assert piece.length <= 1500
            stops.append(asker.packet_arrives(Packet(piece.to_bytes()), 0))
        # Whole again, and then an echo reply that nobody has asked for.
        assert stops == [Stop.FRAGMENT_HELD] * 2 + [Stop.ICMP_IGNORED]


def test_an_echo_to_many_is_not_answered(stack: Stack) -> None:
    """RFC 1122 3.2.2.6: a request to a broadcast address may be dropped."""
    request = encode_icmp4(IcmpKind.ECHO_REQUEST, 0, 1, b"")
    many = pack_address("10.0.0.255")
    packet = Packet(encode_ip4(THERE, many, 1, len(request)) + request)
    assert stack.packet_arrives(packet, 0) is Stop.NOT_OURS
    assert stack.next_packet(0) is None


def test_protocols_that_nobody_speaks_are_refused(stack: Stack) -> None:
    """RFC 1122 3.2.2.1, RFC 4443 3.1 and 3.4; within the budget for resets."""
    cases = [
        (encode_ip4(THERE, HERE, 17, 8), IcmpKind.UNREACHABLE, 3),
        (encode_ip4(THERE, HERE, 99, 8), IcmpKind.UNREACHABLE, 2),
        (encode_ip6(THERE6, HERE6, 17, 8), IcmpKind.UNREACHABLE, 4),
        (encode_ip6(THERE6, HERE6, 99, 8), IcmpKind.PARAMETER_PROBLEM, 1),
    ]
    for head, kind, code in cases:
        assert stack.packet_arrives(Packet(head + bytes(8)), 0) is Stop.UNKNOWN_PROTOCOL
        message = icmp_of(stack)
        assert (message.kind, message.code) == (kind, code)
    for _ in range(stack.config.max_resets + 10):
        stack.packet_arrives(Packet(cases[0][0] + bytes(8)), 0)
        stack.next_packet(0)
    assert stack.counters.icmp_held_back == 14


def test_the_queue_of_the_stacks_own_packets_is_bounded(stack: Stack) -> None:
    """A flood of pings while the link is blocked grows nothing."""
    request = encode_icmp4(IcmpKind.ECHO_REQUEST, 0, 1, b"")
    packet = Packet(encode_ip4(THERE, HERE, 1, len(request)) + request)
    for _ in range(1000):
        stack.packet_arrives(packet, 0)
    assert len(stack.replies) == 256 and stack.counters.replies_dropped == 744


def quoting(pair: TwoStacks, kind: IcmpKind, code: int, rest: int = 0) -> Packet:
    """Return the error of a router about the next packet that `left` sends."""
    packet = pair.left.next_packet(pair.now)
    assert packet is not None
    data = packet.to_bytes()
    if data[0] >> 4 == 4:
        router = pack_address("10.0.0.9")
        body = error4(kind, code, rest, data)
        return Packet(encode_ip4(router, THERE, 1, len(body)) + body)
    router = pack_address("fd00::9")
    body = error6(kind, code, rest, data, router, THERE6)
    return Packet(encode_ip6(router, THERE6, 58, len(body)) + body)


@pytest.mark.parametrize(
    ("remote", "code", "number"),
    [
        (RIGHT, 3, errno.ECONNREFUSED),
        (RIGHT, 2, errno.ENOPROTOOPT),
        ("fd00::2", 4, errno.ECONNREFUSED),
        ("fd00::2", 1, errno.EACCES),
    ],
)
def test_a_hard_error_ends_the_connection_it_quotes(remote: str, code: int, number: int) -> None:
    """RFC 9293 3.9.2.2, MUST-54, SHLD-26."""
    pair = TwoStacks()
    left = pair.left.connect(at(remote, 80), pair.now)
    bystander = pair.left.connect(at(remote, 81), pair.now)
    error = quoting(pair, IcmpKind.UNREACHABLE, code)
    assert pair.left.packet_arrives(error, pair.now) is Stop.ICMP_TAKEN
    assert left.state is State.CLOSED and left.error == number
    assert bystander.state is State.SYN_SENT
    assert left in pair.left.take_noticed()


def test_a_soft_error_is_advice() -> None:
    """RFC 9293 3.9.2.2, MUST-56, SHLD-25: the connection lives."""
    pair = TwoStacks()
    left = pair.left.connect(at(RIGHT, 80), pair.now)
    error = quoting(pair, IcmpKind.UNREACHABLE, 1)
    assert pair.left.packet_arrives(error, pair.now) is Stop.ICMP_TAKEN
    assert left.state is State.SYN_SENT and left.soft_error == errno.EHOSTUNREACH


def test_source_quench_and_what_quotes_no_connection_is_ignored() -> None:
    """MUST-55, RFC 5927 4.1."""
    pair = TwoStacks()
    left = pair.left.connect(at(RIGHT, 80), pair.now)
    quench = quoting(pair, IcmpKind.SOURCE_QUENCH, 0)
    assert pair.left.packet_arrives(quench, pair.now) is Stop.ICMP_IGNORED
    left.abort(pair.now)
    pair.left.wake(left, pair.now)
    other = pair.left.connect(at(RIGHT, 80), pair.now)
    late = quoting(pair, IcmpKind.UNREACHABLE, 3)
    other.abort(pair.now)
    pair.left.wake(other, pair.now)
    assert pair.left.packet_arrives(late, pair.now) is Stop.ICMP_IGNORED


def test_packet_too_big_lowers_the_path_mtu_of_the_destination() -> None:
    """RFC 1191, RFC 8201: this connection, and those to come for ten minutes."""
    for remote, mtu in ((RIGHT, 1300), ("fd00::2", 1280)):
        pair = TwoStacks()
        pair.right.listen(at(remote, 80), 8)
        left = pair.left.connect(at(remote, 80), pair.now)
        pair.run()
        left.send(bytes(5000), pair.now)
        pair.left.wake(left, pair.now)
        too_big = quoting(pair, IcmpKind.PACKET_TOO_BIG, 4 if "." in remote else 0, mtu)
        assert pair.left.packet_arrives(too_big, pair.now) is Stop.ICMP_TAKEN
        assert left.info().path_mtu == mtu
        while (packet := pair.left.next_packet(pair.now)) is not None:
            last = packet
        assert last.length <= mtu
        another = pair.left.connect(at(remote, 80), pair.now)
        assert another.info().path_mtu == mtu
        pair.now += 11 * MINUTE
        assert pair.left.connect(at(remote, 80), pair.now).info().path_mtu == 1500


def test_packet_too_big_that_quotes_nothing_in_flight_is_not_believed() -> None:
    """RFC 5927 7: nor does it reach the cache."""
    pair = TwoStacks()
    left, _, _ = pair.connect()
    left.send(b"x" * 1000, pair.now)
    pair.left.wake(left, pair.now)
    stale = quoting(pair, IcmpKind.PACKET_TOO_BIG, 4, 600)
    forged = bytearray(stale.data)
    struct.pack_into("!I", forged, 20 + 8 + 20 + 4, 12345)
    body = bytes(forged[28:])
    message = encode_icmp4(IcmpKind.PACKET_TOO_BIG, 4, 600, body)
    packet = Packet(bytes(forged[:20]) + message)
    assert pair.left.packet_arrives(packet, pair.now) is Stop.ICMP_IGNORED
    assert pair.left.mtus.get(HERE, pair.now) == 65535 and left.info().path_mtu == 1500


def test_a_router_that_names_no_mtu_means_the_next_plateau() -> None:
    """RFC 1191 5 and 7."""
    pair = TwoStacks()
    left, _, _ = pair.connect()
    left.send(bytes(5000), pair.now)
    pair.left.wake(left, pair.now)
    error = quoting(pair, IcmpKind.PACKET_TOO_BIG, 4, 0)
    assert pair.left.packet_arrives(error, pair.now) is Stop.ICMP_TAKEN
    assert left.info().path_mtu == 1492


def test_what_the_stack_sends_is_whole(stack: Stack) -> None:
    """Its resets have right checksums, over both kinds of IP."""
    for source, destination in ((LEFT, RIGHT), ("fd00::1", "fd00::2")):
        stack.packet_arrives(carried(Segment(5, 9, 7, 99, ACK, 1), source, destination), 0)
        packet = stack.next_packet(0)
        assert packet is not None
        data = packet.to_bytes()
        start = 20 if data[0] >> 4 == 4 else 40
        here, there = pack_address(destination), pack_address(source)
        assert transport_holds(here, there, 6, data, start, len(data))
        assert segment_in(packet).seq == 99
        if start == 20:
            assert isinstance(decode_ip4(data, 0, len(data)), Ip4)


@given(
    st.binary(max_size=120),
    st.sampled_from([b"", b"\x45", b"\x46\0", b"\x60\0\0\0", b"\x45\0\0\x28\0\0\0\0\x40\x06"]),
)
def test_no_octets_make_a_stack_raise(octets: bytes, head: bytes) -> None:
    """Promise 4: the peer can never make us raise."""
    stack = host("10.0.0.2/24", "fd00::2/64")
    stack.listen(Endpoint(b"", 80), 8)
    for checksum in (0, CHECKSUM_TRUSTED):
        stack.packet_arrives(Packet(head + octets, checksum=checksum), 0)


@given(st.binary(max_size=80), st.integers(0, 255), st.booleans())
def test_no_transport_octets_make_a_stack_raise(rest: bytes, protocol: int, six: bool) -> None:
    """The same behind a good IP header to a connection that stands."""
    pair = TwoStacks()
    left, _, _ = pair.connect()
    ports = struct.pack("!HH", 80, left.local.port)
    body = ports + rest
    if six:
        head = encode_ip6(HERE6, THERE6, protocol, len(body))
    else:
        head = encode_ip4(HERE, THERE, 6 if protocol & 1 else protocol, len(body))
    pair.left.packet_arrives(Packet(head + body, checksum=CHECKSUM_TRUSTED), pair.now)
    pair.run_until(pair.now + SECOND)


def test_a_stack_that_is_not_strict_is_the_default() -> None:
    """Config.strict is for tests."""
    assert not Config().strict and STRICT.strict
