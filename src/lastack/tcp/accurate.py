"""Accurate ECN feedback (RFC 9768): counters of marks in the ACE field and in the AccECN options.

`Counters` is what both half-connections keep; the functions are the chapters of RFC 9768 3.2, in
order. What concerns both kinds of feedback is in `ecn`.
"""

from typing import Final

from lastack.tcp.ecn_state import CE, ECT0, ECT1, NOT_ECT, Counters
from lastack.tcp.tcb import Tcb
from lastack.wire.accurate_ecn import MISSING, encode, find
from lastack.wire.segment import ABSENT, AE, CWR, ECE, Segment
from lastack.wire.seq import gt

ACE: Final = AE | CWR | ECE
_SHIFT: Final = 6
"""The ACE field's lowest bit is ECE."""
_REFLECTED: Final = (2 << _SHIFT, 3 << _SHIFT, 4 << _SHIFT, 6 << _SHIFT)
"""Table 2 and 3: by the codepoint that a SYN or SYN-ACK came with."""
RESERVED: Final = AE | ECE
_BEHIND: Final = 1 << 23
"""A 24-bit counter that is further on than this is an old one."""


# -- the handshake --------------------------------------------------------------------------------


def syn_ack_flags(tcb: Tcb, counters: Counters) -> int:
    """Return what tells the client how its SYN has come (Table 2).

    A SYN-ACK that had to be sent twice again has no flags at all (3.2.3.2.2), and who has sent such
    a one marks nothing as capable (3.1.5).
    """
    if tcb.retries > 1:
        tcb.ecn.ect = NOT_ECT
        return 0
    return _REFLECTED[counters.syn_came]


def syn_ack_option(tcb: Tcb, counters: Counters) -> bytes:
    """Return the option that tests the path, on the first SYN-ACK alone (3.2.3.2.1)."""
    if tcb.sent.spans:
        return b""
    return encode(counters.received_ect0, 0, counters.received_ect1, 3, True) + b"\x01"


def syn_ack_arrives(tcb: Tcb, counters: Counters, segment: Segment) -> None:
    """The server agrees, and tells how our SYN has come: Not-ECT, unless it was mangled (3.2.2.3).

    Our ACK will tell how its SYN-ACK has come (3.2.2.1).
    """
    flags = segment.flags & ACE
    if flags != _REFLECTED[NOT_ECT] and flags != RESERVED:
        tcb.ecn.ect = NOT_ECT
    reflect(counters, segment.ecn)
    tcb.ecn.ack_first = True
    if segment.ecn == CE:
        _count(tcb, counters, 1)
        counters.unsaid = 0
    _trust_options(counters, segment)
    counters.first_data = True
    tcb.ecn.option_size = 12


def reflect(counters: Counters, came: int) -> None:
    """The next pure ACK tells how the (latest) SYN-ACK has come."""
    counters.reflected = _REFLECTED[came]


def handshake_ack_arrives(tcb: Tcb, counters: Counters, segment: Segment) -> None:
    """The ACK of our SYN-ACK tells how that has come, if it is pure (Table 4)."""
    _trust_options(counters, segment)
    if segment.length or segment.sack:
        return
    counters.skip = True
    flags = segment.flags & ACE
    if flags == 0:
        # The client knows nothing of it, or somebody has cleared the field (note 1).
        tcb.ecn.ect = NOT_ECT
        counters.deaf = True
    elif flags in _REFLECTED and flags != _REFLECTED[NOT_ECT]:
        tcb.ecn.ect = NOT_ECT  # it left us without: somebody mangles the field (3.2.2.3)
        if flags == _REFLECTED[CE]:
            counters.cep += 1


def _trust_options(counters: Counters, segment: Segment) -> None:
    """Counters that begin at zero have been cleared on the way (3.2.3.2.4)."""
    said = find(segment.options)
    if said is not None and (said[0] == 0 or said[2] == 0):
        counters.ignore_options = True


# -- the receiver of data -------------------------------------------------------------------------


def arrives(tcb: Tcb, counters: Counters, segment: Segment) -> None:
    """Count an acceptable segment (3.2), and owe an ACK where marks begin or add up (3.2.2.5.1)."""
    counters.skip = False
    came = segment.ecn
    length = segment.length
    if length and came != NOT_ECT:
        if came == CE:
            counters.received_ce += length
        elif came == ECT0:
            counters.received_ect0 += length
        else:
            counters.received_ect1 += length
        tcb.ecn.option_size = _option_size(counters)
    if came == CE:
        _count(tcb, counters, segment.segments)
        if length and not counters.was_marked:
            tcb.ack_now = True
        if counters.unsaid >= (2 if length or tcb.unacked_segments else 3):
            tcb.ack_now = True
    counters.was_marked = came == CE


