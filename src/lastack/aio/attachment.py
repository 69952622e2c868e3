"""A stack that lives in an asyncio loop: who turns its driver, and when.

The loop calls us for three reasons: a packet has come (the link is readable), the link has room
again (only watched while it had none), and the stack's next deadline (one timer, re-armed lazily).
What users do between those is collected and goes out in one flush at the end of the round of the
loop. Nothing polls: while nothing happens, nothing runs.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from lastack.driver import Driver, ignore_notice
from lastack.link.base import Link
from lastack.stack.listener import Listener
from lastack.stack.stack import Stack
from lastack.tcp.connection import Connection
from lastack.units import NEVER, SECOND


class NoticeTaker:
    """What stands in the `user` slot of a Connection or Listener whose notices are for aio."""

    def noticed(self) -> None:
        """There are notices: read them, set them to 0, act."""
        raise NotImplementedError


class Closable(Protocol):
    """A transport, as far as its host has to end it."""

    def close(self) -> None:
        """End it in order."""

    def abort(self) -> None:
        """End it at once."""

    def link_lost(self, error: OSError) -> None:
        """There is no link any more."""


class Attachment:
    """A stack and its driver, attached to the running loop until `detach()`.

    `transports` are those that live. `on_notice` gets the notices of connections and listeners that
    are not aio's. `lost` is the error of the link, once it has failed.
    """

    def __init__(self, stack: Stack, link: Link) -> None:
        self.stack = stack
        self.link = link
        self.driver = Driver(stack, link)
        self.driver.on_notice = self._notice
        self.now = self.driver.clock
        self.loop = asyncio.get_running_loop()
        self.transports: set[Closable] = set()
        self.on_notice: Callable[[Connection | Listener], None] = ignore_notice
        self.lost: OSError | None = None
        self._rest: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._watching_room = False
        self._turning = False
        self._flush_due = False
        self._turn_due = False
        self._descriptor = link.fileno()
        if self._descriptor < 0:
            raise ValueError(f"{link!r} has no descriptor that a loop could wait on")
        self.loop.add_reader(self._descriptor, self._turn)

    def wake(self, connection: Connection) -> None:
        """The user has done something with a connection: what follows goes out this round."""
        self.stack.wake(connection, self.now())
        if not (self._turning or self._flush_due):
            self.flush_soon()

    def flush_soon(self) -> None:
        """See to it that whatever is ready goes out at the end of this round of the loop."""
        if not (self._turning or self._flush_due) and self._descriptor >= 0:
            self._flush_due = True
            self.loop.call_soon(self._flush)

    async def at_rest(self, seconds: float) -> bool:
        """Wait until no connection is left (TIME-WAIT apart); False when the time is over first."""
        if self._descriptor < 0 or not self.stack.connections():
            return True
        self._rest = self.loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._rest
        except TimeoutError:
            return False
        finally:
            self._rest = None
        return True

    def detach(self) -> None:
        """Leave the loop, sending what can be sent at once; harmless when repeated."""
        if self._descriptor < 0:
            return
        if self.lost is None:
            self._flush()
        self._leave()

    def _leave(self) -> None:
        descriptor = self._descriptor
        if descriptor < 0:
            return
        self._descriptor = -1
        self.loop.remove_reader(descriptor)
        if self._watching_room:
            self._watching_room = False
            self.loop.remove_writer(descriptor)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.driver.close()
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    def _turn(self) -> None:
        """A packet has come, or a deadline: one batch in, users told, everything out."""
        driver = self.driver
        self._turning = True
        now = self.now()
        try:
            driver.step(now)
            if not driver.unsent:
                driver.flush(now)  # for what sending has changed
        except OSError as error:
            self._link_lost(error)
        finally:
            self._turning = False
        if self._descriptor >= 0:
            self._arm(now)

    def _turn_again(self) -> None:
        """There was more to send than fitted one turn."""
        self._turn_due = False
        if self.driver.unsent and self._descriptor >= 0:
            self._turn()

    def _flush(self) -> None:
        """Users have done something, or the link has room again."""
        self._flush_due = False
        if self._descriptor < 0 or self._turn_due:
            return  # the turn that is due sends, after it has looked for what has come
        self._turning = True
        now = self.now()
        try:
            self.driver.flush(now)
        except OSError as error:
            self._link_lost(error)
        finally:
            self._turning = False
        if self._descriptor >= 0:
            self._arm(now)

    def _arm(self, now: int) -> None:
        """Watch for room while there is none, and have a timer no later than the next deadline.

        A deadline that moves later leaves the timer where it is: it finds nothing due and is armed
        again.
        """
        blocked = self.driver.blocked
        if blocked != self._watching_room:
            self._watching_room = blocked
            if blocked:
                self.loop.add_writer(self._descriptor, self._flush)
            else:
                self.loop.remove_writer(self._descriptor)
        if self.driver.unsent and not blocked and not self._turn_due:
            self._turn_due = True
            self.loop.call_soon(self._turn_again)
        deadline = self.stack.next_deadline()
        if deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self.loop.call_later(max(deadline - now, 0) / SECOND, self._deadline)
        if self._rest is not None and not self._rest.done() and not self.stack.connections():
            self._rest.set_result(None)

    def _deadline(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        self._turn()

    def _notice(self, noticed: Connection | Listener) -> None:
        """Hand a notice to its user; the mistakes of one user are not those of the others."""
        user = noticed.user
        try:
            if isinstance(user, NoticeTaker):
                user.noticed()
            elif isinstance(noticed, Connection) and noticed.is_orphan:
                noticed.notices = 0  # its user has gone
            else:
                self.on_notice(noticed)
        except Exception as error:
            self.loop.call_exception_handler(
                {"message": f"on_notice failed for {noticed!r}", "exception": error}
            )

    def _link_lost(self, error: OSError) -> None:
        """The device is gone, and with it every connection."""
        self.lost = error
        self._leave()
        for transport in list(self.transports):
            transport.link_lost(error)
        self.loop.call_exception_handler({"message": "the link has failed", "exception": error})
