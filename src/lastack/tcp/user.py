"""The user's calls: OPEN, SEND, RECEIVE, CLOSE, ABORT (RFC 9293 3.10.1 to 3.10.5).

Errors of the user are `OSError`s with the errno that the kernel's sockets would give.
"""

import errno
from typing import Final

from lastack.errors import error_for
from lastack.tcp import autotune, user_timeout
from lastack.tcp.replies import wish_abort
from lastack.tcp.send_room import send_room
from lastack.tcp.states import (
    CLOSE_WAIT,
    CLOSED,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Cause,
)
from lastack.tcp.tcb import READABLE, Tcb, end_with, enter
from lastack.units import NEVER
from lastack.wire.seq import diff, lt

_PLENTY: Final = 0x7FFF
"""Octets of window with which a peer has enough to do."""


def open_active(tcb: Tcb, now: int) -> None:
    """OPEN, active: wish for a SYN. From LISTEN it is the RFC's SEND on a passive open."""
    if tcb.state is not CLOSED and tcb.state is not LISTEN:
        raise error_for(errno.EISCONN)
    tcb.passive = False
    enter(tcb, Cause.ACTIVE_OPEN, now)
    tcb.syn_owed = True
    limit = user_timeout.limit_of(tcb, tcb.config)
    if limit:
        tcb.timers.user_timeout = now + limit


def open_passive(tcb: Tcb, now: int) -> None:
    """OPEN, passive: wait for a SYN."""
    if tcb.state is not CLOSED:
        raise error_for(errno.EISCONN)
    tcb.passive = True
    enter(tcb, Cause.PASSIVE_OPEN, now)


def send(tcb: Tcb, data: bytes | bytearray | memoryview, now: int, urgent: bool) -> int:
    """SEND: queue what fits and return how many octets that is (0: the buffer is full).

    With `urgent`, the urgent pointer is moved behind the last octet queued, however many they are
    (RFC 6093 3, MUST-30, MUST-31).
    """
    check_sendable(tcb)
    room = send_room(tcb)
    if room < len(data):
        tcb.tally.starved = True
    if room <= 0:
        return 0
    if isinstance(data, bytes):
        taken = data if len(data) <= room else data[:room]
    else:
        taken = bytes(memoryview(data).cast("B")[:room])
    if not taken:
        return 0
    idle = tcb.snd.una == tcb.snd.end
    tcb.snd.buffer.append(taken)
    if idle:
        tcb.idle_end = tcb.snd.end
    if urgent:
        tcb.snd.up = tcb.snd.end
        if tcb.state is ESTABLISHED or tcb.state is CLOSE_WAIT:
            tcb.ack_now = True  # told even when the window is shut
    return len(taken)


def check_sendable(tcb: Tcb) -> None:
    """Raise what a SEND would raise in this state."""
    state = tcb.state
    if state is ESTABLISHED or state is CLOSE_WAIT or state is SYN_RECEIVED or state is SYN_SENT:
        if tcb.close_wanted:
            raise error_for(errno.EPIPE)
        return
    raise_pending(tcb)
    if state is LISTEN or (state is CLOSED and tcb.snd.nxt == tcb.snd.iss):
        raise error_for(errno.ENOTCONN)
    raise error_for(errno.EPIPE)


def raise_pending(tcb: Tcb) -> None:
    """Raise the error that ended the connection, once; an ordinary end has none (MUST-12)."""
    if tcb.error:
        error = tcb.error
        tcb.error = 0
        raise error_for(error)


def available(tcb: Tcb) -> int:
    """Return how many octets a RECEIVE could return now, not counting urgent data out of line."""
    rcv = tcb.rcv
    queued = rcv.queued if tcb.state is not SYN_RECEIVED or tcb.early else 0
    if queued and rcv.urgent and not tcb.config.urgent_inline:
        place = diff(rcv.up, rcv.read_seq) - 1
        if 0 <= place < queued:
            queued -= 1
    return queued


