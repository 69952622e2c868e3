"""TCP-AO (RFC 5925) end to end: two hosts, bad wires, keys that change, forgers."""

import errno

import pytest
from tests.sim.ends import assert_delivered, assert_nothing_left, octets
from tests.stack.two_stacks import LEFT, RIGHT, STRICT, TwoStacks, at, carried, segment_in

from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.stack.options import IPPROTO_TCP, TCP_AO_ADD_KEY, TCP_AO_DEL_KEY
from lastack.stack.signing_options import pack_ao, pack_ao_del
from lastack.stack.sockets import TcpSocket
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.states import CLOSED, ESTABLISHED, SYN_SENT, TIME_WAIT
from lastack.units import MS, SECOND
from lastack.wire import icmp, ip4
from lastack.wire.address import pack_address
from lastack.wire.ao import AES_CMAC, HMAC_SHA1, AoKey, AoSigner
from lastack.wire.packet import Packet
from lastack.wire.segment import ACK, RST, SYN, Segment
from lastack.wire.signing import Md5Key
from lastack.wire.stop import Stop

SECRET = b"master key"


def key(
    peer: str,
    send_id: int,
    recv_id: int,
    secret: bytes = SECRET,
    algorithm: str = HMAC_SHA1,
    covers_options: bool = True,
) -> AoKey:
    return AoKey(
        pack_address(peer), secret, send_id, recv_id, algorithm, covers_options=covers_options
    )


def with_keys(*keys: AoKey) -> Config:
    return STRICT.replace(ao_keys=keys)


def two(left: Config | None = None, right: Config | None = None) -> TwoStacks:
    return TwoStacks(left or with_keys(key(RIGHT, 1, 2)), right or with_keys(key(LEFT, 2, 1)))


def signer(stack: Stack, connection: Connection) -> AoSigner:
    found = stack.signer_of(connection)
    assert isinstance(found, AoSigner)
    return found


@pytest.mark.parametrize("algorithm", [HMAC_SHA1, AES_CMAC])
@pytest.mark.parametrize("covers_options", [False, True])
@pytest.mark.parametrize("v6", [False, True])
def test_a_conversation_over_a_bad_wire(algorithm: str, covers_options: bool, v6: bool) -> None:
    """Loss, reordering, doubles and corruption; every segment is signed and nothing is forged."""
    if algorithm == AES_CMAC:
        pytest.importorskip("cryptography", reason="the extra `ao` is not installed")
    left, right = ("fd00::1", "fd00::2") if v6 else (LEFT, RIGHT)
    pair = TwoHosts(
        seed=5,
        loss=0.08,
        reorder=0.2,
        duplicate=0.05,
        corrupt=0.03,
        jitter=5 * MS,
        left_config=with_keys(key(right, 1, 2, SECRET, algorithm, covers_options)),
        right_config=with_keys(key(left, 2, 1, SECRET, algorithm, covers_options)),
        left_address=f"{left}/64" if v6 else f"{left}/24",
        right_address=f"{right}/64" if v6 else f"{right}/24",
    )
    packets: list[Packet] = []
    pair.wire.trace = lambda passage: packets.append(passage.packet)
    conversation = Conversation(pair, octets(1, 50_000), octets(2, 50_000))
    conversation.run()
    assert_delivered(conversation)
    assert_nothing_left(pair)
    start = 40 if v6 else 20
    tcp = [p for p in packets if p.to_bytes()[6 if v6 else 9] == 6]
    assert len(tcp) > 60
    for packet in tcp:
        data = packet.to_bytes()
        options = data[start + 20 : start + (data[start + 12] >> 4) * 4]
        assert b"\x1d\x10" in options and len(options) <= 40
    for stack in (pair.left, pair.right):
        wrong = (Stop.AO_WRONG, Stop.AO_MISSING, Stop.AO_UNKNOWN_KEY)
        assert sum(stack.counters.stops[stop] for stop in wrong) == 0


