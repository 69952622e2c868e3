"""A second look at a capture: the segments of one connection, with the states they left behind.

The first look tells how every connection went on; the states after each segment follow from what
its changes turned out to be in the end, not from what was presumed at the time.
"""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

from lastack.observe.captures import Capture
from lastack.observe.connection import steps_of
from lastack.observe.core.analysis import Remark
from lastack.observe.core.ends import End, states_in
from lastack.observe.core.flow import Flow
from lastack.observe.core.rows import Rows
from lastack.observe.core.violations import Violation
from lastack.observe.reading import MOST_OPEN, Observer
from lastack.observe.sources import Notice, in_order, open_capture
from lastack.tcp.states import Cause, State
from lastack.wire.batches import Batch, BatchReader
from lastack.wire.capture import CaptureError


@dataclass(frozen=True, slots=True)
class Sought:
    """Connection number so and so: None when there are only `count`; and the rules broken in it.

    `problem` is what is wrong with the capture, None for nothing.
    """

    flow: Flow | None
    count: int
    violations: list[Violation]
    problem: CaptureError | None


def seek(
    capture: Capture, number: int, most_open: int = MOST_OPEN, notice: Notice | None = None
) -> Sought:
    """Look through a capture for one connection. Raises OSError when it cannot be opened."""
    observer = Observer(most_open)
    observer.scanner.violations.only = number
    found: Flow | None = None
    problem: CaptureError | None = None
    count = 0
    try:
        for flow in capture.flows(observer, notice):
            count = max(count, flow.number)
            if flow.number == number:
                found = flow
    except CaptureError as error:
        problem = error
    return Sought(found, count, observer.scanner.violations.found, problem)


@dataclass(frozen=True, slots=True)
class Seen:
    """One captured segment: `data` is what was captured of it, `length` its octets on the wire.

    `states_a` and `states_b` are the possible states after it.
    """

    packet: int
    time: int
    connection: int
    from_a: bool
    flags: int
    seq: int
    ack: int
    window: int
    length: int
    remarks: Remark
    states_a: tuple[State, ...]
    states_b: tuple[State, ...]
    data: bytes


class _Way:
    """The states of an end after each packet, as its changes say in the end."""

    def __init__(self, end: End) -> None:
        self.rewritten = end.rewritten
        # After the end of TIME-WAIT there is no segment any more.
        self.steps = [one for one in steps_of(end) if one.cause is not Cause.TIME_WAIT_OVER]
        self.start = int(end.start)

    def after(self, packet: int, presumed: int) -> tuple[State, ...]:
        """Return the states after a packet; `presumed` is what was believed at the time."""
        if not self.rewritten:
            return states_in(presumed)
        states = self.start
        for step in self.steps:
            if step.packet > packet:
                break
            states = int(step.after)
        return states_in(states)


class Corrections:
    """The connections that went another way than was believed first, by number: few of many."""

    def __init__(self) -> None:
        self.ways: dict[int, tuple[_Way, _Way]] = {}

    def note(self, flow: Flow) -> None:
        """Remember how a connection went, if that differs from what was believed."""
        if flow.a.rewritten or flow.b.rewritten:
            self.ways[flow.number] = _Way(flow.a), _Way(flow.b)

    def after(
        self, number: int, packet: int, a: int, b: int
    ) -> tuple[tuple[State, ...], tuple[State, ...]]:
        """Return the states of both ends after a packet."""
        ways = self.ways.get(number)
        if ways is None:
            return states_in(a), states_in(b)
        return ways[0].after(packet, a), ways[1].after(packet, b)


def segments(
    capture: Capture,
    corrections: Corrections,
    only: int = 0,
    most_open: int = MOST_OPEN,
    notice: Notice | None = None,
) -> Iterator[Seen]:
    """Return the segments of a capture, or of its connection number `only`.

    `most_open` must be what it was at the first look. What is damaged ends it silently: the first
    look has told of it.
    """
    observer = Observer(most_open, rows=Rows())
    observer.scanner.only = only
    for path in in_order(capture.files):
        with suppress(CaptureError), closing(open_capture(path, notice)) as file:
            for batch in BatchReader(file).batches():
                yield from _of_batch(observer, batch, corrections)


def _of_batch(observer: Observer, batch: Batch, corrections: Corrections) -> Iterator[Seen]:
    scanner = observer.scanner
    rows = Rows()
    scanner.rows = rows
    for i in range(len(batch)):
        scanner.packet(batch.data, batch.starts[i], batch.stops[i], batch.linktype, batch.times[i])
        if len(rows):
            yield _seen(rows, scanner.seen[scanner.seen_at : scanner.seen_stop], corrections)
            rows = Rows()
            scanner.rows = rows
    if len(batch):
        observer.batch_ended(int(batch.times[len(batch) - 1]))
    observer.take_finished()


def _seen(rows: Rows, data: bytes, corrections: Corrections) -> Seen:
    number, packet = rows.connection[0], int(rows.packet[0])
    states = corrections.after(number, packet, int(rows.state_a[0]), int(rows.state_b[0]))
    return Seen(
        packet,
        int(rows.time[0]),
        number,
        rows.from_a[0] == 1,
        int(rows.flags[0]),
        rows.seq[0] & 0xFFFFFFFF,
        rows.ack[0] & 0xFFFFFFFF,
        rows.window[0] & 0xFFFF,
        int(rows.length[0]),
        Remark(int(rows.remarks[0])),
        *states,
        data,
    )
