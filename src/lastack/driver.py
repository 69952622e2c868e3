"""The driver: the loop between a link and a stack, and the only place that waits.

One round drains a batch of packets into the stack, lets the timers that are due go off, tells users
what has changed for them, and pulls out all that the stack then wants to send. Users hear before
the pulling, so that what they answer carries the acknowledgments that are owed. Nothing turns
while nothing happens.
"""

import os
import select
import time
from collections.abc import Callable
from typing import Final

from lastack.link.base import Link
from lastack.stack.listener import Listener
from lastack.stack.stack import Stack
from lastack.tcp.connection import Connection
from lastack.units import MS, NEVER, SECOND
from lastack.wire.packet import Packet

BATCH: Final = 64
"""Packets taken in before anything is sent: this is how acknowledgments aggregate."""
_SHARE: Final = 1 << 20
"""What is sent before we look again for what has come, in octets: whoever has much to send must not
keep the acknowledgments of all others waiting until their peers send again."""
_PACKET: Final = _SHARE // BATCH
"""What a packet counts beyond its octets."""
_MOST_PUT_OFF: Final = 16
"""Batches taken in, one after the other, before timers go off although more is waiting."""

_LONGEST_WAIT: Final = 1000 * SECOND
_MOST_ROUNDS: Final = 1024


