"""The BSD socket: what each call gives, and the errno when it cannot."""

import errno
import struct

import pytest
from two_stacks import LEFT, RIGHT, STRICT, TwoStacks, at, host, segment_in

from lastack.errors import LastackError
from lastack.stack import options as o
from lastack.stack.sockets import AF_INET6, TcpSocket
from lastack.stack.stack import Stack
from lastack.stack.tcp_info import TCP_INFO_SIZE
from lastack.tcp.states import State
from lastack.units import MINUTE, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.segment import FIN, RST


def code_of(call, *args) -> int:  # type: ignore[no-untyped-def]
    with pytest.raises(LastackError) as raised:
        call(*args)
    assert raised.value.errno is not None
    return raised.value.errno


def test_a_connect_that_succeeds() -> None:
    """EINPROGRESS, EALREADY, success once, EISCONN (connect(2))."""
    pair = TwoStacks()
    listening = TcpSocket(pair.right)
    listening.bind(pair.now, at(RIGHT, 80))
    listening.listen(pair.now, 4)
    client = TcpSocket(pair.left)
    assert not client.readable and not client.writable
    assert client.connect_ex(pair.now, at(RIGHT, 80)) == errno.EINPROGRESS
    assert client.connect_ex(pair.now, at(RIGHT, 80)) == errno.EALREADY
    assert not client.writable and code_of(client.getpeername) == errno.ENOTCONN
    assert code_of(client.send, pair.now, b"x") == errno.EAGAIN
    assert code_of(client.recv, pair.now, 1) == errno.EAGAIN
    pair.run()
    assert client.writable and client.getsockopt(pair.now, o.SOL_SOCKET, o.SO_ERROR) == 0
    assert client.connect_ex(pair.now, at(RIGHT, 80)) == 0
    assert client.connect_ex(pair.now, at(RIGHT, 80)) == errno.EISCONN
    assert listening.connect_ex(pair.now, at(LEFT, 80)) == errno.EISCONN
    assert listening.readable
    server, remote = listening.accept(pair.now)
    assert remote == client.getsockname() == server.getpeername()
    assert client.getpeername() == server.getsockname() == at(RIGHT, 80)
    assert not listening.readable and code_of(listening.accept, pair.now) == errno.EAGAIN


def test_a_connect_that_is_refused_leaves_a_socket_that_may_try_again() -> None:
    """ECONNREFUSED by SO_ERROR, which clears it, or by connect."""
    pair = TwoStacks()
    client = TcpSocket(pair.left)
    client.connect_ex(pair.now, at(RIGHT, 80))
    pair.run()
    assert client.readable and client.writable and client.error == errno.ECONNREFUSED
    assert client.connect_ex(pair.now, at(RIGHT, 80)) == errno.ECONNREFUSED
    assert client.connect_ex(pair.now, at(RIGHT, 80)) == errno.EINPROGRESS
    pair.run()
    assert client.getsockopt(pair.now, o.SOL_SOCKET, o.SO_ERROR) == errno.ECONNREFUSED
    assert client.getsockopt(pair.now, o.SOL_SOCKET, o.SO_ERROR) == 0
    assert client.connect_ex(pair.now, at(RIGHT, 80)) == errno.ECONNABORTED
    pair.right.listen(at(RIGHT, 80), 4)
    client.connect_ex(pair.now, at(RIGHT, 80))
    pair.run()
    assert client.connect_ex(pair.now, at(RIGHT, 80)) == 0


def test_a_connect_nobody_answers_times_out() -> None:
    """ETIMEDOUT after R2 for a SYN (RFC 9293 3.8.3, MUST-23: at least three minutes)."""
    pair = TwoStacks()
    pair.lose_left = True
    client = TcpSocket(pair.left)
    client.connect_ex(pair.now, at(RIGHT, 80))
    began = pair.now
    pair.run_until(began + 3 * MINUTE - SECOND)
    assert client.error == 0
    pair.run_until(began + 10 * MINUTE)
    assert client.error == errno.ETIMEDOUT and client.readable and client.writable
    assert code_of(client.recv, pair.now, 1) == errno.ETIMEDOUT
    assert client.recv(pair.now, 1) == b""


