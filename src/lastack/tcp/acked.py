"""What one ACK has said, as plain data: filled in on its way from `acks` to the controller."""

from mypy_extensions import mypyc_attr

from lastack.tcp.span import Sent
from lastack.units import NEVER
from lastack.wire.seq import diff


@mypyc_attr(acyclic=True, free_list_len=1)
class Acked:
    """Octets: `acked` is the advance of SND.UNA, `sacked` what is newly reported out of order.

    `una` is its acknowledgment number, `nxt` SND.NXT. `duplicate` says whether it is a duplicate
    ACK by RFC 5681 2, `dsack` that the peer has got something twice (RFC 2883), and `probe_arrived`
    that this was a tail loss probe.

    `sent` fills in what its records know of those that have arrived: `rtt` is the time since the
    most recently sent of them that were never sent again (Karn's algorithm, MUST-18), -1 without
    any; `newest` the one that was sent last; `resent_acked` that one was a retransmission.
    `latest` and `latest_end` are order and end of the last transmission of those which have
    certainly arrived, -1 when none is known, and `arrived_at` when such a one was sent, the last
    that the ACK speaks of. `survived` says that something taken for lost has arrived without being
    sent again, and `overtaken` by how many octets, at most, others had overtaken it.
    """

    una: int
    nxt: int
    mss: int
    has_sack: bool
    acked: int
    sacked: int
    duplicate: bool
    dsack: bool
    probe_arrived: bool
    rtt: int
    newest: Sent | None
    resent_acked: bool
    latest: int
    latest_end: int
    arrived_at: int
    survived: bool
    overtaken: int
    least_rtt: int
    """A retransmission is not acknowledged sooner than this: it was the original that arrived."""
    echoed_at: int
    """Nor is one that was sent after this, as the echoed timestamp has it."""

    def __init__(self, una: int, nxt: int, mss: int, has_sack: bool) -> None:
        self.una = una
        self.nxt = nxt
        self.mss = mss
        self.has_sack = has_sack
        self.acked = 0
        self.sacked = 0
        self.duplicate = False
        self.dsack = False
        self.probe_arrived = False
        self.rtt = -1
        self.newest = None
        self.resent_acked = False
        self.latest = -1
        self.latest_end = 0
        self.arrived_at = 0
        self.survived = False
        self.overtaken = 0
        self.least_rtt = 0
        self.echoed_at = NEVER

    def speaks_of(self, span: Sent, now: int) -> None:
        """A record has arrived."""
        if span.retransmits:
            self.resent_acked = True
            sure = now - span.sent_at >= self.least_rtt and span.sent_at <= self.echoed_at
        else:
            self.rtt = now - span.sent_at
            sure = True
            if span.was_lost:
                self.survived = True
        newest = self.newest
        if newest is None or span.order >= newest.order:
            self.newest = span
        if sure:
            self.arrived_at = span.sent_at
            if span.order >= self.latest:
                self.latest = span.order
                self.latest_end = span.end

    def was_overtaken(self, span: Sent, sacked_end: int) -> None:
        """What lies before something that is sacked has arrived: was it on its way for longer?"""
        if span.retransmits == 0:
            distance = diff(sacked_end, span.start)
            if distance > self.overtaken:
                self.overtaken = distance
