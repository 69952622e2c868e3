"""From a captured frame to the TCP segment in it, whatever it was wrapped in.

Link layers: Ethernet with VLAN tags, LLC/SNAP, Linux cooked (SLL, SLL2), BSD null and loop, raw IP,
PPP, PPPoE, MPLS, NFLOG. Networks: IPv4 and IPv6 with extension headers and fragments. Tunnels: IP
in IP (6in4 and the like), GRE, VXLAN. What the snapshot length cut off is missing, not wrong.
"""

from enum import IntEnum
from typing import Final

from librt.strings import read_i16_be
from mypy_extensions import i64

from lastack.stack.fragments import Fragments
from lastack.wire.ip4 import decode_ip4
from lastack.wire.ip6 import decode_ip6
from lastack.wire.stop import Stop

DEEPEST: Final = 16
"""Headers that may be wrapped in one another."""

_IP4: Final = 0x0800
_IP6: Final = 0x86DD
_ETHERNET: Final = 0x6558
_PPPOE: Final = 0x8864
_ERSPAN: Final = 0x88BE
_VLANS: Final = (0x8100, 0x88A8, 0x9100, 0x9200)
_MPLS: Final = (0x8847, 0x8848)
_VXLAN_PORTS: Final = (4789, 8472)

_TCP: Final = 6
_UDP: Final = 17
_GRE: Final = 47
_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = (0, 43, 60, 135)


class Skipped(IntEnum):
    """Why a captured packet holds no segment for us."""

    NOT_IP = 1
    NOT_TCP = 2
    CUT = 3
    MALFORMED = 4
    FRAGMENT = 5
    LINK_TYPE = 6

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class Found:
    """Where the segment is: `data[start:stop]`, of which `length` octets were on the wire.

    `key` is the source address and the destination address, then both ports. Where there is none,
    `skipped` says why.
    """

    data: bytes
    start: i64
    stop: i64
    length: i64
    key: bytes
    skipped: Skipped

    def __init__(self) -> None:
        self.data = b""
        self.start = 0
        self.stop = 0
        self.length = 0
        self.key = b""
        self.skipped = Skipped.NOT_TCP