def test_data_both_ways_and_the_end_of_the_stream() -> None:
    """recv: EAGAIN, data, b""; MSG_PEEK leaves it; recv_into fills what it is given."""
    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    assert code_of(server.recv, pair.now, 10) == errno.EAGAIN and not server.readable
    assert client.send(pair.now, bytearray(b"hello world")) == 11
    pair.run()
    assert server.readable and server.recv(pair.now, 5, o.MSG_PEEK) == b"hello"
    assert server.recv(pair.now, 6) == b"hello "
    room = bytearray(9)
    assert server.recv_into(pair.now, room) == 5 and room[:5] == b"world"
    assert server.recv(pair.now, 0) == b""
    client.shutdown(pair.now, o.SHUT_WR)
    assert code_of(client.send, pair.now, b"x") == errno.EPIPE and client.writable
    pair.run()
    assert server.readable and server.recv(pair.now, 1) == b"" == server.recv(pair.now, 1)
    assert server.send(pair.now, memoryview(b"still")) == 5
    pair.run()
    assert client.recv(pair.now, 99) == b"still"
    assert code_of(client.recv, pair.now, 9) == errno.EAGAIN


def test_a_full_buffer_says_again_and_is_writable_when_the_peer_has_read() -> None:
    """send: EAGAIN when nothing could be taken."""
    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    client.setsockopt(pair.now, o.SOL_SOCKET, o.SO_SNDBUF, 4096)
    server.setsockopt(pair.now, o.SOL_SOCKET, o.SO_RCVBUF, 4096)
    sent = 0
    data = bytes(1 << 22)
    while client.writable:
        sent += client.send(pair.now, data[sent:])
        pair.run()
    assert code_of(client.send, pair.now, b"x") == errno.EAGAIN
    heard = 0
    while heard < sent:
        heard += len(server.recv(pair.now, 1 << 20)) if server.readable else 0
        pair.run()
        if not server.readable and heard < sent:
            pair.run_until(pair.now + SECOND)
    assert client.writable


def test_before_a_connection_there_is_none() -> None:
    """ENOTCONN, EINVAL; EBADF after close."""
    pair = TwoStacks()
    lone = TcpSocket(pair.left)
    assert code_of(lone.recv, 0, 1) == errno.ENOTCONN
    assert code_of(lone.send, 0, b"x") == errno.ENOTCONN
    broken = TcpSocket(pair.left, config=STRICT.replace(broken_before_opening=True))  # as in Linux
    assert code_of(broken.send, 0, b"x") == errno.EPIPE
    assert code_of(broken.recv, 0, 1) == errno.ENOTCONN
    assert code_of(broken.recvmsg, 0, 1, o.MSG_ERRQUEUE) == errno.EAGAIN
    assert code_of(lone.shutdown, 0, o.SHUT_WR) == errno.ENOTCONN
    assert code_of(lone.getpeername) == errno.ENOTCONN
    assert code_of(lone.accept, 0) == errno.EINVAL
    assert lone.getsockname() == Endpoint(bytes(4), 0)
    assert lone.connect_ex(0, at("fd00::2", 80)) == errno.EAFNOSUPPORT
    assert code_of(TcpSocket, pair.left, 99) == errno.EAFNOSUPPORT
    lone.close(0)
    lone.close(0)
    for call in (lambda: lone.recv(0, 1), lambda: lone.listen(0, 1), lambda: lone.accept(0)):
        assert code_of(call) == errno.EBADF


