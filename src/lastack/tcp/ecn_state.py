"""What one connection keeps for explicit congestion notification (RFC 3168), as plain data."""

from enum import IntEnum
from typing import Final

from mypy_extensions import mypyc_attr


class Feedback(IntEnum):
    """How the ends tell each other of congestion marks: what their SYNs have agreed on."""

    NONE = 0
    CLASSIC = 1
    """ECE until CWR: once a window, that there were marks (RFC 3168)."""
    ACCURATE = 2
    """ACE and the AccECN options: how many (RFC 9768)."""


NONE: Final = Feedback.NONE
CLASSIC: Final = Feedback.CLASSIC
ACCURATE: Final = Feedback.ACCURATE

NOT_ECT: Final = 0
ECT1: Final = 1
ECT0: Final = 2
CE: Final = 3

ASKED: Final[dict[str, Feedback]] = {
    "off": NONE,
    "accept": NONE,
    "on": CLASSIC,
    "accurate": ACCURATE,
    "accurate-on": CLASSIC,
    "accurate-accept": NONE,
}
"""By Config.ecn: what our SYN asks for."""
ACCEPTED: Final[dict[str, Feedback]] = {
    "off": NONE,
    "accept": CLASSIC,
    "on": CLASSIC,
    "accurate": ACCURATE,
    "accurate-on": ACCURATE,
    "accurate-accept": ACCURATE,
}
"""By Config.ecn: the most that we agree to when a peer asks."""


@mypyc_attr(acyclic=True)
class Counters:
    """The counters of RFC 9768 3.2, of both half-connections; the initial values are 3.2.1's.

    `received_*` (r.cep, r.e0b, r.ceb, r.e1b) is what has come here: packets marked, and octets by
    codepoint. `cep`, `ect0`, `ce` and `ect1` (s.cep ...) follow the peer's. All grow without bound;
    the wire has their low bits.
    """

    received_cep: int
    received_ect0: int
    received_ce: int
    received_ect1: int
    cep: int
    ect0: int
    ce: int
    ect1: int
    syn_came: int
    """The codepoint of the peer's latest SYN, for our SYN-ACK to tell."""
    reflected: int
    """The flags of the pure ACK that is to tell how the SYN-ACK has come, 0 when none is."""
    unsaid: int
    """Marks since our last ACK."""
    was_marked: bool
    """The packet that came last had CE."""
    first_data: bool
    """Our first data, still to go, are to carry an option."""
    options_off: bool
    """Options get lost: we send none."""
    ignore_options: bool
    """The peer's have been cleared on the way."""
    deaf: bool
    """The peer's counters mean nothing."""
    skip: bool
    """The ACK at hand has no counter."""
    delivered_before: int
    una_before: int

    def __init__(self, syn_came: int, una: int) -> None:
        self.received_cep = 5
        self.received_ect0 = 1
        self.received_ce = 0
        self.received_ect1 = 1
        self.cep = 5
        self.ect0 = 1
        self.ce = 0
        self.ect1 = 1
        self.syn_came = syn_came
        self.reflected = 0
        self.unsaid = 0
        self.was_marked = False
        self.first_data = False
        self.options_off = False
        self.ignore_options = False
        self.deaf = False
        self.skip = False
        self.delivered_before = 1  # our SYN
        self.una_before = una


@mypyc_attr(acyclic=True)
class Ecn:
    """One connection's state. `ect` is the codepoint that new data carry, NOT_ECT for none.

    As the sender: `reducing` from a reduction of the window until what was sent after it is
    acknowledged (`reduced_at` was SND.NXT then), `cwr_next` where the next segment of new data has
    the bit CWR, `marked` the octets that the ACK being digested reports as CE-marked for the first
    time. As the receiver: `echo` from a CE mark until the peer's CWR, `seen` once anything has come
    with ECT or CE.
    """

    feedback: Feedback
    asked: Feedback
    plain_syn_sent: bool
    """A SYN of ours has gone without asking."""
    ect: int
    reducing: bool
    reduced_at: int
    cwr_next: bool
    waits: bool
    """A mark has come while the window was one segment: the next goes when RTO is over."""
    marked: int
    echo: bool
    seen: bool
    counters: Counters | None
    """Of accurate feedback alone."""
    option_size: int
    """Octets of the AccECN option that is due, 0 when none is."""
    ack_first: bool
    """A pure ACK goes before any data: it tells how the SYN-ACK has come."""
    marks_received: int
    """Packets that came with CE."""
    marks_delivered: int
    """Packets of ours that the peer has reported as CE-marked; classic feedback tells so much: of
    each ACK with ECE, all that it acknowledges."""

    def __init__(self) -> None:
        self.feedback = NONE
        self.asked = NONE
        self.plain_syn_sent = False
        self.ect = NOT_ECT
        self.reducing = False
        self.reduced_at = 0
        self.cwr_next = False
        self.waits = False
        self.marked = 0
        self.echo = False
        self.seen = False
        self.counters = None
        self.option_size = 0
        self.ack_first = False
        self.marks_received = 0
        self.marks_delivered = 0


WITHOUT_ECN: Final = Ecn()
"""What connections share that have agreed on nothing; nobody changes it."""
