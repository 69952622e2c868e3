"""A wire in memory and in virtual time: it delays, loses, reorders, doubles and corrupts packets.

The wire never reads a clock: `advance(now)` tells it the time and `next_deadline()` says when the
next packet arrives. Everything on it is plain data, so a wire can be copied deeply with all that is
on its way. Each packet draws the same number of times from the source of chance, whatever becomes
of it: the same seed gives the same fates, and more loss leaves the other fates as they were.
"""

import heapq
from collections import deque
from collections.abc import Callable
from typing import Final

from lastack.chance import Random
from lastack.link.base import NO_OFFLOAD, Link, Offload
from lastack.units import MS, NEVER, SECOND
from lastack.wire.ce import congestion_experienced
from lastack.wire.checksum import finish
from lastack.wire.packet import CHECKSUM_PRESENT, Packet

SENT: Final = "sent"
LOST: Final = "lost"
QUEUE_FULL: Final = "queue full"
SCRIPTED: Final = "dropped by rule"

MOST_BITS_CORRUPTED: Final = 15
"""The Internet checksum finds every error that is no longer than this."""


class Passage:
    """What became of one packet on the wire.

    `number` counts the packets of one end from 1. `arrives_at` is NEVER for one that was lost and
    `fate` says how. A doubled packet has two passages, the second with `copy` set. `arrived` is set
    when the other end is handed the packet.
    """

    sent_at: int
    from_a: bool
    number: int
    packet: Packet
    intact: Packet
    """What was sent, where `packet` is what arrives."""
    arrives_at: int
    fate: str
    copy: bool
    corrupted: bool
    held_back: bool
    arrived: bool

    def __init__(
        self, sent_at: int, from_a: bool, number: int, packet: Packet, arrives_at: int
    ) -> None:
        self.sent_at = sent_at
        self.from_a = from_a
        self.number = number
        self.packet = packet
        self.intact = packet
        self.arrives_at = arrives_at
        self.fate = SENT
        self.copy = False
        self.corrupted = False
        self.held_back = False
        self.arrived = False

    @property
    def lost(self) -> bool:
        """Whether it never arrives."""
        return self.fate != SENT

    @property
    def remarks(self) -> str:
        """All that befell it, in words; "" for nothing."""
        words = [self.fate] if self.fate != SENT else []
        words += ["copy"] if self.copy else []
        words += ["corrupted"] if self.corrupted else []
        words += ["held back"] if self.held_back else []
        return ", ".join(words)

    def __repr__(self) -> str:
        way = "a->b" if self.from_a else "b->a"
        return f"<{way} {self.number} at {self.sent_at} for {self.arrives_at} {self.remarks}>"


Drop = Callable[[bool, int, Packet], bool]
"""A rule that says of a packet (from a?, its number from 1, itself) whether it is lost."""


class Dropping:
    """The rule that loses the packets with these numbers, counted from 1 at each end."""

    def __init__(self, from_a: tuple[int, ...] = (), from_b: tuple[int, ...] = ()) -> None:
        self.from_a = from_a
        self.from_b = from_b

    def __call__(self, from_a: bool, number: int, packet: Packet) -> bool:
        """Return whether the packet is lost."""
        return number in (self.from_a if from_a else self.from_b)


class MemoryEnd(Link):
    """One end of a MemoryWire."""

    is_a: bool
    inbox: deque[Passage]
    passage: Passage | None
    """That of the packet received last."""

    def __init__(self, wire: "MemoryWire", is_a: bool, mtu: int, offload: Offload) -> None:
        self.wire = wire
        self.is_a = is_a
        self.mtu = mtu
        self.offload = offload
        self.inbox = deque()
        self.passage = None

    def fileno(self) -> int:
        """Return -1: there is nothing to wait on, only `next_deadline()` of the wire."""
        return -1

    def receive(self) -> Packet | None:
        """Return the next packet that has arrived by the time the wire has been told."""
        if not self.inbox:
            return None
        self.passage = passage = self.inbox.popleft()
        passage.arrived = True
        return passage.packet

    def send(self, packet: Packet) -> bool:
        """Put a packet on the wire; there is always room (what finds a full queue is lost)."""
        self.wire.put(self.is_a, packet)
        return True

    def close(self) -> None:
        """Do nothing: the wire holds no resources."""


