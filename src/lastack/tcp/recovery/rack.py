"""RACK: what was sent before something that has arrived is lost when time is up (RFC 8985 6).

Losses are judged by when each record was sent last, so retransmissions that are lost are found too.
Records that were never sent again lie in the order of their times as they lie in sequence, and
`SentLog.resends` keeps the others so: an ACK looks at no record that it settles nothing about.
"""

from typing import Final

from lastack.tcp.acked import Acked
from lastack.tcp.recovery.base import (
    ENTERED,
    LOSS,
    NOTHING,
    OPEN,
    RECOVERED,
    RECOVERED_AND_ENTERED,
    RECOVERY,
    Losses,
)
from lastack.tcp.recovery.newreno import NewRenoRecovery
from lastack.tcp.rtt import GRANULARITY, RoundTrip
from lastack.tcp.sent import SentLog
from lastack.tcp.span import Sent
from lastack.units import MS, NEVER
from lastack.wire.seq import ge, gt, lt

SLACK: Final = 2 * MS
"""What a timer for the next few milliseconds is given more, lest it goes off too soon."""
MOST_STEPS: Final = 255
"""The window for reordering grows by a quarter of the least round trip up to so many times."""
MOST_REORDERING: Final = 300
"""Segments; reordering over a greater distance is counted as this."""
_PERSIST: Final = 16
"""Recoveries without a D-SACK after which the window is small again."""


