"""TCP inside UDP datagrams, per connection, as FreeBSD has it."""

import errno
import struct

import pytest
from tests.sim.ends import assert_delivered, assert_nothing_left, octets
from tests.stack.two_stacks import LEFT, RIGHT, STRICT, TwoStacks, at, carried

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.stack import options
from lastack.stack.sockets import TcpSocket
from lastack.tcp.config import Config
from lastack.tcp.states import CLOSED, ESTABLISHED, SYN_SENT, TIME_WAIT
from lastack.units import MS
from lastack.wire import icmp, ip4, ip6
from lastack.wire.address import pack_address
from lastack.wire.checksum import transport_checksum, transport_holds
from lastack.wire.packet import Packet
from lastack.wire.segment import ACK, RST, SYN, Segment, decode_segment
from lastack.wire.stop import Stop

PORT = 9811
THERE = 9899
TAKES = STRICT.replace(udp_port=PORT)


def two() -> TwoStacks:
    """The left host speaks from 9811, the right one from 9899."""
    left = TAKES.replace(udp_remote_port=THERE)
    return TwoStacks(left, STRICT.replace(udp_port=THERE))


def in_udp(
    segment: Segment, ports: tuple[int, int], source: str = RIGHT, destination: str = LEFT
) -> Packet:
    """Return a segment in a datagram, as from somewhere out there."""
    here, there = pack_address(source), pack_address(destination)
    inner = segment.header() + segment.payload
    length = 8 + len(inner)
    blank = struct.pack("!HHHH", *ports, length, 0) + inner
    value = transport_checksum(here, there, 17, blank, (), length)
    datagram = blank[:6] + value.to_bytes(2, "big") + inner
    if len(here) == 16:
        return Packet(ip6.encode_ip6(here, there, 17, length) + datagram)
    return Packet(ip4.encode_ip4(here, there, 17, length) + datagram)


def ports_in(packet: Packet) -> tuple[int, int]:
    """Return the UDP ports of a packet of ours, whose checksum must hold."""
    data = packet.to_bytes()
    start = 20 if data[0] >> 4 == 4 else 40
    assert data[9 if start == 20 else 6] == 17
    ends = (data[12:16], data[16:20]) if start == 20 else (data[8:24], data[24:40])
    assert transport_holds(*ends, 17, data, start, len(data))
    source, destination, length = struct.unpack_from("!HHH", data, start)
    assert length == len(data) - start
    assert isinstance(decode_segment(data, start + 8, len(data)), Segment)
    return source, destination


@pytest.mark.parametrize("v6", [False, True])
def test_a_conversation_in_datagrams_over_a_bad_wire(v6: bool) -> None:
    """Every packet is UDP; everything else is as ever."""
    left, right = ("fd00::1/64", "fd00::2/64") if v6 else ("10.0.0.1/24", "10.0.0.2/24")
    pair = TwoHosts(
        seed=11,
        loss=0.1,
        reorder=0.1,
        duplicate=0.05,
        corrupt=0.05,
        jitter=5 * MS,
        left_config=TAKES.replace(udp_remote_port=THERE),
        right_config=STRICT.replace(udp_port=THERE),
        left_address=left,
        right_address=right,
    )
    packets: list[Packet] = []
    pair.wire.trace = lambda passage: packets.append(passage.packet)
    conversation = Conversation(pair, octets(1, 60_000), octets(2, 60_000))
    conversation.run()
    assert_delivered(conversation)
    assert_nothing_left(pair)
    assert len(packets) > 100
    seen = {packet.to_bytes()[6 if v6 else 9] for packet in packets}
    assert seen == {17}


def test_the_datagram_takes_eight_octets_of_the_mtu() -> None:
    """The MSS that is offered and the one that is used are smaller (udp_tunneling_overhead)."""
    world = two()
    left, right, _ = world.connect()
    assert left.info().mss == right.info().mss == 1500 - 40 - 8 - 12
    assert left.tcb.offered_mss() == 1452
    world.send(world.left, left, b"z" * 5000)
    assert right.receive(9000, world.now) == b"z" * 5000
    assert right.config.udp_remote_port == PORT


