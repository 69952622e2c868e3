"""Fast Open (RFC 7413) between two stacks, through their sockets."""

import errno
import struct

import pytest
from two_stacks import LEFT, RIGHT, STRICT, TwoStacks, at, carried, host, segment_in

from lastack.chance import siphash
from lastack.errors import LastackError
from lastack.stack import options as o
from lastack.stack.early import RESET_COUNTS_FOR
from lastack.stack.fast_open import MOST_SERVERS
from lastack.stack.sockets import TcpSocket
from lastack.tcp.config import Config, preset
from lastack.tcp.states import State
from lastack.units import HOUR, MINUTE, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.fast_open import find_fast_open
from lastack.wire.notation import Base, parse_segment
from lastack.wire.packet import Packet
from lastack.wire.segment import ACK, RST, SYN, Segment

TCP = o.IPPROTO_TCP
THERE = at(RIGHT, 80)


class Pair(TwoStacks):
    """Two stacks, with a Fast Open listener on the right."""

    def __init__(self, left: Config = STRICT, right: Config = STRICT, limit: int = 4) -> None:
        super().__init__(left, right)
        self.server = TcpSocket(self.right)
        self.server.bind(self.now, THERE)
        self.server.setsockopt(self.now, TCP, o.TCP_FASTOPEN, limit)
        self.server.listen(self.now, 8)

    def client(self) -> TcpSocket:
        return TcpSocket(self.left)

    def first_send(self, client: TcpSocket, data: bytes) -> int:
        """Send with MSG_FASTOPEN; return what was taken, or the errno below zero."""
        try:
            return client.send(self.now, data, o.MSG_FASTOPEN, THERE)
        except LastackError as error:
            return -(error.errno or 0)

    def get_a_cookie(self) -> None:
        client = self.client()
        assert self.first_send(client, b"") == -errno.EINPROGRESS
        self.run()
        client.close(self.now)
        self.server.accept(self.now)[0].close(self.now)
        self.run()

    def accepted(self) -> TcpSocket:
        return self.server.accept(self.now)[0]

    def one_way(self) -> list[Segment]:
        """Let what the left side wants to send arrive on the right; return it."""
        moved: list[Segment] = []
        while (packet := self.left.next_packet(self.now)) is not None:
            moved.append(segment_in(packet))
            self.right.packet_arrives(Packet(packet.to_bytes()), self.now)
        return moved


def test_a_cookie_is_fetched_once_and_then_opens_at_once() -> None:
    """RFC 7413 3.1: the second request and its answer need one round trip together."""
    pair = Pair()
    pair.get_a_cookie()
    client = pair.client()
    assert pair.first_send(client, b"request") == 7
    [syn] = pair.one_way()
    option = find_fast_open(syn.options)
    assert syn.payload == b"request" and option is not None and len(option.cookie) == 8
    server = pair.accepted()
    assert server.connection is not None and server.connection.state is State.SYN_RECEIVED
    assert server.recv(pair.now, 100) == b"request"
    assert server.send(pair.now, b"response") == 8
    first = pair.right.next_packet(pair.now)
    second = pair.right.next_packet(pair.now)
    assert first is not None and second is not None
    assert (
        segment_in(first).flags == SYN | ACK and segment_in(first).ack == (syn.seq + 8) & 0xFFFFFFFF
    )
    assert segment_in(second).payload == b"response"
    for packet in (first, second):
        pair.left.packet_arrives(Packet(packet.to_bytes()), pair.now)
    assert client.recv(pair.now, 100) == b"response"
    pair.run()
    for socket in (client, server):
        assert socket.connection is not None and socket.connection.state is State.ESTABLISHED
        assert socket.connection.info().syn_data


