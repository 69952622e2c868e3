"""The IPv6 header and its extension headers (RFC 8200, RFC 5095, RFC 6946).

`decode_ip6` never raises, whatever the octets: it gives an `Ip6` or a `Stop`. It walks the chain of
extension headers to the upper-layer header, or to the fragment header of a real fragment.
"""

import struct
from typing import Final

from lastack.wire.stop import Stop

HOP_BY_HOP: Final = 0
PROTOCOL_TCP: Final = 6
ROUTING: Final = 43
FRAGMENT: Final = 44
ENCAPSULATING_SECURITY: Final = 50
AUTHENTICATION: Final = 51
PROTOCOL_ICMP6: Final = 58
NO_NEXT_HEADER: Final = 59
DESTINATION_OPTIONS: Final = 60

ERRONEOUS_FIELD: Final = 0
UNKNOWN_NEXT_HEADER: Final = 1
UNKNOWN_OPTION: Final = 2

HEADER: Final = struct.Struct("!IHBB16s16s")
_FRAGMENT_HEADER: Final = struct.Struct("!BBHI")
_PAD1: Final = 0
_PADN: Final = 1
_ROUTER_ALERT: Final = 5
_MOST_HEADERS: Final = 16


class Problem:
    """What an ICMP parameter problem would say of a packet that was stopped.

    `pointer` counts octets from the start of the packet. `to_multicast` says whether it may be said
    although the packet was sent to a group (the option types that begin with the bits 10).
    """

    code: int
    pointer: int
    to_multicast: bool

    def __init__(self, code: int, pointer: int, to_multicast: bool) -> None:
        self.code = code
        self.pointer = pointer
        self.to_multicast = to_multicast


class Ip6:
    """The headers of an IPv6 packet that lies in some octets of its reader.

    `payload_start` and `payload_end` are places in those octets: what lies between is of `protocol`
    or, in a fragment, a piece of what begins with that header. `ttl` is the hop limit and `tos` the
    traffic class, as in an `Ip4`. `next_at` is the place of the octet that names `protocol`
    (in a real fragment: of the one that names the fragment header); `fragment_at` is that of the
    fragment header, -1 when there is none.
    """

    source: bytes
    destination: bytes
    protocol: int
    ttl: int
    tos: int
    flow_label: int
    payload_start: int
    payload_end: int
    next_at: int
    fragment_at: int
    ident: int
    more_fragments: bool
    offset: int
    problem: Problem | None

    def __init__(
        self,
        source: bytes,
        destination: bytes,
        protocol: int,
        ttl: int,
        tos: int,
        flow_label: int,
        payload_start: int,
        payload_end: int,
        next_at: int,
    ) -> None:
        self.source = source
        self.destination = destination
        self.protocol = protocol
        self.ttl = ttl
        self.tos = tos
        self.flow_label = flow_label
        self.payload_start = payload_start
        self.payload_end = payload_end
        self.next_at = next_at
        self.fragment_at = -1
        self.ident = 0
        self.more_fragments = False
        self.offset = 0
        self.problem = None

    @property
    def dscp(self) -> int:
        """The six bits of the differentiated services field."""
        return self.tos >> 2

    @property
    def ecn(self) -> int:
        """The ECN codepoint: 0 not capable, 1 ECT(1), 2 ECT(0), 3 congestion experienced."""
        return self.tos & 3

    @property
    def is_fragment(self) -> bool:
        """Whether this is less than a whole packet (an atomic fragment is a whole one)."""
        return self.more_fragments or self.offset != 0


def decode_ip6(data: bytes, start: int, end: int) -> Ip6 | Stop:
    """Read the IPv6 header and extension headers at data[start:end].

    Gives NOT_IP, TRUNCATED, BAD_EXTENSION, or UNKNOWN_PROTOCOL for security headers (ESP, AH) and
    for packets without a next header. `problem_of` tells what to answer to the last two.
    """
    header = _decode_fixed(data, start, end)
    if isinstance(header, Stop):
        return header
    if header.protocol == PROTOCOL_TCP or header.protocol == PROTOCOL_ICMP6:
        return header
    stop = _walk(header, data, start)
    return header if stop is None else stop


def problem_of(data: bytes, start: int, end: int) -> Problem | None:
    """Return what an ICMP parameter problem should say of a packet, None when it says nothing.

    For packets stopped with BAD_EXTENSION or UNKNOWN_PROTOCOL (RFC 8200 4, 4.2, 4.4). For one that
    decodes but whose upper layer is unknown, it points to the octet that names that.
    """
    header = _decode_fixed(data, start, end)
    if isinstance(header, Stop):
        return None
    stop = _walk(header, data, start)
    if stop is not None or header.is_fragment:
        return header.problem
    return Problem(UNKNOWN_NEXT_HEADER, header.next_at - start, False)