def test_a_listener_answers_each_the_way_it_came() -> None:
    """Plain segments to plain ones, datagrams to datagrams, on one port."""
    world = TwoStacks(TAKES, STRICT.replace(udp_port=THERE))
    listener = world.right.listen(at(RIGHT, 80), 8)
    plain = world.left.connect(at(RIGHT, 80), world.now)
    wrapped = world.left.connect(
        at(RIGHT, 80), world.now, config=TAKES.replace(udp_remote_port=THERE)
    )
    world.run()
    assert plain.state is wrapped.state is ESTABLISHED
    first, second = listener.accept(), listener.accept()
    assert first is not None and second is not None
    assert [first.config.udp_remote_port, second.config.udp_remote_port] == [0, PORT]


def test_a_closed_port_resets_the_way_it_was_asked() -> None:
    """In a datagram to where it came from."""
    world = two()
    client = world.left.connect(at(RIGHT, 81), world.now)
    world.run()
    assert client.state is CLOSED and world.stops == [Stop.NO_CONNECTION, Stop.RESET]


@pytest.mark.parametrize("way", ["plain", "another port"])
@pytest.mark.parametrize("flags", [ACK, RST, SYN])
def test_a_segment_by_another_way_is_not_the_connections(way: str, flags: int) -> None:
    """It is answered as if there were none, the way it came, and changes nothing."""
    world = two()
    left, _, _ = world.connect()
    tcb = left.tcb
    forged = Segment(80, left.local.port, tcb.rcv.nxt, tcb.snd.nxt, flags, 1000)
    if way == "plain":
        packet = carried(forged, RIGHT, LEFT)
    else:
        packet = in_udp(forged, (THERE + 1, PORT))
    stop = world.left.packet_arrives(packet, world.now)
    assert stop is (Stop.RST_TO_NOBODY if flags & RST else Stop.NO_CONNECTION)
    assert left.state is ESTABLISHED
    answer = world.left.next_packet(world.now)
    if flags & RST:
        assert answer is None
    else:
        assert answer is not None
        if way != "plain":
            assert ports_in(answer) == (PORT, THERE + 1)
        else:
            assert answer.to_bytes()[9] == 6


def test_time_wait_keeps_the_way() -> None:
    """A FIN that comes again is acknowledged in a datagram; from another port it is reset."""
    world = two()
    left, right, _ = world.connect()
    world.close(world.left, left)
    world.close(world.right, right)
    assert left.state is TIME_WAIT
    fin = Segment(80, left.local.port, right.tcb.snd.max - 1, left.tcb.snd.nxt, 0x11, 1000)
    stop = world.left.packet_arrives(in_udp(fin, (THERE, PORT)), world.now)
    assert stop is Stop.FIN_IN_TIME_WAIT
    answer = world.left.next_packet(world.now)
    assert answer is not None and ports_in(answer) == (PORT, THERE)
    stop = world.left.packet_arrives(in_udp(fin, (THERE + 1, PORT)), world.now)
    assert stop is Stop.NO_CONNECTION
    assert left.state is TIME_WAIT


