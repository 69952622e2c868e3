"""The eleven states with the kernel as the other end: opening, closing and resetting, both ways."""

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from random import Random

import pytest
from beside_kernel import LEGAL, Beside, Pair, kernel_socket, state_of
from by_hand import OURS_V4, OURS_V6

from lastack.link.tun import TunLink
from lastack.tcp.config import preset
from lastack.tcp.connection import Connection
from lastack.tcp.states import State
from lastack.units import MS, SECOND
from lastack.wire.stop import Stop

S = State
PORT = 7000
DeviceMaker = Callable[..., TunLink]
BOTH = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture
def beside(device: DeviceMaker) -> Iterator[Beside]:
    """Our stack beside the kernel; at the end no mistake of ours has been counted."""
    made = Beside(device())
    yield made
    assert made.stack.counters.stops[Stop.INTERNAL] == 0
    assert made.stack.counters.stops[Stop.BAD_CHECKSUM] == 0
    made.driver.close()


def calling(beside: Beside, version: int = 4, port: int = 0) -> tuple[socket.socket, Connection]:
    """The kernel opens actively and we passively; returns both ends."""
    listener = beside.listens(PORT)
    kernel = kernel_socket(version, port)
    kernel.connect_ex((OURS_V4 if version == 4 else OURS_V6, PORT))
    connection = beside.accepts(listener)
    listener.close(beside.now)
    beside.quiet()
    return kernel, connection


def called(beside: Beside, version: int = 4) -> tuple[socket.socket, Connection]:
    """We open actively and the kernel passively; returns both ends."""
    with kernel_socket(version) as server:
        server.listen()
        connection = beside.opens(*server.getsockname()[:2])
        assert connection.state is S.SYN_SENT
        assert beside.until(lambda: connection.state is S.ESTABLISHED)
        beside.quiet()
        kernel, _ = server.accept()
        kernel.setblocking(False)
    return kernel, connection


@BOTH
def test_the_kernel_opens_and_closes_first(beside: Beside, version: int) -> None:
    """RFC 9293 3.6 case 2: ESTABLISHED, CLOSE-WAIT, LAST-ACK here; FIN-WAIT-2, TIME-WAIT there."""
    kernel, connection = calling(beside, version)
    assert beside.pair() == (S.ESTABLISHED, S.ESTABLISHED)
    kernel.sendall(b"hello")
    assert beside.receives(connection, 5) == b"hello"
    beside.sends(connection, b"world")
    assert kernel.recv(100) == b"world"
    kernel.shutdown(socket.SHUT_WR)
    beside.quiet()
    assert beside.pair() == (S.CLOSE_WAIT, S.FIN_WAIT_2)
    beside.does(connection, connection.close)
    assert connection.state is S.LAST_ACK
    beside.quiet()
    assert beside.pair() == (None, S.TIME_WAIT)
    assert kernel.recv(100) == b""
    kernel.close()
    assert beside.entered(connection) == [
        S.LISTEN, S.SYN_RECEIVED, S.ESTABLISHED, S.CLOSE_WAIT, S.LAST_ACK, S.CLOSED,
    ]  # fmt: skip


@BOTH
def test_we_open_and_close_first(beside: Beside, version: int) -> None:
    """RFC 9293 3.6 case 1: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT here; CLOSE-WAIT, LAST-ACK there."""
    kernel, connection = called(beside, version)
    assert beside.pair() == (S.ESTABLISHED, S.ESTABLISHED)
    beside.does(connection, connection.close)
    assert connection.state is S.FIN_WAIT_1
    beside.quiet()
    assert beside.pair() == (S.FIN_WAIT_2, S.CLOSE_WAIT)
    assert kernel.recv(100) == b""
    kernel.close()
    beside.quiet()
    assert beside.pair() == (S.TIME_WAIT, None)
    assert beside.entered(connection) == [
        S.SYN_SENT, S.ESTABLISHED, S.FIN_WAIT_1, S.FIN_WAIT_2, S.TIME_WAIT,
    ]  # fmt: skip


