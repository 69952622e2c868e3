"""The golden table: what each controller makes of losses, delays, reordering and queues.

`make golden` writes it anew. Each cell is one transfer from host to host in virtual time, from the
same seed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lastack.link.base import Offload
from lastack.link.memory import Passage
from lastack.sim.pair import TwoHosts
from lastack.sim.talk import Conversation
from lastack.tcp.config import preset
from lastack.tcp.recovery import Phase
from lastack.units import MS, SECOND

TABLE = Path(__file__).parent / "congestion.txt"
OCTETS = 1_000_000
RATE = 20_000_000
SEED = 1
LONGEST = 3600 * SECOND

WHO = (
    ("rfc", "newreno"),
    ("linux", "newreno"),
    ("linux", "cubic"),
    ("linux", "bbr"),
    ("freebsd", "cubic"),
)
LOSSES = (0.0, 0.01, 0.1)
DELAYS = (1, 30, 300)
REORDERS = (0.0, 0.02)
QUEUES = (20, 200)

HEAD = f"""\
What each congestion controller, with the loss recovery of its preset, makes of a path.

One transfer of {OCTETS:,} octets from host to host in virtual time, at {RATE // 10**6} Mbit/s.
A line has the loss by chance (both ways) and the round-trip time, a column how many of the
packets are held back by up to half a round-trip time (late), and how many the queue takes. A cell
has, in this order:

    throughput in Mbit/s, from the SYN to the last octet read: higher is better;
    the share of retransmissions among the segments sent: what is lost has to be sent again;
    how long an episode of loss recovery lasted on average, in round-trip times without the
    queue's part; - without any.

It is the same on every machine, interpreted and compiled. A change of it is a change of behaviour:
`make golden` writes it anew, and the difference is to be looked at like code. One seed is one draw,
so single cells may well get worse by chance when all others get better.
"""


class Cell(NamedTuple):
    """What came out of one transfer."""

    megabits: float
    again: float
    recovering: float

    def __str__(self) -> str:
        recovering = f"{self.recovering:6.1f}" if self.recovering >= 0 else "     -"
        return f"{self.megabits:6.2f} {self.again:5.1%} {recovering}"


class _Episodes:
    """How long loss recovery lasted, seen whenever a packet is put on the wire."""

    def __init__(self, conversation: Conversation, pair: TwoHosts) -> None:
        self.conversation = conversation
        self.pair = pair
        self.began = -1
        self.lasted = 0
        self.count = 0

    def __call__(self, passage: Passage) -> None:
        recovery = self.conversation.left.connection.tcb.recovery
        recovering = recovery is not None and recovery.phase is not Phase.OPEN
        if recovering and self.began < 0:
            self.began = self.pair.now
            self.count += 1
        elif not recovering and self.began >= 0:
            self.lasted += self.pair.now - self.began
            self.began = -1


def cell(
    who: tuple[str, str], loss: float, rtt: int, reorder: float, queue: int, octets: int = OCTETS
) -> Cell:
    """Make one transfer."""
    config = preset(who[0]).replace(congestion=who[1], strict=True)
    offload = Offload(checksum=True)
    pair = TwoHosts(
        SEED,
        rtt * MS // 2,
        loss,
        reorder,
        rate=RATE,
        queue=queue,
        config=config,
        left_offload=offload,
        right_offload=offload,
        keep=False,
    )
    conversation = Conversation(pair, bytes(octets))
    episodes = _Episodes(conversation, pair)
    pair.wire.trace = episodes
    done = pair.run(
        LONGEST,
        lambda: conversation.right is None or len(conversation.right.received) < octets,
        limit=1 << 40,
    )
    tcb = conversation.left.connection.tcb
    if episodes.began >= 0:
        episodes.lasted += pair.now - episodes.began
    assert done, f"not over after {LONGEST // SECOND} s: {who}, {loss}, {rtt}, {reorder}, {queue}"
    return Cell(
        octets * 8 * 1000 / pair.now,
        tcb.retransmissions / tcb.segments_sent,
        episodes.lasted / episodes.count / (rtt * MS) if episodes.count else -1.0,
    )


def part(who: tuple[str, str]) -> str:
    """Return the lines of one controller."""
    columns = [(reorder, queue) for reorder in REORDERS for queue in QUEUES]
    lines = [f"{who[1]}, preset {who[0]}", "", "  loss    RTT"]
    for reorder, queue in columns:
        title = f"queue {queue}" + (f", {reorder:.0%} late" if reorder else "")
        lines[-1] += f" | {title:<19}"
    lines.append("-" * len(lines[-1]))
    for loss in LOSSES:
        for rtt in DELAYS:
            cells = [str(cell(who, loss, rtt, reorder, queue)) for reorder, queue in columns]
            lines.append(f"{loss:6.1%} {rtt:3} ms | " + " | ".join(cells))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def parts() -> Iterator[str]:
    """Return the whole table, part by part."""
    yield HEAD
    for who in WHO:
        yield part(who)


if __name__ == "__main__":
    TABLE.write_text("\n\n".join(parts()), encoding="utf-8")
