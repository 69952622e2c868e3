"""The observer beside tcptrace and tshark: one generated capture, everybody in turn, ratios.

    PYTHONPATH=build/compiled python bench/observer.py --rounds 3

The capture has 50,000 connections of 22 segments each, a thousand of them open at a time.
Every program runs as its own process; wall time and peak memory are the kernel's own figures (for
two processes of ours the memory is that of the larger one). The median of the rounds counts.
"""

import argparse
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from lastack.observe.core.rows import Rows
from lastack.observe.core.steps import Steps
from lastack.observe.reading import Observer, read_with

SYN, ACK, PSH, FIN = 2, 16, 8, 1
ETHERNET = b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0"
OPENING = bytes.fromhex("020405b40402080a000000010000000001030307")
STAMPS = bytes.fromhex("0101080a0000006400000064")
BETWEEN = 20
GROUP = 1 << 18
FIELDS = (
    "frame.number", "frame.time_epoch", "tcp.stream", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw",
    "tcp.window_size_value", "tcp.len", "tcp.analysis.flags",
)  # fmt: skip


def frames(number: int, random: Random) -> Iterator[bytes]:
    """Return the frames of one connection: handshake, four requests and answers, three FINs."""
    client = bytes((10, number >> 16 & 255, number >> 8 & 255, number & 255))
    server = bytes((192, 168, random.randrange(4), random.randrange(1, 250)))
    ends = (client, 1024 + number * 7919 % 60000), (server, random.choice((80, 443, 22, 5432)))
    seqs = [random.getrandbits(32), random.getrandbits(32)]

    def frame(side: int, flags: int, length: int = 0, options: bytes = STAMPS) -> bytes:
        (source, source_port), (target, target_port) = ends[side], ends[1 - side]
        ack = seqs[1 - side] if flags & ACK else 0
        header = 20 + len(options)
        packet = struct.pack(
            "!BBHHHBBH4s4sHHIIBBHHH", 0x45, 0, 20 + header + length, number & 0xFFFF, 0x4000, 64, 6,
            0, source, target, source_port, target_port, seqs[side], ack, header << 2, flags,
            65535 if flags & SYN else 500, 0, 0,
        )  # fmt: skip
        seqs[side] = (seqs[side] + length + (1 if flags & (SYN | FIN) else 0)) & 0xFFFFFFFF
        return ETHERNET + packet + options + bytes(length)

    yield frame(0, SYN, 0, OPENING)
    yield frame(1, SYN | ACK, 0, OPENING)
    yield frame(0, ACK)
    for _ in range(4):
        yield frame(0, PSH | ACK, 200)
        yield frame(1, ACK)
        yield frame(1, PSH | ACK, 700)
        yield frame(0, ACK)
    yield frame(0, FIN | ACK)
    yield frame(1, FIN | ACK)
    yield frame(0, ACK)


def generate(path: Path, connections: int, at_once: int, seed: int) -> int:
    """Write the capture and return how many packets it has."""
    random = Random(seed)
    waiting = iter(range(connections))
    live: list[Iterator[bytes]] = []
    count = 0
    with path.open("wb", buffering=1 << 20) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        while True:
            live += (frames(number, random) for number in islice(waiting, at_once - len(live)))
            if not live:
                return count
            at = int(random.random() * len(live))
            data = next(live[at], b"")
            if not data:
                live[at] = live[-1]
                live.pop()
                continue
            seconds, rest = divmod(count * BETWEEN, 1_000_000)
            file.write(
                struct.pack("<IIII", 1_700_000_000 + seconds, rest, len(data), len(data)) + data
            )
            count += 1


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command; return seconds and the peak of its memory in MiB."""
    before = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return time.perf_counter() - before, usage.ru_maxrss / 1024


def another(capture: Path) -> Path:
    """Return the same capture under another name."""
    name = capture.with_name("another.pcap")
    name.hardlink_to(capture)
    return name


def contestants(capture: Path, folder: Path) -> dict[str, list[str]]:
    """Return the commands by name; what is not installed is left out."""
    ours = [sys.executable, "-m", "lastack", "read", str(capture)]
    twice = [*ours, str(another(capture))]
    found = {
        "lastack, 1 process": [*ours, "--jobs", "1"],
        "lastack, 2 processes": [*ours, "--jobs", "2"],
        "two captures, 1 process": [*twice, "--jobs", "1"],
        "two captures, 2 processes": [*twice, "--jobs", "2"],
        "lastack, rows alone": [sys.executable, __file__, "--rows-of", str(capture)],
        "lastack, Parquet": [*ours, "--parquet", str(folder / "parquet")],
    }
    if shutil.which("tcptrace"):
        found["tcptrace -b"] = ["tcptrace", "-n", "-b", str(capture)]
    if shutil.which("tshark"):
        tshark = ["tshark", "-n", "-r", str(capture)]
        found["tshark -z conv,tcp"] = [*tshark, "-q", "-z", "conv,tcp"]
        fields = [word for field in FIELDS for word in ("-e", field)]
        found["tshark -T fields"] = [*tshark, "-T", "fields", *fields]
    return found


def make_rows(capture: str) -> None:
    """Make the rows of all packets and changes, as Parquet's are, and write them nowhere."""
    observer, steps = Observer(rows=Rows(GROUP)), Steps()

    def octets_read(octets: int) -> None:
        if len(observer.scanner.rows or ()) >= GROUP:
            observer.scanner.rows = Rows(GROUP)

    for flow in read_with(observer, [capture], octets_read):
        steps.add(flow)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--connections", type=int, default=50_000)
    parser.add_argument("--at-once", type=int, default=1000, help="connections open at a time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip", action="append", default=[], help="a contestant to leave out")
    parser.add_argument("--rows-of", metavar="CAPTURE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rows_of:
        make_rows(options.rows_of)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        capture = folder / "capture.pcap"
        packets = generate(capture, options.connections, options.at_once, options.seed)
        size = capture.stat().st_size / 1e6
        load = os.getloadavg()[0]
        print(f"{packets:,} packets, {options.connections:,} connections, {size:.0f} MB")
        print(f"load of the machine at the start: {load:.1f} on {os.cpu_count()} cores")
        commands = contestants(capture, folder)
        for one in options.skip:
            commands.pop(one, None)
        samples: dict[str, list[tuple[float, float]]] = {one: [] for one in commands}
        for _ in range(options.rounds):
            for one, command in commands.items():
                samples[one].append(measured(command))
    report(samples)


def report(samples: dict[str, list[tuple[float, float]]]) -> None:
    """Print the medians and the ratios asked of them."""
    medians = {one: statistics.median(t for t, _ in found) for one, found in samples.items()}
    for one, found in samples.items():
        peak = max(memory for _, memory in found)
        print(f"{one:26} {medians[one]:7.2f} s   {peak:6.0f} MiB")
    for other, mine in (
        ("tcptrace -b", "lastack, 1 process"),
        ("tcptrace -b", "lastack, 2 processes"),
        ("tshark -z conv,tcp", "lastack, 1 process"),
        ("tshark -z conv,tcp", "lastack, 2 processes"),
        ("tshark -T fields", "lastack, rows alone"),
        ("tshark -T fields", "lastack, Parquet"),
        ("lastack, rows alone", "lastack, Parquet"),
        ("lastack, 1 process", "lastack, 2 processes"),
        ("two captures, 1 process", "two captures, 2 processes"),
    ):
        if other in medians and mine in medians:
            print(f"{mine} is {medians[other] / medians[mine]:.2f} times as fast as {other}")


if __name__ == "__main__":
    main()
