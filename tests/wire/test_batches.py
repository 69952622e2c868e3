"""A capture read in batches gives what it gives record by record, damaged or whole."""

import io
import struct

from hypothesis import given
from hypothesis import strategies as st

from lastack.wire.batches import BatchReader
from lastack.wire.capture import CaptureError, CaptureReader, CaptureWriter

Packet = tuple[int, int, bytes]


def pcapng(packets: list[tuple[int, bytes]]) -> bytes:
    file = io.BytesIO()
    writer = CaptureWriter(file)
    second = writer.add_interface(1, "other")
    for i, (time, data) in enumerate(packets):
        writer.write(data, time, interface=second if i % 3 == 2 else 0, comment="x" * (i % 2))
    writer.flush()
    return file.getvalue()


def pcap(packets: list[tuple[int, bytes]], order: str, magic: int) -> bytes:
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    for time, data in packets:
        seconds, rest = time // 10**9, time % 10**6
        out += struct.pack(order + "IIII", seconds & 0xFFFFFFFF, rest, len(data), len(data) + 3)
        out += data
    return out


def one_by_one(capture: bytes) -> tuple[list[Packet], str]:
    got: list[Packet] = []
    try:
        for record in CaptureReader(io.BytesIO(capture)):
            time = min(record.time_ns, 2**63 - 1)
            got.append((time, record.linktype, record.data))
    except CaptureError as error:
        return got, str(error)
    return got, ""


def in_batches(capture: bytes) -> tuple[list[Packet], str]:
    got: list[Packet] = []
    try:
        for batch in BatchReader(io.BytesIO(capture)).batches():
            for i in range(len(batch)):
                data = batch.data[batch.starts[i] : batch.stops[i]]
                got.append((batch.times[i], batch.linktype, data))
    except CaptureError as error:
        return got, str(error)
    return got, ""


PACKETS = st.lists(st.tuples(st.integers(0, 2**61), st.binary(max_size=70)), max_size=12)


@given(PACKETS, st.integers(0, 4), st.data())
def test_batches_hold_what_records_hold(
    packets: list[tuple[int, bytes]], kind: int, data: st.DataObject
) -> None:
    """Both orders, both units, both formats; cut anywhere, damaged anywhere."""
    capture = (
        pcapng(packets)
        if kind == 4
        else pcap(packets, "<>"[kind % 2], (0xA1B2C3D4, 0xA1B23C4D)[kind // 2])
    )
    octets = bytearray(capture)
    for _ in range(data.draw(st.integers(0, 2))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    assert in_batches(capture) == one_by_one(capture)
    assert in_batches(cut) == one_by_one(cut)