class MemoryWire:
    """Two Links, `a` and `b`, and the wire between them.

    Times are nanoseconds, probabilities 0.0 to 1.0 for each packet: `delay` one way; `jitter` up to
    which more delay is drawn, order kept; `loss`; `reorder`, holding a packet back by up to
    `reorder_delay` (by default `delay`, at least 1 ms); `duplicate`; `corrupt`, flipping up to 15
    neighbouring bits after the checksums were made. `rate` in bits per second (0 is no limit), with
    at most `queue` packets waiting for their turn (0 is no limit). `drop` is a rule for more loss.
    A packet that finds `mark` or more waiting gets CE, if it is ECN-capable (0 marks none).
    `trace` is called with the Passage of each packet as it is put on the wire.
    """

    now: int
    trace: Callable[[Passage], None] | None

    def __init__(
        self,
        random: Random,
        delay: int = 10 * MS,
        loss: float = 0.0,
        reorder: float = 0.0,
        duplicate: float = 0.0,
        corrupt: float = 0.0,
        jitter: int = 0,
        rate: int = 0,
        queue: int = 0,
        reorder_delay: int = 0,
        drop: Drop | None = None,
        mtu: int = 1500,
        a_offload: Offload = NO_OFFLOAD,
        b_offload: Offload = NO_OFFLOAD,
        trace: Callable[[Passage], None] | None = None,
        mark: int = 0,
    ) -> None:
        for name, chance in (
            ("loss", loss),
            ("reorder", reorder),
            ("duplicate", duplicate),
            ("corrupt", corrupt),
        ):
            if not 0.0 <= chance <= 1.0:
                raise ValueError(f"{name} is a probability from 0.0 to 1.0, not {chance}")
        if min(delay, jitter, rate, queue, reorder_delay, mark) < 0:
            raise ValueError(
                "delay, jitter, rate, queue, reorder_delay and mark cannot be negative"
            )
        self.now = 0
        self.random = random
        self.delay = delay
        self.loss = loss
        self.reorder = reorder
        self.duplicate = duplicate
        self.corrupt = corrupt
        self.jitter = jitter
        self.rate = rate
        self.queue = queue
        self.mark = mark
        self.reorder_delay = reorder_delay or max(delay, MS)
        self.drop = drop
        self.trace = trace
        self.a = MemoryEnd(self, True, mtu, a_offload)
        self.b = MemoryEnd(self, False, mtu, b_offload)
        self._flying: list[tuple[int, int, Passage]] = []
        self._order = 0
        self._ways = (_Way(), _Way())

    def advance(self, now: int) -> None:
        """Say what time it is; what is due by then can be received at its end."""
        self.now = now
        flying = self._flying
        while flying and flying[0][0] <= now:
            passage = heapq.heappop(flying)[2]
            (self.b if passage.from_a else self.a).inbox.append(passage)

    def next_deadline(self) -> int:
        """Return when the next packet arrives; at once for one that waits to be received."""
        if self.a.inbox or self.b.inbox:
            return self.now
        return self._flying[0][0] if self._flying else NEVER

    @property
    def in_flight(self) -> int:
        """Packets that are on their way or wait to be received."""
        return len(self._flying) + len(self.a.inbox) + len(self.b.inbox)

    def waiting(self, from_a: bool) -> int:
        """Return how many packets wait at one end for their turn."""
        return max(self._ways[0 if from_a else 1].backlog(self.now) - 1, 0)

    def queueing_time(self, from_a: bool) -> int:
        """Return how long a packet put on the wire now at one end would wait for its turn."""
        way = self._ways[0 if from_a else 1]
        return way.departures[-1] - self.now if way.backlog(self.now) else 0

    def put(self, from_a: bool, packet: Packet) -> None:
        """Put a packet on the wire at one end; its fate is decided here and now."""
        draw = self.random.random
        lost, held, doubled, harmed = draw(), draw(), draw(), draw()
        late, later, again = draw(), draw(), draw()
        pattern = self.random.getrandbits(64)
        way = self._ways[0 if from_a else 1]
        way.count += 1
        flat = _flat(packet)
        if self.mark and self.waiting(from_a) >= self.mark:
            _mark(flat)
        passage = Passage(self.now, from_a, way.count, flat, NEVER)
        departs = way.departure(self.now, flat.length, self.rate, self.queue)
        if self.drop is not None and self.drop(from_a, way.count, flat):
            passage.fate = SCRIPTED
        elif departs < 0:
            passage.fate = QUEUE_FULL
        elif lost < self.loss:
            passage.fate = LOST
        if passage.fate != SENT:
            self._report(passage)
            return
        arrives = max(departs + self.delay + int(late * self.jitter), way.last_arrival)
        if held < self.reorder:
            passage.held_back = True
            arrives += 1 + int(later * self.reorder_delay)
        else:
            way.last_arrival = arrives
        if harmed < self.corrupt:
            passage.corrupted = True
            passage.packet = _corrupted(flat, pattern)
        self._launch(passage, arrives)
        if doubled < self.duplicate:
            copy = Passage(self.now, from_a, way.count, flat, NEVER)
            copy.copy = True
            self._launch(copy, arrives + int(again * self.reorder_delay))

    def _launch(self, passage: Passage, arrives: int) -> None:
        passage.arrives_at = arrives
        self._order += 1
        heapq.heappush(self._flying, (arrives, self._order, passage))
        self._report(passage)

    def _report(self, passage: Passage) -> None:
        if self.trace is not None:
            self.trace(passage)


