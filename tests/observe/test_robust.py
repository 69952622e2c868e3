"""Whatever a capture holds, and wherever it ends, the reader goes on, and says what it left out."""

import gzip
import io
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.observe.worlds import Tapped, chance_world

from lastack.observe import Flow, Observer, verdict_on
from lastack.observe.core.groups import SYN_FLOOD, Groups
from lastack.observe.core.moves import MOST_CHANGES
from lastack.observe.core.zeek import conn_state, history
from lastack.observe.reading import observe_file
from lastack.sim.talk import Conversation
from lastack.units import SECOND
from lastack.wire.capture import CaptureError

CUT = 4096


def captures() -> list[tuple[str, bytes]]:
    """Those in LASTACK_CAPTURES, if it is set, and always some of our own."""
    found = []
    folder = os.environ.get("LASTACK_CAPTURES", "")
    if folder:
        for path in sorted(Path(folder).iterdir()):
            if ".pcap" in path.name:
                data = path.read_bytes()
                found.append((path.name, gzip.decompress(data) if path.suffix == ".gz" else data))
    for seed in range(2):
        world: Tapped = chance_world(seed)
        Conversation(world, bytes(3000), bytes(2000)).run()
        found.append((f"own {seed}", world.capture("left")))
    return found


CAPTURES = captures()


def judged(data: bytes) -> tuple[Observer, int, bool]:
    """Read octets as a capture and judge every connection; tell whether it was damaged."""
    observer = Observer(most_open=1000)
    groups = Groups()
    damaged = False
    flows: list[Flow] = []
    try:
        flows += observe_file(observer, io.BytesIO(data))
    except CaptureError:
        damaged = True
    flows += observer.close()
    for flow in flows:
        verdict = verdict_on(flow)
        groups.add(flow, verdict)
        assert str(verdict.handshake) and str(verdict.teardown)
        assert conn_state(flow) and history(flow) is not None
    groups.found()
    return observer, len(flows), damaged


@pytest.mark.parametrize(("name", "data"), CAPTURES, ids=[name for name, _ in CAPTURES])
def test_a_capture_may_end_anywhere(name: str, data: bytes) -> None:
    """Cut at every octet of its first 4 KiB: what is there is read, and never less with more."""
    before = 0
    for length in range(min(CUT, len(data))):
        observer, _, _ = judged(data[:length])
        packets = int(observer.scanner.packets)
        assert packets >= before
        before = packets


def mutated(random: Random) -> bytes:
    """One of the captures with some octets changed, taken out, doubled, or put elsewhere."""
    _, data = CAPTURES[random.randrange(len(CAPTURES))]
    start = max(0, random.randrange(len(data)) - 3000) if random.random() < 0.2 else 0
    octets = bytearray(data[:24] + data[max(24, start) : start + random.choice((600, 3000, 6000))])
    for _ in range(random.choice((1, 1, 3, 10, 40))):
        at = random.randrange(len(octets))
        kind = random.random()
        if kind < 0.5:
            octets[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        elif kind < 0.7:
            octets[at] ^= 1 << random.randrange(8)
        elif kind < 0.8:
            del octets[at : at + random.randrange(1, 40)]
        elif kind < 0.9:
            octets[at:at] = octets[at : at + random.randrange(1, 200)]
        else:
            octets[at : at + 4] = random.randbytes(4)
        if not octets:
            break
    return bytes(octets)


def test_mutated_captures_are_read_to_their_end() -> None:
    """No exception but CaptureError, whatever is in the file."""
    for seed in range(3000):
        judged(mutated(Random(seed)))


@pytest.mark.soak
def test_a_hundred_thousand_mutated_captures() -> None:
    """The same for longer, from a seed of its own; it tells the seed on which it fails."""
    first = int(os.environ.get("LASTACK_SOAK_SEED", "0") or time.time())
    for seed in range(first, first + 100_000):
        try:
            judged(mutated(Random(seed)))
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


def flood(sources: int) -> tuple[Observer, Groups, int, int]:
    """A SYN from each of many sources to one port; return also the most that was ever held."""
    observer, groups = Observer(most_open=10_000), Groups()
    now, judged_ones, most = 1_700_000_000 * SECOND, 0, 0
    tcp = struct.pack("!HHIIBBHHH", 1000, 80, 7, 0, 5 << 4, 2, 1000, 0, 0)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0)
    for source in range(sources):
        packet = head + struct.pack("!I4s", 0x0B000000 + source, b"\n\0\0\2") + tcp
        observer.packet_seen(now + source * 1000, packet)
        for flow in observer.take_finished():
            groups.add(flow, verdict_on(flow))
            judged_ones += 1
        if not source % 1000:
            most = max(most, len(observer.scanner.flows))
    for flow in observer.close():
        groups.add(flow, verdict_on(flow))
        judged_ones += 1
    return observer, groups, judged_ones, most


def check_flood(sources: int) -> None:
    observer, groups, judged_ones, most = flood(sources)
    assert judged_ones == sources
    assert most <= 10_000 + 8192
    assert observer.evicted >= sources - 10_000 - 8192
    [found] = groups.found()
    assert (found.kind, found.place, found.count) == (SYN_FLOOD, "10.0.0.2:80", sources)


def test_a_syn_flood_is_read_in_bounded_memory() -> None:
    """A hundred thousand sources: what is given up is counted, and the flood has its name."""
    check_flood(100_000)


@pytest.mark.soak
def test_a_syn_flood_of_ten_million_sources() -> None:
    """The same, a hundred times as long."""
    check_flood(10_000_000)


def made_up(seed: int, count: int) -> Iterator[tuple[int, bytes]]:
    """Segments of one pair of ports that refute each other over and over."""
    random = Random(seed)
    nexts = (1000, 5000)
    kinds = [random.choice((1, 2, 3, 4, 16, 17, 18, 20, 24)) for _ in range(random.randrange(2, 5))]
    off, pause = random.choice((0, 0, 1, 2)), random.choice((1000, 10**7, 3 * 10**8, 3 * 10**9))
    for number in range(count):
        side, flags, length = random.randrange(2), random.choice(kinds), random.randrange(2)
        seq = nexts[side] + random.randrange(-off, off + 1) - (flags >> 1 & 1)
        ack = nexts[1 - side] + random.randrange(-off, off + 1)
        ends = bytes((10, 0, 0, 1 + side, 10, 0, 0, 2 - side)), 1 + side, 2 - side
        yield number * pause, struct.pack(
            "!BBHHHBBH8sHHIIBBHHH", 0x45, 0, 40 + length, 0, 0, 64, 6, 0, ends[0], *ends[1:],
            seq, ack, 0x50, flags, 500, 0, 0,
        ) + bytes(length)  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_one_connection_stays_small_whatever_it_is_told(seed: int) -> None:
    """Changes that are refuted again and again are forgotten, the earliest first."""
    observer = Observer()
    for now, packet in made_up(seed, 1500):
        observer.packet_seen(now, packet)
    for flow in observer.close():
        for end in (flow.a, flow.b):
            assert len(end.changes) <= MOST_CHANGES
            assert end.pending <= len(end.changes)
        assert str(verdict_on(flow).teardown) and len(flow.history) <= 20
