"""Since when a socket has been in its state: the kernel does not say, but its clocks allow claims.

Each claim says whether it is exact or a lower bound, and by which number it is held.
"""

from typing import Final, NamedTuple

from lastack.observe.core.diag import TIMERS, KernelSocket
from lastack.observe.kernel_info import values_in
from lastack.tcp.states import State
from lastack.units import MS, SECOND, US

TIME_WAIT_LENGTH: Final = 60 * SECOND
"""Linux's TCP_TIMEWAIT_LEN."""
_FIRST_TIMEOUT: Final = 1 * SECOND
_RETRANSMIT: Final = TIMERS.index("retransmit")
_KEEPALIVE: Final = TIMERS.index("keepalive")
_TIME_WAIT: Final = TIMERS.index("time wait")
_BY_A_CALL: Final = (State.SYN_SENT, State.FIN_WAIT_1, State.LAST_ACK)
"""These begin with a call of our user: when the peer was heard tells nothing of them."""


_LEAST_RTO: Final = 200 * MS
"""Linux's TCP_RTO_MIN, from which it reckons how long retransmissions may go on."""


class Age(NamedTuple):
    """How long, in nanoseconds; `exact` or at least; `by` names what it was read from."""

    time: int
    exact: bool
    by: str


def age_of(found: KernelSocket, fin_timeout: int = TIME_WAIT_LENGTH) -> Age | None:
    """Return since when a socket has been in its state, as far as one dump tells; None for unknown.

    The record must have been asked for with `info`. `fin_timeout` is tcp_fin_timeout.
    """
    state, left = found.state, found.expires * MS
    if found.timer == _TIME_WAIT:
        whole = TIME_WAIT_LENGTH if state is State.TIME_WAIT else fin_timeout
        # In FIN-WAIT-2 the timer began when the last process let go, maybe later than the state.
        return Age(max(whole - left, 0), state is State.TIME_WAIT, "timer")
    if state is State.SYN_RECEIVED and not found.info:
        # The SYN-ACK is sent again after 1 s, 2 s, 4 s ...
        waits = (1 << min(found.retransmits, 16)) * _FIRST_TIMEOUT
        return Age(max(2 * waits - _FIRST_TIMEOUT - left, 0), True, "timer")
    values = values_in(found.info)
    if not values or state in (State.LISTEN, State.CLOSED):
        return None
    if state in _BY_A_CALL:
        # Data before the FIN may have been sent again for long before there was one.
        alone = state is State.SYN_SENT or found.unsent <= 1
        waits = found.timer == _RETRANSMIT and alone
        return _by_back_off(found, values, left) if waits else None
    heard = values.get("last_ack_recv", 0)
    sent = values.get("last_data_sent", 0)
    received = values.get("last_data_recv", 0)
    if state is State.ESTABLISHED:
        return Age(max(heard, sent, received) * MS, False, "silence")
    # The peer's last segment was the one that led here, unless it has answered something since:
    # a keep-alive probe, or data. Data is acknowledged within the RTO, or sent again.
    answered = found.timer == _KEEPALIVE or state is State.CLOSING
    if state is State.FIN_WAIT_2:
        answered = answered or received <= heard
    elif values.get("data_segs_out", 1):
        answered = answered or (sent - heard) * MS <= values.get("rto", 0) * US
    return Age(heard * MS, not answered, "silence")


def given_up_after(retries: int, most_rto: int) -> int:
    """Return for how long Linux sends again before it gives up, in nanoseconds.

    It does not count: `tcp_retries2` and `tcp_orphan_retries` stand for the time that so many
    retransmissions would take with an RTO that doubles from 200 ms up to `most_rto`.
    """
    doublings = min(retries, max(most_rto // _LEAST_RTO, 1).bit_length() - 1)
    return ((2 << doublings) - 1) * _LEAST_RTO + (retries - doublings) * most_rto


def _by_back_off(found: KernelSocket, values: dict[str, int], left: int) -> Age:
    """Add up the waits that a retransmission timer has behind it: each was half the next one.

    Linux retransmits the first SYNs without backing off, so there are more waits than doublings.
    """
    now = values.get("rto", 0) * US
    doublings = min(values.get("backoff", 0), 32)
    first = now >> doublings
    behind = sum(now >> place for place in range(1, doublings + 1))
    behind += max(found.retransmits - doublings, 0) * first
    exact = found.state is State.SYN_SENT
    return Age(behind + max(now - left, 0), exact, "back-off")
