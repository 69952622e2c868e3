"""A path between two TUN devices: delay, rate, loss, a queue, made of the wire of `lastack.link`.

    sudo python bench/path.py LEFT RIGHT --delay 10 --rate 20 --loss 0.5% --seed 7

LEFT and RIGHT name network namespaces, each of which gets one end of the path: a device `path0`
with an address of its own and a route to the other side. It prints `ready` and forwards until it is
told to end; then, with `--json`, it says what became of the packets. Loss, reordering, duplication
and corruption befall what goes to the right (`--both` for both ways); delay and rate both ways. The
same seed gives the n-th packet of a direction the same fate each time.
"""

import argparse
import ctypes
import json
import os
import random
import select
import signal
import time
from contextlib import ExitStack

from lastack.link.base import Link
from lastack.link.kernel_side import KernelSide
from lastack.link.memory import LOST, QUEUE_FULL, MemoryEnd, MemoryWire, Passage
from lastack.link.tun import TunLink
from lastack.link.wrappers import Recorded
from lastack.units import MS, SECOND

DEVICE = "path0"
MTU = 1500
LEFT_NETWORK = "10.77.0.0/16"
RIGHT_NETWORK = "10.78.0.0/16"
LEFT_KERNEL = "10.77.0.1"
RIGHT_KERNEL = "10.78.0.1"
SMALLEST_QUEUE = 20
"""Packets: less than that is not a queue but a burst of ten cut short."""
DEVICE_QUEUE = 20_000
"""Packets that a device keeps while the forwarder is busy: only the wire shall lose any."""
_CLONE_NEWNET = 0x40000000
_LONGEST_WAIT = SECOND


class Counts:
    """What became of the packets of one direction."""

    def __init__(self) -> None:
        self.sent = 0
        self.lost = 0
        self.queue_full = 0

    def note(self, passage: Passage) -> None:
        """Count one packet as it is put on the wire."""
        if not passage.copy:
            self.sent += 1
        if passage.fate == LOST:
            self.lost += 1
        elif passage.fate == QUEUE_FULL:
            self.queue_full += 1


class Way:
    """One direction: from a device over a wire to the other device."""

    def __init__(self, source: Link, target: Link, wire: MemoryWire) -> None:
        self.source = source
        self.target = target
        self.wire = wire
        self.near: MemoryEnd = wire.a
        self.far: MemoryEnd = wire.b
        self.counts = Counts()
        wire.trace = self.counts.note
        self.refused = 0
        self.latest = 0
        """The longest that a packet was handed over after its time, nanoseconds."""

    def turn(self, now: int) -> bool:
        """Take in what has come, hand out what is due; return whether anything moved."""
        moved = False
        wire = self.wire
        wire.advance(now)
        while (packet := self.source.receive()) is not None:
            self.near.send(packet)
            moved = True
        wire.advance(now)
        while (packet := self.far.receive()) is not None:
            moved = True
            passage = self.far.passage
            assert passage is not None
            self.latest = max(self.latest, now - passage.arrives_at)
            if not self.target.send(packet):
                self.refused += 1
        return moved


def enter(namespace: str) -> None:
    """Make this process a member of a network namespace that `ip netns` has made."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, _CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(descriptor)


def hurry(priority: int) -> None:
    """Run before everything ordinary, so that a busy machine does not show up as delay."""
    if priority:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def queue_of(rate: float, delay: float, share: float) -> int:
    """Return the queue in packets: a share of rate (Mbit/s) times both delays (ms, one way)."""
    product = rate * 1e6 * 2 * delay / 1e3 / 8 / MTU
    return max(round(product * share), SMALLEST_QUEUE)


def probability(text: str) -> float:
    """Read `0.5%` or `0.005`."""
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def wire_of(given: argparse.Namespace, seed: int, harmed: bool) -> MemoryWire:
    """Return the wire of one direction; only its way from `a` to `b` is used."""
    share = 1.0 if harmed else 0.0
    return MemoryWire(
        random.Random(seed),
        delay=round(given.delay * MS),
        loss=given.loss * share,
        reorder=given.reorder * share,
        duplicate=given.duplicate * share,
        corrupt=given.corrupt * share,
        jitter=round(given.jitter * MS),
        rate=round(given.rate * 1e6),
        queue=given.queue or queue_of(given.rate, given.delay, 1.0),
        mtu=MTU,
    )


def end_of(namespace: str, address: str, network: str, record: str, stack: ExitStack) -> Link:
    """Return the device of one side, with its kernel side set up; the process stays in there."""
    enter(namespace)
    tun = TunLink(DEVICE, MTU, offload=False, queue=DEVICE_QUEUE)
    stack.callback(tun.close)
    stack.enter_context(KernelSide(DEVICE, [f"{address}/24"], MTU, [network]))
    if not record:
        return tun
    recorded = Recorded(tun, record, name=DEVICE)
    stack.callback(recorded.close)
    return recorded


def forward(ways: list[Way]) -> None:
    """Forward until SIGTERM."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    descriptors = [way.source.fileno() for way in ways]
    while not ended:
        deadline = min(way.wire.next_deadline() for way in ways)
        left = min(deadline - time.monotonic_ns(), _LONGEST_WAIT)
        select.select(descriptors, [], [], max(left, 0) / SECOND)
        now = time.monotonic_ns()
        for way in ways:
            way.turn(now)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("left", help="namespace of the one end")
    parser.add_argument("right", help="namespace of the other end")
    parser.add_argument("--delay", type=float, default=10.0, help="one way, milliseconds")
    parser.add_argument("--jitter", type=float, default=0.0, help="more delay, milliseconds")
    parser.add_argument("--rate", type=float, default=20.0, help="Mbit/s, of each direction")
    parser.add_argument("--queue", type=int, default=0, help="packets (default: rate x 2 delays)")
    for name in ("loss", "reorder", "duplicate", "corrupt"):
        parser.add_argument(f"--{name}", type=probability, default=0.0, help="such as 0.5%%")
    parser.add_argument("--both", action="store_true", help="loss and the like both ways")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", default="", help="write what the left end sees to this file")
    parser.add_argument("--priority", type=int, default=0, help="of SCHED_FIFO; 0 is ordinary")
    parser.add_argument("--json", action="store_true", help="say at the end what became of it all")
    return parser.parse_args()


def main() -> None:
    """Forward between two namespaces."""
    given = arguments()
    with ExitStack() as left, ExitStack() as right:
        a = end_of(given.left, LEFT_KERNEL, RIGHT_NETWORK, given.record, left)
        b = end_of(given.right, RIGHT_KERNEL, LEFT_NETWORK, "", right)
        there = Way(a, b, wire_of(given, 2 * given.seed, True))
        back = Way(b, a, wire_of(given, 2 * given.seed + 1, given.both))
        hurry(given.priority)
        print("ready", flush=True)
        forward([there, back])
        right.close()
        enter(given.left)  # where the kernel side of the other device is taken away again
    if given.json:
        report: dict[str, object] = {"schema": 1, "type": "path"}
        for name, way in (("there", there), ("back", back)):
            report[name] = vars(way.counts) | {"refused": way.refused, "latest_ns": way.latest}
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
