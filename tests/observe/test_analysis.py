"""The names of segments, laid beside tshark's own on the same generated captures."""

import gzip
import os
import shutil
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from tests.observe.mangled import WAYS, Packets, written_together
from tests.observe.worlds import Tapped, chance_world, written

from lastack.observe.core.analysis import Remark
from lastack.observe.core.scan import Scanner
from lastack.sim.talk import Conversation
from lastack.tcp.config import preset
from lastack.tcp.connection import Connection
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.batches import BatchReader

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not here")

ENOUGH = 0.95

_FOLDER = os.environ.get("LASTACK_CAPTURES", "")
REAL = sorted(Path(_FOLDER).glob("*.pcap*")) if _FOLDER else []


def named_by_tshark(path: Path) -> dict[int, Remark]:
    """The remarks of tshark by the packet's number; its general names give way to special ones."""
    fields = ["tcp.analysis." + (one.name or "").lower() for one in Remark]
    command = ["tshark", "-r", str(path), "-Y", "tcp", "-T", "fields", "-e", "frame.number"]
    for field in fields:
        command += ["-e", field]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = {}
    for line in run.stdout.splitlines():
        number, *values = line.split("\t")
        remark = Remark(0)
        for one, value in zip(Remark, values, strict=True):
            if value:
                remark |= one
        if remark & (Remark.FAST_RETRANSMISSION | Remark.SPURIOUS_RETRANSMISSION):
            remark &= ~Remark.RETRANSMISSION
        found[int(number)] = remark
    return found


def named_by_us(path: Path) -> dict[int, Remark]:
    scanner = Scanner()
    found = {}
    with path.open("rb") as file:
        for batch in BatchReader(file).batches():
            for i in range(len(batch)):
                before = scanner.segments
                scanner.packet(
                    batch.data, batch.starts[i], batch.stops[i], batch.linktype, batch.times[i]
                )
                if scanner.segments > before:
                    found[int(scanner.packets)] = Remark(int(scanner.remarks))
    return found


class Lazy(Tapped):
    """A reader who sleeps: windows close, are probed and open; then nobody speaks for a while."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        config = preset(random.choice(("rfc", "linux", "freebsd"))).replace(
            receive_buffer=random.choice((1000, 3000, 9000)),
            keepalive=True,
            keepalive_idle=5 * SECOND,
            keepalive_interval=SECOND,
        )
        loss = random.choice((0.0, 0.03, 0.08))
        super().__init__(seed, config=config, loss=loss, reorder=random.choice((0.0, 0.03)))
        listener = self.right.listen(Endpoint(b"", 80), 8)
        left = self.left.connect(Endpoint(self.right_address, 80), self.now)
        self.run(self.now + 10 * SECOND)
        right = listener.accept()
        if right is None:
            return
        with suppress(OSError):  # one that gives up has shown enough
            self._talk(random, left, right)
        self.run(self.now + 20 * SECOND)

    def _talk(self, random: Random, left: Connection, right: Connection) -> None:
        for _ in range(random.randrange(6, 20)):
            left.send(bytes(random.randrange(6000)), self.now)
            self.left.wake(left, self.now)
            self.run(self.now + random.choice((300, 2000, 9000)) * MS)
            right.receive(random.choice((0, 200, 100_000)), self.now)
            self.right.wake(right, self.now)


def compared(path: Path) -> tuple[Counter[Remark], Counter[Remark]]:
    """How many segments have a name in both, and in either."""
    same: Counter[Remark] = Counter()
    either: Counter[Remark] = Counter()
    theirs, ours = named_by_tshark(path), named_by_us(path)
    assert theirs.keys() == ours.keys()
    for number, remark in theirs.items():
        for one in remark | ours[number]:
            either[one] += 1
            same[one] += bool(one & remark & ours[number])
    return same, either


def talking(seed: int) -> Tapped:
    """Both say something, over a path of any quality."""
    random = Random(seed)
    config = preset(random.choice(("rfc", "linux", "freebsd")))
    if random.random() < 0.4:
        config = config.replace(receive_buffer=random.choice((2000, 5000, 20000)))
    world = chance_world(seed, config=config)
    Conversation(world, bytes(random.randrange(60_000)), bytes(random.randrange(60_000))).run()
    return world


def played(seed: int) -> Packets:
    """What is captured of a world at one of its ends."""
    random = Random(seed)
    world = Lazy(seed) if seed % 3 == 0 else talking(seed)
    return world.octets(random.choice(("left", "right")))


def check_names(path: Path) -> None:
    same, either = compared(path)
    for one in Remark:
        assert either[one] >= 20, f"{one} is not put to the test: {either}"
        assert same[one] >= ENOUGH * either[one], f"{one}: {same[one]} of {either[one]}"


@needs_tshark
def test_the_names_of_segments_are_wiresharks(tmp_path: Path) -> None:
    """Loss, reordering, small and closed windows, keep-alives: each name at least 95 % the same."""
    check_names(written_together(tmp_path / "all.pcap", [played(seed) for seed in range(90)]))


@needs_tshark
def test_the_names_are_the_same_in_captures_with_faults(tmp_path: Path) -> None:
    """Begun late, with holes, doubled, out of order, one-sided: each name, at least 95 %."""
    mangled = [
        WAYS[seed % len(WAYS)](Random(seed), played(seed))[:400] for seed in range(1000, 1140)
    ]
    check_names(written_together(tmp_path / "mangled.pcap", mangled))


DIFFERENT = {
    # IP headers that claim more than their frames hold, and numbers 2**31 apart
    "zeek__modbus__fuzz-72.pcap": {
        Remark.ACK_LOST_SEGMENT: 6,
        Remark.LOST_SEGMENT: 7,
        Remark.RETRANSMISSION: 7,
    },
    # sequence and acknowledgment number 0, which Wireshark takes for its own unknown ones
    "zeek__tcp__syn-then-ack-then-rst.pcap": {Remark.WINDOW_UPDATE: 1},
    "zeek__tcp__syn-then-stuff-then-rst.pcap": {Remark.WINDOW_UPDATE: 1},
}


@needs_tshark
@pytest.mark.skipif(not REAL, reason="LASTACK_CAPTURES has no captures")
@pytest.mark.parametrize("capture", REAL, ids=[one.name for one in REAL])
def test_the_names_in_real_captures_are_wiresharks(capture: Path, tmp_path: Path) -> None:
    """All of them, but for what docs/observer.md explains."""
    path = capture
    if capture.suffix == ".gz":
        path = written(tmp_path, "unpacked", gzip.decompress(capture.read_bytes()))
    same, either = compared(path)
    assert {one: either[one] - same[one] for one in either if either[one] != same[one]} == (
        DIFFERENT.get(capture.name, {})
    )
