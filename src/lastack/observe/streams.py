"""What the ends of a captured connection said to each other: every octet once, in order.

    for piece in lastack.observe.stream("trace.pcap", number=3, side="b"):
        if piece.what is What.TEXT:
            file.write(piece.data)

What was captured first of an octet counts. Nothing is made up: where octets are missing there is a
piece that says so, and no data. Text after a reset that was believed, and behind a FIN, has never
reached an application and is left out.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from lastack.observe.captures import SIDES, Capture
from lastack.observe.core.analysis import Remark
from lastack.observe.core.ends import UNKNOWN, End, Evidence
from lastack.observe.core.flow import Flow
from lastack.observe.core.moves import distance
from lastack.observe.reading import MOST_OPEN
from lastack.observe.second import Corrections, Seen, Sought, seek, segments
from lastack.tcp.states import Cause
from lastack.wire.segment import ACK, RST, SYN

MOST_HELD: Final = 64 << 20
"""Octets that are held behind a gap at most, for what may still fill it."""
MOST_PIECES: Final = 1 << 14
"""Pieces that they may be in: each costs more than its octets."""
WORTH_WAITING: Final = 1 << 20
"""So many are held when the other end has acknowledged the gap: it will hardly be sent again."""
KEPT: Final = 1 << 16
"""Octets already given that are kept, to compare with what is sent again."""
_WIDEST: Final = 1 << 30
"""Octets of the largest window (RFC 7323 2.3)."""


class What(IntEnum):
    """What a piece of a stream is."""

    TEXT = 1
    MIDDLE = 2
    """The capture began after the stream; its first captured octet is number 0."""
    GAP = 3
    """Octets that were not captured."""
    AFTER_RESET = 4
    """Octets left out that came after a reset ended the connection."""
    BEHIND_FIN = 5
    """Octets left out that stood behind the end of the stream."""
    OUTSIDE = 6
    """Octets left out that are in no window, before the beginning or far ahead."""
    DIFFERENT = 7
    """Octets that were sent again and were not the same; those that came first were given."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the stream of one side, `a` or `b`, from octet `offset` (from 0) on.

    `count` octets of it are in `data` when `what` is TEXT; otherwise `what` says what is to be
    said of so many, and there is no data.
    """

    side: str
    what: What
    offset: int
    count: int
    data: bytes = b""


class Reassembly:
    """One direction of a connection: takes text as it was captured, gives it in order.

    `start` is the number of the stream's first octet and `end` that of its FIN, UNKNOWN where they
    were not captured.
    """

    def __init__(self, side: str, start: int = UNKNOWN, end: int = UNKNOWN) -> None:
        self.side = side
        self.given = 0
        self._number = start
        self._end = end
        self._acknowledged = 0
        self._starts: list[int] = []
        self._held: dict[int, bytes] = {}
        self._octets = 0
        self._tail = bytearray()
        self._noted: dict[What, Piece] = {}

    def text(self, number: int, data: bytes) -> Iterator[Piece]:
        """Take text that begins at a sequence number; return what that puts in order."""
        if self._number == UNKNOWN:
            self._number = number
            yield Piece(self.side, What.MIDDLE, 0, 0)
        ahead = int(distance(number, self._number))
        if self._end != UNKNOWN:
            room = int(distance(self._end, number))
            if room < len(data):
                self.note(What.BEHIND_FIN, len(data) - max(room, 0))
                data = data[: max(room, 0)]
        if ahead >= _WIDEST or ahead + len(data) + self.given < 0:
            self.note(What.OUTSIDE, len(data))
            return
        if ahead < 0:
            data = self._without_what_was_given(data, -ahead)
            ahead = 0
        if data:
            self._hold(self.given + ahead, data)
            yield from self._in_order()

    def acknowledged(self, number: int) -> Iterator[Piece]:
        """Take in that the other end has all before a number; return what a gap held up."""
        if self._number == UNKNOWN:
            return
        ahead = int(distance(number, self._number))
        if ahead < _WIDEST:
            self._acknowledged = max(self._acknowledged, self.given + ahead)
        if self._octets > WORTH_WAITING and self._acknowledged >= self._starts[0]:
            yield from self._over_the_gap()

    def close(self) -> Iterator[Piece]:
        """Return all that is left, and what there is to say of the whole."""
        while self._starts:
            yield from self._over_the_gap()
        stop = self._acknowledged
        if self._end != UNKNOWN and self._number != UNKNOWN:
            stop = self.given + int(distance(self._end, self._number))
        if stop > self.given:
            yield Piece(self.side, What.GAP, self.given, stop - self.given)
        yield from (self._noted[what] for what in sorted(self._noted))

    def note(self, what: What, count: int) -> None:
        """Remember something to be said of so many octets; it is said once, at the end."""
        known = self._noted.get(what)
        offset = known.offset if known else self.given
        self._noted[what] = Piece(self.side, what, offset, count + (known.count if known else 0))

    def _without_what_was_given(self, data: bytes, before: int) -> bytes:
        """Return what is new of data that begins so many octets before the next one."""
        again, new = data[:before], data[before:]
        start = len(self._tail) - before
        if start < 0:
            again, start = again[-start:], 0
        self._compare(again, bytes(self._tail[start : start + len(again)]))
        return new

    def _compare(self, again: bytes, first: bytes) -> None:
        if again != first:
            self.note(What.DIFFERENT, sum(one != other for one, other in zip(again, first)))

    def _hold(self, start: int, data: bytes) -> None:
        """Keep of some text what is not held yet, in pieces between those that are."""
        stop = start + len(data)
        place = max(bisect_right(self._starts, start) - 1, 0)
        at, new = start, []
        while place < len(self._starts) and (held_at := self._starts[place]) < stop:
            held = self._held[held_at]
            place += 1
            if held_at + len(held) <= start:
                continue
            if held_at > at:
                new.append((at, data[at - start : held_at - start]))
            shared = max(held_at, start)
            again = data[shared - start : held_at + len(held) - start]
            self._compare(again, held[shared - held_at : shared - held_at + len(again)])
            at = max(at, held_at + len(held))
        if at < stop:
            new.append((at, data[at - start :]))
        for at, some in new:
            self._starts.insert(bisect_right(self._starts, at), at)
            self._held[at] = some
            self._octets += len(some)

    def _in_order(self) -> Iterator[Piece]:
        """Give what has no gap before it; jump over one when too much waits behind it."""
        ready = 0
        for start in self._starts:
            if start != self.given:
                break
            ready += 1
            yield self._next(self._held.pop(start))
        del self._starts[:ready]
        if self._octets > MOST_HELD or len(self._starts) > MOST_PIECES:
            yield from self._over_the_gap()

    def _next(self, data: bytes) -> Piece:
        piece = Piece(self.side, What.TEXT, self.given, len(data), data)
        self._octets -= len(data)
        self._move(len(data))
        self._tail += data
        if len(self._tail) > 2 * KEPT:
            del self._tail[:-KEPT]
        return piece

    def _over_the_gap(self) -> Iterator[Piece]:
        missing = self._starts[0] - self.given
        yield Piece(self.side, What.GAP, self.given, missing)
        self._move(missing)
        self._tail.clear()
        yield from self._in_order()

    def _move(self, count: int) -> None:
        self.given += count
        self._number = (self._number + count) & 0xFFFFFFFF


class NoSuchConnection(LookupError):
    """A capture has fewer connections; `count` says how many."""

    def __init__(self, number: int, count: int) -> None:
        super().__init__(f"there is no connection {number}; there are {count}")
        self.count = count


def stream(
    *paths: str | os.PathLike[str],
    number: int,
    side: str = "both",
    most_open: int = MOST_OPEN,
) -> Iterator[Piece]:
    """Return what side `a`, `b` or `both` of a connection sent, as soon as it is in order.

    `paths` are captures that were written one after the other, and are read twice: standard input
    cannot be. Memory is bounded by MOST_HELD octets in MOST_PIECES behind a gap, and by `most_open`
    connections.
    Raises NoSuchConnection; OSError when a file cannot be opened; and of one that is cut or
    damaged a CaptureError, after all that it holds.
    """
    if side not in SIDES:
        raise ValueError(f"side is {' or '.join(SIDES)}, not {side!r}")
    capture = Capture(str(paths[0]) if paths else "", tuple(map(str, paths)))
    sought = seek(capture, number, most_open)
    yield from streams_of(capture, number, sought, side, most_open)
    if sought.problem is not None:
        raise sought.problem


def streams_of(
    capture: Capture, number: int, sought: Sought, side: str, most_open: int = MOST_OPEN
) -> Iterator[Piece]:
    """The same of a connection that has been found already."""
    flow = sought.flow
    if flow is None:
        raise NoSuchConnection(number, sought.count)
    both = {"a": _reassembly("a", flow.a), "b": _reassembly("b", flow.b)}
    wanted = {name: both[name] for name in ("a", "b") if side in (name, "both")}
    over = _reset_at(flow)
    for seen in segments(capture, Corrections(), number, most_open):
        mine, theirs = ("a", "b") if seen.from_a else ("b", "a")
        if theirs in wanted and seen.flags & (ACK | RST) == ACK:
            yield from wanted[theirs].acknowledged(seen.ack)
        if mine in wanted and seen.length and not seen.flags & RST:
            if over and seen.packet >= over:
                wanted[mine].note(What.AFTER_RESET, seen.length)
            elif not seen.remarks & Remark.KEEP_ALIVE:  # its octet is any octet
                first = seen.seq + (1 if seen.flags & SYN else 0) & 0xFFFFFFFF
                yield from wanted[mine].text(first, _text(seen))
    for one in wanted.values():
        yield from one.close()


def _reassembly(name: str, end: End) -> Reassembly:
    start, fin = int(end.isn), int(end.fin)
    return Reassembly(
        name,
        start if start == UNKNOWN else (start + 1) & 0xFFFFFFFF,
        fin if fin == UNKNOWN else (fin - 1) & 0xFFFFFFFF,
    )


def _reset_at(flow: Flow) -> int:
    """Return the packet of the first reset that was believed, 0 for none."""
    found = [
        int(change.packet)
        for end in (flow.a, flow.b)
        for change in end.changes
        if change.cause in (Cause.RESET, Cause.ABORT) and change.evidence is not Evidence.REFUTED
    ]
    return min(found, default=0)


def _text(seen: Seen) -> bytes:
    """Return the text of a segment, as far as it was captured."""
    start = (seen.data[12] >> 4) * 4
    return seen.data[start : start + seen.length]
