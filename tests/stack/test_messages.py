"""MSG_EOR, TCP_INQ, SO_TIMESTAMPING and MSG_ZEROCOPY on sockets, from end to end."""

import errno
import struct

import pytest
from two_stacks import TwoStacks

from lastack.errors import LastackError
from lastack.stack import messages as m
from lastack.stack import options as o
from lastack.stack.sockets import TcpSocket
from lastack.tcp.stamps import MOST_STAMPS
from lastack.units import MS

SENDS = (
    m.SOF_TIMESTAMPING_TX_SCHED
    | m.SOF_TIMESTAMPING_TX_SOFTWARE
    | m.SOF_TIMESTAMPING_TX_ACK
    | m.SOF_TIMESTAMPING_SOFTWARE
    | m.SOF_TIMESTAMPING_OPT_ID
)


def connected() -> tuple[TwoStacks, TcpSocket, TcpSocket]:
    both = TwoStacks()
    near, far, _ = both.socket_pair()
    return both, near, far


def wait(both: TwoStacks) -> None:
    both.run_until(both.now + 500 * MS)


def reports(socket: TcpSocket, now: int) -> list[tuple[int, int, int]]:
    """(stage, key, time) of everything in the error queue."""
    found = []
    while m.has_reports(socket.connection):
        data, control, flags = socket.recvmsg(now, 0, o.MSG_ERRQUEUE)
        (level, kind, times), (_, _, about) = control
        assert (data, level, kind) == (b"", o.SOL_SOCKET, m.SCM_TIMESTAMPING)
        assert flags & o.MSG_ERRQUEUE
        code, origin, _, _, stage, key = struct.unpack("=IBBBxII", about)
        assert (code, origin) == (errno.ENOMSG, m.SO_EE_ORIGIN_TIMESTAMPING)
        sec, nsec = struct.unpack_from("=qq", times)
        found.append((stage, key, sec * 1_000_000_000 + nsec))
    return found


def test_each_send_is_reported_when_it_goes_and_when_it_is_acknowledged() -> None:
    """Linux's timestamping.rst: for the last octet of a send, numbered from when it was asked."""
    both, near, _ = connected()
    near.send(both.now, bytes(7))
    both.run()
    wait(both)
    near.setsockopt(both.now, o.SOL_SOCKET, o.SO_TIMESTAMPING, SENDS)
    begun = both.now
    near.send(both.now, bytes(100))
    near.send(both.now, bytes(50))
    wait(both)
    found = reports(near, both.now)
    assert [one[:2] for one in found if one[1] == 99] == [
        (m.SCM_TSTAMP_SCHED, 99),
        (m.SCM_TSTAMP_SND, 99),
        (m.SCM_TSTAMP_ACK, 99),
    ]
    assert [one[0] for one in found if one[1] == 149] == [1, 0, 2]
    assert all(begun <= one[2] <= both.now for one in found)
    assert not m.has_reports(near.connection)
    with pytest.raises(LastackError) as caught:
        near.recvmsg(both.now, 0, o.MSG_ERRQUEUE)
    assert caught.value.errno == errno.EAGAIN


def test_reports_nobody_takes_have_a_bound() -> None:
    """A user who asks and never looks costs no more than that."""
    both, near, far = connected()
    near.setsockopt(both.now, o.SOL_SOCKET, o.SO_TIMESTAMPING, SENDS)
    near.setsockopt(both.now, o.IPPROTO_TCP, o.TCP_NODELAY, 1)
    for _ in range(MOST_STAMPS):
        near.send(both.now, b"x")
        both.run()
        far.recv(both.now, 10)
    wait(both)
    assert len(reports(near, both.now)) == MOST_STAMPS


def test_timestamps_of_hardware_are_refused() -> None:
    """EINVAL, and so are numbers of octets before there is a stream."""
    both, near, _ = connected()
    for flags in (m.SOF_TIMESTAMPING_TX_HARDWARE, 1 << 20):
        with pytest.raises(LastackError) as caught:
            near.setsockopt(both.now, o.SOL_SOCKET, o.SO_TIMESTAMPING, flags)
        assert caught.value.errno == errno.EINVAL
    with pytest.raises(LastackError):
        TcpSocket(both.left).setsockopt(both.now, o.SOL_SOCKET, o.SO_TIMESTAMPING, SENDS)


def test_inq_tells_how_much_is_left_and_one_at_the_end() -> None:
    """tcp(7), TCP_INQ: the queue is told with every recvmsg; nonzero where only the end is left."""
    both, near, far = connected()
    near.send(both.now, bytes(300))
    both.run()
    assert far.recvmsg(both.now, 100) == (bytes(100), [], 0)
    far.setsockopt(both.now, o.IPPROTO_TCP, o.TCP_INQ, 1)
    _, control, _ = far.recvmsg(both.now, 50)
    assert control == [(o.IPPROTO_TCP, o.TCP_CM_INQ, struct.pack("=i", 150))]
    near.shutdown(both.now, o.SHUT_WR)
    both.run()
    assert far.recvmsg(both.now, 150)[1][0][2] == struct.pack("=i", 1)


def test_records_arrive_whole_and_are_forgotten() -> None:
    """MSG_EOR: small records with others behind them do not wait, and nothing is kept of them."""
    both, near, far = connected()
    connection = near.connection
    assert connection is not None
    for size in (100, 3000, 1):
        near.send(both.now, bytes(size), o.MSG_EOR)
    near.send(both.now, bytes(10))
    near.send(both.now, bytes(10))
    wait(both)
    assert connection.unacknowledged == 0
    assert connection.tcb.snd.buffer.records is None
    assert far.recv(both.now, 10_000) == bytes(3121)


def released(socket: TcpSocket, now: int) -> tuple[int, int]:
    """The SENDs, from first to last, of which the next report tells."""
    data, ((level, kind, about),), flags = socket.recvmsg(now, 0, o.MSG_ERRQUEUE)
    assert (data, level, kind, flags) == (b"", o.IPPROTO_IP, o.IP_RECVERR, o.MSG_ERRQUEUE)
    code, origin, _, copied, first, last = struct.unpack("=IBBBxII", about)
    assert (code, origin) == (0, m.SO_EE_ORIGIN_ZEROCOPY)
    assert copied == m.SO_EE_CODE_ZEROCOPY_COPIED
    return first, last


def test_a_send_without_copying_is_released_by_its_acknowledgment() -> None:
    """Linux's msg_zerocopy.rst: numbered from 0, neighbours in one report, others not at all."""
    both, near, _ = connected()
    near.send(both.now, b"before", o.MSG_ZEROCOPY)
    wait(both)
    assert not m.has_reports(near.connection), "nobody has said SO_ZEROCOPY"
    near.setsockopt(both.now, o.SOL_SOCKET, o.SO_ZEROCOPY, 1)
    near.send(both.now, bytes(3000), o.MSG_ZEROCOPY)
    assert not m.has_reports(near.connection), "it is still under way"
    wait(both)
    assert released(near, both.now) == (0, 0)
    for _ in range(3):
        near.send(both.now, bytes(10), o.MSG_ZEROCOPY)
    near.send(both.now, b"plain")
    wait(both)
    assert released(near, both.now) == (1, 3)
    with pytest.raises(LastackError):
        near.recvmsg(both.now, 0, o.MSG_ERRQUEUE)
    with pytest.raises(LastackError):
        near.setsockopt(both.now, o.SOL_SOCKET, o.SO_ZEROCOPY, 2)
