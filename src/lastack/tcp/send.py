"""The sending half: SND variables (RFC 9293 3.3.1) and the queue of the user's octets."""

from bisect import bisect_right
from typing import Final

from mypy_extensions import mypyc_attr

from lastack.wire.segment import Part
from lastack.wire.seq import diff

_COALESCE: Final = 4096
_COPY_BELOW: Final = 2048


@mypyc_attr(acyclic=True)
class SendBuffer:
    """The user's octets from the first unacknowledged one on, addressed by stream offset.

    Holds immutable chunks: `bytes` is taken as it is, anything else is copied once, tiny writes are
    joined. `start` and `end` are offsets from the beginning of the stream; so are `records`, where
    records end that no segment may join to what follows (Linux's MSG_EOR). Lists are None while
    there is nothing in them.
    """

    chunks: list[bytes] | None
    offsets: list[int] | None
    records: list[int] | None
    start: int
    end: int

    def __init__(self) -> None:
        self.chunks = None
        self.offsets = None
        self.records = None
        self.start = 0
        self.end = 0

    def append(self, data: bytes) -> None:
        """Queue octets at the end."""
        chunks, offsets = self.chunks, self.offsets
        if chunks is None or offsets is None:
            self.chunks = [data]
            self.offsets = [self.end]
        elif len(chunks[-1]) + len(data) <= _COALESCE:
            chunks[-1] += data
        else:
            chunks.append(data)
            offsets.append(self.end)
        self.end += len(data)

    def take(self, offset: int, length: int) -> tuple[Part, ...]:
        """Return `length` octets from `offset` on, without copying more than a packet's worth."""
        chunks, offsets = self.chunks, self.offsets
        assert chunks is not None and offsets is not None
        i = bisect_right(offsets, offset) - 1 if len(offsets) > 1 else 0
        chunk = chunks[i]
        at = offset - offsets[i]
        if at + length <= len(chunk):
            return (_piece(chunk, at, at + length),)
        parts: list[Part] = []
        while length > 0:
            chunk = chunks[i]
            n = min(length, len(chunk) - at)
            parts.append(_piece(chunk, at, at + n))
            length -= n
            at = 0
            i += 1
        return tuple(parts)

    def release(self, offset: int) -> None:
        """Forget everything before `offset`: it has been acknowledged."""
        if offset == self.end:
            self.chunks = self.offsets = self.records = None
        else:
            self._release_some(offset)
        self.start = offset

    def _release_some(self, offset: int) -> None:
        chunks, offsets, records = self.chunks, self.offsets, self.records
        assert chunks is not None and offsets is not None
        gone = 0
        while offsets[gone] + len(chunks[gone]) <= offset:
            gone += 1
        if gone == 1:
            chunks.pop(0)  # by far the most common, and a tenth of the price of a slice
            offsets.pop(0)
        elif gone:
            del chunks[:gone]
            del offsets[:gone]
        if records is not None:
            del records[: bisect_right(records, offset)]
            if not records:
                self.records = None

    def end_record(self, offset: int) -> None:
        """What is queued behind this offset goes in segments of its own."""
        if offset > self.start:
            if self.records is None:
                self.records = [offset]
            elif self.records[-1] != offset:
                self.records.append(offset)

    def ends_record(self, offset: int) -> bool:
        """Whether a record ends at this offset."""
        return self.records is not None and offset in self.records

    def until_record_end(self, offset: int, length: int) -> int:
        """Return how many of `length` octets from `offset` on belong to one record."""
        records = self.records
        if records is None:
            return length
        i = bisect_right(records, offset)
        if i == len(records):
            return length
        return min(length, records[i] - offset)

    def clear(self) -> None:
        """Forget everything."""
        self.chunks = self.offsets = self.records = None
        self.start = self.end


def _piece(chunk: bytes, start: int, end: int) -> Part:
    if start == 0 and end == len(chunk):
        return chunk
    if end - start <= _COPY_BELOW:
        return chunk[start:end]
    return memoryview(chunk)[start:end]


@mypyc_attr(acyclic=True)
class SendHalf:
    """SND.UNA, SND.NXT, SND.WND, SND.UP, SND.WL1, SND.WL2, ISS, and what waits to be sent.

    `max` is behind the highest octet ever sent: SND.NXT, but when the octet of a zero-window probe
    has been taken back, which the peer may have taken all the same.

      iss   una          nxt            end
    ---|-----|------------|--------------|---    sequence numbers
             |  in flight |    unsent    |FIN
    """

    iss: int
    una: int
    nxt: int
    max: int
    wnd: int
    up: int
    wl1: int
    wl2: int
    scale: int
    max_wnd: int
    small_end: int
    fin_queued: bool
    fin_sent: bool
    buffer: SendBuffer

    def __init__(self, iss: int) -> None:
        self.iss = iss
        self.una = iss
        self.nxt = iss
        self.max = iss
        self.wnd = 0
        self.up = iss
        self.wl1 = 0
        self.wl2 = 0
        self.scale = 0
        self.max_wnd = 0
        self.small_end = iss
        self.fin_queued = False
        self.fin_sent = False
        self.buffer = SendBuffer()

    @property
    def end(self) -> int:
        """The sequence number behind the last octet that the user has given: our FIN's place."""
        return (self.iss + 1 + self.buffer.end) & 0xFFFFFFFF

    @property
    def unsent(self) -> int:
        """Octets given by the user that were never sent."""
        if self.fin_sent:
            return 0
        if self.nxt == self.iss:
            return self.buffer.end
        return diff(self.iss + 1 + self.buffer.end, self.nxt)

    @property
    def usable(self) -> int:
        """U of 3.8.6.2.1: octets of the peer's window still free; negative if it shrank."""
        return diff(self.una + self.wnd, self.nxt)

    def offset(self, seq: int) -> int:
        """Return the stream offset of a sequence number between SND.UNA and the end."""
        buffer = self.buffer
        return buffer.end + diff(seq, self.iss + 1 + buffer.end)

    def advance(self, una: int) -> None:
        """Move SND.UNA and let go of the octets before it."""
        self.una = una
        buffer = self.buffer
        offset = self.offset(una)
        if offset > buffer.end:
            offset = buffer.end
        if offset > buffer.start:
            buffer.release(offset)
