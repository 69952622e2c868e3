"""Buffers that grow by themselves: the receiver's by measured rate, the sender's by its window.

The receiver counts the octets that its user takes in one round trip: as much again must be on its
way meanwhile, and while the sender doubles its rate each time, twice that (dynamic right-sizing, as
in Linux's `tcp_rcv_space_adjust`). A user who reads slowly, or nothing, makes nothing grow.
"""

from typing import Final

from lastack.tcp.tcb import Tcb
from lastack.tcp.tuning import ReceiveTuning
from lastack.units import MS
from lastack.wire.segment import ABSENT, Segment
from lastack.wire.seq import add, ge

_FIRST_SEGMENTS: Final = 10
"""Segments that both sides reckon with before anything has been measured (RFC 6928)."""
_MARGIN: Final = 16
"""Segments of receive buffer beyond the measured need."""
_PIECE_OVERHEAD: Final = 640
_RECORD: Final = 256
"""What Linux reckons for a segment besides its data: headers and its own records."""


def data_arrives(tcb: Tcb, segment: Segment, now: int) -> None:
    """Measure the round trip as the receiver sees it: by echoes, or by windows coming full."""
    tuning = tcb.tuning
    if tuning is None:
        tuning = tcb.tuning = ReceiveTuning()
    rcv = tcb.rcv
    if tcb.ts_on and segment.ts_ecr not in (ABSENT, 0):
        if segment.ts_ecr != tuning.echo and segment.length >= rcv.segment_size:
            tuning.echo = segment.ts_ecr
            age = (tcb.timestamp(now) - segment.ts_ecr) & 0xFFFFFFFF
            if age < 0x80000000:
                tuning.sample(max(age, 1) * MS, False)
    elif tuning.window_since == 0 or ge(rcv.nxt, tuning.window_end):
        if tuning.window_since:
            tuning.sample(max(now - tuning.window_since, 1), True)
        tuning.window_since = now
        tuning.window_end = add(rcv.nxt, max(rcv.wnd, 1))


def user_takes(tcb: Tcb, octets: int, now: int) -> None:
    """The user has taken octets: once a round trip see whether the buffer is large enough."""
    tuning = tcb.tuning
    if tuning is None:
        return
    tuning.taken += octets
    if not tuning.rtt or now - tuning.since < tuning.rtt:
        return
    taken = tuning.taken
    tuning.taken = 0
    tuning.since = now
    before = tuning.space or _FIRST_SEGMENTS * tcb.mss
    if taken <= before or tcb.memory.pressed:
        return
    tuning.space = taken
    window = 2 * taken + _MARGIN * tcb.mss
    window += 2 * (window * (taken - before) // before)
    most = tcb.config.receive_most
    if window > most:
        window = most
    if window > tcb.rcv.capacity:
        tcb.rcv.hold(window)


def send_limit(tcb: Tcb, limit: int) -> int:
    """Return what the send buffer may hold: two congestion windows, `limit` at least.

    It never falls, and grows only while there is memory. Where `send_overhead` counts what pieces
    cost, a segment counts as Linux reckons it.
    """
    config, mss, controller = tcb.config, tcb.mss, tcb.controller
    if tcb.send_limit < limit:
        tcb.send_limit = limit
    if controller is None or tcb.memory.pressed:
        return tcb.send_limit
    segments = max(controller.cwnd // mss, _FIRST_SEGMENTS)
    segment = mss
    if config.send_overhead:
        segment = (1 << (mss + _PIECE_OVERHEAD - 1).bit_length()) + _RECORD
    wanted = min(2 * segments * segment, config.send_most)
    if wanted > tcb.send_limit:
        tcb.send_limit = wanted
    return tcb.send_limit
