"""The Internet checksum (RFC 1071), alone and with the pseudo-headers (RFC 9293 3.1, RFC 8200 8.1).

Octets read as one big integer and taken modulo 65535 give the one's complement sum of their 16-bit
words: 2**16 is 1 modulo 65535. So all sums here are plain integers that may simply be added, and
`fold` makes 16 bits of them at the very end.

Also the two ways to put a packet on a wire whose device does nothing for us: `finish` and `split`.
"""

import struct
from typing import Final

from lastack.wire.packet import CHECKSUM_OWED, Packet
from lastack.wire.segment import CWR, FIN, PSH, URG, Part

# Longer integers make the reading of octets and the division slower, shorter ones the loop.
_CHUNK: Final = 512
_TCP: Final = 6
_WORD: Final = struct.Struct("!H")
_LONG: Final = struct.Struct("!I")
_SEQ_AT: Final = 4
_FLAGS_AT: Final = 12
_CHECKSUM_AT: Final = 16
_UDP_CHECKSUM_AT: Final = 6
_URGENT_AT: Final = 18


def range_sum(data: Part, start: int, end: int) -> int:
    """Return the sum of data[start:end] as if its last octet ended a word.

    Zero only when every octet is. Where the last octet begins a word instead, multiply by 256.
    """
    length = end - start
    if length <= _CHUNK:
        return int.from_bytes(data[start:end], "big")
    at = start + length % _CHUNK
    total = int.from_bytes(data[start:at], "big")
    while at < end:
        total += int.from_bytes(data[at : at + _CHUNK], "big")
        at += _CHUNK
    return total


def parts_sum(parts: tuple[Part, ...], position: int = 0) -> int:
    """Return the sum of parts laid end to end, the first `position` octets behind the start.

    A part may have any length: words that straddle two parts are counted right, and a last odd
    octet is padded with zero.
    """
    total = 0
    for part in parts:
        length = len(part)
        position += length
        value = range_sum(part, 0, length)
        total += value << 8 if position & 1 else value
    return total


def fold(total: int) -> int:
    """Return the one's complement sum in 16 bits: 0 for nothing but zeros, else 1 to 65535."""
    return (total % 65535 or 65535) if total else 0


def checksum(data: Part, initial: int = 0) -> int:
    """Return the checksum of data plus an initial sum; the field for it must be zero."""
    length = len(data)
    total = range_sum(data, 0, length)
    return 65535 - fold((total << 8 if length & 1 else total) + initial)


def checksum_holds(data: Part, start: int, end: int, initial: int = 0) -> bool:
    """Return whether data[start:end], its checksum field included, and the initial sum fit."""
    total = range_sum(data, start, end)
    if (end - start) & 1:
        total <<= 8
    total += initial
    return total % 65535 == 0 and total != 0


def address_sum(source: bytes, destination: bytes) -> int:
    """Return the part of a pseudo-header's sum that never changes in a connection."""
    return (int.from_bytes(source, "big") + int.from_bytes(destination, "big")) % 65535


def pseudo_sum(source: bytes, destination: bytes, protocol: int, length: int) -> int:
    """Return the folded sum of the pseudo-header, not complemented: what CHECKSUM_OWED stands on.

    The addresses have 4 octets each or 16 each; `length` is that of transport header and data.
    """
    total = int.from_bytes(source, "big") + int.from_bytes(destination, "big") + protocol + length
    return fold(total)


def transport_checksum(
    source: bytes,
    destination: bytes,
    protocol: int,
    header: bytes,
    parts: tuple[Part, ...],
    length: int,
) -> int:
    """Return the checksum of a transport header (its field being zero) and the parts behind it.

    `length` counts the octets of header and parts together.
    """
    # MUST-2
    initial = pseudo_sum(source, destination, protocol, length) + parts_sum(parts, len(header))
    # An odd header would begin a part in the middle of a word; checksum pads, parts_sum knows.
    return checksum(header, initial)


def transport_holds(
    source: bytes, destination: bytes, protocol: int, data: bytes, start: int, end: int
) -> bool:
    """Return whether the checksum of the transport header and data in data[start:end] is right."""
    # MUST-3
    return checksum_holds(data, start, end, pseudo_sum(source, destination, protocol, end - start))


