"""Reassembly of IPv4 and IPv6 fragments, within bounds (RFC 791 3.2, RFC 8200 4.5, RFC 5722).

What the peer can make us hold is bounded four ways: octets, datagrams, fragments of one datagram,
and time. An overlap condemns its datagram, in IPv4 too: nobody honest sends one, and how it is
resolved is what evasion lives on. An exact repetition is harmless.
"""

import struct
from bisect import bisect_left
from typing import Final

from lastack.units import NEVER, SECOND
from lastack.wire.checksum import checksum
from lastack.wire.ip4 import Ip4
from lastack.wire.ip6 import Ip6
from lastack.wire.stop import Stop

TIMEOUT4: Final = 30 * SECOND
TIMEOUT6: Final = 60 * SECOND

_LONGEST: Final = 65535
_ANY_PROTOCOL: Final = -1
_WORD: Final = struct.Struct("!H")
_NOT_ECT: Final = 1
_CONGESTION: Final = 8

Key = tuple[bytes, bytes, int, int]


class _Datagram:
    """The pieces of one datagram, in order, none touching another's octets.

    `total` is its length, -1 until the last fragment has come. A condemned one keeps no pieces; it
    stays so that its later fragments are known for what they are.
    """

    deadline: int
    offsets: list[int]
    pieces: list[bytes]
    octets: int
    total: int
    head: bytes
    next_at: int
    protocol: int
    codepoints: int
    condemned: bool

    def __init__(self, deadline: int) -> None:
        self.deadline = deadline
        self.offsets = []
        self.pieces = []
        self.octets = 0
        self.total = -1
        self.head = b""
        self.next_at = 0
        self.protocol = 0
        self.codepoints = 0
        self.condemned = False


class Fragments:
    """The fragments one host holds until their datagrams are complete.

    `octets` are now held in `datagrams`; the arguments say how many at most, and how many fragments
    one datagram may come in.
    """

    most_octets: int
    most_datagrams: int
    most_fragments: int
    octets: int
    datagrams: dict[Key, _Datagram]
    _deadline: int

    def __init__(
        self, most_octets: int = 1 << 20, most_datagrams: int = 64, most_fragments: int = 128
    ) -> None:
        self.most_octets = most_octets
        self.most_datagrams = most_datagrams
        self.most_fragments = most_fragments
        self.octets = 0
        self.datagrams = {}
        self._deadline = NEVER

    def arrives(self, header: Ip4 | Ip6, data: bytes, start: int, now: int) -> bytes | Stop:
        """Take the fragment whose header, read from data[start:], is given.

        Returns the whole packet, with a header as if it had never been cut, when this was the last
        one missing; otherwise FRAGMENT_HELD or FRAGMENT_DROPPED. What is no fragment comes back.
        """
        if not header.is_fragment:
            return data[start : header.payload_end]
        key = _key_of(header)
        datagram = self.datagrams.get(key)
        if datagram is not None and datagram.deadline <= now:
            self._forget(key, datagram)
            datagram = None
        if datagram is None:
            if len(self.datagrams) >= self.most_datagrams:
                return Stop.FRAGMENT_DROPPED
            datagram = _Datagram(now + (TIMEOUT4 if isinstance(header, Ip4) else TIMEOUT6))
            self.datagrams[key] = datagram
            self._deadline = min(self._deadline, datagram.deadline)
        if datagram.condemned:
            return Stop.FRAGMENT_DROPPED
        size = header.payload_end - header.payload_start
        if self.octets + size > self.most_octets:
            if not datagram.pieces:
                del self.datagrams[key]
            return Stop.FRAGMENT_DROPPED
        piece = data[header.payload_start : header.payload_end]
        if not _fits(datagram, header.offset, piece, header.more_fragments):
            self._condemn(datagram)
            return Stop.FRAGMENT_DROPPED
        if not _insert(datagram, header.offset, piece):
            return Stop.FRAGMENT_HELD
        self.octets += size
        datagram.octets += size
        datagram.codepoints |= 1 << (header.tos & 3)
        if not header.more_fragments:
            datagram.total = header.offset + size
        if header.offset == 0:
            _keep_head(datagram, header, data, start)
        if datagram.octets == datagram.total:
            self._forget(key, datagram)
            whole = _rebuilt4(datagram) if isinstance(header, Ip4) else _rebuilt6(datagram)
            return whole or Stop.FRAGMENT_DROPPED
        if len(datagram.pieces) >= self.most_fragments:
            self._condemn(datagram)
            return Stop.FRAGMENT_DROPPED
        return Stop.FRAGMENT_HELD

    def next_deadline(self) -> int:
        """Return when to call `deadline_passed`; it may be early, never late. NEVER when empty."""
        return self._deadline if self.datagrams else NEVER

    def deadline_passed(self, now: int) -> list[bytes]:
        """Give up the datagrams whose time is over.

        Returns, for each whose first fragment had come, that fragment as a packet: what an ICMP
        "time exceeded" of code 1 should quote (RFC 1122 3.3.2, RFC 8200 4.5).
        """
        quotes: list[bytes] = []
        if now < self._deadline:
            return quotes
        over = [key for key, datagram in self.datagrams.items() if datagram.deadline <= now]
        for key in over:
            datagram = self.datagrams[key]
            if datagram.head and not datagram.condemned:
                quotes.append(datagram.head + datagram.pieces[0])
            self._forget(key, datagram)
        self._deadline = min([one.deadline for one in self.datagrams.values()], default=NEVER)
        return quotes

    def _condemn(self, datagram: _Datagram) -> None:
        """Throw away what has come of a datagram, and whatever will (RFC 5722 4)."""
        self.octets -= datagram.octets
        datagram.octets = 0
        datagram.offsets = []
        datagram.pieces = []
        datagram.head = b""
        datagram.condemned = True

    def _forget(self, key: Key, datagram: _Datagram) -> None:
        self.octets -= datagram.octets
        del self.datagrams[key]


