"""Links around links."""

import io
import subprocess
from pathlib import Path
from random import Random
from shutil import which

import pytest

from lastack.link.base import Link, Offload
from lastack.link.memory import MemoryWire
from lastack.link.wrappers import Counted, Filtered, Recorded
from lastack.units import SECOND
from lastack.wire.address import pack_address
from lastack.wire.capture import INBOUND, LINKTYPE_RAW, OUTBOUND, CaptureReader
from lastack.wire.checksum import pseudo_sum
from lastack.wire.packet import CHECKSUM_OWED, Packet
from lastack.wire.segment import ACK, Segment

LEFT, RIGHT = pack_address("10.0.0.1"), pack_address("10.0.0.2")
IP_HEADER = bytes.fromhex("4500 0038 0000 4000 4006 26be 0a000001 0a000002")


class Full(Link):
    """A link that has no room."""

    def __init__(self) -> None:
        self.mtu = 1400
        self.offload = Offload(checksum=True)
        self.closed = 0

    def fileno(self) -> int:
        return 77

    def receive(self) -> Packet | None:
        return None

    def send(self, packet: Packet) -> bool:
        return False

    def close(self) -> None:
        self.closed += 1


def owed() -> Packet:
    """A segment of 16 octets whose checksum is left to the device."""
    header = Segment(1000, 80, 1, 2, ACK, 500).header(pseudo_sum(LEFT, RIGHT, 6, 36))
    return Packet(
        IP_HEADER + header,
        parts=(b"16 octets", b" of it."),
        parts_length=16,
        checksum=CHECKSUM_OWED,
        checksum_start=20,
        checksum_offset=16,
    )


def test_a_wrapper_has_the_mtu_offload_and_descriptor_of_what_is_inside() -> None:
    """Whoever uses a link cannot tell."""
    inner = Full()
    for link in (Counted(inner), Filtered(inner), Recorded(inner, io.BytesIO())):
        assert (link.mtu, link.offload, link.fileno()) == (1400, inner.offload, 77)
        assert (link.receive(), link.send(owed())) == (None, False)
        link.close()
    assert inner.closed == 3


def test_a_counter_counts_what_passed_and_what_found_no_room() -> None:
    """A packet that was not taken did not pass."""
    wire = MemoryWire(Random(1))
    counted = Counted(wire.a)
    counted.send(owed())
    wire.b.send(Packet(bytes(30)))
    wire.advance(SECOND)
    assert counted.receive() is not None and counted.receive() is None
    assert (counted.packets_out, counted.octets_out) == (1, 56)
    assert (counted.packets_in, counted.octets_in) == (1, 30)
    full = Counted(Full())
    full.send(owed())
    assert (full.packets_out, full.octets_out, full.refused) == (0, 0, 1)


def test_a_filter_stops_what_its_predicates_refuse() -> None:
    """What is stopped is gone, as on a lossy wire."""
    wire = MemoryWire(Random(1))
    filtered = Filtered(
        wire.a, lambda packet: packet.data[0] != 1, lambda packet: packet.data[0] != 2
    )
    for first in range(4):
        wire.b.send(Packet(bytes([first])))
        assert filtered.send(Packet(bytes([first])))
    wire.advance(SECOND)
    heard = [filtered.receive() for _ in range(4)]
    assert [packet and packet.data[0] for packet in heard] == [0, 2, 3, None]
    passed = [wire.b.receive() for _ in range(4)]
    assert [packet and packet.data[0] for packet in passed] == [0, 1, 3, None]
    assert (filtered.stopped_in, filtered.stopped_out) == (1, 1)


def test_a_recording_has_both_directions_times_and_finished_checksums(tmp_path: Path) -> None:
    """What a wrapper records has its checksums filled in; the packet itself goes on as it was."""
    path = tmp_path / "a.pcapng"
    wire = MemoryWire(Random(1))
    recorded = Recorded(wire.a, path, lambda: wire.now + 5, "left0")
    recorded.send(owed())
    wire.b.send(Packet(IP_HEADER))
    wire.advance(SECOND)
    arrived = wire.b.receive()
    assert arrived is not None and arrived.checksum == CHECKSUM_OWED
    assert recorded.receive() is not None
    assert recorded.records == 2
    recorded.close()
    recorded.close()
    with path.open("rb") as file:
        first, second = list(CaptureReader(file))
    assert (first.time_ns, first.direction, first.linktype) == (5, OUTBOUND, LINKTYPE_RAW)
    assert (second.time_ns, second.direction, second.data) == (SECOND + 5, INBOUND, IP_HEADER)
    assert first.data[36:38] != owed().to_bytes()[36:38]
    assert first.data[:36] + first.data[38:] == owed().to_bytes()[:36] + owed().to_bytes()[38:]


def test_a_recording_into_an_open_file_leaves_it_open() -> None:
    """Whoever opened the file closes it."""
    file = io.BytesIO()
    recorded = Recorded(MemoryWire(Random(1)).a, file)
    recorded.send(owed())
    recorded.flush()
    recorded.close()
    assert len(list(CaptureReader(io.BytesIO(file.getvalue())))) == 1


def test_what_found_no_room_is_not_recorded() -> None:
    """It will be recorded once, when it goes."""
    recorded = Recorded(Full(), io.BytesIO())
    recorded.send(owed())
    assert recorded.records == 0


@pytest.mark.skipif(which("tshark") is None, reason="needs tshark")
def test_tshark_finds_every_checksum_of_a_recording_right(tmp_path: Path) -> None:
    """Others can read what we write."""
    path = tmp_path / "a.pcapng"
    recorded = Recorded(MemoryWire(Random(1)).a, str(path))
    recorded.send(owed())
    recorded.close()
    fields = [
        "-T",
        "fields",
        "-e",
        "ip.checksum.status",
        "-e",
        "tcp.checksum.status",
        "-e",
        "tcp.len",
    ]
    options = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    done = subprocess.run(
        ["tshark", "-r", str(path), *options, *fields], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["1", "1", "16"]
