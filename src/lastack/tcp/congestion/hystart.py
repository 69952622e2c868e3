"""Leaving slow start before it overflows the bottleneck: by delays that grow, or by trains of ACKs.

`HyStartPlus` is RFC 9406. `ClassicHyStart` is what it came from and what Linux's CUBIC does.
"""

from abc import ABC, abstractmethod
from typing import Final

from lastack.tcp.congestion.base import AckSample
from lastack.tcp.congestion.rounds import Rounds
from lastack.units import MS, NEVER

LEAST_RISE: Final = 4 * MS
MOST_RISE: Final = 16 * MS
"""MIN_RTT_THRESH and MAX_RTT_THRESH of RFC 9406 4.3; the classic has the same."""
SAMPLES: Final = 8
"""N_RTT_SAMPLE: of each round so many round-trip times are looked at before it is judged."""
GROWTH_DIVISOR: Final = 4
"""CSS_GROWTH_DIVISOR."""
CONSERVATIVE_ROUNDS: Final = 5
"""CSS_ROUNDS."""

CLASSIC_LEAST_WINDOW: Final = 16
"""Segments below which the classic does not look."""
TRAIN_GAP: Final = 2 * MS
"""ACKs that come closer than this are one train."""


def rise(rtt: int) -> int:
    """Return by how much a round-trip time has to rise to count: an eighth, within bounds."""
    return min(max(rtt // 8, LEAST_RISE), MOST_RISE)


class SlowStartExit(Rounds, ABC):
    """Watches every ACK of the first slow start. `divisor` slows growth; `over` ends it."""

    over: bool
    divisor: int

    def __init__(self) -> None:
        super().__init__()
        self.over = False
        self.divisor = 1

    @abstractmethod
    def watch(self, sample: AckSample, cwnd: int, mss: int) -> None:
        """Look at an ACK, before the window grows by it."""

    def restart(self, now: int) -> None:
        """Data goes again after nothing was in flight."""


class HyStartPlus(SlowStartExit):
    """RFC 9406 4.2: a rise of the least RTT of a round leads to conservative slow start.

    That grows a fourth as fast. It ends slow start after five rounds, or returns to it should the
    rise have been a fluke.
    """

    last: int
    current: int
    samples: int
    baseline: int
    conservative: int

    def __init__(self) -> None:
        super().__init__()
        self.last = NEVER
        self.current = NEVER
        self.samples = 0
        self.baseline = NEVER
        self.conservative = 0

    def watch(self, sample: AckSample, cwnd: int, mss: int) -> None:
        """Judge the round when it has had enough samples."""
        if self.is_over(sample):
            self.last = self.current
            self.current = NEVER
            self.samples = 0
            if self.divisor > 1:
                self.conservative += 1
                self.over = self.conservative >= CONSERVATIVE_ROUNDS
        if sample.rtt < 0:
            return
        self.current = min(self.current, sample.rtt)
        self.samples += 1
        if self.samples < SAMPLES:
            return
        if self.divisor > 1:
            if self.current < self.baseline:
                self.divisor = 1
                self.baseline = NEVER
        elif self.last != NEVER and self.current >= self.last + rise(self.last):
            self.baseline = self.current
            self.divisor = GROWTH_DIVISOR
            self.conservative = 0


class ClassicHyStart(SlowStartExit):
    """Hybrid slow start as Linux has it: a rise of the delay, or a train of ACKs half an RTT long.

    The train's bound is a whole RTT where the sender paces.
    """

    began: int
    last_ack: int
    least: int
    current: int
    samples: int
    paced: bool

    def __init__(self, paced: bool) -> None:
        super().__init__()
        self.began = 0
        self.last_ack = 0
        self.least = NEVER
        self.current = NEVER
        self.samples = 0
        self.paced = paced

    def watch(self, sample: AckSample, cwnd: int, mss: int) -> None:
        """Look for either sign."""
        if sample.rtt < 0:
            return
        self.least = min(self.least, max(sample.rtt, 1))
        now = sample.now
        # Rounds are counted from the first one on: one that began when the window had become large
        # enough would begin in the middle of a train, where delays are those of our own burst.
        if self.is_over(sample):
            self.began = self.last_ack = now
            self.current = NEVER
            self.samples = 0
        if cwnd < CLASSIC_LEAST_WINDOW * mss:
            return
        if now - self.last_ack <= TRAIN_GAP:
            self.last_ack = now
            bound = self.least + self._burst_time(sample, cwnd)
            if now - self.began > (bound if self.paced else bound // 2):
                self.over = True
        self.current = min(self.current, sample.rtt)
        if self.samples < SAMPLES:
            self.samples += 1
        elif self.current > self.least + rise(self.least):
            self.over = True

    def _burst_time(self, sample: AckSample, cwnd: int) -> int:
        """Return how long four super-segments take at the pace of slow start, 1 ms at most."""
        return min(MS, (4 << 16) * max(sample.srtt, 1) // (2 * cwnd))

    def restart(self, now: int) -> None:
        """An idle time is no part of a round."""
        self.began = self.last_ack = now
