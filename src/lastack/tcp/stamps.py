"""When the last octet of a SEND went out and was acknowledged, for whoever asks (SO_TIMESTAMPING),
and when its octets are needed no more (MSG_ZEROCOPY).

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
    RELEASED = 3
    """No stage of SO_TIMESTAMPING: the octets of a SEND with MSG_ZEROCOPY are the user's again."""


SENT = Stage.SENT
SCHEDULED = Stage.SCHEDULED
ACKNOWLEDGED = Stage.ACKNOWLEDGED
RELEASED = Stage.RELEASED


class Stamp:
    """A report: at `time` (nanoseconds) the octet numbered `key` had come to this stage.

    RELEASED is of SENDs instead of octets, from number `first` to number `key`.
    """

    stage: Stage
    key: int
    time: int
    first: int

    def __init__(self, stage: Stage, key: int, time: int, first: int = 0) -> None:
        self.stage = stage
        self.key = key
        self.time = time
        self.first = first


class Stamps:
    """Stream offsets behind the octets that are watched, and the reports about them.

    `wanted` are the stages to be reported of SENDs to come; keys count from offset `base`; `told`
    counts what there was to report.
    """

    wanted: tuple[Stage, ...]
    base: int
    reports: list[Stamp]
    told: int
    _unsent: list[tuple[int, tuple[Stage, ...]]]
    _unacked: list[int]
    _lent: list[int]
    _released: int

    def __init__(self) -> None:
        self.wanted = ()
        self.base = 0
        self.reports = []
        self.told = 0
        self._unsent = []
        self._unacked = []
        self._lent = []
        self._released = 0

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

    def lent(self, end: int) -> None:
        """The octets of a SEND up to this stream offset are to be told of when they are released.

        There is no bound but that of the send buffer: each has an octet in it.
        """
        self._lent.append(end)

    def acknowledged(self, end: int, now: int) -> None:
        """Everything before this stream offset has been acknowledged."""
        while self._unacked and self._unacked[0] <= end:
            self._report(ACKNOWLEDGED, self._unacked.pop(0), now)
        while self._lent and self._lent[0] <= end:
            del self._lent[0]
            self._release(now)

    def _release(self, now: int) -> None:
        """Report the next SEND as released, with those before it where that was the last report."""
        number = self._released
        self._released += 1
        self.told += 1
        last = self.reports[-1] if self.reports else None
        if last is not None and last.stage is RELEASED and last.key == number - 1:
            last.key = number
        elif len(self.reports) < MOST_STAMPS:
            self.reports.append(Stamp(RELEASED, number, now, number))

    def _report(self, stage: Stage, end: int, now: int) -> None:
        self.told += 1
        if len(self.reports) < MOST_STAMPS:
            self.reports.append(Stamp(stage, (end - 1 - self.base) & 0xFFFFFFFF, now))
