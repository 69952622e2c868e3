"""Captures in, connections out: `read` for files, `Observer` for packets as they come.

    for flow in lastack.observe.read("trace.pcapng"):
        print(flow.number, verdict_on(flow).teardown)

Memory is bounded by the connections that are open, and by `most_open`: beyond it the ones that have
been silent longest are given up early, marked `evicted`, and counted.
"""

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO, Final

from lastack.observe.core.flow import Flow
from lastack.observe.core.moves import TWO_MSL
from lastack.observe.core.rows import Rows
from lastack.observe.core.scan import LINGER, Scanner
from lastack.observe.core.table import Table
from lastack.observe.sources import Notice, in_order, open_capture
from lastack.units import SECOND
from lastack.wire.batches import Batch, BatchReader
from lastack.wire.capture import LINKTYPE_RAW, CaptureError

MOST_OPEN: Final = 100_000
_SWEEP: Final = 8192
"""Connections that begin between two sweeps."""
_SWEEP_TIME: Final = 5 * SECOND
_LAST: Final = (1 << 63) - 1
"""The last time there is, nanoseconds."""


class Observer:
    """Watches segments go by and keeps the connections they make.

    `most_open` connections are kept at most; one that is over is kept for `linger` nanoseconds of
    the capture's own time, for what may still come; with 2 MSL (four minutes) or more, TIME-WAIT
    ends by the clock. `evicted` counts those given up early. Of several observers of one capture
    each takes the connections of its `share` of `shares`.
    """

    scanner: Scanner
    evicted: int

    def __init__(
        self,
        most_open: int = MOST_OPEN,
        linger: int = LINGER,
        rows: Rows | None = None,
        share: int = 0,
        shares: int = 1,
    ) -> None:
        self.scanner = Scanner(share, shares, linger)
        self.scanner.rows = rows
        self.most_open = most_open
        self.linger = linger
        self.evicted = 0
        self._swept_at = 0
        self._swept_when = 0
        self._now = 0

    def packet_seen(self, time: int, data: bytes, linktype: int = LINKTYPE_RAW) -> None:
        """Take in one packet, captured at `time`, nanoseconds."""
        self.scanner.packet(data, 0, len(data), linktype, time)
        self._now = time
        self._sweep_when_due()

    def batch_seen(self, batch: Batch) -> None:
        """Take in the packets of a batch."""
        if len(batch):
            self.scanner.batch(batch)
            self.batch_ended(int(batch.times[len(batch) - 1]))

    def batch_ended(self, now: int) -> None:
        """Let go of what is over, when there is reason to; `now` is the last packet's time."""
        self._now = now
        self._sweep_when_due()

    def went_on(self, until: int) -> None:
        """The capture goes on until then, nanoseconds, though there was no packet any more."""
        self._now = min(max(self._now, until), _LAST)

    def time_passed(self, now: int) -> None:
        """Let go of what is over by `now`, nanoseconds; for live use, where packets may be few."""
        self._now = now
        if abs(now - self._swept_when) >= _SWEEP_TIME:
            self._sweep()

    def take_finished(self) -> list[Flow]:
        """Return the connections that are over, or were given up, since this was last asked."""
        finished = self.scanner.finished
        self.scanner.finished = []
        return finished

    def close(self) -> list[Flow]:
        """Return all the connections that are left, in the order of their beginning."""
        left = self.scanner.flows.values()
        for flow in left:
            self._watched_enough(flow)
        self.scanner.flows = Table()
        return sorted(self.take_finished() + left, key=_number)

    def _sweep_when_due(self) -> None:
        if int(self.scanner.number) - self._swept_at >= _SWEEP:
            self._sweep()

    def _sweep(self) -> None:
        """Let go of what is over; if that is not enough, of what has been silent longest."""
        self._swept_at = int(self.scanner.number)
        self._swept_when = self._now
        flows = self.scanner.flows
        for flow in sorted(flows.over_before(self._now - self.linger), key=_number):
            self._let_go(flow)
        excess = len(flows) - self.most_open
        if excess > 0:
            silent = sorted(flows.values(), key=_last)[: excess + self.most_open // 8]
            for flow in silent:
                if not flow.over:
                    flow.evicted = True
                    self.evicted += 1
                self._let_go(flow)

    def _let_go(self, flow: Flow) -> None:
        self._watched_enough(flow)
        self.scanner.forget(flow)
        self.scanner.finished.append(flow)

    def _watched_enough(self, flow: Flow) -> None:
        """Whoever has connections told of earlier hears nothing of the end of TIME-WAIT."""
        flow.until = self._now
        if self.linger >= TWO_MSL:
            flow.time_passed(self._now)


def _number(flow: Flow) -> int:
    return flow.number


def _last(flow: Flow) -> tuple[int, int]:
    return int(flow.last), flow.number


def read(*paths: str | os.PathLike[str], most_open: int = MOST_OPEN) -> Iterator[Flow]:
    """Return the connections of captures that were written one after the other, as they end.

    Whatever is still open comes at the end. A file that is cut or damaged gives what it holds; the
    CaptureError comes after all the connections. OSError when a file cannot be opened.
    """
    return read_with(Observer(most_open), paths)


def read_with(
    observer: Observer, paths: Iterable[str | os.PathLike[str]], notice: Notice | None = None
) -> Iterator[Flow]:
    """The same as `read` with an observer of one's own, which has the counts afterwards."""
    problem: CaptureError | None = None
    with _uncollected():
        for path in in_order(paths):
            try:
                with closing(open_capture(path, notice)) as file:
                    yield from observe_file(observer, file)
            except CaptureError as error:
                problem = problem or error
        yield from observer.close()
    if problem is not None:
        raise problem


@contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing here refers to itself: the collector would only walk over the connections."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def observe_file(observer: Observer, file: BinaryIO) -> Iterator[Flow]:
    """Take in a whole file; return the connections that are over by the way.

    Raises CaptureError behind what a cut or damaged file holds.
    """
    reader = BatchReader(file)
    for batch in reader.batches():
        observer.batch_seen(batch)
        if observer.scanner.finished:
            yield from observer.take_finished()
    observer.went_on(reader.ended)