class Driver:
    """Drives one stack over one link.

    `clock` gives nanoseconds that never run backwards; `now` is its value at the current step, for
    `on_notice` to use. `on_notice` is called with each Connection and Listener whose notices are
    not 0; it reads them and sets them to 0. It may call anything but the driver. `blocked` is True
    while the link has no room: call again when it is writable; nothing is lost meanwhile.
    `unsent` is True while a round has left packets to send for the next: call again at once.
    """

    stack: Stack
    link: Link
    clock: Callable[[], int]
    on_notice: Callable[[Connection | Listener], None]
    now: int
    blocked: bool
    unsent: bool
    _held: Packet | None
    _descriptor: int
    _poller: select.epoll | None
    _watching_room: bool
    _wakeup: int
    _full: bool
    """Whether the last batch may have left packets behind."""
    _put_off: int

    def __init__(
        self, stack: Stack, link: Link, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.stack = stack
        self.link = link
        self.clock = clock
        self.on_notice = ignore_notice
        self.now = clock()
        self.blocked = False
        self.unsent = False
        self._held = None
        self._descriptor = link.fileno()
        self._poller = None
        self._watching_room = False
        self._wakeup = -1
        self._full = False
        self._put_off = 0

    def step(self, now: int) -> bool:
        """Do one round and return whether anything moved: then there may be more, call again.

        Raises OSError when the device is gone.
        """
        self.now = now
        link = self.link
        stack = self.stack
        count = 0
        while count < BATCH:
            packet = link.receive()
            if packet is None:
                break
            stack.packet_arrives(packet, now)  # MUST-59: the whole batch, before any ACK goes
            count += 1
        self._full = count == BATCH
        moved = count > 0
        if stack.next_deadline() <= now:
            # What answers a segment may be waiting behind this batch: no timer of ours shall send
            # it again only because we have been busy.
            moved = True
            if self._full and self._put_off < _MOST_PUT_OFF:
                self._put_off += 1
            else:
                self._put_off = 0
                stack.deadline_passed(now)
        if self._tell():
            moved = True
        return self._send(now) or moved

    def flush(self, now: int) -> None:
        """Send what is ready and tell users what has changed, without looking for packets.

        What is more than a share may be left for the next call (`unsent`).
        """
        self.now = now
        self._send(now)
        for _ in range(_MOST_ROUNDS):
            if not self._tell():
                return
            self._send(now)

    def poll(self, timeout_ns: int = NEVER) -> bool:
        """Wait at most this long for a packet, a timer or `wake()`, then take in what has come.

        Whatever is ready to be sent goes out before the waiting. Packets that come while we are
        busy are for the next poll, which then does not wait. Returns whether it saw to anything.
        """
        now = self.clock()
        limit = now + timeout_ns
        self.flush(now)
        while True:
            deadline = self.stack.next_deadline()
            come = self._wait(0 if self.unsent else min(deadline, limit) - now)
            now = self.clock()
            if come or self.unsent or deadline <= now:
                while self.step(now) and self._full:
                    now = self.clock()
                return True
            if limit <= now:
                return False

    def settle(self) -> bool:
        """Step until all is quiet (or many rounds have passed); return whether anything moved."""
        moved = False
        for _ in range(_MOST_ROUNDS):
            if not self.step(self.clock()):
                return moved
            moved = True
        return moved

    def run_until(self, predicate: Callable[[], bool], deadline: int = NEVER) -> bool:
        """Poll until the predicate holds (True) or the clock has reached the deadline (False).

        It is asked after every poll: who changes it from another thread must call `wake`.
        """
        while not predicate():
            now = self.clock()
            if now >= deadline:
                return False
            self.poll(deadline - now)
        return True

    def wake(self) -> None:
        """End the waiting of `poll`; may be called from any thread once `wakeable` has been."""
        if self._wakeup >= 0:
            os.eventfd_write(self._wakeup, 1)

    def wakeable(self) -> None:
        """Make ready for `wake()`; harmless when repeated."""
        if self._wakeup < 0:
            self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            if self._poller is not None:
                self._poller.register(self._wakeup, select.EPOLLIN)

    def close(self) -> None:
        """Give back what the driver itself opened; the link stays open."""
        if self._poller is not None:
            self._poller.close()
            self._poller = None
        if self._wakeup >= 0:
            os.close(self._wakeup)
            self._wakeup = -1

    def _tell(self) -> bool:
        """Hand out notices; return whether there were any."""
        noticed = self.stack.take_noticed()
        if not noticed:
            return False
        on_notice = self.on_notice
        for one in noticed:
            on_notice(one)
        return True

    def _send(self, now: int) -> bool:
        """Pull packets out, at most a share and as long as there is room; True if one went."""
        link = self.link
        stack = self.stack
        count = 0
        room = _SHARE
        self.unsent = False
        packet = self._held
        if packet is None:
            packet = stack.next_packet(now)
        while packet is not None:
            if not link.send(packet):
                self._held = packet
                self.blocked = True
                return count > 0
            count += 1
            room -= _PACKET + packet.length
            if room <= 0:
                self.unsent = True
                packet = None
            else:
                packet = stack.next_packet(now)
        self._held = None
        self.blocked = False
        return count > 0

    def _wait(self, time_left: int) -> bool:
        """Wait for the link or a wake-up; return whether to look for packets."""
        if self._descriptor < 0 and self._wakeup < 0:
            if 0 < time_left < _LONGEST_WAIT:
                time.sleep(time_left / SECOND)
            return True
        poller = self._poller
        if poller is None:
            poller = self._make_poller()
        if self.blocked != self._watching_room and self._descriptor >= 0:
            self._watching_room = self.blocked
            wanted = select.EPOLLIN | select.EPOLLOUT if self.blocked else select.EPOLLIN
            poller.modify(self._descriptor, wanted)
        ready = poller.poll(0) if time_left <= 0 else _poll(poller, time_left)
        if not ready:
            return False
        if self._wakeup >= 0 and (self._wakeup, select.EPOLLIN) in ready:
            os.eventfd_read(self._wakeup)
        return True

    def _make_poller(self) -> select.epoll:
        poller = select.epoll()
        if self._descriptor >= 0:
            poller.register(self._descriptor, select.EPOLLIN)
        if self._wakeup >= 0:
            poller.register(self._wakeup, select.EPOLLIN)
        self._poller = poller
        return poller


def _poll(poller: select.epoll, time_left: int) -> list[tuple[int, int]]:
    """Wait for events: epoll counts milliseconds and rounds up, so short waits need select."""
    if time_left >= _LONGEST_WAIT:
        return poller.poll()
    if time_left >= 2 * MS or poller.fileno() >= 1024:
        milliseconds = time_left // MS
        return poller.poll(milliseconds / 1000)
    select.select([poller], [], [], time_left / SECOND)
    return poller.poll(0)


def ignore_notice(noticed: Connection | Listener) -> None:
    """Read a notice and do nothing about it."""
    noticed.notices = 0
