"""Loss recovery of the RFC series: SACK (RFC 6675), or NewReno where the peer has none (RFC 6582).

Both count what is in the network (`SentLog.in_flight`) instead of inflating the window: each
duplicate ACK of a peer without SACK says that one segment has left, so `presumed` grows by one
segment. That alone also gives limited transmit (RFC 3042).
"""

from lastack.tcp.acked import Acked
from lastack.tcp.recovery.base import (
    ENTERED,
    LOSS,
    NOTHING,
    OPEN,
    RECOVERED,
    RECOVERY,
    Losses,
    LossRecovery,
)
from lastack.tcp.sent import SentLog
from lastack.wire.seq import add, ge, gt, lt


class NewRenoRecovery(LossRecovery):
    """Three duplicate ACKs, or SACK's evidence of the same, begin recovery."""

    limited_transmit: bool
    rescued: bool
    """The last octet has been sent again in this episode (RFC 6675 4, NextSeg 4)."""
    threshold: int
    duplicates: int
    marked: int
    """All before this has been looked at by `_mark_by_sack`."""
    advance: int
    """By how much SND.UNA moved last, 0 since the retransmission timer went off."""

    def __init__(self, iss: int, threshold: int, limited_transmit: bool) -> None:
        super().__init__(iss)
        self.threshold = threshold
        self.limited_transmit = limited_transmit
        self.duplicates = 0
        self.marked = iss
        self.advance = 0
        self.rescued = False

    def on_ack(self, sent: SentLog, ack: Acked, now: int) -> Losses:
        """Digest one ACK (RFC 6582 3.2, RFC 6675 5)."""
        if ack.acked > 0:
            return self._on_progress(sent, ack)
        if ack.duplicate or ack.sacked > 0:
            return self._on_duplicate(sent, ack)
        return NOTHING

    def _on_progress(self, sent: SentLog, ack: Acked) -> Losses:
        duplicates = self.duplicates
        self.duplicates = 0
        self.advance = ack.acked
        if lt(self.marked, ack.una):
            self.marked = ack.una
        if self.phase is OPEN:
            if lt(self.recover, add(ack.una, -1)):
                self.recover = add(ack.una, -1)  # lest it fall half the sequence space behind
            sent.presumed = 0
            if sent.sacked:
                return self._look(sent, ack, 0)
            return NOTHING
        if ge(ack.una, self.recover):
            self.phase = OPEN
            sent.presumed = 0
            return RECOVERED
        # A partial acknowledgment: what now stands first is lost too (RFC 6582 3.2 step 3b).
        if not ack.has_sack:
            self.duplicates = duplicates
            left = sent.presumed - max(ack.acked - ack.mss, 0)
            sent.presumed = max(min(left, sent.octets - ack.mss), 0)
        if self.phase is RECOVERY:
            if ack.has_sack:
                self._mark_by_sack(sent, ack)
            else:
                self._mark_first(sent, ack)
        return NOTHING

    def _on_duplicate(self, sent: SentLog, ack: Acked) -> Losses:
        self.duplicates += 1
        if not ack.has_sack and (self.limited_transmit or self.phase is RECOVERY):
            sent.presumed = max(min(sent.presumed + ack.mss, sent.octets - ack.mss), 0)
        if self.phase is OPEN or (self.phase is LOSS and not ack.has_sack):
            return self._look(sent, ack, self.duplicates)
        if self.phase is RECOVERY and ack.has_sack:
            self._mark_by_sack(sent, ack)
        return NOTHING

    def _look(self, sent: SentLog, ack: Acked, duplicates: int) -> Losses:
        """Is there now enough evidence of a loss?"""
        if ack.has_sack:
            if not self._mark_by_sack(sent, ack) and duplicates < self.threshold:
                return NOTHING
            if sent.sacked == 0:
                return NOTHING
        elif duplicates < self.threshold or not (
            gt(ack.una, self.recover) or self._was_sent_again_in_vain(ack)
        ):
            # Duplicates of what was already recovered start nothing (RFC 6582 3.2 step 2).
            return NOTHING
        self.phase = RECOVERY
        self.recover = ack.nxt
        self.rescued = False
        if not ack.has_sack and not self.limited_transmit:
            # What has left the network now counts too (RFC 5681 3.2 step 3).
            sent.presumed = max(min(duplicates * ack.mss, sent.octets - ack.mss), 0)
        self._mark_first(sent, ack)
        return ENTERED

    def _was_sent_again_in_vain(self, ack: Acked) -> bool:
        """Do duplicates after a timeout mean that a retransmission was lost (RFC 6582 4.1)?

        Not when three segments were sent again needlessly: then SND.UNA had moved by more than
        four. Nor before anything has arrived after a timeout: the window is one segment then. And
        not once all has arrived: reordering and duplication would count as losses twice.
        """
        return self.phase is LOSS and 0 < self.advance <= 4 * ack.mss

    def _mark_first(self, sent: SentLog, ack: Acked) -> None:
        """The first outstanding segment is lost: one segment of it, not a whole super-segment."""
        if not sent.spans:
            return
        span = sent.spans[0]
        if span.sacked or span.lost or (ack.has_sack and span.retransmits):
            return
        self._mark_segment(sent, 0, ack.mss)

    def _mark_segment(self, sent: SentLog, index: int, mss: int) -> None:
        """One segment is lost, the first of a span."""
        span = sent.spans[index]
        if span.length > mss:
            sent.split(index, add(span.start, mss))
        sent.mark_lost(span)

    def suspect(self, sent: SentLog, ack: Acked) -> None:
        """The third and fourth rule of NextSeg (RFC 6675 4): the first hole never sent again, even
        if too little was SACKed above it; then, once, the last segment that is not SACKed.

        Near the end of what there is to send nothing else brings ACKs, and the timer would go off.
        The last one waits for a partial acknowledgment: by then its own SACK would have come.
        """
        if self.phase is not RECOVERY or not ack.has_sack:
            return
        last = sent.highest_sacked()
        for i in range(last):
            span = sent.spans[i]
            if not span.sacked and not span.retransmits:
                self._mark_segment(sent, i, ack.mss)
                return
        last = len(sent.spans) - 1
        if self.rescued or not ack.acked or last < 0 or sent.spans[last].sacked:
            return
        self.rescued = True
        span = sent.spans[last]
        if span.length > ack.mss:
            sent.split(last, add(span.end, -ack.mss))
            last += 1
        self._mark_segment(sent, last, ack.mss)

    def _mark_by_sack(self, sent: SentLog, ack: Acked) -> bool:
        """Mark what IsLost() of RFC 6675 4 calls lost; return whether anything was.

        Lost is what has more than (threshold - 1) segments' worth of SACKed octets above it, or
        `threshold` SACKed stretches. What was sent again in this episode is left to the timer.
        """
        if sent.sacked == 0:
            return False
        enough = (self.threshold - 1) * ack.mss
        above = 0
        stretches = 0
        in_stretch = False
        newly = self.marked
        found = False
        i = sent.highest_sacked()
        while i >= 0:
            span = sent.spans[i]
            if span.sacked:
                above += span.length
                if not in_stretch:
                    stretches += 1
                in_stretch = True
            else:
                in_stretch = False
                if above > enough or stretches >= self.threshold:
                    if not gt(span.end, self.marked):
                        found = found or span.lost
                        break
                    if gt(span.end, newly):
                        newly = span.end
                    if not span.lost and span.retransmits == 0:
                        sent.mark_lost(span)
                    found = found or span.lost
            i -= 1
        self.marked = newly
        return found

    def not_lost(self, sent: SentLog, una: int) -> None:
        """Begin to count anew."""
        super().not_lost(sent, una)
        self.duplicates = 0
        self.marked = una
        self.recover = add(una, -1)
        sent.presumed = 0

    def on_timeout(self, sent: SentLog, una: int, nxt: int, now: int) -> bool:
        """All that is not known to have arrived is lost (RFC 6675 5.1, RFC 6582 4)."""
        first = self.phase is not LOSS or not sent.spans or sent.spans[0].retransmits == 0
        if sent.spans and sent.spans[0].sacked:
            # The first outstanding octet was SACKed and is not acknowledged: the peer reneged.
            sent.forget_sacks()
        self.phase = LOSS
        self.duplicates = 0
        self.advance = 0
        sent.presumed = 0
        if lt(self.recover, nxt):
            self.recover = nxt
        for span in sent.spans:
            sent.mark_lost(span)
        return first