def test_bad_datagrams_stop_by_name() -> None:
    """Cut short, of a wrong length, with no checksum or a wrong one; and those for other ports."""
    world = two()
    segment = Segment(5000, 80, 1, 0, SYN, 1000)
    good = in_udp(segment, (THERE, PORT)).to_bytes()
    for bad in (
        good[:26] + b"\0\0" + good[28:],
        good[:26] + b"\1\2" + good[28:],
        good[:24] + b"\0\x07" + good[26:],
        good[:20] + b"\0\0" + good[22:],
    ):
        assert world.left.packet_arrives(Packet(bad), world.now) is Stop.BAD_UDP
    short = ip4.encode_ip4(pack_address(RIGHT), pack_address(LEFT), 17, 4) + good[20:24]
    assert world.left.packet_arrives(Packet(short), world.now) is Stop.BAD_UDP
    elsewhere = in_udp(segment, (THERE, PORT + 1))
    assert world.left.packet_arrives(elsewhere, world.now) is Stop.UNKNOWN_PROTOCOL
    for cut in range(8, 28):
        inner = good[28 : 28 + cut - 8]
        length = 8 + len(inner)
        blank = struct.pack("!HHHH", THERE, PORT, length, 0) + inner
        ends = pack_address(RIGHT), pack_address(LEFT)
        value = transport_checksum(*ends, 17, blank, (), length)
        data = blank[:6] + value.to_bytes(2, "big") + inner
        head = ip4.encode_ip4(*ends, 17, length)
        assert world.left.packet_arrives(Packet(head + data), world.now) is Stop.BAD_TCP_HEADER


@pytest.mark.parametrize(("ports", "ends"), [((PORT, THERE), True), ((PORT, THERE + 1), False)])
def test_an_icmp_error_that_quotes_the_datagram_finds_the_connection(
    ports: tuple[int, int], ends: bool
) -> None:
    """By the segment inside, and only when the UDP ports are the connection's too."""
    world = two()
    client = world.left.connect(at(RIGHT, 80), world.now)
    packet = world.left.next_packet(world.now)
    assert packet is not None and ports_in(packet) == (PORT, THERE)
    syn = packet.to_bytes()
    quoted = syn[:20] + struct.pack("!HH", *ports) + syn[24:]
    body = icmp.error4(icmp.IcmpKind.UNREACHABLE, 3, 0, quoted)
    head = ip4.encode_ip4(pack_address(RIGHT), pack_address(LEFT), 1, len(body))
    world.left.packet_arrives(Packet(head + body), world.now)
    assert client.state is (CLOSED if ends else SYN_SENT)
    assert client.error == (errno.ECONNREFUSED if ends else 0)


def test_a_smaller_path_is_smaller_by_the_udp_header_too() -> None:
    """An MTU of 1300 leaves 1292 for IP and TCP."""
    world = two()
    left, _, _ = world.connect()
    left.send(b"x" * 1440, world.now)
    world.left.wake(left, world.now)
    packet = world.left.next_packet(world.now)
    assert packet is not None
    body = icmp.error4(icmp.IcmpKind.UNREACHABLE, 4, 1300, packet.to_bytes())
    head = ip4.encode_ip4(pack_address(RIGHT), pack_address(LEFT), 1, len(body))
    assert world.left.packet_arrives(Packet(head + body), world.now) is Stop.ICMP_TAKEN
    assert left.info().path_mtu == 1292
    again = world.left.next_packet(world.now)
    assert again is not None and len(again.to_bytes()) <= 1300


def test_the_socket_option_is_for_a_socket_that_has_done_nothing_yet() -> None:
    """EINVAL later, for what is no port, and where the host has no port of its own."""
    world = TwoStacks(TAKES, STRICT)
    level, name = options.IPPROTO_TCP, options.TCP_REMOTE_UDP_ENCAPS_PORT

    def fails(socket: TcpSocket, value: int) -> bool:
        try:
            socket.setsockopt(world.now, level, name, value)
        except OSError as error:
            return error.errno == errno.EINVAL
        return False

    socket = TcpSocket(world.left)
    assert not fails(socket, THERE) and fails(socket, -1) and fails(socket, 65536)
    assert socket.getsockopt(world.now, level, name) == THERE
    socket.connect_ex(world.now, at(RIGHT, 80))
    assert fails(socket, 0)
    assert fails(TcpSocket(world.right), THERE) and not fails(TcpSocket(world.right), 0)
    assert Config().udp_port == 0
