"""The Internet checksum (RFC 1071), the pseudo-headers (MUST-2, MUST-3), and cutting segments."""

import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lastack.wire.checksum import (
    address_sum,
    checksum,
    checksum_holds,
    finish,
    fold,
    parts_sum,
    pseudo_sum,
    split,
    transport_checksum,
    transport_holds,
)
from lastack.wire.ip4 import Ip4, decode_ip4, encode_ip4
from lastack.wire.ip6 import Ip6, decode_ip6, encode_ip6
from lastack.wire.packet import CHECKSUM_OWED, CHECKSUM_TRUSTED, Packet
from lastack.wire.segment import ACK, CWR, FIN, PSH, SYN, URG, Segment, decode_segment

addresses = st.sampled_from([4, 16]).flatmap(
    lambda size: st.tuples(*[st.binary(min_size=size, max_size=size)] * 2)
)
octets = st.one_of(st.binary(max_size=70), st.integers(500, 3000).map(lambda n: b"\xff\xfe%" * n))


def reference(data: bytes) -> int:
    """RFC 1071 4.1, word by word."""
    if len(data) % 2:
        data += b"\0"
    total = 0
    for (word,) in struct.iter_unpack("!H", data):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """RFC 9293 3.1 and RFC 8200 8.1, octet by octet."""
    if len(source) == 4:
        return source + destination + struct.pack("!BBH", 0, protocol, length)
    return source + destination + struct.pack("!I3xB", length, protocol)


def super_segment(version: int, data: bytes, size: int, flags: int, owed: bool = True) -> Packet:
    """A super-segment as a stack hands it to a link."""
    one, two = (b"\x0a\0\0\1", b"\x0a\0\0\2") if version == 4 else (bytes(15) + b"\1", b"\xfd" * 16)
    options = bytes.fromhex("0101080a0000000100000002")
    segment = Segment(1, 2, 0xFFFFFF00, 4, flags, 500, 3000 if flags & URG else 0, options)
    length = 32 + len(data)
    if version == 4:
        header = encode_ip4(one, two, 6, length, ident=0xFFFE, tos=2)
    else:
        header = encode_ip6(one, two, 6, length, flow_label=0x12345, tos=2)
    value = pseudo_sum(one, two, 6, length) if owed else 0
    middle = len(data) // 3
    return Packet(
        header + segment.header(value),
        parts=(data[:middle], memoryview(data)[middle:]),
        parts_length=len(data),
        gso_size=size,
        checksum=CHECKSUM_OWED if owed else CHECKSUM_TRUSTED,
        checksum_start=len(header),
        checksum_offset=16,
    )


def decode(packet: bytes) -> tuple[Ip4 | Ip6, Segment]:
    """A packet's two headers; its checksums must hold."""
    header = (decode_ip4 if packet[0] >> 4 == 4 else decode_ip6)(packet, 0, len(packet))
    assert isinstance(header, Ip4 | Ip6)
    start, end = header.payload_start, header.payload_end
    assert end == len(packet)
    assert transport_holds(header.source, header.destination, 6, packet, start, end)
    segment = decode_segment(packet, start, end)
    assert isinstance(segment, Segment)
    return header, segment


@given(octets)
def test_the_checksum_is_that_of_the_plain_loop(data: bytes) -> None:
    """RFC 1071 1: one's complement of the one's complement sum; an odd octet is padded."""
    assert checksum(data) == reference(data)


@pytest.mark.parametrize("data", [b"", b"\0", bytes(1000), b"\xff", b"\xff\xff", b"\xff" * 1024])
def test_zero_and_all_ones_are_told_apart(data: bytes) -> None:
    """RFC 1071: the sum is zero only when every octet is."""
    assert checksum(data) == reference(data)
    assert fold(0) == 0
    assert fold(65535) == 65535
    assert fold(131070) == 65535


