"""NewReno's window: slow start and congestion avoidance (RFC 5681 3.1, RFC 3465)."""

from lastack.tcp.congestion.base import AckSample, CongestionController


class NewReno(CongestionController):
    """Additive increase, multiplicative decrease."""

    acked_in_avoidance: int
    restart_window: int

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self.name = "newreno"
        self.acked_in_avoidance = 0
        self.restart_window = initial_window

    def on_ack(self, sample: AckSample) -> None:
        """Grow (MUST-19), but only where the window was what held us back (RFC 7661 4)."""
        if sample.recovering or not sample.cwnd_limited:
            return
        acked = sample.acked
        if self.cwnd < self.ssthresh:
            # Slow start; a stretch ACK counts for so many segments at most, and up to ssthresh.
            if self.slow_start_segments:
                acked = min(acked, self.slow_start_segments * self.mss)
            room = self.ssthresh - self.cwnd
            grown = acked if acked < room else room
            self.cwnd += grown
            acked -= grown
            if acked <= 0:
                return
        self.acked_in_avoidance += acked
        while self.acked_in_avoidance >= self.cwnd:
            self.acked_in_avoidance -= self.cwnd
            self.cwnd += self.mss

    def on_loss(self, in_flight: int, now: int) -> None:
        """Halve (RFC 5681 3.2 step 2, equation 4)."""
        self.ssthresh = max(in_flight // 2, 2 * self.mss)
        self.cwnd = self.ssthresh
        self.acked_in_avoidance = 0

    def on_timeout(self, in_flight: int, now: int) -> None:
        """Begin again with one segment (RFC 5681 3.1, equation 4 and LW)."""
        self.ssthresh = max(in_flight // 2, 2 * self.mss)
        self.cwnd = self.mss
        self.acked_in_avoidance = 0

    def on_recovered(self, in_flight: int, now: int) -> None:
        """Deflate to what the network holds plus a segment, no burst (RFC 6582 3.2 step 3)."""
        self.cwnd = min(self.ssthresh, max(in_flight, self.mss) + self.mss)

    def on_idle(self, now: int) -> None:
        """Restart from RW = min(IW, cwnd) (RFC 5681 4.1)."""
        self.cwnd = min(self.restart_window, self.cwnd)
