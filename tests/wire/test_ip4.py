"""The IPv4 header and its options (RFC 791, RFC 1122 3.2.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.wire.ip4 import (
    LOOSE_SOURCE_ROUTE,
    STRICT_SOURCE_ROUTE,
    TIMESTAMP,
    Ip4,
    decode_ip4,
    encode_ip4,
    encode_source_route,
    header_checksum,
    ip4_options,
    option_fault,
    return_route,
    source_route,
)
from lastack.wire.stop import Stop

A, B, C, D = (bytes((10, 0, 0, last)) for last in (1, 2, 3, 4))
address = st.binary(min_size=4, max_size=4)
octet = st.integers(0, 255)


def arrived(raw: bytes) -> Ip4:
    header = decode_ip4(raw, 0, len(raw))
    assert isinstance(header, Ip4)
    return header


@given(
    ends=st.tuples(address, address),
    fields=st.tuples(octet, st.integers(0, 1400), octet, octet, st.integers(0, 65535)),
    flags=st.tuples(st.booleans(), st.booleans()),
    offset=st.integers(0, 8191),
    nops=st.integers(0, 10),
    around=st.tuples(st.binary(max_size=5), st.binary(max_size=5)),
)
def test_what_is_written_is_read_back(
    ends: tuple[bytes, bytes],
    fields: tuple[int, int, int, int, int],
    flags: tuple[bool, bool],
    offset: int,
    nops: int,
    around: tuple[bytes, bytes],
) -> None:
    """RFC 791 3.1: every field, with options and padding, anywhere in a buffer."""
    protocol, length, ttl, tos, ident = fields
    options = b"\1" * (4 * nops)
    head = encode_ip4(
        *ends, protocol, length, ttl, tos, ident, flags[0], options, flags[1], offset * 8
    )
    before, behind = around
    raw = before + head + bytes(length) + behind
    header = decode_ip4(raw, len(before), len(raw))
    assert isinstance(header, Ip4)
    assert (header.source, header.destination) == ends
    assert (header.protocol, header.ttl, header.tos, header.ident) == (protocol, ttl, tos, ident)
    assert (header.dscp, header.ecn) == (tos >> 2, tos & 3)
    assert (header.dont_fragment, header.more_fragments) == flags
    assert header.offset == offset * 8
    assert header.is_fragment == (flags[1] or offset > 0)
    assert header.options == options
    assert header.payload_start == len(before) + len(head)
    assert header.payload_end - header.payload_start == length


@given(st.binary(max_size=80), st.booleans())
def test_no_octets_make_the_reader_raise(data: bytes, trusted: bool) -> None:
    """Whatever comes, a header or a reason."""
    for raw in (data, b"\x45" + data, b"\x4f\0\0\x3c" + data):
        found = decode_ip4(raw, 0, len(raw), trusted)
        assert isinstance(found, Ip4 | Stop)
        if isinstance(found, Ip4):
            source_route(found.options)
            return_route(found)


@given(st.binary(max_size=40))
def test_no_options_make_their_readers_raise(options: bytes) -> None:
    """RFC 1122 3.2.1.8: well-formed or not."""
    fault = option_fault(options)
    assert -1 <= fault < len(options)
    assert all(option.at < len(options) for option in ip4_options(options))
    source_route(options)


@given(st.integers(0, 159))
def test_any_flipped_bit_is_found(bit: int) -> None:
    """RFC 1122 3.2.1.2: a host MUST verify the header checksum."""
    raw = bytearray(encode_ip4(A, B, 6, 3) + b"abc")
    raw[bit // 8] ^= 1 << bit % 8
    assert isinstance(decode_ip4(bytes(raw), 0, len(raw)), Stop)


def test_the_checksum_is_that_of_the_whole_header() -> None:
    """RFC 791 3.1: for its computation the field is zero."""
    raw = encode_ip4(A, B, 6, 3, options=b"\1\1\1\0")
    assert header_checksum(raw[:10] + b"\0\0" + raw[12:]) == int.from_bytes(raw[10:12], "big")


@pytest.mark.parametrize(
    ("raw", "stop"),
    [
        (b"", Stop.NOT_IP),
        (b"\x60" + bytes(50), Stop.NOT_IP),
        (b"\x45" + bytes(5), Stop.TRUNCATED),
        (b"\x44" + bytes(30), Stop.BAD_IP_HEADER),
        (b"\x45\0\0\x13" + bytes(30), Stop.BAD_IP_HEADER),
        (b"\x46\0\0\x14" + bytes(30), Stop.BAD_IP_HEADER),
        (b"\x45\0\0\x40" + bytes(30), Stop.TRUNCATED),
        (b"\x45\0\0\x16" + bytes(30), Stop.BAD_IP_CHECKSUM),
    ],
)
def test_a_broken_header_has_a_reason(raw: bytes, stop: Stop) -> None:
    """RFC 1122 3.2.1: silently discarded, and counted by name."""
    assert decode_ip4(raw, 0, len(raw)) is stop


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ("07", 0),  # no length
        ("01 07 01 00", 2),  # a length below 2
        ("44 08 05 00", 1),  # a length beyond the end
        ("83 06 04 00 00 00 00 00", 1),  # no whole addresses
        ("83 07 03 00 00 00 00 00", 2),  # a pointer into the option's own head
        ("83 07 05 00 00 00 00 00", 2),  # a pointer between addresses
        ("89 07 0c 00 00 00 00 00", 2),  # a pointer far behind the end
        ("83 03 04 89 03 04 00 00", 3),  # two source routes
        ("44 03 05 00", 1),  # a timestamp without its flags
        ("44 08 05 02 00 00 00 00", 1),  # half an entry of address and time
        ("44 0c 05 02 00 00 00 00 00 00 00 00", 3),  # a kind of timestamp there is not
        ("44 08 04 00 00 00 00 00", 2),  # a pointer into the option's own head
        ("94 03 00 00", 1),  # a router alert of the wrong length
    ],
)
def test_a_malformed_option_stops_the_packet_and_is_pointed_at(options: str, at: int) -> None:
    """RFC 1122 3.2.2.5: a parameter problem may say where."""
    raw = bytes.fromhex(options)
    assert option_fault(raw) == at
    if len(raw) % 4 == 0:
        packet = encode_ip4(A, B, 6, 0, options=raw)
        assert decode_ip4(packet, 0, len(packet)) is Stop.BAD_IP_OPTION


@pytest.mark.parametrize(
    "options",
    [
        "00ffffff",  # nothing behind the end counts
        "01010100",
        "9e 04 01 02",  # unknown
        "02 04 05 dc",
        "07 07 04 00 00 00 00 00",
        "44 0c 05 01 00 00 00 00 00 00 00 00",
        "44 08 09 f0 00 00 00 00",  # full, fifteen hosts more
        "94 04 00 00",
    ],
)
def test_well_formed_and_unknown_options_pass(options: str) -> None:
    """MUST-50: a TCP may ignore unknown IP options, and MUST ignore what it does not understand."""
    packet = encode_ip4(A, B, 6, 0, options=bytes.fromhex(options))
    assert arrived(packet).options == bytes.fromhex(options)


def test_options_are_listed_with_what_is_unknown() -> None:
    """RFC 1122 3.2.1.8: all of them are passed up."""
    found = ip4_options(bytes.fromhex("01 44080500 00000000 9e03ff 00 9e03ff"))
    assert [(one.kind, one.data.hex(), one.at) for one in found] == [
        (TIMESTAMP, "050000000000", 1),
        (0x9E, "ff", 9),
    ]


def test_a_completed_source_route_is_turned_around() -> None:
    """MUST-53: S came over r1 and r2, so the answer goes to r2 with the route r1, S."""
    recorded = bytes((LOOSE_SOURCE_ROUTE, 11, 12)) + B + C + b"\0"
    back = return_route(arrived(encode_ip4(A, D, 6, 0, options=recorded)))
    assert back is not None
    assert (back.first_hop, back.destination) == (C, A)
    route = source_route(back.options)
    assert route is not None
    assert (route.strict, route.addresses, route.visited) == (False, (B, A), 0)
    assert not route.complete
    assert len(back.options) % 4 == 0
    assert option_fault(back.options) == -1


def test_a_route_over_one_hop_is_turned_around_and_stays_strict() -> None:
    """MUST-53: of one recorded hop only the source is left to list."""
    recorded = bytes((STRICT_SOURCE_ROUTE, 7, 8)) + B + b"\0"
    back = return_route(arrived(encode_ip4(A, D, 6, 0, options=recorded)))
    assert back is not None
    route = source_route(back.options)
    assert route is not None
    assert (back.first_hop, route.strict, route.addresses) == (B, True, (A,))


def test_a_sender_that_listed_itself_is_no_detour() -> None:
    """RFC 1122 3.2.1.8 c, case B: formed right even if the record holds the source host."""
    recorded = bytes((LOOSE_SOURCE_ROUTE, 11, 12)) + A + C + b"\0"
    back = return_route(arrived(encode_ip4(A, D, 6, 0, options=recorded)))
    assert back is not None
    route = source_route(back.options)
    assert route is not None
    assert (back.first_hop, route.addresses) == (C, (A,))


@pytest.mark.parametrize("options", ["", "830708 0a000001 00", "830704 0a000002 00", "83030401"])
def test_without_a_completed_route_there_is_no_way_back(options: str) -> None:
    """MUST-53: only a completed route has brought the packet to its last destination."""
    assert return_route(arrived(encode_ip4(A, D, 6, 0, options=bytes.fromhex(options)))) is None


@pytest.mark.parametrize("count", [0, 10])
def test_a_route_that_does_not_fit_is_our_callers_mistake(count: int) -> None:
    """RFC 791 3.1: forty octets of options."""
    with pytest.raises(ValueError, match="1 to 9"):
        encode_source_route((A,) * count)
    assert len(encode_source_route((A,) * 9)) == 40