def test_both_ends_may_open_at_once() -> None:
    """Two SYNs cross: each is made with the peer's ISN at zero, what follows with both."""
    pair = TwoHosts(
        seed=6,
        left_config=with_keys(key(RIGHT, 1, 2)),
        right_config=with_keys(key(LEFT, 2, 1)),
    )
    conversation = Conversation(pair, octets(1, 5000), octets(2, 5000), simultaneous=True)
    conversation.run()
    assert_delivered(conversation)


@pytest.mark.parametrize(
    ("left", "right", "stop"),
    [
        (key(RIGHT, 1, 2, b"other"), key(LEFT, 2, 1), Stop.AO_WRONG),
        (key(RIGHT, 7, 2), key(LEFT, 2, 1), Stop.AO_UNKNOWN_KEY),
        (None, key(LEFT, 2, 1), Stop.AO_MISSING),
    ],
)
def test_a_syn_that_is_not_signed_as_agreed_is_dropped_without_an_answer(
    left: AoKey | None, right: AoKey, stop: Stop
) -> None:
    """RFC 5925 7.3: silently; and nothing is kept of it."""
    world = two(STRICT if left is None else with_keys(left), with_keys(right))
    world.right.listen(at(RIGHT, 80), 8)
    client = world.left.connect(at(RIGHT, 80), world.now)
    world.run()
    assert client.state is SYN_SENT and world.stops == [stop]
    assert world.right.connections() == []


@pytest.mark.parametrize("accepted", [True, False])
def test_an_option_that_no_key_is_for_is_overlooked_or_not(accepted: bool) -> None:
    """RFC 5925 7.3 wants a switch; the connection is then one without TCP-AO."""
    world = TwoStacks(STRICT, STRICT.replace(ao_unmatched_accepted=accepted))
    world.right.listen(at(RIGHT, 80), 8)
    option = bytes((29, 16, 1, 2)) + bytes(12)
    syn = carried(Segment(5000, 80, 1, 0, SYN, 1000, 0, option))
    stop = world.right.packet_arrives(syn, world.now)
    assert stop is (None if accepted else Stop.AO_UNEXPECTED)
    assert len(world.right.connections()) == (1 if accepted else 0)


def test_a_key_changes_in_the_middle_without_losing_a_segment() -> None:
    """Both ends learn the new key, one asks for it, the other follows (RFC 5925 7.4, 7.5)."""
    old_left, old_right = key(RIGHT, 1, 2), key(LEFT, 2, 1)
    new_left, new_right = key(RIGHT, 11, 12, b"new"), key(LEFT, 12, 11, b"new")
    world = two(with_keys(old_left), with_keys(old_right))
    left, right, _ = world.connect()
    world.send(world.left, left, b"one")
    # The right end has the new key and may be spoken to with it; it asks for the old one still.
    world.right.reconfigure(right, with_keys(old_right, new_right), world.now)
    world.send(world.right, right, b"two")
    assert signer(world.right, right).current is old_right
    # The left end asks for the new key from now on, and is answered with it.
    world.left.reconfigure(left, with_keys(new_left, old_left), world.now)
    world.send(world.left, left, b"three")
    assert signer(world.right, right).current is new_right
    world.send(world.right, right, b"four")
    assert signer(world.left, left).heard_id == 12
    assert signer(world.left, left).current is old_left
    # The right end asks for it too; then the old one can go.
    world.right.reconfigure(right, with_keys(new_right, old_right), world.now)
    world.send(world.right, right, b"five")
    world.send(world.left, left, b"six")
    assert signer(world.left, left).current is new_left
    world.left.reconfigure(left, with_keys(new_left), world.now)
    world.right.reconfigure(right, with_keys(new_right), world.now)
    world.send(world.left, left, b"seven")
    assert right.receive(100, world.now) == b"onethreesixseven"
    assert left.receive(100, world.now) == b"twofourfive"
    assert world.stops == [] and left.info().retransmissions == 0


