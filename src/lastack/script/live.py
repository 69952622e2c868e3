"""Scenes on the real clock: a device in a namespace, watched by a tap."""

import os
import select
import sys
import time
from abc import abstractmethod
from contextlib import suppress
from typing import Final

from lastack.link.kernel_side import KernelSide
from lastack.link.tun import TunLink
from lastack.script.model import Header
from lastack.script.scene import Scene
from lastack.script.tap import Tap
from lastack.units import NEVER, SECOND

DEVICE: Final = "tun0"
"""Scripts name it, in commands and profiles."""
_AT_MOST: Final = 3600 * SECOND
_SWITCH: Final = 0.0002
"""Seconds that one thread may keep the others from seeing what time it is."""
_NO_LIMIT: Final = 65_535
_NETWORK: Final = {4: "0.0.0.0/0", 6: "::/0"}


def hurry() -> None:
    """Have this thread run as soon as it can, where the system lets us: we play on the beat."""
    sys.setswitchinterval(_SWITCH)
    with suppress(OSError):
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))


class LiveScene(Scene):
    """A TUN device, its kernel side, and time that passes by itself.

    `now` is when the last thing happened: a packet as the kernel stamped it, the end of a call, or
    the time waited for. `wall` is what the calendar's clock showed when the script began. Must be
    made within a network namespace of its own. `of_kernel` tells that the local address is the
    kernel's: then it is the subject.
    """

    def __init__(self, header: Header, of_kernel: bool, offload: bool) -> None:
        super().__init__(header)
        self.link = TunLink(DEVICE, header.mtu, offload)
        addresses, routes, mtu = [], [], _NO_LIMIT
        if of_kernel:
            addresses, mtu = [self.local_prefix], header.mtu
            host = f"{self.remote_text}/{32 if self.version == 4 else 128}"
            routes = [_NETWORK[self.version], host]  # commands change the latter
        self._side = KernelSide(DEVICE, addresses, mtu, routes)
        self._loopback = KernelSide("lo", [])
        self._loopback.__enter__()
        self._side.__enter__()
        self.tap = Tap(DEVICE, of_kernel)
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._begun = time.monotonic_ns()
        self.wall = time.time_ns()

    def real_time(self) -> int:
        """Return the time it is, in the script's time, whatever happened last."""
        return time.monotonic_ns() - self._begun

    def begin(self) -> None:
        """The script's time begins now."""
        self._begun = time.monotonic_ns()
        self.wall = time.time_ns()
        self.now = 0

    def wake(self) -> None:
        """End the waiting: something has happened. May be called from any thread."""
        os.eventfd_write(self._wakeup, 1)

    def happened(self, moment: int) -> None:
        """Something has happened at that moment."""
        self.now = max(self.now, moment)

    def advance(self, to: int) -> None:
        """Wait until `to`, and see what happens by then."""
        while True:
            left = to - self.real_time()
            self._look(max(left, 0))
            if left <= 0:
                break
        self.now = max(self.now, self.real_time())

    def happens(self, limit: int) -> bool:
        """Wait until something happens, or it is `limit`."""
        limit = min(limit, self.now + _AT_MOST)
        while True:
            left = limit - self.real_time()
            if self._look(max(left, 0)):
                return True
            if left <= 0:
                return False

    def settle(self) -> None:
        """Take in what the last event has set in motion."""
        self.now = max(self.now, self.real_time())
        self._look(0)

    def _look(self, wait: int) -> bool:
        """Wait at most so long for something; take in what there is. True if there was anything."""
        watched = [self.tap.fileno(), self._wakeup, self.link.fileno()]
        wait = min(wait, self._most_wait())
        ready, _, _ = select.select(watched, [], [], wait / SECOND)
        moved = self._work()
        if moved:
            self.happened(self.real_time())
        if self._wakeup in ready:
            os.eventfd_read(self._wakeup)
            moved = True
        if self.alarm <= self.real_time():
            self.alarm = NEVER
            self.happened(self.real_time())
            moved = True
        while (tapped := self.tap.receive()) is not None:
            moved = True
            self.happened(tapped.time - self._begun)
            self._take(tapped.data, tapped.time - self._begun, tapped.unchecked)
        if moved and self.on_change is not None:
            self.on_change()
            self._work()
        return moved

    def _most_wait(self) -> int:
        """Return how long may be waited before there is something to do, nanoseconds."""
        return max(min(self.alarm - self.real_time(), SECOND), 0)

    @abstractmethod
    def _work(self) -> bool:
        """See to the device, and to whoever is behind it; True if anything has moved."""

    def close(self) -> None:
        """Give everything back."""
        self.tap.close()
        self._side.remove()
        self.link.close()
        os.close(self._wakeup)
