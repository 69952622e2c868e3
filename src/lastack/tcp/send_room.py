"""How much more the user may write: the send buffer's limit, and what Linux counts besides octets.

Linux keeps what is to be sent in pieces of at most half the largest window that the peer has ever
offered (and at most a super-segment of 64 KiB), and counts a piece's own memory with its octets.
A new piece is begun while the sum is below the limit, however long it then becomes; once the user
had to wait, he is woken when two thirds of the limit suffice (`sk_stream_memory_free`,
`sk_stream_write_space`). In octets and sums, without a list of pieces:

      una          nxt             end
    ---|------------|---------------|----- - - - -|--
       | in flight  |    unsent     | rest of the |
                      in pieces       last piece
"""

from typing import Final

from lastack.tcp.autotune import send_limit
from lastack.tcp.config import UNLIMITED
from lastack.tcp.states import ESTABLISHED
from lastack.tcp.tcb import Tcb
from lastack.wire.seq import add

_MOST: Final = 65_535


def send_room(tcb: Tcb) -> int:
    """Return how many octets a SEND may queue now; 0 or less is none."""
    buffer = tcb.snd.buffer
    queued = buffer.end - buffer.start
    config = tcb.config
    if config.notsent_lowat < UNLIMITED:
        unsent_room = _room_unsent(tcb)
    else:
        unsent_room = UNLIMITED
    if not config.send_overhead:
        return min(_limit(tcb) - queued, unsent_room)
    piece = piece_of(tcb)
    unsent = tcb.snd.unsent
    room = -unsent % piece
    queued = counted(tcb) + room
    limit = _limit(tcb)
    if queued < limit:
        whole = piece + config.send_overhead
        room += piece * ((limit - queued + whole - 1) // whole)
    return min(room, unsent_room)


def _room_unsent(tcb: Tcb) -> int:
    """Return how much may be queued until TCP_NOTSENT_LOWAT waits behind what goes out at once.

    In whole pieces, as there is no list of them: the last may exceed the mark.
    """
    controller, low_water = tcb.controller, tcb.config.notsent_lowat
    goes = 0
    if controller is not None and tcb.state >= ESTABLISHED:
        goes = max(min(controller.cwnd - tcb.sent.in_flight, tcb.snd.usable), 0)
    piece = piece_of(tcb)
    waits = tcb.snd.unsent - goes
    if waits >= low_water:
        return -tcb.snd.unsent % piece  # the rest of the last piece
    return (low_water + piece - 1) // piece * piece - waits


def is_roomy(tcb: Tcb) -> bool:
    """Return whether a user who had to wait should try again: with a third of the limit free.

    And with less than half of TCP_NOTSENT_LOWAT unsent (Linux's `tcp_stream_memory_free`).
    """
    low_water = tcb.config.notsent_lowat
    if low_water < UNLIMITED and 2 * tcb.snd.unsent >= low_water:
        return False
    limit = _limit(tcb)
    return 3 * (limit - counted(tcb)) >= limit


def counted(tcb: Tcb) -> int:
    """Return what the queue counts against the limit (Linux's `sk_wmem_queued`)."""
    buffer = tcb.snd.buffer
    queued = buffer.end - buffer.start
    overhead = tcb.config.send_overhead
    if not overhead or not queued:
        return queued
    piece = piece_of(tcb)
    unsent = tcb.snd.unsent
    flight = queued - unsent
    return queued + overhead * ((flight + piece - 1) // piece + (unsent + piece - 1) // piece)


def _limit(tcb: Tcb) -> int:
    """The user asks for half of what is to be counted; what nobody asked for may grow."""
    config = tcb.config
    limit = 2 * config.send_buffer if config.send_overhead else config.send_buffer
    return send_limit(tcb, limit) if config.send_most else limit


def push_within(tcb: Tcb, written: int) -> None:
    """PSH behind each piece with which more than half the largest window was written since the last
    (Linux's `forced_push`), and nothing joins it to what follows; `written` were just queued.
    """
    snd = tcb.snd
    buffer, half = snd.buffer, snd.max_wnd >> 1
    if not half:
        return  # nothing is known of the peer yet
    piece = piece_of(tcb)
    pushed = snd.offset(tcb.pushed)
    unsent = snd.unsent - written
    at = buffer.end - written + rest_of_piece(unsent, piece)
    while at <= buffer.end:
        if at - pushed > half:
            buffer.end_record(at)
            pushed = at
        at += piece
    tcb.pushed = add(snd.end, pushed - buffer.end)


def rest_of_piece(unsent: int, piece: int) -> int:
    """Return how many octets complete the last piece, or are a new one."""
    return piece - unsent % piece


def piece_of(tcb: Tcb) -> int:
    """Return the octets of one piece at most: whole segments, one at least."""
    half = tcb.snd.max_wnd >> 1
    most = min(half, _MOST) if half else _MOST
    return max(most - most % tcb.mss, tcb.mss)
