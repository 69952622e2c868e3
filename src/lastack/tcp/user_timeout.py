"""The user timeout option (RFC 5482): told on SYNs and on the first ACK, heard on any segment."""

from lastack.tcp.tcb import Tcb
from lastack.tcp.uto_option import decoded, encoded
from lastack.units import NEVER
from lastack.wire.segment import USER_TIMEOUT, Segment


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
