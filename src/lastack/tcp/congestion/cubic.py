"""CUBIC (RFC 9438): the window is a cubic function of the time since the last congestion event.

         cwnd |               .  <- convex: looks for a new maximum
        W_max |      . - - '
              |   .'  <- concave: quick at first, slow near the place where it hurt
cwnd at epoch |. '
              +------K----------> t
"""

from typing import Final

from mypy_extensions import mypyc_attr

from lastack.tcp.config import Config
from lastack.tcp.congestion.base import UNLIMITED, AckSample, CongestionController
from lastack.tcp.congestion.hystart import ClassicHyStart, HyStartPlus, SlowStartExit
from lastack.units import SECOND, US

C: Final = 0.4
"""Segments per cubic second (5.1)."""
BETA: Final = 0.7
"""What a loss leaves of the window (4.6)."""
BETA_ECN: Final = 0.85
"""What a mark leaves of it under ABE (RFC 8511 3.1)."""
ALPHA: Final = 3 * (1 - BETA) / (1 + BETA)
"""What Reno's window would grow by in a round trip had it this BETA (4.3)."""
LOOK_AGAIN: Final = SECOND // 32
"""The function is flat enough to be looked at so often, or once in a round trip where that is
shorter, while the window stays as it is."""
BOLD: Final = 0.05
"""Where nothing was lost yet, Linux grows by so much of the window in a round trip at least."""
SETTLING: Final = 1 * SECOND
"""After a congestion event delays say nothing about slow start for so long."""


@mypyc_attr(acyclic=True)
class Curve:
    """What congestion avoidance goes by, from its beginning or the first congestion event on.

    `w_max` is W_max, `origin` what the cubic function goes through after `k` nanoseconds, octets;
    `epoch` is when this stage of congestion avoidance began (-1: not yet), `reno` is W_est and
    `prior` cwnd_prior. The window is of whole segments; `credit` is the part that is not whole
    yet, also what a loss leaves of it: with a small window that is a good part of the growth.
    `step` is the growth for each octet acknowledged.
    """

    w_max: float
    origin: float
    k: int
    epoch: int
    reno: float
    prior: float
    credit: float
    step: float
    acked: int
    looked_at: int
    looked_window: int
    _saved: tuple[float, float, int, int, float, float, float]

    def __init__(self) -> None:
        self.w_max = 0.0
        self.origin = 0.0
        self.k = 0
        self.epoch = -1
        self.reno = 0.0
        self.prior = 0.0
        self.credit = 0.0
        self.step = 0.0
        self.acked = 0
        self.looked_at = 0
        self.looked_window = 0
        self._saved = (0.0, 0.0, 0, -1, 0.0, 0.0, 0.0)

    def stands_still(self, time: int) -> None:
        """So much time does not count (4.2)."""
        if self.epoch >= 0:
            self.epoch += time

    def begin(self, cwnd: int, mss: int, now: int) -> None:
        """Begin a stage of congestion avoidance."""
        window = cwnd + self.credit
        self.epoch = now
        self.acked = 0
        self.reno = window
        if self.w_max <= window:
            self.k = 0
            self.origin = window
        else:
            self.origin = self.w_max
            cubed = (self.w_max - window) / mss / C
            self.k = round(cubed ** (1 / 3) * 1_000_000) * US  # the same on every machine

    def look(self, cwnd: int, mss: int, rtt: int, bold: bool, now: int) -> None:
        """Find out how steep the way is: W_cubic, or W_est where Reno would be faster."""
        alpha = ALPHA if self.reno < self.prior else 1.0
        self.reno += alpha * self.acked * mss / cwnd
        self.acked = 0
        self.looked_at = now
        self.looked_window = cwnd
        if self._cubic(now - self.epoch, mss) < self.reno:
            self.step = 0.0
            ahead = self.reno - cwnd  # a part of a segment waits: `BOLD` may add to `credit`, too
            if ahead >= mss and ahead > self.credit:
                self.credit = ahead
        else:
            target = min(self._cubic(now - self.epoch + rtt, mss), 1.5 * cwnd)
            self.step = (target - cwnd) / cwnd if target > cwnd else 0.0
        if bold and self.w_max == 0.0 and self.step < BOLD:
            self.step = BOLD

    def _cubic(self, t: int, mss: int) -> float:
        """W_cubic(t) of 4.2, octets."""
        off = (t - self.k) / SECOND
        return self.origin + C * mss * off * off * off

    def save(self) -> None:
        """Keep what `undo` needs (4.9)."""
        self._saved = (
            self.w_max, self.origin, self.k, self.epoch, self.reno, self.prior, self.credit,
        )  # fmt: skip

    def undo(self) -> None:
        """Go on where `save` was."""
        (
            self.w_max, self.origin, self.k, self.epoch, self.reno, self.prior, self.credit,
        ) = self._saved  # fmt: skip


