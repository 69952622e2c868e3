"""What each timer does when it goes off (RFC 9293 3.8, 3.10.8; RFC 6298 5)."""

import errno

from lastack.tcp import mtu_probing, repair, tail_probe
from lastack.tcp.events import Advice
from lastack.tcp.replies import wish_abort
from lastack.tcp.states import CLOSED, SYN_RECEIVED, SYN_SENT, TIME_WAIT, Cause
from lastack.tcp.tcb import Tcb, end_with, enter
from lastack.units import NEVER


def deadline_passed(tcb: Tcb, now: int) -> None:
    """Act on every timer whose deadline has come."""
    timers = tcb.timers
    if timers.delayed_ack <= now:
        timers.delayed_ack = NEVER
        tcb.ack_now = True
    if timers.user_timeout <= now:
        end_with(tcb, Cause.USER_TIMEOUT, errno.ETIMEDOUT, now)
        return
    if timers.loss_probe <= now:
        tail_probe.due(tcb, now)
    if timers.reordering <= now:
        repair.reordering_over(tcb, now)
    if timers.retransmit <= now and not tcb.tail_probe_owed:
        _retransmit(tcb, now)
    if timers.persist <= now:
        _persist(tcb, now)
    if timers.cork <= now:
        timers.cork = NEVER
        tcb.cork_over = True
        tcb.pushed = tcb.snd.end
    if timers.pacing <= now:
        timers.pacing = NEVER
    if timers.keepalive <= now:
        _keepalive(tcb, now)
    if timers.time_wait <= now:
        enter(tcb, Cause.TIME_WAIT_OVER, now)
    if timers.fin_wait_2 <= now:
        enter(tcb, Cause.FIN_WAIT_2_OVER, now)


def _retransmit(tcb: Tcb, now: int) -> None:
    """The oldest octet is unacknowledged for RTO (RFC 6298 5.4 to 5.6)."""
    sent, snd, timers = tcb.sent, tcb.snd, tcb.timers
    timers.retransmit = NEVER
    if tcb.ecn.waits:
        tcb.ecn.waits = False
    if not sent.spans:
        return
    opening = snd.una == snd.iss
    if tcb.retries == 0 or (snd.wnd == 0 and not opening and tcb.heard_at >= tcb.sent_at):
        # The first time; or a closed window whose owner still answers (MUST-37, SHLD-17).
        tcb.retries = 0
        tcb.retrying_since = tcb.sent.spans[0].sent_at
    if _exhausted(tcb, opening, now):
        return
    tcb.tally.timed_out(now, tcb.retries > 0)
    tcb.retries += 1
    tcb.begin_user_timeout(now)
    if tcb.retries == tcb.config.r1:  # of a SYN too (MUST-22)
        tcb.advise(Advice.R1_REACHED, tcb.retries, now)  # SHLD-9, MUST-20
    tcb.advise(Advice.RETRANSMISSION, tcb.rtt.rto, now)
    tcb.rtt.back_off(tcb.config)
    if opening:
        # Whoever has sent its ACK and no data is asked again when we are about to give in.
        tcb.syn_owed = not tcb.deferred or tcb.retries >= tcb.config.defer_accept
    elif tcb.search is not None:
        mtu_probing.timed_out(tcb, now)
    if not tcb.syn_owed:
        repair.timed_out(tcb, now)
    timers.retransmit = _next(tcb, tcb.rtt.rto, opening, now)


def _next(tcb: Tcb, wait: int, opening: bool, now: int) -> int:
    """Return when to look again: after `wait`, or when R2 is over if that is sooner."""
    retries, r2 = _limits(tcb, opening)
    at = now + wait
    if not retries and tcb.retrying_since + r2 < at:
        return max(tcb.retrying_since + r2, now + 1)
    return at


def _limits(tcb: Tcb, opening: bool) -> tuple[int, int]:
    """Return the bound on retransmissions (0 for none) and the bound in time (R2: MUST-21)."""
    config = tcb.config
    if not opening and tcb.adopted_timeout > config.r2:
        return 0, tcb.adopted_timeout  # RFC 5482 4.1: as long as the peer has asked for
    if not opening:
        return config.retries, config.r2
    if tcb.passive:
        retries = config.syn_ack_retries
        if retries and tcb.deferred:
            retries = max(retries, config.defer_accept)
        return retries, config.syn_r2
    return config.syn_retries, config.syn_r2


def _exhausted(tcb: Tcb, opening: bool, now: int) -> bool:
    """R2: give the connection up (RFC 9293 3.8.3, MUST-20, MUST-23)."""
    retries, r2 = _limits(tcb, opening)
    over = tcb.retries >= retries if retries else now - tcb.retrying_since >= r2
    if over:
        # A soft ICMP error, if one came, says better than "timed out" what is wrong.
        end_with(tcb, Cause.RETRANSMISSIONS_EXHAUSTED, tcb.soft_error or errno.ETIMEDOUT, now)
    return over


def _persist(tcb: Tcb, now: int) -> None:
    """The window has been closed, or too small, for long enough: ask, or send what fits."""
    snd, timers, config = tcb.snd, tcb.timers, tcb.config
    timers.persist = NEVER
    if snd.wnd > 0 and not tcb.sent.spans:
        tcb.push_owed = True
        return
    if snd.nxt == snd.end and not tcb.sent.spans:
        tcb.probe_owed = False
        return  # a probe took the last octet: nothing waits for the window any more
    if tcb.retries == 0:
        tcb.retrying_since = now
    if _exhausted(tcb, False, now):
        return
    tcb.retries += 1
    tcb.probes += 1
    tcb.probe_owed = True
    tcb.begin_user_timeout(now)
    wait = min(tcb.rtt.rto << min(tcb.probes, 16), config.max_rto)  # SHLD-29, SHLD-30
    timers.persist = _next(tcb, wait, False, now)


def _keepalive(tcb: Tcb, now: int) -> None:
    """A connection that has been silent: is the peer still there (RFC 9293 3.8.4)?"""
    timers, config = tcb.timers, tcb.config
    timers.keepalive = NEVER
    if not config.keepalive or tcb.state in (CLOSED, SYN_SENT, SYN_RECEIVED, TIME_WAIT):
        return  # MUST-24
    silent_until = tcb.heard_at + config.keepalive_idle  # MUST-27
    if tcb.sent.spans or (tcb.keepalive_probes == 0 and now < silent_until):
        # MUST-26: nothing may be outstanding, and nothing have been heard within the interval.
        timers.keepalive = silent_until if now < silent_until else now + config.keepalive_idle
        return
    if _unanswered_too_long(tcb, now):
        wish_abort(tcb)
        end_with(tcb, Cause.KEEPALIVE_FAILED, tcb.soft_error or errno.ETIMEDOUT, now)
        return
    tcb.keepalive_probes += 1
    tcb.keepalive_owed = True
    timers.keepalive = now + config.keepalive_interval


def _unanswered_too_long(tcb: Tcb, now: int) -> bool:
    """Return whether enough probes went unanswered; or, where a user timeout decides instead,
    whether the peer has been silent for that long. It must not end sooner (RFC 5482 4.2).
    """
    config = tcb.config
    timeout = config.user_timeout if config.user_timeout_bounds_probing else 0
    timeout = timeout or tcb.adopted_timeout
    if timeout:
        return tcb.keepalive_probes > 0 and now - tcb.heard_at >= timeout
    return tcb.keepalive_probes >= config.keepalive_probes  # MUST-29
