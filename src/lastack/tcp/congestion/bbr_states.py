"""The states of BBR and what they go by (draft-ietf-ccwg-bbr 5.6.1); gains are percent."""

from enum import IntEnum
from typing import Final

from lastack.units import MS


class Phase(IntEnum):
    """What BBR is doing."""

    STARTUP = 0
    DRAIN = 1
    DOWN = 2
    CRUISE = 3
    REFILL = 4
    UP = 5
    PROBE_RTT = 6


STARTUP: Final = Phase.STARTUP
DRAIN: Final = Phase.DRAIN
DOWN: Final = Phase.DOWN
CRUISE: Final = Phase.CRUISE
REFILL: Final = Phase.REFILL
UP: Final = Phase.UP
PROBE_RTT: Final = Phase.PROBE_RTT

PACING_GAINS: Final = (277, 50, 90, 100, 100, 125, 100)
WINDOW_GAINS: Final = (200, 200, 200, 200, 200, 225, 50)
"""By state."""
MARGIN_PERCENT: Final = 99
"""The pace stays a percent below the bandwidth, so that queues drain."""
LOSS_PERCENT: Final = 2
"""BBR.LossThresh: more lost than this of what was in flight is too much."""
HEADROOM_PERCENT: Final = 85
"""What is left to use of the long-term bound while others shall find room."""
LEAST_WINDOW: Final = 4
"""BBR.MinPipeCwnd, segments."""
FULL_LOSS_EVENTS: Final = 6
"""BBR.StartupFullLossCnt."""
FULL_ROUNDS: Final = 3
"""Rounds without a quarter more bandwidth after which the pipe is full."""
DRAIN_ROUNDS: Final = 3
PROBE_RTT_TIME: Final = 200 * MS
"""BBR.ProbeRTTDuration."""
MOST_RENO_ROUNDS: Final = 63
MOST_QUANTUM: Final = 65536

NOT_PROBING: Final = 0
REFILLING: Final = 1
STARTING: Final = 2
FEEDBACK: Final = 3
STOPPING: Final = 4
"""What the ACKs at hand tell of the last probe for bandwidth (BBR.ack_phase)."""
