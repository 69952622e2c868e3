"""Capture files (the pcap and pcapng drafts)."""

import gzip
import io
import json
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.wire.capture import (
    INBOUND,
    LINKTYPE_ETHERNET,
    LINKTYPE_RAW,
    OUTBOUND,
    CaptureError,
    CaptureReader,
    CaptureWriter,
    Record,
    read_capture,
)

records = st.builds(
    Record,
    st.integers(0, 2**64 - 1),
    st.just(LINKTYPE_RAW),
    st.binary(max_size=50),
    st.integers(50, 70000),
    st.just(0),
    st.sampled_from([None, INBOUND, OUTBOUND]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
)


def fields(record: Record) -> tuple[object, ...]:
    return (
        record.time_ns,
        record.linktype,
        record.data,
        record.original_length,
        record.interface,
        record.direction,
        record.comment,
    )


def written(packets: list[Record]) -> bytes:
    file = io.BytesIO()
    with CaptureWriter(file) as writer:
        for one in packets:
            writer.write(one.data, one.time_ns, one.direction, one.comment, 0, one.original_length)
    return file.getvalue()


def read(raw: bytes) -> tuple[list[Record], CaptureError | None]:
    """What a file holds, and what is wrong with it."""
    found: list[Record] = []
    try:
        for record in read_capture(io.BytesIO(raw)):
            found.append(record)
    except CaptureError as error:
        return found, error
    return found, None


def block(order: str, kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, linktype: int = 1, snap: int = 0, options: bytes = b"") -> bytes:
    return block(order, 1, struct.pack(order + "HHI", linktype, 0, snap) + options)


def enhanced(order: str, ticks: int, data: bytes, number: int = 0) -> bytes:
    head = struct.pack(
        order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)
    )
    return block(order, 6, head + data + bytes(-len(data) % 4))


@given(st.lists(records, max_size=5))
def test_what_is_written_is_read_back(packets: list[Record]) -> None:
    """To the nanosecond, with direction and comment."""
    found, error = read(written(packets))
    assert error is None
    assert [fields(one) for one in found] == [fields(one) for one in packets]


@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_a_cut_file_gives_what_it_holds(packets: list[Record], data: st.DataObject) -> None:
    """Then it says where it was cut."""
    raw = written(packets)
    first = len(written([]))
    cut = data.draw(st.integers(0, len(raw) - 1))
    found, error = read(raw[:cut])
    assert [fields(one) for one in found] == [fields(one) for one in packets[: len(found)]]
    ends = [len(written(packets[:count])) for count in range(len(packets) + 1)]
    if cut in ends:
        assert error is None
    elif cut > first:
        assert error is not None
        assert error.offset == max(end for end in ends if end < cut)
        assert len(found) == ends.index(error.offset)
    if cut > first:
        assert len(found) == sum(end <= cut for end in ends) - 1


@given(st.binary(max_size=120), st.sampled_from(["<", ">"]))
def test_no_octets_make_the_reader_raise_anything_else(data: bytes, order: str) -> None:
    """A CaptureError is all that can come."""
    for start in (
        b"",
        section(order),
        section(order) + interface(order),
        section(order) + interface(order) + struct.pack(order + "II", 6, 64),
        struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1),
    ):
        for one in read(start + data)[0]:
            assert len(one.data) <= len(data)


