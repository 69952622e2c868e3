"""TIME-WAIT as a table of small entries instead of connections (RFC 9293 3.6.1).

Entries leave when their time is over, when a new SYN reopens them, when a reset ends them, or,
oldest first, when the table is full.
"""

from heapq import heapify, heappop, heappush

from lastack.tcp.time_wait import TimeWait
from lastack.units import NEVER


class TimeWaits:
    """The entries by key, and a heap of (when, number, key) that is put right lazily."""

    entries: dict[bytes, TimeWait]
    heap: list[tuple[int, int, bytes]]
    dead: int

    def __init__(self) -> None:
        self.entries = {}
        self.heap = []
        self.dead = 0

    def add(self, key: bytes, entry: TimeWait) -> None:
        """Put an entry in."""
        self.entries[key] = entry
        heappush(self.heap, (entry.expires, entry.number, key))

    def remove(self, key: bytes) -> TimeWait | None:
        """Take an entry out before its time."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.dead += 1
            if self.dead > 64 and self.dead * 2 > len(self.heap):
                self.heap = [place for place in self.heap if self._lives(place) is not None]
                heapify(self.heap)
                self.dead = 0
        return entry

    def remove_oldest(self) -> TimeWait | None:
        """Take out the entry that would have expired first."""
        while self.heap:
            place = heappop(self.heap)
            entry = self._lives(place)
            if entry is None:
                self.dead -= 1
            elif entry.expires > place[0]:
                heappush(self.heap, (entry.expires, place[1], place[2]))
            else:
                return self.entries.pop(place[2])
        return None

    def expired(self, now: int) -> list[TimeWait]:
        """Take out and return every entry whose time is over."""
        over: list[TimeWait] = []
        while self.next_deadline() <= now:
            over.append(self.entries.pop(heappop(self.heap)[2]))
        return over

    def next_deadline(self) -> int:
        """Return when the next entry expires, NEVER for an empty table."""
        while self.heap:
            place = self.heap[0]
            entry = self._lives(place)
            if entry is None:
                heappop(self.heap)
                self.dead -= 1
            elif entry.expires > place[0]:  # a repeated FIN has started the 2MSL again
                heappop(self.heap)
                heappush(self.heap, (entry.expires, place[1], place[2]))
            else:
                return place[0]
        return NEVER

    def _lives(self, place: tuple[int, int, bytes]) -> TimeWait | None:
        """Return the entry that a place was made for, if it is still in the table."""
        entry = self.entries.get(place[2])
        return entry if entry is not None and entry.number == place[1] else None
