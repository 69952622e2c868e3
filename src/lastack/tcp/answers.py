"""Answers out of turn, as plain data: what one is to say, and how many there may be."""

from mypy_extensions import mypyc_attr

from lastack.tcp.config import Config


@mypyc_attr(acyclic=True)
class Reply:
    """A wish for one segment out of turn: a reset, or an ACK that must not be merged with others.

    `seq`, `ack` and `flags` as they are to stand in the segment; [`low`, `high`) is the duplicate
    to report (D-SACK), empty when there is none.
    """

    seq: int
    ack: int
    flags: int
    low: int
    high: int

    def __init__(self, seq: int, ack: int, flags: int, low: int = 0, high: int = 0) -> None:
        self.seq = seq
        self.ack = ack
        self.flags = flags
        self.low = low
        self.high = high


@mypyc_attr(acyclic=True)
class Challenges:
    """The `count` of challenge ACKs since `since`, nanoseconds (RFC 5961 7)."""

    count: int
    since: int

    def __init__(self) -> None:
        self.count = 0
        self.since = 0

    def one_more(self, now: int, config: Config) -> bool:
        """Return whether one more may be sent now, and count it."""
        if now - self.since >= config.challenge_period:
            self.since = now
            self.count = 0
        if self.count >= config.challenge_acks:
            return False
        self.count += 1
        return True
