"""Flows that share one bottleneck, in virtual time: how much each gets, and what the queue sees.

    result = compete([Entrant("cubic", "cubic"), Entrant("mine", Mine)], Path(rate=50_000_000))

Each flow has a congestion controller of its own and sends as fast as it may. All of them pass one
queue with drop tail, which may mark instead of waiting to be full. The same seed gives the same
result.
"""

from typing import Final

from lastack.link.base import Offload
from lastack.link.memory import QUEUE_FULL, Passage
from lastack.sim.pair import TwoHosts
from lastack.stack.listener import Listener
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.units import MS, SECOND
from lastack.wire.address import Endpoint

FIRST_PORT: Final = 5001
APART: Final = 100 * MS
"""Each flow begins so long after the one before."""
POINTS: Final = 300
"""Of each curve."""
_CHUNK: Final = bytes(65536)
_READ: Final = 1 << 20
_LOOK: Final = 5 * MS
"""How often the queue is looked at."""
_ENDLESS: Final = 1 << 60


class Path:
    """`rate` bits a second, `delay` one way in nanoseconds, `loss` and `reorder` probabilities.

    `queue` and `mark` in packets: what fits, and from what length on ECN-capable packets are marked
    (0: none).
    """

    def __init__(
        self,
        rate: int = 50_000_000,
        delay: int = 20 * MS,
        loss: float = 0.0,
        reorder: float = 0.0,
        queue: int = 0,
        mark: int = 0,
        mtu: int = 1500,
    ) -> None:
        self.rate = rate
        self.delay = delay
        self.loss = loss
        self.reorder = reorder
        self.mtu = mtu
        self.queue = queue or self.bdp()
        self.mark = mark

    def bdp(self, times: float = 1.0) -> int:
        """Return how many packets so many bandwidth-delay products are, at least one."""
        return max(int(times * self.rate * 2 * self.delay / SECOND / 8 / self.mtu), 1)


class Entrant:
    """Who competes: a name to show, what Config's `congestion` takes, and the other knobs."""

    def __init__(self, name: str, congestion: str | type[object], config: Config) -> None:
        self.name = name
        self.config = config.replace(congestion=congestion)


class Flow:
    """One flow: its counts, and its curves at the times in `Result.times`.

    `received` octets have reached the other user, `counted` of them since all flows run;
    `cwnds` are octets, `rates` bits a second.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.connection: Connection | None = None
        self.seen = 0
        self.received = 0
        self.before = 0
        self.cwnds: list[int] = []
        self.rates: list[int] = []
        self.throughput = 0
        self.segments = 0
        self.retransmissions = 0
        self.rtt = 0

    def close_books(self, span: int) -> None:
        """Take what the connection says at the end; `span` is what the throughput is over."""
        self.throughput = (self.received - self.before) * 8 * SECOND // max(span, 1)
        if self.connection is not None:
            info = self.connection.info()
            self.segments = info.segments_sent or 0
            self.retransmissions = info.retransmissions or 0
            self.rtt = info.srtt or 0


class Result:
    """What came out. Times are nanoseconds from the beginning, `throughput` is bits a second."""

    def __init__(self, path: Path, flows: list[Flow]) -> None:
        self.path = path
        self.flows = flows
        self.time = 0
        self.times: list[int] = []
        self.queues: list[int] = []
        """The queueing delay at those times."""
        self.delay_mean = 0
        self.delay_most = 0
        self.dropped = 0
        self.lost = 0

    @property
    def jain(self) -> float:
        """Jain's index of fairness: 1 when all get the same, 1/n when one gets all."""
        rates = [flow.throughput for flow in self.flows]
        squares = sum(rate * rate for rate in rates)
        return sum(rates) ** 2 / (len(rates) * squares) if squares else 1.0

    @property
    def utilization(self) -> float:
        """The share of the bottleneck that carried new data."""
        return sum(flow.throughput for flow in self.flows) / self.path.rate


def compete(entrants: list[Entrant], path: Path, span: int = 30 * SECOND, seed: int = 1) -> Result:
    """Let the flows run for so long and return what came out."""
    return _Race(entrants, path, span, seed).run()