def test_without_a_cookie_the_data_waits_for_the_handshake() -> None:
    """RFC 7413 4.1.3: a request for one, and no data."""
    pair = Pair()
    client = pair.client()
    assert pair.first_send(client, b"request") == -errno.EINPROGRESS
    assert pair.first_send(client, b"request") == -errno.EALREADY
    [syn] = pair.one_way()
    option = find_fast_open(syn.options)
    assert syn.length == 0 and option is not None and option.cookie == b""
    pair.run()
    assert pair.first_send(client, b"request") == 7
    pair.run()
    assert pair.accepted().recv(pair.now, 100) == b"request"


def test_a_forged_cookie_gets_a_handshake_and_the_true_cookie() -> None:
    """RFC 7413 4.2.2: as a SYN without data, and the SYN-ACK brings a new one."""
    pair = Pair()
    syn = parse_segment("S 0:5(5) win 1000 <mss 1000,FO 0011223344556677>", Base(), 999, 80)
    pair.right.packet_arrives(carried(syn), pair.now)
    assert not pair.server.readable
    packet = pair.right.next_packet(pair.now)
    assert packet is not None
    answer = segment_in(packet)
    option = find_fast_open(answer.options)
    keys = pair.server.getsockopt(pair.now, TCP, o.TCP_FASTOPEN_KEY)
    assert isinstance(keys, bytes) and answer.ack == 1 and option is not None
    true = siphash(keys, at(LEFT, 0).address + at(RIGHT, 0).address)
    assert option.cookie == struct.pack("<Q", true)


def test_keys_are_changed_without_anybody_noticing() -> None:
    """RFC 7413 4.1.2: the older key's cookies are good, and answered with the newer one's."""
    pair = Pair()
    old, new = bytes(range(16)), bytes(range(16, 32))
    pair.server.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_KEY, old)
    pair.get_a_cookie()
    known = dict(pair.left.fast_open.servers)
    before = [entry.cookie for entry in known.values()]
    pair.server.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_KEY, new + old)
    client = pair.client()
    assert pair.first_send(client, b"a") == 1
    pair.one_way()
    assert pair.accepted().recv(pair.now, 9) == b"a"
    pair.run()
    after = [entry.cookie for entry in pair.left.fast_open.servers.values()]
    assert len(after) == 1 and after != before
    pair.server.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_KEY, new)
    assert pair.first_send(pair.client(), b"b") == 1
    pair.one_way()
    assert pair.accepted().recv(pair.now, 9) == b"b"
    with pytest.raises(LastackError):
        pair.server.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_KEY, b"short")


def test_no_more_than_so_many_are_open_before_their_handshake() -> None:
    """RFC 7413 5.1: beyond that, a SYN is a SYN like any other."""
    pair = Pair(limit=2)
    pair.get_a_cookie()
    for expected in (True, True, False):
        assert pair.first_send(pair.client(), b"x") == 1
        pair.one_way()
        assert pair.server.readable is expected
        if expected:
            pair.accepted()
    pair.run()  # the handshakes end: there is room again, and the third has sent its data again
    assert pair.accepted().recv(pair.now, 9) == b"x"
    assert pair.server.listener is not None and pair.server.listener.early.open == 0


def test_a_reset_child_goes_on_to_count_for_a_while() -> None:
    """RFC 7413 5.1: else forged SYNs, which true hosts answer with resets, had no bound."""
    pair = Pair(limit=1)
    pair.get_a_cookie()
    key = pair.right.fast_open.keys
    cookie = pair.right.fast_open.cookie(key, at(LEFT, 0).address, at(RIGHT, 0).address)
    listener = pair.server.listener
    assert listener is not None

    def knock(port: int) -> None:
        text = f"S 0:5(5) win 1000 <mss 1000,FO {cookie.hex()}>"
        pair.right.packet_arrives(carried(parse_segment(text, Base(), port, 80)), pair.now)
        pair.right.next_packet(pair.now)

    knock(1)
    assert listener.acceptable and listener.early.open == 1
    pair.right.packet_arrives(carried(Segment(1, 80, 6, 0, RST, 0)), pair.now)
    assert listener.early.open == 0 and not listener.acceptable
    knock(2)
    assert not listener.acceptable
    pair.now += RESET_COUNTS_FOR
    knock(3)
    assert listener.acceptable and listener.early.open == 1 and not listener.early.resets


