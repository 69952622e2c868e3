"""Tail loss probes: the last segments of a flight are lost without a sign, so ask (RFC 8985 7)."""

from lastack.tcp import ecn
from lastack.tcp.recovery import SLACK, Acked, Phase
from lastack.tcp.span import TailProbe
from lastack.tcp.tcb import Tcb
from lastack.units import NEVER
from lastack.wire.seq import add, diff, gt, lt


def schedule(tcb: Tcb, now: int) -> None:
    """Probe after two round trips of silence, if by then nothing else is known (7.2)."""
    recovery, sent, timers = tcb.recovery, tcb.sent, tcb.timers
    if not tcb.config.tail_loss_probe or recovery is None or not tcb.sack_on:
        return
    if recovery.phase is not Phase.OPEN or sent.sacked or not sent.spans:
        timers.loss_probe = NEVER
        return
    round_trip = tcb.rtt.srtt
    wait = 2 * round_trip if round_trip else tcb.config.initial_rto
    if sent.octets <= tcb.mss:
        wait += tcb.config.tail_loss_probe_delay  # the peer may delay its ACK of a lone segment
    else:
        wait += SLACK
    timers.loss_probe = min(now + wait, timers.retransmit)


def due(tcb: Tcb, now: int) -> None:
    """The time has come: wish for a probe, one at a time; RTO begins again with it (7.3)."""
    recovery, timers = tcb.recovery, tcb.timers
    timers.loss_probe = NEVER
    if recovery is None or recovery.phase is not Phase.OPEN or not tcb.sent.spans:
        return
    tcb.tail_probe_owed = tcb.tail_probe is None


def sent_new(tcb: Tcb) -> bool:
    """Return whether the probe is to be new data: there is some, and the peer's window takes it."""
    snd = tcb.snd
    unsent = diff(snd.end, snd.nxt)
    if unsent > 0:
        return snd.usable >= min(unsent, tcb.mss)
    return snd.fin_queued and not snd.fin_sent


def was_sent(tcb: Tcb, again: bool, now: int) -> None:
    """A probe went out, with new data or what was sent before `again`."""
    tcb.tail_probe = TailProbe(tcb.snd.nxt, again)
    tcb.timers.loss_probe = NEVER
    tcb.timers.retransmit = now + tcb.rtt.rto


def is_answered(tcb: Tcb, said: Acked, prior: int, now: int) -> None:
    """An ACK has come: did the probe repair a loss that nobody has noticed? (7.4.2)

    Then the controller must hear of it. It did not if it was new data, or if the original arrived
    as well: a D-SACK, or a duplicate ACK without any news, says so.
    """
    probe = tcb.tail_probe
    if probe is None or lt(said.una, probe.end):
        return
    if not probe.again:
        tcb.tail_probe = None
    elif gt(said.una, probe.end):
        tcb.tail_probe = None
        controller = tcb.controller
        if controller is not None and not tcb.ecn.reducing:
            controller.on_loss(prior, now)
            controller.on_recovered(max(tcb.sent.in_flight, controller.ssthresh), now)
            ecn.reduced(tcb)
    elif said.duplicate and not said.sacked:
        tcb.tail_probe = None


def was_for_probe(tcb: Tcb, low: int, high: int) -> bool:
    """Is this D-SACK for the probe under way? Then nothing was lost, and the matter is settled."""
    probe = tcb.tail_probe
    if probe is None or high != probe.end or lt(add(low, tcb.mss), high):
        return False
    tcb.tail_probe = None
    return True