@pytest.mark.parametrize("flags", [RST | ACK, SYN, ACK])
def test_no_forged_segment_touches_a_connection(flags: int) -> None:
    """Not even with exact numbers."""
    world = two()
    left, right, _ = world.connect()
    tcb = right.tcb
    for option, stop in (
        (b"", Stop.AO_MISSING),
        (bytes((29, 16, 1, 2)) + bytes(12), Stop.AO_WRONG),
        (bytes((19, 18)) + bytes(16) + b"\1\1", Stop.AO_MISSING),
    ):
        forged = Segment(left.local.port, 80, tcb.rcv.nxt, tcb.snd.nxt, flags, 1000, 0, option)
        assert world.right.packet_arrives(carried(forged), world.now) is stop
    assert right.state is ESTABLISHED
    assert world.right.next_packet(world.now) is None


def test_a_code_of_another_connection_is_worth_nothing() -> None:
    """Traffic keys come from both ISNs: what was signed in an older one is not believed."""
    world = two()
    left, right, listener = world.connect()
    left.send(b"transfer", world.now)
    world.left.wake(left, world.now)
    recorded = world.left.next_packet(world.now)
    assert recorded is not None
    assert world.right.packet_arrives(recorded, world.now) is None
    world.run()
    port = left.local.port
    left.abort(world.now)
    world.left.wake(left, world.now)
    world.run()
    assert right.state is CLOSED
    world.now += SECOND  # other ISNs
    again = world.left.connect(at(RIGHT, 80), world.now, local=at(LEFT, port))
    world.run()
    assert again.state is ESTABLISHED
    assert world.right.packet_arrives(recorded, world.now) is Stop.AO_WRONG
    listener.close(world.now)


def test_a_closed_port_signs_the_reset_of_a_syn() -> None:
    """With the ISN that it has never had at zero; anything else it cannot answer."""
    world = two()
    client = world.left.connect(at(RIGHT, 81), world.now)
    world.run()
    assert client.state is CLOSED
    assert world.stops == [Stop.NO_CONNECTION, Stop.RESET]
    world.stops.clear()
    left, right, _ = world.connect()
    world.right.forget(world.right.demux.numbers[right.number])  # it has crashed, say
    left.send(b"hello?", world.now)
    world.left.wake(left, world.now)
    world.run()
    assert world.stops[0] is Stop.AO_WRONG and left.state is ESTABLISHED


def test_time_wait_answers_signed_and_hears_only_what_is_signed() -> None:
    """The small entry keeps keys and numbers."""
    world = two()
    left, right, _ = world.connect()
    world.close(world.left, left)
    world.lose_left = True
    world.close(world.right, right)
    assert left.state is TIME_WAIT and len(world.left.time_waits()) == 1
    world.lose_left = False
    forged = Segment(80, left.local.port, right.tcb.snd.nxt, left.tcb.snd.nxt, RST | ACK, 0)
    stop = world.left.packet_arrives(carried(forged, RIGHT, LEFT), world.now)
    assert stop is Stop.AO_MISSING
    world.run_until(world.now + 5 * SECOND)
    assert right.state is CLOSED and Stop.FIN_IN_TIME_WAIT in world.stops


@pytest.mark.parametrize("ignored", [True, False])
@pytest.mark.parametrize(("code", "rest"), [(2, 0), (3, 0), (4, 800)])
def test_icmp_that_anybody_could_have_sent(ignored: bool, code: int, rest: int) -> None:
    """RFC 5925 7.8: unreachable with code 2, 3 or 4 does nothing unless told otherwise."""
    base = with_keys(key(RIGHT, 1, 2)).replace(ao_ignores_icmp=ignored)
    world = two(base)
    left, _, _ = world.connect()
    left.send(b"x" * 1400, world.now)
    world.left.wake(left, world.now)
    packet = world.left.next_packet(world.now)
    assert packet is not None
    body = icmp.error4(icmp.IcmpKind.UNREACHABLE, code, rest, packet.to_bytes())
    head = ip4.encode_ip4(pack_address(RIGHT), pack_address(LEFT), 1, len(body))
    stop = world.left.packet_arrives(Packet(head + body), world.now)
    assert stop is (Stop.ICMP_IGNORED if ignored else Stop.ICMP_TAKEN)
    assert (left.state is ESTABLISHED and left.info().path_mtu == 1500) is ignored


