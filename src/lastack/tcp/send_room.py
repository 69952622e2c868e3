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

from lastack.tcp.tcb import Tcb

_MOST: Final = 65_535


def send_room(tcb: Tcb) -> int:
    """Return how many octets a SEND may queue now; 0 or less is none."""
    buffer = tcb.snd.buffer
    queued = buffer.end - buffer.start
    config = tcb.config
    if not config.send_overhead:
        return config.send_buffer - queued
    piece = piece_of(tcb)
    unsent = tcb.snd.unsent
    room = -unsent % piece
    queued = counted(tcb) + room
    limit = _limit(tcb)
    if queued < limit:
        whole = piece + config.send_overhead
        room += piece * ((limit - queued + whole - 1) // whole)
    return room


def is_roomy(tcb: Tcb) -> bool:
    """Return whether a user who had to wait should try again: with a third of the limit free."""
    limit = _limit(tcb) if tcb.config.send_overhead else tcb.config.send_buffer
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
    """The user asks for half of what is to be counted."""
    config = tcb.config
    return 2 * config.send_buffer if config.double_buffers else config.send_buffer


def piece_of(tcb: Tcb) -> int:
    """Return the octets of one piece at most: whole segments, one at least."""
    half = tcb.snd.max_wnd >> 1
    most = min(half, _MOST) if half else _MOST
    return max(most - most % tcb.mss, tcb.mss)
