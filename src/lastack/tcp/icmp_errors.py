"""ICMP errors about a connection (RFC 9293 3.9.2.2, RFC 5927, RFC 1191, RFC 8201)."""

from enum import IntEnum

from lastack.tcp.events import Advice
from lastack.tcp.recovery import Phase
from lastack.tcp.states import CLOSED, LISTEN, SYN_RECEIVED, SYN_SENT, TIME_WAIT, Cause
from lastack.tcp.tcb import ERROR, Tcb, end_with
from lastack.wire.seq import between
from lastack.wire.stop import Stop


class IcmpError(IntEnum):
    """What an ICMP message means for TCP, whichever family it came from."""

    SOFT = 1
    """The network may mend: unreachable net, host or source route, time exceeded, bad parameter."""
    HARD = 2
    """It will not: protocol or port unreachable, administratively prohibited."""
    TOO_BIG = 3
    """A packet was too big for the path: `mtu` says what fits."""
    QUENCH = 4
    """Source quench: to be ignored (MUST-55)."""


def icmp_arrives(
    tcb: Tcb, error: IcmpError, number: int, quoted_seq: int, mtu: int, now: int
) -> Stop:
    """Act on an ICMP error that quotes a segment of ours; `number` is the errno it stands for.

    A quoted sequence number that is not in flight is not believed (RFC 5927 4.1).
    """
    state = tcb.state
    if error is IcmpError.QUENCH or state is CLOSED or state is LISTEN or state is TIME_WAIT:
        return Stop.ICMP_IGNORED
    snd = tcb.snd
    if not between(quoted_seq, snd.una, snd.max):
        return Stop.ICMP_IGNORED
    if error is IcmpError.TOO_BIG:
        return _too_big(tcb, mtu, now)
    opening = state is SYN_SENT or state is SYN_RECEIVED
    hard = error is IcmpError.HARD or (opening and tcb.config.soft_errors_end_opening)
    if hard and (opening or tcb.config.icmp_aborts_synchronized):
        end_with(tcb, Cause.ICMP_HARD_ERROR, number, now)  # SHLD-26
        return Stop.ICMP_TAKEN
    # MUST-56: never abort for a soft one; SHLD-25, MUST-47: tell the user.
    tcb.soft_error = number
    tcb.notices |= ERROR
    if tcb.config.report_errors and not opening:
        tcb.error = number  # the next call fails with it, and the connection goes on
    tcb.advise(Advice.SOFT_ERROR, number, now)
    return Stop.ICMP_TAKEN


def _too_big(tcb: Tcb, mtu: int, now: int) -> Stop:
    """A router has said so: if it is to be believed, the path carries `mtu` octets a packet."""
    four = len(tcb.local.address) == 4
    mode = tcb.config.path_mtu_discovery
    believed = 1 <= mode <= 3 if four else mode <= 3
    if not believed or mtu >= tcb.mtu:
        return Stop.ICMP_IGNORED
    mtu = max(mtu, tcb.config.min_path_mtu if four else 1280)
    if mtu >= tcb.mtu:
        return Stop.ICMP_IGNORED
    path_mtu_is(tcb, mtu, now)
    return Stop.ICMP_TAKEN


def path_mtu_is(tcb: Tcb, mtu: int, now: int) -> None:
    """The path carries `mtu` octets a packet, fewer than until now or more.

    What was too long goes again at once (RFC 1191 6.4), and as it was not congestion that has
    taken it, the controller is not told (RFC 1191 6.5).
    """
    before = tcb.mss
    tcb.mtu = mtu
    if tcb.search is not None and mtu < before + tcb.overhead:
        tcb.search.low = min(tcb.search.low, mtu)
        tcb.search.size = 0
    tcb.set_path()
    tcb.advise(Advice.PATH_MTU, mtu, now)
    if tcb.fast_open is not None and tcb.fast_open.carried and tcb.state is SYN_SENT:
        tcb.syn_owed = True  # it was our SYN's data that did not fit: again at once, without
        return
    if tcb.mss >= before or tcb.recovery is None:
        return
    for span in tcb.sent.spans:
        if span.length > tcb.mss and not span.sacked:
            tcb.sent.mark_lost(span)
            tcb.resend_owed = True
    if tcb.sent.lost and tcb.recovery.phase is Phase.OPEN:
        tcb.recovery.too_long(tcb.snd.nxt)