class Frames:
    """Finds segments; remembers fragments until they are whole, within the bounds of a stack."""

    fragments: Fragments
    found: Found

    def __init__(self) -> None:
        self.fragments = Fragments(most_octets=16 << 20, most_datagrams=1024)
        self.found = Found()

    def find_tcp(self, data: bytes, start: i64, stop: i64, linktype: i64, now: i64) -> bool:
        """Find the segment in a frame; `found` says where it is, or why there is none."""
        if self.fragments.next_deadline() <= now:
            self.fragments.deadline_passed(now)
        self.found.skipped = Skipped.NOT_TCP
        if linktype == 1:
            return self._ethernet(data, start, stop, now, 0)
        if linktype in (101, 12, 14, 228, 229):
            return self._ip(data, start, stop, now, 0)
        if linktype in (0, 108):
            return self._family(data, start, stop, now)
        if linktype == 113:
            return self._cooked(data, start, stop, 14, 16, now)
        if linktype == 276:
            return self._cooked(data, start, stop, 0, 20, now)
        if linktype == 9:
            return self._ppp(data, start, stop, now, 0)
        if linktype == 51:
            return self._pppoe(data, start, stop, now, 0)
        if linktype == 239:
            return self._nflog(data, start, stop, now)
        return self._skip(Skipped.LINK_TYPE)

    def _skip(self, why: Skipped) -> bool:
        self.found.skipped = why
        return False

    # -- links --------------------------------------------------------------------------------

    def _ethernet(self, data: bytes, start: i64, stop: i64, now: i64, depth: i64) -> bool:
        if stop - start < 14:
            return self._skip(Skipped.CUT)
        kind = i64(read_i16_be(data, start + 12)) & 0xFFFF
        return self._protocol(data, start + 14, stop, kind, now, depth + 1)

    def _protocol(self, data: bytes, at: i64, stop: i64, kind: i64, now: i64, depth: i64) -> bool:
        """Go on by an EtherType, or by the length that stands in its place."""
        while depth < DEEPEST:
            if kind in (_IP4, _IP6):
                return self._ip(data, at, stop, now, depth)
            if kind in _VLANS:
                if stop - at < 4:
                    return self._skip(Skipped.CUT)
                kind = i64(read_i16_be(data, at + 2)) & 0xFFFF
                at += 4
                depth += 1
                continue
            if kind in _MPLS:
                return self._mpls(data, at, stop, now, depth)
            if kind == _PPPOE:
                return self._pppoe(data, at, stop, now, depth)
            if kind == _ETHERNET:
                return self._ethernet(data, at, stop, now, depth)
            if kind <= 1500:
                return self._llc(data, at, stop, now, depth)
            break
        return self._skip(Skipped.NOT_IP)

    def _llc(self, data: bytes, at: i64, stop: i64, now: i64, depth: i64) -> bool:
        if stop - at < 8:
            return self._skip(Skipped.NOT_IP)
        if i64(data[at]) == 0xAA and i64(data[at + 1]) == 0xAA:
            kind = i64(read_i16_be(data, at + 6)) & 0xFFFF
            if kind > 1500:
                return self._protocol(data, at + 8, stop, kind, now, depth + 1)
        elif i64(data[at]) == 0x06 and i64(data[at + 1]) == 0x06:
            return self._ip(data, at + 3, stop, now, depth)
        return self._skip(Skipped.NOT_IP)

    def _mpls(self, data: bytes, at: i64, stop: i64, now: i64, depth: i64) -> bool:
        bottom = False
        while not bottom and stop - at >= 4:
            bottom = i64(data[at + 2]) & 1 == 1
            at += 4
        if stop - at < 20:
            return self._skip(Skipped.CUT)
        if i64(data[at]) >> 4 == 0:
            return self._ethernet(data, at + 4, stop, now, depth)  # behind a control word
        return self._ip(data, at, stop, now, depth)

    def _pppoe(self, data: bytes, at: i64, stop: i64, now: i64, depth: i64) -> bool:
        if stop - at < 8:
            return self._skip(Skipped.CUT)
        if i64(data[at + 1]):
            return self._skip(Skipped.NOT_IP)
        return self._ppp(data, at + 6, stop, now, depth)

    def _ppp(self, data: bytes, at: i64, stop: i64, now: i64, depth: i64) -> bool:
        if stop - at >= 4 and i64(data[at]) == 0xFF and i64(data[at + 1]) == 0x03:
            at += 2
        if stop - at < 2:
            return self._skip(Skipped.CUT)
        kind = i64(read_i16_be(data, at)) & 0xFFFF
        if kind == 0x0021 or kind == 0x0057:
            return self._ip(data, at + 2, stop, now, depth)
        return self._skip(Skipped.NOT_IP)

    def _cooked(
        self, data: bytes, start: i64, stop: i64, kind_at: i64, header: i64, now: i64
    ) -> bool:
        if stop - start < header:
            return self._skip(Skipped.CUT)
        kind = i64(read_i16_be(data, start + kind_at)) & 0xFFFF
        return self._protocol(data, start + header, stop, kind, now, 1)

    def _family(self, data: bytes, start: i64, stop: i64, now: i64) -> bool:
        """BSD's null and loop: in front an address family, whose numbers differ by system."""
        if stop - start < 5:
            return self._skip(Skipped.CUT)
        return self._ip(data, start + 4, stop, now, 0)

    def _nflog(self, data: bytes, start: i64, stop: i64, now: i64) -> bool:
        """A list of attributes in the host's order; the payload's is number 9."""
        at = start + 4
        while at + 4 <= stop:
            size = i64(data[at]) | i64(data[at + 1]) << 8
            kind = i64(data[at + 2]) | i64(data[at + 3]) << 8
            if i64(data[at]) == 0 and size > 255 and at + size > stop:
                size = i64(data[at + 1])  # the other order
                kind = i64(data[at + 3])
            if size < 4:
                return self._skip(Skipped.MALFORMED)
            if kind == 9:
                return self._ip(data, at + 4, min(at + size, stop), now, 0)
            at += (size + 3) & ~3
        return self._skip(Skipped.NOT_IP)

    # -- networks -----------------------------------------------------------------------------

    def _ip(self, data: bytes, at: i64, stop: i64, now: i64, depth: i64) -> bool:
        if stop - at < 1:
            return self._skip(Skipped.CUT)
        if depth >= DEEPEST:
            return self._skip(Skipped.MALFORMED)
        version = i64(data[at]) >> 4
        if version == 4:
            return self._ip4(data, at, stop, now, depth)
        if version == 6:
            return self._ip6(data, at, stop, now, depth)
        return self._skip(Skipped.NOT_IP)

    def _ip4(self, data: bytes, at: i64, stop: i64, now: i64, depth: i64) -> bool:
        if stop - at < 20:
            return self._skip(Skipped.CUT)
        header = (i64(data[at]) & 15) * 4
        total = i64(read_i16_be(data, at + 2)) & 0xFFFF
        if total == 0:
            total = stop - at  # a super-segment, longer than the field can say
        if header < 20 or total < header:
            return self._skip(Skipped.MALFORMED)
        protocol = i64(data[at + 9])
        if i64(read_i16_be(data, at + 6)) & 0x3FFF:
            return self._fragment(data, at, stop, total, now, depth)
        if stop > at + total:
            stop = at + total
        addresses = data[at + 12 : at + 20]
        return self._transport(
            data, at + header, stop, total - header, protocol, addresses, now, depth
        )

    def _ip6(self, data: bytes, at: i64, stop: i64, now: i64, depth: i64) -> bool:
        if stop - at < 40:
            return self._skip(Skipped.CUT)
        length = i64(read_i16_be(data, at + 4)) & 0xFFFF
        if length == 0:
            length = stop - at - 40  # a super-segment, or a jumbogram
        if stop > at + 40 + length:
            stop = at + 40 + length
        addresses = data[at + 8 : at + 40]
        protocol = i64(data[at + 6])
        start = at + 40
        for _ in range(DEEPEST):
            if protocol == _FRAGMENT:
                if stop - start < 8:
                    return self._skip(Skipped.CUT)
                if i64(read_i16_be(data, start + 2)) & 0xFFF9:
                    return self._fragment(data, at, stop, 40 + length, now, depth)
                size: i64 = 8
            elif protocol in _EXTENSIONS:
                if stop - start < 2:
                    return self._skip(Skipped.CUT)
                size = (i64(data[start + 1]) + 1) * 8
            elif protocol == _AUTHENTICATION:
                if stop - start < 2:
                    return self._skip(Skipped.CUT)
                size = (i64(data[start + 1]) + 2) * 4
            else:
                left = length - (start - at - 40)
                return self._transport(data, start, stop, left, protocol, addresses, now, depth)
            protocol = i64(data[start])
            start += size
        return self._skip(Skipped.MALFORMED)

    def _fragment(self, data: bytes, at: i64, stop: i64, total: i64, now: i64, depth: i64) -> bool:
        """Keep a piece; with the last one the whole datagram is looked at."""
        if stop - at < total:
            return self._skip(Skipped.CUT)
        first = int(at)
        header = (
            decode_ip4(data, first, int(stop), True)
            if i64(data[at]) >> 4 == 4
            else decode_ip6(data, first, int(stop))
        )
        if isinstance(header, Stop):
            return self._skip(Skipped.MALFORMED)
        whole = self.fragments.arrives(header, data, first, int(now))
        if isinstance(whole, Stop):
            return self._skip(Skipped.FRAGMENT)
        return self._ip(whole, 0, len(whole), now, depth + 1)

    def _transport(
        self,
        data: bytes,
        at: i64,
        stop: i64,
        length: i64,
        protocol: i64,
        addresses: bytes,
        now: i64,
        depth: i64,
    ) -> bool:
        if protocol == _TCP:
            if stop - at < 16:
                # Ports, numbers, flags and window are all that is needed.
                return self._skip(Skipped.CUT)
            found = self.found
            found.data = data
            found.start = at
            found.stop = stop
            found.length = length
            found.key = addresses + data[at : at + 4]
            return True
        if protocol == 4 or protocol == 41:
            return self._ip(data, at, stop, now, depth + 1)
        if protocol == _GRE:
            return self._gre(data, at, stop, now, depth + 1)
        if protocol == _UDP and stop - at >= 16:
            if i64(read_i16_be(data, at + 2)) & 0xFFFF in _VXLAN_PORTS:
                return self._ethernet(data, at + 16, stop, now, depth + 1)
        return self._skip(Skipped.NOT_TCP)

    def _gre(self, data: bytes, at: i64, stop: i64, now: i64, depth: i64) -> bool:
        if stop - at < 4:
            return self._skip(Skipped.CUT)
        flags = i64(data[at])
        kind = i64(read_i16_be(data, at + 2)) & 0xFFFF
        at += 4
        for one in (0x80, 0x20, 0x10):  # a checksum, a key, a sequence number
            if flags & one:
                at += 4
        if kind == _ERSPAN:
            return self._ethernet(data, at + 8 if flags & 0x10 else at, stop, now, depth)
        return self._protocol(data, at, stop, kind, now, depth)
