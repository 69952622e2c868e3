"""Packetization layer path MTU discovery: what a path carries is seen by what arrives on it.

RFC 4821 and RFC 8899, as Linux has them (Config.mtu_probing), and the detection of black holes that
FreeBSD has (Config.blackhole_detection). ICMP may be silent all the while. A probe is a segment of
queued data longer than the others: no octet is sent for its sake alone, and its loss, while
what follows arrives, says something about its length and nothing about congestion.
"""

from typing import Final

from lastack.tcp.events import Advice
from lastack.tcp.recovery import Phase
from lastack.tcp.tcb import Tcb
from lastack.units import NEVER
from lastack.wire.seq import diff, ge, gt, lt

_LEAST_WINDOW: Final = 11
"""Segments of congestion window below which no probe is risked (RFC 4821 7.4, Linux)."""
_TRIES: Final = 2
"""Timeouts for each size on the way down, in FreeBSD."""


def begin_probe(tcb: Tcb, unsent: int, flight: int, now: int) -> int:
    """Return how many octets of new data to send as a probe now; 0 for none."""
    search, controller, recovery = tcb.search, tcb.controller, tcb.recovery
    if search is None or not search.active or search.size:
        return 0
    if search.since < 0:
        search.since = now
    packet = search.next_size(tcb.mtu)
    size = packet - tcb.overhead
    if size <= 0:
        _begin_anew(tcb, now)
        return 0
    if size <= tcb.mss:
        tcb.set_path()  # a passive end has begun with all that its link carries
    mss, snd = tcb.mss, tcb.snd
    if controller is None or recovery is None or recovery.phase is not Phase.OPEN or size <= mss:
        return 0
    if controller.cwnd < _LEAST_WINDOW * mss or tcb.rcv.blocks is not None or tcb.sent.sacked:
        return 0
    # What follows must be enough to bring the duplicate ACKs that show a loss (RFC 4821 7.2).
    needed = size + (tcb.config.duplicate_acks + 1) * mss
    if unsent < needed or snd.usable < needed or gt(snd.up, snd.nxt):
        return 0
    if flight + size + mss > controller.cwnd:
        return 0
    search.size = packet
    search.start = snd.nxt
    search.end = (snd.nxt + size) & 0xFFFFFFFF
    return size


def is_probe(tcb: Tcb, seq: int) -> bool:
    """Return whether what begins at `seq` is the probe that is under way."""
    search = tcb.search
    return search is not None and search.size > 0 and seq == search.start


def acknowledged(tcb: Tcb, now: int) -> None:
    """SND.UNA has moved: a probe that has arrived shows what the path carries."""
    search = tcb.search
    if search is None or not search.size or not ge(tcb.snd.una, search.end):
        return
    search.low = search.size
    search.size = 0
    tcb.set_path()
    tcb.advise(Advice.PATH_MTU, search.low, now)


def probe_was_lost(tcb: Tcb) -> bool:
    """A loss was found: return whether it is that of the probe alone (RFC 4821 7.6.2)."""
    search = tcb.search
    if search is None or not search.size or tcb.snd.una != search.start:
        return False
    sent = tcb.sent
    if sent.lost > diff(search.end, search.start):
        return False
    for span in sent.spans:
        if not lt(span.start, search.end):
            break
        sent.mark_lost(span)  # all of it, not only the segment that it begins with
    search.high = search.size - 1
    search.size = 0
    return True


def timed_out(tcb: Tcb, now: int) -> None:
    """The retransmission timer went off, `tcb.retries` times in a row: is this a black hole?"""
    search, config = tcb.search, tcb.config
    if search is None or not tcb.sent.spans:
        return
    search.size = 0  # whatever was lost, the probe has shown nothing (RFC 4821 7.6.4)
    if config.mtu_probing and tcb.retries > config.r1:
        _search_below(tcb, now)
    elif config.blackhole_detection:
        _step_down(tcb, now)


def _search_below(tcb: Tcb, now: int) -> None:
    """Linux: begin at the base; where that is too long as well, at half of it, and so on."""
    search, config = tcb.search, tcb.config
    assert search is not None
    if not search.active:
        search.active = True
        search.since = now
    elif search.low - tcb.overhead > config.mtu_probe_floor:
        half = (search.low - tcb.overhead) // 2
        search.low = max(min(config.base_mss, half), config.mtu_probe_floor) + tcb.overhead
        search.high = max(search.high, search.low)
    _tell(tcb, now)


def _step_down(tcb: Tcb, now: int) -> None:
    """FreeBSD: two tries with each smaller size, and then back: it was no black hole."""
    search = tcb.search
    assert search is not None
    if search.rung == 0:
        if tcb.retries != _TRIES or tcb.sent.spans[0].length < tcb.mss:
            return
        search.before = tcb.mss
    sizes = _sizes(tcb, search.before)
    step = tcb.retries // _TRIES - 1
    if tcb.retries % _TRIES or not sizes or step > len(sizes):
        return
    if step == len(sizes):
        search.active = False
        search.rung = 0
        search.low = search.before + tcb.overhead
        for span in tcb.sent.spans:
            tcb.sent.mark_lost(span)
        tcb.sent.join_lost()
    else:
        search.rung = step + 1
        search.active = True
        search.low = search.high = sizes[step] + tcb.overhead
    _tell(tcb, now)


def _sizes(tcb: Tcb, before: int) -> list[int]:
    """Return the sizes to try, each smaller than the one before it."""
    config = tcb.config
    if len(tcb.local.address) == 4:
        steps = (config.blackhole_mss_v4, config.mss_default_v4)
    else:
        steps = (config.blackhole_mss_v6, config.mss_default_v6)
    found: list[int] = []
    for step in steps:
        if step < (found[-1] if found else before):
            found.append(step)
    return found


def _tell(tcb: Tcb, now: int) -> None:
    search = tcb.search
    assert search is not None
    tcb.set_path()
    if tcb.controller is not None:
        tcb.controller.cwnd = tcb.mss  # one segment after a timeout (RFC 5681 3.1), of this size
    tcb.advise(Advice.PATH_MTU, search.low, now)


def _begin_anew(tcb: Tcb, now: int) -> None:
    """Nothing is left to be found, but paths change: after a while the search begins again."""
    search, wait = tcb.search, tcb.config.mtu_probe_interval
    assert search is not None
    if wait < NEVER and now - search.since >= wait:
        search.since = now
        search.low = tcb.mss + tcb.overhead
        search.high = tcb.peer_mss + tcb.headers
