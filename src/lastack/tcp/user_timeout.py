"""The user timeout, and its option (RFC 5482): told on SYNs and on the first ACK, heard on any
segment.
"""

from lastack.tcp.config import Config
from lastack.tcp.states import SYN_SENT
from lastack.tcp.tcb import Tcb
from lastack.tcp.uto_option import decoded, encoded
from lastack.units import NEVER
from lastack.wire.segment import USER_TIMEOUT, Segment


def limit_of(tcb: Tcb, config: Config) -> int:
    """Return how long octets may wait for the peer, or a SYN; 0 without such a limit."""
    limit = config.user_timeout or tcb.adopted_timeout
    if tcb.state is SYN_SENT and config.opening_timeout:
        return min(limit or NEVER, config.opening_timeout)
    return limit


def changes(tcb: Tcb, old: Config) -> None:
    """The user has set another one; what waits, waits from when it began."""
    timers = tcb.timers
    before, limit = limit_of(tcb, old), limit_of(tcb, tcb.config)
    if not limit:
        timers.user_timeout = NEVER
    elif timers.user_timeout != NEVER:
        timers.user_timeout += limit - before
    elif tcb.sent.spans:
        timers.user_timeout = tcb.sent_at + limit


def option_of(tcb: Tcb, options: bytes) -> bytes:
    """Return the option list with ours behind it, where there is one and it has room."""
    wish = tcb.config.user_timeout_option
    if wish is None or len(options) > 36 - tcb.signature_room:
        return options
    return options + bytes((USER_TIMEOUT, 4)) + encoded(wish.advertised).to_bytes(2, "big")


def arrives(tcb: Tcb, segment: Segment, now: int) -> None:
    """The peer tells how long it waits: wait as long, within our limits (3.1).

    USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)). A time that runs already, runs
    from when it began.
    """
    wish = tcb.config.user_timeout_option
    remote = decoded(segment.user_timeout)
    if wish is None or not wish.changeable or tcb.config.user_timeout or not remote:
        return
    least = max(wish.least, tcb.rtt.rto)
    adopted = min(wish.most, max(wish.advertised, remote, least))
    timers = tcb.timers
    if timers.user_timeout != NEVER and tcb.adopted_timeout:
        timers.user_timeout = max(timers.user_timeout - tcb.adopted_timeout + adopted, now + 1)
    tcb.adopted_timeout = adopted