def _key_of(header: Ip4 | Ip6) -> Key:
    """Return what fragments of one datagram share (RFC 791 3.2; in IPv6 not the protocol)."""
    protocol = header.protocol if isinstance(header, Ip4) else _ANY_PROTOCOL
    return (header.source, header.destination, header.ident, protocol)


def _fits(datagram: _Datagram, offset: int, piece: bytes, more: bool) -> bool:
    """Return whether a piece contradicts nothing that has come before: length, end, octets."""
    end = offset + len(piece)
    if not piece or end > _LONGEST or (more and len(piece) % 8):
        return False
    offsets = datagram.offsets
    pieces = datagram.pieces
    if datagram.total >= 0 and (end > datagram.total or (not more and end != datagram.total)):
        return False
    if not more and offsets and end < offsets[-1] + len(pieces[-1]):
        return False
    at = bisect_left(offsets, offset)
    if at < len(offsets) and offsets[at] == offset:
        # A repetition must be one in every respect, its being the last included.
        return pieces[at] == piece and (more or datagram.total == end)
    if at < len(offsets) and end > offsets[at]:
        return False
    return at == 0 or offsets[at - 1] + len(pieces[at - 1]) <= offset


def _insert(datagram: _Datagram, offset: int, piece: bytes) -> bool:
    """Put a fitting piece in its place; False when it is there already."""
    at = bisect_left(datagram.offsets, offset)
    if at < len(datagram.offsets) and datagram.offsets[at] == offset:
        return False
    datagram.offsets.insert(at, offset)
    datagram.pieces.insert(at, piece)
    return True


def _keep_head(datagram: _Datagram, header: Ip4 | Ip6, data: bytes, start: int) -> None:
    """Keep the first fragment's headers: those of the whole packet are made of them."""
    datagram.head = data[start : header.payload_start]
    if isinstance(header, Ip6):
        datagram.next_at = header.next_at - start
        datagram.protocol = header.protocol


def _marked(datagram: _Datagram, tos: int) -> int:
    """Return the ECN field of the whole, -1 where its fragments contradict (RFC 3168 5.3)."""
    if not datagram.codepoints & _CONGESTION:
        return tos & 3
    return -1 if datagram.codepoints & _NOT_ECT else 3


def _rebuilt4(datagram: _Datagram) -> bytes:
    """Return the whole packet, b"" when there can be none."""
    header = bytearray(datagram.head)
    length = len(header) + datagram.total
    ecn = _marked(datagram, header[1])
    if length > _LONGEST or ecn < 0:
        return b""
    header[1] = (header[1] & 0xFC) | ecn
    _WORD.pack_into(header, 2, length)
    _WORD.pack_into(header, 6, 0)
    _WORD.pack_into(header, 10, 0)
    _WORD.pack_into(header, 10, checksum(bytes(header)))
    return b"".join([bytes(header), *datagram.pieces])


def _rebuilt6(datagram: _Datagram) -> bytes:
    """Return the whole packet without its fragment header, b"" when there can be none."""
    header = bytearray(datagram.head[:-8])
    length = len(header) - 40 + datagram.total
    ecn = _marked(datagram, header[1] >> 4)
    if length > _LONGEST or ecn < 0:
        return b""
    # The traffic class straddles the first two octets; its ECN bits lie in the second's middle.
    header[1] = (header[1] & 0xCF) | ecn << 4
    header[datagram.next_at] = datagram.protocol
    _WORD.pack_into(header, 4, length)
    return b"".join([bytes(header), *datagram.pieces])
