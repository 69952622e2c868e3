"""How much new data to send now, if any: the sender's side of RFC 9293 3.7.4 and 3.8.6.2.1."""

from lastack.tcp.tcb import Tcb
from lastack.wire.seq import add, diff, gt


def how_much(tcb: Tcb, unsent: int, mss: int, room: int, flight: int, now: int) -> int:
    """Return how many octets of new data to send now (RFC 9293 3.7.4, 3.8.6.2.1).

    D is `unsent`, U the peer's usable window. Less than a segment goes out only when it is all
    there is and Nagle and the user allow it, or when it is half the largest window ever offered.
    """
    snd = tcb.snd
    if unsent <= 0:
        return 0
    usable = snd.usable
    if flight and room < mss and room < unsent:
        return 0
    n = min(unsent, most(tcb, snd.nxt, mss, now))  # SHLD-27, SHLD-28
    if n > room:
        n = max(room - room % mss, mss if flight == 0 else 0)
        n = min(n, unsent)
    if n > usable:
        n = usable  # negative when the window has shrunk (MUST-34): no new data then (SHLD-15)
        if n < mss:
            return _small_window(tcb, n)
        n -= n % mss
        return n
    tail = n % mss
    if tail == 0 or n < unsent:
        return n - tail if n > mss else n
    # What would remain is less than a segment.
    if _may_send_small(tcb, n):
        return n
    return n - tail


def _small_window(tcb: Tcb, n: int) -> int:
    """The peer's window is smaller than a segment: send n octets, or wait for it to open.

    The sender's avoidance of silly windows (3.8.6.2.1, MUST-38).
    """
    snd = tcb.snd
    idle = _is_idle(tcb)
    if n > 0 and (tcb.push_owed or (2 * n >= snd.max_wnd and (idle or not tcb.config.nagle))):
        return n
    return 0


def _may_send_small(tcb: Tcb, n: int) -> bool:
    """Nagle, its off switch, Minshall's variant, and cork; a record with another behind it goes."""
    snd = tcb.snd
    if snd.fin_queued or tcb.push_owed or diff(snd.end, snd.nxt) > n:
        return True
    if tcb.corked and not tcb.cork_over:
        return False
    if not tcb.config.nagle or _is_idle(tcb) or gt(snd.up, snd.nxt):
        return True
    if tcb.config.nagle_whole_writes and add(snd.nxt, n) == tcb.idle_end:
        return True
    if tcb.config.nagle_minshall:
        return not gt(snd.small_end, snd.una)
    return False


def _is_idle(tcb: Tcb) -> bool:
    """Return whether no data is unacknowledged; the SYN of an early child is none."""
    snd = tcb.snd
    return snd.nxt == snd.una or (tcb.early and snd.una == snd.iss and snd.nxt == add(snd.iss, 1))


def most(tcb: Tcb, seq: int, mss: int, now: int) -> int:
    """Return the octets of data that one (super-)segment may carry.

    A device copies the urgent pointer into every part, which makes it wrong in all but the first,
    and leaves CWR on the first alone.
    """
    if tcb.max_size <= mss or gt(tcb.snd.up, seq) or tcb.ecn.cwr_next:
        return mss
    size = tcb.max_size
    if tcb.pacer is not None:
        size = max(min(size, tcb.pacer.room(now)), mss)
    return size - size % mss
