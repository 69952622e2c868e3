"""Counts and times that TCP_INFO tells of one connection, and by which nothing is decided.

What bounds the sender is noted when it changes, not when somebody looks: whoever sends all he has
pays one comparison a segment.
"""

from typing import Final

from mypy_extensions import mypyc_attr

IDLE: Final = 0
"""All that the user has given is acknowledged."""
BUSY: Final = 1
"""Data are under way, or held back by the congestion window."""
PEER: Final = 2
"""The peer's window holds data back."""
BUFFER: Final = 3
"""All is sent, more would be allowed, and the user waits for room in the send buffer."""


@mypyc_attr(acyclic=True)
class Mishaps:
    """Counts of what most connections never meet with, made when one does."""

    bytes_resent: int
    duplicates_reported: int
    """By the peer, in D-SACKs."""
    out_of_order: int
    """Segments that came before what precedes them."""
    timeout_recoveries: int
    timeout_time: int
    timeout_since: int
    by_peer: int
    by_buffer: int

    def __init__(self) -> None:
        self.bytes_resent = 0
        self.duplicates_reported = 0
        self.out_of_order = 0
        self.timeout_recoveries = 0
        self.timeout_time = 0
        self.timeout_since = 0
        self.by_peer = 0
        self.by_buffer = 0


@mypyc_attr(acyclic=True)
class Tally:
    """Times are nanoseconds. `limit` is what bounds the sender since `limit_since`."""

    data_segments_sent: int
    data_segments_received: int
    segments_delivered: int
    """That have arrived at the peer, by acknowledgments of any kind."""
    timeouts: int
    established_at: int
    data_received_at: int
    delivery_rate: int
    """Octets a second, the last measured that was not bounded by the user, or a higher one."""
    rate_app_limited: bool
    starved: bool
    """The user has found the send buffer full, and has not been told of room since."""
    limit: int
    limit_since: int
    busy: int
    mishaps: Mishaps | None

    def __init__(self) -> None:
        self.data_segments_sent = 0
        self.data_segments_received = 0
        self.segments_delivered = 0
        self.timeouts = 0
        self.established_at = 0
        self.data_received_at = 0
        self.delivery_rate = 0
        self.rate_app_limited = False
        self.starved = False
        self.limit = IDLE
        self.limit_since = 0
        self.busy = 0
        self.mishaps = None

    def mishap(self) -> Mishaps:
        """Return the counts of mishaps, for one more."""
        if self.mishaps is None:
            self.mishaps = Mishaps()
        return self.mishaps

    def turn(self, limit: int, now: int) -> None:
        """Something else bounds the sender from now on."""
        if self.limit and now:
            lasted = now - self.limit_since
            self.busy += lasted
            if self.limit == PEER:
                self.mishap().by_peer += lasted
            elif self.limit == BUFFER:
                self.mishap().by_buffer += lasted
        self.limit = limit
        self.limit_since = now

    def busy_time(self, now: int) -> int:
        """Return how long there was something to be sent or acknowledged."""
        return self.busy + (now - self.limit_since if self.limit and now else 0)

    def time_by(self, limit: int, now: int) -> int:
        """Return how long PEER or BUFFER has bounded the sender."""
        so_far = 0
        if self.mishaps is not None:
            so_far = self.mishaps.by_peer if limit == PEER else self.mishaps.by_buffer
        return so_far + (now - self.limit_since if self.limit == limit and now else 0)

    def timed_out(self, now: int, again: bool) -> None:
        """The retransmission timer has gone off; `again` without any progress since."""
        self.timeouts += 1
        if not again:
            mishaps = self.mishap()
            mishaps.timeout_recoveries += 1
            mishaps.timeout_since = now

    def progresses(self, now: int) -> None:
        """Something is acknowledged after timeouts."""
        mishaps = self.mishaps
        if mishaps is not None and mishaps.timeout_since:
            mishaps.timeout_time += now - mishaps.timeout_since
            mishaps.timeout_since = 0

    def acknowledged(self, octets: int, mss: int, dsack: bool) -> None:
        """So much has newly arrived at the peer; with a D-SACK it had come twice."""
        self.segments_delivered += (octets + mss - 1) // mss
        if dsack:
            self.mishap().duplicates_reported += 1

    def measured(self, rate: int, app_limited: bool) -> None:
        """Take a delivery rate."""
        if rate and (not app_limited or rate >= self.delivery_rate):
            self.delivery_rate = rate
            self.rate_app_limited = app_limited
