"""What BBR knows of the path: bandwidth, round trip, aggregation, and what is safe in flight."""

from typing import Final

from lastack.tcp.congestion.base import AckSample
from lastack.units import NEVER, SECOND

INFINITE: Final = 1 << 60
BETA_PERCENT: Final = 70
"""BBR.Beta: what a round with losses leaves of the short-term bounds."""
MIN_RTT_TIME: Final = 10 * SECOND
"""BBR.MinRTTFilterLen."""
PROBE_RTT_INTERVAL: Final = 5 * SECOND
"""BBR.ProbeRTTInterval."""
AGGREGATION_ROUNDS: Final = 5
"""Half of BBR.ExtraAckedFilterLen: the maximum is taken over two halves."""
ECN_GAIN_SHIFT: Final = 4
ECN_WHOLE: Final = 1 << 20
ECN_SHARE: Final = 3
"""A round all of whose octets were marked takes a third of the short-term bound."""


class Model:
    """Octets, octets a second and nanoseconds; the names are those of draft-ietf-ccwg-bbr.

    The long-term bound is what probing has found safe, the short-term bounds are what the latest
    losses and marks ask for until the next probe.
    """

    max_bw: int
    bw: int
    min_rtt: int
    min_rtt_at: int
    probe_rtt_min: int
    probe_rtt_min_at: int
    probe_rtt_due: bool
    extra_acked: int
    bw_latest: int
    inflight_latest: int
    bw_shortterm: int
    inflight_shortterm: int
    inflight_longterm: int
    loss_in_round: bool
    mark_in_round: bool
    loss_events: int
    lost_in_round: int
    loss_round_over: bool
    mostly_marked: bool
    """More than half of what the last round delivered was marked."""
    ecn_alpha: int
    _loss_round_delivered: int
    _bw_cycle: int
    _bw_before: int
    _extra_now: int
    _extra_before: int
    _extra_round: int
    _interval_began: int
    _interval_acked: int
    _round_acked: int
    _round_marked: int

    def __init__(self) -> None:
        self.max_bw = 0
        self.bw = 0
        self.min_rtt = NEVER
        self.min_rtt_at = 0
        self.probe_rtt_min = NEVER
        self.probe_rtt_min_at = 0
        self.probe_rtt_due = False
        self.extra_acked = 0
        self.bw_latest = 0
        self.inflight_latest = 0
        self.bw_shortterm = INFINITE
        self.inflight_shortterm = INFINITE
        self.inflight_longterm = INFINITE
        self.loss_in_round = False
        self.mark_in_round = False
        self.loss_events = 0
        self.lost_in_round = 0
        self.loss_round_over = False
        self.mostly_marked = False
        self.ecn_alpha = ECN_WHOLE
        self._loss_round_delivered = 0
        self._bw_cycle = 0
        self._bw_before = 0
        self._extra_now = 0
        self._extra_before = 0
        self._extra_round = 0
        self._interval_began = 0
        self._interval_acked = 0
        self._round_acked = 0
        self._round_marked = 0

    # -- bandwidth ------------------------------------------------------------------------------

    def take_rate(self, sample: AckSample) -> None:
        """The highest rate of this cycle and the one before; the user's pauses do not lower it."""
        if sample.rate > 0 and (sample.rate >= self.max_bw or not sample.app_limited):
            self._bw_cycle = max(self._bw_cycle, sample.rate)
            self.max_bw = max(self._bw_cycle, self._bw_before)

    def next_cycle(self) -> None:
        """Another cycle of probing: what is older than two is forgotten."""
        if self._bw_cycle:
            self._bw_before = self._bw_cycle
            self._bw_cycle = 0
            self.max_bw = self._bw_before

    def bound_rate(self) -> None:
        """What holds now."""
        self.bw = min(self.max_bw, self.bw_shortterm)

    def bdp(self, bw: int, percent: int) -> int:
        """Return so many percent of the bandwidth-delay product."""
        return bw * self.min_rtt // SECOND * percent // 100

    # -- round-trip time ------------------------------------------------------------------------

    def take_rtt(self, sample: AckSample) -> None:
        """The least of ten seconds; after five without a new one it is time to probe for it."""
        now, rtt = sample.now, sample.rtt
        self.probe_rtt_due = now > self.probe_rtt_min_at + PROBE_RTT_INTERVAL
        if rtt >= 0 and (rtt < self.probe_rtt_min or self.probe_rtt_due):
            self.probe_rtt_min = max(rtt, 1)
            self.probe_rtt_min_at = now
        expired = now > self.min_rtt_at + MIN_RTT_TIME
        if self.probe_rtt_min < self.min_rtt or expired:
            self.min_rtt = self.probe_rtt_min
            self.min_rtt_at = self.probe_rtt_min_at

    # -- aggregation ----------------------------------------------------------------------------

    def take_aggregation(self, sample: AckSample, cwnd: int, round: int, full: bool) -> None:
        """How much more than expected ACKs bring at once: so much more has to be in flight."""
        expected = self.bw * (sample.now - self._interval_began) // SECOND
        if self._interval_acked <= expected:
            self._interval_acked = 0
            self.start_interval(sample.now)
            expected = 0
        self._interval_acked += sample.acked
        extra = min(self._interval_acked - expected, cwnd)
        if round - self._extra_round >= (AGGREGATION_ROUNDS if full else 1):
            self._extra_before = self._extra_now if full else 0
            self._extra_now = 0
            self._extra_round = round
        self._extra_now = max(self._extra_now, extra)
        self.extra_acked = max(self._extra_now, self._extra_before)

    def start_interval(self, now: int) -> None:
        """What has been acknowledged so far says nothing about what will be."""
        self._interval_began = now

    # -- losses and marks -----------------------------------------------------------------------

    def take_signals(self, sample: AckSample) -> None:
        """Near the start of an ACK: note losses and marks of the round, and what was delivered."""
        self.loss_round_over = sample.prior_delivered >= self._loss_round_delivered
        if self.loss_round_over:
            self._loss_round_delivered = sample.delivered
        self.bw_latest = max(self.bw_latest, sample.rate)
        self.inflight_latest = max(self.inflight_latest, _delivered(sample))
        if sample.lost:
            if not self.loss_in_round:
                self._loss_round_delivered = sample.delivered
            self.loss_in_round = True
            self.loss_events += 1
            self.lost_in_round += sample.lost
        self.mark_in_round = self.mark_in_round or sample.ecn > 0
        self._round_acked += sample.acked
        self._round_marked += sample.ecn

    def adapt(self, probing: bool, cwnd: int) -> None:
        """At the end of a round, with losses or marks in it: lower the short-term bounds."""
        if not self.loss_round_over:
            return
        share = ECN_WHOLE * min(self._round_marked, self._round_acked) // max(self._round_acked, 1)
        self.mostly_marked = share * 2 > ECN_WHOLE
        self.ecn_alpha += (share - self.ecn_alpha) // (1 << ECN_GAIN_SHIFT)
        if not probing and (self.loss_in_round or self.mark_in_round):
            if self.bw_shortterm == INFINITE:
                self.bw_shortterm = self.max_bw
            if self.inflight_shortterm == INFINITE:
                self.inflight_shortterm = cwnd
            if self.loss_in_round:
                slower = self.bw_shortterm * BETA_PERCENT // 100
                less = self.inflight_shortterm * BETA_PERCENT // 100
                self.bw_shortterm = max(self.bw_latest, slower)
                self.inflight_shortterm = max(self.inflight_latest, less)
            if self.mark_in_round:
                cut = self.inflight_shortterm * self.ecn_alpha // (ECN_SHARE * ECN_WHOLE)
                self.inflight_shortterm -= cut
        self.mark_in_round = False
        self._round_acked = 0
        self._round_marked = 0

    def end_ack(self, sample: AckSample) -> None:
        """Near the end of an ACK: a new round begins with its own measurements."""
        if self.loss_round_over:
            self.loss_in_round = sample.lost > 0
            self.loss_events = 1 if sample.lost else 0
            self.lost_in_round = sample.lost
            self.bw_latest = sample.rate
            self.inflight_latest = _delivered(sample)

    def reset_signals(self) -> None:
        """Forget what this round has brought so far."""
        self.loss_in_round = False
        self.mark_in_round = False
        self.bw_latest = 0
        self.inflight_latest = 0

    def reset_shortterm(self) -> None:
        """Probing is about to find out anew."""
        self.bw_shortterm = INFINITE
        self.inflight_shortterm = INFINITE


def _delivered(sample: AckSample) -> int:
    """Return what was delivered since that was sent which has just arrived."""
    return sample.delivered - sample.prior_delivered if sample.prior_delivered >= 0 else 0
