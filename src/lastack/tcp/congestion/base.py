"""What a congestion controller is told, and what it answers. It never sees a segment or the TCB."""

from abc import ABC, abstractmethod
from typing import Final

from mypy_extensions import mypyc_attr

from lastack.tcp.config import Config

UNLIMITED: Final = 1 << 40
"""The slow start threshold before anything was lost: no window comes near it."""
MOST_WINDOW: Final = 1 << 31
"""Octets that no window exceeds: the sequence space allows no more in flight."""
HALVED_WHEN_IDLE: Final = {
    "off": False,
    "rfc5681": False,
    "linux": True,
    "rfc7661": True,
    "freebsd": True,
}
"""What Config's `window_validation` makes of `on_idle`."""


@mypyc_attr(acyclic=True, free_list_len=1)
class AckSample:
    """One acknowledgment in numbers: octets, and nanoseconds.

    `acked` were acknowledged in order or selectively just now; `in_flight` is what is still out
    there, `prior_in_flight` what was before; `rtt` is -1 without a usable measurement; `rate` is
    the delivery rate in octets a second, 0 when unknown; `app_limited` says that the user, not the
    network, bounded it; `cwnd_limited` that the window was made use of, and may grow; `recovering`
    that losses are being repaired; `ecn` is the octets newly reported as CE-marked.

    `delivered` is the connection's total and `prior_delivered` what it was when that was sent
    which has just arrived: their distance, over `interval`, is the rate. `lost` was found to be
    lost since the last sample, and `tx_in_flight` was in flight when it, or without losses what
    has just arrived, was sent; since then `lost_since` has been found to be lost. `srtt` is the
    smoothed round-trip time, 0 before the first sample.
    """

    now: int
    acked: int
    in_flight: int
    prior_in_flight: int
    rtt: int
    rate: int
    app_limited: bool
    cwnd_limited: bool
    recovering: bool
    ecn: int
    delivered: int
    prior_delivered: int
    interval: int
    lost: int
    lost_since: int
    tx_in_flight: int
    srtt: int

    def __init__(
        self,
        now: int,
        acked: int,
        in_flight: int,
        prior_in_flight: int,
        rtt: int,
        rate: int,
        app_limited: bool,
        cwnd_limited: bool,
        recovering: bool,
        ecn: int = 0,
        delivered: int = 0,
        prior_delivered: int = 0,
        interval: int = 0,
        lost: int = 0,
        lost_since: int = 0,
        tx_in_flight: int = 0,
        srtt: int = 0,
    ) -> None:
        self.now = now
        self.acked = acked
        self.in_flight = in_flight
        self.prior_in_flight = prior_in_flight
        self.rtt = rtt
        self.rate = rate
        self.app_limited = app_limited
        self.cwnd_limited = cwnd_limited
        self.recovering = recovering
        self.ecn = ecn
        self.delivered = delivered
        self.prior_delivered = prior_delivered
        self.interval = interval
        self.lost = lost
        self.lost_since = lost_since
        self.tx_in_flight = tx_in_flight
        self.srtt = srtt


