"""SYN cookies (RFC 4987 3.6): a half-open connection that is kept by nobody but its peer.

Our SYN-ACK is what a connection would send, but its ISS says what the connection must remember, and
proves that we have said it:

    20 bits: F(4-tuple, minute, SEG.SEQ) + MSS index       12 bits: F(4-tuple, minute)

F is a keyed hash. Where the peer has timestamps, the low six bits of TSval hold the other
options: window scale (15 for none), SACK, ECN. The ACK that comes back has all of it (SEG.ACK - 1,
TSecr); one that fits within two minutes makes the connection. It goes through the states as any
other does: the SYN is put together again, and answered once more, into nothing.

What a cookie cannot hold is lost: an exact MSS, data on the SYN, and without timestamps every
option. An ACK that is ahead of octets that were lost cannot be taken for the first one: nobody
knows how many are missing. But it is no stranger's, as the 12 bits say, and a reset would end a
good client: it is dropped in silence, and what was lost will bring the cookie when it comes again.
"""

import struct
from typing import Final

from lastack.chance import keyed_hash
from lastack.units import MINUTE, MS
from lastack.wire.segment import (
    ABSENT,
    ACK,
    CWR,
    ECE,
    MAXIMUM_SEGMENT_SIZE,
    SYN,
    TIMESTAMPS,
    Segment,
)

WHEN_FULL: Final = 1
ALWAYS: Final = 2

AGE: Final = 2
"""Minutes, begun ones counted, for which a cookie is good."""
BELIEVED_FOR: Final = AGE * MINUTE
"""How long after the last cookie a listener looks at ACKs of nothing, when not `ALWAYS`."""
SIZES4: Final = (536, 1300, 1440, 1460)
SIZES6: Final = (1220, 1420, 1440, 8940)
"""MSSs that a cookie can say, those of IPv6 apart; the largest that is not above the peer's."""
SAYS_SACK: Final = 4
"""Added to a size's index, where the Config has cookies that say this too."""
_BITS: Final = 6
_LOW: Final = (1 << _BITS) - 1
_NO_SCALE: Final = 15
_SACK: Final = 16
_ECN: Final = 32
_MASK: Final = 0xFFFFFFFF
_PEER: Final = 12
_PEERS: Final = (1 << _PEER) - 1
_ROOM: Final = (1 << 32 - _PEER) - 1
NO_COOKIE: Final = -1
AHEAD: Final = -2
"""Of a peer that has a cookie of ours, but not behind the SYN that it was for."""


class SynCookies:
    """Makes and reads cookies with one host's secret. Keeps nothing."""

    secret: bytes

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    def make(self, four_tuple: bytes, irs: int, index: int, now: int) -> int:
        """Return the ISS that says a size by its index, to the sender of a SYN numbered `irs`."""
        minute = now // MINUTE
        body = (self._of_syn(four_tuple, irs, minute) + index) & _ROOM
        return body << _PEER | self._of_peer(four_tuple, minute)

    def read(self, four_tuple: bytes, irs: int, iss: int, most: int, now: int) -> int:
        """Return the index of a cookie, below `most`; AHEAD; NO_COOKIE, which may be too old."""
        found = NO_COOKIE
        minute = now // MINUTE
        for begun in range(minute, minute - AGE, -1):
            if self._of_peer(four_tuple, begun) == iss & _PEERS:
                index = ((iss >> _PEER) - self._of_syn(four_tuple, irs, begun)) & _ROOM
                if index < most:
                    return index
                found = AHEAD
        return found

    def _of_peer(self, four_tuple: bytes, minute: int) -> int:
        return keyed_hash(self.secret, four_tuple + minute.to_bytes(8, "big", signed=True)) & _PEERS

    def _of_syn(self, four_tuple: bytes, irs: int, minute: int) -> int:
        """Hash SEG.SEQ: added, as others do, another one would only say another MSS."""
        about = four_tuple + minute.to_bytes(8, "big", signed=True) + irs.to_bytes(4, "big")
        return keyed_hash(self.secret, about) & _ROOM


def size_index(sizes: tuple[int, ...], mss: int) -> int:
    """Return the index of the largest size that a peer takes."""
    index = len(sizes) - 1
    while index > 0 and sizes[index] > mss:
        index -= 1
    return index


def plain_syn(segment: Segment, stamps: bool, sack: bool) -> Segment:
    """Return a SYN without what a cookie cannot hold: its data, and whatever but an MSS it offers
    when there are no timestamps, or we want none (and SACK, where the cookie says that: `sack`).
    What is not remembered must not be agreed on.
    """
    flags = segment.flags & (SYN | ECE | CWR)
    if flags & (ECE | CWR) != ECE | CWR:
        flags &= SYN  # one flag alone would ask for accurate feedback (RFC 9768 3.1.3)
    options = segment.options
    if segment.ts_val == ABSENT or not stamps:
        flags &= SYN
        options = _mss(segment.mss) if segment.mss > 0 else b""
        options += b"\x04\x02\x00\x00" if sack and segment.sack_permitted else b""
    return Segment(
        segment.source_port,
        segment.destination_port,
        segment.seq,
        0,
        flags,
        segment.window,
        options=options,
    )


def stamp_for(segment: Segment, ecn: bool, now: int) -> int:
    """Return the milliseconds nearest below `now` whose low bits say a SYN's options."""
    scale = segment.window_scale
    said = _NO_SCALE if scale == ABSENT else min(scale, 14)
    said |= (_SACK if segment.sack_permitted else 0) | (_ECN if ecn else 0)
    clock = now // MS
    stamp = (clock & ~_LOW) | said
    return stamp if stamp <= clock else stamp - (1 << _BITS)


def syn_of(ack: Segment, mss: int, stamp: int, sack: bool) -> Segment:
    """Return the SYN that the sender of an ACK must have sent; `stamp` is its echo of ours."""
    options = _mss(mss)
    flags = SYN
    if ack.ts_val != ABSENT:
        if stamp & _SACK:
            options += b"\x04\x02"
        if stamp & _LOW & _NO_SCALE != _NO_SCALE:
            options += bytes((3, 3, stamp & _NO_SCALE))
        if stamp & _ECN:
            flags |= ECE | CWR
        options += struct.pack("!BBII", TIMESTAMPS, 10, ack.ts_val, 0)
    elif sack:
        options += b"\x04\x02"
    options += bytes(-len(options) % 4)
    seq = (ack.seq - 1) & _MASK
    return Segment(
        ack.source_port, ack.destination_port, seq, 0, flags, ack.window, options=options
    )


def _mss(mss: int) -> bytes:
    return struct.pack("!BBH", MAXIMUM_SEGMENT_SIZE, 4, mss)


def may_be_answer(segment: Segment) -> bool:
    """Return whether a segment in LISTEN could be the ACK of a cookie."""
    return segment.flags & (ACK | SYN) == ACK
