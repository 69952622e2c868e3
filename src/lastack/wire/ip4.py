"""The IPv4 header and its options (RFC 791, RFC 1122 3.2.1, RFC 6864).

`decode_ip4` never raises, whatever the octets: it gives an `Ip4` or a `Stop`.
"""

import struct
from typing import Final

from lastack.wire.checksum import checksum, fold
from lastack.wire.stop import Stop

END_OF_OPTIONS: Final = 0
NO_OPERATION: Final = 1
RECORD_ROUTE: Final = 7
TIMESTAMP: Final = 68
LOOSE_SOURCE_ROUTE: Final = 131
STRICT_SOURCE_ROUTE: Final = 137
ROUTER_ALERT: Final = 148

PROTOCOL_ICMP: Final = 1
PROTOCOL_TCP: Final = 6

HEADER: Final = struct.Struct("!BBHHHBBH4s4s")
_DONT_FRAGMENT: Final = 0x4000
_MORE_FRAGMENTS: Final = 0x2000
_ROUTES: Final = (RECORD_ROUTE, LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE)
_SOURCE_ROUTES: Final = (LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE)


class Ip4:
    """The header of an IPv4 packet that lies in some octets of its reader.

    `payload_start` and `payload_end` are places in those octets (what a link put behind the packet
    is cut off); `offset` is that of a fragment, in octets; `tos` holds DSCP and ECN; `options` are
    the raw octets, whose form has been checked.
    """

    source: bytes
    destination: bytes
    protocol: int
    ttl: int
    tos: int
    ident: int
    dont_fragment: bool
    more_fragments: bool
    offset: int
    payload_start: int
    payload_end: int
    options: bytes

    def __init__(
        self,
        source: bytes,
        destination: bytes,
        protocol: int,
        ttl: int,
        tos: int,
        ident: int,
        flags: int,
        payload_start: int,
        payload_end: int,
        options: bytes,
    ) -> None:
        self.source = source
        self.destination = destination
        self.protocol = protocol
        self.ttl = ttl
        self.tos = tos
        self.ident = ident
        self.dont_fragment = flags & _DONT_FRAGMENT != 0
        self.more_fragments = flags & _MORE_FRAGMENTS != 0
        self.offset = (flags & 0x1FFF) * 8
        self.payload_start = payload_start
        self.payload_end = payload_end
        self.options = options

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
        """Whether this is less than a whole datagram."""
        return self.more_fragments or self.offset != 0


class Ip4Option:
    """One option; `data` is what follows kind and length, `at` its place in the options."""

    kind: int
    data: bytes
    at: int

    def __init__(self, kind: int, data: bytes, at: int) -> None:
        self.kind = kind
        self.data = data
        self.at = at


class SourceRoute:
    """A source route option: the addresses, and how many of them have been visited.

    It is complete when all have: only then has the packet come to its last destination.
    """

    strict: bool
    addresses: tuple[bytes, ...]
    visited: int

    def __init__(self, strict: bool, addresses: tuple[bytes, ...], visited: int) -> None:
        self.strict = strict
        self.addresses = addresses
        self.visited = visited

    @property
    def complete(self) -> bool:
        """Whether no hop is left."""
        return self.visited >= len(self.addresses)


class ReturnRoute:
    """How to answer a source-routed packet: send to `first_hop`, with `options` in the header.

    The transport's pseudo-header still names `destination`, which is the last hop in the options.
    """

    first_hop: bytes
    destination: bytes
    options: bytes

    def __init__(self, first_hop: bytes, destination: bytes, options: bytes) -> None:
        self.first_hop = first_hop
        self.destination = destination
        self.options = options


def decode_ip4(data: bytes, start: int, end: int, trusted: bool = False) -> Ip4 | Stop:
    """Read the IPv4 header at data[start:end]; with `trusted` its checksum is not looked at.

    Gives NOT_IP, TRUNCATED, BAD_IP_HEADER, BAD_IP_CHECKSUM or BAD_IP_OPTION for what is no good.
    """
    if end - start < 20:
        return Stop.TRUNCATED if end > start and data[start] >> 4 == 4 else Stop.NOT_IP
    first, tos, length, ident, flags, ttl, protocol, _, source, destination = HEADER.unpack_from(
        data, start
    )
    if first >> 4 != 4:
        return Stop.NOT_IP
    payload_start = start + (first & 0xF) * 4
    payload_end = start + length
    if payload_start < start + 20 or payload_end < payload_start:
        return Stop.BAD_IP_HEADER
    if payload_end > end:
        return Stop.TRUNCATED
    if not trusted and int.from_bytes(data[start:payload_start], "big") % 65535:
        return Stop.BAD_IP_CHECKSUM
    options = b""
    if first != 0x45:
        options = data[start + 20 : payload_start]
        if option_fault(options) >= 0:
            return Stop.BAD_IP_OPTION
    return Ip4(
        source, destination, protocol, ttl, tos, ident, flags, payload_start, payload_end, options
    )