def finish(packet: Packet) -> bytes:
    """Return the packet in one piece, an owed checksum computed; a super-segment stays whole."""
    if packet.checksum != CHECKSUM_OWED:
        return packet.to_bytes()
    whole = bytearray(packet.to_bytes())
    field = packet.checksum_start + packet.checksum_offset
    if field + 2 > len(whole):
        return bytes(whole)
    total = range_sum(bytes(whole), packet.checksum_start, len(whole))
    if (len(whole) - packet.checksum_start) & 1:
        total <<= 8
    value = 65535 - fold(total)
    if value == 0 and packet.checksum_offset == _UDP_CHECKSUM_AT:
        value = 65535  # in UDP a zero would say that there is no checksum
    _WORD.pack_into(whole, field, value)
    return bytes(whole)


def split(packet: Packet) -> list[bytes]:
    """Return the segments that a device would make of a super-segment, each a complete packet.

    Lengths, IPv4 identifications, sequence numbers and checksums are right in each; FIN and PSH
    stand in the last alone, CWR in the first alone. Any other packet comes back finished, alone.
    """
    whole = packet.to_bytes()
    size = packet.gso_size
    start = packet.checksum_start if packet.checksum == CHECKSUM_OWED else _tcp_start(whole)
    if size <= 0 or start < 20 or start + 20 > len(whole):
        return [finish(packet)]
    header_end = start + (whole[start + 12] >> 4) * 4
    if header_end < start + 20 or len(whole) - header_end <= size:
        return [finish(packet)]
    # The sum of the pseudo-header but for the length, which differs from segment to segment.
    if packet.checksum == CHECKSUM_OWED:
        pseudo = _WORD.unpack_from(whole, start + _CHECKSUM_AT)[0] + 65535
        pseudo -= (len(whole) - start) % 65535
    elif whole[0] >> 4 == 4:
        pseudo = range_sum(whole, 12, 20) + _TCP
    else:
        pseudo = range_sum(whole, 8, 40) + _TCP
    segments: list[bytes] = []
    for at in range(header_end, len(whole), size):
        data = whole[at : at + size]
        header = bytearray(whole[:header_end])
        _cut_ip(header, start, len(data), len(segments))
        _cut_tcp(header, start, at - header_end, at + size >= len(whole))
        length = header_end - start + len(data)
        total = range_sum(bytes(header), start, header_end) + parts_sum((data,)) + pseudo + length
        _WORD.pack_into(header, start + _CHECKSUM_AT, 65535 - fold(total))
        segments.append(bytes(header) + data)
    return segments


def _tcp_start(whole: bytes) -> int:
    """Return where the TCP header begins; 0 where there is none to be found."""
    if len(whole) >= 20 and whole[0] >> 4 == 4:
        return (whole[0] & 0xF) * 4 if whole[9] == _TCP else 0
    if len(whole) < 40 or whole[0] >> 4 != 6:
        return 0
    following, at = whole[6], 40
    while following in (0, 43, 60) and at + 2 <= len(whole):  # the headers with a length in octets
        following, at = whole[at], at + (whole[at + 1] + 1) * 8
    return at if following == _TCP else 0


def _cut_ip(header: bytearray, start: int, data: int, index: int) -> None:
    """Set the lengths and the identification of segment `index`, which carries `data` octets."""
    if header[0] >> 4 == 6:
        _WORD.pack_into(header, 4, len(header) - 40 + data)
        return
    _WORD.pack_into(header, 2, len(header) + data)
    _WORD.pack_into(header, 4, (_WORD.unpack_from(header, 4)[0] + index) & 0xFFFF)
    _WORD.pack_into(header, 10, 0)
    _WORD.pack_into(header, 10, checksum(bytes(header[:start])))


def _cut_tcp(header: bytearray, start: int, offset: int, last: bool) -> None:
    """Set the sequence number and flags of the segment `offset` octets into the data."""
    number = _LONG.unpack_from(header, start + _SEQ_AT)[0]
    _LONG.pack_into(header, start + _SEQ_AT, (number + offset) & 0xFFFFFFFF)
    flags = _WORD.unpack_from(header, start + _FLAGS_AT)[0]
    urgent = _WORD.unpack_from(header, start + _URGENT_AT)[0]
    if not last:
        flags &= ~(FIN | PSH)
    if offset:
        flags &= ~CWR
    if flags & URG and offset:
        # The pointer counts from the segment's own number.
        urgent -= offset
        if urgent <= 0:
            urgent = 0
            flags &= ~URG
    _WORD.pack_into(header, start + _FLAGS_AT, flags)
    _WORD.pack_into(header, start + _URGENT_AT, urgent)
    _WORD.pack_into(header, start + _CHECKSUM_AT, 0)
