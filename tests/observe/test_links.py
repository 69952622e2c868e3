"""The same conversation in every wrapping: the same connection as in plain Ethernet."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.observe.test_analysis import named_by_tshark, named_by_us, needs_tshark
from tests.observe.worlds import EPOCH, Tapped

from lastack.observe.connection import connection_of
from lastack.observe.reading import read
from lastack.sim.talk import Conversation
from lastack.units import SECOND
from lastack.wire.ip6 import encode_fragment_header

A4, B4 = b"\xc0\0\2\1", b"\xc0\0\2\2"
A6, B6 = bytes(15) + b"\x01", bytes(15) + b"\x02"
MACS = b"\x02\0\0\0\0\2" + b"\x02\0\0\0\0\1"


def kind(packet: bytes) -> bytes:
    return b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"


def ethernet(packet: bytes) -> bytes:
    return MACS + kind(packet) + packet


def outer4(protocol: int, inside: bytes) -> bytes:
    size = 20 + len(inside)
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, 1, 0, 64, protocol, 0, A4, B4) + inside


def outer6(following: int, inside: bytes) -> bytes:
    return struct.pack("!IHBB16s16s", 6 << 28, len(inside), following, 64, A6, B6) + inside


def vxlan(packet: bytes) -> bytes:
    inside = b"\x08\0\0\0\0\0\7\0" + ethernet(packet)
    return struct.pack("!HHHH", 5000, 4789, 8 + len(inside), 0) + inside


def nflog(packet: bytes) -> bytes:
    padded = packet + bytes(-len(packet) % 4)
    return b"\2\0\0\0" + struct.pack("<HH", len(packet) + 4, 9) + padded


def extended(packet: bytes) -> bytes:
    """Hop-by-hop options and destination options before the segment."""
    options = b"\x3c\0\1\4\0\0\0\0" + b"\x06\0\1\4\0\0\0\0"
    size = struct.unpack_from("!H", packet, 4)[0] + len(options)
    return packet[:4] + struct.pack("!HB", size, 0) + packet[7:40] + options + packet[40:]


def fragments4(number: int, packet: bytes) -> list[bytes]:
    """In pieces of 16 octets, in order."""
    text, pieces = packet[20:], []
    for at in range(0, len(text), 16):
        more = 0x2000 if at + 16 < len(text) else 0
        piece = text[at : at + 16]
        head = struct.pack("!HHH", 20 + len(piece), number, more | at // 8)
        pieces.append(packet[:2] + head + packet[8:20] + piece)
    return pieces


def fragments6(number: int, packet: bytes) -> list[bytes]:
    """In pieces of 16 octets, the last one first."""
    text, pieces = packet[40:], []
    for at in range(0, len(text), 16):
        piece = text[at : at + 16]
        piece = encode_fragment_header(6, number, at, at + 16 < len(text)) + piece
        pieces.append(packet[:4] + struct.pack("!HB", len(piece), 44) + packet[7:40] + piece)
    return pieces[::-1]


def one(wrap: Callable[[bytes], bytes]) -> Callable[[int, bytes], list[bytes]]:
    return lambda number, packet: [wrap(packet)]


GRE = b"\0\0"
WRAPPINGS: dict[str, tuple[int, int, Callable[[int, bytes], list[bytes]]]] = {
    "raw": (4, 101, one(lambda p: p)),
    "a VLAN": (4, 1, one(lambda p: MACS + b"\x81\0\0\5" + kind(p) + p)),
    "QinQ": (4, 1, one(lambda p: MACS + b"\x88\xa8\0\7\x81\0\0\5" + kind(p) + p)),
    "SNAP": (
        4,
        1,
        one(lambda p: MACS + struct.pack("!H", len(p) + 8) + b"\xaa\xaa\3\0\0\0" + kind(p) + p),
    ),
    "MPLS": (4, 1, one(lambda p: MACS + b"\x88\x47\0\1\0\x40\0\2\1\x40" + p)),
    "PPPoE": (
        4,
        1,
        one(lambda p: MACS + b"\x88\x64\x11\0\0\1" + struct.pack("!H", len(p) + 2) + b"\0\x21" + p),
    ),
    "PPP": (4, 9, one(lambda p: b"\xff\3\0\x21" + p)),
    "SLL": (4, 113, one(lambda p: b"\0\0\0\1\0\6" + MACS[:8] + kind(p) + p)),
    "SLL2": (4, 276, one(lambda p: kind(p) + b"\0\0\0\0\0\2\0\1\0\6" + MACS[:8] + p)),
    "NFLOG": (4, 239, one(nflog)),
    "null": (4, 0, one(lambda p: b"\2\0\0\0" + p)),
    "loop": (4, 108, one(lambda p: b"\0\0\0\2" + p)),
    "null with IPv6": (6, 0, one(lambda p: b"\x1e\0\0\0" + p)),
    "IP in IP": (4, 101, one(lambda p: outer4(4, p))),
    "6in4": (6, 1, one(lambda p: ethernet(outer4(41, p)))),
    "4in6": (4, 1, one(lambda p: ethernet(outer6(4, p)))),
    "GRE": (4, 1, one(lambda p: ethernet(outer4(47, GRE + kind(p) + p)))),
    "GRE with a key and a number": (
        4,
        1,
        one(lambda p: ethernet(outer4(47, b"\x30\0" + kind(p) + bytes(8) + p))),
    ),
    "Ethernet in GRE": (4, 1, one(lambda p: ethernet(outer4(47, GRE + b"\x65\x58" + ethernet(p))))),
    "VXLAN": (4, 1, one(lambda p: ethernet(outer4(17, vxlan(p))))),
    "VXLAN over IPv6": (6, 1, one(lambda p: ethernet(outer6(17, vxlan(p))))),
    "IPv6": (6, 1, one(ethernet)),
    "IPv6 with extension headers": (6, 1, one(lambda p: ethernet(extended(p)))),
    "IPv4 fragments": (4, 1, lambda n, p: [ethernet(piece) for piece in fragments4(n, p)]),
    "IPv6 fragments": (6, 1, lambda n, p: [ethernet(piece) for piece in fragments6(n, p)]),
}


def conversation(version: int) -> list[tuple[int, bytes]]:
    """Loss, reordering and duplicates, so that there are names to be found."""
    there = {"left_address": "fd00::1/64", "right_address": "fd00::2/64"} if version == 6 else {}
    world = Tapped(5, mtu=1400, loss=0.1, reorder=0.05, duplicate=0.05, **there)
    Conversation(world, bytes(9000), bytes(5000)).run()
    return world.octets("right")


def capture(path: Path, linktype: int, frames: list[tuple[int, bytes]]) -> Path:
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, linktype))
        for time, frame in frames:
            seconds, rest = divmod(EPOCH + time, SECOND)
            file.write(struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame)
    return path


def told(path: Path) -> list[object]:
    """All there is to say of a capture, without the numbers of its packets."""
    found = []
    for flow in read(path):
        record = connection_of(flow, steps=True)
        steps = [
            (one.end, one.time, one.before, one.after, one.cause, one.evidence)
            for one in record.transitions
        ]
        found.append((record.a, record.b, record.handshake, record.teardown, record.since, steps))
    return found


@pytest.mark.parametrize("name", WRAPPINGS)
def test_the_connection_is_the_one_in_plain_ethernet(name: str, tmp_path: Path) -> None:
    """Ends, states, evidence, verdict, names and round trips."""
    version, linktype, wrap = WRAPPINGS[name]
    packets = conversation(version)
    plain = capture(tmp_path / "plain", 1, [(time, ethernet(data)) for time, data in packets])
    frames = [
        (time, frame)
        for number, (time, data) in enumerate(packets)
        for frame in wrap(number + 1, data)
    ]
    expected = told(plain)
    assert len(expected) == 1
    assert told(capture(tmp_path / "wrapped", linktype, frames)) == expected


@needs_tshark
@pytest.mark.parametrize("name", WRAPPINGS)
def test_tshark_finds_the_same_segments(name: str, tmp_path: Path) -> None:
    """In the same frames, with the same names."""
    version, linktype, wrap = WRAPPINGS[name]
    frames = [
        (time, frame)
        for number, (time, data) in enumerate(conversation(version))
        for frame in wrap(number + 1, data)
    ]
    path = capture(tmp_path / "wrapped", linktype, frames)
    assert named_by_us(path) == named_by_tshark(path)