def low_water(tcb: Tcb) -> int:
    """Return the octets from which on there is something to read: no more than the peer is sure to
    be let send before.
    """
    return min(tcb.config.read_lowat, max(tcb.rcv.capacity // 2, 1))


def at_mark(tcb: Tcb) -> bool:
    """Return whether the next octet to be read is the last urgent one (SIOCATMARK)."""
    rcv = tcb.rcv
    return rcv.urgent and diff(rcv.up, rcv.read_seq) == 1


def receive(tcb: Tcb, limit: int, now: int, peek: bool) -> bytes:
    """RECEIVE: return up to `limit` octets; b"" when there are none now, or never again.

    A read never passes the urgent mark: the user can tell where it is (MUST-33). Out of line, the
    urgent octet itself is left out. What came before an error is delivered before the error.
    """
    rcv = tcb.rcv
    state = tcb.state
    if rcv.queued == 0:
        raise_pending(tcb)
        if state is LISTEN or (state is CLOSED and tcb.snd.nxt == tcb.snd.iss):
            raise error_for(errno.ENOTCONN)
        return b""
    if state is SYN_RECEIVED and not tcb.early:
        return b""  # text of a SYN waits for ESTABLISHED (3.10.3)
    skip = 0
    if not rcv.urgent:
        if lt(rcv.up, rcv.read_seq):
            rcv.up = rcv.read_seq  # lest it fall half the sequence space behind
    else:
        before = diff(rcv.up, rcv.read_seq) - 1  # octets before the urgent one
        if before < 0:
            rcv.urgent = False
        elif before > 0:
            limit = min(limit, before)
        elif tcb.config.urgent_inline:
            rcv.urgent = peek
        elif peek:
            skip = 1
        else:
            rcv.take(1)
            rcv.urgent = False
    if peek:
        return rcv.peek(skip, limit)
    data = rcv.take(limit)
    if data:
        if tcb.tuning is not None:
            autotune.user_takes(tcb, len(data), now)
        if rcv.update_is_due(tcb.mss) and _wants_window(tcb):
            tcb.ack_now = True
    elif rcv.queued == 0:
        raise_pending(tcb)
    return data


def _wants_window(tcb: Tcb) -> bool:
    """Return whether the peer may still send, and does not know enough of what there is room for.

    That the window of an early child's SYN-ACK, which is never scaled, was less than that is not
    worth a segment.
    """
    if tcb.early and tcb.segments_sent - tcb.retransmissions <= 1 and tcb.rcv.wnd > _PLENTY:
        return False
    return tcb.state is ESTABLISHED or tcb.state is FIN_WAIT_1 or tcb.state is FIN_WAIT_2


def receive_urgent(tcb: Tcb, peek: bool) -> bytes:
    """Return the urgent octet out of line (MSG_OOB), b"" while it has not arrived.

    Raises EINVAL when there is no urgent data or it is kept in line.
    """
    rcv = tcb.rcv
    if not rcv.urgent or tcb.config.urgent_inline:
        raise error_for(errno.EINVAL)
    place = diff(rcv.up, rcv.read_seq) - 1
    if place < 0:
        raise error_for(errno.EINVAL)
    octet = rcv.peek(place, 1)
    if octet and not peek:
        rcv.remove(place)
        rcv.urgent = False
    return octet


def shutdown_write(tcb: Tcb, now: int) -> None:
    """CLOSE as RFC 9293 has it: no more to send, but the peer's data is still wanted (3.10.4)."""
    state = tcb.state
    snd = tcb.snd
    if state is LISTEN or state is SYN_SENT:
        enter(tcb, Cause.CLOSE, now)
    elif state is SYN_RECEIVED and snd.buffer.end > snd.buffer.start and not tcb.early:
        tcb.close_wanted = True  # queued until ESTABLISHED
    elif state is SYN_RECEIVED or state is ESTABLISHED or state is CLOSE_WAIT:
        snd.fin_queued = True
        enter(tcb, Cause.CLOSE, now)
    elif state is CLOSED and tcb.snd.nxt == tcb.snd.iss and not tcb.error:
        raise error_for(errno.ENOTCONN)


def shutdown_read(tcb: Tcb) -> None:
    """What has come and what will come is thrown away; the peer is not told."""
    tcb.read_closed = True
    rcv = tcb.rcv
    rcv.forget_unread()
    rcv.urgent = False
    tcb.notices |= READABLE


def close(tcb: Tcb, now: int) -> None:
    """Close both ways, as close(2) does: the user goes, the connection ends on its own (MAY-1).

    Unread data is lost, and the peer is told by a reset (RFC 9293 3.6.1, SHLD-3).
    """
    if tcb.orphan:
        return
    tcb.orphan = True
    if tcb.rcv.queued and tcb.state is not CLOSED and tcb.state is not TIME_WAIT:
        shutdown_read(tcb)
        abort(tcb, now)
        return
    shutdown_read(tcb)
    if tcb.state is FIN_WAIT_2:
        if tcb.config.fin_wait_2_timeout < NEVER:
            tcb.timers.fin_wait_2 = now + tcb.config.fin_wait_2_timeout
    elif tcb.state is not CLOSED:
        shutdown_write(tcb, now)


def abort(tcb: Tcb, now: int) -> None:
    """ABORT: everything queued is thrown away and the peer gets a reset (3.10.5)."""
    state = tcb.state
    if state is CLOSED:
        return
    if (
        state is SYN_RECEIVED
        or state is ESTABLISHED
        or state is FIN_WAIT_1
        or state is FIN_WAIT_2
        or state is CLOSE_WAIT
    ):
        wish_abort(tcb)
    end_with(tcb, Cause.ABORT, errno.ECONNABORTED, now)


def urgent_remaining(tcb: Tcb) -> int:
    """Return how many octets up to and with the urgent one are still to be read (MUST-33)."""
    rcv = tcb.rcv
    if not rcv.urgent:
        return 0
    left = diff(rcv.up, rcv.read_seq)
    return left if left > 0 else 0
