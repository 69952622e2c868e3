"""What an ACK means: the fifth step of SEGMENT ARRIVES, synchronized states (3.10.7.4)."""

from lastack.tcp import ecn, mtu_probing, sampling
from lastack.tcp.ecn_state import NONE
from lastack.tcp.events import Advice
from lastack.tcp.recovery import Acked, Losses
from lastack.tcp.replies import wish_challenge
from lastack.tcp.tcb import WRITABLE, Tcb
from lastack.units import MS, NEVER
from lastack.wire.segment import ABSENT, FIN, SYN, Segment
from lastack.wire.seq import add, diff, ge, gt, le, lt
from lastack.wire.stop import Stop


def acceptable(tcb: Tcb, segment: Segment, now: int) -> Stop | None:
    """Check SEG.ACK; what acknowledges the future or the distant past is answered with an ACK."""
    snd = tcb.snd
    ack = segment.ack
    if gt(ack, snd.max):
        wish_challenge(tcb, now)
        return Stop.ACK_OF_UNSENT
    if tcb.config.rfc5961 and lt(ack, add(snd.una, -max(snd.max_wnd, 1))):
        wish_challenge(tcb, now)
        return Stop.ACK_TOO_OLD
    return None


def acknowledge(tcb: Tcb, segment: Segment, now: int) -> None:
    """Digest an acceptable ACK: SND.UNA, RTT, SACK, loss, windows, timers."""
    snd, sent = tcb.snd, tcb.sent
    ack = segment.ack
    advance = diff(ack, snd.una)
    if advance < 0:
        return  # an old ACK says nothing new; its text may still be good
    if tcb.more_follows and tcb.config.more_until_ack:
        tcb.cork_over = True
    prior = sent.in_flight
    had = sent.octets
    delivered = sent.delivered
    acked = 0
    sacked = 0
    dsack = False
    if advance:
        acked = sent.acknowledged(ack, now)
        snd.advance(ack)
        if lt(snd.nxt, ack):
            snd.nxt = ack  # the octet of a probe that we had taken back
        if tcb.syn_owed:
            tcb.syn_owed = False  # FIN-WAIT-1 may come before the ACK of our SYN
            tcb.ack_now = True
        tcb.bytes_acked += advance
        tcb.retries = 0
        tcb.notices |= WRITABLE
        _measure(tcb, segment, now)
        if tcb.search is not None:
            mtu_probing.acknowledged(tcb, now)
        if lt(snd.up, ack):
            snd.up = ack
    if segment.sack and tcb.sack_on:
        if advance == 0:
            sent.newest = None
            sent.rtt = -1
        dsack = _is_dsack(segment, ack)
        sacked = _take_sack(tcb, segment, dsack, now)
    window_moved = _update_window(tcb, segment, now)
    if not had:
        return
    duplicate = (
        advance == 0
        and segment.length == 0
        and not window_moved
        and not segment.flags & (SYN | FIN)
        and tcb.timers.persist == NEVER  # answers to probes say nothing about losses
        and not (dsack and sacked == 0)
    )
    if duplicate:
        tcb.duplicate_acks += 1
    if tcb.ecn.feedback is not NONE:
        ecn.listen(tcb, segment, prior, sent.delivered - delivered, now)
    if acked or sacked or duplicate:
        said = Acked(ack, snd.nxt, acked, sacked, duplicate, tcb.mss, tcb.sack_on, dsack)
        _recover(tcb, said, prior, sent.delivered - delivered, now)
    sent.newest = None
    timers = tcb.timers
    if not sent.spans:
        timers.retransmit = NEVER
        timers.user_timeout = NEVER
    elif advance:
        timers.retransmit = now + tcb.rtt.rto
        timers.user_timeout = NEVER
        tcb.begin_user_timeout(now)


def _measure(tcb: Tcb, segment: Segment, now: int) -> None:
    """Sample the round trip: by our records (Karn), else by the echoed timestamp (RFC 7323 4)."""
    sent = tcb.sent
    if sent.rtt >= 0 and not sent.resent_acked:
        tcb.rtt.sample(sent.rtt, tcb.config)
    elif tcb.ts_on and segment.ts_ecr not in (ABSENT, 0) and sent.newest is not None:
        if lt(segment.ts_ecr, tcb.timestamp(sent.newest.sent_at)):
            # The original had arrived and its ACK was lost or late: no round trip to be seen here,
            # but no ambiguity either, so the back-off ends.
            tcb.rtt.end_back_off(tcb.config)
        else:
            sample_echo(tcb, segment, sent.newest.sent_at, now)


