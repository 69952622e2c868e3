"""Packetdrill's notation, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.wire.notation import Base, difference, format_segment, parse_segment
from lastack.wire.segment import ACK, AE, CWR, ECE, FIN, PSH, SYN, URG, Segment

words = st.integers(0, 2**32 - 1)
halves = st.integers(0, 2**16 - 1)
bases = st.builds(Base, words, words, words, words)
well_formed = st.one_of(
    st.just(b"\1"),
    st.binary(min_size=2, max_size=2).map(lambda v: b"\2\4" + v),
    st.binary(min_size=1, max_size=1).map(lambda v: b"\3\3" + v),
    st.just(b"\4\2"),
    st.binary(min_size=8, max_size=8).map(lambda v: b"\5\x0a" + v),
    st.binary(min_size=16, max_size=16).map(lambda v: b"\5\x12" + v),
    st.binary(min_size=8, max_size=8).map(lambda v: b"\x08\x0a" + v),
    st.binary(min_size=2, max_size=2).map(lambda v: b"\x1c\4" + v),
    st.binary(max_size=8).map(lambda v: bytes((34, 2 + len(v))) + v),
    st.tuples(st.integers(35, 255), st.binary(max_size=6)).map(
        lambda v: bytes((v[0], 2 + len(v[1]))) + v[1]
    ),
)
option_lists = st.one_of(
    st.lists(well_formed, max_size=6).map(b"".join), st.binary(max_size=40)
).map(lambda raw: (raw + bytes(-len(raw) % 4))[:40])


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    size = draw(st.integers(0, 3000))
    segment = Segment(
        1,
        2,
        draw(words),
        draw(words),
        draw(st.integers(0, 0x1FF)),
        draw(halves),
        draw(halves),
        draw(option_lists),
        (bytes(size),) if size else (),
        size,
    )
    segment.ecn = draw(st.integers(0, 3))
    return segment


def fields(segment: Segment) -> tuple[object, ...]:
    return (
        segment.source_port,
        segment.destination_port,
        segment.seq,
        segment.ack,
        segment.flags,
        segment.window,
        segment.urgent,
        segment.options,
        segment.payload,
        segment.ecn,
    )


@given(segments(), bases)
def test_what_is_written_is_read_back(segment: Segment, base: Base) -> None:
    """Every octet of the header, relative to any base and to none."""
    text = format_segment(segment, base)
    assert fields(parse_segment(text, base, 1, 2)) == fields(segment)
    assert fields(parse_segment(repr(segment), None, 1, 2)) == fields(segment)
    assert difference(text, segment, base) == ""


@given(
    st.text(max_size=30)
    | st.text("SFRP.UEWA0123456789:() ackwinurg<>,msTval[]x-", max_size=60)
    | st.tuples(segments(), st.integers(0, 60), st.text(max_size=3)).map(
        lambda v: repr(v[0])[: v[1]] + v[2] + repr(v[0])[v[1] + 1 :]
    )
)
def test_any_other_text_is_a_value_error(text: str) -> None:
    """It says what was expected and where."""
    try:
        parse_segment(text)
    except ValueError as error:
        assert "expected" in str(error)
        assert "column" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "S 0:0(0) win 65535 <mss 1460,nop,wscale 7>",
        "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,TS val 100 ecr 700>",
        "SEWA 0:0(0) win 1 <mss 1460,nop,nop,sackOK>",
        "P. 1:11(10) ack 1 win 502",
        "FP.U 1:11(10) ack 1 win 502 urg 4",
        ". 1:1(0) ack 1 win 502 <nop,nop,sack 21:31 41:51>",
        "[ce] . 1:1(0) ack 1 win 502 <uto 32778>",
        "R 1:1(0) win 0",
        "- 1:1(0) win 0",
        "S 0:0(0) win 5 <FO 0011223344556677,nop,nop>",
        "S 0:0(0) win 5 <FO,eol,eol>",
        "S 0:0(0) win 5 <0xfd04abcd,md5 00112233445566778899aabbccddeeff,nop,nop>",
        ". 1:1(0) ack 1 win 5 <ao 61 84 2ee437c6f8ede6d7c4d602e7>",
        "S 0:0(0) win 5 <eol,0xffffff>",
    ],
)
def test_a_line_comes_out_as_it_went_in(text: str) -> None:
    """One form for everything."""
    for base in (None, Base(4294967290, 17, 2**31, 5)):
        assert format_segment(parse_segment(text, base), base) == text


def test_numbers_count_from_the_base_and_wrap() -> None:
    """Both ISNs, the timestamps of both ends; SACK lies in the other end's numbers."""
    base = Base(0xFFFFFFFF, 1000, 50, 60)
    segment = parse_segment(
        "P. 1:11(10) ack 3 win 4 <nop,nop,sack 5:6,nop,nop,TS val 1 ecr 2>", base
    )
    assert (segment.seq, segment.ack, segment.sack) == (0, 1003, ((1005, 1006),))
    assert (segment.ts_val, segment.ts_ecr) == (51, 62)
    assert repr(segment) == (
        "P. 0:10(10) ack 1003 win 4 <nop,nop,sack 1005:1006,nop,nop,TS val 51 ecr 62>"
    )
    back = base.reversed()
    assert (back.seq, back.ack, back.ts_val, back.ts_ecr) == (1000, 0xFFFFFFFF, 60, 50)


