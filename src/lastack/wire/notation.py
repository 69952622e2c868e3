"""Segments as text, in packetdrill's notation, both ways.

    S 0:0(0) win 65535 <mss 1460,sackOK,nop,wscale 7>
    S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,TS val 100 ecr 700>
    P. 1:11(10) ack 1 win 502 urg 4 <nop,nop,sack 21:31 41:51>

Flags are letters (S F R P U, `.` for ACK, E for ECE, W for CWR, A for AE; a digit stands for the
three of AccECN together, RFC 9768; `-` for none; reserved bits do not show); then the first
sequence number, the one behind the data and the octets of data (SYN and FIN are not counted there);
`win` is the raw 16 bits. Options are mss, wscale, sackOK, sack, TS, uto (the raw 16 bits), FO, md5
(the digest), ECN (RFC 9768: `ECN e0b 1 ceb 0 e1b 1`, or e1b first, the last left out), ao (KeyID,
RNextKeyID and MAC), nop, eol; anything else stands as hexadecimal digits, kind and length included:
`0xfd04abcd`. Whoever leaves a list short of a whole word gets eol behind it. `[ect0]`, `[ect1]` or
`[ce]` in front tell the ECN field of the IP header.

Numbers are relative to a `Base`; without one they are absolute, as in `repr(segment)`.
"""

from typing import Final

from lastack.wire.segment import (
    ACCURATE_ECN_0,
    ACCURATE_ECN_1,
    ACK,
    AE,
    AUTHENTICATION,
    CWR,
    ECE,
    END_OF_LIST,
    FAST_OPEN,
    FLAG_LETTERS,
    MAXIMUM_SEGMENT_SIZE,
    MD5_SIGNATURE,
    NO_OPERATION,
    SACK,
    SACK_PERMITTED,
    TIMESTAMPS,
    USER_TIMEOUT,
    WINDOW_SCALE,
    Part,
    Segment,
    describe,
    relative_echo,
)

_MASK: Final = 0xFFFFFFFF
_MOST_DATA: Final = 1 << 20
_ECN: Final = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}
_FLAGS: Final = {letter: bit for bit, letter in FLAG_LETTERS}
_PLAIN_OPTIONS: Final = {
    "nop": bytes((NO_OPERATION,)),
    "eol": bytes((END_OF_LIST,)),
    "sackOK": bytes((SACK_PERMITTED, 2)),
}
_NUMBER_OPTIONS: Final = {
    "mss": (MAXIMUM_SEGMENT_SIZE, 2),
    "wscale": (WINDOW_SCALE, 1),
    "uto": (USER_TIMEOUT, 2),
}
_OPTION_NAMES: Final = (
    "mss, wscale, sackOK, sack, TS, uto, FO, md5, ECN, ao, nop, eol or 0x and digits"
)


class Base:
    """What the numbers of one direction count from.

    `seq` is the sender's ISN, `ack` its peer's; `ts_val` and `ts_ecr` what is taken off timestamps
    (best the first one seen less 100: 0 always means no echo, so an echo of `ts_ecr` reads oddly).
    """

    seq: int
    ack: int
    ts_val: int
    ts_ecr: int

    def __init__(self, seq: int = 0, ack: int = 0, ts_val: int = 0, ts_ecr: int = 0) -> None:
        self.seq = seq
        self.ack = ack
        self.ts_val = ts_val
        self.ts_ecr = ts_ecr

    def reversed(self) -> "Base":
        """Return the base of the other direction."""
        return Base(self.ack, self.seq, self.ts_ecr, self.ts_val)

    def __repr__(self) -> str:
        return f"Base({self.seq}, {self.ack}, {self.ts_val}, {self.ts_ecr})"


_ABSOLUTE: Final = Base()


def format_segment(segment: Segment, base: Base | None = None) -> str:
    """Return the segment as text; `parse_segment` reads back all but ports, data, reserved bits."""
    at = base or _ABSOLUTE
    return describe(segment, at.seq, at.ack, at.ts_val, at.ts_ecr)


def parse_segment(
    text: str,
    base: Base | None = None,
    source_port: int = 0,
    destination_port: int = 0,
    data: Part = b"",
) -> Segment:
    """Return the segment that the text describes; what it leaves out is zero or absent.

    Its data are `data`, when given, or else zeros. Raises ValueError that says what was expected
    and where.
    """
    reader = _Reader(text, base or _ABSOLUTE)
    reader.read()
    if reader.any_options:
        raise reader.unexpected(_OPTION_NAMES, reader.options_at)
    if data and len(data) != reader.length:
        raise ValueError(f"{text!r} describes {reader.length} octets of data, given {len(data)}")
    parts: tuple[Part, ...] = ()
    if reader.length:
        parts = (data or bytes(reader.length),)
    segment = Segment(
        source_port,
        destination_port,
        reader.seq,
        reader.ack,
        reader.flags,
        max(reader.window, 0),
        max(reader.urgent, 0),
        reader.options,
        parts,
        reader.length,
    )
    segment.ecn = max(reader.ecn, 0)
    return segment