@pytest.mark.parametrize("name", ["rfc", "linux"])
def test_a_child_that_was_reset_before_it_was_accepted(name: str) -> None:
    """Linux hands it out all the same: what had come can be read, then the error comes."""
    pair = Pair(right=preset(name).replace(strict=True))
    pair.get_a_cookie()
    client = pair.client()
    pair.first_send(client, b"last words")
    pair.one_way()
    client.setsockopt(pair.now, o.SOL_SOCKET, o.SO_LINGER, o.pack_linger(True, 0))
    assert client.connection is not None
    seq = client.connection.tcb.snd.nxt
    reset = Segment(client.connection.local.port, 80, seq, 0, RST, 0)
    pair.right.packet_arrives(carried(reset), pair.now)
    assert pair.server.readable is (name == "linux")
    if name == "linux":
        server = pair.accepted()
        assert server.recv(pair.now, 100) == b"last words"
        with pytest.raises(ConnectionResetError):
            server.recv(pair.now, 100)


def test_an_early_child_may_close_before_its_handshake_is_over() -> None:
    """RFC 9293 3.10.4: from SYN-RECEIVED to FIN-WAIT-1, the response and FIN on the way."""
    pair = Pair()
    pair.get_a_cookie()
    client = pair.client()
    pair.first_send(client, b"request")
    pair.one_way()
    server = pair.accepted()
    assert server.recv(pair.now, 100) == b"request"
    server.send(pair.now, b"response")
    server.shutdown(pair.now, o.SHUT_WR)
    assert server.connection is not None and server.connection.state is State.FIN_WAIT_1
    pair.run()
    assert client.recv(pair.now, 100) == b"response" and client.recv(pair.now, 100) == b""
    client.close(pair.now)
    pair.run()
    assert server.connection.state is State.TIME_WAIT


def test_connect_waits_for_the_first_data_where_a_cookie_is_known() -> None:
    """TCP_FASTOPEN_CONNECT: sockets that know nothing of Fast Open use it."""
    pair = Pair()
    client = pair.client()
    client.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_CONNECT, 1)
    assert client.connect_ex(pair.now, THERE) == errno.EINPROGRESS
    pair.run()
    pair.accepted()
    client = pair.client()
    client.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_CONNECT, 1)
    assert client.connect_ex(pair.now, THERE) == 0
    assert client.connect_ex(pair.now, THERE) == errno.EISCONN
    assert pair.one_way() == [] and client.writable and not client.readable
    assert client.send(pair.now, b"request") == 7
    [syn] = pair.one_way()
    assert syn.payload == b"request"
    assert client.connect_ex(pair.now, THERE) == errno.EALREADY


def test_a_syn_that_waits_leaves_with_what_its_connection_is_given() -> None:
    """Doors above sockets write to connections."""
    pair = Pair()
    pair.get_a_cookie()
    client = pair.client()
    client.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_CONNECT, 1)
    assert client.connect_ex(pair.now, THERE) == 0
    assert client.connection is not None
    assert client.connection.send(bytes(2000), pair.now) == 2000
    pair.left.wake(client.connection, pair.now)
    [syn] = pair.one_way()
    assert syn.length == 1420
    pair.run()
    assert len(pair.accepted().recv(pair.now, 5000)) == 2000


def test_the_syn_carries_no_more_than_the_server_is_known_to_take() -> None:
    """RFC 7413 4.1.3: the cached MSS, and room for options."""
    pair = Pair(right=STRICT.replace(mss_limit=600))
    pair.get_a_cookie()
    client = pair.client()
    assert pair.first_send(client, bytes(5000)) == 560
    assert client.send(pair.now, b"", 0) == 0 if client.writable else True
    [syn] = pair.one_way()
    assert syn.length == 560