@BOTH
def test_both_open_at_once(beside: Beside, version: int) -> None:
    """RFC 9293 3.5 figure 7: the SYNs cross, both ends go through SYN-RECEIVED."""
    kernel = kernel_socket(version)
    ours = OURS_V4 if version == 4 else OURS_V6
    assert kernel.connect_ex((ours, PORT)) == errno.EINPROGRESS
    # The kernel's SYN waits in the device: ours leaves before anybody looks.
    connection = beside.opens(*kernel.getsockname()[:2], PORT)
    assert (connection.state, state_of(kernel)) == (S.SYN_SENT, S.SYN_RECEIVED)
    beside.quiet()
    assert beside.pair() == (S.ESTABLISHED, S.ESTABLISHED)
    assert beside.entered(connection) == [S.SYN_SENT, S.SYN_RECEIVED, S.ESTABLISHED]
    kernel.sendall(b"hello")
    assert beside.receives(connection, 5) == b"hello"
    beside.sends(connection, b"world")
    assert kernel.recv(100) == b"world"
    kernel.close()
    beside.quiet()
    beside.does(connection, connection.close)
    beside.quiet()
    assert beside.pair() == (None, S.TIME_WAIT)


@BOTH
def test_both_close_at_once(beside: Beside, version: int) -> None:
    """RFC 9293 3.6 case 3: the FINs cross, both ends go through CLOSING into TIME-WAIT."""
    kernel, connection = called(beside, version)
    kernel.shutdown(socket.SHUT_WR)
    beside.does(connection, connection.close)
    assert (connection.state, state_of(kernel)) == (S.FIN_WAIT_1, S.CLOSING)
    beside.quiet()
    assert beside.pair() == (S.TIME_WAIT, S.TIME_WAIT)
    assert beside.entered(connection)[-3:] == [S.FIN_WAIT_1, S.CLOSING, S.TIME_WAIT]
    kernel.close()


def test_after_our_half_close_the_kernel_goes_on_sending(beside: Beside) -> None:
    """RFC 9293 3.6: FIN-WAIT-2 receives as long as the peer in CLOSE-WAIT sends."""
    kernel, connection = called(beside)
    beside.sends(connection, b"question")
    beside.does(connection, connection.shutdown_write)
    beside.quiet()
    assert beside.pair() == (S.FIN_WAIT_2, S.CLOSE_WAIT)
    assert (kernel.recv(100), kernel.recv(100)) == (b"question", b"")
    answer = os.urandom(3_000_000)
    heard, sent = b"", 0
    while len(heard) < len(answer):
        try:
            sent += kernel.send(answer[sent : sent + 65536])
        except BlockingIOError:
            pass
        beside.driver.poll(MS)
        heard += connection.receive(1 << 20, beside.now)
        beside.stack.wake(connection, beside.now)
    assert heard == answer
    assert beside.pair() == (S.FIN_WAIT_2, S.CLOSE_WAIT)
    kernel.close()
    beside.quiet()
    assert connection.at_end
    assert beside.pair() == (S.TIME_WAIT, None)


def test_after_the_kernels_half_close_we_go_on_sending(beside: Beside) -> None:
    """RFC 9293 3.6: CLOSE-WAIT sends, and its FIN follows the last octet."""
    kernel, connection = calling(beside)
    kernel.shutdown(socket.SHUT_WR)
    beside.quiet()
    assert connection.at_end
    answer = os.urandom(3_000_000)
    heard, view = b"", memoryview(answer)
    while len(heard) < len(answer):
        view = view[connection.send(view[:65536], beside.now) if view else 0 :]
        beside.stack.wake(connection, beside.now)
        beside.driver.poll(MS)
        try:
            heard += kernel.recv(1 << 20)
        except BlockingIOError:
            pass
    assert heard == answer
    beside.quiet()
    assert beside.pair() == (S.CLOSE_WAIT, S.FIN_WAIT_2)
    beside.does(connection, connection.close)
    beside.quiet()
    assert beside.pair() == (None, S.TIME_WAIT)
    kernel.close()


def test_our_fin_waits_behind_a_shut_window(beside: Beside) -> None:
    """RFC 9293 3.8.6: closing at a zero window is FIN-WAIT-1 until the peer reads."""
    kernel, connection = called(beside)
    data = os.urandom(1_000_000)
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.config = connection.config.replace(send_buffer=8 << 20)
    beside.sends(connection, data * 7)
    beside.quiet(50 * MS)
    beside.does(connection, connection.close)
    beside.quiet(50 * MS)
    assert beside.pair() == (S.FIN_WAIT_1, S.ESTABLISHED)
    heard = bytearray()
    while len(heard) < 7 * len(data):
        try:
            heard += kernel.recv(1 << 20)
        except BlockingIOError:
            beside.driver.poll(100 * MS)
    assert heard == data * 7
    beside.quiet()
    assert beside.pair() == (S.FIN_WAIT_2, S.CLOSE_WAIT)
    kernel.close()
    beside.quiet()
    assert beside.pair() == (S.TIME_WAIT, None)


