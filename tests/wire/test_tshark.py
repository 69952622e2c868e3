"""What we write, read by tshark: a second opinion on headers and checksums."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lastack.wire.address import Endpoint
from lastack.wire.ao import AoKey, AoSigner
from lastack.wire.capture import INBOUND, OUTBOUND, CaptureWriter
from lastack.wire.checksum import finish, pseudo_sum, split, transport_checksum
from lastack.wire.icmp import IcmpKind, encode_icmp6, error4, error6
from lastack.wire.ip4 import encode_ip4, encode_source_route
from lastack.wire.ip6 import FRAGMENT, encode_fragment_header, encode_ip6
from lastack.wire.notation import format_segment, parse_segment
from lastack.wire.packet import CHECKSUM_OWED, Packet
from lastack.wire.signing import Md5Signer

A4, B4 = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
A6, B6 = b"\xfd" + bytes(14) + b"\1", b"\xfd" + bytes(14) + b"\2"
LINES = (
    "S 1:1(0) win 65535 <mss 1460,sackOK,TS val 5 ecr 0,nop,wscale 7>",
    "S. 9:9(0) ack 2 win 65535 <mss 1460,nop,nop,sackOK,uto 32778>",
    "P.EW 2:9(7) ack 10 win 502 <nop,nop,TS val 6 ecr 7>",
    "F.U 9:1010(1001) ack 10 win 502 urg 4 <nop,nop,sack 20:30 40:50>",
)


def tshark(folder: Path, packets: list[bytes], *wanted: str) -> list[list[str]]:
    """The wanted fields of each packet, as tshark reads them, checksums checked."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    path = folder / "ours.pcapng"
    with path.open("wb") as file, CaptureWriter(file) as writer:
        for number, packet in enumerate(packets):
            writer.write(packet, number, INBOUND if number % 2 else OUTBOUND)
    checks = [f"-o{one}:TRUE" for one in ("tcp.check_checksum", "ip.check_checksum")]
    fields = [word for one in wanted for word in ("-e", one)]
    command = ["tshark", "-n", "-r", str(path), *checks, "-T", "fields", *fields]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return [line.split("\t") for line in done.stdout.splitlines()]


def packet(version: int, line: str) -> bytes:
    segment = parse_segment(line, None, 1000, 80)
    one, two = (A4, B4) if version == 4 else (A6, B6)
    header = segment.header()
    length = len(header) + segment.length
    header = segment.header(transport_checksum(one, two, 6, header, segment.parts, length))
    encode = encode_ip4 if version == 4 else encode_ip6
    return encode(one, two, 6, length) + header + segment.payload


@pytest.mark.parametrize("version", [4, 6])
def test_segments_are_read_by_others_as_they_were_meant(version: int, tmp_path: Path) -> None:
    """MUST-2: flags, lengths, options and both checksums."""
    names = ("tcp.checksum.status", "tcp.flags", "tcp.len", "tcp.options", "tcp.urgent_pointer")
    got = tshark(tmp_path, [packet(version, line) for line in LINES], *names)
    for line, (status, flags, length, options, urgent) in zip(LINES, got, strict=True):
        segment = parse_segment(line)
        assert status == "1"
        assert int(flags, 16) == segment.flags
        assert int(length) == segment.length
        assert options == segment.options.hex()
        assert int(urgent) == segment.urgent


def test_signatures_are_read_by_others_as_they_were_meant(tmp_path: Path) -> None:
    """TCP-MD5 and TCP-AO: where the option stands, its IDs, its code (RFC 2385, RFC 5925 2.2)."""
    here, there = Endpoint(A4, 1000), Endpoint(B4, 80)
    ao = AoSigner(here, there, (AoKey(B4, b"secret", 61, 84),), 7, False)
    md5 = Md5Signer(A4, B4, b"secret", True)
    lines = []
    for signer in (ao, md5):
        segment = parse_segment("P. 9:19(10) ack 2 win 5 <nop,nop,TS val 1 ecr 2>", None, 1000, 80)
        signer.sign(segment)
        lines.append(format_segment(segment))
    names = ("tcp.options.ao.keyid", "tcp.options.ao.rnextkeyid", "tcp.options.ao.mac")
    names = (*names, "tcp.options.md5.digest", "tcp.options.timestamp.tsval", "tcp.checksum.status")
    got = tshark(tmp_path, [packet(4, line) for line in lines], *names)
    code, digest = (parse_segment(line).options for line in lines)
    assert got[0] == ["61", "84", code[4:16].hex(), "", "1", "1"]
    assert got[1] == ["", "", "", digest[16:32].hex(), "1", "1"]