def test_the_code_has_room_in_every_header() -> None:
    """Sixteen octets: an MSS smaller by them, and one SACK block beside timestamps."""
    ten = {"initial_window": 10}
    world = two(
        with_keys(key(RIGHT, 1, 2)).replace(**ten), with_keys(key(LEFT, 2, 1)).replace(**ten)
    )
    left, _, _ = world.connect()
    assert left.info().mss == 1460 - 12 - 16 and left.info().timestamps and left.info().sack
    left.send(b"y" * 15_000, world.now)
    world.left.wake(left, world.now)
    packets: list[Packet] = []
    while (packet := world.left.next_packet(world.now)) is not None:
        packets.append(packet)
    assert all(len(packet.to_bytes()) <= 1500 for packet in packets)
    for packet in packets[1::2]:
        world.right.packet_arrives(packet, world.now)
    blocks = []
    while (packet := world.right.next_packet(world.now)) is not None:
        blocks.append(len(segment_in(packet).sack))
    assert max(blocks) == 1


def test_where_a_peer_has_keys_of_both_kinds_it_is_tcp_ao() -> None:
    """RFC 5925 8."""
    both = with_keys(key(RIGHT, 1, 2)).replace(md5_keys=(Md5Key(pack_address(RIGHT), SECRET),))
    world = two(both)
    left, _, _ = world.connect()
    assert isinstance(world.left.signer_of(left), AoSigner) and left.state is ESTABLISHED


def test_the_socket_options_take_the_kernels_structures() -> None:
    """TCP_AO_ADD_KEY and TCP_AO_DEL_KEY: a key joins, is asked for, and the old one goes."""
    world = TwoStacks()

    def change(socket: TcpSocket, name: int, value: bytes) -> None:
        socket.setsockopt(world.now, IPPROTO_TCP, name, value)

    listening = TcpSocket(world.right)
    listening.bind(world.now, at(RIGHT, 179))
    change(listening, TCP_AO_ADD_KEY, pack_ao(key(LEFT, 2, 1)))
    listening.listen(world.now, 8)
    client = TcpSocket(world.left)
    change(client, TCP_AO_ADD_KEY, pack_ao(key(RIGHT, 1, 2)))
    client.connect_ex(world.now, at(RIGHT, 179))
    world.run()
    server, _ = listening.accept(world.now)
    change(server, TCP_AO_ADD_KEY, pack_ao(key(LEFT, 4, 3, b"new")))
    change(client, TCP_AO_ADD_KEY, pack_ao(key(RIGHT, 3, 4, b"new"), first=True))
    client.send(world.now, b"one")
    world.run()
    server.send(world.now, b"two")
    world.run()
    assert server.recv(world.now, 10) == b"one" and client.recv(world.now, 10) == b"two"
    assert client.connection is not None
    assert signer(world.left, client.connection).heard_id == 4
    change(server, TCP_AO_DEL_KEY, pack_ao_del(pack_address(LEFT), 2, 1))
    assert server.getsockopt(world.now, IPPROTO_TCP, TCP_AO_ADD_KEY) == 1
    good = pack_ao(key(RIGHT, 9, 9))
    for name, value, number in (
        (TCP_AO_ADD_KEY, good[:100], errno.EINVAL),
        (TCP_AO_ADD_KEY, pack_ao(key(RIGHT, 1, 7)), errno.EEXIST),
        (TCP_AO_ADD_KEY, good[:128] + b"x" * 64 + good[192:], errno.ENOENT),
        (TCP_AO_DEL_KEY, pack_ao_del(pack_address(RIGHT), 7, 7), errno.ENOENT),
        (TCP_AO_DEL_KEY, b"", errno.EINVAL),
    ):
        with pytest.raises(OSError) as caught:
            change(client, name, value)
        assert caught.value.errno == number