def difference(text: str, segment: Segment, base: Base | None = None) -> str:
    """Return how a segment differs from what the text says, "" when it does not.

    Only what the text says is compared: without `win`, `urg`, options or ECN any will do, and
    `<...>` stands for any options as well. Raises ValueError as `parse_segment` does.
    """
    reader = _Reader(text, base or _ABSOLUTE)
    reader.read()
    wrong: list[str] = []
    if segment.flags != reader.flags:
        wrong.append("flags")
    if segment.seq != reader.seq or segment.length != reader.length:
        wrong.append("sequence numbers")
    if reader.has_ack and segment.ack != reader.ack:
        wrong.append("ack")
    if reader.window >= 0 and segment.window != reader.window:
        wrong.append("win")
    if reader.urgent >= 0 and segment.urgent != reader.urgent:
        wrong.append("urg")
    if reader.has_options and segment.options != reader.options:
        wrong.append("options")
    if reader.ecn >= 0 and segment.ecn != reader.ecn:
        wrong.append("ECN")
    if not wrong:
        return ""
    return f"{' and '.join(wrong)}: expected {text}, got {format_segment(segment, base)}"


class _Reader:
    """Reads one line; numbers come out absolute, what was not said as -1 or False."""

    text: str
    base: Base
    at: int
    flags: int
    seq: int
    length: int
    ack: int
    has_ack: bool
    window: int
    urgent: int
    options: bytes
    has_options: bool
    any_options: bool
    options_at: int
    ecn: int

    def __init__(self, text: str, base: Base) -> None:
        self.text = text
        self.base = base
        self.at = 0
        self.flags = 0
        self.seq = 0
        self.length = 0
        self.ack = 0
        self.has_ack = False
        self.window = -1
        self.urgent = -1
        self.options = b""
        self.has_options = False
        self.any_options = False
        self.options_at = 0
        self.ecn = -1

    def read(self) -> None:
        self.spaces()
        if self.takes("["):
            at = self.at
            name = self.word()
            if name not in _ECN:
                raise self.unexpected("noecn, ect0, ect1 or ce", at)
            self.ecn = _ECN[name]
            self.expect("]")
        self.read_flags()
        self.read_range()
        if self.takes("ack"):
            self.ack = (self.number("an acknowledgment number", _MASK) + self.base.ack) & _MASK
            self.has_ack = True
        elif self.flags & ACK:
            raise self.unexpected("ack, as the flags have one", self.at)
        if self.takes("win"):
            self.window = self.number("a window of 16 bits", 0xFFFF)
        if self.takes("urg"):
            self.urgent = self.number("an urgent pointer of 16 bits", 0xFFFF)
        if self.takes("<"):
            self.read_options()
        if self.at < len(self.text):
            raise self.unexpected("the end", self.at)

    def read_flags(self) -> None:
        start = self.at
        counted = False
        while self.at < len(self.text) and not self.text[self.at].isspace():
            letter = self.text[self.at]
            if letter == "-" and self.at == start:
                self.at += 1
                break
            if letter in "01234567":
                digit = int(letter)
                bits = (ECE if digit & 1 else 0) | (CWR if digit & 2 else 0)
                bits |= AE if digit & 4 else 0
                seen = counted or self.flags & (ECE | CWR | AE) != 0
                counted = True
            else:
                bits = _FLAGS.get(letter, 0)
                seen = bits == 0 or self.flags & bits != 0
                seen = seen or (counted and bits & (ECE | CWR | AE) != 0)
            if seen:
                raise self.unexpected("flags, each of FSRP.UEWA once", self.at)
            self.flags |= bits
            self.at += 1
        if self.at == start:
            raise self.unexpected("flags (FSRP.UEWA, or - for none)", start)
        self.spaces()

    def read_range(self) -> None:
        first = self.number("a sequence number", _MASK)
        self.expect(":")
        end_at = self.at
        end = self.number("the sequence number behind the data", _MASK)
        self.expect("(")
        self.length = self.number("the octets of data, at most 1048576", _MOST_DATA)
        self.expect(")")
        if (first + self.length) & _MASK != end:
            raise self.unexpected(f"{(first + self.length) & _MASK}, from the length", end_at)
        self.seq = (first + self.base.seq) & _MASK

    def read_options(self) -> None:
        self.options_at = self.at
        if self.takes("..."):
            self.any_options = True
            self.expect(">")
            return
        options = self.option()
        while self.takes(","):
            options += self.option()
        self.expect(">")
        if len(options) > 40:
            raise self.unexpected(f"at most 40 octets, not {len(options)}", self.options_at)
        self.options = options + bytes(-len(options) % 4)
        self.has_options = True

    def option(self) -> bytes:
        at = self.at
        if self.takes("0x"):
            return self.digits("an even number of hexadecimal digits")
        name = self.word()
        if name in _PLAIN_OPTIONS:
            return _PLAIN_OPTIONS[name]
        if name in _NUMBER_OPTIONS:
            kind, octets = _NUMBER_OPTIONS[name]
            value = self.number(f"a number of {8 * octets} bits", (1 << 8 * octets) - 1)
            return bytes((kind, 2 + octets)) + value.to_bytes(octets, "big")
        if name == "sack":
            return self.sack()
        if name == "TS":
            return self.timestamps()
        if name == "ECN":
            return self.marks()
        if name == "FO":
            more = self.at < len(self.text) and self.text[self.at] not in ",>"
            cookie = self.digits("a cookie in hexadecimal digits") if more else b""
            return bytes((FAST_OPEN, 2 + len(cookie))) + cookie
        if name == "md5":
            digest = self.digits("a digest in hexadecimal digits")
            return bytes((MD5_SIGNATURE, 2 + len(digest))) + digest
        if name == "ao":
            keys = bytes((self.number("a KeyID", 255), self.number("an RNextKeyID", 255)))
            mac = self.digits("a MAC in hexadecimal digits")
            return bytes((AUTHENTICATION, 4 + len(mac))) + keys + mac
        raise self.unexpected(_OPTION_NAMES, at)

    def sack(self) -> bytes:
        body = b""
        while not body or (self.at < len(self.text) and self.text[self.at].isdigit()):
            for mark in (":", ""):
                edge = self.number("an edge of a SACK block", _MASK)
                body += ((edge + self.base.ack) & _MASK).to_bytes(4, "big")
                if mark:
                    self.expect(mark)
        if len(body) > 32:
            raise self.unexpected("at most four SACK blocks", self.at)
        return bytes((SACK, 2 + len(body))) + body

    def marks(self) -> bytes:
        """Read an AccECN option: e0b, ceb and e1b, or the other way round, and a number each."""
        order_1 = self.text.startswith("e1b", self.at)
        body = b""
        for name in ("e1b", "ceb", "e0b") if order_1 else ("e0b", "ceb", "e1b"):
            if not self.takes(name):
                break
            body += self.number("a counter of 24 bits", 0xFFFFFF).to_bytes(3, "big")
        return bytes((ACCURATE_ECN_1 if order_1 else ACCURATE_ECN_0, 2 + len(body))) + body

    def timestamps(self) -> bytes:
        self.expect("val")
        value = (self.number("a timestamp", _MASK) + self.base.ts_val) & _MASK
        self.expect("ecr")
        echo = self.number("an echoed timestamp", _MASK)
        # The way back of a one-to-one map: with the base negated it is its own inverse.
        echo = relative_echo(echo, -self.base.ts_ecr & _MASK)
        return bytes((TIMESTAMPS, 10)) + value.to_bytes(4, "big") + echo.to_bytes(4, "big")

    # the words of the line; each leaves `at` on the next word

    def spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def takes(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        self.spaces()
        return True

    def expect(self, mark: str) -> None:
        if not self.takes(mark):
            raise self.unexpected(repr(mark), self.at)

    def word(self) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at].isalnum():
            self.at += 1
        word = self.text[start : self.at]
        self.spaces()
        return word

    def number(self, what: str, most: int) -> int:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "0123456789":
            self.at += 1
        digits = self.text[start : self.at]
        # Twenty digits are too many for anything here, and enough to keep int() cheap.
        if not digits or len(digits) > 20 or int(digits) > most:
            raise self.unexpected(what, start)
        self.spaces()
        return int(digits)

    def digits(self, what: str) -> bytes:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "0123456789abcdefABCDEF":
            self.at += 1
        count = self.at - start
        if count == 0 or count % 2 or count > 80:
            raise self.unexpected(what, start)
        octets = bytes.fromhex(self.text[start : self.at])
        self.spaces()
        return octets

    def unexpected(self, what: str, at: int) -> ValueError:
        found = repr(self.text[at:]) if at < len(self.text) else "the end"
        return ValueError(f"expected {what} at column {at + 1} of {self.text!r}, found {found}")
