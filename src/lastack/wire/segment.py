"""The TCP segment: header, options, data (RFC 9293 3.1, RFC 7323, RFC 2018, RFC 5482).

`Segment` is what every floor above speaks. `options` is the option list exactly as on the wire; the
values that the machine needs stand beside it, already read. What is not understood stays in
`options` and is ignored (MUST-6). A malformed list is read up to the fault (MUST-7).
"""

import struct
from typing import Final

from lastack.wire.stop import Stop

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10
URG: Final = 0x20
ECE: Final = 0x40
CWR: Final = 0x80
AE: Final = 0x100

END_OF_LIST: Final = 0
NO_OPERATION: Final = 1
MAXIMUM_SEGMENT_SIZE: Final = 2
WINDOW_SCALE: Final = 3
SACK_PERMITTED: Final = 4
SACK: Final = 5
TIMESTAMPS: Final = 8
USER_TIMEOUT: Final = 28

ABSENT: Final = -1
"""The value of an option that a segment does not carry."""

HEADER: Final = struct.Struct("!HHIIHHHH")
_TIMESTAMPS_ALONE: Final = b"\x01\x01\x08\x0a"
_TWO_WORDS: Final = struct.Struct("!II")
_NO_PARTS: Final[tuple[bytes, ...]] = ()
_NO_BLOCKS: Final[tuple[tuple[int, int], ...]] = ()

Part = bytes | memoryview
"""A piece of payload: immutable octets, or a view of them made for one journey and not kept."""


class Segment:
    """One segment, or a super-segment that a device cuts into segments of `gso_size` octets.

    Sequence numbers are absolute, 32 bits; `window` is the raw 16 bits; `flags` are the twelve bits
    behind the data offset (FIN is 1, AE is 0x100). `length` counts octets of data alone, `seq_length`
    counts SYN and FIN too (SEG.LEN). Options that are absent read `ABSENT` (or no blocks).
    """

    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int
    window: int
    urgent: int
    options: bytes
    parts: tuple[Part, ...]
    length: int
    gso_size: int
    ecn: int
    mss: int
    window_scale: int
    sack_permitted: bool
    ts_val: int
    ts_ecr: int
    sack: tuple[tuple[int, int], ...]
    user_timeout: int

    def __init__(
        self,
        source_port: int,
        destination_port: int,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        urgent: int = 0,
        options: bytes = b"",
        parts: tuple[Part, ...] = _NO_PARTS,
        length: int = 0,
        gso_size: int = 0,
    ) -> None:
        self.source_port = source_port
        self.destination_port = destination_port
        self.seq = seq
        self.ack = ack
        self.flags = flags
        self.window = window
        self.urgent = urgent
        self.options = options
        self.parts = parts
        self.length = length
        self.gso_size = gso_size
        self.ecn = 0
        self.mss = ABSENT
        self.window_scale = ABSENT
        self.sack_permitted = False
        self.ts_val = ABSENT
        self.ts_ecr = ABSENT
        self.sack = _NO_BLOCKS
        self.user_timeout = ABSENT
        if options:
            if len(options) == 12 and options.startswith(_TIMESTAMPS_ALONE):
                self.ts_val, self.ts_ecr = _TWO_WORDS.unpack_from(options, 4)
            else:
                self._read_options(options)

    @property
    def payload(self) -> bytes:
        """The data in one piece."""
        parts = self.parts
        if len(parts) == 1:
            return bytes(parts[0])
        return b"".join(parts)

    @property
    def seq_length(self) -> int:
        """SEG.LEN: octets of sequence space, SYN and FIN among them."""
        return self.length + (self.flags & FIN) + (1 if self.flags & SYN else 0)

    @property
    def segments(self) -> int:
        """How many segments this one was on the wire."""
        if self.gso_size == 0 or self.length <= self.gso_size:
            return 1
        return (self.length + self.gso_size - 1) // self.gso_size

    def _read_options(self, options: bytes) -> None:
        """Read what is understood, up to the end of the list or the first fault (MUST-5, 6, 7)."""
        i = 0
        end = len(options)
        while i < end:
            kind = options[i]
            if kind == NO_OPERATION:
                i += 1
                continue
            if kind == END_OF_LIST or i + 1 >= end:
                return
            size = options[i + 1]
            if size < 2 or i + size > end:
                return
            self._read_option(kind, size, options, i + 2)
            i += size

    def _read_option(self, kind: int, size: int, options: bytes, at: int) -> None:
        if kind == TIMESTAMPS and size == 10:
            self.ts_val, self.ts_ecr = _TWO_WORDS.unpack_from(options, at)
        elif kind == SACK and size >= 10 and size % 8 == 2:
            self.sack = tuple(
                [_TWO_WORDS.unpack_from(options, at + j) for j in range(0, size - 2, 8)]
            )
        elif kind == MAXIMUM_SEGMENT_SIZE and size == 4:
            self.mss = (options[at] << 8) | options[at + 1]
        elif kind == WINDOW_SCALE and size == 3:
            self.window_scale = options[at]
        elif kind == SACK_PERMITTED and size == 2:
            self.sack_permitted = True
        elif kind == USER_TIMEOUT and size == 4:
            self.user_timeout = (options[at] << 8) | options[at + 1]

    def header(self, checksum: int = 0) -> bytes:
        """Return the TCP header and options, with this value in the checksum field."""
        options = self.options
        offset = (20 + len(options)) << 10
        flags = offset | self.flags
        return (
            HEADER.pack(
                self.source_port,
                self.destination_port,
                self.seq,
                self.ack,
                flags,
                self.window,
                checksum,
                self.urgent,
            )
            + options
        )


def decode_segment(data: bytes, start: int, end: int) -> Segment | Stop:
    """Read the segment in data[start:end]; the checksum is not looked at here.

    Returns a Stop for a header that is cut short or whose data offset is impossible.
    """
    if end - start < 20:
        return Stop.BAD_TCP_HEADER
    source, destination, number, ack, offset, window, _, urgent = HEADER.unpack_from(data, start)
    header_end = start + (offset >> 12) * 4
    if header_end > end or header_end < start + 20:
        return Stop.BAD_TCP_HEADER
    options = data[start + 20 : header_end] if header_end > start + 20 else b""
    length = end - header_end
    parts = (data[header_end:end],) if length else _NO_PARTS
    return Segment(
        source, destination, number, ack, offset & 0xFFF, window, urgent, options, parts, length
    )