class Cubic(CongestionController):
    """CUBIC with HyStart++ (RFC 9406) or its predecessor."""

    heard_at: int
    event_at: int
    abe: bool
    bold: bool
    paced: bool
    exit: SlowStartExit | None
    """What ends the first slow start, made with its first ACK."""
    curve: Curve | None
    """None in a slow start that nothing has ended yet."""

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self.name = "cubic"
        self.heard_at = 0
        self.event_at = -SETTLING
        self.abe = False
        self.bold = False
        self.paced = False
        self.exit = None
        self.curve = None

    def configure(self, config: Config) -> None:
        """Take the knobs: how slow start ends, and ABE."""
        super().configure(config)
        self.abe = config.abe
        self.bold = config.classic_hystart
        self.paced = config.pacing

    def on_ack(self, sample: AckSample) -> None:
        """Grow, but only where the window was what held us back (5.8)."""
        now = sample.now
        if self.cwnd < self.ssthresh and now - self.event_at >= SETTLING:
            self._watch(sample)
        if sample.recovering or not sample.cwnd_limited:
            if self.curve is not None:
                self.curve.stands_still(now - self.heard_at)
            self.heard_at = now
            return
        self.heard_at = now
        acked = sample.acked
        if self.cwnd < self.ssthresh:
            acked = self.slow_start(acked, self.exit.divisor if self.exit is not None else 1)
            if acked <= 0:
                return
        self._avoid(acked, sample.srtt, now)

    def _watch(self, sample: AckSample) -> None:
        """Should slow start end now (4.10)? Only the first one is watched."""
        if self.ssthresh < UNLIMITED:
            return
        exit = self.exit
        if exit is None:
            exit = self.exit = ClassicHyStart(self.paced) if self.bold else HyStartPlus()
        elif exit.over:
            return
        exit.watch(sample, self.cwnd, self.mss)
        if exit.over:
            self.ssthresh = self.cwnd
            self._curve().prior = float(self.cwnd)

    def _curve(self) -> Curve:
        """Return the curve, made when first asked for."""
        if self.curve is None:
            self.curve = Curve()
        return self.curve

    def _avoid(self, acked: int, rtt: int, now: int) -> None:
        """Congestion avoidance (4.2 to 4.5)."""
        curve = self._curve()
        mss = self.mss
        if curve.epoch < 0:
            curve.begin(self.cwnd, mss, now)
        curve.acked += acked
        if self.cwnd != curve.looked_window or now - curve.looked_at >= min(rtt, LOOK_AGAIN):
            curve.look(self.cwnd, mss, rtt, self.bold, now)
        curve.credit += acked * curve.step
        while curve.credit >= mss:
            curve.credit -= mss
            self.cwnd += mss

    def on_loss(self, in_flight: int, now: int) -> None:
        """Reduce (4.6)."""
        self._reduce(BETA, now)
        self.cwnd = self.ssthresh

    def on_timeout(self, in_flight: int, now: int) -> None:
        """Begin again with one segment, and with a plateau where slow start will end (4.8)."""
        self._reduce(BETA, now)
        self.cwnd = self.mss
        self._curve().w_max = 0.0

    def on_ecn(self, in_flight: int, now: int) -> None:
        """A mark counts like a loss, but the window may fall to one segment; ABE, less."""
        left = self._reduce(BETA_ECN if self.abe else BETA, now)
        self.cwnd = max(left, self.mss)

    def _reduce(self, beta: float, now: int) -> int:
        """Remember where it hurt, or less when that comes down (fast convergence, 4.7).

        Return what is left of the window, whole segments.
        """
        mss, curve = self.mss, self._curve()
        window = self.cwnd + curve.credit
        if curve.epoch >= 0:
            window = max(window, curve.reno)
        left = window * beta
        curve.prior = window
        curve.w_max = window * (1 + beta) / 2 if window < curve.w_max else window
        curve.epoch = -1
        curve.credit = left % mss
        whole = int(left - curve.credit)
        self.ssthresh = max(whole, 2 * mss)
        self.event_at = now
        return whole

    def on_restart(self, now: int, idle: int, srtt: int) -> None:
        """Time in which nothing was sent counts for nothing (4.2, 5.8)."""
        if self.curve is not None:
            self.curve.stands_still(now - self.heard_at)
        self.heard_at = now
        if self.exit is not None:
            self.exit.restart(now)

    def save(self) -> tuple[int, int]:
        """Keep what `undo` needs (4.9)."""
        self._curve().save()
        return super().save()

    def undo(self, saved: tuple[int, int]) -> None:
        """Go on as if nothing had happened, unless the window is larger already (4.9.2)."""
        if self.cwnd < saved[0]:
            self._curve().undo()
        super().undo(saved)