@given(st.lists(records, min_size=1, max_size=3), st.integers(0, 2000), st.integers(0, 255))
def test_damage_is_no_disaster(packets: list[Record], at: int, octet: int) -> None:
    """Whatever octet is hurt."""
    raw = bytearray(written(packets))
    raw[at % len(raw)] = octet
    assert len(read(bytes(raw))[0]) <= len(packets) + 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_a_pcap_of_either_order_and_resolution_is_read(order: str, magic: int, unit: int) -> None:
    """The pcap draft, 4: the magic number tells both; FCS bits are no part of the link type."""
    raw = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 0x24000000 | LINKTYPE_ETHERNET)
    raw += struct.pack(order + "IIII", 7, 5, 3, 60) + b"abc"
    raw += struct.pack(order + "IIII", 8, 6, 0, 0)
    found, error = read(raw)
    assert error is None
    assert [fields(one) for one in found] == [
        (7_000_000_000 + 5 * unit, 1, b"abc", 60, 0, None, ""),
        (8_000_000_000 + 6 * unit, 1, b"", 0, 0, None, ""),
    ]


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_kind_of_packet_block_is_read(order: str) -> None:
    """The pcapng draft, 4: enhanced, simple, and the obsolete one; others are passed over."""
    raw = section(order) + interface(order, 101, 4)
    raw += block(order, 0xBAD, b"four" * 100_000)
    raw += block(order, 3, struct.pack(order + "I", 9) + b"simp")
    raw += block(
        order,
        2,
        struct.pack(order + "HHIIII", 0, 0, 0, 77, 3, 90)
        + b"old\0"
        + option(order, 2, struct.pack(order + "I", OUTBOUND))
        + option(order, 0, b""),
    )
    raw += enhanced(order, 1 << 33, b"en")
    found, error = read(raw)
    assert error is None
    assert [fields(one) for one in found] == [
        (0, 101, b"simp", 9, 0, None, ""),
        (77_000, 101, b"old", 90, 0, OUTBOUND, ""),
        ((1 << 33) * 1000, 101, b"en", 2, 0, None, ""),
    ]


@pytest.mark.parametrize(
    ("resolution", "ticks", "time_ns"),
    [(6, 5, 5000), (9, 5, 5), (3, 5, 5_000_000), (12, 5999, 5), (0x80 | 1, 5, 2_500_000_000)],
)
def test_timestamps_mean_what_the_interface_says(resolution: int, ticks: int, time_ns: int) -> None:
    """The pcapng draft, 4.2: if_tsresol by powers of 10 or of 2, if_tsoffset in seconds."""
    for order in "<>":
        options = option(order, 9, bytes((resolution,)))
        options += option(order, 14, struct.pack(order + "q", -1)) + option(order, 2, b"eth0")
        raw = section(order) + interface(order, 1, 0, options) + enhanced(order, ticks, b"")
        reader = CaptureReader(io.BytesIO(raw))
        assert [one.time_ns for one in reader] == [time_ns - 1_000_000_000]
        assert reader.interfaces[0].name == "eth0"


def test_interfaces_count_on_from_section_to_section() -> None:
    """The pcapng draft, 4.1: each section numbers its own, in its own byte order."""
    raw = section("<") + interface("<", 1) + interface("<", 101) + enhanced("<", 0, b"a", 1)
    raw += section(">") + interface(">", 113) + enhanced(">", 0, b"b", 0)
    found, error = read(raw)
    assert error is None
    assert [(one.interface, one.linktype, one.data) for one in found] == [
        (1, 101, b"a"),
        (2, 113, b"b"),
    ]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "fewer than four octets"),
        (b"\x7fELF", "neither pcap nor pcapng"),
        (struct.pack("<I", 0xA1B2C3D4), "cut short in the header"),
        (section("<") + block("<", 6, bytes(20)), "no interface 0"),
        (section("<") + interface("<") + block("<", 6, bytes(8)), "a short packet block"),
        (section("<") + block("<", 1, bytes(4)), "a short description of an interface"),
        (section("<") + struct.pack("<III", 1, 13, 0), "a block of 13 octets"),
        (section("<") + struct.pack("<III", 6, 1 << 30, 0), "a block of 1073741824 octets"),
        (section("<") + interface("<")[:-4] + b"\1\1\1\1", "two lengths differ"),
        (section("<")[:8] + b"!" * 20, "a byte order of 21212121"),
        (
            section("<") + interface("<") + block("<", 6, struct.pack("<IIIII", 0, 0, 0, 99, 99)),
            "99 octets in a shorter block",
        ),
        (
            struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0, 1) + b"\xff" * 16,
            "a record of 4294967295 octets",
        ),
    ],
)
def test_damage_is_named(raw: bytes, problem: str) -> None:
    """With the place, so that it can be looked at."""
    _, error = read(raw)
    assert error is not None
    assert problem in str(error)
    assert (f"(at octet {error.offset})" in str(error)) == (error.offset > 0)


