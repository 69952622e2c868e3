"""TCP-MD5 (RFC 2385) end to end: what is signed, what is believed, and what it costs."""

import struct
from hashlib import md5
from random import Random

import pytest
from tests.sim.ends import assert_delivered, assert_nothing_left, octets
from tests.stack.two_stacks import LEFT, RIGHT, STRICT, TwoStacks, at, carried, host, segment_in

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.stack import options
from lastack.stack.signing_options import pack_md5
from lastack.stack.sockets import AF_INET6, TcpSocket
from lastack.stack.stack import Stack
from lastack.tcp.config import Config, preset
from lastack.tcp.states import CLOSED, ESTABLISHED, SYN_SENT, TIME_WAIT
from lastack.units import MS, SECOND
from lastack.wire.address import pack_address
from lastack.wire.packet import Packet
from lastack.wire.segment import ACK, RST, SYN, Segment
from lastack.wire.signing import Md5Key, md5_key_for, options_around
from lastack.wire.stop import Stop

SECRET = b"between you and me"
OTHER = b"somebody else's"


def keyed(peer: str, secret: bytes = SECRET, base: Config = STRICT) -> Config:
    return base.replace(md5_keys=(Md5Key(pack_address(peer), secret),))


def two(left: Config | None = None, right: Config | None = None) -> TwoStacks:
    return TwoStacks(left or keyed(RIGHT), right or keyed(LEFT))


def digest_by_hand(packet: Packet, secret: bytes) -> bytes:
    """RFC 2385 2: pseudo-header, header without options and checksum zero, data, key."""
    data = packet.to_bytes()
    assert data[0] == 0x45
    tcp = data[20:]
    header = (tcp[12] >> 4) * 4
    whole = data[12:20] + struct.pack("!BBH", 0, 6, len(tcp))
    whole += tcp[:16] + b"\0\0" + tcp[18:20] + tcp[header:] + secret
    return md5(whole).digest()


def md5_of(segment: Segment) -> bytes:
    """Return the digest that a segment carries, b"" without one."""
    at_ = segment.options.find(b"\x13\x12")
    return segment.options[at_ + 2 : at_ + 18] if at_ >= 0 else b""


def drain(stack: Stack, now: int) -> list[Packet]:
    found = []
    while (packet := stack.next_packet(now)) is not None:
        found.append(packet)
    return found


def test_every_segment_of_a_conversation_is_signed_as_the_rfc_says() -> None:
    """SYN, SYN-ACK, data, ACKs, FIN, and the ACKs of TIME-WAIT (RFC 2385 2)."""
    pair = TwoHosts(
        seed=3,
        config=STRICT,
        left_config=keyed("10.0.0.2"),
        right_config=keyed("10.0.0.1"),
        loss=0.1,
        jitter=5 * MS,
    )
    packets: list[Packet] = []
    pair.wire.trace = lambda passage: packets.append(passage.packet)
    conversation = Conversation(pair, octets(3, 40_000), octets(4, 40_000))
    conversation.run()
    assert_delivered(conversation)
    assert_nothing_left(pair)
    assert len(packets) > 60
    for packet in packets:
        assert md5_of(segment_in(packet)) == digest_by_hand(packet, SECRET)
        assert packet.gso_size == 0
    assert pair.left.counters.stops[Stop.MD5_WRONG] == 0


@pytest.mark.parametrize(
    ("left", "right", "stop"),
    [
        (keyed(RIGHT, OTHER), keyed(LEFT), Stop.MD5_WRONG),
        (STRICT, keyed(LEFT), Stop.MD5_MISSING),
        (keyed(RIGHT), STRICT, Stop.MD5_UNEXPECTED),
    ],
)
def test_a_syn_that_is_not_signed_as_agreed_is_dropped_without_an_answer(
    left: Config, right: Config, stop: Stop
) -> None:
    """RFC 2385 2: the segment is silently dropped; no state is made of it."""
    world = TwoStacks(left, right)
    world.right.listen(at(RIGHT, 80), 8)
    client = world.left.connect(at(RIGHT, 80), world.now)
    world.run()
    assert client.state is SYN_SENT
    assert world.stops == [stop]
    assert world.right.counters.stops[stop] == 1
    assert world.right.connections() == []


@pytest.mark.parametrize("flags", [RST | ACK, RST, SYN, ACK])
def test_no_forged_segment_touches_a_connection(flags: int) -> None:
    """A reset with the exact number and no key is what RFC 2385 is for."""
    world = two()
    left, right, _ = world.connect()
    tcb = right.tcb
    before = (tcb.rcv.nxt, tcb.snd.una, tcb.segments_received)
    forged = Segment(left.local.port, 80, tcb.rcv.nxt, tcb.snd.nxt, flags, 1000)
    assert world.right.packet_arrives(carried(forged), world.now) is Stop.MD5_MISSING
    assert right.state is ESTABLISHED
    assert (tcb.rcv.nxt, tcb.snd.una, tcb.segments_received) == before
    assert world.right.next_packet(world.now) is None


