"""One connection of a capture: its two ends, and what one more segment changes."""

from typing import Final

from mypy_extensions import i32, i64, mypyc_attr

from lastack.observe.core.analysis import (
    ASKS_AGAIN,
    KEEP_ALIVE,
    TEXT_AGAIN,
    ZERO_WINDOW,
    Track,
    remarks_on,
)
from lastack.observe.core.ends import CLOSED, ESTABLISHED, SYNCHRONIZED, TIME_WAIT, UNKNOWN, End
from lastack.observe.core.infer import ACK, FIN, RST, SYN, begin, segment_passes
from lastack.observe.core.moves import TWO_MSL, distance, may_have_closed, time_wait_is_over

_SYN_FIN_RST: Final = SYN | FIN | RST
_LETTERS: Final = "shqifradtwg"
_LARGE: Final = 16
_SYN: Final = 1
_SYN_ACK: Final = 2
_CONTRADICTION: Final = 4
_INCONSISTENT: Final = 8
FIN_LETTER: Final = 16
_RST: Final = 32
_PURE_ACK: Final = 64
_TEXT: Final = 128
_AGAIN: Final = 256
_WINDOW: Final = 512
_GAP: Final = 1024


@mypyc_attr(acyclic=True)
class Flow:
    """A connection: `a` is the end whose segment was seen first, `b` the other.

    `key` is a's address, b's address, a's port, b's port as they stand in the headers: 12 or 36
    octets. `first` and `last` are nanoseconds, `handshake` the time from the first SYN to the ACK
    that ended it, 0 if that was not seen. `steady` says that both ends are ESTABLISHED beyond
    doubt, so that a plain segment cannot change that. `unseen` counts acknowledgments of octets
    that were not captured.
    """

    number: int
    key: bytes
    a: End
    b: End
    track_a: Track
    track_b: Track
    first: i64
    last: i64
    handshake: i64
    asked: i64
    """When the last SYN without ACK passed, 0 if none was seen."""
    first_rtt: i64
    """From then to the first ACK of either end: Wireshark's iRTT, 0 until then."""
    steady: bool
    evicted: bool
    """Given up while it was open, for want of room."""
    reused: bool
    """Another connection took its addresses and ports over while an end was in TIME-WAIT."""
    until: i64
    """The capture's time when it was let go, nanoseconds; 0 as long as it is watched."""
    unseen: i64
    order: int
    """The letters of `history`, five bits each: many connections have the same few."""

    def __init__(self, number: int, key: bytes, now: i64) -> None:
        self.number = number
        self.key = key
        self.a = End()
        self.b = End()
        self.track_a = Track()
        self.track_b = Track()
        self.first = now
        self.last = now
        self.handshake = 0
        self.asked = 0
        self.first_rtt = 0
        self.steady = False
        self.evicted = False
        self.reused = False
        self.until = 0
        self.unseen = 0
        self.order = 0

    @property
    def history(self) -> str:
        """What each end sent for the first time, in order: Zeek's letters, large ones for `a`."""
        text = ""
        order = self.order
        while order:
            letter = _LETTERS[(order & 15) - 1]
            text = (letter.upper() if order & _LARGE else letter) + text
            order >>= 5
        return text

    @property
    def over(self) -> bool:
        """Whether neither end holds the connection open any more."""
        return not (self.a.states | self.b.states) & ~(CLOSED | TIME_WAIT)

    def time_passed(self, now: i64) -> None:
        """Nothing was heard until `now`, nanoseconds: TIME-WAIT ends without a segment."""
        if now - self.last >= TWO_MSL:
            time_wait_is_over(self.a, self.last)
            time_wait_is_over(self.b, self.last)

    def syn_options(self, from_a: bool, answer: bool, scale: i64) -> None:
        """Note the window scale of a SYN or SYN-ACK, -1 where it has none (RFC 7323 2.2)."""
        me = self.track_a if from_a else self.track_b
        peer = self.track_b if from_a else self.track_a
        me.scale = scale
        if answer and (scale < 0 or peer.scale < 0):
            # Only with both is there scaling.
            me.scale = 0
            if peer.scale != UNKNOWN or peer.nxt != UNKNOWN:
                peer.scale = 0

    def segment_seen(
        self,
        from_a: bool,
        flags: i64,
        seq: i64,
        ack: i64,
        window: i64,
        length: i64,
        now: i64,
        packet: i64,
    ) -> i64:
        """Take in one segment and return the Remark bits; `length` is of its text on the wire."""
        if from_a:
            me, peer, track, other = self.a, self.b, self.track_a, self.track_b
        else:
            me, peer, track, other = self.b, self.a, self.track_b, self.track_a
        self.last = now
        if not self.steady or flags & _SYN_FIN_RST:
            if not me.states:
                begin(me, peer, flags)
            if flags & (SYN | ACK) == SYN:
                self._is_asked(me, track, other, seq, now)
            me.round_trip = other.rtt_least
            if not self.handshake and flags & (SYN | RST | ACK) == ACK and not me.octets:
                if peer.isn != UNKNOWN and me.isn != UNKNOWN and self.first:
                    self.handshake = now - self.first
            segment_passes(me, peer, flags, seq, ack, length, window, now, packet)
            self.steady = (
                me.states == ESTABLISHED
                and peer.states == ESTABLISHED
                and me.pending + peer.pending == 0
            )
        remarks = remarks_on(track, other, flags, seq, ack, window, length, now, self.first_rtt)
        if self.asked and not self.first_rtt and flags & (SYN | ACK) == ACK:
            self.first_rtt = now - self.asked
        peer.unanswered = 0
        if remarks & ASKS_AGAIN:
            me.unanswered += 1
            me.probing = remarks & KEEP_ALIVE != 0
        kind = _PURE_ACK
        if length:
            kind = _TEXT
        if not i64(me.letters) & kind or flags & _SYN_FIN_RST or remarks:
            self._write_history(me, track, from_a, flags, length, remarks)
        me.packets += 1
        me.octets += length
        me.last = now
        if not flags & RST:
            if flags & (SYN | FIN):
                length += (flags & SYN) // SYN + (flags & FIN)
            missing = _note_sent(me, seq, length)
            if missing and not length:
                self.steady = False
                may_have_closed(me, peer, now, packet)
            if flags & ACK and self._note_acked(me, peer, ack) and not flags & FIN:
                self.steady = False
                may_have_closed(peer, me, now, packet)
        return remarks

    def _is_asked(self, me: End, track: Track, other: Track, seq: i64, now: i64) -> None:
        """A SYN: one with another number, before the connection is open, begins it anew."""
        self.asked = now
        if track.nxt != UNKNOWN and me.isn != seq and not me.states & SYNCHRONIZED:
            track.begin()
            other.begin()
            self.first_rtt = 0

    def _write_history(
        self, me: End, track: Track, from_a: bool, flags: i64, length: i64, remarks: i64
    ) -> None:
        """Add the letters of what this end had not sent before, or for the tenth time and so on."""
        new: i64 = 0
        if flags & SYN:
            new |= _SYN_ACK if flags & ACK else _SYN
            if flags & (FIN | RST):
                new |= _CONTRADICTION
        elif flags & FIN and flags & RST:
            new |= _INCONSISTENT
        if flags & FIN:
            new |= FIN_LETTER
        if flags & RST:
            new |= _RST
        if not flags & _SYN_FIN_RST and not length and flags & ACK:
            new |= _PURE_ACK
        if length:
            new |= _TEXT
        new &= ~i64(me.letters)
        me.letters |= i32(new)
        if length and remarks & TEXT_AGAIN:
            me.again += 1
            if _is_a_power_of_ten(i64(me.again)):
                new |= _AGAIN
        if remarks & ZERO_WINDOW and _is_a_power_of_ten(track.zero_windows()):
            new |= _WINDOW
        self._write(from_a, new)

    def _write(self, from_a: bool, new: i64) -> None:
        letter = _LARGE if from_a else 0
        while new:
            letter += 1
            if new & 1:
                self.order = self.order << 5 | letter
            new >>= 1

    def _note_acked(self, me: End, peer: End, ack: i64) -> bool:
        """Move `ack`; return whether what it covers anew was not captured."""
        known = me.ack != UNKNOWN
        if known and distance(ack, me.ack) <= 0:
            return False
        me.ack = ack
        if peer.nxt == UNKNOWN or distance(ack, peer.nxt) > 0:
            self.unseen += 1
            if known and peer.packets and distance(ack, peer.nxt) > 1:
                # A single octet may have been a FIN.
                peer.gaps += 1
                if _is_a_power_of_ten(i64(peer.gaps)):
                    self._write(peer is self.a, _GAP)
            peer.nxt = ack
            peer.hole = UNKNOWN
            return known
        if peer.hole != UNKNOWN and distance(ack, peer.hole) > 0:
            peer.hole = UNKNOWN
        return False


def _is_a_power_of_ten(count: i64) -> bool:
    while count > 9 and count % 10 == 0:
        count //= 10
    return count == 1


def _note_sent(me: End, seq: i64, length: i64) -> bool:
    """Move `nxt`, and return whether something right before it is missing."""
    end = (seq + length) & 0xFFFFFFFF
    if me.nxt == UNKNOWN:
        me.nxt = end
        return False
    ahead = distance(seq, me.nxt)
    if ahead == 0:
        me.nxt = end
        return False
    if ahead > 0:
        if me.hole == UNKNOWN:
            me.hole = me.nxt
        me.nxt = end
        return True
    if me.hole != UNKNOWN and distance(seq, me.hole) <= 0 and distance(end, me.hole) > 0:
        me.hole = UNKNOWN
    if distance(end, me.nxt) > 0:
        me.nxt = end
    return False