def encode_ip6(
    source: bytes,
    destination: bytes,
    protocol: int,
    length: int,
    ttl: int = 64,
    tos: int = 0,
    flow_label: int = 0,
) -> bytes:
    """Return a header for `length` octets (at most 65535) of `protocol` behind it."""
    return HEADER.pack(
        0x60000000 | tos << 20 | flow_label, length, protocol, ttl, source, destination
    )


def encode_fragment_header(protocol: int, ident: int, offset: int, more_fragments: bool) -> bytes:
    """Return a fragment header; `offset` is in octets, a multiple of 8."""
    return _FRAGMENT_HEADER.pack(protocol, 0, offset | (1 if more_fragments else 0), ident)


def _decode_fixed(data: bytes, start: int, end: int) -> Ip6 | Stop:
    if end <= start or data[start] >> 4 != 6:
        return Stop.NOT_IP
    if end - start < 40:
        return Stop.TRUNCATED
    word, length, protocol, ttl, source, destination = HEADER.unpack_from(data, start)
    payload_end = start + 40 + length
    if payload_end > end:
        return Stop.TRUNCATED
    return Ip6(
        source,
        destination,
        protocol,
        ttl,
        word >> 20 & 0xFF,
        word & 0xFFFFF,
        start + 40,
        payload_end,
        start + 6,
    )


def _walk(header: Ip6, data: bytes, start: int) -> Stop | None:
    """Follow the chain of extension headers, moving `header` along; give a Stop where it breaks."""
    for count in range(_MOST_HEADERS):
        kind = header.protocol
        at = header.payload_start
        if kind == FRAGMENT:
            stop = _fragment(header, data, start)
            if stop is not None or header.is_fragment:
                return stop
            continue
        if kind == HOP_BY_HOP:
            if count:  # anywhere but first it is an unknown next header (RFC 8200 4.1)
                return _unknown(header, start, Stop.BAD_EXTENSION)
        elif kind == NO_NEXT_HEADER:
            return Stop.UNKNOWN_PROTOCOL
        elif kind in (ENCAPSULATING_SECURITY, AUTHENTICATION):
            return _unknown(header, start, Stop.UNKNOWN_PROTOCOL)
        elif kind != ROUTING and kind != DESTINATION_OPTIONS:
            return None
        if at + 8 > header.payload_end:
            return _wrong(header, header.next_at - start)
        size = (data[at + 1] + 1) * 8
        if at + size > header.payload_end:
            return _wrong(header, at + 1 - start)
        if kind == ROUTING:
            # We are no router: whatever its type, a route with hops left goes no further here
            # (RFC 8200 4.4, and RFC 5095 for type 0).
            if data[at + 3]:
                return _wrong(header, at + 2 - start)
        elif not _options_pass(header, data, start, at + 2, at + size):
            return Stop.BAD_EXTENSION
        header.next_at = at
        header.protocol = data[at]
        header.payload_start = at + size
    return _wrong(header, header.next_at - start)


def _fragment(header: Ip6, data: bytes, start: int) -> Stop | None:
    """Read a fragment header; only an atomic fragment's chain goes on behind it (RFC 6946)."""
    at = header.payload_start
    if header.fragment_at >= 0 or at + 8 > header.payload_end:
        return _wrong(header, header.next_at - start)
    following, _, offset, ident = _FRAGMENT_HEADER.unpack_from(data, at)
    header.fragment_at = at
    header.ident = ident
    header.offset = offset & 0xFFF8
    header.more_fragments = offset & 1 != 0
    header.payload_start = at + 8
    header.protocol = following
    # `next_at` stays with the header before: reassembly writes the octet there.
    if not header.is_fragment:
        header.next_at = at
        return None
    size = header.payload_end - at - 8
    if header.more_fragments and size % 8:
        return _wrong(header, 4)  # points to the payload length (RFC 8200 4.5)
    if header.offset + size > 65535:
        return _wrong(header, at + 2 - start)
    return None


def _options_pass(header: Ip6, data: bytes, start: int, at: int, end: int) -> bool:
    """Return whether every option in data[at:end] is known or may be skipped (RFC 8200 4.2)."""
    while at < end:
        kind = data[at]
        if kind == _PAD1:
            at += 1
            continue
        if at + 2 > end or at + 2 + data[at + 1] > end:
            header.problem = Problem(ERRONEOUS_FIELD, at - start, False)
            return False
        if kind != _PADN and kind != _ROUTER_ALERT and kind >> 6:
            action = kind >> 6
            if action >= 2 and (action == 2 or header.destination[0] != 0xFF):
                header.problem = Problem(UNKNOWN_OPTION, at - start, action == 2)
            return False
        at += 2 + data[at + 1]
    return True


def _wrong(header: Ip6, pointer: int) -> Stop:
    header.problem = Problem(ERRONEOUS_FIELD, pointer, False)
    return Stop.BAD_EXTENSION


def _unknown(header: Ip6, start: int, stop: Stop) -> Stop:
    header.problem = Problem(UNKNOWN_NEXT_HEADER, header.next_at - start, False)
    return stop
