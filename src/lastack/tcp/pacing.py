"""Pacing: data leaves at a rate instead of in bursts, by a deadline and without a thread or tick.

A bucket fills at the rate and holds one quantum at most:

    sent ... sent              at                now
    ---------|------------------|=================|---> time
                                 what may go now

`at` is when all that was sent so far would have gone had it flowed evenly. What may go now is the
flow since then. When that is less than a segment, the timer waits until half a quantum may go, so
that segments stay large; the other half makes up for timers that go off late.
"""

from typing import Final

from lastack.tcp.congestion import must_be_whole
from lastack.tcp.pacer import LEAST_QUANTUM, Pacer
from lastack.tcp.tcb import Tcb
from lastack.units import NEVER

SLOW_START_PERCENT: Final = 200
"""Of cwnd / SRTT in slow start, where no controller says a rate: Linux's tcp_pacing_ss_ratio."""
AVOIDANCE_PERCENT: Final = 120
"""The same in congestion avoidance: tcp_pacing_ca_ratio."""

LEAST_SEGMENTS: Final = 1
"""A second. What is slower is no pace but a pause, in which nothing is learned, and the congestion
window bounds it anyway."""


def update(tcb: Tcb) -> None:
    """Take the rate that holds from now on, from the controller or from cwnd / SRTT."""
    controller = tcb.controller
    if controller is None:
        return
    rate = controller.pacing_rate()
    must_be_whole(controller, rate)
    if rate == 0 and tcb.rtt.srtt and (tcb.config.pacing or _in_doubt(tcb)):
        slow = 2 * controller.cwnd < controller.ssthresh
        percent = SLOW_START_PERCENT if slow else AVOIDANCE_PERCENT
        window = max(controller.cwnd, tcb.sent.in_flight)
        rate = window * 10_000_000 * percent // tcb.rtt.srtt
    if rate <= 0:
        if tcb.pacer is not None:
            tcb.pacer = None
            tcb.timers.pacing = NEVER
        return
    pacer = tcb.pacer
    if pacer is None:
        pacer = tcb.pacer = Pacer()
    least = LEAST_SEGMENTS * tcb.mss
    pacer.set_rate(rate if rate > least else least, tcb.mss)
    if tcb.timers.pacing != NEVER:
        # By the new rate, which may be far higher; a lower one counts from the next segment on.
        tcb.timers.pacing = min(tcb.timers.pacing, pacer.when_half_full())


def _in_doubt(tcb: Tcb) -> bool:
    """Return whether nobody knows if the path takes a whole window at once (RFC 7661 4.4.2)."""
    return tcb.validation is not None and not tcb.validation.validated


def may_send(tcb: Tcb, pacer: Pacer, now: int) -> bool:
    """Return whether a segment may go now; if not, the timer says when to ask again."""
    if tcb.timers.pacing != NEVER:
        return False
    if pacer.quantum < LEAST_QUANTUM * tcb.mss:
        pacer.set_rate(pacer.rate, tcb.mss)  # segments have grown: the old one may let none go
    if pacer.room(now) >= tcb.mss:
        return True
    tcb.timers.pacing = pacer.when_half_full()
    return False