def test_binding() -> None:
    """bind(2): EINVAL twice, EADDRNOTAVAIL, EADDRINUSE; port 0 chooses."""
    stack = host("10.0.0.1/24", "10.0.1.1/24")
    one = TcpSocket(stack)
    one.bind(0, at(LEFT, 80))
    assert one.getsockname() == at(LEFT, 80)
    assert code_of(one.bind, 0, at(LEFT, 81)) == errno.EINVAL
    assert code_of(TcpSocket(stack).bind, 0, at("10.0.0.9", 80)) == errno.EADDRNOTAVAIL
    assert code_of(TcpSocket(stack).bind, 0, at(LEFT, 80)) == errno.EADDRINUSE
    assert code_of(TcpSocket(stack).bind, 0, Endpoint(bytes(4), 80)) == errno.EADDRINUSE
    TcpSocket(stack).bind(0, at("10.0.1.1", 80))
    chosen = TcpSocket(stack)
    chosen.bind(0, Endpoint(bytes(4), 0))
    assert 49152 <= chosen.getsockname().port <= 65535
    one.close(0)
    TcpSocket(stack).bind(0, at(LEFT, 80))


def test_a_bound_socket_connects_from_its_port() -> None:
    """The 4-tuple is what must be new, not the port."""
    pair = TwoStacks()
    pair.right.listen(at(RIGHT, 80), 4)
    client = TcpSocket(pair.left)
    client.bind(pair.now, Endpoint(bytes(4), 5555))
    client.connect_ex(pair.now, at(RIGHT, 80))
    assert client.getsockname() == at(LEFT, 5555)
    pair.run()
    again = TcpSocket(pair.left)
    again.setsockopt(pair.now, o.SOL_SOCKET, o.SO_REUSEADDR, 1)
    assert code_of(again.bind, pair.now, at(LEFT, 5555)) == errno.EADDRINUSE
    client.setsockopt(pair.now, o.SOL_SOCKET, o.SO_REUSEADDR, 1)
    assert client.getsockopt(pair.now, o.SOL_SOCKET, o.SO_REUSEADDR) == 1


def serve_and_close_first(pair: TwoStacks) -> None:
    """Leave the server's port in TIME-WAIT, as a server that is restarted finds it."""
    client, server, listening = pair.socket_pair()
    server.close(pair.now)
    pair.run()
    client.close(pair.now)
    pair.run()
    listening.close(pair.now)
    assert len(pair.right.time_waits()) == 1


def test_a_server_restarts_on_its_port_with_reuse_alone() -> None:
    """SO_REUSEADDR: TIME-WAIT on the port is EADDRINUSE without it."""
    pair = TwoStacks()
    serve_and_close_first(pair)
    plain = TcpSocket(pair.right)
    assert code_of(plain.bind, pair.now, at(RIGHT, 80)) == errno.EADDRINUSE
    reuse = TcpSocket(pair.right)
    reuse.setsockopt(pair.now, o.SOL_SOCKET, o.SO_REUSEADDR, 1)
    reuse.bind(pair.now, at(RIGHT, 80))
    reuse.listen(pair.now, 1)
    second = TcpSocket(pair.right)
    second.setsockopt(pair.now, o.SOL_SOCKET, o.SO_REUSEADDR, 1)
    assert code_of(second.bind, pair.now, at(RIGHT, 80)) == errno.EADDRINUSE


def test_two_may_bind_with_reuse_but_only_one_may_listen() -> None:
    """listen(2): EADDRINUSE."""
    stack = host("10.0.0.1/24")
    sockets = [TcpSocket(stack), TcpSocket(stack)]
    for one in sockets:
        one.setsockopt(0, o.SOL_SOCKET, o.SO_REUSEADDR, 1)
        one.bind(0, at(LEFT, 80))
    sockets[0].listen(0, 1)
    sockets[0].listen(0, 5)
    assert sockets[0].listener is not None and sockets[0].listener.backlog == 5
    assert code_of(sockets[1].listen, 0, 1) == errno.EADDRINUSE
    sockets[0].close(0)
    sockets[1].listen(0, 1)


