"""Explicit congestion notification (RFC 3168): asking for it, echoing marks, heeding echoes.

What only accurate feedback has (RFC 9768) is in `accurate`. Whoever is not asked and does not ask
pays one comparison a segment. The SYNs agree (`syn_flags`,
`syn_ack_flags`, `learn_from_syn`, `learn_from_syn_ack`); then the receiver of data looks at the IP
header's field (`arrives`) and says what it saw in the flags of whatever it sends (`flags_of`), and
the sender of data listens (`listen`), slows down once a window (`reduced`) and marks its new data
(`mark`).
"""

from lastack.tcp import accurate, validation
from lastack.tcp.congestion import Dctcp, controller_class
from lastack.tcp.ecn_state import (
    ACCEPTED,
    ACCURATE,
    ASKED,
    CE,
    CLASSIC,
    ECT0,
    NONE,
    NOT_ECT,
    Counters,
    Ecn,
)
from lastack.tcp.recovery import Phase, Reduction
from lastack.tcp.tcb import Tcb
from lastack.wire.segment import AE, CWR, ECE, Segment
from lastack.wire.seq import gt

_QUICK: int = 2
"""Data segments acknowledged at once after a mark: the sender may have little in flight."""


# -- the SYNs agree -------------------------------------------------------------------------------


def syn_flags(tcb: Tcb) -> int:
    """Return the flags by which our SYN asks (RFC 3168 6.1.1).

    After some retransmissions it asks no more, lest a middlebox minds (6.1.1.1).
    """
    ecn = tcb.ecn
    asked = ASKED[tcb.config.ecn]
    if asked is NONE and ACCEPTED[tcb.config.ecn] is not NONE and _goes_by_marks(tcb):
        asked = CLASSIC
    if asked is NONE or tcb.retries > tcb.config.ecn_syn_retries:
        ecn.plain_syn_sent = True
        return 0
    ecn.asked = asked
    return ECE | CWR if asked is CLASSIC else AE | CWR | ECE


def _goes_by_marks(tcb: Tcb) -> bool:
    """Return whether the connection is one of DCTCP, which without ECN would be one of NewReno."""
    # Not issubclass: compiled, the classes below an abstract base share one cache of its answers.
    return Dctcp in controller_class(tcb.config.congestion).__mro__


def syn_ack_flags(tcb: Tcb) -> int:
    """Return the flags by which our SYN-ACK agrees."""
    counters = tcb.ecn.counters
    if counters is not None:
        return accurate.syn_ack_flags(tcb, counters)
    return ECE if tcb.ecn.feedback is CLASSIC else 0


def syn_ack_option(tcb: Tcb) -> bytes:
    """Return what our SYN-ACK has among its options."""
    counters = tcb.ecn.counters
    return b"" if counters is None else accurate.syn_ack_option(tcb, counters)


def learn_from_syn(tcb: Tcb, segment: Segment) -> None:
    """Take the peer's SYN (no SYN-ACK): in LISTEN, or crossing ours (RFC 9768 Table 2).

    Other combinations than those of today ask for accurate feedback too (RFC 9768 3.1.3).
    """
    accepted = ACCEPTED[tcb.config.ecn]
    flags = segment.flags & accurate.ACE
    if accepted is ACCURATE and flags and flags != ECE | CWR:
        _agree_on_accurate(tcb, segment)
        if tcb.ecn.plain_syn_sent and not tcb.passive:
            tcb.ecn.ect = NOT_ECT
    elif accepted is not NONE and flags & (ECE | CWR) == ECE | CWR:
        _agree_on_classic(tcb)
    else:
        _agree_on_nothing(tcb.ecn)


def syn_comes_again(tcb: Tcb, segment: Segment) -> bool:
    """In SYN-RECEIVED: the peer's SYN again; False when it now asks for the other kind of feedback.

    Our SYN-ACK tells how the latest has come; one that does not ask means that ours gets lost on
    the way, or that its flags do (RFC 9768 3.1.5).
    """
    ecn = tcb.ecn
    flags = segment.flags & accurate.ACE
    if ecn.counters is None:
        knows = ACCEPTED[tcb.config.ecn] is ACCURATE  # to RFC 3168 alone, AE says nothing
        return not (knows and ecn.feedback is CLASSIC and flags == accurate.ACE)
    if flags == ECE | CWR:
        return False
    ecn.counters.syn_came = segment.ecn
    if not flags:
        ecn.ect = NOT_ECT
    return True


def learn_from_syn_ack(tcb: Tcb, segment: Segment) -> None:
    """Take the answer to our SYN (RFC 3168 6.1.1, RFC 9768 Table 2)."""
    asked = tcb.ecn.asked
    flags = segment.flags & accurate.ACE
    if asked is ACCURATE and flags not in (0, ECE, accurate.ACE):
        counters = _agree_on_accurate(tcb, segment)
        accurate.syn_ack_arrives(tcb, counters, segment)
    elif asked is not NONE and flags & (ECE | CWR) == ECE:
        _agree_on_classic(tcb)
    else:
        _agree_on_nothing(tcb.ecn)


def syn_ack_comes_again(tcb: Tcb, segment: Segment) -> None:
    """Its pure ACK tells how it has come (RFC 9768 3.2.2.1)."""
    counters = tcb.ecn.counters
    if counters is not None and not tcb.passive:
        accurate.reflect(counters, segment.ecn)


def syn_ack_is_acknowledged(tcb: Tcb, segment: Segment) -> None:
    """SYN-RECEIVED ends: what of ours the peer has seen (RFC 9768 3.2.2.1)."""
    counters = tcb.ecn.counters
    if counters is not None and tcb.passive:
        accurate.handshake_ack_arrives(tcb, counters, segment)


