"""NewReno's window: slow start and congestion avoidance (RFC 5681 3.1, RFC 3465)."""

from typing import Final

from lastack.tcp.config import Config
from lastack.tcp.congestion.base import AckSample, CongestionController

BETA_ECN_PERCENT: Final = 80
"""What a mark leaves of the window under ABE (RFC 8511 3.1)."""


class NewReno(CongestionController):
    """Additive increase, multiplicative decrease."""

    acked_in_avoidance: int
    abe: bool
    halves_window: bool

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self.name = "newreno"
        self.acked_in_avoidance = 0
        self.abe = False
        self.halves_window = False

    def configure(self, config: Config) -> None:
        """Take the knobs."""
        super().configure(config)
        self.abe = config.abe
        self.halves_window = config.halve_window

    def on_ack(self, sample: AckSample) -> None:
        """Grow (MUST-19), but only where the window was what held us back (RFC 7661 4)."""
        if sample.recovering or not sample.cwnd_limited:
            return
        acked = sample.acked
        if self.cwnd < self.ssthresh:
            acked = self.slow_start(acked)
            if acked <= 0:
                return
        self.acked_in_avoidance += acked
        while self.acked_in_avoidance >= self.cwnd:
            self.acked_in_avoidance -= self.cwnd
            self.cwnd += self.mss

    def on_loss(self, in_flight: int, now: int) -> None:
        """Halve (RFC 5681 3.2 step 2, equation 4); what was acknowledged towards the next segment
        still counts, as it does in Linux: with a small window it is a good part of the growth."""
        part = self._part_of(in_flight, 50)
        odd = part % self.mss
        self.ssthresh = part - odd
        self.cwnd = self.ssthresh
        self.acked_in_avoidance += odd * self.cwnd // self.mss

    def on_timeout(self, in_flight: int, now: int) -> None:
        """Begin again with one segment (RFC 5681 3.1, equation 4 and LW)."""
        self.ssthresh = self._part_of(in_flight, 50)
        self.cwnd = self.mss
        self.acked_in_avoidance = 0

    def on_ecn(self, in_flight: int, now: int) -> None:
        """A mark counts like a loss (RFC 3168 6.1.2), under ABE for less (RFC 8511)."""
        self.ssthresh = self._part_of(in_flight, BETA_ECN_PERCENT if self.abe else 50)
        self.cwnd = min(self.cwnd, self.ssthresh)

    def _part_of(self, in_flight: int, percent: int) -> int:
        """Return so much of FlightSize (RFC 5681 equation 4), or of the window, as Linux has it."""
        whole = self.cwnd if self.halves_window else in_flight
        return max(whole * percent // 100, 2 * self.mss)

    def on_recovered(self, in_flight: int, now: int) -> None:
        """Deflate to what the network holds plus a segment, no burst (RFC 6582 3.2 step 3)."""
        self.cwnd = min(self.ssthresh, max(in_flight, self.mss) + self.mss)