def test_our_abort_resets_the_kernel(beside: Beside) -> None:
    """RFC 9293 3.10.5: ABORT sends a reset; both ends are CLOSED at once."""
    kernel, connection = called(beside)
    beside.does(connection, connection.abort)
    beside.quiet()
    assert beside.pair() == (None, None)
    with pytest.raises(ConnectionResetError):
        kernel.recv(1)


def test_a_reset_of_the_kernel_ends_us(beside: Beside) -> None:
    """RFC 9293 3.10.7.4 second: the user gets ECONNRESET."""
    kernel, connection = called(beside)
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    kernel.close()
    beside.quiet()
    assert beside.pair() == (None, None)
    with pytest.raises(ConnectionResetError):
        connection.receive(1, beside.now)


@pytest.mark.parametrize("ours", [True, False])
def test_closing_with_data_unread_is_a_reset(beside: Beside, ours: bool) -> None:
    """RFC 9293 3.6.1: what was lost must not look like success, on either side."""
    kernel, connection = called(beside)
    if ours:
        kernel.sendall(b"never read")
        beside.quiet()
        beside.does(connection, connection.close)
        with pytest.raises(ConnectionResetError):
            kernel.recv(1)
    else:
        beside.sends(connection, b"never read")
        beside.quiet()
        kernel.close()
        beside.quiet()
        assert connection.error == errno.ECONNRESET
    beside.quiet()
    assert beside.pair() == (None, None)


@BOTH
def test_where_nobody_listens_connections_are_refused_both_ways(
    beside: Beside, version: int
) -> None:
    """RFC 9293 3.10.7.1: a SYN to a CLOSED port is answered by a reset."""
    kernel = kernel_socket(version)
    kernel.connect_ex((OURS_V4 if version == 4 else OURS_V6, PORT))
    beside.quiet()
    assert kernel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    free = kernel.getsockname()
    kernel.close()
    connection = beside.opens(free[0], free[1])
    beside.quiet()
    assert connection.error == errno.ECONNREFUSED
    assert beside.pair() == (None, None)


def test_time_wait_acknowledges_a_repeated_fin(beside: Beside) -> None:
    """RFC 9293 3.10.7.4 eighth: our last ACK was lost, the FIN comes again and is acknowledged."""
    kernel, connection = called(beside)
    beside.does(connection, connection.close)
    beside.quiet()
    beside.drop_out(1)
    kernel.close()
    beside.quiet()
    assert beside.pair() == (S.TIME_WAIT, S.LAST_ACK)
    assert beside.until(lambda: beside.link.stopped_out == 1)
    assert beside.until(lambda: beside.pair() == (S.TIME_WAIT, None))


def test_a_new_syn_opens_a_connection_in_time_wait_again(beside: Beside) -> None:
    """RFC 9293 3.6.1 MAY-2, RFC 6191: same addresses, same ports, a newer SYN."""
    kernel, connection = calling(beside)
    port = kernel.getsockname()[1]
    beside.does(connection, connection.close)
    beside.quiet()
    kernel.close()
    beside.quiet()
    assert beside.pair() == (S.TIME_WAIT, None)
    kernel, again = calling(beside, port=port)
    assert beside.pair() == (S.ESTABLISHED, S.ESTABLISHED)
    assert again.number != connection.number
    beside.sends(again, b"again")
    assert kernel.recv(100) == b"again"
    kernel.close()


def test_time_wait_is_over_after_2msl(device: DeviceMaker) -> None:
    """RFC 9293 3.10.8: then nothing of the connection is left and no timer runs."""
    beside = Beside(device(), preset("linux").replace(msl=100 * MS))
    kernel, connection = called(beside)
    beside.does(connection, connection.close)
    beside.quiet()
    kernel.close()
    beside.quiet()
    began = beside.now
    assert beside.pair() == (S.TIME_WAIT, None)
    assert beside.until(lambda: beside.stack.next_deadline() > beside.now + SECOND)
    assert beside.now - began > 150 * MS
    assert beside.pair() == (None, None)
    assert beside.entered(connection)[-1] is S.CLOSED