def test_a_signature_covers_the_data_and_the_header() -> None:
    """Any bit turned over between the ends (and the checksum put right) is found."""
    world = two()
    left, right, _ = world.connect()
    left.send(b"to the letter", world.now)
    world.left.wake(left, world.now)
    packet = world.left.next_packet(world.now)
    assert packet is not None
    good = segment_in(packet)
    for field in ("seq", "ack", "window", "flags"):
        bad = segment_in(packet)
        setattr(bad, field, getattr(good, field) ^ 8)
        assert world.right.packet_arrives(carried(bad), world.now) is Stop.MD5_WRONG, field
    bad = segment_in(packet)
    bad.parts = (b"to the setter",)
    assert world.right.packet_arrives(carried(bad), world.now) is Stop.MD5_WRONG
    assert world.right.packet_arrives(packet, world.now) is None
    assert right.receive(100, world.now) == b"to the letter"


def test_two_signatures_are_one_too_many() -> None:
    """No segment has two keys."""
    world = two()
    left, right, _ = world.connect()
    twice = (b"\x13\x12" + bytes(16)) * 2
    forged = Segment(left.local.port, 80, 1, 1, ACK, 1, 0, twice)
    assert world.right.packet_arrives(carried(forged), world.now) is Stop.SIGNED_TWICE
    plain = TwoStacks()
    left, right, _ = plain.connect()
    forged.source_port = left.local.port
    assert plain.right.packet_arrives(carried(forged), plain.now) is Stop.SIGNED_TWICE
    assert right.state is ESTABLISHED


def test_a_closed_port_signs_its_reset() -> None:
    """Where the host has a key for the peer, who would not believe any other (RFC 2385 4.1)."""
    world = two()
    client = world.left.connect(at(RIGHT, 81), world.now)
    world.run()
    assert client.state is CLOSED and world.stops[0] is Stop.NO_CONNECTION


def test_an_aborted_connection_signs_its_reset() -> None:
    """The peer believes it."""
    world = two()
    left, right, _ = world.connect()
    left.abort(world.now)
    world.left.wake(left, world.now)
    world.run()
    assert right.state is CLOSED and world.stops == [Stop.RESET]


def test_time_wait_answers_signed_and_hears_only_what_is_signed() -> None:
    """The small entry keeps the key."""
    world = two()
    left, right, _ = world.connect()
    world.close(world.left, left)
    world.lose_left = True  # the ACK of the FIN is lost
    world.close(world.right, right)
    assert left.state is TIME_WAIT and len(world.left.time_waits()) == 1
    world.lose_left = False
    forged = Segment(80, left.local.port, right.tcb.snd.nxt, left.tcb.snd.nxt, RST | ACK, 0)
    stop = world.left.packet_arrives(carried(forged, RIGHT, LEFT), world.now)
    assert stop is Stop.MD5_MISSING and len(world.left.time_waits()) == 1
    world.run_until(world.now + 5 * SECOND)
    assert right.state is CLOSED and Stop.FIN_IN_TIME_WAIT in world.stops


@pytest.mark.parametrize(("name", "mss"), [("rfc", 1440), ("linux", 1440), ("freebsd", 1428)])
def test_the_signature_has_room_in_every_header(name: str, mss: int) -> None:
    """Linux leaves timestamps out, as no SACK block would fit beside both; FreeBSD does not."""
    base = preset(name).replace(strict=True)
    world = two(keyed(RIGHT, base=base), keyed(LEFT, base=base))
    left, right, _ = world.connect()
    assert left.info().mss == right.info().mss == mss
    assert left.info().timestamps is (name == "freebsd")
    assert left.info().sack
    world.send(world.left, left, b"x" * 10_000)
    assert right.receive(20_000, world.now) == b"x" * 10_000


def test_fewer_sack_blocks_fit_beside_a_signature() -> None:
    """Two where there are no timestamps, none beside them (RFC 2018 3)."""
    ten = STRICT.replace(initial_window=10)
    for base, most in ((ten, 2), (preset("freebsd").replace(strict=True), 0)):
        world = two(keyed(RIGHT, base=base), keyed(LEFT, base=base))
        left, _, _ = world.connect()
        left.send(b"y" * 15_000, world.now)
        world.left.wake(left, world.now)
        packets = drain(world.left, world.now)
        assert len(packets) == 10
        for packet in packets[1::2]:
            world.right.packet_arrives(packet, world.now)
        answers = [segment_in(packet) for packet in drain(world.right, world.now)]
        assert answers and max(len(answer.sack) for answer in answers) == most
        assert all(len(answer.options) <= 40 and md5_of(answer) for answer in answers)


