"""A segment is found in whatever it was wrapped in, and what is no segment has a reason."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastack.observe.core.frames import Frames, Skipped
from lastack.wire.ip4 import encode_ip4
from lastack.wire.ip6 import encode_fragment_header, encode_ip6

A4, B4 = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
A6, B6 = bytes(15) + b"\x01", bytes(15) + b"\x02"
TCP = struct.pack("!HHIIBBHHH", 1000, 80, 1, 2, 5 << 4, 0x10, 100, 0, 0) + b"text"
PORTS = struct.pack("!HH", 1000, 80)


def ip4(protocol: int, payload: bytes, flags: int = 0, ident: int = 1) -> bytes:
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, flags, 64, protocol, 0, A4, B4
    )
    return head + payload


def ip6(following: int, payload: bytes) -> bytes:
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload), following, 64, A6, B6) + payload


PLAIN = ip4(6, TCP)
ETHERNET = bytes(12)
UDP_TO_VXLAN = struct.pack("!HHHH", 5000, 4789, 0, 0) + b"\x08" + bytes(7)

WRAPPED = {
    "raw": (101, PLAIN),
    "ethernet": (1, ETHERNET + b"\x08\x00" + PLAIN),
    "a VLAN tag": (1, ETHERNET + b"\x81\x00\x00\x05\x08\x00" + PLAIN),
    "QinQ": (1, ETHERNET + b"\x88\xa8\x00\x07\x81\x00\x00\x05\x08\x00" + PLAIN),
    "SNAP": (1, ETHERNET + b"\x00\x50" + b"\xaa\xaa\x03\x00\x00\x00\x08\x00" + PLAIN),
    "MPLS": (1, ETHERNET + b"\x88\x47" + b"\x00\x01\x00\x40" + b"\x00\x02\x01\x40" + PLAIN),
    "PPPoE": (1, ETHERNET + b"\x88\x64" + b"\x11\x00\x00\x01\x00\x30" + b"\x00\x21" + PLAIN),
    "SLL": (113, bytes(14) + b"\x08\x00" + PLAIN),
    "SLL2": (276, b"\x08\x00" + bytes(18) + PLAIN),
    "null": (0, b"\x02\x00\x00\x00" + PLAIN),
    "loop": (108, b"\x00\x00\x00\x02" + PLAIN),
    "NFLOG": (239, b"\x02\x00\x00\x00" + b"\x08\x00\x01\x00abcd" + b"\x30\x00\x09\x00" + PLAIN),
    "IPv4 options": (101, b"\x46" + PLAIN[1:2] + b"\x00\x30" + PLAIN[4:20] + b"\x01" * 4 + TCP),
    "IP in IP": (101, ip4(4, PLAIN)),
    "GRE": (101, ip4(47, b"\x00\x00\x08\x00" + PLAIN)),
    "GRE with a key": (101, ip4(47, b"\x20\x00\x08\x00" + bytes(4) + PLAIN)),
    "Ethernet in GRE": (101, ip4(47, b"\x00\x00\x65\x58" + ETHERNET + b"\x08\x00" + PLAIN)),
    "VXLAN": (101, ip4(17, UDP_TO_VXLAN + ETHERNET + b"\x08\x00" + PLAIN)),
    "6in4": (101, ip4(41, ip6(6, TCP))),
    "IPv6": (101, ip6(6, TCP)),
    "IPv6 with extensions": (101, ip6(0, b"\x3c\x00" + bytes(6) + b"\x06\x00" + bytes(6) + TCP)),
    "an atomic fragment": (101, ip6(44, encode_fragment_header(6, 9, 0, False) + TCP)),
    "trailing octets": (1, ETHERNET + b"\x08\x00" + PLAIN + bytes(6)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_the_segment_is_found_in(name: str) -> None:
    """Every link layer and tunnel that the reader knows."""
    linktype, frame = WRAPPED[name]
    frames = Frames()
    assert frames.find_tcp(frame, 0, len(frame), linktype, 0), frames.found.skipped
    found = frames.found
    assert found.data[found.start : found.stop] == TCP
    assert found.length == len(TCP)
    assert found.key == (A6 + B6 if "6" in name or "atomic" in name else A4 + B4) + PORTS


def test_fragments_are_put_together_in_any_order() -> None:
    """RFC 791 3.2 and RFC 8200 4.5: the last one to come brings the segment."""
    text = TCP + bytes(1000)
    first = encode_ip4(A4, B4, 6, 512, ident=7, dont_fragment=False)
    assert len(first) == 20 and len(encode_ip6(A6, B6, 6, 1)) == 40
    pieces = [
        ip4(6, text[0:512], flags=0x2000, ident=7),
        ip4(6, text[512:], flags=512 // 8, ident=7),
    ]
    for order in (pieces, pieces[::-1]):
        frames = Frames()
        assert not frames.find_tcp(order[0], 0, len(order[0]), 101, 0)
        assert frames.found.skipped is Skipped.FRAGMENT
        assert frames.find_tcp(order[1], 0, len(order[1]), 101, 1)
        assert frames.found.length == len(text)


def test_what_the_snapshot_cut_off_is_still_counted() -> None:
    """The length on the wire is the header's, not the file's."""
    frame = ip4(6, TCP + bytes(1000))[:50]
    frames = Frames()
    assert frames.find_tcp(frame, 0, len(frame), 101, 0)
    assert frames.found.length == len(TCP) + 1000
    assert frames.found.stop == 50


@pytest.mark.parametrize(
    ("linktype", "frame", "why"),
    [
        (1, ETHERNET + b"\x08\x06" + bytes(28), Skipped.NOT_IP),
        (1, bytes(9), Skipped.CUT),
        (101, ip4(17, bytes(20)), Skipped.NOT_TCP),
        (101, ip4(6, TCP)[:30], Skipped.CUT),
        (101, b"\x41" + PLAIN[1:], Skipped.MALFORMED),
        (777, PLAIN, Skipped.LINK_TYPE),
    ],
)
def test_what_is_no_segment_has_a_reason(linktype: int, frame: bytes, why: Skipped) -> None:
    """Everything that is passed over is counted under a name."""
    frames = Frames()
    assert not frames.find_tcp(frame, 0, len(frame), linktype, 0)
    assert frames.found.skipped is why


@given(st.sampled_from(sorted(WRAPPED)), st.data())
def test_a_cut_or_damaged_frame_never_raises(name: str, data: st.DataObject) -> None:
    """Whatever a capture holds, the reader goes on."""
    linktype, frame = WRAPPED[name]
    octets = bytearray(frame)
    for _ in range(data.draw(st.integers(0, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    stop = data.draw(st.integers(0, len(octets)))
    frames = Frames()
    if frames.find_tcp(bytes(octets[:stop]), 0, stop, linktype, 0):
        found = frames.found
        assert 0 <= found.start <= found.stop <= len(found.data)
        assert len(found.key) in (12, 36)
