"""Loss recovery: given acknowledgments, it says what is lost and what to send again."""

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import Final

from mypy_extensions import mypyc_attr

from lastack.tcp.acked import Acked
from lastack.tcp.recovery.prr import Reduction
from lastack.tcp.sent import SentLog
from lastack.units import NEVER


class Phase(IntEnum):
    """Where recovery stands."""

    OPEN = 0
    """Nothing is known to be lost."""
    RECOVERY = 1
    """Losses found by acknowledgments are being repaired (RFC 5681 3.2)."""
    LOSS = 2
    """The retransmission timer went off: all that is not known to have arrived is sent again."""


OPEN: Final = Phase.OPEN
RECOVERY: Final = Phase.RECOVERY
LOSS: Final = Phase.LOSS


class Losses(IntEnum):
    """What an ACK changed."""

    NOTHING = 0
    ENTERED = 1
    """A new episode of recovery has begun: the controller is told of one loss."""
    RECOVERED = 2
    """Everything sent before the loss was found has arrived."""
    RECOVERED_AND_ENTERED = 3
    """Both in this order: something sent after that is lost as well."""


NOTHING: Final = Losses.NOTHING
ENTERED: Final = Losses.ENTERED
RECOVERED: Final = Losses.RECOVERED
RECOVERED_AND_ENTERED: Final = Losses.RECOVERED_AND_ENTERED


@mypyc_attr(allow_interpreted_subclasses=True)
class LossRecovery(ABC):
    """Marks records of the `SentLog` lost; output sends them again as the window allows.

    `recover` is what SND.NXT was when the present episode began. `reorder_at` is when to call
    `on_reordering_over`, NEVER without a reason. `reordering` is by how many segments others are
    known to be overtaken, and `reordering_seen` how often that was seen.
    """

    phase: Phase
    recover: int
    blameless: bool
    """What is being repaired was too long for the path: the controller need not know."""
    reorder_at: int
    reordering: int
    reordering_seen: int
    reduction: Reduction | None
    """What bounds sending while losses are repaired; None leaves that to the controller."""
    new_data_first: bool
    """F-RTO wants new data to be sent before anything that may be lost (RFC 5682)."""

    def __init__(self, iss: int) -> None:
        self.phase = OPEN
        self.recover = iss
        self.blameless = False
        self.reorder_at = NEVER
        self.reordering = 0
        self.reordering_seen = 0
        self.reduction = None
        self.new_data_first = False

    def too_long(self, nxt: int) -> None:
        """What was marked lost was too long for the path; until `nxt` duplicates mean no more."""
        self.phase = LOSS
        self.recover = nxt
        self.blameless = True

    @abstractmethod
    def on_ack(self, sent: SentLog, ack: Acked, now: int) -> Losses:
        """Digest one ACK; `sent` has already forgotten what it acknowledges."""

    @abstractmethod
    def on_timeout(self, sent: SentLog, una: int, nxt: int, now: int) -> bool:
        """The retransmission timer went off; return whether it is the first time for this octet."""

    def on_reordering_over(self, sent: SentLog, mss: int, nxt: int, now: int) -> Losses:
        """Return what is lost of that for which reordering was an excuse until `reorder_at`."""
        return NOTHING

    @abstractmethod
    def suspect(self, sent: SentLog, ack: Acked) -> None:
        """There is room, and nothing new to fill it with: what may be lost may go again."""

    def not_lost(self, sent: SentLog, una: int) -> None:
        """All that was thought lost in this episode is in flight after all."""
        self.phase = OPEN
        self.reduction = None
        self.new_data_first = False
        self.reorder_at = NEVER
        sent.none_lost()

    def next_to_resend(self, sent: SentLog) -> int:
        """Return the index of the record to send again next, -1 when there is none."""
        return sent.first_lost()
