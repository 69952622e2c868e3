"""Counting round trips by what has been delivered, without looking at sequence numbers."""

from lastack.tcp.congestion.base import AckSample


class Rounds:
    """A round trip is over when something is acknowledged that was sent after it began.

    `count` is how many have ended.
    """

    count: int
    _end: int

    def __init__(self) -> None:
        self.count = 0
        self._end = 0

    def begin(self, delivered: int) -> None:
        """A round begins now, when so many octets have been delivered."""
        self._end = delivered

    def is_over(self, sample: AckSample) -> bool:
        """Return whether this ACK ends the round; the next then begins with it."""
        if sample.prior_delivered < self._end:
            return False
        self._end = sample.delivered
        self.count += 1
        return True
