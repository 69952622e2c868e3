"""The names of segments, laid beside tshark's own on the same generated captures."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from tests.observe.worlds import chance_world, written

from lastack.observe.core.analysis import Remark
from lastack.observe.core.scan import Scanner
from lastack.sim.talk import Conversation
from lastack.tcp.config import preset
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


@needs_tshark
def test_the_names_of_segments_are_wiresharks(tmp_path: Path) -> None:
    """Loss, reordering, duplicates and small windows: at least 95 % the same, name by name."""
    same: Counter[Remark] = Counter()
    either: Counter[Remark] = Counter()
    for seed in range(16):
        random = Random(seed)
        config = preset(random.choice(("rfc", "linux", "freebsd")))
        if random.random() < 0.4:
            config = config.replace(receive_buffer=random.choice((2000, 5000, 20000)))
        world = chance_world(seed, config=config)
        talk = Conversation(world, bytes(random.randrange(60_000)), bytes(random.randrange(60_000)))
        talk.run()
        path = written(tmp_path, f"{seed}.pcapng", world.capture(random.choice(("left", "right"))))
        theirs, ours = named_by_tshark(path), named_by_us(path)
        assert theirs.keys() == ours.keys()
        for number, remark in theirs.items():
            for one in remark | ours[number]:
                either[one] += 1
                same[one] += bool(one & remark & ours[number])
    assert len(either) >= 6, either
    for one, count in either.items():
        assert same[one] >= ENOUGH * count, f"{one}: {same[one]} of {count}"