def _count(tcb: Tcb, counters: Counters, packets: int) -> None:
    ecn = tcb.ecn
    ecn.marks_received += packets
    counters.received_cep += packets
    counters.unsaid += packets
    ecn.cwr_next = counters.received_cep & 2 != 0


def flags_of(counters: Counters, pure: bool) -> int:
    """Return the ACE field: the counter, or once, on a pure ACK, how the SYN-ACK has come."""
    counters.unsaid = 0
    if pure and counters.reflected:
        flags = counters.reflected
        counters.reflected = 0
        return flags
    return (counters.received_cep & 7) << _SHIFT


def _fields(counters: Counters) -> tuple[int, bool]:
    """Return how many fields must be told, and whether ECT(1) stands first (3.2.3.3).

    Those that have ever changed; but the field in the middle costs no more than the first.
    """
    ect0 = counters.received_ect0 != 1
    ect1 = counters.received_ect1 != 1
    if ect0 and ect1:
        return 3, False
    return 2 if counters.received_ce else 1, ect1


def _option_size(counters: Counters) -> int:
    if counters.options_off:
        return 0
    return 12 if _fields(counters)[0] == 3 else 8


def option(tcb: Tcb, counters: Counters) -> bytes:
    """Return the option that is due, filled up to whole words; it is not due any more."""
    size = tcb.ecn.option_size
    fields, order_1 = _fields(counters)
    if size == 12 and fields < 3:  # the handshake's, which tests the path
        fields, order_1 = 3, True
    tcb.ecn.option_size = 0
    counts = counters.received_ect0, counters.received_ce, counters.received_ect1
    made = encode(*counts, fields, order_1)
    return made + b"\x01" * (-len(made) % 4)


def data_goes_out(tcb: Tcb, counters: Counters) -> None:
    """Our first data carry an option too: the ACK before may be lost unseen (3.2.3.2.1)."""
    counters.first_data = False
    tcb.ecn.option_size = 0 if counters.options_off else 12


def goes_again(tcb: Tcb, counters: Counters, seq: int) -> None:
    """When the first data get lost it may be for their option: no more of it (3.2.3.2.2)."""
    if seq == (tcb.snd.iss + 1) & 0xFFFFFFFF:
        counters.options_off = True
        tcb.ecn.option_size = 0


# -- the sender of data ---------------------------------------------------------------------------


def listen(tcb: Tcb, counters: Counters, segment: Segment, delivered: int) -> int:
    """Take an ACK's counters; return how many octets it reports as marked for the first time.

    An ACK without progress may be an old one that was overtaken: its counters are passed over.
    `delivered` octets are newly acknowledged in any way.
    """
    if counters.skip:
        return 0
    later = tcb.ts_on and segment.ts_val != ABSENT and gt(segment.ts_val, tcb.ts_recent)
    if not delivered and not later:
        return 0
    octets = tcb.sent.delivered - counters.delivered_before
    said = None if counters.ignore_options else find(segment.options)
    marked = MISSING
    if said is not None:
        marked = _take_option(counters, said)
        if marked < 0:
            return 0
    packets = octets // tcb.mss
    steps = ((segment.flags >> _SHIFT) - counters.cep) & 7
    if marked == MISSING:
        if packets > 7 and (steps or tcb.ecn.reducing):
            # It may have cycled, where marks come at all:
            steps = packets - ((packets - steps) & 7)  # the most that it can be (3.2.2.5.2)
        marked = steps * tcb.mss
    else:
        if marked and not steps and packets <= 7 and _all_were_full(tcb, counters):
            tcb.ecn.ect = NOT_ECT  # one of both is mangled (3.2.3.2.5)
        least = (marked + tcb.mss - 1) // tcb.mss
        if steps < least:
            steps += (least - steps + 7) // 8 * 8
    counters.cep += steps
    counters.delivered_before = tcb.sent.delivered
    counters.una_before = tcb.snd.una
    if counters.deaf:
        return 0
    tcb.ecn.marks_delivered += steps
    return min(marked, octets)


def _take_option(counters: Counters, said: tuple[int, int, int]) -> int:
    """Move the counters on; return by how many marked octets, -1 for an option of old."""
    ect0, ce, ect1 = said
    steps = (
        (ect0 - counters.ect0) & 0xFFFFFF if ect0 != MISSING else 0,
        (ce - counters.ce) & 0xFFFFFF if ce != MISSING else 0,
        (ect1 - counters.ect1) & 0xFFFFFF if ect1 != MISSING else 0,
    )
    if max(steps) >= _BEHIND:
        return -1
    counters.ect0 += steps[0]
    counters.ce += steps[1]
    counters.ect1 += steps[2]
    return steps[1]


def _all_were_full(tcb: Tcb, counters: Counters) -> bool:
    """Return whether octets tell how many segments have arrived since the last counters."""
    return not gt(tcb.snd.small_end, counters.una_before)


assert _REFLECTED[ECT1] == CWR | ECE and _REFLECTED[ECT0] == AE
