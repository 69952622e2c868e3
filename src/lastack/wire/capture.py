"""Capture files: pcapng written, pcap and pcapng read (draft-ietf-opsawg-pcap, -pcapng).

Neither holds more of a file than one buffer and one record. A file that is damaged or cut gives all
the records before the damage, and then a `CaptureError` that says where.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from lastack.units import SECOND

LINKTYPE_NULL: Final = 0
LINKTYPE_ETHERNET: Final = 1
LINKTYPE_RAW: Final = 101

INBOUND: Final = 1
OUTBOUND: Final = 2

_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_OBSOLETE_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_STATISTICS: Final = 5
_ENHANCED_PACKET: Final = 6
_READ: Final = (_INTERFACE, _ENHANCED_PACKET, _SIMPLE_PACKET, _OBSOLETE_PACKET, _STATISTICS)
_BYTE_ORDER: Final = 0x1A2B3C4D
_OPTION_END: Final = 0
_OPTION_COMMENT: Final = 1
_OPTION_NAME: Final = 2
_OPTION_FLAGS: Final = 2
_OPTION_END_TIME: Final = 3
_OPTION_APPLICATION: Final = 4
_OPTION_RESOLUTION: Final = 9
_OPTION_OFFSET: Final = 14

# Larger ones malloc would map and give back for each read, and every page would be faulted in anew.
_BUFFER: Final = 1 << 17
# No device makes a packet of 16 MiB: a longer record is damage, and would cost memory.
_MOST: Final = 1 << 24
_MOST_INTERFACES: Final = 1 << 16


class CaptureError(ValueError):
    """The file is no capture, or is damaged or cut: `offset` is where, in octets (0: nowhere)."""

    offset: int

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(f"{problem} (at octet {offset})" if offset else problem)
        self.offset = offset


class Record:
    """One packet of a capture.

    `time_ns` counts from the epoch, 0 where the format carries no time; `data` may be shorter than
    the `original_length`; `interface` is an index into the reader's `interfaces`; `direction` is
    INBOUND, OUTBOUND or None when it was not said.
    """

    time_ns: int
    linktype: int
    data: bytes
    original_length: int
    interface: int
    direction: int | None
    comment: str

    def __init__(
        self,
        time_ns: int,
        linktype: int,
        data: bytes,
        original_length: int,
        interface: int = 0,
        direction: int | None = None,
        comment: str = "",
    ) -> None:
        self.time_ns = time_ns
        self.linktype = linktype
        self.data = data
        self.original_length = original_length
        self.interface = interface
        self.direction = direction
        self.comment = comment


class CaptureInterface:
    """Where packets were captured; timestamps are counted in `multiplier / divisor` nanoseconds."""

    linktype: int
    snap_length: int
    name: str
    multiplier: int
    divisor: int
    offset_ns: int

    def __init__(self, linktype: int, snap_length: int, name: str = "") -> None:
        self.linktype = linktype
        self.snap_length = snap_length
        self.name = name
        self.multiplier = 1000
        self.divisor = 1
        self.offset_ns = 0

    def nanoseconds(self, ticks: int) -> int:
        """Return the time that a timestamp of this interface means."""
        return ticks * self.multiplier // self.divisor + self.offset_ns


class CaptureWriter:
    """Writes pcapng, a record at a time, to a binary file; whoever opened the file closes it.

    Starts with one interface of `linktype`. As a context manager it flushes at the end.
    """

    _file: BinaryIO
    _interfaces: int

    def __init__(self, file: BinaryIO, linktype: int = LINKTYPE_RAW, name: str = "") -> None:
        self._file = file
        self._interfaces = 0
        body = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)
        body += _option(_OPTION_APPLICATION, b"lastack") + _option(_OPTION_END, b"")
        file.write(_block(_SECTION_HEADER, body))
        self.add_interface(linktype, name)

    def add_interface(self, linktype: int = LINKTYPE_RAW, name: str = "") -> int:
        """Describe another interface; returns its number for `write`."""
        body = struct.pack("<HHI", linktype, 0, 0)
        if name:
            body += _option(_OPTION_NAME, name.encode())
        body += _option(_OPTION_RESOLUTION, b"\x09") + _option(_OPTION_END, b"")
        self._file.write(_block(_INTERFACE, body))
        self._interfaces += 1
        return self._interfaces - 1

    def write(
        self,
        data: bytes,
        time_ns: int,
        direction: int | None = None,
        comment: str = "",
        interface: int = 0,
        original_length: int = -1,
    ) -> None:
        """Write one packet; `original_length` when `data` is only its beginning."""
        if not 0 <= time_ns < 1 << 64:
            raise ValueError(f"a time of 0 to 2**64 - 1 nanoseconds, not {time_ns}")
        if not 0 <= interface < self._interfaces:
            raise ValueError(f"interface {interface} has not been added")
        size = len(data)
        whole = size if original_length < 0 else original_length
        head = struct.pack("<IIIII", interface, time_ns >> 32, time_ns & 0xFFFFFFFF, size, whole)
        parts = [head, data, bytes(-size % 4)]
        if direction is not None:
            parts.append(_option(_OPTION_FLAGS, struct.pack("<I", direction)))
        if comment:
            parts.append(_option(_OPTION_COMMENT, comment.encode("utf-8", "replace")[:65535]))
        if len(parts) > 3:
            parts.append(_option(_OPTION_END, b""))
        self._file.write(_block(_ENHANCED_PACKET, b"".join(parts)))

    def flush(self) -> None:
        """Hand to the system what has been written."""
        self._file.flush()

    def close(self) -> None:
        """Flush; the file stays open."""
        self._file.flush()

    def __enter__(self) -> "CaptureWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class CaptureReader:
    """Reads pcap (of either order, micro- or nanoseconds) or pcapng from a binary file.

    Iterating gives Records; it may be done once. `interfaces` grows as their descriptions are met,
    and their numbers go on counting from one section of a file to the next. `ended` is when the
    capture ended by what its statistics say, nanoseconds; 0 where they do not.
    """

    interfaces: list[CaptureInterface]
    ended: int
    _source: "_Source"
    _first: int

    def __init__(self, file: BinaryIO) -> None:
        self.interfaces = []
        self.ended = 0
        self._source = _Source(file)
        self._first = 0

    def __iter__(self) -> Iterator[Record]:
        source = self._source
        if not source.have(4):
            raise CaptureError("no capture: fewer than four octets", 0)
        magic = source.buffer[source.at : source.at + 4]
        if magic == b"\x0a\x0d\x0d\x0a":
            return self._blocks()
        for order in "<>":
            number = struct.unpack(order + "I", magic)[0]
            if number == 0xA1B2C3D4:
                return self._pcap(order, 1000)
            if number == 0xA1B23C4D:
                return self._pcap(order, 1)
        raise CaptureError(f"neither pcap nor pcapng: it begins with {magic.hex()}", 0)

    def _pcap(self, order: str, fraction: int) -> Iterator[Record]:
        """Read the records of a pcap file; `fraction` is the nanoseconds in one unit."""
        source = self._source
        source.need(24, "the header")
        snap_length, linktype = struct.unpack_from(order + "II", source.buffer, source.at + 16)
        linktype &= 0xFFFF  # above it, how long a frame check sequence is
        interface = CaptureInterface(linktype, snap_length)
        interface.multiplier = fraction
        self.interfaces.append(interface)
        source.skip(24)
        header = struct.Struct(order + "IIII")
        while source.have(1):
            source.need(16, "a record's header")
            seconds, rest, size, whole = header.unpack_from(source.buffer, source.at)
            if size > _MOST:
                raise CaptureError(f"damaged: a record of {size} octets", source.offset())
            source.need(16 + size, "a record")
            at = source.at + 16
            data = source.buffer[at : at + size]
            source.skip(16 + size)
            yield Record(seconds * SECOND + rest * fraction, linktype, data, whole)

    def _blocks(self) -> Iterator[Record]:
        """Read the blocks of a pcapng file."""
        order = "<"
        while self._source.have(1):
            order, record = self._one_block(order)
            if record is not None:
                yield record

    def _one_block(self, order: str) -> tuple[str, Record | None]:
        """Read the next block; return the byte order from now on, and the packet in it if any."""
        source = self._source
        source.need(12, "a block's header")
        kind, size = struct.unpack_from(order + "II", source.buffer, source.at)
        if kind == _SECTION_HEADER:
            order = self._order()
            size = struct.unpack_from(order + "I", source.buffer, source.at + 4)[0]
            self._first = len(self.interfaces)
        if size < 12 or size % 4:
            raise CaptureError(f"damaged: a block of {size} octets", source.offset())
        if kind not in _READ:
            source.skip_far(size)
            return order, None
        if size > _MOST:
            raise CaptureError(f"damaged: a block of {size} octets", source.offset())
        source.need(size, "a block")
        start, end = source.at + 8, source.at + size - 4
        if struct.unpack_from(order + "I", source.buffer, end)[0] != size:
            raise CaptureError("damaged: a block's two lengths differ", source.offset())
        record: Record | None = None
        if kind == _INTERFACE:
            self._interface(order, start, end)
        elif kind == _STATISTICS:
            self._statistics(order, start, end)
        else:
            record = self._record(kind, order, start, end)
        source.skip(size)
        return order, record

    def _order(self) -> str:
        """Return the byte order of the section that begins here."""
        source = self._source
        magic = source.buffer[source.at + 8 : source.at + 12]
        for order in "<>":
            if struct.unpack(order + "I", magic)[0] == _BYTE_ORDER:
                return order
        raise CaptureError(f"damaged: a byte order of {magic.hex()}", source.offset())

    def _interface(self, order: str, start: int, end: int) -> None:
        source = self._source
        if end - start < 8:
            raise CaptureError("damaged: a short description of an interface", source.offset())
        linktype, _, snap_length = struct.unpack_from(order + "HHI", source.buffer, start)
        interface = CaptureInterface(linktype, snap_length)
        for code, value in _options(source.buffer, order, start + 8, end):
            if code == _OPTION_NAME:
                interface.name = value.decode("utf-8", "replace")
            elif code == _OPTION_RESOLUTION and value:
                base = 2 if value[0] & 0x80 else 10
                interface.multiplier = SECOND
                interface.divisor = base ** (value[0] & 0x7F)
            elif code == _OPTION_OFFSET and len(value) == 8:
                interface.offset_ns = struct.unpack(order + "q", value)[0] * SECOND
        if len(self.interfaces) >= _MOST_INTERFACES:
            raise CaptureError(f"damaged: {_MOST_INTERFACES} interfaces, and more", source.offset())
        self.interfaces.append(interface)

    def _statistics(self, order: str, start: int, end: int) -> None:
        """Note when an interface was listened to last."""
        buffer = self._source.buffer
        if end - start < 12:
            return
        number = self._first + struct.unpack_from(order + "I", buffer, start)[0]
        for code, value in _options(buffer, order, start + 12, end):
            if code == _OPTION_END_TIME and len(value) == 8 and number < len(self.interfaces):
                high, low = struct.unpack(order + "II", value)
                time = self.interfaces[number].nanoseconds(high << 32 | low)
                self.ended = max(self.ended, time)

    def _record(self, kind: int, order: str, start: int, end: int) -> Record:
        """Read the body of a packet block in the buffer's [start:end]."""
        source = self._source
        buffer = source.buffer
        length = 4 if kind == _SIMPLE_PACKET else 20
        if end - start < length:
            raise CaptureError("damaged: a short packet block", source.offset())
        index, high, low = 0, 0, 0
        if kind == _ENHANCED_PACKET:
            index, high, low, size, whole = struct.unpack_from(order + "IIIII", buffer, start)
        elif kind == _OBSOLETE_PACKET:
            index, _, high, low, size, whole = struct.unpack_from(order + "HHIIII", buffer, start)
        else:
            whole = struct.unpack_from(order + "I", buffer, start)[0]
            size = min(whole, end - start - 4)
        number = self._first + index
        if number >= len(self.interfaces):
            raise CaptureError(f"damaged: no interface {index}", source.offset())
        interface = self.interfaces[number]
        if kind == _SIMPLE_PACKET and interface.snap_length:
            size = min(size, interface.snap_length)
        at = start + length
        if at + size > end:
            raise CaptureError(f"damaged: {size} octets in a shorter block", source.offset())
        record = Record(0, interface.linktype, buffer[at : at + size], whole, number)
        if kind == _SIMPLE_PACKET:
            return record
        record.time_ns = interface.nanoseconds(high << 32 | low)
        at += (size + 3) & ~3
        if at < end:
            _read_packet_options(record, _options(buffer, order, at, end), order)
        return record


