"""Two hosts joined by a wire, in virtual time and from a seed: the smallest world there is.

    pair = TwoHosts(seed=1, loss=0.1)
    listener = pair.right.listen(Endpoint(b"", 80), 8)
    client = pair.left.connect(Endpoint(pair.right_address, 80), pair.now)
    pair.run(while_=lambda: client.state is not ESTABLISHED)

The same seed and the same calls give the same world, octet for octet. `crossings` tells what passed
over the wire and `events` what changed at both ends; `story()` tells both as text.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Final

from lastack.link.base import NO_OFFLOAD, Offload
from lastack.link.memory import Drop, MemoryEnd, MemoryWire, Passage
from lastack.sim.trail import Crossing, Trail
from lastack.stack.listener import Listener
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.events import Event
from lastack.units import MS, NEVER
from lastack.wire.address import pack_address

MOST_STEPS: Final = 1_000_000

OnNotice = Callable[[Connection | Listener], None]


class EndlessWorld(RuntimeError):
    """The world would not come to rest in the steps allowed; the message tells its last story."""


class TwoHosts:
    """Two Stacks, `left` and `right`, and the wire between them; `now` is the time for both.

    `delay` to `queue` and `mark` are as in MemoryWire (the left end is its `a`). `config` holds
    for both hosts unless one has its own. `keep` is whether crossings and events are kept, for
    stories and ladders. After using a Connection call `wake` of its stack, as ever; then `run`.
    """

    left: Stack
    right: Stack
    left_address: bytes
    right_address: bytes
    wire: MemoryWire
    now: int
    crossings: list[Crossing]
    events: list[tuple[bool, Event]]
    """(whether it is the left host's, what happened), in order."""
    on_notice_left: OnNotice | None
    on_notice_right: OnNotice | None
    """Called with every Connection and Listener that has news; None leaves notices unread."""

    def __init__(
        self,
        seed: int = 1,
        delay: int = 10 * MS,
        loss: float = 0.0,
        reorder: float = 0.0,
        duplicate: float = 0.0,
        corrupt: float = 0.0,
        jitter: int = 0,
        rate: int = 0,
        queue: int = 0,
        drop: Drop | None = None,
        config: Config | None = None,
        left_config: Config | None = None,
        right_config: Config | None = None,
        left_address: str = "10.0.0.1/24",
        right_address: str = "10.0.0.2/24",
        mtu: int = 1500,
        left_offload: Offload = NO_OFFLOAD,
        right_offload: Offload = NO_OFFLOAD,
        keep: bool = True,
        mark: int = 0,
    ) -> None:
        self.seed = seed
        chance = Random(seed)
        self.now = 0
        self.wire = MemoryWire(
            Random(chance.getrandbits(64)),
            delay,
            loss,
            reorder,
            duplicate,
            corrupt,
            jitter,
            rate,
            queue,
            drop=drop,
            mtu=mtu,
            a_offload=left_offload,
            b_offload=right_offload,
            mark=mark,
        )
        self.left_address = pack_address(left_address.partition("/")[0])
        self.right_address = pack_address(right_address.partition("/")[0])
        self.left = Stack(
            [Interface("left0", [left_address], mtu, left_offload)],
            left_config or config or Config(),
            Random(chance.getrandbits(64)),
        )
        self.right = Stack(
            [Interface("right0", [right_address], mtu, right_offload)],
            right_config or config or Config(),
            Random(chance.getrandbits(64)),
        )
        self.on_notice_left = None
        self.on_notice_right = None
        self._actions: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0
        self._trail = Trail(self.left, self.right)
        self.crossings = self._trail.crossings
        self.events = self._trail.events
        self.keep = keep
        if keep:
            self.wire.trace = self._crosses

    def at(self, time: int, action: Callable[[], object]) -> None:
        """Have something done at a time; actions of one time keep their order."""
        self._order += 1
        heapq.heappush(self._actions, (max(time, self.now), self._order, action))

    def next_time(self) -> int:
        """Return when the next thing happens, NEVER when nothing will."""
        times = [
            self.wire.next_deadline(),
            self.left.next_deadline(),
            self.right.next_deadline(),
            self._actions[0][0] if self._actions else NEVER,
        ]
        return max(min(times), self.now)

    def step(self, until: int = NEVER) -> bool:
        """Send what waits to be sent; if nothing does, go to the next moment and live through it.

        False when nothing more will happen (by `until`), which leaves the time as it was.
        """
        self.wire.advance(self.now)
        if self._let_act():
            return True
        moment = self.next_time()
        if moment >= NEVER or moment > until:
            return False
        self.now = moment
        self.wire.advance(moment)
        while self._actions and self._actions[0][0] <= moment:
            heapq.heappop(self._actions)[2]()
        for stack, end in ((self.left, self.wire.a), (self.right, self.wire.b)):
            self._take_in(stack, end)
            if stack.next_deadline() <= moment:
                stack.deadline_passed(moment)
        self._let_act()
        return True

    def run(
        self,
        until: int = NEVER,
        while_: Callable[[], bool] | None = None,
        limit: int = MOST_STEPS,
    ) -> bool:
        """Step while `while_` holds, until nothing more happens by `until`; the time is then that.

        Returns False when `while_` still holds at the end, True otherwise. Raises EndlessWorld
        after `limit` steps.
        """
        for _ in range(limit):
            if while_ is not None and not while_():
                return True
            if not self.step(until):
                if until < NEVER:
                    self.now = max(self.now, until)
                    self.wire.advance(self.now)
                return while_ is None or not while_()
        raise EndlessWorld(f"no rest after {limit} steps; seed {self.seed}\n{self.story(40)}")

    @property
    def quiet(self) -> bool:
        """Whether nothing will ever happen again: no packet on the wire, no timer, no action."""
        return self.next_time() >= NEVER

    def story(self, last: int = 0) -> str:
        """Return the seed and all (or the last) crossings and events as text."""
        lines = self._trail.lines()
        return "\n".join([f"seed {self.seed}, at {self.now / 1e9:.6f}", *lines[-last:]])

    def _take_in(self, stack: Stack, end: MemoryEnd) -> None:
        while (packet := end.receive()) is not None:
            stop = stack.packet_arrives(packet, self.now)
            if self.keep and end.passage is not None:
                self._trail.arrived(end.passage, stop)

    def _let_act(self) -> bool:
        """Tell both users their news and send all that is ready; return whether anything moved."""
        moved = self._tell(self.left, self.on_notice_left)
        moved |= self._tell(self.right, self.on_notice_right)
        for stack, end in ((self.left, self.wire.a), (self.right, self.wire.b)):
            while (packet := stack.next_packet(self.now)) is not None:
                end.send(packet)
                moved = True
        if self.keep:
            self._trail.collect()
        else:
            self.left.take_events()
            self.right.take_events()
        return moved

    def _tell(self, stack: Stack, on_notice: OnNotice | None) -> bool:
        noticed = stack.take_noticed()
        if on_notice is not None:
            for one in noticed:
                on_notice(one)
        return bool(noticed)

    def _crosses(self, passage: Passage) -> None:
        self._trail.sent(passage)