def encode_ip4(
    source: bytes,
    destination: bytes,
    protocol: int,
    length: int,
    ttl: int = 64,
    tos: int = 0,
    ident: int = 0,
    dont_fragment: bool = True,
    options: bytes = b"",
    more_fragments: bool = False,
    offset: int = 0,
) -> bytes:
    """Return a header, checksum and options included, for `length` octets behind it.

    `offset` is in octets, a multiple of 8; the options' length must be a multiple of 4, at most 40.
    """
    first = 0x4500 + (len(options) << 6) + tos
    length += 20 + len(options)
    flags = offset >> 3
    if dont_fragment:
        flags |= _DONT_FRAGMENT
    if more_fragments:
        flags |= _MORE_FRAGMENTS
    total = first + length + ident + flags + (ttl << 8) + protocol
    total += int.from_bytes(source, "big") + int.from_bytes(destination, "big")
    if options:
        total += int.from_bytes(options, "big")
    value = 65535 - fold(total)
    header = HEADER.pack(
        first >> 8, tos, length, ident, flags, ttl, protocol, value, source, destination
    )
    return header + options if options else header


def header_checksum(header: bytes) -> int:
    """Return the checksum of a whole IPv4 header whose checksum field is zero."""
    return checksum(header)


def option_fault(options: bytes) -> int:
    """Return where the options are malformed, for the pointer of a parameter problem; else -1.

    The pointer counts from the first option. Unknown options are no fault (RFC 1122 3.2.1.8).
    """
    at = 0
    end = len(options)
    routed = False
    while at < end:
        kind = options[at]
        if kind == END_OF_OPTIONS:
            return -1
        if kind == NO_OPERATION:
            at += 1
            continue
        if at + 1 >= end:
            return at
        size = options[at + 1]
        if size < 2 or at + size > end:
            return at + 1
        if kind in _SOURCE_ROUTES:
            if routed:  # more than one source route is an error (RFC 1122 3.2.1.8 c)
                return at
            routed = True
        fault = _known_fault(kind, options, at, size)
        if fault >= 0:
            return fault
        at += size  # MUST-50: by its length, be its kind what it may
    return -1


def _known_fault(kind: int, options: bytes, at: int, size: int) -> int:
    """Return where an option whose form we know contradicts itself; else -1."""
    if kind in _ROUTES:
        if size < 3 or size % 4 != 3:
            return at + 1
        pointer = options[at + 2]
        if pointer < 4 or pointer % 4 or (pointer > size and pointer != size + 1):
            return at + 2
    elif kind == TIMESTAMP:
        if size < 4:
            return at + 1
        pointer = options[at + 2]
        entry = 4 if options[at + 3] & 0xF == 0 else 8
        if (size - 4) % entry:
            return at + 1
        if pointer < 5 or (pointer - 5) % entry or pointer > size + 1:
            return at + 2
        if options[at + 3] & 0xF not in (0, 1, 3):
            return at + 3
    elif kind == ROUTER_ALERT and size != 4:
        return at + 1
    return -1


def ip4_options(options: bytes) -> list[Ip4Option]:
    """Return the options one by one, padding left out and the unknown kept, up to any fault."""
    found: list[Ip4Option] = []
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == END_OF_OPTIONS:
            break
        if kind == NO_OPERATION:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            break
        found.append(Ip4Option(kind, options[at + 2 : at + size], at))
        at += size
    return found


def source_route(options: bytes) -> SourceRoute | None:
    """Return the source route among well-formed options, or None."""
    for option in ip4_options(options):
        if option.kind in _SOURCE_ROUTES and option.data:
            data = option.data
            addresses = tuple([data[i : i + 4] for i in range(1, len(data) - 3, 4)])
            visited = min(max((data[0] - 4) // 4, 0), len(addresses))
            return SourceRoute(option.kind == STRICT_SOURCE_ROUTE, addresses, visited)
    return None


def return_route(header: Ip4) -> ReturnRoute | None:
    """Return the way back along a completed source route (MUST-53, RFC 1122 3.2.1.8 c).

    None when the packet has no source route, an empty one, or one that is not complete. The packet
    came S -> r1 -> r2 -> us; the answer goes to r2 and carries the route r1, S:

        source S, route [r1 r2]  ->  first hop r2, route [r1 S]
    """
    route = source_route(header.options) if header.options else None
    if route is None or not route.complete:
        return None
    hops = list(route.addresses)
    if hops and hops[0] == header.source:
        # Some senders put themselves first: {S, >>D} must not become a detour through S.
        hops = hops[1:]
    if not hops:
        return None
    hops.reverse()
    options = encode_source_route((*hops[1:], header.source), route.strict)
    return ReturnRoute(hops[0], header.source, options)


def encode_source_route(addresses: tuple[bytes, ...], strict: bool = False) -> bytes:
    """Return a source route option through at most nine addresses, padded to whole words."""
    if not 1 <= len(addresses) <= 9:
        raise ValueError(f"a source route holds 1 to 9 addresses, not {len(addresses)}")
    kind = STRICT_SOURCE_ROUTE if strict else LOOSE_SOURCE_ROUTE
    body = b"".join(addresses)
    return bytes((NO_OPERATION, kind, len(body) + 3, 4)) + body