class RackRecovery(NewRenoRecovery):
    """Time, not three duplicates, tells a loss. For peers with SACK."""

    round_trip: RoundTrip
    latest: int
    latest_end: int
    round_trip_of_latest: int
    steps: int
    persist: int
    dsack_round: int
    """SND.NXT when a D-SACK made the window grow, -1 when the next one may."""

    def __init__(
        self, iss: int, threshold: int, limited_transmit: bool, round_trip: RoundTrip
    ) -> None:
        super().__init__(iss, threshold, limited_transmit)
        self.round_trip = round_trip
        self.reordering = threshold
        self.latest = 0
        self.latest_end = iss
        self.round_trip_of_latest = 0
        self.steps = 1
        self.persist = 0
        self.dsack_round = -1

    def on_ack(self, sent: SentLog, ack: Acked, now: int) -> Losses:
        """Digest one ACK (RFC 8985 6.2)."""
        if ack.acked > 0:
            self.duplicates = 0
            if lt(self.marked, ack.una):
                self.marked = ack.una
        elif ack.duplicate or ack.sacked > 0:
            self.duplicates += 1
        self._learn(sent, ack, now)
        losses = NOTHING
        if self.phase is not OPEN and ge(ack.una, self.recover):
            self.phase = OPEN
            losses = RECOVERED
            self._one_more_without_dsack()
        if sent.sacked == 0 and sent.resends is None and self._nothing_is_older(sent):
            self.reorder_at = NEVER
        elif ack.latest >= 0:
            losses = self._look_at_times(sent, ack.mss, ack.nxt, losses, now)
        return losses

    def _nothing_is_older(self, sent: SentLog) -> bool:
        """Return whether all that is out was sent after the latest arrival (nothing sent twice)."""
        return not sent.spans or sent.spans[0].order > self.latest

    def _learn(self, sent: SentLog, ack: Acked, now: int) -> None:
        """Steps 2 to 4: the latest arrival, whether the path reorders, and how much."""
        if ack.latest >= 0:
            self.round_trip_of_latest = now - ack.arrived_at
            if ack.latest > self.latest or (
                ack.latest == self.latest and gt(ack.latest_end, self.latest_end)
            ):
                self.latest = ack.latest
                self.latest_end = ack.latest_end
        if ack.overtaken:
            self.reordering_seen += 1
            segments = min((ack.overtaken + ack.mss - 1) // ack.mss, MOST_REORDERING)
            self.reordering = max(self.reordering, segments)
        if self.dsack_round >= 0 and ge(ack.una, self.dsack_round):
            self.dsack_round = -1
        if ack.dsack and not ack.probe_arrived and self.reordering_seen and self.dsack_round < 0:
            self.dsack_round = ack.nxt
            self.steps = min(self.steps + 1, MOST_STEPS)
            self.persist = _PERSIST

    def _one_more_without_dsack(self) -> None:
        self.persist -= 1
        if self.persist <= 0:
            self.persist = 0
            self.steps = 1

    def _window(self, sent: SentLog, mss: int) -> int:
        """Return how much later than the latest arrival something may still come."""
        if not self.reordering_seen:
            if self.phase is not OPEN:
                return 0
            if self.duplicates >= self.threshold or sent.sacked > (self.threshold - 1) * mss:
                return 0
        least = self.round_trip.minimum
        if least <= 1:
            return GRANULARITY  # shorter than the clock can tell
        return min(self.steps * least // 4, self.round_trip.srtt)

    def _look_at_times(self, sent: SentLog, mss: int, nxt: int, losses: Losses, now: int) -> Losses:
        """Step 5: mark what is lost, and see when to look again."""
        before = sent.lost
        resends = sent.resent_count
        limit = self.round_trip_of_latest + self._window(sent, mss)
        wait = max(self._mark_resends(sent, limit, now), self._mark_fresh(sent, limit, now))
        self.reorder_at = now + wait + SLACK if wait else NEVER
        lost_again = self.phase is LOSS and sent.resent_count < resends
        if sent.lost <= before or (self.phase is not OPEN and not lost_again):
            return losses
        self.phase = RECOVERY
        self.recover = nxt
        return RECOVERED_AND_ENTERED if losses is RECOVERED else ENTERED

    def _sent_before_latest(self, span: Sent) -> bool:
        if span.order != self.latest:
            return span.order < self.latest
        return lt(span.end, self.latest_end)

    def _mark_resends(self, sent: SentLog, limit: int, now: int) -> int:
        """Mark retransmissions that are lost; return the longest time that one may still have."""
        wait = 0
        lost: list[Sent] = []
        for span in sent.resends or ():
            if not self._sent_before_latest(span):
                break
            if span.sacked:
                continue
            left = span.sent_at + limit - now
            if left <= 0:
                lost.append(span)
            elif left > wait:
                wait = left
        for span in lost:
            sent.mark_lost(span)
        return wait

    def _mark_fresh(self, sent: SentLog, limit: int, now: int) -> int:
        """The same for what was sent once: all before `marked` is settled already."""
        spans = sent.spans
        i = sent.find(self.marked)
        while i < len(spans):
            span = spans[i]
            if not (span.sacked or span.lost or span.retransmits):
                if not self._sent_before_latest(span):
                    return 0
                if span.sent_at + limit > now:
                    break
                sent.mark_lost(span)
            self.marked = span.end
            i += 1
        last = min(sent.find(self.latest_end), len(spans) - 1)
        while last >= i:
            span = spans[last]
            if not (span.sacked or span.lost or span.retransmits):
                if self._sent_before_latest(span):
                    return span.sent_at + limit - now
            last -= 1
        return 0

    def suspect(self, sent: SentLog, ack: Acked) -> None:
        """Time tells, and a probe asks."""

    def on_reordering_over(self, sent: SentLog, mss: int, nxt: int, now: int) -> Losses:
        """Return what has become of those that `reorder_at` waited for."""
        return self._look_at_times(sent, mss, nxt, NOTHING, now)

    def not_lost(self, sent: SentLog, una: int) -> None:
        """Something came so late that it was taken for lost: the path reorders."""
        if self.phase is RECOVERY:
            self.reordering_seen += 1
        super().not_lost(sent, una)

    def on_timeout(self, sent: SentLog, una: int, nxt: int, now: int) -> bool:
        """The oldest is lost, and what was sent so long ago that it is too (RFC 8985 6.3)."""
        self.reorder_at = NEVER
        spans = sent.spans
        if not spans or spans[0].sacked:
            return super().on_timeout(sent, una, nxt, now)
        first = self.phase is not LOSS or spans[0].retransmits == 0
        self.phase = LOSS
        self.duplicates = 0
        self.recover = nxt
        for i, span in enumerate(spans):
            if i == 0 or span.sent_at + self.round_trip_of_latest <= now:
                sent.mark_lost(span)
        self.marked = una
        return first
