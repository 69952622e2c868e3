"""The IPv6 header and extension headers (RFC 8200)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.wire.ip6 import (
    DESTINATION_OPTIONS,
    ERRONEOUS_FIELD,
    FRAGMENT,
    HOP_BY_HOP,
    NO_NEXT_HEADER,
    ROUTING,
    UNKNOWN_NEXT_HEADER,
    UNKNOWN_OPTION,
    Ip6,
    decode_ip6,
    encode_fragment_header,
    encode_ip6,
    problem_of,
)
from lastack.wire.stop import Stop

A, B, GROUP = b"\xfd" + bytes(14) + b"\1", b"\xfd" + bytes(14) + b"\2", b"\xff\2" + bytes(14)
address = st.binary(min_size=16, max_size=16)
octet = st.integers(0, 255)
PADDING = "0104 00000000"


def packet(first: int, body: str, destination: bytes = B) -> bytes:
    rest = bytes.fromhex(body)
    return encode_ip6(A, destination, first, len(rest)) + rest


def arrived(raw: bytes) -> Ip6:
    header = decode_ip6(raw, 0, len(raw))
    assert isinstance(header, Ip6)
    return header


@given(
    ends=st.tuples(address, address),
    fields=st.tuples(st.integers(0, 1400), octet, octet, st.integers(0, 0xFFFFF)),
    around=st.tuples(st.binary(max_size=5), st.binary(max_size=5)),
)
def test_what_is_written_is_read_back(
    ends: tuple[bytes, bytes],
    fields: tuple[int, int, int, int],
    around: tuple[bytes, bytes],
) -> None:
    """RFC 8200 3: every field, anywhere in a buffer."""
    length, ttl, tos, flow_label = fields
    before, behind = around
    raw = before + encode_ip6(*ends, 6, length, ttl, tos, flow_label) + bytes(length) + behind
    header = decode_ip6(raw, len(before), len(raw))
    assert isinstance(header, Ip6)
    assert (header.source, header.destination) == ends
    assert (header.ttl, header.tos, header.flow_label) == (ttl, tos, flow_label)
    assert (header.dscp, header.ecn, header.protocol) == (tos >> 2, tos & 3, 6)
    assert header.payload_start == len(before) + 40
    assert header.payload_end == len(before) + 40 + length
    assert not header.is_fragment


@given(st.sampled_from([0, 43, 44, 50, 51, 59, 60, 6]), st.binary(max_size=80))
def test_no_octets_make_the_reader_raise(first: int, data: bytes) -> None:
    """Whatever comes, headers or a reason; and the pointer stays inside."""
    for raw in (data, encode_ip6(A, B, first, len(data)) + data):
        found = decode_ip6(raw, 0, len(raw))
        assert isinstance(found, Ip6 | Stop)
        if isinstance(found, Ip6):
            assert 40 <= found.payload_start <= found.payload_end <= len(raw)
        problem = problem_of(raw, 0, len(raw))
        assert problem is None or problem.pointer < len(raw)


@given(st.lists(st.sampled_from([ROUTING, DESTINATION_OPTIONS]), max_size=6), st.binary(max_size=9))
def test_a_chain_is_walked_to_its_end(kinds: list[int], data: bytes) -> None:
    """RFC 8200 4.1: in any order and number, hop-by-hop first."""
    chain = [HOP_BY_HOP, *kinds, 6]
    body = b""
    for kind, following in pairwise(chain):
        body += bytes((following, 0)) + (bytes(6) if kind == ROUTING else bytes.fromhex(PADDING))
    raw = encode_ip6(A, B, HOP_BY_HOP, len(body) + len(data)) + body + data
    header = arrived(raw)
    assert header.protocol == 6
    assert raw[header.next_at] == 6
    assert raw[header.payload_start : header.payload_end] == data


@pytest.mark.parametrize(
    ("raw", "stop"),
    [
        (b"", Stop.NOT_IP),
        (b"\x45" + bytes(50), Stop.NOT_IP),
        (b"\x60" + bytes(20), Stop.TRUNCATED),
        (encode_ip6(A, B, 6, 5) + b"four", Stop.TRUNCATED),
        (packet(NO_NEXT_HEADER, ""), Stop.UNKNOWN_PROTOCOL),
        (packet(50, "00" * 16), Stop.UNKNOWN_PROTOCOL),
        (packet(51, "00" * 16), Stop.UNKNOWN_PROTOCOL),
        (packet(HOP_BY_HOP, "06"), Stop.BAD_EXTENSION),
        (packet(HOP_BY_HOP, "0601" + PADDING), Stop.BAD_EXTENSION),
        (packet(FRAGMENT, "0600"), Stop.BAD_EXTENSION),
    ],
)
def test_what_cannot_be_read_has_a_reason(raw: bytes, stop: Stop) -> None:
    """RFC 8200 3 and 4: and is counted by it."""
    assert decode_ip6(raw, 0, len(raw)) is stop


@pytest.mark.parametrize(
    ("option", "destination", "stopped", "answer"),
    [
        ("1e", B, False, None),
        ("5e", B, True, None),
        ("9e", B, True, (UNKNOWN_OPTION, 42, True)),
        ("9e", GROUP, True, (UNKNOWN_OPTION, 42, True)),
        ("de", B, True, (UNKNOWN_OPTION, 42, False)),
        ("de", GROUP, True, None),
        ("05", B, False, None),
    ],
)
def test_an_unknown_option_says_itself_what_to_do(
    option: str, destination: bytes, stopped: bool, answer: tuple[int, int, bool] | None
) -> None:
    """RFC 8200 4.2: skip, discard, or discard and report, by its two highest bits."""
    for kind in (HOP_BY_HOP, DESTINATION_OPTIONS):
        raw = packet(kind, "0600" + option + "02 0000 0100" + "aa" * 4, destination)
        found = decode_ip6(raw, 0, len(raw))
        assert (found is Stop.BAD_EXTENSION) == stopped
        problem = problem_of(raw, 0, len(raw))
        if stopped:
            said = problem and (problem.code, problem.pointer, problem.to_multicast)
            assert said == answer


@pytest.mark.parametrize(
    ("raw", "code", "pointer"),
    [
        (packet(HOP_BY_HOP, "0600 1e05 00000000"), ERRONEOUS_FIELD, 42),  # longer than its header
        (packet(HOP_BY_HOP, "0000" + PADDING + "0600" + PADDING), UNKNOWN_NEXT_HEADER, 40),
        (packet(ROUTING, "0600 0001 00000000"), ERRONEOUS_FIELD, 42),  # hops left
        (packet(51, "0600" + PADDING), UNKNOWN_NEXT_HEADER, 6),
        (packet(99, ""), UNKNOWN_NEXT_HEADER, 6),
        (packet(DESTINATION_OPTIONS, "6300" + PADDING), UNKNOWN_NEXT_HEADER, 40),
        (packet(FRAGMENT, "0600 0001 00000001" + "aa" * 9), ERRONEOUS_FIELD, 4),
        (packet(FRAGMENT, "0600 fff8 00000001" + "aa" * 9), ERRONEOUS_FIELD, 42),
    ],
)
def test_a_parameter_problem_points_to_the_fault(raw: bytes, code: int, pointer: int) -> None:
    """RFC 8200 4: code and pointer of each case."""
    problem = problem_of(b"??" + raw, 2, 2 + len(raw))
    assert problem is not None
    assert (problem.code, problem.pointer) == (code, pointer)


def test_no_next_header_is_nothing_to_complain_of() -> None:
    """RFC 8200 4.7: the rest is ignored."""
    raw = packet(NO_NEXT_HEADER, "0102")
    assert problem_of(raw, 0, len(raw)) is None


def test_a_fragment_ends_the_walk_and_tells_its_place() -> None:
    """RFC 8200 4.5: what lies behind is read when it is whole."""
    piece = encode_fragment_header(DESTINATION_OPTIONS, 77, 1232, True) + bytes(16)
    raw = encode_ip6(A, B, FRAGMENT, len(piece)) + piece
    header = arrived(raw)
    assert header.is_fragment
    assert (header.ident, header.offset, header.more_fragments) == (77, 1232, True)
    assert (header.fragment_at, header.payload_start, header.next_at) == (40, 48, 6)
    assert header.protocol == DESTINATION_OPTIONS


def test_an_atomic_fragment_is_a_whole_packet() -> None:
    """RFC 6946: handled at once, whatever else has its identification."""
    piece = encode_fragment_header(DESTINATION_OPTIONS, 77, 0, False)
    raw = packet(FRAGMENT, piece.hex() + "0600" + PADDING + "abcd")
    header = arrived(raw)
    assert not header.is_fragment
    assert (header.protocol, header.payload_start) == (6, 56)


def test_a_chain_without_end_is_cut() -> None:
    """The peer can make us read a chain, not for ever."""
    raw = packet(DESTINATION_OPTIONS, ("3c00" + PADDING) * 100)
    assert decode_ip6(raw, 0, len(raw)) is Stop.BAD_EXTENSION
