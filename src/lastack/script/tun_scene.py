"""A stack of ours on a real device and a real clock.

The driver reads and writes the TUN device as it does anywhere. The remote host stands on the
kernel's side of it: what it sends, the kernel sends out of the device, unrouted; what the stack
sends is seen as it comes in. The kernel has no address there, so it adds nothing of its own.
"""

from random import Random

from lastack.driver import Driver
from lastack.script.live import LiveScene
from lastack.script.model import Header
from lastack.script.stage import EPOCH, StackScene
from lastack.stack.routes import Interface
from lastack.stack.stack import Stack
from lastack.tcp.config import Config
from lastack.units import SECOND
from lastack.wire.stop import Stop


class TunScene(LiveScene, StackScene):
    """A stack and its driver on a TUN device."""

    def __init__(self, header: Header, config: Config, seed: int) -> None:
        super().__init__(header, False, False)
        interface = Interface(self.link.name, [self.local_prefix], header.mtu)
        self.stack = Stack([interface], config, Random(seed))
        self.driver = Driver(self.stack, self.link, self._clock)

    def _clock(self) -> int:
        return self.real_time() + EPOCH

    @property
    def clock(self) -> int:
        """The stack's own time."""
        return self._clock()

    def _hand_over(self, data: bytes) -> Stop | None:
        self.tap.send(data)
        return None

    def _work(self) -> bool:
        return self.driver.settle()

    def _most_wait(self) -> int:
        due = self.stack.next_deadline() - self._clock()
        return max(min(super()._most_wait(), due, SECOND), 0)

    def close(self) -> None:
        """Give everything back."""
        self.driver.close()
        super().close()
