"""What an ACK means: the fifth step of SEGMENT ARRIVES, synchronized states (3.10.7.4)."""

from typing import Final

from lastack.tcp import ecn, mtu_probing, repair, spurious, tail_probe
from lastack.tcp.acked import Acked
from lastack.tcp.ecn_state import NONE
from lastack.tcp.events import Advice
from lastack.tcp.replies import wish_challenge
from lastack.tcp.send_room import is_roomy
from lastack.tcp.tally import BUFFER, BUSY, IDLE
from lastack.tcp.tcb import WRITABLE, Tcb
from lastack.units import MS, NEVER
from lastack.wire.segment import ABSENT, FIN, SYN, Segment
from lastack.wire.seq import add, diff, ge, gt, le, lt
from lastack.wire.stop import Stop

RESTART_SEGMENTS: Final = 4
"""With fewer in flight fast retransmit has little to go by (rrthresh of RFC 7765 4)."""
_RENEGING_WAIT: Final = 10 * MS


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
        _old_ack(tcb, segment, now)
        return
    if tcb.more_follows and tcb.config.more_until_ack:
        tcb.cork_over = True
    prior = sent.in_flight
    had = sent.octets
    delivered = sent.delivered
    said = _begin(tcb, segment, now)
    if advance:
        said.acked = sent.acknowledged(ack, now, said)
        snd.advance(ack)
        if lt(snd.nxt, ack):
            snd.nxt = ack  # the octet of a probe that we had taken back
        if tcb.syn_owed:
            tcb.syn_owed = False  # FIN-WAIT-1 may come before the ACK of our SYN
            tcb.ack_now = True
        tcb.bytes_acked += advance
        _progresses(tcb, now)
        _measure(tcb, segment, said, now)
        if tcb.stamps is not None:
            tcb.stamps.acknowledged(snd.offset(ack), now)
        if tcb.search is not None:
            mtu_probing.acknowledged(tcb, now)
        if lt(snd.up, ack):
            snd.up = ack
    if segment.sack and tcb.sack_on:
        said.dsack = _is_dsack(segment, ack)
        said.probe_arrived = said.dsack and _duplicate_reported(tcb, segment.sack[0], now)
        _take_sack(tcb, segment, said, now)
    window_moved = _update_window(tcb, segment, now)
    if not had:
        return
    said.duplicate = (
        advance == 0
        and segment.length == 0
        and not window_moved
        and not segment.flags & (SYN | FIN)
        and tcb.timers.persist == NEVER  # answers to probes say nothing about losses
        and not (said.dsack and said.sacked == 0)
    )
    if said.duplicate:
        tcb.duplicate_acks += 1
    tcb.tally.acknowledged(sent.delivered - delivered, tcb.mss, said.dsack)
    if tcb.ecn.feedback is not NONE:
        ecn.listen(tcb, segment, prior, sent.delivered - delivered, now)
    if said.acked or said.sacked or said.duplicate or said.dsack:
        said.nxt = snd.nxt
        said.mss = tcb.mss
        if tcb.tail_probe is not None:
            tail_probe.is_answered(tcb, said, prior, now)
        echo = segment.ts_ecr if tcb.ts_on and segment.ts_ecr not in (ABSENT, 0) else -1
        repair.digest(tcb, said, echo, prior, sent.delivered - delivered, now)
    _set_timers(tcb, advance > 0, now)


def _duplicate_reported(tcb: Tcb, block: tuple[int, int], now: int) -> bool:
    """Take a D-SACK; return whether it was for a tail loss probe, which says nothing of losses."""
    if tail_probe.was_for_probe(tcb, block[0], block[1]):
        return True
    spurious.duplicate_reported(tcb, block[0], block[1], now)
    return False


def _old_ack(tcb: Tcb, segment: Segment, now: int) -> None:
    """An ACK that another has overtaken: nothing but its SACK blocks may be news."""
    sent = tcb.sent
    if not segment.sack or not tcb.sack_on or not sent.spans:
        return
    prior = sent.in_flight
    delivered = sent.delivered
    said = _begin(tcb, segment, now)
    said.una = tcb.snd.una
    said.dsack = _is_dsack(segment, segment.ack)
    _take_sack(tcb, segment, said, now)
    if said.sacked:
        said.dsack = False
        repair.digest(tcb, said, -1, prior, sent.delivered - delivered, now)


def _begin(tcb: Tcb, segment: Segment, now: int) -> Acked:
    """Begin to listen to an ACK.

    What was sent again may be acknowledged for the sake of the original (RFC 8985 6.2).
    """
    said = Acked(segment.ack, tcb.snd.nxt, tcb.mss, tcb.sack_on)
    if tcb.sent.resends is not None:
        least = tcb.rtt.minimum
        said.least_rtt = least if least < NEVER else 0
        if tcb.ts_on and segment.ts_ecr not in (ABSENT, 0):
            said.echoed_at = now - _age(tcb, segment, now) + MS
    return said


