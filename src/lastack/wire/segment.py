"""The TCP segment: header, options, data (RFC 9293 3.1, RFC 7323, RFC 2018, RFC 5482).

`Segment` is what every floor above speaks. `options` is the option list exactly as on the wire; the
values that the machine needs stand beside it, already read. What is not understood stays in
`options` and is ignored. A malformed list is read up to the fault.
"""

import struct
from typing import Final

from mypy_extensions import mypyc_attr

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
MD5_SIGNATURE: Final = 19
USER_TIMEOUT: Final = 28
AUTHENTICATION: Final = 29
FAST_OPEN: Final = 34
ACCURATE_ECN_0: Final = 172
ACCURATE_ECN_1: Final = 174

ABSENT: Final = -1
"""The value of an option that a segment does not carry."""

HEADER: Final = struct.Struct("!HHIIHHHH")
"""All fields are unsigned, the window among them (MUST-1)."""
_TIMESTAMPS_ALONE: Final = b"\x01\x01\x08\x0a"
_TWO_WORDS: Final = struct.Struct("!II")
_NO_PARTS: Final[tuple[bytes, ...]] = ()
_NO_BLOCKS: Final[tuple[tuple[int, int], ...]] = ()

FLAG_LETTERS: Final = (
    (FIN, "F"),
    (SYN, "S"),
    (RST, "R"),
    (PSH, "P"),
    (ACK, "."),
    (URG, "U"),
    (ECE, "E"),
    (CWR, "W"),
    (AE, "A"),
)
ECN_NAMES: Final = ("", "[ect1] ", "[ect0] ", "[ce] ")

Part = bytes | memoryview
"""A piece of payload: immutable octets, or a view of them made for one journey and not kept."""


