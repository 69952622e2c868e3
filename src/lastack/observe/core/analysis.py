"""What a segment is beside the ones before it, in Wireshark's words and with its exact meanings.

The words and their rules are those of Wireshark 4's TCP analysis, so that a count here can be laid
beside a count there; where a rule is a guess of that program's, it is the same guess. Times are
nanoseconds, `window` the 16 bits as they stand in the header.
"""

from enum import IntFlag
from typing import Final

from mypy_extensions import i64, mypyc_attr

from lastack.observe.core.infer import ACK, FIN, RST, SYN
from lastack.observe.core.moves import distance
from lastack.units import MS


class Remark(IntFlag):
    """What there is to say of a segment."""

    RETRANSMISSION = 1
    FAST_RETRANSMISSION = 2
    SPURIOUS_RETRANSMISSION = 4
    OUT_OF_ORDER = 8
    LOST_SEGMENT = 16
    """The previous segment was not captured."""
    ACK_LOST_SEGMENT = 32
    """It acknowledges a segment that was not captured."""
    DUPLICATE_ACK = 64
    KEEP_ALIVE = 128
    KEEP_ALIVE_ACK = 256
    ZERO_WINDOW = 512
    ZERO_WINDOW_PROBE = 1024
    ZERO_WINDOW_PROBE_ACK = 2048
    WINDOW_FULL = 4096
    WINDOW_UPDATE = 8192

    def __str__(self) -> str:
        return ", ".join(name.lower().replace("_", " ") for name, one in _NAMED if one & self)


_NAMED: Final = tuple(Remark.__members__.items())
_RETRANSMISSION: Final = 1
_FAST: Final = 2
_SPURIOUS: Final = 4
_OUT_OF_ORDER: Final = 8
_LOST: Final = 16
_ACK_LOST: Final = 32
_DUPLICATE: Final = 64
KEEP_ALIVE: Final = 128
_KEEP_ALIVE_ACK: Final = 256
ZERO_WINDOW: Final = 512
_PROBE: Final = 1024
_PROBE_ACK: Final = 2048
_FULL: Final = 4096
_UPDATE: Final = 8192

SENT_AGAIN: Final = _RETRANSMISSION | _FAST
"""The bits of what was lost, or believed to be."""

TEXT_AGAIN: Final = SENT_AGAIN | _SPURIOUS
"""The bits of text that had passed before."""

ASKS_AGAIN: Final = SENT_AGAIN | KEEP_ALIVE | _PROBE
"""The bits of what wants an answer that has not come."""

_ENDS: Final = SYN | FIN | RST
_NONE: Final = -1
_FAST_WITHIN: Final = 20 * MS
_OUT_OF_ORDER_WITHIN: Final = 3 * MS


@mypyc_attr(acyclic=True)
class Track:
    """What is remembered of one direction for the next comparison.

    `counts` has one number for each bit of Remark. `scale` is the shift of the windows it offers,
    -1 as long as that is not known.
    """

    nxt: i64
    nxt_at: i64
    contiguous: i64
    ack: i64
    ack_at: i64
    window: i64
    scale: i64
    duplicates: i64
    """How often `ack` was repeated; -1 when something unseen was acknowledged since it moved."""
    remarks: i64
    timed: i64
    """Behind the segment whose round trip is being measured, -1 when none is."""
    timed_at: i64
    rtt_least: i64
    rtt_most: i64
    rtt_sum: i64
    rtts: i64
    counts: list[int]

    def __init__(self) -> None:
        self.scale = _NONE
        self.rtt_least = 0
        self.rtt_most = 0
        self.rtt_sum = 0
        self.rtts = 0
        self.counts = []
        self.begin()

    def begin(self) -> None:
        """Compare what comes with nothing before it."""
        self.nxt = _NONE
        self.nxt_at = 0
        self.contiguous = _NONE
        self.ack = _NONE
        self.ack_at = 0
        self.window = _NONE
        self.duplicates = 0
        self.remarks = 0
        self.timed = _NONE
        self.timed_at = 0

    def resent(self) -> int:
        """Return how many segments of this direction were sent again."""
        counts = self.counts
        return counts[0] + counts[1] if counts else 0

    def zero_windows(self) -> int:
        """Return how many segments of this direction closed the window."""
        return self.counts[9] if self.counts else 0

    def count(self, remark: Remark) -> int:
        """Return how many segments of this direction had that remark."""
        place = int(remark).bit_length() - 1
        return self.counts[place] if place < len(self.counts) else 0