def test_no_echo_is_no_echo_relative_to_any_base() -> None:
    """RFC 7323 3.2: TSecr is zero where there is no ACK."""
    segment = parse_segment("S 0:0(0) win 1 <nop,nop,TS val 1 ecr 0>", Base(0, 0, 50, 60))
    assert (segment.ts_val, segment.ts_ecr) == (51, 0)
    assert format_segment(segment, Base(0, 0, 50, 60)).endswith("ecr 0>")


@pytest.mark.parametrize(
    ("digit", "flags"),
    [("0", 0), ("1", ECE), ("2", CWR), ("5", AE | ECE), ("7", AE | CWR | ECE)],
)
def test_a_digit_is_the_counter_of_accurate_ecn(digit: str, flags: int) -> None:
    """RFC 9768 3.1: three flags are one field."""
    assert parse_segment(f"P.{digit} 1:1(0) ack 1").flags == ACK | PSH | flags


def test_what_is_left_out_is_zero_and_padded() -> None:
    """A short way to write what a test does not care for."""
    segment = parse_segment("SF 7:9(2) <mss 5,sackOK>", None, 80, 90, b"hi")
    assert (segment.window, segment.urgent, segment.ack) == (0, 0, 0)
    assert (segment.flags, segment.payload) == (SYN | FIN, b"hi")
    assert segment.options == bytes.fromhex("0204000504020000")
    assert (segment.source_port, segment.destination_port) == (80, 90)
    assert parse_segment(".U 1:1(0) ack 1").flags == ACK | URG


@pytest.mark.parametrize(
    ("text", "expected", "column"),
    [
        ("", "flags", 1),
        ("X 1:1(0)", "flags", 1),
        ("SS 1:1(0)", "flags", 2),
        ("S31 1:1(0)", "flags", 3),
        ("E3 1:1(0)", "flags", 2),
        ("S", "a sequence number", 2),
        ("S 4294967296:0(0)", "a sequence number", 3),
        ("S 1-1(0)", "':'", 4),
        ("S 1:2(0)", "1, from the length", 5),
        ("S 0:9999999(9999999)", "the octets of data", 13),
        (". 1:1(0)", "ack", 9),
        ("S 1:1(0) win 65536", "a window", 14),
        ("S 1:1(0) urg x", "an urgent pointer", 14),
        ("S 1:1(0) <mss 70000>", "a number of 16 bits", 15),
        ("S 1:1(0) <wscale 256>", "a number of 8 bits", 18),
        ("S 1:1(0) <huh>", "mss, wscale", 11),
        ("S 1:1(0) <...>", "mss, wscale", 11),
        ("S 1:1(0) <mss 5", "'>'", 16),
        ("S 1:1(0) <0x123>", "an even number", 13),
        ("S 1:1(0) <sack 1>", "':'", 17),
        ("S 1:1(0) <sack 1:2 1:2 1:2 1:2 1:2>", "at most four", 35),
        ("S 1:1(0) <TS 1>", "'val'", 14),
        ("S 1:1(0) <TS val 1>", "'ecr'", 19),
        ("S 1:1(0) <FO 012>", "a cookie", 14),
        ("S 1:1(0) <" + ",".join(["mss 1"] * 11) + ">", "at most 40 octets", 11),
        ("S 1:1(0) now", "the end", 10),
        ("[x] S 1:1(0)", "noecn", 2),
    ],
)
def test_a_mistake_is_pointed_at(text: str, expected: str, column: int) -> None:
    """What was expected, and at which column."""
    with pytest.raises(ValueError, match="expected") as caught:
        parse_segment(text)
    message = str(caught.value)
    assert message.startswith(f"expected {expected}")
    assert f" at column {column} " in message


def test_data_must_have_the_length_the_line_says() -> None:
    """A test that contradicts itself fails at once."""
    with pytest.raises(ValueError, match="describes 3 octets"):
        parse_segment("S 1:4(3)", None, 0, 0, b"four")


def test_only_what_is_said_is_compared() -> None:
    """`peer.hears(". 2:2(0) ack 2")` holds for any window and any options."""
    segment = parse_segment("[ect0] F. 1:1(0) ack 2 win 3 <mss 4>")
    for text in ("F. 1:1(0) ack 2", "F. 1:1(0) ack 2 win 3", "F. 1:1(0) ack 2 <...>"):
        assert difference(text, segment) == ""
    for text, wrong in {
        "R. 1:1(0) ack 2": "flags",
        "F. 2:2(0) ack 2": "sequence numbers",
        "F. 1:2(1) ack 2": "sequence numbers",
        "F. 1:1(0) ack 3 win 4": "ack and win",
        "F. 1:1(0) ack 2 urg 4": "urg",
        "F. 1:1(0) ack 2 <mss 5>": "options",
        "[ce] F. 1:1(0) ack 2": "ECN",
    }.items():
        told = difference(text, segment)
        assert told == f"{wrong}: expected {text}, got {segment!r}"
    assert segment.flags == FIN | ACK
