"""Capture files read many packets at a time: places in a buffer instead of an object for each.

What `capture` reads record by record, with comments and directions, is read here for those who have
millions to look at and need the octets and the time alone.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final

from librt.strings import read_i32_be, read_i32_le
from librt.vecs import append, vec
from mypy_extensions import i64

from lastack.units import SECOND
from lastack.wire.capture import CaptureError, CaptureInterface, CaptureReader, Record

_U32: Final = 0xFFFFFFFF
_MOST: Final = 1 << 24
_EPB: Final = 6
_DISTANT: Final = 1 << 20
"""The upper word of a time from which on 64 bits might not hold its nanoseconds."""
_LAST: Final = (1 << 63) - 1


class Batch:
    """Packets that lie in one buffer: packet i is `data[starts[i]:stops[i]]`.

    `times` are nanoseconds since the epoch (at most 2**63 - 1), and all are of one `linktype`.
    """

    data: bytes
    linktype: int
    starts: vec[i64]
    stops: vec[i64]
    times: vec[i64]

    def __init__(
        self, data: bytes, linktype: int, starts: vec[i64], stops: vec[i64], times: vec[i64]
    ) -> None:
        self.data = data
        self.linktype = linktype
        self.starts = starts
        self.stops = stops
        self.times = times

    def __len__(self) -> int:
        return len(self.starts)


class BatchReader(CaptureReader):
    """Reads pcap or pcapng from a binary file, a batch at a time.

    A file that is damaged or cut gives all before the damage, and then a CaptureError.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)

    def batches(self) -> Iterator[Batch]:
        """Return the packets of the file; it may be done once."""
        source = self._source
        if not source.have(4):
            raise CaptureError("no capture: fewer than four octets", 0)
        magic = source.buffer[source.at : source.at + 4]
        if magic == b"\x0a\x0d\x0d\x0a":
            return self._block_batches()
        for order in ("little", "big"):
            number = int.from_bytes(magic, "little" if order == "little" else "big")
            if number == 0xA1B2C3D4:
                return self._pcap_batches(order == "little", 1000)
            if number == 0xA1B23C4D:
                return self._pcap_batches(order == "little", 1)
        raise CaptureError(f"neither pcap nor pcapng: it begins with {magic.hex()}", 0)

    def _pcap_batches(self, little: bool, fraction: int) -> Iterator[Batch]:
        source = self._source
        source.need(24, "the header")
        word = _word(source.buffer, source.at + 20, little)
        interface = CaptureInterface(int(word & 0xFFFF), 0)
        interface.multiplier = fraction
        self.interfaces.append(interface)
        source.skip(24)
        while source.have(1):
            batch, problem = self._pcap_batch(interface.linktype, little, fraction)
            if len(batch):
                yield batch
            elif not problem:
                # Not one whole record in the buffer: read as far as the next one goes.
                source.need(16, "a record's header")
                size = int(_word(source.buffer, source.at + 8, little))
                source.need(16 + size, "a record")
            if problem:
                raise CaptureError(problem, source.offset())

    def _pcap_batch(self, linktype: int, little: bool, fraction: i64) -> tuple[Batch, str]:
        """Take the whole records in the buffer; return also what is wrong behind them, or ""."""
        source = self._source
        data = source.buffer
        stop: i64 = len(data)
        at: i64 = source.at
        problem = ""
        starts, stops, times = vec[i64](), vec[i64](), vec[i64]()
        while at + 16 <= stop:
            size = _word(data, at + 8, little)
            if size > _MOST:
                problem = f"damaged: a record of {size} octets"
                break
            if at + 16 + size > stop:
                break
            time = _word(data, at, little) * SECOND + _word(data, at + 4, little) * fraction
            times = append(times, time)
            at += 16
            starts = append(starts, at)
            at += size
            stops = append(stops, at)
        source.skip(int(at) - source.at)
        return Batch(data, linktype, starts, stops, times), problem

    def _block_batches(self) -> Iterator[Batch]:
        """Packets in enhanced packet blocks in batches, everything else block by block."""
        source = self._source
        order = "<"
        while source.have(1):
            source.need(12, "a block's header")
            if _word(source.buffer, source.at, order == "<") == _EPB and self.interfaces:
                batch = self._epb_batch(order == "<")
                if len(batch):
                    yield batch
                    continue
            order, record = self._one_block(order)
            if record is not None:
                yield _batch_of(record)

    def _epb_batch(self, little: bool) -> Batch:
        """Take the whole and well-formed enhanced packet blocks of one interface that follow."""
        source = self._source
        data = source.buffer
        stop: i64 = len(data)
        at: i64 = source.at
        index = _word(data, at + 8, little) if at + 12 <= stop else -1
        number = self._first + int(index)
        if number >= len(self.interfaces):
            return Batch(data, 0, vec[i64](), vec[i64](), vec[i64]())
        interface = self.interfaces[number]
        starts, stops, times = vec[i64](), vec[i64](), vec[i64]()
        unit = _unit(interface)
        offset: i64 = interface.offset_ns
        while unit and at + 32 <= stop:
            size = _word(data, at + 4, little)
            if _word(data, at, little) != _EPB or _word(data, at + 8, little) != index:
                break
            captured = _word(data, at + 20, little)
            if size < 32 or size & 3 or size > _MOST or at + size > stop:
                break
            if captured > size - 32 or _word(data, at + size - 4, little) != size:
                break
            high = _word(data, at + 12, little)
            if high >= _DISTANT:
                break
            ticks = high << 32 | _word(data, at + 16, little)
            times = append(times, ticks * unit + offset)
            starts = append(starts, at + 28)
            stops = append(stops, at + 28 + captured)
            at += size
        source.skip(int(at) - source.at)
        return Batch(data, interface.linktype, starts, stops, times)


def _batch_of(record: Record) -> Batch:
    """Return a single packet as a batch."""
    time: i64 = min(max(record.time_ns, -_LAST), _LAST)
    size: i64 = len(record.data)
    return Batch(record.data, record.linktype, vec[i64]([0]), vec[i64]([size]), vec[i64]([time]))


def _word(data: bytes, at: i64, little: bool) -> i64:
    if little:
        return i64(read_i32_le(data, at)) & _U32
    return i64(read_i32_be(data, at)) & _U32


def _unit(interface: CaptureInterface) -> int:
    """Return the whole nanoseconds in one tick, 0 when it is not a whole number of them."""
    if interface.multiplier % interface.divisor:
        return 0
    unit = interface.multiplier // interface.divisor
    return unit if unit <= 1000 else 0
