"""A congestion controller of one's own: it keeps about a dozen segments in the bottleneck's queue.

lastack compete --controllers cubic,examples/own_controller.py:Polite --rate 20mbit
"""

from lastack import AckSample, CongestionController


class Polite(CongestionController):
    """Vegas in a nutshell: what is in flight beyond rate x least RTT waits in a queue."""

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self.name = "polite"
        self.least_rtt = 0
        self.next_step = 0

    def on_ack(self, sample: AckSample) -> None:
        if sample.rtt > 0 and (self.least_rtt == 0 or sample.rtt < self.least_rtt):
            self.least_rtt = sample.rtt
        if sample.recovering or not sample.cwnd_limited or sample.now < self.next_step:
            return
        self.next_step = sample.now + sample.srtt  # once a round trip
        queued = sample.prior_in_flight - sample.rate * self.least_rtt // 1_000_000_000
        if self.cwnd < self.ssthresh and queued < 12 * self.mss:
            self.cwnd *= 2
        elif queued > 12 * self.mss:
            self.ssthresh = self.cwnd = max(self.cwnd - self.mss, 2 * self.mss)
        else:
            self.cwnd += self.mss

    def on_loss(self, in_flight: int, now: int) -> None:
        self.ssthresh = self.cwnd = max(self.cwnd * 3 // 4, 2 * self.mss)

    def on_timeout(self, in_flight: int, now: int) -> None:
        self.ssthresh = max(self.cwnd // 2, 2 * self.mss)
        self.cwnd = self.mss
