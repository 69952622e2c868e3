"""The receiving half: RCV variables (RFC 9293 3.3.1), reassembly, and what the user has not read.

    read         nxt              edge
-----|------------|----------------|-----    sequence numbers
     |  unread    |  RCV.WND       |
                      ##   ####            blocks that came out of order
"""

from collections.abc import Sequence
from typing import Final

from mypy_extensions import mypyc_attr

from lastack.wire.segment import Part
from lastack.wire.seq import diff, ge, gt, le, lt

_COALESCE: Final = 2048
NOWHERE: Final = -1


@mypyc_attr(acyclic=True)
class Block:
    """A stretch [start, end) that came before what precedes it; `touched` orders SACK blocks."""

    start: int
    end: int
    parts: list[bytes]
    touched: int

    def __init__(self, start: int, end: int, data: bytes, touched: int) -> None:
        self.start = start
        self.end = end
        self.parts = [data]
        self.touched = touched


def _join(parts: list[bytes], data: bytes) -> None:
    """Append, keeping tiny pieces together so that they cost no more than their octets."""
    if parts and len(parts[-1]) + len(data) <= _COALESCE:
        parts[-1] += data
    else:
        parts.append(data)


@mypyc_attr(acyclic=True)
class ReceiveHalf:
    """RCV.NXT, RCV.UP, IRS; the window as last advertised (`edge`); both queues.

    `capacity` is the user's receive buffer in octets, `clamp` the largest window to advertise,
    `early` the octets that wait for what precedes them.
    Octets out of order count against the buffer only through the window: nothing beyond `edge` is
    ever kept. Both queues are None while there is nothing in them.
    """

    irs: int
    nxt: int
    edge: int
    up: int
    scale: int
    capacity: int
    fin_seq: int
    finished: bool
    urgent: bool
    chunks: list[bytes] | None
    first: int
    queued: int
    blocks: list[Block] | None
    touches: int
    segment_size: int
    in_steps: bool
    clamp: int
    early: int

    def __init__(self, capacity: int, clamp: int = 1 << 32) -> None:
        self.irs = 0
        self.nxt = 0
        self.edge = 0
        self.up = 0
        self.scale = 0
        self.capacity = capacity
        self.fin_seq = NOWHERE
        self.finished = False
        self.urgent = False
        self.chunks = None
        self.first = 0
        self.queued = 0
        self.blocks = None
        self.touches = 0
        self.segment_size = 0
        self.in_steps = True
        self.clamp = clamp
        self.early = 0

    def synchronize(self, irs: int) -> None:
        """Take the peer's initial sequence number."""
        self.irs = irs
        self.nxt = (irs + 1) & 0xFFFFFFFF
        self.up = self.nxt
        self.edge = self.nxt

    def hold(self, capacity: int) -> None:
        """Take this buffer size, or two units of the window if that is more.

        A window below a unit of its scale could not be said, and would be closed for ever.
        """
        least = 2 << self.scale if self.scale else 0
        self.capacity = capacity if capacity > least else least

    def bound(self, clamp: int) -> None:
        """Advertise no more than this, but two units of the window at least."""
        least = 2 << self.scale if self.scale else 0
        self.clamp = clamp if clamp > least else least

    @property
    def wnd(self) -> int:
        """RCV.WND: what the peer may still send, by what we have told it."""
        return diff(self.edge, self.nxt)

    @property
    def read_seq(self) -> int:
        """The sequence number of the next octet that the user will read."""
        at = self.nxt - self.queued
        return (at - 1 if self.finished else at) & 0xFFFFFFFF

    @property
    def room(self) -> int:
        """Octets that the buffer would take now, and the window may speak of."""
        room = self.capacity - self.queued
        if room > self.clamp:
            room = self.clamp
        return room if room > 0 else 0

    @property
    def out_of_order(self) -> int:
        """Octets that wait for what precedes them."""
        return self.early

    def window(self, mss: int) -> int:
        """Return the window to advertise, and advertise it (RFC 9293 3.8.6.2.2, SHLD-14).

        The right edge never moves left, and moves right only by a segment or half the buffer, so
        that the peer is never invited to send small segments (MUST-39); `in_steps` False lets it
        move more often, and rounds it up to a whole unit
        (Config.window_in_steps). While nobody reads it stays closed (MAY-8).
        """
        offered = self.edge - self.nxt & 0xFFFFFFFF
        if offered > 0x7FFFFFFF:
            offered = 0
        room = self.capacity - self.queued
        if room > self.clamp:
            room = self.clamp
        most = min(self.capacity, self.clamp)
        step = min(mss, most // 2)
        if not self.in_steps:
            step = 1 if room >= most // 4 or room >= mss else most + 1
        if room - offered >= step:
            limit = 0xFFFF << self.scale
            offered = room if room < limit else limit
            if self.scale:
                if not self.in_steps:
                    offered = min(offered + (1 << self.scale) - 1, limit)
                # Only whole units can be said; the edge is where the peer will believe it to be.
                offered = (offered >> self.scale) << self.scale
                if offered < diff(self.edge, self.nxt):
                    offered = diff(self.edge, self.nxt)
            self.edge = (self.nxt + offered) & 0xFFFFFFFF
        return offered

    def update_is_due(self, mss: int) -> bool:
        """Return whether reading has freed so much that the peer should hear of it unasked."""
        offered = diff(self.edge, self.nxt)
        room = min(self.capacity - self.queued, 0xFFFF << self.scale)  # two by two is compiled well
        opened = min(room, self.clamp) - offered
        most = min(self.capacity, self.clamp)
        step = min(mss, most // 2)
        if offered < 2 * step:
            return opened >= step
        return opened >= 2 * mss and opened >= most // 4

    # -- what arrives ---------------------------------------------------------------------------

    def deliver(self, data: bytes) -> None:
        """Queue octets that begin at RCV.NXT for the user."""
        n = len(data)
        chunks = self.chunks
        if chunks is None:
            self.chunks = [data]
        elif n < _COALESCE:
            _join(chunks, data)
        else:
            chunks.append(data)
        self.queued += n
        self.nxt = (self.nxt + n) & 0xFFFFFFFF

    def keep(self, start: int, data: bytes, limit: int) -> bool:
        """Keep octets that came out of order; False when there are `limit` blocks already.

        What is already there is not kept twice. Blocks that touch are joined.
        """
        end = (start + len(data)) & 0xFFFFFFFF
        if self.blocks is None:
            self.blocks = []
        blocks = self.blocks
        i = len(blocks)
        while i > 0 and gt(blocks[i - 1].start, start):
            i -= 1
        self.touches += 1
        # Now blocks[i-1].start <= start < blocks[i].start.
        if i > 0 and ge(blocks[i - 1].end, start):
            block = blocks[i - 1]
            block.touched = self.touches
            known = diff(block.end, start)
            if known >= len(data):
                return True
            _join(block.parts, data[known:])
            block.end = end
            self.early += len(data) - known
        else:
            if len(blocks) >= limit:
                return False
            block = Block(start, end, data, self.touches)
            blocks.insert(i, block)
            i += 1
            self.early += len(data)
        self._absorb(blocks, block, i)
        return True

    def _absorb(self, blocks: list[Block], block: Block, i: int) -> None:
        """Join the blocks from index i on that this one has grown into."""
        gone = i
        while gone < len(blocks) and le(blocks[gone].start, block.end):
            other = blocks[gone]
            gone += 1
            extra = diff(other.end, block.end)
            self.early -= diff(other.end, other.start)
            if extra > 0:
                self.early += extra
                skip = diff(block.end, other.start)
                first = 0
                while skip >= len(other.parts[first]):
                    skip -= len(other.parts[first])
                    first += 1
                part = other.parts[first]
                _join(block.parts, part[skip:] if skip else part)
                block.parts.extend(other.parts[first + 1 :])
                block.end = other.end
        del blocks[i:gone]

    def drain(self) -> bool:
        """Deliver blocks that RCV.NXT has reached; return whether there were any."""
        blocks = self.blocks
        if blocks is None:
            return False
        gone = 0
        for block in blocks:
            if gt(block.start, self.nxt):
                break
            gone += 1
            self.early -= diff(block.end, block.start)
            skip = diff(self.nxt, block.start)
            for part in block.parts:
                if skip >= len(part):
                    skip -= len(part)
                else:
                    self.deliver(part[skip:] if skip else part)
                    skip = 0
        if gone == len(blocks):
            self.blocks = None
        elif gone:
            del blocks[:gone]
        return gone > 0

    def overlap(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the first stretch of [start, end) that is kept already (RFC 2883 4)."""
        blocks = self.blocks
        if blocks is None:
            return None
        for block in blocks:
            if lt(start, block.end) and lt(block.start, end):
                low = start if gt(start, block.start) else block.start
                return low, end if lt(end, block.end) else block.end
        return None

    def sack_blocks(self, most: int) -> list[tuple[int, int]]:
        """Return up to `most` blocks, the one touched last first (RFC 2018 4)."""
        blocks = self.blocks
        if blocks is None:
            return []
        if len(blocks) == 1:
            return [(blocks[0].start, blocks[0].end)]
        newest = sorted(blocks, key=_touched, reverse=True)[:most]
        return [(block.start, block.end) for block in newest]

    # -- what the user takes --------------------------------------------------------------------

    def take(self, limit: int) -> bytes:
        """Return up to `limit` octets and forget them."""
        chunks = self.chunks
        if chunks is None or limit <= 0:
            return b""
        head = chunks[0]
        first = self.first
        n = len(head) - first
        if n > limit:
            data = head[first : first + limit]
            self.first = first + limit
        elif first:
            data = head[first:]
            self.first = 0
            chunks.pop(0)
        else:
            data = head
            chunks.pop(0)
        got = len(data)
        if got < limit and chunks:
            data = self._take_more(chunks, data, limit)
            got = len(data)
        self.queued -= got
        if not chunks:
            self.chunks = None
        return data

    def _take_more(self, chunks: list[bytes], data: bytes, limit: int) -> bytes:
        """Join following chunks to what the first one gave, as far as they fit whole or in part."""
        pieces = [data]
        got = len(data)
        while chunks and got < limit:
            head = chunks[0]
            if len(head) > limit - got:
                n = limit - got
                pieces.append(head[:n])
                self.first = n
                got += n
            else:
                pieces.append(head)
                del chunks[0]
                got += len(head)
        return b"".join(pieces)

    def peek(self, skip: int, limit: int) -> bytes:
        """Return up to `limit` octets, `skip` octets on, and keep them."""
        chunks = self.chunks
        if chunks is None:
            return b""
        pieces: list[bytes] = []
        at = self.first + skip
        for chunk in chunks:
            if limit <= 0:
                break
            if at >= len(chunk):
                at -= len(chunk)
                continue
            piece = chunk[at : at + limit]
            pieces.append(piece)
            limit -= len(piece)
            at = 0
        return b"".join(pieces)

    def remove(self, place: int) -> None:
        """Take one octet out of the unread ones: the urgent one, read out of line."""
        before = self.peek(0, place)
        after = self.peek(place + 1, self.queued)
        self.chunks = [piece for piece in (before, after) if piece] or None
        self.first = 0
        self.queued -= 1

    def forget_unread(self) -> None:
        """Throw away what the user has not read."""
        self.chunks = None
        self.first = 0
        self.queued = 0

    def clear(self) -> None:
        """Forget what waits out of order: nothing will complete it."""
        self.blocks = None
        self.early = 0

    def prune(self) -> int:
        """Throw away what came out of order, the furthest first, but for the first block.

        Returns how many octets that was. The peer keeps what is not acknowledged (RFC 2018 8).
        """
        before = self.early
        if self.blocks is not None:
            del self.blocks[1:]
            self.early = sum([diff(block.end, block.start) for block in self.blocks])
        return before - self.early


def _touched(block: Block) -> int:
    return block.touched


def trimmed(parts: Sequence[Part], skip: int, length: int) -> bytes:
    """Return octets [skip, skip + length) of a payload."""
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    if skip == 0 and length == len(data):
        return data if isinstance(data, bytes) else bytes(data)
    return bytes(data[skip : skip + length])
