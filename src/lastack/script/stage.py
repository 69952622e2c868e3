"""A stack of ours on stage, in virtual time: a thousand scripts take seconds, and no root."""

from abc import abstractmethod
from random import Random
from typing import Final

from lastack.script.model import Header
from lastack.script.scene import Scene
from lastack.script.verdict import Mismatch
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.units import NEVER, SECOND
from lastack.wire.packet import Packet
from lastack.wire.stop import Stop

EPOCH: Final = 1_000 * SECOND
"""What the stack's clock shows when the script's shows 0."""
_STANDING_STILL: Final = 10_000


class StackScene(Scene):
    """A scene with a stack of ours. `clock` is the stack's own time.

    `writer` is a connection that a blocking call waits for, to send on it at once.
    """

    stack: Stack
    writer: Connection | None = None

    @property
    @abstractmethod
    def clock(self) -> int:
        """The stack's own time."""


class Stage(StackScene):
    """One stack with one interface and a default route."""

    def __init__(self, header: Header, config: Config, seed: int) -> None:
        super().__init__(header)
        interface = Interface("script", [self.local_prefix], header.mtu)
        self.stack = Stack([interface], config, Random(seed))

    @property
    def clock(self) -> int:
        """The stack's own time."""
        return self.now + EPOCH

    def next_moment(self) -> int:
        """Return when something will happen by itself, NEVER if nothing."""
        deadline = self.stack.next_deadline()
        return min(deadline - EPOCH if deadline < NEVER else NEVER, self.alarm)

    def advance(self, to: int) -> None:
        """Let time pass until `to`, and everything happen that is due by then."""
        still = 0
        while self.next_moment() <= to:
            still = self._step(still)
        self.now = max(self.now, to)

    def happens(self, limit: int) -> bool:
        """Go to the next moment, unless that is after `limit`."""
        moment = self.next_moment()
        if moment > limit or moment >= NEVER:
            return False
        self._step(0)
        return True

    def _step(self, still: int) -> int:
        """Go to the next moment; returns how often time has stood still."""
        moment = self.next_moment()
        if moment > self.now:
            self.now = moment
            still = 0
        if self.alarm <= self.now:
            self.alarm = NEVER
        self.stack.deadline_passed(self.clock)
        self.settle()
        if still >= _STANDING_STILL:
            raise Mismatch("the stack wants to be called again and again at the same moment")
        return still + 1

    def settle(self) -> None:
        """Pull what the stack wants to send, and tell that something may have changed.

        A writer who waits is told first, where nothing is to be sent again: what it writes takes
        the ACK along, as in kernels.
        """
        writer = self.writer
        if writer is not None and not writer.tcb.sent.lost and self.on_change is not None:
            self.writer = None
            self.on_change()
        while True:
            while True:
                packet = self.stack.next_packet(self.clock)
                if packet is None:
                    break
                self._take(packet.to_bytes(), self.now)
            count = len(self.outbox)
            if self.on_change is not None:
                self.on_change()
            packet = self.stack.next_packet(self.clock)
            if packet is None:
                break
            self._take(packet.to_bytes(), self.now)
            if len(self.outbox) - count > _STANDING_STILL:
                raise Mismatch("the stack sends without end")

    def _hand_over(self, data: bytes) -> Stop | None:
        return self.stack.packet_arrives(Packet(data, gso_size=self.gso_size), self.clock)