def _agree_on_nothing(ecn: Ecn) -> None:
    ecn.feedback = NONE
    ecn.ect = NOT_ECT


def _agree_on_classic(tcb: Tcb) -> None:
    """Both ends can, unless a SYN of ours has said that we cannot (6.1.1)."""
    ecn = tcb.ecn
    if ecn.plain_syn_sent and not tcb.passive and not tcb.config.ecn_after_plain_syn:
        _agree_on_nothing(ecn)
        return
    ecn.feedback = CLASSIC
    ecn.ect = ECT0


def _agree_on_accurate(tcb: Tcb, segment: Segment) -> Counters:
    """Both ends can, and count from now on."""
    ecn = tcb.ecn
    ecn.feedback = ACCURATE
    ecn.ect = ECT0
    ecn.counters = Counters(segment.ecn, tcb.snd.iss)
    return ecn.counters


# -- the receiver of data -------------------------------------------------------------------------


def arrives(tcb: Tcb, segment: Segment) -> None:
    """Look at the ECN field of an acceptable segment (6.1.3): ECE from CE on until CWR comes.

    Of a segment outside the window the field says nothing (6.1.5), nor that of one without data.
    A receiver of DCTCP says ECE for as long as what comes is marked, whatever CWR says (RFC 8257
    3.2), and acknowledges each change at once: so the sender knows how much was marked.
    """
    ecn = tcb.ecn
    if segment.ecn != NOT_ECT:
        ecn.seen = True
    if ecn.counters is not None:
        accurate.arrives(tcb, ecn.counters, segment)
        return
    if not segment.length:
        return
    if segment.flags & CWR:
        ecn.echo = False
        tcb.ack_now = True  # the sender may have no more than this in flight
    if segment.ecn == CE:
        ecn.marks_received += segment.segments
        if not ecn.echo:
            ecn.echo = True
            tcb.ack_now = True
            tcb.quick_acks = max(tcb.quick_acks, _QUICK)
    elif ecn.echo and isinstance(tcb.controller, Dctcp):
        ecn.echo = False
        tcb.ack_now = True


def flags_of(tcb: Tcb, pure: bool) -> int:
    """Return the flags that every segment but a SYN or a reset carries.

    `pure` is an ACK that brings nothing else, no SACK block either.
    """
    counters = tcb.ecn.counters
    if counters is not None:
        return accurate.flags_of(counters, pure)
    return ECE if tcb.ecn.echo else 0


def option(tcb: Tcb) -> bytes:
    """Return the AccECN option that is due."""
    counters = tcb.ecn.counters
    return b"" if counters is None else accurate.option(tcb, counters)


# -- the sender of data ---------------------------------------------------------------------------


def listen(tcb: Tcb, segment: Segment, prior: int, delivered: int, now: int) -> None:
    """Take what an acceptable ACK says of marks; with news, slow down once a window (6.1.2).

    `prior` octets were in flight before it, `delivered` is what it newly acknowledges in any way.
    """
    ecn = tcb.ecn
    if ecn.reducing and gt(tcb.snd.una, ecn.reduced_at):
        ecn.reducing = False
        _reduction_over(tcb)
    if ecn.counters is not None:
        before = ecn.marks_delivered
        ecn.marked += accurate.listen(tcb, ecn.counters, segment, delivered)
        if ecn.marks_delivered == before:
            return
    elif segment.flags & ECE:
        ecn.marked += delivered
        ecn.marks_delivered += (delivered + tcb.mss - 1) // tcb.mss
    else:
        return
    controller, recovery = tcb.controller, tcb.recovery
    if ecn.reducing or controller is None or recovery is None or recovery.phase is not Phase.OPEN:
        return
    if tcb.config.ecn_waits and controller.cwnd < 2 * tcb.mss:
        ecn.waits = True
        tcb.timers.retransmit = now + tcb.rtt.rto
    validation.marked(tcb, controller, prior, now)
    reduced(tcb)
    if tcb.config.prr and not controller.bounds_recovery:
        recovery.reduction = Reduction(controller.ssthresh, prior, tcb.sent.transmitted)


def _reduction_over(tcb: Tcb) -> None:
    """The window has come down without a loss: from here on it is the controller's again."""
    recovery = tcb.recovery
    if recovery is not None and recovery.phase is Phase.OPEN:
        recovery.reduction = None


def reduced(tcb: Tcb) -> None:
    """The congestion window was reduced, for whatever reason: the peer is told once (6.1.2)."""
    ecn = tcb.ecn
    if ecn.feedback is not NONE:
        ecn.reducing = True
        ecn.reduced_at = tcb.snd.nxt
        if ecn.feedback is CLASSIC:
            ecn.cwr_next = True


def data_goes_out(tcb: Tcb) -> None:
    """New data are about to be made up: do they carry an option that they would not have?"""
    counters = tcb.ecn.counters
    if counters is not None and counters.first_data:
        accurate.data_goes_out(tcb, counters)


def goes_again(tcb: Tcb, seq: int) -> None:
    """Data from this sequence number on are sent again."""
    counters = tcb.ecn.counters
    if counters is not None:
        accurate.goes_again(tcb, counters, seq)


def mark(tcb: Tcb, segment: Segment) -> None:
    """Make new data ECN-capable (never what is sent again, 6.1.5), and say CWR where it is owed."""
    ecn = tcb.ecn
    segment.ecn = ecn.ect
    if ecn.cwr_next and ecn.feedback is CLASSIC:
        ecn.cwr_next = False
        segment.flags |= CWR