class _Way:
    """One direction: how many were sent, and when the last of them leaves and arrives."""

    def __init__(self) -> None:
        self.count = 0
        self.last_arrival = 0
        self.departures: deque[int] = deque()

    def backlog(self, now: int) -> int:
        """Return how many have not left yet."""
        departures = self.departures
        while departures and departures[0] <= now:
            departures.popleft()
        return len(departures)

    def departure(self, now: int, length: int, rate: int, queue: int) -> int:
        """Return when a packet of this length has left, or -1 when it finds the queue full."""
        if rate == 0:
            return now
        departures = self.departures
        if self.backlog(now) > queue > 0:  # the first of them is being sent, not waiting
            return -1
        leaves = max(now, departures[-1] if departures else now) + length * 8 * SECOND // rate
        departures.append(leaves)
        return leaves


def _flat(packet: Packet) -> Packet:
    """Return a packet in one piece that holds nothing of its sender's."""
    if packet.start == 0 and packet.end == len(packet.data) and not packet.parts:
        return packet
    return Packet(
        packet.to_bytes(),
        gso_size=packet.gso_size,
        checksum=packet.checksum,
        checksum_start=packet.checksum_start,
        checksum_offset=packet.checksum_offset,
    )


def _mark(flat: Packet) -> None:
    """Set CE in a packet in one piece (RFC 3168 5)."""
    flat.data = congestion_experienced(flat.data)


def _corrupted(packet: Packet, pattern: int) -> Packet:
    """Return the packet, its checksum made, with some of 15 neighbouring bits flipped.

    The lowest bits of `pattern` say where, the highest which.
    """
    whole = finish(packet)
    bits = len(whole) * 8
    width = min(MOST_BITS_CORRUPTED, bits)
    if width == 0:
        return packet
    errors = (pattern >> 49) & ((1 << width) - 1) or 1
    shift = (pattern & 0xFFFFFFFF) % (bits - width + 1)
    value = int.from_bytes(whole, "big") ^ (errors << shift)
    return Packet(
        value.to_bytes(len(whole), "big"), gso_size=packet.gso_size, checksum=CHECKSUM_PRESENT
    )
