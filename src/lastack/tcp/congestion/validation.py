"""What is known of a window that is not made use of (RFC 7661).

         +---------------------------+
    cwnd |           |               |     pipeACK is less than half of cwnd: whether the path
         |===========|===            |     takes all of cwnd is not known any more, the window
         +--pipeACK--+---------------+     is kept but not believed (the non-validated phase)

pipeACK is the most that was acknowledged in a round trip, of those of the last second or so.
"""

from typing import Final

from lastack.tcp.congestion.base import CongestionController
from lastack.units import MINUTE, SECOND
from lastack.wire.seq import le

PRESERVED: Final = 5 * MINUTE
"""How long a window is kept that is not believed (the NVP of RFC 7661 4.4)."""
PERIOD_ROUNDS: Final = 3
PERIOD_LEAST: Final = 1 * SECOND
"""What was measured this long ago, or this many round trips, has no say (RFC 7661 4.2)."""
MOST_PEAKS: Final = 5
"""Measurements remembered at most, each the largest of its part of that period (4.5.1)."""
UNDEFINED: Final = -1
"""pipeACK before anything was measured, and after congestion."""


class PipeAck:
    """Measures pipeACK: octets acknowledged in each round trip, and the largest of late.

    A round trip began when `base` octets had been delivered and the window was `window`. It lasts
    until something is acknowledged that was sent later, from `end` on, or until all is; what is
    then sent has its own.
    """

    defined: bool
    peaks: list[tuple[int, int]]
    """(when it began, the largest of it), oldest first."""
    base: int
    end: int
    window: int
    """0 between round trips."""

    def __init__(self) -> None:
        self.defined = False
        self.peaks = []
        self.base = 0
        self.end = 0
        self.window = 0

    def clear(self) -> None:
        """What was measured is of no use any more."""
        self.defined = False
        self.peaks = []
        self.pause()

    def pause(self) -> None:
        """This round trip does not count: losses are being repaired."""
        self.base = UNDEFINED

    def acknowledged(
        self, una: int, nxt: int, delivered: int, cwnd: int, period: int, now: int
    ) -> int:
        """Take an ACK, with which so much is delivered in all.

        Return the window that a round trip had begun with which is over now, 0 when none is.
        """
        if self.base == UNDEFINED:
            self._begin(nxt, delivered, cwnd)
            return 0
        if not self.window:
            self._begin(nxt, self.base, cwnd)
        if una != nxt and le(una, self.end):
            return 0
        window = self.window
        self._remember(delivered - self.base, period, now)
        self._begin(nxt, delivered, cwnd if una != nxt else 0)
        return window

    def _begin(self, end: int, base: int, window: int) -> None:
        self.end = end
        self.base = base
        self.window = window

    def _remember(self, octets: int, period: int, now: int) -> None:
        peaks = self.peaks
        self.defined = True
        if peaks and now - peaks[-1][0] < period // MOST_PEAKS:
            if octets > peaks[-1][1]:
                peaks[-1] = (peaks[-1][0], octets)
            return
        peaks.append((now, octets))
        if len(peaks) > MOST_PEAKS:
            peaks.pop(0)

    def value(self, period: int, now: int) -> int:
        """Return pipeACK: 0 when nothing was acknowledged for a whole period."""
        if not self.defined:
            return UNDEFINED
        most = 0
        for began, octets in self.peaks:
            if octets > most and now - began <= period:
                most = octets
        return most


class Validation:
    """The two phases of RFC 7661, and what is to happen when losses of the second are repaired."""

    pipe: PipeAck
    validated: bool
    since: int
    """When the window began not to be believed, or was last reduced for it."""
    capacity: int
    """What was in use when something was lost in the non-validated phase; 0 without that."""
    resent: int
    """Octets sent again since then."""

    def __init__(self) -> None:
        self.pipe = PipeAck()
        self.validated = True
        self.since = 0
        self.capacity = 0
        self.resent = 0

    def judge(
        self, controller: CongestionController, window: int, period: int, since: int, now: int
    ) -> None:
        """Find out the phase, a non-validated one having begun at `since` (RFC 7661 4.3, 4.4.3).

        `window` is what pipeACK is compared with: the window of the round trip just measured. What
        it has grown by in that time, slow start's doubling, could not be made use of yet.
        """
        pipe_ack = self.pipe.value(period, now)
        if pipe_ack == UNDEFINED or 2 * pipe_ack >= min(window, controller.cwnd):
            self.validated = True
            return
        if self.validated:
            self.validated = False
            self.since = since
        periods = (now - self.since) // PRESERVED
        if periods > 0:
            self.since += periods * PRESERVED
            controller.on_idle(now, periods)

    def congested(
        self, controller: CongestionController, flight: int, period: int, now: int
    ) -> int:
        """End the non-validated phase: no more of the window is left than was in use.

        Return how much that is, of which `flight` is under way; 0 when the window was validated.
        """
        in_use = 0
        if not self.validated:
            in_use = max(self.pipe.value(period, now), flight)
            controller.cwnd = max(min(controller.cwnd, in_use), controller.mss)
        self.validated = True
        self.capacity = 0
        return in_use