def _set_timers(tcb: Tcb, advanced: bool, now: int) -> None:
    """The timers of what is in flight begin again when SND.UNA moves (RFC 6298 5.2, 5.3)."""
    timers = tcb.timers
    if not tcb.sent.spans:
        timers.retransmit = now + tcb.rtt.rto if tcb.ecn.waits else NEVER
        timers.loss_probe = NEVER
        timers.reordering = NEVER
        timers.user_timeout = NEVER
        if not tcb.snd.unsent:
            tcb.tally.turn(IDLE, now)
    elif advanced:
        timers.retransmit = now + _patience(tcb, now)
        timers.user_timeout = NEVER
        tcb.begin_user_timeout(now)
        tail_probe.schedule(tcb, now)


def _patience(tcb: Tcb, now: int) -> int:
    """Return how long to wait for the oldest octet from now on: RTO, or less for a reason."""
    sent, rto = tcb.sent, tcb.rtt.rto
    oldest = sent.spans[0]
    if oldest.sacked and tcb.config.rack:
        # The peer had it, and acknowledges up to there: it reneged, or says more at once.
        return min(rto, max(tcb.rtt.srtt // 2, _RENEGING_WAIT))
    if tcb.config.rto_restart and not tcb.snd.unsent and sent.octets < RESTART_SEGMENTS * tcb.mss:
        return max(rto - (now - oldest.sent_at), 1)  # RFC 7765 4
    return rto


def _progresses(tcb: Tcb, now: int) -> None:
    """SND.UNA has moved: the peer is alive, and there is room in the buffer."""
    if tcb.retries:
        tcb.retries = 0
        tcb.tally.progresses(now)
    if tcb.tally.limit == BUFFER and is_roomy(tcb):
        tcb.tally.starved = False
        tcb.tally.turn(BUSY, now)
    tcb.notices |= WRITABLE


def _measure(tcb: Tcb, segment: Segment, said: Acked, now: int) -> None:
    """Sample the round trip: by our records (Karn), else by the echoed timestamp (RFC 7323 4)."""
    if said.rtt >= 0 and not said.resent_acked:
        tcb.rtt.sample(said.rtt, tcb.config)
    elif tcb.ts_on and segment.ts_ecr not in (ABSENT, 0) and said.newest is not None:
        if not lt(segment.ts_ecr, tcb.timestamp(said.newest.sent_at)):
            sample_echo(tcb, segment, said.newest.sent_at, now)
        else:
            _hear_of_original(tcb, segment, said.newest.first_sent_at, now)


def _hear_of_original(tcb: Tcb, segment: Segment, since: int, now: int) -> None:
    """What was sent again is acknowledged with the timestamp of the original, sent at `since` or
    later.

    Had it come twice, a D-SACK would say so: then it is an ACK that was lost, no round trip is to
    be seen, but no ambiguity is left either. Without one the original is as late as this. Where
    there is no SACK nobody knows: that an ACK was lost is taken for granted once, and then the
    back-off goes on until a sample is clear (Karn, MUST-18).
    """
    rtt = tcb.rtt
    if not tcb.sack_on:
        if not rtt.excused:
            rtt.excused = True
            rtt.end_back_off(tcb.config)
    elif segment.sack and _is_dsack(segment, segment.ack):
        rtt.end_back_off(tcb.config)
    else:
        sample_echo(tcb, segment, since, now)


def sample_echo(tcb: Tcb, segment: Segment, since: int, now: int) -> None:
    """Sample the age of the echoed timestamp, unless it is older than `since` or not ours."""
    age = _age(tcb, segment, now)
    if age <= now - since + MS:
        tcb.rtt.sample(age, tcb.config)


def _age(tcb: Tcb, segment: Segment, now: int) -> int:
    """Return how long ago the timestamp was sent that the segment echoes."""
    return ((tcb.timestamp(now) - segment.ts_ecr) & 0xFFFFFFFF) * MS


def _is_dsack(segment: Segment, ack: int) -> bool:
    """Return whether the first block reports a duplicate (RFC 2883 4)."""
    low, high = segment.sack[0]
    if le(high, ack) or lt(low, ack):
        return True
    if len(segment.sack) > 1:
        outer_low, outer_high = segment.sack[1]
        return ge(low, outer_low) and le(high, outer_high)
    return False


def _take_sack(tcb: Tcb, segment: Segment, said: Acked, now: int) -> None:
    """Mark what the blocks report, if they speak of octets in flight."""
    snd, sent = tcb.snd, tcb.sent
    unit = tcb.mss if tcb.config.sack_of_segments else 0
    for i, (low, high) in enumerate(segment.sack):
        if i == 0 and said.dsack:
            continue
        if ge(low, snd.una) and lt(low, high) and le(high, snd.nxt):
            said.sacked += sent.selectively_acknowledged(low, high, now, said, unit)


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