def test_listening_without_bind_gets_a_port_and_listening_when_connected_is_invalid() -> None:
    """listen(2)."""
    pair = TwoStacks()
    lone = TcpSocket(pair.left, AF_INET6)
    lone.listen(0, 1)
    assert lone.getsockname().port >= 49152
    assert lone.getsockopt(0, o.SOL_SOCKET, o.SO_ACCEPTCONN) == 1
    client, _, _ = pair.socket_pair()
    assert code_of(client.listen, pair.now, 1) == errno.EINVAL
    lone.shutdown(0, o.SHUT_RD)
    assert code_of(lone.accept, 0) == errno.EINVAL


def flags_from(stack: Stack, now: int) -> int:
    packet = stack.next_packet(now)
    assert packet is not None
    return segment_in(packet).flags


def test_close_sends_fin_or_with_unread_data_or_no_linger_a_reset() -> None:
    """RFC 9293 3.6.1 and SO_LINGER with zero seconds."""
    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    client.close(pair.now)
    assert flags_from(pair.left, pair.now) & FIN

    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    client.setsockopt(pair.now, o.SOL_SOCKET, o.SO_LINGER, struct.pack("=ii", 1, 0))
    assert client.getsockopt(pair.now, o.SOL_SOCKET, o.SO_LINGER) == struct.pack("=ii", 1, 0)
    client.close(pair.now)
    assert client.connection is not None and client.connection.state is State.CLOSED
    pair.run()
    assert code_of(server.recv, pair.now, 1) == errno.ECONNRESET
    assert server.recv(pair.now, 1) == b""
    assert code_of(server.send, pair.now, b"x") == errno.EPIPE
    assert pair.left.connections() == pair.right.connections() == []

    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    client.send(pair.now, b"unread")
    pair.run()
    server.close(pair.now)
    assert flags_from(pair.right, pair.now) & RST


def test_linger_tells_a_blocking_door_how_long_to_wait_and_for_what() -> None:
    """SO_LINGER with a time: close may wait until everything is acknowledged."""
    pair = TwoStacks()
    client, _, _ = pair.socket_pair()
    client.setsockopt(pair.now, o.SOL_SOCKET, o.SO_LINGER, struct.pack("=ii", 1, 3))
    client.send(pair.now, b"last words")
    assert client.linger_time == 3 * SECOND
    client.close(pair.now)
    assert not client.drained
    pair.run_until(pair.now + SECOND)
    assert client.drained


def test_shut_for_reading() -> None:
    """shutdown(2): what has come can be read, then b"" without waiting."""
    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    client.send(pair.now, b"before")
    pair.run()
    server.shutdown(pair.now, o.SHUT_RD)
    assert server.readable and server.recv(pair.now, 99) == b"before"
    assert server.readable and server.recv(pair.now, 99) == b""
    assert code_of(server.shutdown, pair.now, 7) == errno.EINVAL
    server.shutdown(pair.now, o.SHUT_RDWR)
    pair.run()
    assert client.recv(pair.now, 1) == b""


def test_urgent_data_out_of_line() -> None:
    """MSG_OOB: the last octet comes beside the stream (RFC 6093); EINVAL when there is none."""
    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    assert code_of(server.recv, pair.now, 1, o.MSG_OOB) == errno.EINVAL
    client.send(pair.now, b"abc!", o.MSG_OOB)
    pair.run()
    assert server.exceptional
    assert server.recv(pair.now, 1, o.MSG_OOB | o.MSG_PEEK) == b"!"
    assert server.recv(pair.now, 1, o.MSG_OOB) == b"!"
    assert server.recv(pair.now, 99) == b"abc"
    assert not server.exceptional


