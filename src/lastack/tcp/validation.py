"""Congestion window validation: how far to trust a window that its user does not fill.

One entry for each thing that has a say in it: data after a pause, an ACK, a loss, a timeout, a
mark, the end of recovery. `Config.window_validation` says what is done about it.
"""

from typing import Final

from lastack.tcp.congestion import CongestionController, must_be_whole
from lastack.tcp.congestion.validation import PERIOD_LEAST, PERIOD_ROUNDS, Validation
from lastack.tcp.recovery import Acked, Phase
from lastack.tcp.tcb import Tcb

_ALL_THE_WAY: Final = 64
"""Halved so often, every window is the initial one."""


def restarts(tcb: Tcb, controller: CongestionController, idle: int, now: int) -> None:
    """Data is about to go with nothing in flight, `idle` after the last."""
    how = tcb.config.window_validation
    if how == "rfc7661" and not controller.validates_itself:
        if tcb.validation is None:
            tcb.validation = Validation()
        tcb.validation.judge(controller, controller.cwnd, _period(tcb), now - idle, now)
        return
    tcb.validation = None
    if idle > tcb.rtt.rto and how != "off" and not controller.validates_itself:
        rounds = (idle - 1) // tcb.rtt.rto
        controller.on_idle(now, rounds if how != "freebsd" else _ALL_THE_WAY)


def _period(tcb: Tcb) -> int:
    """Return the pipeACK sampling period (RFC 7661 4.2)."""
    return max(PERIOD_ROUNDS * tcb.rtt.srtt, PERIOD_LEAST)


def acknowledged(tcb: Tcb, controller: CongestionController, said: Acked, now: int) -> bool:
    """Measure pipeACK, but not while losses are repaired; return whether the window is in doubt.

    Where it is, it grows only as it is made use of to the last segment (RFC 7661 4.2, 4.4).
    """
    validation, recovery = tcb.validation, tcb.recovery
    if validation is None or recovery is None:
        return False
    if recovery.phase is not Phase.OPEN:
        validation.pipe.pause()
        return False
    period, cwnd, delivered = _period(tcb), controller.cwnd, tcb.sent.delivered
    window = validation.pipe.acknowledged(said.una, said.nxt, delivered, cwnd, period, now)
    if window:
        validation.judge(controller, window, period, now, now)
    return not validation.validated


def lost(tcb: Tcb, controller: CongestionController, prior: int, now: int) -> None:
    """Recovery begins: tell the controller; `prior` octets were in flight (RFC 7661 4.4.1)."""
    validation = tcb.validation
    if validation is None:
        controller.on_loss(prior, now)
        return
    in_use = validation.congested(controller, max(prior, tcb.sent.octets), _period(tcb), now)
    controller.on_loss(in_use or prior, now)
    if in_use:
        validation.capacity = in_use
        validation.resent = 0
        controller.cwnd = max(in_use // 2, tcb.mss)
        controller.ssthresh = max(in_use // 2, 2 * tcb.mss)


def recovered(tcb: Tcb, controller: CongestionController, flight: int, now: int) -> None:
    """Recovery ends: what had to be sent again was too much for the path (RFC 7661 4.4.1)."""
    validation = tcb.validation
    if validation is None:
        controller.on_recovered(flight, now)
        return
    validation.pipe.clear()
    in_use, validation.capacity = validation.capacity, 0
    if not in_use:
        controller.on_recovered(flight, now)
        return
    safe = max((in_use - validation.resent) // 2, tcb.mss)
    controller.ssthresh = max(safe, 2 * tcb.mss)
    controller.on_recovered(flight, now)
    controller.cwnd = min(controller.cwnd, safe)


def timed_out(tcb: Tcb, controller: CongestionController, flight: int, now: int) -> None:
    """The retransmission timer went off: from here on all is as ever (RFC 7661 4.4)."""
    validation = tcb.validation
    if validation is not None:
        validation.congested(controller, tcb.sent.octets, _period(tcb), now)
        validation.pipe.clear()
    controller.on_timeout(flight, now)
    must_be_whole(controller, 0)


def marked(tcb: Tcb, controller: CongestionController, prior: int, now: int) -> None:
    """A congestion mark: the controller's own answer to it, for what was in use (RFC 7661 4.4)."""
    validation = tcb.validation
    if validation is None:
        controller.on_ecn(prior, now)
        return
    in_use = validation.congested(controller, max(prior, tcb.sent.octets), _period(tcb), now)
    if in_use:
        validation.pipe.clear()
    controller.on_ecn(in_use or prior, now)
