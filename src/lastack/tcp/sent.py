"""What was sent and when: one record a stretch of sequence space, from SND.UNA to SND.NXT.

SYN and FIN have their places here like any octet. A record is split where an acknowledgment or a
SACK block ends inside it. Loss recovery marks records `lost`; sending one again makes it be in
flight again. The counters hold at every moment

    in_flight = octets - sacked - lost - presumed

where `presumed` is what duplicate ACKs of a peer without SACK say has left the network.
"""

from typing import Final

from lastack.tcp.span import Sent
from lastack.units import NEVER
from lastack.wire.seq import diff, gt, le, lt

MOST_SPANS: Final = 16384
"""SACK blocks cut no more records than this: a peer that reports single octets gains nothing."""


class SentLog:
    """The records in order, their sums in octets; `sacked_end` is behind the last sacked one.

    `resends` are those sent more than once, in the order in which they were sent last; some of them
    may have arrived meanwhile. `transmitted` counts every octet ever sent, retransmissions too.

    What the ACK at hand says, from `begin_ack` on: `rtt`, `newest`, `resent_acked` (see
    `acknowledged`), `latest` and `latest_end` (order and end of the transmission that was the last
    of those which have certainly arrived, -1 when none is known), `arrived_at` (when such a one was
    sent, the last that the ACK speaks of), `survived` (something taken for lost has arrived without
    being sent again) and `overtaken` (by how many octets, at most, others had overtaken it).
    """

    spans: list[Sent]
    resends: list[Sent]
    transmitted: int
    octets: int
    sacked: int
    lost: int
    sacked_end: int
    lost_from: int
    """Nothing before this is lost."""
    presumed: int
    delivered: int
    delivered_at: int
    rtt: int
    newest: Sent | None
    resent_acked: bool
    lost_total: int
    """All that was ever found to be lost."""
    newest_lost: Sent | None
    """The last of what was found to be lost since the controller was told."""
    flight_began: int
    app_limited: int
    """What has to be `delivered` until the user is no longer the limit; 0 when it is not."""
    latest: int
    latest_end: int
    arrived_at: int
    survived: bool
    overtaken: int
    least_rtt: int
    """A retransmission is not acknowledged sooner than this: it was the original that arrived."""
    echoed_at: int
    """Nor is one that was sent after this, as the echoed timestamp has it."""

    def __init__(self) -> None:
        self.spans = []
        self.resends = []
        self.transmitted = 0
        self.octets = 0
        self.sacked = 0
        self.lost = 0
        self.sacked_end = 0
        self.lost_from = 0
        self.presumed = 0
        self.delivered = 0
        self.delivered_at = 0
        self.rtt = -1
        self.newest = None
        self.resent_acked = False
        self.lost_total = 0
        self.newest_lost = None
        self.flight_began = 0
        self.app_limited = 0
        self.latest = -1
        self.latest_end = 0
        self.arrived_at = 0
        self.survived = False
        self.overtaken = 0
        self.least_rtt = 0
        self.echoed_at = NEVER

    @property
    def in_flight(self) -> int:
        """The pipe of RFC 6675 5, in octets."""
        pipe = self.octets - self.sacked - self.lost - self.presumed
        return pipe if pipe > 0 else 0

    @property
    def resent_octets(self) -> int:
        """Octets in flight that were sent more than once."""
        return sum(s.length for s in self.spans if s.retransmits and not s.lost and not s.sacked)

    def sent(self, start: int, end: int, now: int, app_limited: bool) -> None:
        """Record that [start, end) went out for the first time."""
        if self.octets == 0:
            self.delivered_at = now
            self.flight_began = now
        length = (end - start) & 0xFFFFFFFF
        self.octets += length
        self.transmitted += length
        span = Sent(
            start, end, now, self.transmitted, self.delivered, self.delivered_at, app_limited
        )
        self._note_flight(span)
        self.spans.append(span)

    def _note_flight(self, span: Sent) -> None:
        """Note in a record that is being sent what its delivery will be judged by."""
        span.flight_began = self.flight_began
        span.tx_in_flight = self.in_flight
        span.lost_before = self.lost_total

    def resent(self, span: Sent, now: int) -> None:
        """Record that a whole record went out again."""
        length = span.length
        if span.lost:
            span.lost = False
            self.lost -= length
        elif span.retransmits:
            self.resends.remove(span)
        self.transmitted += length
        self.resends.append(span)
        span.retransmits += 1
        span.order = self.transmitted
        span.sent_at = now
        span.delivered = self.delivered
        span.delivered_at = self.delivered_at
        span.app_limited = self.app_limited > 0
        self._note_flight(span)

    def mark_lost(self, span: Sent) -> None:
        """Take a record out of flight: it is to be sent again."""
        if not span.lost and not span.sacked:
            if self.lost == 0 or lt(span.start, self.lost_from):
                self.lost_from = span.start
            span.lost = True
            span.was_lost = True
            self.lost += span.length
            self.lost_total += span.length
            self.newest_lost = span
            if span.retransmits:
                self.resends.remove(span)

    def first_lost(self) -> int:
        """Return the index of the first lost record, -1 when there is none."""
        if self.lost == 0:
            return -1
        spans = self.spans
        i = self.find(self.lost_from)
        while not spans[i].lost:
            i += 1
        self.lost_from = spans[i].start
        return i

    def none_lost(self) -> None:
        """What was thought lost is in flight after all."""
        for span in self.spans:
            span.lost = False
            span.was_lost = False
        self.lost = 0
        self._sort_resends()

    def _sort_resends(self) -> None:
        again = [s for s in self.spans if s.retransmits and not s.lost and not s.sacked]
        self.resends = sorted(again, key=_by_order)

    def split(self, index: int, at: int) -> None:
        """Cut record `index` in two at sequence number `at`, strictly inside it."""
        span = self.spans[index]
        rest = Sent(
            at,
            span.end,
            span.sent_at,
            span.order,
            span.delivered,
            span.delivered_at,
            span.app_limited,
        )
        rest.first_sent_at = span.first_sent_at
        rest.retransmits = span.retransmits
        rest.sacked = span.sacked
        rest.lost = span.lost
        rest.was_lost = span.was_lost
        rest.flight_began = span.flight_began
        rest.tx_in_flight = span.tx_in_flight
        rest.lost_before = span.lost_before
        span.end = at
        self.spans.insert(index + 1, rest)
        if span.retransmits and not span.lost and not span.sacked:
            self.resends.insert(self.resends.index(span) + 1, rest)

    def begin_ack(self) -> None:
        """Another ACK is at hand, and has said nothing so far."""
        self.rtt = -1
        self.newest = None
        self.resent_acked = False
        self.latest = -1
        self.survived = False
        self.overtaken = 0

    def join_lost(self) -> None:
        """Join lost records that follow each other: larger segments than theirs will do again."""
        joined: list[Sent] = []
        for span in self.spans:
            if joined and span.lost and joined[-1].lost:
                self._absorb(joined[-1], span)
            else:
                joined.append(span)
        self.spans = joined

    def acknowledged(self, una: int, now: int) -> int:
        """Forget what is before `una`; return how many octets that was.

        Leaves in `rtt` the time since the most recently sent of the records that were never sent
        again (Karn's algorithm, MUST-18), -1 when there is none, and in `newest` the record that
        was sent last, for the delivery rate. `resent_acked` says that one of them was a
        retransmission.
        """
        gone = 0
        octets = 0
        delivered = 0
        holes = self.sacked > 0
        for span in self.spans:
            if gt(span.end, una):
                if lt(span.start, una):
                    octets += self._trim(span, una)
                    self._measure(span, now)
                    if span.order == self.latest:
                        self.latest_end = una
                break
            length = (span.end - span.start) & 0xFFFFFFFF
            octets += length
            gone += 1
            if span.sacked:
                self.sacked -= length
            else:
                delivered += length
                self._measure(span, now)
                if holes and lt(span.start, self.sacked_end):
                    self._note_overtaken(span)
                if span.lost:
                    self.lost -= length
                if span.retransmits:
                    span.sacked = True  # for `resends`, which it may still be in
        if gone == 1:
            self.spans.pop(0)
        elif gone:
            del self.spans[:gone]
        if self.resends:
            self._forget_resends()
        self.octets -= octets
        if octets:
            self.delivered += delivered
            self.delivered_at = now
        if not self.spans:
            self.presumed = 0
        return octets

    def _trim(self, span: Sent, una: int) -> int:
        """Drop the acknowledged front of a record; return how many octets that was."""
        octets = (una - span.start) & 0xFFFFFFFF
        span.start = una
        if span.sacked:
            self.sacked -= octets
        else:
            self.delivered += octets
            if span.lost:
                self.lost -= octets
        return octets

    def _measure(self, span: Sent, now: int) -> None:
        if span.retransmits:
            self.resent_acked = True
            sure = now - span.sent_at >= self.least_rtt and span.sent_at <= self.echoed_at
        else:
            self.rtt = now - span.sent_at
            sure = True
            if span.was_lost:
                self.survived = True
        newest = self.newest
        if newest is None or span.order >= newest.order:
            self.newest = span
        if sure:
            self.arrived_at = span.sent_at
            if span.order >= self.latest:
                self.latest = span.order
                self.latest_end = span.end

    def _note_overtaken(self, span: Sent) -> None:
        """Something arrives that lies before what is sacked: was it on its way for longer?"""
        if span.retransmits == 0:
            distance = diff(self.sacked_end, span.start)
            if distance > self.overtaken:
                self.overtaken = distance

    def _forget_resends(self) -> None:
        """Let go of the oldest of `resends` that have arrived."""
        gone = 0
        for span in self.resends:
            if not span.sacked:
                break
            gone += 1
        if gone:
            del self.resends[:gone]

    def clear(self) -> None:
        """Forget every record, as if nothing had been sent."""
        self.spans = []
        self.resends = []
        self.octets = 0
        self.sacked = 0
        self.lost = 0
        self.presumed = 0

    def find(self, seq: int) -> int:
        """Return the index of the first record that ends after `seq` (len when there is none)."""
        spans = self.spans
        low = 0
        high = len(spans)
        while low < high:
            middle = (low + high) // 2
            if gt(spans[middle].end, seq):
                high = middle
            else:
                low = middle + 1
        return low

    def selectively_acknowledged(self, start: int, end: int, now: int, unit: int = 0) -> int:
        """Mark [start, end) as received; return how many octets are news (RFC 2018 8).

        With a `unit` nothing is cut but at multiples of it: what a block covers in part is not
        received.
        """
        news = 0
        i = self.find(start)
        while i < len(self.spans):
            span = self.spans[i]
            if not lt(span.start, end):
                break
            if not span.sacked:
                first = diff(start, span.start) if lt(span.start, start) else 0
                last = diff(end, span.start) if gt(span.end, end) else span.length
                if unit and first:
                    first = -(-first // unit) * unit
                if unit and last < span.length:
                    last -= last % unit
                inside = first == 0 and last == span.length
                if first >= last or (not inside and len(self.spans) >= MOST_SPANS):
                    i += 1
                    continue
                if last < span.length:
                    self.split(i, (span.start + last) & 0xFFFFFFFF)
                if first:
                    self.split(i, (span.start + first) & 0xFFFFFFFF)
                    i += 1
                    span = self.spans[i]
                length = (span.end - span.start) & 0xFFFFFFFF
                if self.sacked and lt(span.end, self.sacked_end):
                    self._note_overtaken(span)
                if span.lost:
                    span.lost = False
                    self.lost -= length
                span.sacked = True
                self._measure(span, now)
                news += length
                i = self._merge(i)
            i += 1
        if news:
            if not self.sacked or gt(end, self.sacked_end):
                self.sacked_end = end
            self.sacked += news
            self.delivered += news
            self.delivered_at = now
        return news

    def _merge(self, index: int) -> int:
        """Join a sacked record with sacked neighbours; return its new index.

        Nothing more will be asked of each of them, and with megabytes under way thousands of them
        would be walked through with every ACK.
        """
        spans = self.spans
        span = spans[index]
        if index + 1 < len(spans) and spans[index + 1].sacked:
            self._absorb(span, spans[index + 1])
            del spans[index + 1]
        if index > 0 and spans[index - 1].sacked:
            self._absorb(spans[index - 1], span)
            del spans[index]
            return index - 1
        return index

    def _absorb(self, span: Sent, after: Sent) -> None:
        span.end = after.end
        if after.sent_at > span.sent_at:
            span.sent_at = after.sent_at
            span.order = after.order
        if after.retransmits > span.retransmits:
            span.retransmits = after.retransmits

    def forget_sacks(self) -> None:
        """The peer has thrown away what it had acknowledged selectively (RFC 2018 8)."""
        for span in self.spans:
            span.sacked = False
        self.sacked = 0
        self._sort_resends()

    def highest_sacked(self) -> int:
        """Return the index of the last record that is sacked, -1 when none is."""
        if self.sacked == 0:
            return -1
        i = self.find((self.sacked_end - 1) & 0xFFFFFFFF)
        while i >= 0 and (i >= len(self.spans) or not self.spans[i].sacked):
            i -= 1
        return i

    def covers(self, una: int, nxt: int) -> bool:
        """Check ourselves: the records fill [una, nxt) without gap or overlap, the sums hold."""
        at = una
        octets = sacked = lost = 0
        for span in self.spans:
            if span.start != at or not lt(span.start, span.end) or not le(span.end, nxt):
                return False
            at = span.end
            octets += span.length
            sacked += span.length if span.sacked else 0
            lost += span.length if span.lost else 0
        if self.spans and diff(at, nxt):
            return False
        again = [s for s in self.spans if s.retransmits and not s.lost and not s.sacked]
        waiting = [s for s in self.resends if not s.sacked]
        if sorted(again, key=_by_order) != waiting:
            return False
        return (octets, sacked, lost) == (self.octets, self.sacked, self.lost)


def _by_order(span: Sent) -> int:
    return span.order