def test_knobs_are_options() -> None:
    """setsockopt(2): read back what was set, EINVAL out of range, ENOPROTOOPT unknown."""
    stack = host("10.0.0.1/24")
    one = TcpSocket(stack)
    cases = [
        (o.SOL_SOCKET, o.SO_SNDBUF, 5000, "send_buffer", 5000),
        (o.SOL_SOCKET, o.SO_RCVBUF, 6000, "receive_buffer", 6000),
        (o.SOL_SOCKET, o.SO_KEEPALIVE, 1, "keepalive", True),
        (o.SOL_SOCKET, o.SO_OOBINLINE, 1, "urgent_inline", True),
        (o.IPPROTO_IP, o.IP_TTL, 3, "ttl", 3),
        (o.IPPROTO_IP, o.IP_TOS, 0xB8, "dscp", 46),
        (o.IPPROTO_TCP, o.TCP_NODELAY, 1, "nagle", False),
        (o.IPPROTO_TCP, o.TCP_MAXSEG, 900, "mss_limit", 900),
        (o.IPPROTO_TCP, o.TCP_KEEPIDLE, 9, "keepalive_idle", 9 * SECOND),
        (o.IPPROTO_TCP, o.TCP_KEEPINTVL, 8, "keepalive_interval", 8 * SECOND),
        (o.IPPROTO_TCP, o.TCP_KEEPCNT, 7, "keepalive_probes", 7),
        (o.IPPROTO_TCP, o.TCP_SYNCNT, 6, "syn_retries", 6),
        (o.IPPROTO_TCP, o.TCP_USER_TIMEOUT, 1500, "user_timeout", 3 * SECOND // 2),
        (o.IPPROTO_TCP, o.TCP_LINGER2, 5, "fin_wait_2_timeout", 5 * SECOND),
    ]
    for level, name, value, field, wanted in cases:
        one.setsockopt(0, level, name, struct.pack("=i", value))
        assert one.getsockopt(0, level, name) == value, field
        assert getattr(one.config, field) == wanted, field
    assert stack.config.ttl == 64
    assert code_of(one.setsockopt, 0, o.IPPROTO_IP, o.IP_TTL, 0) == errno.EINVAL
    assert code_of(one.setsockopt, 0, o.IPPROTO_TCP, o.TCP_KEEPIDLE, 0) == errno.EINVAL
    assert code_of(one.setsockopt, 0, o.IPPROTO_IP, o.IP_TTL, b"") == errno.EINVAL
    assert code_of(one.setsockopt, 0, o.SOL_SOCKET, o.SO_ERROR, 1) == errno.ENOPROTOOPT
    assert code_of(one.getsockopt, 0, o.IPPROTO_TCP, 999) == errno.ENOPROTOOPT
    assert one.getsockopt(0, o.IPPROTO_TCP, o.TCP_CONGESTION) == b"newreno"
    one.setsockopt(0, o.IPPROTO_TCP, o.TCP_CONGESTION, b"newreno\0")
    assert code_of(one.setsockopt, 0, o.IPPROTO_TCP, o.TCP_CONGESTION, b"none") == errno.ENOENT
    assert one.getsockopt(0, o.SOL_SOCKET, o.SO_TYPE) == 1
    assert one.getsockopt(0, o.SOL_SOCKET, o.SO_DOMAIN) == 2


def test_ttl_and_dscp_reach_the_packets_of_a_standing_connection() -> None:
    """RFC 9293 3.9.2, MUST-48, MUST-49, SHLD-21."""
    pair = TwoStacks()
    client, server, listening = pair.socket_pair()
    client.setsockopt(pair.now, o.IPPROTO_IP, o.IP_TTL, 5)
    client.setsockopt(pair.now, o.IPPROTO_IP, o.IP_TOS, 0xB8)
    client.send(pair.now, b"x")
    packet = pair.left.next_packet(pair.now)
    assert packet is not None
    assert (packet.to_bytes()[8], packet.to_bytes()[1]) == (5, 0xB8)
    assert pair.right.packet_arrives(packet, pair.now) is None
    assert server.recv(pair.now, 1) == b"x"
    listening.setsockopt(pair.now, o.IPPROTO_TCP, o.TCP_NODELAY, 1)
    other = TcpSocket(pair.left)
    other.connect_ex(pair.now, at(RIGHT, 80))
    pair.run()
    child, _ = listening.accept(pair.now)
    assert child.getsockopt(pair.now, o.IPPROTO_TCP, o.TCP_NODELAY) == 1


def test_cork_holds_a_partial_segment_back() -> None:
    """TCP_CORK, set before or after connecting, and MSG_MORE."""
    pair = TwoStacks()
    client, server, _ = pair.socket_pair()
    client.setsockopt(pair.now, o.IPPROTO_TCP, o.TCP_CORK, 1)
    client.send(pair.now, b"head")
    pair.run()
    assert not server.readable
    client.setsockopt(pair.now, o.IPPROTO_TCP, o.TCP_CORK, 0)
    pair.run()
    assert server.recv(pair.now, 9) == b"head"
    client.send(pair.now, b"more", o.MSG_MORE)
    pair.run()
    assert not server.readable
    client.send(pair.now, b"!")
    pair.run()
    assert server.recv(pair.now, 9) == b"more!"


def test_tcp_info_has_the_layout_that_linux_gives() -> None:
    """Struct tcp_info: state first, MSS, RTT in microseconds, octets acknowledged and received."""
    pair = TwoStacks()
    client, server, listening = pair.socket_pair()
    client.send(pair.now, b"x" * 1000)
    pair.run_until(pair.now + SECOND)
    packed = client.getsockopt(pair.now, o.IPPROTO_TCP, o.TCP_INFO)
    assert isinstance(packed, bytes) and len(packed) == TCP_INFO_SIZE == 280
    assert packed[0] == 1 and packed[5] == 1 | 2 | 4
    assert struct.unpack_from("=I", packed, 16)[0] == 1448  # tcpi_snd_mss
    assert struct.unpack_from("=I", packed, 60)[0] == 1500  # tcpi_pmtu
    assert struct.unpack_from("=Q", packed, 120)[0] >= 1000  # tcpi_bytes_acked
    other = server.getsockopt(pair.now, o.IPPROTO_TCP, o.TCP_INFO)
    assert isinstance(other, bytes)
    assert struct.unpack_from("=Q", other, 128)[0] >= 1000  # tcpi_bytes_received
    idle = listening.getsockopt(pair.now, o.IPPROTO_TCP, o.TCP_INFO)
    assert isinstance(idle, bytes) and idle[0] == 10
    assert client.getsockopt(pair.now, o.IPPROTO_IP, o.IP_MTU) == 1500


def test_a_recv_is_woken_by_a_reset_or_a_fin() -> None:
    """Production taught: a blocked recv that a RST or FIN never wakes."""
    for linger in (True, False):
        pair = TwoStacks()
        client, server, _ = pair.socket_pair()
        pair.left.take_noticed()
        assert client.connection is not None
        client.connection.notices = 0
        if linger:
            server.linger = 0
        server.close(pair.now)
        pair.run()
        assert pair.left.take_noticed() == [client.connection]
        assert client.connection.notices and client.readable


def test_closing_a_socket_in_every_stage_leaves_nothing() -> None:
    """Production taught: ports that leak on abort."""
    pair = TwoStacks()
    for stage in range(4):
        one = TcpSocket(pair.left, config=STRICT)
        if stage:
            one.bind(pair.now, at(LEFT, 7777))
        if stage == 2:
            one.listen(pair.now, 1)
        if stage == 3:
            one.connect_ex(pair.now, at(RIGHT, 80))
        one.close(pair.now)
        pair.run_out()
        assert pair.nothing_left() and not pair.left.ports.bindings, stage
        assert not pair.left.listeners.by_port
