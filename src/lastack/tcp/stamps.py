"""When the last octet of a SEND went out and was acknowledged, for whoever asks (SO_TIMESTAMPING).

The user asks, the octet goes out, its acknowledgment comes: each gives one report at most.
Retransmissions give none: a report of the first transmission tells how long sending took.
"""

from enum import IntEnum
from typing import Final

MOST_STAMPS: Final = 1024
"""Octets watched, and reports not yet taken, at most: more are not watched, or not reported."""


class Stage(IntEnum):
    """What a report is about; the numbers are Linux's SCM_TSTAMP_*."""

    SENT = 0
    SCHEDULED = 1
    ACKNOWLEDGED = 2


SENT = Stage.SENT
SCHEDULED = Stage.SCHEDULED
ACKNOWLEDGED = Stage.ACKNOWLEDGED


class Stamp:
    """A report: at `time` (nanoseconds) the octet numbered `key` had come to this stage."""

    stage: Stage
    key: int
    time: int

    def __init__(self, stage: Stage, key: int, time: int) -> None:
        self.stage = stage
        self.key = key
        self.time = time


class Stamps:
    """Stream offsets behind the octets that are watched, and the reports about them.

    `wanted` are the stages to be reported of SENDs to come; keys count from offset `base`.
    """

    wanted: tuple[Stage, ...]
    base: int
    reports: list[Stamp]
    _unsent: list[tuple[int, tuple[Stage, ...]]]
    _unacked: list[int]

    def __init__(self) -> None:
        self.wanted = ()
        self.base = 0
        self.reports = []
        self._unsent = []
        self._unacked = []

    def queued(self, end: int) -> None:
        """A SEND has been queued up to this stream offset."""
        if self.wanted and len(self._unsent) + len(self._unacked) < MOST_STAMPS:
            self._unsent.append((end, self.wanted))

    def sent(self, end: int, now: int) -> None:
        """Everything before this stream offset has gone out."""
        while self._unsent and self._unsent[0][0] <= end:
            at, wanted = self._unsent.pop(0)
            for stage in (SCHEDULED, SENT):
                if stage in wanted:
                    self._report(stage, at, now)
            if ACKNOWLEDGED in wanted:
                self._unacked.append(at)

    def acknowledged(self, end: int, now: int) -> None:
        """Everything before this stream offset has been acknowledged."""
        while self._unacked and self._unacked[0] <= end:
            self._report(ACKNOWLEDGED, self._unacked.pop(0), now)

    def _report(self, stage: Stage, end: int, now: int) -> None:
        if len(self.reports) < MOST_STAMPS:
            self.reports.append(Stamp(stage, (end - 1 - self.base) & 0xFFFFFFFF, now))