@mypyc_attr(acyclic=True, free_list_len=1)
class Segment:
    """One segment, or a super-segment that a device cuts into segments of `gso_size` octets.

    Sequence numbers are absolute, 32 bits; `window` is the raw 16 bits; `flags` are the twelve bits
    behind the data offset (FIN is 1, AE is 0x100). `length` counts octets of data alone and
    `seq_length` SYN and FIN too (SEG.LEN). Options that are absent read `ABSENT` (or no blocks).
    `signed` tells of an MD5 or an authentication option, which `wire.signing` reads. `udp_port` is
    the peer's where the segment came inside a UDP datagram, 0 where it did not.
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
    signed: bool
    udp_port: int

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
        self.signed = False
        self.udp_port = 0
        if options:
            if len(options) == 12 and options.startswith(_TIMESTAMPS_ALONE):
                self.ts_val = _word(options, 4)
                self.ts_ecr = _word(options, 8)
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

    def without_data(self) -> "Segment":
        """Return a copy that says the same and holds none of the octets."""
        copy = Segment(
            self.source_port,
            self.destination_port,
            self.seq,
            self.ack,
            self.flags,
            self.window,
            self.urgent,
            b"",
            _NO_PARTS,
            self.length,
            self.gso_size,
        )
        copy.ecn = self.ecn
        copy.options = self.options  # read already
        copy.mss = self.mss
        copy.window_scale = self.window_scale
        copy.sack_permitted = self.sack_permitted
        copy.ts_val = self.ts_val
        copy.ts_ecr = self.ts_ecr
        copy.sack = self.sack
        copy.user_timeout = self.user_timeout
        copy.signed = self.signed
        return copy

    def __repr__(self) -> str:
        return describe(self, 0, 0, 0, 0)

    def _read_options(self, options: bytes) -> None:
        """Read what is understood, up to the end of the list or the first fault (MUST-4).

        In any segment (MUST-5), beginning at any octet (MUST-64).
        """
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
                return  # MUST-7
            self._read_option(kind, size, options, i + 2)
            i += size  # MUST-6: over what we do not know, by the length it must have (MUST-68)

    def _read_option(self, kind: int, size: int, options: bytes, at: int) -> None:
        if kind == TIMESTAMPS and size == 10:
            self.ts_val = _word(options, at)
            self.ts_ecr = _word(options, at + 4)
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
        elif kind in (MD5_SIGNATURE, AUTHENTICATION):
            self.signed = True

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


def _half(octets: bytes, at: int) -> int:
    return octets[at] << 8 | octets[at + 1]


def _word(octets: bytes, at: int) -> int:
    """Return 32 bits in network byte order: compiled, a sixth of what `struct` costs."""
    return octets[at] << 24 | octets[at + 1] << 16 | octets[at + 2] << 8 | octets[at + 3]


def decode_segment(data: bytes, start: int, end: int) -> Segment | Stop:
    """Read the segment in data[start:end]; the checksum is not looked at here.

    Returns a Stop for a header that is cut short or whose data offset is impossible.
    """
    if end - start < 20:
        return Stop.BAD_TCP_HEADER
    header_end = start + (data[start + 12] >> 4) * 4
    if header_end > end or header_end < start + 20:
        return Stop.BAD_TCP_HEADER
    options = data[start + 20 : header_end] if header_end > start + 20 else b""
    length = end - header_end
    parts = (data[header_end:end],) if length else _NO_PARTS
    return Segment(
        _half(data, start),
        _half(data, start + 2),
        _word(data, start + 4),
        _word(data, start + 8),
        _half(data, start + 12) & 0xFFF,
        _half(data, start + 14),
        _half(data, start + 18),
        options,
        parts,
        length,
    )


def describe(segment: Segment, seq: int, ack: int, ts_val: int, ts_ecr: int) -> str:
    """Return the segment in packetdrill's notation, its numbers relative to those given.

    `wire.notation` is the way in for everybody else, and reads it back.
    """
    flags = "".join([letter for bit, letter in FLAG_LETTERS if segment.flags & bit]) or "-"
    start = (segment.seq - seq) & 0xFFFFFFFF
    end = (start + segment.length) & 0xFFFFFFFF
    text = f"{ECN_NAMES[segment.ecn]}{flags} {start}:{end}({segment.length})"
    if segment.flags & ACK or segment.ack:
        text += f" ack {(segment.ack - ack) & 0xFFFFFFFF}"
    text += f" win {segment.window}"
    if segment.flags & URG or segment.urgent:
        text += f" urg {segment.urgent}"
    if segment.options:
        text += f" <{_describe_options(segment.options, ack, ts_val, ts_ecr)}>"
    return text


def relative_echo(value: int, base: int) -> int:
    """Return an echoed timestamp relative to a base, one to one; 0, which says nothing, stays 0."""
    if value == 0:
        return 0
    return (value - base if value != base else -base) & 0xFFFFFFFF


def _describe_options(options: bytes, ack: int, ts_val: int, ts_ecr: int) -> str:
    """Return every octet of an option list in words, what has no name as hexadecimal digits."""
    words: list[str] = []
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == NO_OPERATION:
            words.append("nop")
            at += 1
            continue
        if kind == END_OF_LIST and not any(options[at:]):
            words += ["eol"] * (len(options) - at)
            break
        if kind == END_OF_LIST:
            words += ["eol", f"0x{options[at + 1 :].hex()}"]
            break
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            words.append(f"0x{options[at:].hex()}")
            break
        words.append(_describe_option(kind, options[at : at + size], ack, ts_val, ts_ecr))
        at += size
    return ",".join(words)


def _describe_marks(option: bytes) -> str:
    """Return an AccECN option (RFC 9768 3.2.3) in words."""
    names = ("e0b", "ceb", "e1b") if option[0] == ACCURATE_ECN_0 else ("e1b", "ceb", "e0b")
    values = [int.from_bytes(option[i : i + 3], "big") for i in range(2, len(option), 3)]
    return " ".join(["ECN", *[f"{n} {v}" for n, v in zip(names, values, strict=False)]])


def _describe_option(kind: int, option: bytes, ack: int, ts_val: int, ts_ecr: int) -> str:
    size = len(option)
    if kind == MAXIMUM_SEGMENT_SIZE and size == 4:
        return f"mss {int.from_bytes(option[2:], 'big')}"
    if kind == WINDOW_SCALE and size == 3:
        return f"wscale {option[2]}"
    if kind == SACK_PERMITTED and size == 2:
        return "sackOK"
    if kind == SACK and size >= 10 and size % 8 == 2:
        text = "sack"
        for at in range(2, size, 8):
            left, right = _TWO_WORDS.unpack_from(option, at)
            text += f" {(left - ack) & 0xFFFFFFFF}:{(right - ack) & 0xFFFFFFFF}"
        return text
    if kind == TIMESTAMPS and size == 10:
        value, echo = _TWO_WORDS.unpack_from(option, 2)
        return f"TS val {(value - ts_val) & 0xFFFFFFFF} ecr {relative_echo(echo, ts_ecr)}"
    if kind == USER_TIMEOUT and size == 4:
        return f"uto {int.from_bytes(option[2:], 'big')}"
    if kind in (ACCURATE_ECN_0, ACCURATE_ECN_1) and size in (2, 5, 8, 11):
        return _describe_marks(option)
    if kind == FAST_OPEN:
        return f"FO {option[2:].hex()}" if size > 2 else "FO"
    if kind == MD5_SIGNATURE and size == 18:
        return f"md5 {option[2:].hex()}"
    if kind == AUTHENTICATION and size > 4:
        return f"ao {option[2]} {option[3]} {option[4:].hex()}"
    return f"0x{option.hex()}"