def test_what_the_server_leaves_out_is_sent_again_at_once() -> None:
    """RFC 7413 4.1.3: without a sign of congestion, and without waiting."""
    pair = Pair(right=STRICT.replace(syn_data=False))
    pair.get_a_cookie()
    pair.right.config = pair.right.config.replace(fast_open_server=False)
    client = pair.client()
    assert pair.first_send(client, b"request") == 7
    pair.run()
    assert pair.accepted().recv(pair.now, 100) == b"request"
    assert client.connection is not None
    info = client.connection.info()
    assert not info.syn_data and (info.cwnd or 0) > 2000
    # It did not want it: for a quarter of an hour it is not asked (4.1.3.1).
    client = pair.client()
    assert pair.first_send(client, b"request") == -errno.EINPROGRESS
    [syn] = pair.one_way()
    assert find_fast_open(syn.options) is None
    pair.run()
    pair.accepted()
    pair.now += 15 * MINUTE
    pair.first_send(pair.client(), b"request")
    [syn] = pair.one_way()
    assert find_fast_open(syn.options) is not None


def test_a_path_that_eats_such_syns_is_left_alone() -> None:
    """RFC 7413 4.1.3.1: SYNs that are sent again have neither data nor option."""
    pair = Pair()
    pair.get_a_cookie()
    client = pair.client()
    assert pair.first_send(client, b"request") == 7
    assert pair.left.next_packet(pair.now) is not None  # lost
    pair.now = pair.left.next_deadline()
    pair.left.deadline_passed(pair.now)
    [syn] = pair.one_way()
    assert syn.length == 0 and find_fast_open(syn.options) is None
    pair.run()
    assert pair.accepted().recv(pair.now, 100) == b"request"
    assert pair.first_send(pair.client(), b"x") == -errno.EINPROGRESS


def test_a_black_hole_stops_fast_open_for_an_hour_and_then_for_two() -> None:
    """RFC 7413 7.1: after the third timeout in a row of such a connection."""
    pair = Pair()
    pair.get_a_cookie()

    def dies() -> int:
        client = pair.client()
        pair.first_send(client, b"x")
        assert client.connection is not None
        while client.connection.tcb.retries < 3:
            while pair.left.next_packet(pair.now) is not None:
                pass
            pair.now = pair.left.next_deadline()
            pair.left.deadline_passed(pair.now)
        client.close(pair.now)
        return pair.left.fast_open.paused_until - pair.now

    assert dies() == HOUR
    assert pair.first_send(pair.client(), b"x") == -errno.EINPROGRESS
    pair.run()
    pair.now += 2 * HOUR
    assert dies() == 2 * HOUR


def test_data_without_a_cookie_among_friends() -> None:
    """TCP_FASTOPEN_NO_COOKIE at both ends."""
    pair = Pair()
    pair.server.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_NO_COOKIE, 1)
    client = pair.client()
    client.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_NO_COOKIE, 1)
    assert pair.first_send(client, b"request") == 7
    [syn] = pair.one_way()
    assert find_fast_open(syn.options) is None
    assert pair.accepted().recv(pair.now, 100) == b"request"


def test_a_secret_between_client_and_server() -> None:
    """FreeBSD's pre-shared key: a cookie that was overheard is not enough."""
    pair = Pair()
    secret = struct.pack("=i", 1) + bytes(range(16))
    server = TcpSocket(pair.right)
    server.bind(pair.now, at(RIGHT, 81))
    server.setsockopt(pair.now, TCP, o.TCP_FASTOPEN, secret)
    server.listen(pair.now, 8)
    pair.get_a_cookie()
    for value, expected in ((secret, True), (1, False)):
        client = pair.client()
        client.setsockopt(pair.now, TCP, o.TCP_FASTOPEN, value)
        assert client.send(pair.now, b"request", o.MSG_FASTOPEN, at(RIGHT, 81)) == 7
        pair.one_way()
        assert server.readable is expected
        if expected:
            server.accept(pair.now)


