"""Two connections and a network of the test's own between them, watched octet by octet.

`Rig` carries what the left end sends to the right one, in virtual time. Whatever leaves the left
end is held against the rules of sending: nothing that was SACKed goes again, nothing exceeds the
peer's window, and what exceeds the congestion window is one segment at most, as a probe or a
retransmission that recovery begins with.
"""

import heapq
from collections.abc import Callable
from random import Random

from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.recovery import Phase
from lastack.tcp.states import State
from lastack.units import MS, NEVER, SECOND
from lastack.wire.address import Endpoint
from lastack.wire.segment import Segment
from lastack.wire.seq import add, diff, gt, lt

LEFT = Endpoint(bytes((10, 0, 0, 1)), 40000)
RIGHT = Endpoint(bytes((10, 0, 0, 2)), 80)
MSS = 1000


class Rig:
    """`drops` says of the n-th data segment whether it gets lost; `late` how much later it comes.

    ACKs come in bunches of `bunch` (or after 5 ms) and are lost with `ack_loss`. The clock that the
    ends are told goes in ticks of `tick`.
    """

    def __init__(
        self,
        config: Config,
        right: Config | None = None,
        drops: Callable[[int], bool] = lambda n: False,
        late: Callable[[int], int] = lambda n: 0,
        ack_loss: float = 0.0,
        bunch: int = 1,
        tick: int = 1,
        delay: int = 20 * MS,
        seed: int = 0,
    ) -> None:
        self.true_now = SECOND
        self.tick, self.delay, self.bunch, self.ack_loss = tick, delay, bunch, ack_loss
        self.drops, self.late = drops, late
        self.chance = Random(seed)
        config = config.replace(strict=True, mss_limit=MSS)
        right = (right or config).replace(strict=True, mss_limit=MSS)
        self.left = Connection(1, LEFT, RIGHT, config, 4_294_960_000, 7, 1500)
        self.right = Connection(2, RIGHT, LEFT, right, 77, 9, 1500)
        self.events: list[tuple[int, int, bool, Segment]] = []
        self.order = self.count = 0
        self.held: list[Segment] = []
        self.held_until = NEVER
        self.received = bytearray()
        self.sacked: list[tuple[int, int]] = []
        self.edge = 0
        self.worst = 0
        self.repairing_since = -1
        self.repairs: list[int] = []
        """How long each episode of recovery took."""
        self.right.open_passive(self.now)
        self.left.open_active(self.now)
        self.run_until(lambda: self.left.state is State.ESTABLISHED)

    @property
    def now(self) -> int:
        return self.true_now - self.true_now % self.tick

    # -- the network ------------------------------------------------------------------------------

    def put(self, to_left: bool, segment: Segment, delay: int) -> None:
        self.order += 1
        heapq.heappush(self.events, (self.true_now + delay, self.order, to_left, segment))

    def pull(self) -> None:
        while True:
            tcb = self.left.tcb
            before, prior = tcb.window, tcb.sent.in_flight
            segment = self.left.next_segment(self.now)
            if segment is None:
                break
            self.watch(segment, before, prior)
            if segment.length:
                self.count += 1
                if self.drops(self.count):
                    continue
                self.put(False, segment, self.delay + self.late(self.count))
            else:
                self.put(False, segment, self.delay)
        while (segment := self.right.next_segment(self.now)) is not None:
            if self.bunch > 1 and self.left.state is State.ESTABLISHED:
                self.held.append(segment)
                self.held_until = min(self.held_until, self.true_now + 5 * MS)
                if len(self.held) < self.bunch:
                    continue
                self.release()
            elif self.chance.random() >= self.ack_loss:
                self.put(True, segment, self.delay)

    def release(self) -> None:
        for segment in self.held:
            if self.chance.random() >= self.ack_loss:
                self.put(True, segment, self.delay)
        self.held.clear()
        self.held_until = NEVER

    def watch(self, segment: Segment, window: int, prior: int) -> None:
        """Hold what the left end sends against the rules."""
        tcb = self.left.tcb
        end = add(segment.seq, segment.length)
        for low, high in self.sacked:
            assert not (lt(segment.seq, high) and lt(low, end)), f"{segment} was SACKed"
        if segment.length:
            assert not gt(end, self.edge), f"{segment} is beyond the peer's window"
            flight = tcb.sent.in_flight
            assert flight <= max(window, prior) + MSS
            if flight > max(window, prior):
                self.worst += 1  # a probe, or the retransmission that begins recovery

    def run_until(self, done: Callable[[], bool], limit: int = 400_000) -> None:
        """Live until `done`, and no longer than `limit` moments."""
        for _ in range(limit):
            self.pull()
            if done():
                return
            moments = [self.events[0][0] if self.events else NEVER, self.held_until]
            for end in (self.left, self.right):
                deadline = end.next_deadline()
                if deadline < NEVER:
                    deadline += -deadline % self.tick  # when such a clock sees it come
                moments.append(deadline)
            moment = min(moments)
            assert moment < NEVER, "nothing will ever happen again"
            self.true_now = max(moment, self.true_now)
            if self.held_until <= self.true_now:
                self.release()
            for end in (self.left, self.right):
                if end.next_deadline() <= self.now:
                    end.deadline_passed(self.now)
            while self.events and self.events[0][0] <= self.true_now:
                _, _, to_left, segment = heapq.heappop(self.events)
                self.arrive(to_left, segment)
        raise AssertionError("it does not come to an end")

    def arrive(self, to_left: bool, segment: Segment) -> None:
        if not to_left:
            self.right.segment_arrives(segment, self.now)
            while data := self.right.receive(1 << 20, self.now):
                self.received += data
            return
        scale = self.left.tcb.snd.scale
        edge = add(segment.ack, segment.window << scale if scale else segment.window)
        if self.edge == 0 or gt(edge, self.edge):
            self.edge = edge
        self.left.segment_arrives(segment, self.now)
        self.note_phase()
        una = self.left.tcb.snd.una
        for low, high in segment.sack or ():
            if gt(high, una):
                self.sacked.append((low, high))
        self.sacked = [(low, high) for low, high in self.sacked if diff(high, una) > 0]

    def note_phase(self) -> None:
        recovery = self.left.tcb.recovery
        repairing = recovery is not None and recovery.phase is not Phase.OPEN
        if repairing and self.repairing_since < 0:
            self.repairing_since = self.true_now
        elif not repairing and self.repairing_since >= 0:
            self.repairs.append(self.true_now - self.repairing_since)
            self.repairing_since = -1

    # -- what a test does -------------------------------------------------------------------------

    def transfer(self, octets: int) -> int:
        """Carry so many octets over; return how long it took until all were acknowledged."""
        begun = self.true_now
        data = self.chance.randbytes(octets)
        self.received.clear()
        left = data

        def done() -> bool:
            nonlocal left
            if left:
                left = left[self.left.send(left, self.now) :]
            return not left and self.left.unacknowledged == 0

        self.run_until(done)
        assert bytes(self.received) == data
        tcb = self.left.tcb
        assert tcb.sent.in_flight == tcb.sent.octets == tcb.sent.lost == 0
        return self.true_now - begun