def read_capture(file: BinaryIO) -> Iterator[Record]:
    """Return the records of a pcap or pcapng file; raises CaptureError at once for anything else.

    With `CaptureReader` the interfaces' names can be had too.
    """
    return iter(CaptureReader(file))


class _Source:
    """A window on a file: `buffer[at:]` is what has been read and not yet used."""

    file: BinaryIO
    buffer: bytes
    at: int
    before: int

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.buffer = b""
        self.at = 0
        self.before = 0

    def offset(self) -> int:
        """Return where in the file `at` is."""
        return self.before + self.at

    def have(self, size: int) -> bool:
        """Return whether that many octets are there, having read on when they were not."""
        if len(self.buffer) - self.at >= size:
            return True
        chunks = [self.buffer[self.at :]]
        self.before += self.at
        self.at = 0
        held = len(chunks[0])
        while held < size:
            chunk = self.file.read(max(size - held, _BUFFER))
            if not chunk:
                break
            chunks.append(chunk)
            held += len(chunk)
        self.buffer = b"".join(chunks)
        return held >= size

    def need(self, size: int, what: str) -> None:
        """Raise when the file ends before that many octets."""
        if not self.have(size):
            raise CaptureError(f"cut short in {what}", self.offset())

    def skip(self, size: int) -> None:
        """Go past octets that are there."""
        self.at += size

    def skip_far(self, size: int) -> None:
        """Go past octets that may not have been read, without keeping them."""
        start = self.offset()
        while size:
            if not self.have(1):
                raise CaptureError("cut short in a block", start)
            step = min(size, len(self.buffer) - self.at)
            self.at += step
            size -= step


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _options(buffer: bytes, order: str, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the options in buffer[at:end], up to the end of the list or the first fault."""
    while at + 4 <= end:
        code, size = struct.unpack_from(order + "HH", buffer, at)
        if code == _OPTION_END or at + 4 + size > end:
            break
        yield code, buffer[at + 4 : at + 4 + size]
        at += 4 + ((size + 3) & ~3)


def _read_packet_options(record: Record, options: Iterator[tuple[int, bytes]], order: str) -> None:
    comments: list[str] = []
    for code, value in options:
        if code == _OPTION_COMMENT:
            comments.append(value.decode("utf-8", "replace"))
        elif code == _OPTION_FLAGS and len(value) == 4:
            direction = struct.unpack(order + "I", value)[0] & 3
            record.direction = direction if direction in (INBOUND, OUTBOUND) else None
    record.comment = "\n".join(comments)