def test_the_example_of_the_rfc() -> None:
    """RFC 1071 3: 0001 f203 f4f5 f6f7 sum to ddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@given(st.lists(st.binary(max_size=9) | st.just(b"z" * 1301), max_size=6))
def test_parts_of_any_length_sum_like_one_piece(parts: list[bytes]) -> None:
    """A word may straddle two parts, or three."""
    whole = b"".join(parts)
    assert 65535 - fold(parts_sum(tuple(parts))) == reference(whole)
    views = tuple(memoryview(part) for part in parts)
    assert fold(parts_sum(views)) == fold(parts_sum(tuple(parts)))


@given(addresses, st.binary(min_size=20, max_size=60), octets, octets)
def test_a_transport_checksum_covers_the_pseudo_header(
    ends: tuple[bytes, bytes], header: bytes, one: bytes, two: bytes
) -> None:
    """MUST-2: the sender computes it; MUST-3: the receiver finds it right."""
    header = header[:16] + b"\0\0" + header[18:]
    length = len(header) + len(one) + len(two)
    assume(length < 65536)
    value = transport_checksum(*ends, 6, header, (one, two), length)
    assert value == reference(pseudo_header(*ends, 6, length) + header + one + two)
    whole = header[:16] + value.to_bytes(2, "big") + header[18:] + one + two
    assert transport_holds(*ends, 6, b"?" + whole + b"??", 1, 1 + len(whole))
    same = (address_sum(*ends) + 6 + length) % 65535
    assert same == pseudo_sum(*ends, 6, length) % 65535


@given(addresses, st.binary(min_size=18, max_size=50), st.data())
def test_any_flipped_bit_is_found(
    ends: tuple[bytes, bytes], rest: bytes, data: st.DataObject
) -> None:
    """RFC 1071: the sum changes with every bit."""
    header = rest[:16] + b"\0\0" + rest[16:]
    value = transport_checksum(*ends, 6, header, (), len(header))
    whole = bytearray(rest[:16] + value.to_bytes(2, "big") + rest[16:])
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    assert not transport_holds(*ends, 6, bytes(whole), 0, len(whole))


def test_an_empty_range_of_zeros_is_no_checksum_that_holds() -> None:
    """RFC 1071: a sum of zero cannot come from a computed checksum."""
    assert not checksum_holds(bytes(20), 0, 20)


@pytest.mark.parametrize("version", [4, 6])
@given(data=st.binary(max_size=300))
def test_an_owed_checksum_is_finished(version: int, data: bytes) -> None:
    """A packet for a link without offload is as complete as any other."""
    packet = super_segment(version, data, 0, ACK)
    whole = finish(packet)
    assert decode(whole)[1].payload == data
    assert split(packet) == [whole]
    assert packet.to_bytes() != whole


def test_what_owes_nothing_is_left_alone() -> None:
    """What the device has checked, or the peer has computed, stays as it came."""
    raw = b"E" + bytes(range(40))
    assert finish(Packet(raw)) == raw
    assert finish(Packet(raw, checksum=CHECKSUM_TRUSTED)) == raw
    assert finish(Packet(raw, checksum=CHECKSUM_OWED, checksum_start=39, checksum_offset=9)) == raw


def test_an_owed_udp_checksum_is_never_zero() -> None:
    """RFC 768: zero would say that there is none."""
    raw = encode_ip4(bytes(4), bytes(4), 17, 8) + b"\xff\xff\0\0\0\0\0\0"
    done = finish(Packet(raw, checksum=CHECKSUM_OWED, checksum_start=20, checksum_offset=6))
    assert done[26:28] == b"\xff\xff"


@pytest.mark.parametrize("owed", [True, False])
@pytest.mark.parametrize("version", [4, 6])
@given(data=st.binary(min_size=1, max_size=700), size=st.integers(7, 300))
def test_a_super_segment_is_cut_into_whole_segments(
    version: int, owed: bool, data: bytes, size: int
) -> None:
    """Lengths, numbers and checksums right; the data the same; nothing above the size."""
    flags = ACK | PSH | FIN | CWR
    pieces = split(super_segment(version, data, size, flags, owed))
    if len(data) <= size:
        assert len(pieces) == 1
        return
    at = 0
    for index, piece in enumerate(pieces):
        header, segment = decode(piece)
        assert segment.payload == data[at : at + size]
        assert segment.seq == (0xFFFFFF00 + at) % 2**32
        assert (segment.ts_val, segment.window, segment.ack, header.tos) == (1, 500, 4, 2)
        last = index == len(pieces) - 1
        assert segment.flags == ACK | (0 if index else CWR) | (PSH | FIN if last else 0)
        if isinstance(header, Ip4):
            assert header.ident == (0xFFFE + index) % 65536
            assert header.dont_fragment
        else:
            assert header.flow_label == 0x12345
        at += size
    assert at >= len(data)


def test_the_urgent_pointer_still_points_to_the_same_octet() -> None:
    """3.1: it counts from the sequence number of its own segment."""
    pieces = split(super_segment(4, bytes(4000), 1000, ACK | URG))
    urgent = [decode(piece)[1].urgent for piece in pieces]
    assert urgent == [3000, 2000, 1000, 0]
    assert [bool(decode(piece)[1].flags & URG) for piece in pieces] == [True, True, True, False]


@given(st.binary(max_size=90), st.integers(0, 50), st.sampled_from([CHECKSUM_OWED, 2, 0]))
def test_no_packet_of_a_device_makes_cutting_raise(data: bytes, start: int, state: int) -> None:
    """What a device tells us of a peer's packet may be nonsense."""
    for first in (b"", b"\x45", b"\x60"):
        raw = first + data
        packet = Packet(raw, gso_size=3, checksum=state, checksum_start=start, checksum_offset=16)
        assert split(packet)
        assert len(finish(packet)) == len(raw)


def test_a_trusted_super_segment_behind_extension_headers_is_cut_too() -> None:
    """RFC 8200 4: the TCP header is where the chain ends."""
    plain = super_segment(6, b"x" * 100, 40, ACK | SYN, owed=False).to_bytes()
    raw = plain[:4] + struct.pack("!H", len(plain) - 32) + b"\0" + plain[7:40]
    raw += b"\6\0\1\4" + bytes(4) + plain[40:]
    pieces = split(Packet(raw, gso_size=40, checksum=CHECKSUM_TRUSTED))
    assert [decode(piece)[1].length for piece in pieces] == [40, 40, 20]