def test_our_syn_is_repeated_until_somebody_answers(beside: Beside) -> None:
    """RFC 6298: the first SYN is lost; the second finds the kernel, a second later."""
    with kernel_socket() as server:
        server.listen()
        beside.drop_out(1)
        connection = beside.opens(*server.getsockname())
        began = beside.now
        beside.quiet()
        assert beside.pair() == (S.SYN_SENT, None)
        assert beside.until(lambda: connection.state is S.ESTABLISHED)
        assert 900 * MS < beside.now - began < 3 * SECOND


def test_urgent_data_is_marked_both_ways(beside: Beside) -> None:
    """RFC 9293 3.8.5: one octet out of line, as MSG_OOB has it."""
    kernel, connection = called(beside)
    kernel.send(b"before!", socket.MSG_OOB)
    kernel.send(b"after")
    beside.quiet()
    assert connection.receive_urgent(beside.now) == b"!"
    assert beside.receives(connection, 11) == b"beforeafter"
    beside.does(connection, lambda now: connection.send(b"more?", now, urgent=True))
    beside.quiet()
    assert kernel.recv(1, socket.MSG_OOB) == b"?"
    assert kernel.recv(100) == b"more"


class Walk:
    """Random calls of both users; whoever has closed says nothing any more."""

    def __init__(self, beside: Beside, seed: int) -> None:
        self.beside = beside
        self.random = Random(seed)
        opened = called if self.random.random() < 0.5 else calling
        self.kernel, self.connection = opened(beside)
        self.ours_open = self.kernel_open = True
        self.story: list[str] = []

    def goes_on(self) -> None:
        """Let one user, or both at once, do something."""
        choice = self.random.randrange(4)
        if choice != 0 and self.kernel_open:
            self.kernel_does(self.random.choice(["send", "send", "read", "shutdown", "close"]))
        if choice != 1 and self.ours_open:
            self.we_do(self.random.choice(["send", "send", "read", "shutdown", "close"]))

    def kernel_does(self, what: str) -> None:
        self.story.append(f"kernel {what}")
        try:
            if what == "send":
                self.kernel.send(self.random.randbytes(self.random.randrange(1, 20_000)))
            elif what == "read":
                self.kernel.recv(1 << 20)
            elif what == "shutdown":
                self.kernel.shutdown(socket.SHUT_WR)
            else:
                self.kernel.close()
                self.kernel_open = False
        except OSError as error:
            self.story.append(os.strerror(error.errno or 0))

    def we_do(self, what: str) -> None:
        self.story.append(f"we {what}")
        connection = self.connection
        calls: dict[str, Callable[[int], object]] = {
            "send": lambda now: connection.send(
                self.random.randbytes(self.random.randrange(1, 20_000)), now
            ),
            "read": lambda now: connection.receive(1 << 20, now),
            "shutdown": connection.shutdown_write,
            "close": connection.close,
        }
        try:
            self.beside.does(connection, calls[what])
        except OSError as error:
            self.story.append(os.strerror(error.errno or 0))
        if what == "close":
            self.ours_open = False

    def pair(self) -> Pair:
        """Return the states of this connection alone."""
        return self.beside.pair_of(self.connection)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_both_users_do_their_states_fit(beside: Beside, seed: int) -> None:
    """At every quiet moment our table and ss show a pair that RFC 9293 figure 5 allows."""
    for number in range(4):
        walk = Walk(beside, seed * 100 + number)
        for _ in range(12):
            walk.goes_on()
            beside.quiet()
            assert walk.pair() in LEGAL, (walk.pair(), walk.story)
        walk.kernel.close()
        if walk.ours_open:
            beside.does(walk.connection, walk.connection.close)
        beside.quiet()
        assert walk.pair() in ((None, None), (S.TIME_WAIT, None), (None, S.TIME_WAIT),
                               (S.TIME_WAIT, S.TIME_WAIT)), walk.story  # fmt: skip


def test_the_kernel_has_no_complaint_about_the_device(beside: Beside) -> None:
    """What we hand to the device is well formed: it refuses nothing."""
    kernel, connection = called(beside)
    beside.sends(connection, bytes(500_000))
    beside.quiet()
    tun = beside.link.inner
    assert isinstance(tun, TunLink)
    assert tun.refused == 0
    kernel.close()
