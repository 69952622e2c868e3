"""Round-trip time and the retransmission timeout (RFC 6298)."""

from typing import Final

from mypy_extensions import mypyc_attr

from lastack.tcp.config import Config
from lastack.units import MS, NEVER

GRANULARITY: Final = 1 * MS
"""G of RFC 6298: the clock is finer, but a variance of zero must not make RTO equal SRTT."""


@mypyc_attr(acyclic=True)
class RoundTrip:
    """SRTT, RTTVAR and RTO, nanoseconds; `srtt` is 0 before the first sample."""

    srtt: int
    rttvar: int
    rto: int
    backoff: int
    excused: bool
    """The back-off was ended on a guess, and no sample has come since."""
    minimum: int

    def __init__(self, config: Config) -> None:
        self.srtt = 0
        self.rttvar = 0
        self.rto = config.initial_rto
        self.backoff = 0
        self.excused = False
        self.minimum = NEVER

    def sample(self, rtt: int, config: Config) -> None:
        """Take one measurement (2.2 and 2.3); it also ends any back-off."""
        if rtt < 1:
            rtt = 1
        if rtt < self.minimum:
            self.minimum = rtt
        if self.srtt == 0:
            self.srtt = rtt
            self.rttvar = rtt // 2
        else:
            off = self.srtt - rtt if self.srtt > rtt else rtt - self.srtt
            self.rttvar = (3 * self.rttvar + off) // 4
            self.srtt = (7 * self.srtt + rtt) // 8
            if self.srtt == 0:
                self.srtt = 1
        self.backoff = 0
        self.excused = False
        self._compute(config)

    def back_off(self, config: Config) -> None:
        """Double RTO after a timeout (5.5), up to the maximum (2.5): MUST-19."""
        self.backoff += 1
        slop = config.rto_slop if self.srtt else 0
        self.rto = min(self.rto * 2 - slop, config.max_rto)

    def end_back_off(self, config: Config) -> None:
        """It is known which transmission arrived: Karn's reason to wait is gone."""
        if self.backoff and self.srtt:
            self.backoff = 0
            self._compute(config)

    def _compute(self, config: Config) -> None:
        variance = 4 * self.rttvar
        if variance < config.min_rto_variance:
            variance = config.min_rto_variance
        rto = self.srtt + (variance if variance > GRANULARITY else GRANULARITY)
        if rto < config.min_rto:
            rto = config.min_rto
        rto += config.rto_slop
        self.rto = rto if rto < config.max_rto else config.max_rto
