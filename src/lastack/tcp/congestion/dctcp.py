"""Data Center TCP (RFC 8257): the window falls by as much as the share of what was marked."""

from typing import Final

from lastack.tcp.congestion.base import AckSample
from lastack.tcp.congestion.newreno import NewReno
from lastack.tcp.congestion.rounds import Rounds

WHOLE: Final = 1 << 20
"""`alpha` is in these parts."""
GAIN_SHIFT: Final = 4
"""g = 1/16 (RFC 8257 4.2)."""


class Dctcp(NewReno):
    """NewReno whose answer to marks is in proportion to them; losses count as ever (3.5)."""

    alpha: int
    rounds: Rounds
    acked: int
    marked: int

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self.name = "dctcp"
        self.alpha = WHOLE
        self.rounds = Rounds()
        self.acked = 0
        self.marked = 0

    def on_ack(self, sample: AckSample) -> None:
        """Estimate the share of marked octets, once a window (3.3)."""
        self.acked += sample.acked
        self.marked += sample.ecn
        if self.rounds.is_over(sample):
            share = WHOLE * min(self.marked, self.acked) // max(self.acked, 1)
            self.alpha += (share >> GAIN_SHIFT) - (self.alpha >> GAIN_SHIFT)
            if self.alpha < 1 << GAIN_SHIFT:
                self.alpha = 0 if share == 0 else self.alpha
            self.acked = 0
            self.marked = 0
        super().on_ack(sample)

    def on_ecn(self, in_flight: int, now: int) -> None:
        """Reduce by half of the share, not by half (3.3 step 9)."""
        self.cwnd = max(self.cwnd - self.cwnd * self.alpha // (2 * WHOLE), 2 * self.mss)
        self.ssthresh = self.cwnd
        self.acked_in_avoidance = 0
