"""ICMP for both versions (RFC 792, RFC 1122 3.2.2, RFC 1191, RFC 4443)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.wire import ip4, ip6
from lastack.wire.icmp import (
    ABSENT,
    FRAGMENTATION_NEEDED4,
    NO_ROUTE6,
    PORT_UNREACHABLE4,
    IcmpKind,
    IcmpMessage,
    decode_icmp4,
    decode_icmp6,
    deserves_error4,
    deserves_error6,
    echo_reply,
    encode_icmp4,
    encode_icmp6,
    error4,
    error6,
)
from lastack.wire.segment import ACK, Segment
from lastack.wire.stop import Stop

A, B, HOP = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)), bytes((10, 0, 0, 9))
A6, B6 = b"\xfd" + bytes(14) + b"\1", b"\xfd" + bytes(14) + b"\2"
TCP = Segment(4000, 80, 0xDEADBEEF, 5, ACK, 6).header() + bytes(1400)
PACKET4 = ip4.encode_ip4(A, B, 6, len(TCP)) + TCP
PACKET6 = ip6.encode_ip6(A6, B6, 6, len(TCP)) + TCP
ERRORS = [
    IcmpKind.UNREACHABLE,
    IcmpKind.TIME_EXCEEDED,
    IcmpKind.PARAMETER_PROBLEM,
    IcmpKind.PACKET_TOO_BIG,
]


def read4(raw: bytes) -> IcmpMessage:
    message = decode_icmp4(b"??" + raw + b"?", 2, 2 + len(raw))
    assert isinstance(message, IcmpMessage)
    return message


def read6(raw: bytes) -> IcmpMessage:
    message = decode_icmp6(raw, 0, len(raw), B6, A6)
    assert isinstance(message, IcmpMessage)
    return message


def header4(raw: bytes) -> ip4.Ip4:
    header = ip4.decode_ip4(raw, 0, len(raw))
    assert isinstance(header, ip4.Ip4)
    return header


def header6(raw: bytes) -> ip6.Ip6:
    header = ip6.decode_ip6(raw, 0, len(raw))
    assert isinstance(header, ip6.Ip6)
    return header


@pytest.mark.parametrize("kind", [*ERRORS, IcmpKind.SOURCE_QUENCH, IcmpKind.REDIRECT])
def test_an_error_tells_which_packet_it_is_about_v4(kind: IcmpKind) -> None:
    """RFC 1122 3.2.2: the quoted header and eight octets find the connection."""
    code = FRAGMENTATION_NEEDED4 if kind == IcmpKind.PACKET_TOO_BIG else 1
    message = read4(error4(kind, code, 0x14000000 | 1400, PACKET4))
    assert (message.version, message.kind, message.code) == (4, kind, code)
    assert message.is_error
    assert (message.quoted_source, message.quoted_destination) == (A, B)
    assert (message.quoted_source_port, message.quoted_destination_port) == (4000, 80)
    assert (message.quoted_seq, message.quoted_protocol) == (0xDEADBEEF, 6)
    assert message.mtu == (1400 if kind == IcmpKind.PACKET_TOO_BIG else 0)
    assert message.pointer == (20 if kind == IcmpKind.PARAMETER_PROBLEM else 0)
    assert message.gateway == (b"\x14\0\x05\x78" if kind == IcmpKind.REDIRECT else b"")


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_tells_which_packet_it_is_about_v6(kind: IcmpKind) -> None:
    """RFC 4443 3: as much of the packet as fits."""
    message = read6(error6(kind, NO_ROUTE6, 1400, PACKET6, B6, A6))
    assert (message.version, message.kind, message.code) == (6, kind, 0)
    assert (message.quoted_source, message.quoted_destination) == (A6, B6)
    assert (message.quoted_source_port, message.quoted_destination_port) == (4000, 80)
    assert (message.quoted_seq, message.quoted_protocol) == (0xDEADBEEF, 6)
    assert message.mtu == (1400 if kind == IcmpKind.PACKET_TOO_BIG else 0)
    assert message.pointer == (1400 if kind == IcmpKind.PARAMETER_PROBLEM else 0)


def test_an_error_fits_where_every_packet_fits() -> None:
    """RFC 1812 4.3.2.3: 576 octets; RFC 4443 2.4 c: 1280 octets; both with their IP headers."""
    assert len(error4(IcmpKind.UNREACHABLE, 1, 0, PACKET4)) == 576 - 20
    assert len(error6(IcmpKind.UNREACHABLE, 1, 0, PACKET6, A6, B6)) == 1280 - 40
    assert error4(IcmpKind.UNREACHABLE, 1, 0, PACKET4[:28])[8:] == PACKET4[:28]


@given(st.binary(max_size=100), st.integers(0, 2**32 - 1))
def test_an_echo_is_answered_with_the_same(data: bytes, rest: int) -> None:
    """RFC 1122 3.2.2.6, RFC 4443 4.2: all of the data comes back."""
    asked = read4(encode_icmp4(IcmpKind.ECHO_REQUEST, 0, rest, data))
    assert (asked.ident, asked.sequence) == (rest >> 16, rest & 0xFFFF)
    answer = read4(echo_reply(asked, B, A))
    asked6 = read6(encode_icmp6(IcmpKind.ECHO_REQUEST, 0, rest, data, B6, A6))
    answer6 = read6(echo_reply(asked6, B6, A6))
    for reply in (answer, answer6):
        assert (reply.kind, reply.body) == (IcmpKind.ECHO_REPLY, data)
        assert reply.ident << 16 | reply.sequence == rest
        assert not reply.is_error


@given(st.binary(max_size=90), st.integers(0, 255), st.integers(0, 255))
def test_no_octets_make_the_readers_raise(data: bytes, type_: int, code: int) -> None:
    """Whatever comes, a message or a reason; the checksum made right to get further in."""
    for quoted in (data, PACKET4[:20] + data, PACKET6[:40] + data, b"\x4f" + PACKET4[1:20] + data):
        body = bytes((type_, code, 0, 0)) + quoted
        assert isinstance(decode_icmp4(body, 0, len(body)), IcmpMessage | Stop)
        right = encode_icmp4(IcmpKind.UNREACHABLE, 0, 0, quoted)
        # Moving what the type gains over to the checksum keeps the sum as it was.
        first = int.from_bytes(right[:2], "big") + int.from_bytes(right[2:4], "big")
        rest = (first - (type_ << 8 | code)) % 65535
        raw = bytes((type_, code)) + rest.to_bytes(2, "big") + right[4:]
        assert isinstance(decode_icmp4(raw, 0, len(raw)), IcmpMessage | Stop)
        right = encode_icmp6(IcmpKind.UNREACHABLE, 0, 0, quoted, B6, A6)
        first = int.from_bytes(right[:2], "big") + int.from_bytes(right[2:4], "big")
        rest = (first - (type_ << 8 | code)) % 65535
        raw = bytes((type_, code)) + rest.to_bytes(2, "big") + right[4:]
        assert isinstance(decode_icmp6(raw, 0, len(raw), B6, A6), IcmpMessage | Stop)


@given(st.integers(0, (8 + 28) * 8 - 1))
def test_any_flipped_bit_is_found(bit: int) -> None:
    """RFC 792: the checksum covers the message; RFC 4443 2.3: and the pseudo-header."""
    for version in (4, 6):
        raw = bytearray(
            error4(IcmpKind.UNREACHABLE, 1, 0, PACKET4[:28])
            if version == 4
            else error6(IcmpKind.UNREACHABLE, 1, 0, PACKET6[:48], B6, A6)
        )
        raw[bit // 8] ^= 1 << bit % 8
        data = bytes(raw)
        found = (
            decode_icmp4(data, 0, len(data))
            if version == 4
            else decode_icmp6(data, 0, len(data), B6, A6)
        )
        assert found is Stop.BAD_ICMP


@pytest.mark.parametrize("size", [0, 7])
def test_a_short_message_is_malformed(size: int) -> None:
    """RFC 792: eight octets at least."""
    assert decode_icmp4(bytes(size), 0, size) is Stop.BAD_ICMP
    assert decode_icmp6(bytes(size), 0, size, A6, B6) is Stop.BAD_ICMP


def test_an_error_that_quotes_no_packet_is_malformed() -> None:
    """RFC 1122 3.2.2: there is nobody to tell it to."""
    for quoted in (b"", PACKET4[:19], PACKET6[:40], b"\x46" + PACKET4[1:20]):
        raw = error4(IcmpKind.UNREACHABLE, 1, 0, quoted)
        assert decode_icmp4(raw, 0, len(raw)) is Stop.BAD_ICMP
    for quoted in (b"", PACKET6[:39], PACKET4[:60]):
        raw = error6(IcmpKind.UNREACHABLE, 1, 0, quoted, B6, A6)
        assert decode_icmp6(raw, 0, len(raw), B6, A6) is Stop.BAD_ICMP


def test_a_quotation_too_short_for_the_ports_leaves_them_absent() -> None:
    """RFC 792 promises eight octets; not everybody keeps the promise."""
    message = read4(error4(IcmpKind.UNREACHABLE, 1, 0, PACKET4[:27]))
    assert (message.quoted_destination, message.quoted_protocol) == (B, 6)
    assert (message.quoted_source_port, message.quoted_seq) == (ABSENT, ABSENT)


def test_a_later_fragment_has_no_ports() -> None:
    """RFC 791: they stand in the first one."""
    raw = ip4.encode_ip4(A, B, 6, 20, offset=8) + bytes(20)
    assert read4(error4(IcmpKind.TIME_EXCEEDED, 1, 0, raw)).quoted_source_port == ABSENT
    body = ip6.encode_fragment_header(6, 1, 8, False) + bytes(20)
    raw = ip6.encode_ip6(A6, B6, ip6.FRAGMENT, len(body)) + body
    assert read6(error6(IcmpKind.TIME_EXCEEDED, 1, 0, raw, B6, A6)).quoted_source_port == ABSENT


def test_options_and_extension_headers_are_stepped_over() -> None:
    """The ports lie behind them; a source-routed packet is known by its last hop."""
    options = ip4.encode_source_route((B, HOP))
    raw = ip4.encode_ip4(A, HOP, 6, len(TCP), options=options) + TCP
    message = read4(error4(IcmpKind.UNREACHABLE, 1, 0, raw))
    assert (message.quoted_destination, message.quoted_source_port) == (HOP, 4000)
    body = bytes.fromhex("2c000104000000000600000100000007") + TCP
    raw = ip6.encode_ip6(A6, B6, ip6.DESTINATION_OPTIONS, len(body)) + body
    message = read6(error6(IcmpKind.UNREACHABLE, 1, 0, raw, B6, A6))
    assert (message.quoted_protocol, message.quoted_seq) == (6, 0xDEADBEEF)


def test_what_is_not_about_us_is_other() -> None:
    """Timestamps, neighbours and the like: their type stands there."""
    raw = encode_icmp6(IcmpKind.ECHO_REQUEST, 0, 0, bytes(16), B6, A6)
    first = int.from_bytes(raw[2:4], "big") - (135 - 128 << 8)
    raw = b"\x87\0" + (first % 65535).to_bytes(2, "big") + raw[4:]
    message = read6(raw)
    assert (message.kind, message.type, len(message.body)) == (IcmpKind.OTHER, 135, 16)


@pytest.mark.parametrize(
    ("raw", "deserved"),
    [
        (PACKET4, True),
        (ip4.encode_ip4(A, B, 6, 20, offset=8) + bytes(20), False),
        (ip4.encode_ip4(A, b"\xff" * 4, 6, 0), False),
        (ip4.encode_ip4(A, b"\xe0\0\0\1", 6, 0), False),
        (ip4.encode_ip4(bytes(4), B, 6, 0), False),
        (ip4.encode_ip4(A, B, 1, 0), False),
        (ip4.encode_ip4(A, B, 1, 1) + b"\3", False),
        (ip4.encode_ip4(A, B, 1, 1) + b"\x08", True),
    ],
)
def test_not_every_packet_deserves_an_error_v4(raw: bytes, deserved: bool) -> None:
    """RFC 1122 3.2.2: no error about errors, groups, later fragments."""
    assert deserves_error4(header4(raw), raw) is deserved


@pytest.mark.parametrize(
    ("raw", "deserved", "to_multicast"),
    [
        (PACKET6, True, True),
        (ip6.encode_ip6(A6, b"\xff\2" + bytes(14), 6, 0), False, True),
        (ip6.encode_ip6(b"\xff\2" + bytes(14), B6, 6, 0), False, False),
        (ip6.encode_ip6(bytes(16), B6, 6, 0), False, False),
        (ip6.encode_ip6(A6, B6, 58, 0), False, False),
        (ip6.encode_ip6(A6, B6, 58, 1) + b"\1", False, False),
        (ip6.encode_ip6(A6, B6, 58, 1) + b"\x89", False, False),
        (ip6.encode_ip6(A6, B6, 58, 1) + b"\x80", True, True),
    ],
)
def test_not_every_packet_deserves_an_error_v6(
    raw: bytes, deserved: bool, to_multicast: bool
) -> None:
    """RFC 4443 2.4 e: but some errors may answer a packet to a group."""
    assert deserves_error6(header6(raw), raw) is deserved
    assert deserves_error6(header6(raw), raw, True) is to_multicast


def test_a_port_unreachable_reads_well_in_a_log() -> None:
    """A message says what it is."""
    message = read4(error4(IcmpKind.UNREACHABLE, PORT_UNREACHABLE4, 0, PACKET4))
    assert repr(message) == "<ICMPv4 UNREACHABLE code 3>"