def test_a_key_may_be_changed_while_the_connection_lasts() -> None:
    """RFC 2385 4.5 leaves it to both ends; what is under way is sent again with the new key."""
    world = two()
    left, right, _ = world.connect()
    world.left.reconfigure(left, keyed(RIGHT, OTHER), world.now)
    world.send(world.left, left, b"later")
    assert world.stops == [Stop.MD5_WRONG]
    world.right.reconfigure(right, keyed(LEFT, OTHER), world.now)
    world.run_until(world.now + 3 * SECOND)
    assert right.receive(10, world.now) == b"later"


def test_the_longest_prefix_has_the_key() -> None:
    """TCP_MD5SIG_EXT: a key for a network, and one for a host in it."""
    net = Md5Key(pack_address("10.0.0.0"), b"net", 24)
    one = Md5Key(pack_address("10.0.0.7"), b"one")
    every = Md5Key(bytes(16), b"six", 0)
    keys = (one, net, every)
    assert md5_key_for(keys, pack_address("10.0.0.7")) is one
    assert md5_key_for(keys, pack_address("10.0.0.8")) is net
    assert md5_key_for(keys, pack_address("10.0.1.7")) is None
    assert md5_key_for(keys, pack_address("fd00::1")) is every


@pytest.mark.parametrize("extended", [False, True])
def test_the_socket_option_takes_the_kernels_structure(extended: bool) -> None:
    """TCP_MD5SIG before listen and connect, as daemons do it; over IPv6 too."""
    world = TwoStacks()
    name = options.TCP_MD5SIG_EXT if extended else options.TCP_MD5SIG
    bits = 64 if extended else -1

    def give(socket: TcpSocket, peer: str, secret: bytes) -> None:
        value = pack_md5(pack_address(peer), secret, bits)
        socket.setsockopt(world.now, options.IPPROTO_TCP, name, value)

    listening = TcpSocket(world.right, AF_INET6)
    listening.bind(world.now, at("fd00::2", 179))
    give(listening, "fd00::1", SECRET)
    listening.listen(world.now, 8)
    client = TcpSocket(world.left, AF_INET6)
    give(client, "fd00::2", SECRET)
    client.connect_ex(world.now, at("fd00::2", 179))
    world.run()
    server, _ = listening.accept(world.now)
    assert server.getsockopt(world.now, options.IPPROTO_TCP, name) == 1
    client.send(world.now, b"open")
    world.run()
    assert server.recv(world.now, 10) == b"open"
    world.run_until(world.now + SECOND)
    give(client, "fd00::2", b"")  # taken away: from now on nothing is signed
    client.send(world.now, b"more")
    world.run()
    assert world.stops == [Stop.MD5_MISSING]


def test_bad_structures_are_refused() -> None:
    """EINVAL for what is no key, ENOENT for one to be taken away that there is not."""
    socket = TcpSocket(host("10.0.0.1"))
    good = pack_md5(pack_address(RIGHT), SECRET)
    level, name = options.IPPROTO_TCP, options.TCP_MD5SIG
    for value, number in ((good[:40], 22), (b"\xff" * len(good), 22)):
        with pytest.raises(OSError) as caught:
            socket.setsockopt(0, level, name, value)
        assert caught.value.errno == number
    with pytest.raises(OSError) as caught:
        socket.setsockopt(0, level, name, pack_md5(pack_address(RIGHT), b""))
    assert caught.value.errno == 2
    with pytest.raises(OSError):
        socket.setsockopt(0, level, options.TCP_MD5SIG_EXT, pack_md5(bytes(4), SECRET, 33))


def test_to_sign_comes_before_what_else_would_stand_in_a_header() -> None:
    """Forty octets are all there is; whole options go, from the end, and never a piece of one."""
    random = Random(5)
    option = b"\x13\x12" + bytes(16)
    for _ in range(500):
        listed = b""
        while True:
            size = random.randrange(2, 13)
            if len(listed) + size > 40:
                break
            listed += bytes((random.randrange(30, 250), size)) + bytes(size - 2)
        listed += bytes(-len(listed) % 4)
        for last in (False, True):
            whole, place = options_around(listed, option, last)
            assert len(whole) <= 40 and len(whole) % 4 == 0
            assert whole[place : place + 18] == option
            rest = whole.replace(option, b"").strip(b"\x01\x00")
            assert listed.startswith(rest)


def test_a_secret_is_not_shown() -> None:
    """Neither a key nor a Config prints it."""
    assert "you" not in repr(Md5Key(bytes(4), SECRET)) + repr(keyed(LEFT))


def test_an_endpoint_without_keys_is_not_slowed_down_by_them() -> None:
    """No signer is made, and nothing of a header is reserved."""
    world = TwoStacks()
    left, _, _ = world.connect()
    assert left.tcb.signature_room == 0 and left.info().mss == 1448
    assert world.left.demux.numbers[left.number].signer is None
