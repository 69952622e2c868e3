"""Reassembly of fragments (RFC 791 3.2, RFC 8200 4.5, RFC 5722)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.stack.fragments import TIMEOUT4, TIMEOUT6, Fragments
from lastack.units import NEVER, SECOND
from lastack.wire.ip4 import Ip4, decode_ip4, encode_ip4
from lastack.wire.ip6 import (
    DESTINATION_OPTIONS,
    FRAGMENT,
    Ip6,
    decode_ip6,
    encode_fragment_header,
    encode_ip6,
)
from lastack.wire.stop import Stop

A4, B4 = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
A6, B6 = b"\xfd" + bytes(14) + b"\1", b"\xfd" + bytes(14) + b"\2"
DATA = bytes(range(256)) * 4
VERSIONS = pytest.mark.parametrize("version", [4, 6])

Piece = tuple[int, int]


def fragment(
    version: int, start: int, end: int, data: bytes = DATA, ident: int = 7, tos: int = 0
) -> bytes:
    more = end < len(data)
    piece = data[start:end]
    if version == 4:
        head = encode_ip4(A4, B4, 6, len(piece), 9, tos, ident, False, b"\1\1\1\0", more, start)
        return head + piece
    # A destination option before the fragment header, to be kept; and TCP behind.
    body = bytes((FRAGMENT, 0)) + bytes.fromhex("010400000000")
    body += encode_fragment_header(6, ident, start, more) + piece
    return encode_ip6(A6, B6, DESTINATION_OPTIONS, len(body), 9, tos, 5) + body


def header_of(raw: bytes, start: int = 0) -> Ip4 | Ip6:
    version = raw[start] >> 4
    header = (decode_ip4 if version == 4 else decode_ip6)(raw, start, len(raw))
    assert isinstance(header, Ip4 | Ip6)
    return header


def arrives(fragments: Fragments, raw: bytes, now: int = 0) -> bytes | Stop:
    padded = b"??" + raw + b"?"
    return fragments.arrives(header_of(padded, 2), padded, 2, now)


def whole(packet: bytes | Stop, data: bytes = DATA) -> Ip4 | Ip6:
    """The header of a rebuilt packet, which must be as if it had never been cut."""
    assert isinstance(packet, bytes)
    header = header_of(packet)
    assert not header.is_fragment
    assert (header.ttl, header.protocol) == (9, 6)
    assert packet[header.payload_start :] == data
    assert header.payload_end == len(packet)
    return header


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, list[Piece], list[Piece]]:
    """A length, its pieces in order, and the same shuffled with some of them twice."""
    length = draw(st.integers(9, 400))
    edges = sorted(draw(st.sets(st.integers(1, (length - 1) // 8), max_size=9)))
    places = [0, *[edge * 8 for edge in edges], length]
    pieces = list(pairwise(places))
    repeated = draw(st.lists(st.sampled_from(pieces), max_size=4))
    return length, pieces, draw(st.permutations(pieces + repeated))


@VERSIONS
@given(cut=cuts())
def test_fragments_in_any_order_and_number_make_the_whole(
    version: int, cut: tuple[int, list[Piece], list[Piece]]
) -> None:
    """RFC 791 3.2: by offset; an exact repetition is harmless."""
    length, pieces, order = cut
    if len(pieces) == 1:
        return
    data = DATA[:length]
    fragments = Fragments()
    missing = set(pieces)
    for start, end in order:
        result = arrives(fragments, fragment(version, start, end, data))
        missing.discard((start, end))
        if not missing:
            whole(result, data)
            break
        assert result is Stop.FRAGMENT_HELD
    assert fragments.octets == 0
    assert not fragments.datagrams
    assert fragments.next_deadline() == NEVER


@VERSIONS
@given(
    pieces=st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 200), st.booleans(), st.integers(0, 3)),
        max_size=30,
    )
)
def test_the_octets_held_are_bounded_and_accounted_for(
    version: int, pieces: list[tuple[int, int, bool, int]]
) -> None:
    """Whatever comes: never more than promised, never an exception."""
    fragments = Fragments(500, 3, 5)
    for now, (place, size, more, ident) in enumerate(pieces):
        start = place * 8
        data = bytes(start + size + (1 if more else 0))
        raw = fragment(version, start, start + size, data, ident)
        if isinstance(decode_ip6(raw, 0, len(raw)), Stop) and version == 6:
            continue  # the header's reader has seen already that this is no fragment
        result = arrives(fragments, raw, now)
        assert isinstance(result, bytes) or result in (Stop.FRAGMENT_HELD, Stop.FRAGMENT_DROPPED)
        held = sum(len(p) for one in fragments.datagrams.values() for p in one.pieces)
        assert held == fragments.octets <= 500
        assert len(fragments.datagrams) <= 3
        assert all(len(one.pieces) <= 5 for one in fragments.datagrams.values())
    fragments.deadline_passed(1000 * SECOND)
    assert fragments.octets == 0
    assert not fragments.datagrams


@VERSIONS
@pytest.mark.parametrize(
    ("held", "late"),
    [
        ([(0, 104)], (96, 200)),  # over its end
        ([(200, 304)], (96, 208)),  # over its start
        ([(0, 304)], (96, 200)),  # inside
        ([(96, 200)], (0, 304)),  # around
        ([(96, 200)], (96, 208)),  # the same start, longer
        ([(0, 96), (200, 296)], (88, 208)),  # over two
    ],
)
def test_an_overlap_condemns_the_datagram_and_what_follows(
    version: int, held: list[Piece], late: Piece
) -> None:
    """RFC 5722 4: the datagram is discarded, with the fragments still to come."""
    fragments = Fragments()
    for start, end in held:
        assert arrives(fragments, fragment(version, start, end)) is Stop.FRAGMENT_HELD
    assert arrives(fragments, fragment(version, *late)) is Stop.FRAGMENT_DROPPED
    assert fragments.octets == 0
    for start, end in ((0, 512), (512, 1024)):
        assert arrives(fragments, fragment(version, start, end)) is Stop.FRAGMENT_DROPPED
    assert fragments.deadline_passed(100 * SECOND) == []
    assert arrives(fragments, fragment(version, 0, 512), 100 * SECOND) is Stop.FRAGMENT_HELD


@VERSIONS
def test_a_repetition_with_other_octets_is_an_overlap(version: int) -> None:
    """RFC 8200 4.5: only an exact duplicate may be ignored."""
    fragments = Fragments()
    arrives(fragments, fragment(version, 0, 96))
    assert arrives(fragments, fragment(version, 0, 96, b"x" * 1024)) is Stop.FRAGMENT_DROPPED
    assert fragments.octets == 0


@VERSIONS
@pytest.mark.parametrize(
    ("held", "late", "length"),
    [
        ((200, 304), (96, 104), 104),  # a last one that ends before another
        ((504, 512), (96, 112), 112),
    ],
)
def test_two_ends_contradict_each_other(
    version: int, held: Piece, late: Piece, length: int
) -> None:
    """RFC 791 3.2: there is one last fragment."""
    for first, second in (
        ((held, DATA), (late, DATA[:length])),
        ((late, DATA[:length]), (held, DATA)),
    ):
        fragments = Fragments()
        assert arrives(fragments, fragment(version, *first[0], first[1])) is Stop.FRAGMENT_HELD
        result = arrives(fragments, fragment(version, *second[0], second[1]))
        assert result is Stop.FRAGMENT_DROPPED


def test_a_piece_that_cannot_be_in_a_datagram_is_dropped() -> None:
    """RFC 791 3.1: multiples of eight octets, at most 65535, and something in it."""
    for start, size, more in ((0, 9, True), (65528, 8, False), (8, 0, False)):
        raw = encode_ip4(A4, B4, 6, size, ident=1, more_fragments=more, offset=start) + bytes(size)
        fragments = Fragments()
        assert arrives(fragments, raw) is Stop.FRAGMENT_DROPPED
        assert fragments.octets == 0


def test_a_whole_that_would_be_too_long_is_dropped() -> None:
    """RFC 791 3.1: the total length has sixteen bits, header included."""
    fragments = Fragments()
    data = bytes(65520)
    assert arrives(fragments, fragment(4, 0, 32768, data)) is Stop.FRAGMENT_HELD
    assert arrives(fragments, fragment(4, 32768, 65520, data)) is Stop.FRAGMENT_DROPPED
    assert fragments.octets == 0
    assert not fragments.datagrams


@VERSIONS
def test_datagrams_are_told_apart(version: int) -> None:
    """RFC 791 3.2, RFC 8200 4.5: by addresses and identification."""
    fragments = Fragments()
    arrives(fragments, fragment(version, 0, 512, ident=1))
    assert arrives(fragments, fragment(version, 512, 1024, ident=2)) is Stop.FRAGMENT_HELD
    whole(arrives(fragments, fragment(version, 512, 1024, ident=1)))
    whole(arrives(fragments, fragment(version, 0, 512, ident=2)))


@pytest.mark.parametrize(("version", "timeout"), [(4, TIMEOUT4), (6, TIMEOUT6)])
def test_what_is_not_whole_in_time_is_given_up_and_told(version: int, timeout: int) -> None:
    """RFC 1122 3.3.2, RFC 8200 4.5: from the first to come; told only if the first part has."""
    fragments = Fragments()
    raw = fragment(version, 0, 96, ident=1)
    assert arrives(fragments, raw, 5) is Stop.FRAGMENT_HELD
    assert arrives(fragments, fragment(version, 96, 200, ident=1), 7) is Stop.FRAGMENT_HELD
    assert arrives(fragments, fragment(version, 96, 200, ident=2), 6) is Stop.FRAGMENT_HELD
    assert fragments.next_deadline() == 5 + timeout
    assert fragments.deadline_passed(4 + timeout) == []
    assert fragments.deadline_passed(5 + timeout) == [raw]
    assert fragments.next_deadline() == 6 + timeout
    assert fragments.deadline_passed(6 + timeout) == []
    assert fragments.next_deadline() == NEVER
    assert fragments.octets == 0


@VERSIONS
def test_a_fragment_after_the_time_begins_anew(version: int) -> None:
    """An identification may come round again before anybody has called for the deadline."""
    fragments = Fragments()
    arrives(fragments, fragment(version, 0, 512))
    late = arrives(fragments, fragment(version, 512, 1024), 60 * SECOND)
    assert late is Stop.FRAGMENT_HELD
    assert fragments.octets == 512


@VERSIONS
@pytest.mark.parametrize(
    ("one", "two", "ecn"), [(2, 2, 2), (2, 3, 3), (3, 1, 3), (0, 0, 0), (0, 3, -1), (3, 0, -1)]
)
def test_congestion_met_by_a_part_is_met_by_the_whole(
    version: int, one: int, two: int, ecn: int
) -> None:
    """RFC 3168 5.3: the mark must not be lost; where it cannot be, the datagram is."""
    fragments = Fragments()
    arrives(fragments, fragment(version, 0, 512, tos=0xB8 | one))
    result = arrives(fragments, fragment(version, 512, 1024, tos=0xB8 | two))
    if ecn < 0:
        assert result is Stop.FRAGMENT_DROPPED
    else:
        assert whole(result).tos == 0xB8 | ecn


@VERSIONS
def test_what_is_no_fragment_is_whole_already(version: int) -> None:
    """RFC 6946: an atomic fragment waits for nothing."""
    fragments = Fragments()
    raw = fragment(version, 0, 1024)
    assert arrives(fragments, raw) == raw
    assert not fragments.datagrams


def test_the_headers_of_the_whole_are_those_of_the_first_part() -> None:
    """RFC 791 3.2: its options stay; RFC 8200 4.5: so does all before the fragment header."""
    fragments = Fragments()
    arrives(fragments, fragment(4, 512, 1024))
    header = whole(arrives(fragments, fragment(4, 0, 512)))
    assert isinstance(header, Ip4)
    assert header.options == b"\1\1\1\0"
    arrives(fragments, fragment(6, 512, 1024))
    packet = arrives(fragments, fragment(6, 0, 512))
    header6 = whole(packet)
    assert isinstance(header6, Ip6)
    assert isinstance(packet, bytes)
    assert packet[:48] == (
        encode_ip6(A6, B6, DESTINATION_OPTIONS, 1032, 9, 0, 5) + bytes.fromhex("0600010400000000")
    )
    assert (header6.fragment_at, header6.payload_start) == (-1, 48)
