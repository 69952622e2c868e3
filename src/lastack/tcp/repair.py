"""Repairing losses: what `recovery` finds, and the congestion controller that has to hear of it.

One entry for each thing that tells of losses: an ACK, the timer for reordering, the retransmission
timer.
"""

from lastack.tcp import ecn, mtu_probing, sampling, spurious, validation
from lastack.tcp.recovery import Acked, Losses, Phase, Reduction
from lastack.tcp.recovery.base import ENTERED, NOTHING, RECOVERED
from lastack.tcp.tcb import Tcb
from lastack.tcp.when_to_send import how_much
from lastack.units import NEVER


def digest(tcb: Tcb, said: Acked, echo: int, prior: int, delivered: int, now: int) -> None:
    """Tell loss recovery, then the controller, what this ACK said.

    `echo` is the timestamp that it echoes, -1 for none; `prior` octets were in flight before it,
    and `delivered` are newly known to have arrived.
    """
    recovery, controller = tcb.recovery, tcb.controller
    if recovery is None or controller is None:
        return
    sent = tcb.sent
    if tcb.episode is not None:
        spurious.judge(tcb, said, echo, now)
    lost_before = sent.lost
    lost_total = sent.lost_total
    presumed = sent.presumed
    losses = recovery.on_ack(sent, said, now)
    if losses is not NOTHING:
        _turn(tcb, losses, prior, now)
    elif sent.lost > lost_before and said.acked and not said.has_sack:
        tcb.resend_owed = True  # a partial acknowledgment (RFC 6582 3.2 step 3)
    _await_reordered(tcb)
    reduction = recovery.reduction
    arrived = delivered + sent.presumed - presumed
    if reduction is not None:
        safe = said.acked > 0 and sent.lost_total == lost_total
        if arrived > 0:
            reduction.on_ack(arrived, sent.in_flight, sent.transmitted, tcb.mss, safe)
    if sent.lost == 0 and recovery.phase is Phase.RECOVERY and _nothing_new_goes(tcb, now):
        recovery.suspect(sent, said)
    sampling.tell_controller(tcb, said, prior, max(arrived, 0), now)


def _nothing_new_goes(tcb: Tcb, now: int) -> bool:
    """Return whether the window has room, and no new data or FIN that could take it."""
    snd, flight = tcb.snd, tcb.sent.in_flight
    room = tcb.window - flight
    if room < tcb.mss or (snd.fin_queued and not snd.fin_sent):
        return False
    return how_much(tcb, snd.unsent, tcb.mss, room, flight, now) <= 0


def _turn(tcb: Tcb, losses: Losses, prior: int, now: int) -> None:
    """An episode of recovery has ended, or begun, or both."""
    recovery, controller = tcb.recovery, tcb.controller
    if recovery is None or controller is None:
        return
    if losses is not ENTERED:
        flight = tcb.sent.in_flight
        if recovery.reduction is not None:
            flight = max(flight, controller.ssthresh)  # it has seen to it that no burst follows
            recovery.reduction = None
        if not recovery.blameless:
            validation.recovered(tcb, controller, flight, now)
        recovery.blameless = False
    if losses is not RECOVERED:
        if mtu_probing.probe_was_lost(tcb):
            recovery.too_long(tcb.snd.nxt)
        else:
            if not tcb.ecn.reducing:
                saved = controller.save()
                validation.lost(tcb, controller, prior, now)
                ecn.reduced(tcb)
                spurious.begin(tcb, saved, False)
            if tcb.config.prr and not controller.bounds_recovery:
                target, so_far = controller.ssthresh, tcb.sent.transmitted
                recovery.reduction = Reduction(target, prior, so_far)
        tcb.resend_owed = True
        tcb.timers.loss_probe = NEVER
        tcb.tail_probe = None


def _await_reordered(tcb: Tcb) -> None:
    """Set the timer for reordering, which comes before any probe."""
    recovery, timers = tcb.recovery, tcb.timers
    if recovery is not None and recovery.reorder_at != timers.reordering:
        timers.reordering = recovery.reorder_at
        if timers.reordering != NEVER:
            timers.loss_probe = NEVER


def reordering_over(tcb: Tcb, now: int) -> None:
    """The timer for reordering went off: what has not come is lost (RFC 8985 6.3)."""
    recovery, sent = tcb.recovery, tcb.sent
    tcb.timers.reordering = NEVER
    if recovery is None:
        return
    recovery.reorder_at = NEVER
    prior = sent.in_flight
    losses = recovery.on_reordering_over(sent, tcb.mss, tcb.snd.nxt, now)
    if losses is not NOTHING:
        _turn(tcb, losses, prior, now)
        if recovery.reduction is not None:
            recovery.reduction.on_ack(0, sent.in_flight, sent.transmitted, tcb.mss, False)
    _await_reordered(tcb)


def timed_out(tcb: Tcb, now: int) -> None:
    """The retransmission timer went off: begin again with the oldest octet (RFC 5681 3.1)."""
    recovery, controller, sent, snd = tcb.recovery, tcb.controller, tcb.sent, tcb.snd
    if recovery is None or controller is None:
        return
    flight = sent.in_flight
    phase = recovery.phase
    if recovery.on_timeout(sent, snd.una, snd.nxt, now):
        saved = controller.save()
        validation.timed_out(tcb, controller, flight, now)
        ecn.reduced(tcb)
        if phase is not Phase.RECOVERY:
            spurious.begin(tcb, saved, True)
    recovery.new_data_first = False
    recovery.blameless = False
    recovery.reduction = None
    tcb.resend_owed = True
    tcb.tail_probe = None
    tcb.timers.loss_probe = NEVER
    tcb.timers.reordering = NEVER
