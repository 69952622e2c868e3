"""The seventh and eighth step of SEGMENT ARRIVES: the segment text, and FIN (3.10.7.4)."""

import errno

from lastack.tcp import autotune
from lastack.tcp.receive import trimmed
from lastack.tcp.replies import wish_duplicate, wish_reset
from lastack.tcp.states import ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, Cause
from lastack.tcp.tcb import END_OF_STREAM, READABLE, Tcb, end_with, enter
from lastack.units import NEVER
from lastack.wire.segment import Segment
from lastack.wire.seq import add, diff, gt, lt
from lastack.wire.stop import Stop


def seventh_process_text(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    """Trim to the window, deliver what is next, keep what is early, owe an ACK."""
    state = tcb.state
    if state is not ESTABLISHED and state is not FIN_WAIT_1 and state is not FIN_WAIT_2:
        return Stop.DATA_AFTER_FIN
    rcv = tcb.rcv
    tcb.tally.data_segments_received += segment.segments
    seq = segment.seq
    skip = diff(rcv.nxt, seq)
    if skip < 0:
        skip = 0
    end = segment.length
    over = diff(add(seq, end), rcv.edge)
    if over > 0:
        end -= over
    if rcv.fin_seq >= 0:
        end = min(end, diff(rcv.fin_seq, seq))
    if skip > 0 and segment.length > skip and tcb.sack_on and tcb.config.dsack:
        wish_duplicate(tcb, seq, add(seq, skip))
    if end <= skip:
        tcb.ack_now = True
        if skip >= segment.length:
            wish_duplicate(tcb, seq, add(seq, segment.length))
            return None
        return Stop.NO_ROOM
    if tcb.read_closed and tcb.orphan:
        # The user has gone and this will never be read: say so (SHLD-3).
        wish_reset(tcb, segment)
        end_with(tcb, Cause.DATA_AFTER_CLOSE, errno.ECONNRESET, now, segment)
        return Stop.DATA_AFTER_CLOSE
    data = trimmed(segment.parts, skip, end - skip)
    size = segment.gso_size or end - skip
    if size > rcv.segment_size:
        rcv.segment_size = size
    if gt(add(seq, skip), rcv.nxt):
        return _keep(tcb, segment, add(seq, skip), data)
    _deliver(tcb, segment, data, now)
    if over > 0:
        tcb.ack_now = True
        return Stop.NO_ROOM
    return None


def _deliver(tcb: Tcb, segment: Segment, data: bytes, now: int) -> None:
    """The octets we waited for: give them to the user, and what they make whole."""
    rcv = tcb.rcv
    tcb.tally.data_received_at = now
    before = rcv.nxt
    filling = rcv.blocks is not None
    again = rcv.overlap(before, add(before, len(data)))
    rcv.deliver(data)
    if tcb.tunes:
        autotune.data_arrives(tcb, segment, now)
    if filling:
        rcv.drain()
        tcb.ack_now = True  # filling a gap is acknowledged at once (RFC 5681 4.2)
        if again is not None and segment.seq == before and tcb.sack_on and tcb.config.dsack:
            wish_duplicate(tcb, again[0], again[1])
    received = diff(rcv.nxt, before)
    tcb.bytes_received += received
    if tcb.read_closed:
        # The user has shut down reading: acknowledged, and thrown away.
        rcv.take(received)
    else:
        tcb.notices |= READABLE
    if rcv.fin_seq >= 0 and rcv.nxt == rcv.fin_seq:
        _peer_finished(tcb, segment, now)
        return
    config = tcb.config
    tcb.unacked_segments += segment.segments
    if not config.delayed_ack or tcb.unacked_segments >= config.ack_every:
        tcb.ack_now = True
    elif tcb.quick_acks > 0:
        tcb.quick_acks -= 1
        tcb.ack_now = True
    elif tcb.timers.delayed_ack == NEVER:
        tcb.timers.delayed_ack = now + config.delayed_ack_timeout  # MUST-40, SHLD-18


def _keep(tcb: Tcb, segment: Segment, seq: int, data: bytes) -> Stop | None:
    """Octets ahead of the ones we wait for: keep them (SHLD-31), say at once that there is a gap.

    That ACK is MAY-13. A super-segment stands for several segments, each owed its duplicate ACK
    (RFC 5681 4.2).
    """
    rcv = tcb.rcv
    if tcb.memory.pressed and rcv.blocks is not None:
        tcb.memory.pruned += rcv.prune()
        if gt(seq, rcv.blocks[0].end):
            tcb.duplicate_acks_owed = min(tcb.duplicate_acks_owed + segment.segments, 256)
            return Stop.NO_MEMORY
    again = rcv.overlap(seq, add(seq, len(data)))
    kept = rcv.keep(seq, data, tcb.config.reassembly_blocks)
    owed = segment.segments
    tcb.tally.mishap().out_of_order += owed
    if again is not None:
        wish_duplicate(tcb, again[0], again[1])
        owed -= 1
    tcb.duplicate_acks_owed = min(tcb.duplicate_acks_owed + owed, 256)
    return None if kept else Stop.NO_ROOM


def eighth_check_fin(tcb: Tcb, segment: Segment, now: int) -> None:
    """The peer's FIN: taken when all before it is here, remembered when it came early."""
    rcv = tcb.rcv
    if rcv.finished:
        tcb.ack_now = True
        return
    place = add(segment.seq, segment.length)
    if gt(place, rcv.edge) or lt(place, rcv.nxt):
        return
    if rcv.fin_seq < 0:
        rcv.fin_seq = place
    if rcv.fin_seq == rcv.nxt:
        _peer_finished(tcb, segment, now)
    elif segment.length == 0:
        tcb.duplicate_acks_owed += 1


def _peer_finished(tcb: Tcb, segment: Segment, now: int) -> None:
    """Everything up to the FIN has been received: take it, acknowledge at once, move on."""
    rcv = tcb.rcv
    rcv.finished = True
    rcv.nxt = add(rcv.nxt, 1)
    if lt(rcv.edge, rcv.nxt):
        rcv.edge = rcv.nxt
    rcv.clear()
    tcb.ack_now = True
    tcb.notices |= END_OF_STREAM | READABLE  # MUST-12
    enter(tcb, Cause.FIN, now, segment)
