"""What one connection keeps for explicit congestion notification (RFC 3168), as plain data."""

from enum import IntEnum
from typing import Final


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


class Ecn:
    """One connection's state. `ect` is the codepoint that new data carry, NOT_ECT for none.

    As the sender: `reducing` from a reduction of the window until what was sent after it is
    acknowledged (`reduced_at` was SND.NXT then), `cwr_next` until new data have said so, `marked`
    the octets that the ACK being digested reports as CE-marked for the first time. As the receiver:
    `echo` from a CE mark until the peer's CWR, `seen` once anything has come with ECT or CE.
    """

    feedback: Feedback
    asked: Feedback
    plain_syn_sent: bool
    """A SYN of ours has gone without asking."""
    ect: int
    reducing: bool
    reduced_at: int
    cwr_next: bool
    marked: int
    echo: bool
    seen: bool
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
        self.marked = 0
        self.echo = False
        self.seen = False
        self.marks_received = 0
        self.marks_delivered = 0