def test_sending_to_an_address_connects_where_that_is_the_custom() -> None:
    """FreeBSD's implied connect: all data is taken, the SYN has what it can carry."""
    pair = Pair(left=preset("freebsd").replace(strict=True))
    client = pair.client()
    client.setsockopt(pair.now, TCP, o.TCP_FASTOPEN, 1)
    assert client.send(pair.now, bytes(3000), 0, THERE) == 3000
    pair.run()
    assert len(pair.accepted().recv(pair.now, 9999)) == 3000
    client = pair.client()
    client.setsockopt(pair.now, TCP, o.TCP_FASTOPEN, 1)
    assert client.send(pair.now, bytes(3000), 0, THERE) == 3000
    [syn] = pair.one_way()
    assert syn.length == 1420


def test_a_client_remembers_no_more_servers_than_it_may() -> None:
    """The oldest goes first."""
    stack = host("10.0.0.1/8")
    for i in range(MOST_SERVERS + 10):
        address = (0x0A000100 + i).to_bytes(4, "big")
        connection = stack.connect(Endpoint(address, 80), 0, fast_open=True)
        packet = stack.next_packet(0)
        assert packet is not None
        syn = segment_in(packet)
        text = f"S. 0:0(0) ack {(syn.seq + 1) & 0xFFFFFFFF} win 1000 <mss 1000,FO 01020304>"
        answer = parse_segment(text, Base(), 80, connection.local.port)
        source = ".".join(map(str, address))
        stack.packet_arrives(carried(answer, source, "10.0.0.1"), SECOND)
        stack.next_packet(SECOND)
    assert len(stack.fast_open.servers) == MOST_SERVERS


def test_crossing_syns_with_data() -> None:
    """RFC 9293 3.5, figure 8: both ends' data goes again once they know each other."""
    two = TwoStacks()
    ends = (at(LEFT, 1000), at(RIGHT, 2000))
    no_cookie = STRICT.replace(fast_open_sends_cookie=False)
    left = two.left.connect(ends[1], two.now, ends[0], no_cookie, fast_open=True)
    right = two.right.connect(ends[0], two.now, ends[1], no_cookie, fast_open=True)
    left.send(b"from the left", two.now)
    right.send(b"from the right", two.now)
    packets = [side.next_packet(two.now) for side in (two.left, two.right)]
    assert packets[0] is not None and packets[1] is not None
    assert segment_in(packets[0]).length == 13
    two.right.packet_arrives(Packet(packets[0].to_bytes()), two.now)
    two.left.packet_arrives(Packet(packets[1].to_bytes()), two.now)
    two.run()
    assert right.receive(100, two.now) == b"from the left"
    assert left.receive(100, two.now) == b"from the right"


def test_options_that_do_not_fit_the_moment() -> None:
    """EINVAL for a socket that is open, EOPNOTSUPP where Fast Open is off."""
    pair = Pair()
    client = pair.client()
    pair.left.config = pair.left.config.replace(fast_open_client=False)
    assert pair.first_send(client, b"x") == -errno.EOPNOTSUPP
    with pytest.raises(LastackError, match="off"):
        client.setsockopt(pair.now, TCP, o.TCP_FASTOPEN_CONNECT, 1)
    pair.left.config = pair.left.config.replace(fast_open_client=True)
    client.connect_ex(pair.now, THERE)
    for name in (o.TCP_FASTOPEN, o.TCP_FASTOPEN_CONNECT, o.TCP_FASTOPEN_NO_COOKIE):
        with pytest.raises(LastackError):
            client.setsockopt(pair.now, TCP, name, 1)
    assert pair.server.getsockopt(pair.now, TCP, o.TCP_FASTOPEN) == 4
    assert pair.server.getsockopt(pair.now, TCP, o.TCP_FASTOPEN_CONNECT) == 0
    assert pair.server.getsockopt(pair.now, TCP, o.TCP_FASTOPEN_NO_COOKIE) == 0
