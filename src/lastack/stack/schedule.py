"""One heap of deadlines for all connections of a stack, kept lazily.

A connection asks for a place only when its next deadline is earlier than every place it already
has. Its places therefore form a stack, the earliest on top, and a deadline that moves later, as a
retransmission timer does with every ACK, costs nothing until the old place comes up:

    places of one connection    [ 2 h | 900 ms | 40 ms ]   <- only a time before 40 ms is pushed
"""

from heapq import heapify, heappop, heappush

from lastack.stack.demux import Demux, Slot
from lastack.units import NEVER


class Schedule:
    """(time, order, number of the connection) for every place; equal times keep their order."""

    heap: list[tuple[int, int, int]]
    order: int
    dead: int
    demux: Demux

    def __init__(self, demux: Demux) -> None:
        self.heap = []
        self.order = 0
        self.dead = 0
        self.demux = demux

    def add(self, slot: Slot, time: int) -> None:
        """See to it that `time` (or an earlier time) comes up for this connection."""
        places = slot.places
        if time < NEVER and (places is None or time < places[-1]):
            if places is None:
                slot.places = [time]
            else:
                places.append(time)
            self.order += 1
            heappush(self.heap, (time, self.order, slot.connection.number))

    def _leave(self, slot: Slot) -> None:
        """The earliest place of a connection is no more."""
        places = slot.places
        assert places is not None
        places.pop()
        if not places:
            slot.places = None

    def forget(self, slot: Slot) -> None:
        """A connection has gone: its places are dead, and swept when they are the majority."""
        if slot.places is not None:
            self.dead += len(slot.places)
        if self.dead > 64 and self.dead * 2 > len(self.heap):
            numbers = self.demux.numbers
            self.heap = [place for place in self.heap if place[2] in numbers]
            heapify(self.heap)
            self.dead = 0

    def next_deadline(self) -> int:
        """Return the earliest time that a connection really waits for; tidies the heap's top."""
        while self.heap:
            time, _, number = self.heap[0]
            slot = self.demux.numbers.get(number)
            if slot is None:
                heappop(self.heap)
                self.dead -= 1
                continue
            wanted = slot.connection.next_deadline()
            if wanted <= time:
                return wanted
            heappop(self.heap)
            self._leave(slot)
            self.add(slot, wanted)
        return NEVER

    def due(self, now: int) -> list[Slot]:
        """Take out every place whose time has come and return the connections that meant it."""
        found: list[Slot] = []
        heap = self.heap
        while heap and heap[0][0] <= now:
            number = heappop(heap)[2]
            slot = self.demux.numbers.get(number)
            if slot is None:
                self.dead -= 1
                continue
            self._leave(slot)
            wanted = slot.connection.next_deadline()
            if wanted > now:
                self.add(slot, wanted)
            elif not found or found[-1] is not slot:
                found.append(slot)
        return found
