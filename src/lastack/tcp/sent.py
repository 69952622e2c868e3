"""What was sent and when: one record a stretch of sequence space, from SND.UNA to SND.NXT.

SYN and FIN have their places here like any octet. A record is split where an acknowledgment or a
SACK block ends inside it. Loss recovery marks records `lost`; sending one again makes it be in
flight again. The counters hold at every moment

    in_flight = octets - sacked - lost - presumed

where `presumed` is what duplicate ACKs of a peer without SACK say has left the network.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from lastack.tcp.acked import Acked
from lastack.tcp.span import Sent
from lastack.wire.seq import diff, gt, le, lt

MOST_SPANS: Final = 16384
"""SACK blocks cut no more records than this: a peer that reports single octets gains nothing."""


@mypyc_attr(acyclic=True)
class SentLog:
    """The records in order, their sums in octets; `sacked_end` is behind the last sacked one.

    `resends` are those sent more than once, in the order in which they were sent last, None without
    any; some of them may have arrived meanwhile. `transmitted` counts every octet ever sent,
    retransmissions too.
    """

    spans: list[Sent]
    resends: list[Sent] | None
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
    lost_total: int
    """All that was ever found to be lost."""
    newest_lost: Sent | None
    """The last of what was found to be lost since the controller was told."""
    flight_began: int
    app_limited: int
    """What has to be `delivered` until the user is no longer the limit; 0 when it is not."""

    def __init__(self) -> None:
        self.spans = []
        self.resends = None
        self.transmitted = 0
        self.octets = 0
        self.sacked = 0
        self.lost = 0
        self.sacked_end = 0
        self.lost_from = 0
        self.presumed = 0
        self.delivered = 0
        self.delivered_at = 0
        self.lost_total = 0
        self.newest_lost = None
        self.flight_began = 0
        self.app_limited = 0

    @property
    def in_flight(self) -> int:
        """The pipe of RFC 6675 5, in octets."""
        pipe = self.octets - self.sacked - self.lost - self.presumed
        return pipe if pipe > 0 else 0

    @property
    def resent_count(self) -> int:
        """How many of `resends` there are."""
        return len(self.resends) if self.resends is not None else 0

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
            self._not_resent(span)
        self.transmitted += length
        if self.resends is None:
            self.resends = []
        self.resends.append(span)
        span.retransmits += 1
        span.order = self.transmitted
        span.sent_at = now
        span.delivered = self.delivered
        span.delivered_at = self.delivered_at
        span.app_limited = self.app_limited > 0
        self._note_flight(span)

    def _not_resent(self, span: Sent) -> None:
        resends = self.resends
        assert resends is not None
        resends.remove(span)
        if not resends:
            self.resends = None

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
                self._not_resent(span)

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
        self.resends = sorted(again, key=_by_order) or None

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
        resends = self.resends
        if resends is not None and span.retransmits and not span.lost and not span.sacked:
            resends.insert(resends.index(span) + 1, rest)

    def join_lost(self) -> None:
        """Join lost records that follow each other: larger segments than theirs will do again."""
        joined: list[Sent] = []
        for span in self.spans:
            if joined and span.lost and joined[-1].lost:
                self._absorb(joined[-1], span)
            else:
                joined.append(span)
        self.spans = joined

    def acknowledged(self, una: int, now: int, said: Acked) -> int:
        """Forget what is before `una`, tell of it in `said`; return how many octets that was."""
        gone = 0
        octets = 0
        delivered = 0
        holes = self.sacked > 0
        for span in self.spans:
            if gt(span.end, una):
                if lt(span.start, una):
                    octets += self._trim(span, una)
                    said.speaks_of(span, now)
                    if span.order == said.latest:
                        said.latest_end = una
                break
            length = (span.end - span.start) & 0xFFFFFFFF
            octets += length
            gone += 1
            if span.sacked:
                self.sacked -= length
            else:
                delivered += length
                said.speaks_of(span, now)
                if holes and lt(span.start, self.sacked_end):
                    said.was_overtaken(span, self.sacked_end)
                if span.lost:
                    self.lost -= length
                if span.retransmits:
                    span.sacked = True  # for `resends`, which it may still be in
        if gone == 1:
            self.spans.pop(0)
        elif gone:
            del self.spans[:gone]
        if self.resends is not None:
            self._forget_resends(self.resends)
        self.octets -= octets
        if octets:
            self.delivered += delivered
            self.delivered_at = now
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

    def _forget_resends(self, resends: list[Sent]) -> None:
        """Let go of the oldest of them that have arrived."""
        gone = 0
        for span in resends:
            if not span.sacked:
                break
            gone += 1
        if gone == len(resends):
            self.resends = None
        elif gone:
            del resends[:gone]

    def clear(self) -> None:
        """Forget every record, as if nothing had been sent."""
        self.spans = []
        self.resends = None
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

    def selectively_acknowledged(
        self, start: int, end: int, now: int, said: Acked, unit: int = 0
    ) -> int:
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
                    said.was_overtaken(span, self.sacked_end)
                if span.lost:
                    span.lost = False
                    self.lost -= length
                span.sacked = True
                said.speaks_of(span, now)
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
        waiting = [s for s in self.resends or () if not s.sacked]
        if sorted(again, key=_by_order) != waiting:
            return False
        return (octets, sacked, lost) == (self.octets, self.sacked, self.lost)


def _by_order(span: Sent) -> int:
    return span.order
