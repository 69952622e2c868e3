"""Records of what was sent: `sent` keeps those of one stretch in order."""

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True, free_list_len=1)
class Sent:
    """One stretch [start, end) as it was last sent. Times are nanoseconds.

    `order` is its place among all transmissions: clocks may be too coarse to tell. `delivered` and
    `delivered_at` are the connection's totals when it was sent, from which delivery rates are
    computed; `app_limited` says that the user, not the network, was the limit then.
    `flight_began` is when that was sent which had last arrived then; `tx_in_flight` is what was in
    flight with it, and `lost_before` all that had been found lost by then.
    """

    start: int
    end: int
    sent_at: int
    first_sent_at: int
    order: int
    retransmits: int
    sacked: bool
    lost: bool
    was_lost: bool
    """It has been found lost, whether or not it was sent again since."""
    delivered: int
    delivered_at: int
    app_limited: bool
    flight_began: int
    tx_in_flight: int
    lost_before: int

    def __init__(
        self,
        start: int,
        end: int,
        now: int,
        order: int,
        delivered: int,
        delivered_at: int,
        app_limited: bool,
    ) -> None:
        self.start = start
        self.end = end
        self.sent_at = now
        self.first_sent_at = now
        self.order = order
        self.retransmits = 0
        self.sacked = False
        self.lost = False
        self.was_lost = False
        self.delivered = delivered
        self.delivered_at = delivered_at
        self.app_limited = app_limited
        self.flight_began = now
        self.tx_in_flight = 0
        self.lost_before = 0

    @property
    def length(self) -> int:
        """Octets of sequence space."""
        return (self.end - self.start) & 0xFFFFFFFF


@mypyc_attr(acyclic=True)
class TailProbe:
    """A tail loss probe that ended at `end` (RFC 8985 7); `again`: it repeated something."""

    end: int
    again: bool

    def __init__(self, end: int, again: bool) -> None:
        self.end = end
        self.again = again
