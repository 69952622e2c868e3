"""The inner loop: from the octets of a capture to the flows, without an object for each packet.

What most packets are (IPv4 without options or fragments in Ethernet or by itself, TCP) is read in
place; all else goes to `frames`, which knows the rest of the world.
"""

from typing import Final

from librt.strings import read_i16_be, read_i32_be, read_i64_be
from mypy_extensions import i64

from lastack.observe.core.ends import TIME_WAIT
from lastack.observe.core.flow import Flow
from lastack.observe.core.frames import Frames, Skipped
from lastack.observe.core.infer import ACK, RST, SYN
from lastack.observe.core.moves import TWO_MSL
from lastack.observe.core.options import window_scale
from lastack.observe.core.rows import Rows
from lastack.observe.core.table import Table, half_of
from lastack.observe.core.violations import Violations
from lastack.units import SECOND
from lastack.wire.batches import Batch

LINGER: Final = 15 * SECOND
"""A lost last ACK shows within that: a FIN is sent again after 1, 2, 4 and 8 seconds."""

_ETHERNET: Final = 1
_RAW: Final = 101
_IP4: Final = 0x0800
_TCP: Final = 6
_PLAIN: Final = 0x45
_U32: Final = 0xFFFFFFFF


class Scanner:
    """The connections of a capture, by addresses and ports.

    `packets` counts the captured packets, `segments` those that were TCP, `skipped` the others by
    reason. `finished` holds connections whose addresses and ports another one has taken over, until
    somebody takes them out.
    """

    flows: Table
    finished: list[Flow]
    frames: Frames
    packets: i64
    segments: i64
    number: i64
    remarks: i64
    """Of the last segment."""
    skipped: list[int]
    violations: Violations
    """The rules that segments have broken."""
    rows: Rows | None
    """Where each segment gets a row, None for no rows."""
    linger: i64
    """What comes for so long after a connection is over still belongs to it, nanoseconds."""
    only: i64
    """The connection whose segments get rows, 0 for all."""
    share: i64
    shares: i64
    """It takes the connections alone that fall to its share of so many (see `share_of`)."""
    seen: bytes
    seen_at: i64
    seen_stop: i64
    """The segment of the last row: `seen[seen_at:seen_stop]` is what was captured of it."""

    def __init__(self, share: i64 = 0, shares: i64 = 1, linger: i64 = LINGER) -> None:
        self.linger = linger
        self.share = share
        self.shares = shares
        self.only = 0
        self.seen = b""
        self.seen_at = 0
        self.seen_stop = 0
        self.flows = Table()
        self.finished = []
        self.frames = Frames()
        self.packets = 0
        self.segments = 0
        self.number = 0
        self.remarks = 0
        self.rows = None
        self.violations = Violations()
        self.skipped = [0] * (max(Skipped) + 1)

    def batch(self, batch: Batch) -> None:
        """Take in the packets of a batch."""
        data = batch.data
        starts, stops, times = batch.starts, batch.stops, batch.times
        linktype: i64 = batch.linktype
        count: i64 = len(starts)
        i: i64 = 0
        while i < count:
            self.packet(data, starts[i], stops[i], linktype, times[i])
            i += 1

    def packet(self, data: bytes, start: i64, stop: i64, linktype: i64, now: i64) -> None:
        """Take in the packet `data[start:stop]`, captured at `now`, nanoseconds."""
        self.packets += 1
        ip = start
        if linktype == _ETHERNET:
            ip += 14
            if ip > stop or i64(read_i16_be(data, start + 12)) != _IP4:
                self._other(data, start, stop, linktype, now)
                return
        elif linktype != _RAW:
            self._other(data, start, stop, linktype, now)
            return
        if stop - ip < 40:
            self._other(data, start, stop, linktype, now)
            return
        # Version, length, identification, fragment: one word.
        head = i64(read_i64_be(data, ip))
        total = head >> 32 & 0xFFFF
        if head >> 56 != _PLAIN or head & 0x3FFF or total < 40 or i64(data[ip + 9]) != _TCP:
            self._other(data, start, stop, linktype, now)
            return
        if self.shares > 1 and share_of(data, ip + 12, 4, self.shares) != self.share:
            return
        self._segment(data, ip + 20, stop, total - 20, data, ip + 12, 4, now)

    def _other(self, data: bytes, start: i64, stop: i64, linktype: i64, now: i64) -> None:
        if not self.frames.find_tcp(data, start, stop, linktype, now):
            if self.share == 0:
                self.skipped[self.frames.found.skipped] += 1
            return
        found = self.frames.found
        half = half_of(found.key)
        if self.shares > 1 and share_of(found.key, 0, half, self.shares) != self.share:
            return
        self._segment(found.data, found.start, found.stop, found.length, found.key, 0, half, now)

    def _segment(
        self, data: bytes, tcp: i64, stop: i64, total: i64, key: bytes, at: i64, half: i64, now: i64
    ) -> None:
        """Take in the segment at `tcp`; `total` octets of it were on the wire.

        At key[at] stand its addresses, `half` octets each, and its ports.
        """
        # ACK, length of the header, flags and window: one word.
        word = i64(read_i64_be(data, tcp + 8))
        header = (word >> 28 & 15) * 4
        length = total - header
        if length < 0 or header < 20:
            self.skipped[Skipped.MALFORMED] += 1
            return
        flags = word >> 16 & 0xFF
        seq = i64(read_i32_be(data, tcp + 4)) & _U32
        flow = self.flows.find(key, at, half)
        from_a = self.flows.from_a
        if flow is None or (not flow.steady and self._is_past(flow, from_a, flags, seq, now)):
            flow = self._open(flow, key[at : at + 2 * half + 4], now)
            from_a = True
        self.segments += 1
        ack = word >> 32 & _U32
        window = word & 0xFFFF
        packet = self.packets
        if length or flags & (SYN | RST | ACK) != ACK:
            end = min(tcp + header, stop)
            self.violations.segment(
                flow, from_a, data, tcp + 20, end, flags, seq, ack, length, packet
            )
            if flags & SYN:
                scale = window_scale(data, tcp + 20, end)
                flow.syn_options(from_a, flags & ACK != 0, min(scale, 14))
        self.remarks = flow.segment_seen(from_a, flags, seq, ack, window, length, now, packet)
        rows = self.rows
        if rows is not None and (self.only == 0 or self.only == flow.number):
            self.seen = data
            self.seen_at = tcp
            self.seen_stop = stop
            rows.add(
                packet,
                now,
                flow.number,
                from_a,
                flags,
                seq,
                ack,
                window,
                length,
                self.remarks,
                flow.a.states,
                flow.b.states,
            )

    def _is_past(self, flow: Flow, from_a: bool, flags: i64, seq: i64, now: i64) -> bool:
        """Return whether a segment belongs to another connection than the one known so far."""
        if not flow.over:
            return False
        if now - flow.last > self.linger:
            return True
        # A SYN with the number of the first one is that one again.
        sender = flow.a if from_a else flow.b
        return flags & (SYN | ACK) == SYN and seq != sender.isn

    def forget(self, flow: Flow) -> None:
        """Let go of a connection; what still comes of it begins another one."""
        self.flows.remove(flow)

    def _open(self, old: Flow | None, key: bytes, now: i64) -> Flow:
        """Begin a connection; one that had the same addresses and ports is over."""
        if old is not None:
            recent = now - old.last <= self.linger
            old.reused = recent and (old.a.states | old.b.states) & TIME_WAIT != 0
            if self.linger >= TWO_MSL:
                old.time_passed(now)
            self.flows.remove(old)
            self.finished.append(old)
        self.number += 1
        # The shares together number their connections by the packets that opened them.
        flow = Flow(int(self.packets if self.shares > 1 else self.number), key, now)
        self.flows.add(flow)
        return flow


def share_of(data: bytes, at: i64, half: i64, shares: i64) -> i64:
    """Return to which of the shares a segment falls: both directions of a connection to the same.

    At `at` stand both addresses, `half` octets each, and both ports.
    """
    ports = at + 2 * half
    total = i64(read_i16_be(data, ports)) + i64(read_i16_be(data, ports + 2))
    while at < ports:
        total += i64(read_i32_be(data, at))
        at += 4
    return ((total & _U32) * 40503 >> 11) % shares
