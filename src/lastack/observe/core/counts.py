"""What is added up over all connections of a capture, without a look at any by name."""

from typing import Final

from mypy_extensions import i64

from lastack.observe.core.flow import Flow
from lastack.observe.core.groups import Groups
from lastack.observe.core.verdicts import Handshake, Teardown, Verdict

_COMPLETE: Final = Handshake.COMPLETE
_FINE: Final = (Teardown.NORMAL, Teardown.THREE_SEGMENT, Teardown.OPEN, Teardown.BEING_CLOSED)


class Counts:
    """Sums over connections: all of them (`connections`, `first`, `last`), and those asked for.

    `opened` and `ended` count by Handshake and Teardown; times are nanoseconds.
    """

    connections: i64
    first: i64
    last: i64
    matched: i64
    octets: i64
    sent: i64
    sent_again: i64
    opened: list[int]
    ended: list[int]
    fine: list[bool]

    def __init__(self) -> None:
        self.connections = 0
        self.first = 0
        self.last = 0
        self.matched = 0
        self.octets = 0
        self.sent = 0
        self.sent_again = 0
        self.opened = [0] * (max(Handshake) + 1)
        self.ended = [0] * (max(Teardown) + 1)
        self.fine = [one in _FINE for one in range(max(Teardown) + 1)]

    def count(self, flow: Flow) -> None:
        """Count a connection, asked for or not."""
        if not self.first or flow.first < self.first:
            self.first = flow.first
        if flow.last > self.last:
            self.last = flow.last
        self.connections += 1

    def add(self, flow: Flow, verdict: Verdict, groups: Groups) -> bool:
        """Add a connection that was asked for; return whether there is something to say of it."""
        resent = flow.track_a.resent() + flow.track_b.resent()
        self.matched += 1
        self.octets += flow.a.octets + flow.b.octets
        self.sent += flow.a.packets + flow.b.packets
        self.sent_again += resent
        self.opened[verdict.handshake] += 1
        self.ended[verdict.teardown] += 1
        groups.add(flow, verdict)
        if verdict.handshake is not _COMPLETE or not self.fine[verdict.teardown]:
            return True
        return resent > 0 or flow.a.broken | flow.b.broken != 0 or len(verdict.also) > 0
