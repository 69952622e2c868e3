"""The names of segments, laid beside tshark's own on the same generated captures."""

import shutil
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
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


def compared(paths: list[Path]) -> tuple[Counter[Remark], Counter[Remark]]:
    """How many segments have a name in both, and in either."""
    same: Counter[Remark] = Counter()
    either: Counter[Remark] = Counter()
    for path in paths:
        theirs, ours = named_by_tshark(path), named_by_us(path)
        assert theirs.keys() == ours.keys()
        for number, remark in theirs.items():
            for one in remark | ours[number]:
                either[one] += 1
                same[one] += bool(one & remark & ours[number])
    return same, either


@needs_tshark
def test_the_names_of_windows_and_keep_alives_are_wiresharks(tmp_path: Path) -> None:
    """Zero windows, probes, updates, full windows and keep-alives, with loss among them."""
    paths = []
    for seed in range(20):
        data = Lazy(seed).capture("left" if seed % 2 else "right")
        paths.append(written(tmp_path, f"{seed}.pcapng", data))
    same, either = compared(paths)
    for one in (Remark.ZERO_WINDOW, Remark.WINDOW_UPDATE, Remark.KEEP_ALIVE):
        assert either[one] >= 10, either
    del either[Remark.ACK_LOST_SEGMENT]  # of probes taken: docs/observer.md
    for one, count in either.items():
        assert same[one] >= ENOUGH * count, f"{one}: {same[one]} of {count}"


@needs_tshark
def test_the_names_of_segments_are_wiresharks(tmp_path: Path) -> None:
    """Loss, reordering, duplicates and small windows: at least 95 % the same, name by name."""
    paths = []
    for seed in range(16):
        random = Random(seed)
        config = preset(random.choice(("rfc", "linux", "freebsd")))
        if random.random() < 0.4:
            config = config.replace(receive_buffer=random.choice((2000, 5000, 20000)))
        world = chance_world(seed, config=config)
        talk = Conversation(world, bytes(random.randrange(60_000)), bytes(random.randrange(60_000)))
        talk.run()
        path = written(tmp_path, f"{seed}.pcapng", world.capture(random.choice(("left", "right"))))
        paths.append(path)
    same, either = compared(paths)
    assert len(either) >= 6, either
    for one, count in either.items():
        assert same[one] >= ENOUGH * count, f"{one}: {same[one]} of {count}"