@pytest.mark.parametrize("order", "<>")
def test_statistics_tell_when_a_capture_ended(order: str) -> None:
    """In the units of their interface; one that is not described tells nothing."""

    def statistics(number: int, ticks: int) -> bytes:
        words = struct.pack(order + "II", ticks >> 32, ticks & 0xFFFFFFFF)
        body = struct.pack(order + "III", number, 0, 0) + option(order, 2, words)
        return block(order, 5, body + option(order, 3, words) + option(order, 0, b""))

    head = section(order) + interface(order, options=option(order, 9, b"\x03"))
    file = head + statistics(0, 5000) + statistics(0, 4000) + statistics(7, 9000)
    reader = CaptureReader(io.BytesIO(file + block(order, 5, b"")))
    assert list(reader) == [] and reader.ended == 5 * 10**9


def test_interfaces_without_end_are_damage() -> None:
    """Each costs memory for as long as the file is read."""
    records, error = read(section("<") + interface("<") * 70_000)
    assert not records and "65536 interfaces, and more" in str(error)


def test_a_packet_with_very_many_comments_is_read_in_time_that_grows_with_them() -> None:
    """Two hundred thousand of them, in a block of less than two megabytes."""
    head = struct.pack("<IIIII", 0, 0, 1, 0, 0)
    body = head + option("<", 1, b"four") * 200_000
    (record,), error = read(section("<") + interface("<") + block("<", 6, body))
    assert error is None and record.comment.count("four") == 200_000


class Dribble(io.RawIOBase):
    """A file that gives a few octets a time, as a pipe may, and knows how many were asked for."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0
        self.most = 0

    def read(self, size: int = -1, /) -> bytes:
        """At most seven octets."""
        self.most = max(self.most, size)
        piece = self.raw[self.at : self.at + min(size, 7)]
        self.at += len(piece)
        return piece


def test_a_pipe_is_read_like_a_file_and_in_bounded_pieces() -> None:
    """Memory is bounded by the buffer and the longest record, not by the file."""
    packets = [Record(n, LINKTYPE_RAW, bytes(1000), 1000) for n in range(30)]
    file = Dribble(written(packets) + block("<", 0xBAD, bytes(1 << 20)))
    assert len(list(read_capture(file))) == 30  # type: ignore[arg-type]
    assert file.most <= 1 << 18


def test_a_second_interface_has_its_number() -> None:
    """A recording of two devices in one file."""
    file = io.BytesIO()
    writer = CaptureWriter(file, LINKTYPE_RAW, "tun0")
    other = writer.add_interface(LINKTYPE_ETHERNET, "tap0")
    writer.write(b"x", 5, interface=other)
    writer.flush()
    writer.close()
    reader = CaptureReader(io.BytesIO(file.getvalue()))
    assert [(one.interface, one.linktype) for one in reader] == [(1, LINKTYPE_ETHERNET)]
    assert [one.name for one in reader.interfaces] == ["tun0", "tap0"]


@pytest.mark.parametrize(("time_ns", "number"), [(-1, 0), (1 << 64, 0), (0, 1), (0, -1)])
def test_what_cannot_be_written_is_our_callers_mistake(time_ns: int, number: int) -> None:
    """Nothing of it reaches the file."""
    file = io.BytesIO()
    writer = CaptureWriter(file)
    before = file.getvalue()
    with pytest.raises(ValueError, match=r"time|interface"):
        writer.write(b"", time_ns, interface=number)
    assert file.getvalue() == before


def test_captures_that_others_made_are_read_whole() -> None:
    """Every file of the index, without an error, with at least its TCP packets."""
    folder = os.environ.get("LASTACK_CAPTURES", "")
    if not folder:
        pytest.skip("LASTACK_CAPTURES names no folder of captures")
    index = json.loads((Path(folder) / "INDEX.json").read_text(encoding="utf-8"))
    for entry in index:
        path = Path(folder) / entry["name"]
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            found = list(read_capture(file))  # type: ignore[arg-type]
        assert len(found) >= (entry["tcp_packets"] or 0), path.name
        assert all(len(one.data) <= one.original_length for one in found), path.name
