"""Connections from an interface as they happen: the same as from a file, until it is stopped."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lastack.errors import DeviceUnavailable
from lastack.observe.captures import Capture
from lastack.observe.core.flow import Flow
from lastack.observe.interface import Interface
from lastack.observe.reading import MOST_OPEN, Observer
from lastack.observe.sources import Notice
from lastack.units import SECOND
from lastack.wire.capture import CaptureError

_NAP: Final = 0.2
"""Seconds after which it is looked whether to stop, where nothing comes."""
_AT_A_TIME: Final = 1024


class Until:
    """When to stop listening: after `count` packets, after `duration` nanoseconds, or when told.

    None is without limit. `stop` may be called by another thread or by a handler of signals.
    """

    def __init__(self, count: int | None = None, duration: int | None = None) -> None:
        self.count = count
        self.duration = duration
        self._told = False
        self._begin = time.monotonic_ns()

    def stop(self) -> None:
        """Stop within a fifth of a second."""
        self._told = True

    @property
    def over(self) -> bool:
        """Whether it is time to stop."""
        return self._told or self.nap() == 0.0

    def nap(self) -> float:
        """Return how many seconds it may wait for packets now."""
        if self.duration is None:
            return _NAP
        left = self._begin + self.duration - time.monotonic_ns()
        return min(_NAP, max(0.0, left / SECOND))


@dataclass(frozen=True)
class Live(Capture):
    """What an interface hears, as a capture that can be read once."""

    interface: Interface
    until: Until

    @property
    def again(self) -> bool:
        """It passes by once."""
        return False

    def flows(self, observer: Observer, notice: Notice | None = None) -> Iterator[Flow]:
        """Return connections as they end; those that are open when it stops come at the end.

        Raises CaptureError behind them when the interface goes down, DeviceUnavailable when it was
        down from the beginning.
        """
        interface, until = self.interface, self.until
        problem = ""
        hushed = False
        while not problem and interface.packets != until.count:
            before = interface.packets, interface.octets
            if until.over and not hushed:
                interface.hush()  # what has come before is still taken in
                hushed = True
            try:
                if hushed or interface.wait(until.nap()):
                    self._take_in(observer)
            except DeviceUnavailable as error:
                if not interface.packets:
                    raise
                problem = str(error.strerror)
            observer.time_passed(time.time_ns())
            yield from observer.take_finished()
            if notice is not None:
                notice(interface.octets - before[1])
            if hushed and interface.packets == before[0]:
                break
        yield from observer.close()
        if problem:
            raise CaptureError(problem, 0)

    def _take_in(self, observer: Observer) -> None:
        count, packets = self.until.count, self.interface.packets
        most = _AT_A_TIME if count is None else min(_AT_A_TIME, count - packets)
        for _ in range(most):
            packet = self.interface.receive()
            if packet is None:
                return
            observer.packet_seen(*packet)


def listen(
    name: str, until: Until | None = None, promiscuous: bool = False, most_open: int = MOST_OPEN
) -> Iterator[Flow]:
    """Return the connections that an interface (or `any`) hears, as they end.

    Needs Linux and CAP_NET_RAW. Raises DeviceUnavailable; CaptureError, behind all the connections,
    when the interface goes down.
    """
    with Interface(name, promiscuous) as interface:
        live = Live(name, (), interface, until or Until())
        yield from live.flows(Observer(most_open))