class _Race:
    """The world of one competition, and its users."""

    def __init__(self, entrants: list[Entrant], path: Path, span: int, seed: int) -> None:
        self.span = span
        self.pair = TwoHosts(
            seed=seed,
            delay=path.delay,
            loss=path.loss,
            reorder=path.reorder,
            rate=path.rate,
            queue=path.queue,
            config=entrants[0].config,
            mtu=path.mtu,
            left_offload=Offload(checksum=True),
            right_offload=Offload(checksum=True),
            keep=False,
            mark=path.mark,
        )
        self.flows = [Flow(entrant.name, FIRST_PORT + i) for i, entrant in enumerate(entrants)]
        self.by_port = {flow.port: flow for flow in self.flows}
        self.result = Result(path, self.flows)
        self.looks = 0
        self.waited = 0
        self.pair.wire.trace = self._note
        self.pair.on_notice_left = self._write
        self.pair.on_notice_right = self._read
        for i, (flow, entrant) in enumerate(zip(self.flows, entrants, strict=True)):
            self.pair.right.listen(Endpoint(b"", flow.port), 1, entrant.config)
            self.pair.at(i * APART, _Start(self, flow, entrant.config))
        self.all_run = (len(entrants) - 1) * APART

    def run(self) -> Result:
        pair, result = self.pair, self.result
        for i in range(1, POINTS + 1):
            pair.at(i * self.span // POINTS, self._point)
        pair.at(self.all_run, self._all_run)
        pair.at(_LOOK, self._look)
        pair.run(self.span, limit=_ENDLESS)
        result.time = pair.now
        result.delay_mean = self.waited // max(self.looks, 1)
        for flow in self.flows:
            flow.close_books(self.span - self.all_run)
        return result

    def start(self, flow: Flow, config: Config) -> None:
        """A flow begins."""
        there = Endpoint(self.pair.right_address, flow.port)
        flow.connection = self.pair.left.connect(there, self.pair.now, config=config)
        flow.connection.user = flow

    def _all_run(self) -> None:
        for flow in self.flows:
            flow.before = flow.received

    def _write(self, noticed: Connection | Listener) -> None:
        noticed.notices = 0
        if isinstance(noticed, Connection):
            now = self.pair.now
            while noticed.writable and noticed.send(_CHUNK, now):
                pass
            self.pair.left.wake(noticed, now)

    def _read(self, noticed: Connection | Listener) -> None:
        noticed.notices = 0
        if isinstance(noticed, Listener):
            while (connection := noticed.accept()) is not None:
                self._read(connection)
            return
        flow = self.by_port[noticed.local.port]
        while data := noticed.receive(_READ, self.pair.now):
            flow.received += len(data)
        self.pair.right.wake(noticed, self.pair.now)

    def _note(self, passage: Passage) -> None:
        if passage.fate == QUEUE_FULL:
            self.result.dropped += 1
        elif passage.lost:
            self.result.lost += 1

    def _look(self) -> None:
        waits = self.pair.wire.queueing_time(True)
        self.waited += waits
        self.looks += 1
        self.result.delay_most = max(self.result.delay_most, waits)
        self.pair.at(self.pair.now + _LOOK, self._look)

    def _point(self) -> None:
        result, now = self.result, self.pair.now
        step = now - (result.times[-1] if result.times else 0)
        result.times.append(now)
        result.queues.append(self.pair.wire.queueing_time(True))
        for flow in self.flows:
            controller = None if flow.connection is None else flow.connection.tcb.controller
            flow.cwnds.append(0 if controller is None else controller.cwnd)
            flow.rates.append((flow.received - flow.seen) * 8 * SECOND // max(step, 1))
            flow.seen = flow.received


class _Start:
    """An action: a flow begins."""

    def __init__(self, race: _Race, flow: Flow, config: Config) -> None:
        self.race = race
        self.flow = flow
        self.config = config

    def __call__(self) -> None:
        self.race.start(self.flow, self.config)
