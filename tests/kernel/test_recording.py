"""What `lastack serve --record` writes, judged by tshark with every checksum checked."""

import signal
import subprocess
from pathlib import Path

from namespaces import Namespace
from served import URLS, needs, served, sha256, write_random

RTO = 0.18
"""Seconds: no stack's retransmission timer goes off sooner than that (Linux: 200 ms)."""


def tshark(path: Path, wanted: str, *fields: str) -> list[list[str]]:
    """Return these fields of all packets that a display filter selects."""
    words = ["tshark", "-r", str(path), "-o", "tcp.check_checksum:TRUE"]
    words += ["-o", "ip.check_checksum:TRUE", "-Y", wanted, "-T", "fields"]
    for field in fields or ("frame.number", "_ws.col.Info"):
        words += ["-e", field]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=100)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_tshark_finds_no_bad_checksum_and_no_unexplained_retransmission(
    namespace: Namespace, tmp_path: Path
) -> None:
    """Nothing is lost here, so the only reason to send again is a timer that went off."""
    needs("curl", "tshark")
    root = tmp_path / "public"
    root.mkdir()
    wanted = write_random(root / "file", 2_000_000, 4)
    capture = tmp_path / "all.pcapng"
    with served(root, "--writable", "--record", str(capture)) as server:
        for version in (4, 6):
            down = tmp_path / f"down{version}"
            namespace.run("curl", "-sSfg", "-o", str(down), f"{URLS[version]}/file")
            namespace.run("curl", "-sSfg", "-T", str(down), f"{URLS[version]}/up{version}")
            assert sha256(root / f"up{version}") == wanted
        urls = [word for _ in range(10) for word in ("-o", "/dev/null", f"{URLS[4]}/file")]
        namespace.run("curl", "-sSf", "--parallel", *urls)
        assert server.ends(signal.SIGTERM) == 0
    bad = "ip.checksum.status == 0 or tcp.checksum.status == 0 or _ws.malformed"
    assert tshark(capture, bad) == []
    good = tshark(capture, "tcp.checksum.status == 1", "tcp.stream")
    assert len({stream for (stream,) in good}) >= 5
    assert tshark(capture, "tcp.checksum.status != 1") == []
    lost = "tcp.analysis.lost_segment or tcp.analysis.ack_lost_segment or tcp.analysis.out_of_order"
    assert tshark(capture, lost) == []
    again = tshark(capture, "tcp.analysis.retransmission", "frame.number", "tcp.analysis.rto")
    assert [frame for frame, rto in again if not rto or float(rto) < RTO] == []
    resets = tshark(capture, "tcp.flags.reset == 1")
    assert resets == []
