"""The segment on the wire (RFC 9293 3.1, 3.2; RFC 7323; RFC 2018; RFC 5482)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.wire.segment import (
    ABSENT,
    ACK,
    FIN,
    SYN,
    Segment,
    decode_segment,
)
from lastack.wire.stop import Stop

words = st.integers(0, 2**32 - 1)
halves = st.integers(0, 2**16 - 1)


@given(
    ports=st.tuples(halves, halves),
    numbers=st.tuples(words, words),
    flags=st.integers(0, 0xFFF),
    window=halves,
    urgent=halves,
    options=st.binary(max_size=40).map(lambda raw: raw[: len(raw) // 4 * 4]),
    data=st.binary(max_size=100),
    around=st.tuples(st.binary(max_size=9), st.binary(max_size=9)),
)
def test_what_is_written_is_read_back(
    ports: tuple[int, int],
    numbers: tuple[int, int],
    flags: int,
    window: int,
    urgent: int,
    options: bytes,
    data: bytes,
    around: tuple[bytes, bytes],
) -> None:
    """3.1: every field, whatever the options hold and wherever in a buffer it lies."""
    out = Segment(*ports, *numbers, flags, window, urgent, options)
    raw = out.header() + data
    before, behind = around
    back = decode_segment(before + raw + behind, len(before), len(before) + len(raw))
    assert isinstance(back, Segment)
    assert (back.source_port, back.destination_port) == ports
    assert (back.seq, back.ack, back.flags) == (*numbers, flags)
    assert (back.window, back.urgent, back.options) == (window, urgent, options)
    assert back.payload == data
    assert back.length == len(data)
    assert back.seq_length == len(data) + bool(flags & SYN) + bool(flags & FIN)


@given(st.binary(max_size=120))
def test_no_octets_make_the_reader_raise(data: bytes) -> None:
    """3.1: whatever comes, a segment or a reason."""
    found = decode_segment(data, 0, len(data))
    assert isinstance(found, Segment | Stop)
    if isinstance(found, Segment):
        assert found.header()[:12] == data[:12]


def test_an_impossible_data_offset_is_refused() -> None:
    """3.1: the header has at least five words, and no more than there are."""
    raw = bytearray(Segment(1, 2, 3, 4, ACK, 5).header())
    for offset, octets in ((4, 20), (0, 20), (6, 20), (15, 59), (5, 19)):
        raw[12] = offset << 4
        data = bytes(raw) + bytes(60)
        assert decode_segment(data, 0, octets) is Stop.BAD_TCP_HEADER


def test_every_option_we_know_is_read() -> None:
    """MUST-4: MSS; RFC 7323: window scale, timestamps; RFC 2018: SACK; RFC 5482: user timeout."""
    options = bytes.fromhex("020405b4 0402 080a 00000001 00000002 01 030307 1c04800a 00000000")
    segment = Segment(1, 2, 0, 0, SYN, 0, options=options)
    assert segment.mss == 1460
    assert segment.sack_permitted
    assert (segment.ts_val, segment.ts_ecr) == (1, 2)
    assert segment.window_scale == 7
    assert segment.user_timeout == 0x800A
    blocks = bytes.fromhex("0101 0512 00000001 00000002 00000003 00000004")
    assert Segment(1, 2, 0, 0, ACK, 0, options=blocks).sack == ((1, 2), (3, 4))


def test_absent_options_say_so() -> None:
    """An option of value 0 is not one that is absent."""
    segment = Segment(1, 2, 0, 0, SYN, 0)
    absent = (segment.mss, segment.window_scale, segment.ts_val, segment.user_timeout)
    assert absent == (ABSENT,) * 4
    assert segment.sack == ()
    assert not segment.sack_permitted


@pytest.mark.parametrize(
    "options",
    [
        "fd 00 0204 05b4 0000",  # a length of 0
        "fd 01 0204 05b4 0000",  # a length of 1
        "fd 20 0204 05b4 0000",  # a length beyond the end
        "01 01 01 02",  # a kind without its length
        "00 0204 05b4 000000",  # behind the end of the list
    ],
)
def test_nothing_behind_a_fault_or_the_end_is_read(options: str) -> None:
    """MUST-7: an illegal length does not crash us, and what follows has no meaning."""
    assert Segment(1, 2, 0, 0, SYN, 0, options=bytes.fromhex(options)).mss == ABSENT


def test_an_unknown_option_is_passed_over() -> None:
    """MUST-6: by its length, be its kind what it may."""
    options = bytes.fromhex("fd04abcd 020405b4")
    assert Segment(1, 2, 0, 0, SYN, 0, options=options).mss == 1460


def test_a_known_option_of_another_length_is_no_known_option() -> None:
    """3.2: the length of each is fixed."""
    options = bytes.fromhex("0203050 0030401020203 05 06 00000001 0101".replace(" ", ""))
    segment = Segment(1, 2, 0, 0, SYN, 0, options=options)
    assert (segment.mss, segment.window_scale, segment.sack) == (ABSENT, ABSENT, ())


def test_a_super_segment_counts_the_segments_it_was() -> None:
    """The last of them may be short."""
    segment = Segment(1, 2, 0, 0, ACK, 0, parts=(bytes(2921),), length=2921, gso_size=1460)
    assert segment.segments == 3
    assert Segment(1, 2, 0, 0, ACK, 0, parts=(b"ab", b"c"), length=3).payload == b"abc"
    assert Segment(1, 2, 0, 0, ACK, 0).segments == 1
