"""The open connections, found by the addresses and ports of a segment of either direction.

A hash table of our own, because a dictionary wants an object for each question: here the octets are
compared where they lie in the capture.
"""

from typing import Final

from librt.strings import read_i32_be, read_i64_be
from librt.vecs import vec
from mypy_extensions import i64

from lastack.observe.core.flow import Flow

_U32: Final = 0xFFFFFFFF
_FACTOR: Final = 0x2C1B3C6D
_FREE: Final = 0
_GONE: Final = 1
_LEAST: Final = 1024
_SEED: Final = hash("addresses and ports") & _U32
"""Python's own secret: who makes captures cannot make them collide."""


class Table:
    """Each connection once. `from_a`: whether the last segment that was found goes from a to b."""

    tags: vec[i64]
    slots: list[Flow | None]
    mask: i64
    count: i64
    used: i64
    """Slots that are not free; some of them are gone."""
    from_a: bool

    def __init__(self) -> None:
        self._clear(_LEAST)

    def __len__(self) -> int:
        return int(self.count)

    def values(self) -> list[Flow]:
        """Return all connections, in no order."""
        return [flow for flow in self.slots if flow is not None]

    def over_before(self, time: i64) -> list[Flow]:
        """Return the connections that are over and have been silent since then, in no order."""
        found = []
        for flow in self.slots:
            if flow is not None and flow.last < time and flow.over:
                found.append(flow)
        return found

    def find(self, data: bytes, at: i64, half: i64) -> Flow | None:
        """Return the connection of a segment, if it is known.

        At `at` stand both addresses, `half` octets each, and both ports.
        """
        tag = tag_of(data, at, half)
        tags, mask = self.tags, self.mask
        place = tag & mask
        while tags[place] != _FREE:
            if tags[place] == tag:
                flow = self.slots[place]
                if flow is not None:
                    way = _direction(flow.key, data, at, half)
                    if way:
                        self.from_a = way > 0
                        return flow
            place = (place + 1) & mask
        return None

    def add(self, flow: Flow) -> None:
        """Put in a connection whose addresses and ports are not there yet."""
        if 3 * self.used >= 2 * self.mask:
            self._make_room()
        self._put(flow)

    def remove(self, flow: Flow) -> None:
        """Take out a connection, if it is there."""
        key = flow.key
        tag = tag_of(key, 0, half_of(key))
        place = tag & self.mask
        while self.tags[place] != _FREE:
            if self.slots[place] is flow:
                self.tags[place] = _GONE
                self.slots[place] = None
                self.count -= 1
                return
            place = (place + 1) & self.mask

    def _put(self, flow: Flow) -> None:
        key = flow.key
        tag = tag_of(key, 0, half_of(key))
        place = tag & self.mask
        while self.tags[place] != _FREE:
            place = (place + 1) & self.mask
        self.tags[place] = tag
        self.slots[place] = flow
        self.count += 1
        self.used += 1

    def _make_room(self) -> None:
        kept = self.values()
        size: i64 = _LEAST
        while size < 4 * len(kept):
            size *= 2
        self._clear(size)
        for flow in kept:
            self._put(flow)

    def _clear(self, size: i64) -> None:
        self.tags = vec[i64]([0] * size)
        self.slots = [None] * int(size)
        self.mask = size - 1
        self.count = 0
        self.used = 0
        self.from_a = True


def half_of(key: bytes) -> i64:
    """Return how many octets an address has in a key of two addresses and two ports."""
    return (i64(len(key)) - 4) >> 1


def tag_of(data: bytes, at: i64, half: i64) -> i64:
    """Return a number that is the same for both directions, and never _FREE nor _GONE."""
    ports = i64(read_i32_be(data, at + 2 * half)) & _U32
    a = _mixed(_SEED, ports >> 16)
    b = _mixed(_SEED, ports & 0xFFFF)
    stop = at + half
    while at < stop:
        a = _mixed(a, i64(read_i32_be(data, at)))
        b = _mixed(b, i64(read_i32_be(data, at + half)))
        at += 4
    return a + b + 2


def _mixed(sum: i64, word: i64) -> i64:
    sum = ((sum ^ (word & _U32)) * _FACTOR) & _U32
    return sum ^ (sum >> 15)


def _direction(key: bytes, data: bytes, at: i64, half: i64) -> i64:
    """Return 1 when the segment goes as the key says, -1 when it goes back, 0 for another one."""
    both = 2 * half
    if i64(len(key)) != both + 4:
        return 0
    ports = i64(read_i32_be(data, at + both)) & _U32
    ours = i64(read_i32_be(key, both)) & _U32
    i: i64 = 0
    if ports == ours:
        while i < both and read_i64_be(key, i) == read_i64_be(data, at + i):
            i += 8
        if i == both:
            return 1
        i = 0
    if ports != ours >> 16 | (ours & 0xFFFF) << 16:
        return 0
    while i < half:
        if read_i32_be(key, i) != read_i32_be(data, at + half + i):
            return 0
        if read_i32_be(key, half + i) != read_i32_be(data, at + i):
            return 0
        i += 4
    return -1