def sample_echo(tcb: Tcb, segment: Segment, since: int, now: int) -> None:
    """Sample the age of the echoed timestamp, unless it is older than `since` or not ours."""
    age = ((tcb.timestamp(now) - segment.ts_ecr) & 0xFFFFFFFF) * MS
    if age <= now - since + MS:
        tcb.rtt.sample(age, tcb.config)


def _is_dsack(segment: Segment, ack: int) -> bool:
    """Return whether the first block reports a duplicate (RFC 2883 4)."""
    low, high = segment.sack[0]
    if le(high, ack) or lt(low, ack):
        return True
    if len(segment.sack) > 1:
        outer_low, outer_high = segment.sack[1]
        return ge(low, outer_low) and le(high, outer_high)
    return False


def _take_sack(tcb: Tcb, segment: Segment, dsack: bool, now: int) -> int:
    """Mark what the blocks report, if they speak of octets in flight; return what is news."""
    snd = tcb.snd
    news = 0
    for i, (low, high) in enumerate(segment.sack):
        if i == 0 and dsack:
            continue
        if ge(low, snd.una) and lt(low, high) and le(high, snd.nxt):
            news += tcb.sent.selectively_acknowledged(low, high, now)
    return news


def _update_window(tcb: Tcb, segment: Segment, now: int) -> bool:
    """Move SND.WND by the newest segment alone (SND.WL1, SND.WL2); return whether it changed."""
    snd = tcb.snd
    seq = segment.seq
    if not (lt(snd.wl1, seq) or (snd.wl1 == seq and le(snd.wl2, segment.ack))):
        return False
    window = segment.window << snd.scale  # MUST-1, REC-1: never negative, up to 30 bits
    snd.wl1 = seq
    snd.wl2 = segment.ack
    if window == 0:
        _still_closed(tcb)
    if window == snd.wnd:
        return False
    was = snd.wnd
    snd.wnd = window
    if window > snd.max_wnd:
        snd.max_wnd = window
    if window == 0:
        tcb.advise(Advice.ZERO_WINDOW, 0, now)
    elif was == 0:
        _window_opened(tcb, now)
    return True


def _still_closed(tcb: Tcb) -> None:
    """The window is closed, but the peer is alive: probes go on for ever (MUST-37)."""
    timers, config = tcb.timers, tcb.config
    if timers.persist != NEVER:
        tcb.retries = 0
    if not config.user_timeout_bounds_probing:
        timers.user_timeout = NEVER  # until the next probe waits for its answer


def _window_opened(tcb: Tcb, now: int) -> None:
    """Probing is over."""
    sent, timers = tcb.sent, tcb.timers
    tcb.advise(Advice.WINDOW_OPEN, tcb.snd.wnd, now)
    tcb.probes = 0
    tcb.probe_owed = False
    if timers.persist == NEVER:
        if tcb.retries and sent.spans:
            # Retransmissions have served as probes: do not sit out what they had backed off to.
            sent.mark_lost(sent.spans[0])
            tcb.resend_owed = True
            tcb.rtt.end_back_off(tcb.config)
            timers.retransmit = now + tcb.rtt.rto
        return
    timers.persist = NEVER
    timers.user_timeout = NEVER
    if sent.octets == 1 and tcb.snd.una == sent.spans[0].start:
        # The octet of the probe was not taken: it is new data again, and goes with the rest.
        tcb.snd.nxt = tcb.snd.una
        tcb.sent.clear()


def _recover(tcb: Tcb, said: Acked, prior: int, delivered: int, now: int) -> None:
    """Tell loss recovery, then the controller, what this ACK said."""
    recovery, controller = tcb.recovery, tcb.controller
    if recovery is None or controller is None:
        return
    sent = tcb.sent
    lost_before = sent.lost
    losses = recovery.on_ack(sent, said, now)
    if losses is Losses.ENTERED:
        if mtu_probing.probe_was_lost(tcb):
            recovery.too_long(said.nxt)
        elif not tcb.ecn.reducing:
            controller.on_loss(prior, now)
            ecn.reduced(tcb)
        tcb.resend_owed = True
    elif losses is Losses.RECOVERED:
        if not recovery.blameless:
            controller.on_recovered(sent.in_flight, now)
        recovery.blameless = False
    elif sent.lost > lost_before and said.acked:
        tcb.resend_owed = True
    sampling.tell_controller(tcb, said, prior, delivered, now)
