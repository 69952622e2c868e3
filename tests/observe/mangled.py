"""Captures as they are found: begun late, with holes, doubled, out of order, one-sided.

`CLIENT` in the packets of a world becomes another address for each conversation, so that one file
holds many of them and tshark has to be started once.
"""

import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

from tests.observe.worlds import EPOCH

from lastack.units import MS, SECOND

CLIENT = b"\n\0\0\1"
RAW = 101

Packets = list[tuple[int, bytes]]
"""(when it was captured, the octets from the IP header on)."""


def whole(random: Random, packets: Packets) -> Packets:
    return packets


def cut_short(random: Random, packets: Packets) -> Packets:
    """Whoever reads them takes the headers alone."""
    return packets


def begun_late(random: Random, packets: Packets) -> Packets:
    return packets[random.randrange(1, 40) :] or packets


def with_holes(random: Random, packets: Packets) -> Packets:
    share = random.choice((0.02, 0.1, 0.3))
    return [one for one in packets if random.random() > share]


def doubled(random: Random, packets: Packets) -> Packets:
    """As a mirror of several ports of a switch does: some packets twice, the second one later."""
    second = []
    for time, data in packets:
        if random.random() < 0.2:
            second.append((time + random.choice((1000, MS // 2, 2 * MS, 40 * MS)), data))
    return sorted(packets + second, key=lambda one: one[0])


def turned(random: Random, packets: Packets) -> Packets:
    """Neighbours in the wrong order, as two queues of one card give them."""
    turned = list(packets)
    for i in range(len(turned) - 1):
        if random.random() < 0.1:
            turned[i], turned[i + 1] = turned[i + 1], turned[i]
    return turned


def shaken(random: Random, packets: Packets) -> Packets:
    delays = (0, 0, 0, 5 * MS, 60 * MS)
    return sorted(
        ((time + random.choice(delays), data) for time, data in packets), key=lambda one: one[0]
    )


def one_sided(random: Random, packets: Packets) -> Packets:
    source = random.choice(packets)[1][12:16]
    return [one for one in packets if one[1][12:16] == source]


WAYS: tuple[Callable[[Random, Packets], Packets], ...] = (
    whole,
    begun_late,
    with_holes,
    doubled,
    turned,
    shaken,
    one_sided,
)


def written_together(path: Path, conversations: Iterable[Packets]) -> Path:
    """Write them one behind the other, each with a client of its own."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, RAW))
        for number, packets in enumerate(conversations):
            client = struct.pack("!I", 0x0B000000 + number)
            for time, data in packets:
                data = data[:12] + data[12:20].replace(CLIENT, client) + data[20:]
                seconds, rest = divmod(EPOCH + time, SECOND)
                file.write(struct.pack("<IIII", seconds, rest, len(data), len(data)) + data)
    return path