@mypyc_attr(allow_interpreted_subclasses=True)
class CongestionController(ABC):
    """Owns `cwnd` and `ssthresh`, octets. A subclass may be plain Python, outside lastack.

    `slow_start_segments` is how many segments one ACK may count for in slow start, 0 for any.
    """

    name: str
    mss: int
    cwnd: int
    ssthresh: int
    slow_start_segments: int
    bounds_recovery: bool
    """`cwnd` also bounds what is sent while losses are repaired. False leaves that to proportional
    rate reduction (RFC 6937), where it is on, which takes what is in flight down to `ssthresh`."""
    validates_itself: bool
    """It knows by itself what a window is worth that is not made use of: Config's
    `window_validation` is not for it."""

    def __init__(self, mss: int, initial_window: int) -> None:
        self.name = ""
        self.mss = mss
        self.cwnd = initial_window
        self.ssthresh = UNLIMITED
        self.slow_start_segments = 0
        self.restart_window = initial_window
        self.halve_when_idle = False
        self.bounds_recovery = False
        self.validates_itself = False

    def configure(self, config: Config) -> None:
        """Take what concerns the window from the connection's knobs."""
        self.slow_start_segments = config.slow_start_segments
        self.halve_when_idle = HALVED_WHEN_IDLE[config.window_validation]

    @abstractmethod
    def on_ack(self, sample: AckSample) -> None:
        """Something was acknowledged."""

    @abstractmethod
    def on_loss(self, in_flight: int, now: int) -> None:
        """A loss was found by duplicate ACKs or SACK: recovery begins. Once a window at most."""

    @abstractmethod
    def on_timeout(self, in_flight: int, now: int) -> None:
        """The retransmission timer went off for the first time for this octet."""

    def on_ecn(self, in_flight: int, now: int) -> None:
        """The peer echoed a congestion mark (RFC 3168 6.1.2); by default it is a loss."""
        cwnd = self.cwnd
        self.on_loss(in_flight, now)
        self.cwnd = min(self.cwnd, cwnd)

    def on_recovered(  # noqa: B027 - nothing to do is a fine answer
        self, in_flight: int, now: int
    ) -> None:
        """What was lost has been repaired."""

    def on_idle(self, now: int, rounds: int) -> None:
        """Nothing was sent for longer than RTO, `rounds` times: what was known of the path is old.

        Restart from RW = min(IW, cwnd) (RFC 5681 4.1), or with half the window for each time and a
        memory of what it was (RFC 2861 3.1). Under RFC 7661 4.4.3 it is half for every five minutes
        in which less than half of the window was made use of.
        """
        least = min(self.restart_window, self.cwnd)
        if self.halve_when_idle:
            self.ssthresh = max(self.ssthresh, self.cwnd * 3 // 4)
            self.cwnd = max(self.cwnd >> min(rounds, 32), least)
        else:
            self.cwnd = least

    def on_restart(  # noqa: B027 - nothing to do is a fine answer
        self, now: int, idle: int, srtt: int
    ) -> None:
        """Data is about to go with nothing in flight, `idle` after the last; `srtt` may be 0."""

    def save(self) -> tuple[int, int]:
        """Return what `undo` needs."""
        return self.cwnd, self.ssthresh

    def undo(self, saved: tuple[int, int]) -> None:
        """The last reaction was to a loss that did not happen."""
        self.cwnd = max(self.cwnd, saved[0])
        self.ssthresh = saved[1]

    def pacing_rate(self) -> int:
        """Return octets a second, 0 for no pacing."""
        return 0

    def slow_start(self, acked: int, divisor: int = 1) -> int:
        """Grow by what was acknowledged, up to `ssthresh` (RFC 5681 3.1); return what is left.

        `divisor` is for those who slow down on the way (RFC 9406 4.2).
        """
        if self.slow_start_segments:
            # A stretch ACK counts for so many segments at most.
            acked = min(acked, self.slow_start_segments * self.mss)
        grown = min(acked // divisor, self.ssthresh - self.cwnd)
        self.cwnd += grown
        return 0 if self.cwnd < self.ssthresh else acked - grown * divisor

    def set_mss(self, mss: int) -> None:
        """The effective send MSS has changed."""
        self.mss = mss


def must_be_whole(controller: CongestionController, rate: int) -> None:
    """Raise TypeError for a window or rate that is no whole number, as the compiled core does."""
    if type(controller.cwnd + controller.ssthresh + rate) is not int:
        raise TypeError(
            f"{type(controller).__name__}: octets are whole numbers; cwnd is {controller.cwnd}, "
            f"ssthresh {controller.ssthresh}, pacing_rate() {rate}"
        )


def initial_window(mss: int, segments: int) -> int:
    """Return IW in octets: a number of segments, or by RFC 5681 3.1 when that is 0."""
    if segments:
        return segments * mss
    if mss > 2190:
        return 2 * mss
    return 3 * mss if mss > 1095 else 4 * mss