@pytest.mark.parametrize("version", [4, 6])
def test_a_cut_super_segment_is_good_to_others(version: int, tmp_path: Path) -> None:
    """Each segment with right checksums; whole, only with the transport's."""
    segment = parse_segment("FP.W 1:10002(10001) ack 1 win 9", None, 1000, 80)
    one, two = (A4, B4) if version == 4 else (A6, B6)
    encode = encode_ip4 if version == 4 else encode_ip6
    owed = segment.header(pseudo_sum(one, two, 6, 20 + segment.length))
    ip = encode(one, two, 6, 20 + segment.length)
    size = 1440
    whole = Packet(
        ip + owed,
        parts=segment.parts,
        parts_length=segment.length,
        gso_size=size,
        checksum=CHECKSUM_OWED,
        checksum_start=len(ip),
        checksum_offset=16,
    )
    got = tshark(tmp_path, [*split(whole), finish(whole)], "tcp.checksum.status", "tcp.seq_raw")
    places = [str(1 + at) for at in range(0, 10001, size)]
    assert got == [["1", place] for place in [*places, "1"]]


def test_ip_headers_with_options_are_good_to_others(tmp_path: Path) -> None:
    """RFC 791 3.1: the header checksum covers options."""
    raw = encode_ip4(A4, B4, 6, 20, options=encode_source_route((B4, A4))) + bytes(20)
    got = tshark(tmp_path, [raw], "ip.checksum.status", "ip.opt.type", "ip.hdr_len")
    assert got == [["1", "1,131", "32"]]


def test_icmp_errors_are_good_to_others(tmp_path: Path) -> None:
    """RFC 792, RFC 4443: checksum, MTU, and the quoted ports."""
    body4 = error4(IcmpKind.PACKET_TOO_BIG, 4, 1400, packet(4, LINES[3]))
    body6 = error6(IcmpKind.PACKET_TOO_BIG, 0, 1400, packet(6, LINES[3]), B6, A6)
    echo6 = encode_icmp6(IcmpKind.ECHO_REQUEST, 0, 7, b"hello", A6, B6)
    raw = [
        encode_ip4(B4, A4, 1, len(body4)) + body4,
        encode_ip6(B6, A6, 58, len(body6)) + body6,
        encode_ip6(A6, B6, 58, len(echo6)) + echo6,
    ]
    names = ("icmp.checksum.status", "icmpv6.checksum.status", "icmp.mtu", "icmpv6.mtu")
    got = tshark(tmp_path, raw, *names, "tcp.srcport")
    assert got == [
        ["1", "", "1400", "", "1000"],
        ["", "1", "", "1400", "1000"],
        ["", "1", "", "", ""],
    ]


def test_fragments_are_put_together_by_others(tmp_path: Path) -> None:
    """RFC 791 3.2, RFC 8200 4.5: the segment inside has its right checksum."""
    raw = []
    data = packet(4, LINES[3])[20:]
    for start, end, more in ((0, 512, True), (512, len(data), False)):
        piece = data[start:end]
        head = encode_ip4(
            A4, B4, 6, len(piece), ident=5, dont_fragment=False, more_fragments=more, offset=start
        )
        raw.append(head + piece)
    data = packet(6, LINES[3])[40:]
    for start, end, more in ((0, 512, True), (512, len(data), False)):
        piece = encode_fragment_header(6, 5, start, more) + data[start:end]
        raw.append(encode_ip6(A6, B6, FRAGMENT, len(piece)) + piece)
    got = tshark(tmp_path, raw, "tcp.checksum.status", "tcp.len")
    assert got == [["", ""], ["1", "1001"], ["", ""], ["1", "1001"]]