def remarks_on(
    me: Track,
    peer: Track,
    flags: i64,
    seq: i64,
    ack: i64,
    window: i64,
    length: i64,
    now: i64,
    first_rtt: i64,
) -> i64:
    """Compare a segment with what was; return its Remark bits and remember it.

    `first_rtt` is the time from the last SYN to the first ACK, 0 when they were not seen.
    """
    behind = (seq + length) & 0xFFFFFFFF
    if flags & (SYN | FIN):
        behind = (behind + 1) & 0xFFFFFFFF
    found = _of_windows_and_acks(me, peer, flags, seq, ack, window, length)
    if ack != me.ack:
        me.duplicates = 0
    elif found & _DUPLICATE:
        me.duplicates = 1 if me.duplicates < 0 else me.duplicates + 1
    if flags & ACK:
        if peer.contiguous != _NONE and distance(ack, peer.contiguous) > 0:
            found |= _acks_what_was_not_seen(peer)
        if peer.timed != _NONE and distance(ack, peer.timed) >= 0:
            _round_trip(peer, now)
    if length and peer.ack > 0 and not found & KEEP_ALIVE and distance(seq + length, peer.ack) <= 0:
        found |= _SPURIOUS
        me.timed = _NONE
    elif me.nxt != _NONE and (length or flags & (SYN | FIN)) and distance(seq, me.nxt) < 0:
        # Text that begins with the octet of a probe is new.
        if not found & KEEP_ALIVE and not (length > 1 and seq == (me.nxt - 1) & 0xFFFFFFFF):
            found |= _sent_again(me, peer, seq, behind, now, first_rtt)
    if not found & _PROBE:
        if me.nxt == _NONE or distance(behind, me.nxt) > 0:
            me.nxt = behind
            me.nxt_at = now
            if me.timed == _NONE and (length or flags & (SYN | FIN)):
                me.timed = behind
                me.timed_at = now
        if me.contiguous == _NONE or seq == me.contiguous:
            me.contiguous = me.nxt
    me.window = window
    me.ack = ack
    me.ack_at = now
    me.remarks = found
    if found:
        _count(me, found)
    return found


def _of_windows_and_acks(
    me: Track, peer: Track, flags: i64, seq: i64, ack: i64, window: i64, length: i64
) -> i64:
    """Everything that does not ask whether the text has been sent before."""
    found: i64 = 0
    if length == 1 and seq == me.nxt and peer.window == 0:
        return _PROBE
    ends = flags & _ENDS
    if window == 0 and not ends:
        found |= ZERO_WINDOW
    if me.nxt != _NONE and not flags & RST and distance(seq, me.nxt) > 0:
        found |= _LOST
    if ends:
        return found
    if length <= 1 and me.nxt != _NONE and seq == (me.nxt - 1) & 0xFFFFFFFF:
        found |= KEEP_ALIVE
    if length:
        if peer.scale != _NONE and peer.ack > 0:
            edge = (peer.ack + (peer.window << peer.scale)) & 0xFFFFFFFF
            if (seq + length) & 0xFFFFFFFF == edge:
                found |= _FULL
        return found
    if seq != me.nxt:
        return found
    if ack == me.ack:
        if window and window != me.window:
            return found | _UPDATE
        if window and peer.remarks & KEEP_ALIVE:
            return found | _KEEP_ALIVE_ACK
        if window:
            return found | _DUPLICATE
    if window == 0 and me.window == 0 and peer.remarks & _PROBE:
        if ack == me.ack:
            return found | _PROBE_ACK
    return found


def _acks_what_was_not_seen(peer: Track) -> i64:
    """Only the first of several ACKs of missing text gets the name, until more has been seen."""
    if distance(peer.contiguous, peer.nxt) < 0:
        peer.contiguous = peer.nxt
        return _ACK_LOST
    first = peer.duplicates == 0
    peer.duplicates = -1
    return _ACK_LOST if first else 0


def _sent_again(me: Track, peer: Track, seq: i64, behind: i64, now: i64, first_rtt: i64) -> i64:
    """Its sequence number is not new: sent again, or overtaken on the way?"""
    me.timed = _NONE  # Karn: what is measured may be acknowledged for either transmission
    asked = peer.duplicates >= 2 or peer.duplicates < 0  # those of something unseen are many there
    if asked and peer.ack == seq and now - peer.ack_at < _FAST_WITHIN:
        return _FAST
    within = first_rtt or _OUT_OF_ORDER_WITHIN
    if now - me.nxt_at < within and behind != me.nxt:
        return _OUT_OF_ORDER
    return _RETRANSMISSION


def _round_trip(peer: Track, now: i64) -> None:
    rtt = now - peer.timed_at
    peer.timed = _NONE
    if not peer.rtts or rtt < peer.rtt_least:
        peer.rtt_least = rtt
    if rtt > peer.rtt_most:
        peer.rtt_most = rtt
    peer.rtt_sum += rtt
    peer.rtts += 1


def _count(me: Track, found: i64) -> None:
    if not me.counts:
        me.counts = [0] * len(Remark)
    place: i64 = 0
    while found:
        if found & 1:
            me.counts[place] += 1
        found >>= 1
        place += 1
