"""Explicit congestion notification (RFC 3168): asking for it, echoing marks, heeding echoes.

Whoever is not asked and does not ask pays one comparison a segment. The SYNs agree (`syn_flags`,
`syn_ack_flags`, `learn_from_syn`, `learn_from_syn_ack`); then the receiver of data looks at the IP
header's field (`arrives`) and says what it saw in the flags of whatever it sends (`flags_of`), and
the sender of data listens (`listen`), slows down once a window (`reduced`) and marks its new data
(`mark`).
"""

from lastack.tcp.ecn_state import (
    ACCEPTED,
    ASKED,
    CE,
    CLASSIC,
    ECT0,
    NONE,
    NOT_ECT,
    Ecn,
)
from lastack.tcp.recovery import Phase
from lastack.tcp.tcb import Tcb
from lastack.wire.segment import CWR, ECE, Segment
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
    if asked is NONE or tcb.retries > tcb.config.ecn_syn_retries:
        ecn.plain_syn_sent = True
        return 0
    ecn.asked = asked
    return ECE | CWR


def syn_ack_flags(tcb: Tcb) -> int:
    """Return the flags by which our SYN-ACK agrees."""
    return ECE if tcb.ecn.feedback is CLASSIC else 0


def learn_from_syn(tcb: Tcb, segment: Segment) -> None:
    """Take the peer's SYN (no SYN-ACK): in LISTEN, or crossing ours."""
    if ACCEPTED[tcb.config.ecn] is NONE or segment.flags & (ECE | CWR) != ECE | CWR:
        _agree_on_nothing(tcb.ecn)
    else:
        _agree_on_classic(tcb)


def learn_from_syn_ack(tcb: Tcb, segment: Segment) -> None:
    """Take the answer to our SYN."""
    if tcb.ecn.asked is NONE or segment.flags & (ECE | CWR) != ECE:
        _agree_on_nothing(tcb.ecn)
    else:
        _agree_on_classic(tcb)


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


# -- the receiver of data -------------------------------------------------------------------------


def arrives(tcb: Tcb, segment: Segment) -> None:
    """Look at the ECN field of an acceptable segment (6.1.3): ECE from CE on until CWR comes.

    Of a segment outside the window the field says nothing (6.1.5), nor that of one without data.
    """
    if not segment.length:
        return
    ecn = tcb.ecn
    if segment.flags & CWR:
        ecn.echo = False
        tcb.ack_now = True  # the sender may have no more than this in flight
    if segment.ecn == NOT_ECT:
        return
    ecn.seen = True
    if segment.ecn == CE:
        ecn.marks_received += segment.segments
        if not ecn.echo:
            ecn.echo = True
            tcb.ack_now = True
            tcb.quick_acks = max(tcb.quick_acks, _QUICK)


def flags_of(tcb: Tcb) -> int:
    """Return the flags that every segment but a SYN or a reset carries."""
    return ECE if tcb.ecn.echo else 0


# -- the sender of data ---------------------------------------------------------------------------


def listen(tcb: Tcb, segment: Segment, prior: int, delivered: int, now: int) -> None:
    """Take what an acceptable ACK says of marks; with news, slow down once a window (6.1.2).

    `prior` octets were in flight before it, `delivered` is what it newly acknowledges in any way.
    """
    ecn = tcb.ecn
    ecn.marked = 0
    if ecn.reducing and gt(tcb.snd.una, ecn.reduced_at):
        ecn.reducing = False
    if not segment.flags & ECE:
        return
    ecn.marked = delivered
    ecn.marks_delivered += (delivered + tcb.mss - 1) // tcb.mss
    controller, recovery = tcb.controller, tcb.recovery
    if ecn.reducing or controller is None or recovery is None or recovery.phase is not Phase.OPEN:
        return
    controller.on_ecn(prior, now)
    reduced(tcb)


def reduced(tcb: Tcb) -> None:
    """The congestion window was reduced, for whatever reason: the peer is told once (6.1.2)."""
    ecn = tcb.ecn
    if ecn.feedback is not NONE:
        ecn.reducing = True
        ecn.reduced_at = tcb.snd.nxt
        ecn.cwr_next |= ecn.feedback is CLASSIC


def mark(tcb: Tcb, segment: Segment) -> None:
    """Make new data ECN-capable (never what is sent again, 6.1.5), and say CWR where it is owed."""
    ecn = tcb.ecn
    segment.ecn = ecn.ect
    if ecn.cwr_next:
        ecn.cwr_next = False
        segment.flags |= CWR
