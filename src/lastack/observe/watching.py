"""Looking at the kernel's sockets again and again, and remembering what a single look cannot tell.

A TIME-WAIT socket has no owner; who closed it was told by the tracepoint while it happened, or is
known from an earlier look, when the connection still had an owner.
"""

import errno
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from lastack.observe.ages import Age, age_of
from lastack.observe.core.diag import KernelSocket
from lastack.observe.counters import counters, setting
from lastack.observe.processes import Cgroups, Holder, Holders, in_this_namespace, running
from lastack.observe.sockets import Destroyed, kernel_sockets
from lastack.observe.tracing import PLACES, Key, StateChange, Tracing
from lastack.tcp.states import State
from lastack.units import MS, SECOND

MOST_REMEMBERED: Final = 200_000
"""So many connections are remembered; the oldest are forgotten first."""
_T = TypeVar("_T", Destroyed, Tracing)
_MISSING: Final = {
    errno.EPERM: "privilege",
    errno.EACCES: "privilege",
    errno.EROFS: "privilege",
    errno.ENOENT: "absent",
}
_BY_A_CALL: Final = (State.FIN_WAIT_1, State.LAST_ACK)
_CLOSED_HERE: Final = (*_BY_A_CALL, State.FIN_WAIT_2, State.CLOSING, State.TIME_WAIT)
LISTENING: Final = 100 * MS
"""So often the event sources should be heard, before the kernel's room for them is full."""


class Source(NamedTuple):
    """Where knowledge comes from; `missing` is "" or why it does not.

    `name` is one of `sock_diag`, `holders`, `destroyed`, `tracepoint`, `counters`; `missing` one
    of `privilege`, `absent` (not mounted), `unsupported` (by this kernel), `partly`.
    """

    name: str
    missing: str


class Owner(NamedTuple):
    """A process that has `closed` a connection, or `held` it when last seen."""

    pid: int
    name: str
    command: str
    how: str


@dataclass
class Heard:
    """What the event sources have said, and how often the kernel had no room for more.

    `changes` of state and how many were lost; `ended` sockets, and how often (of any number at a
    time) notices of them were lost.
    """

    changes: int = 0
    changes_lost: int = 0
    ended: int = 0
    ended_lost: int = 0


class Look:
    """The sockets at one moment and who holds them."""

    time: int
    sockets: list[KernelSocket]
    holders: Holders
    counters: dict[str, int]

    def __init__(self, sockets: list[KernelSocket], holders: Holders, counted: dict[str, int]):
        self.time = time.monotonic_ns()
        self.sockets = sockets
        self.holders = holders
        self.counters = counted


def key_of(found: KernelSocket) -> Key:
    """Return both ends of a socket."""
    return found.local, found.local_port, found.remote, found.remote_port


class Watching:
    """The sources that can be had, and the memory. A context manager; `look` may be called often.

    `entered` is when a connection was seen entering its state, in nanoseconds of the monotonic
    clock. Raises OSError where there is no sock_diag.
    """

    sources: list[Source]
    entered: dict[Key, tuple[State, int]]
    heard: Heard
    cgroups: Cgroups

    def __init__(self, events: bool = True, places: tuple[str, ...] = PLACES) -> None:
        self.sources = [Source("sock_diag", "")]
        self.entered = {}
        self.heard = Heard()
        self.cgroups = Cgroups()
        self._fin_timeout = setting("tcp_fin_timeout", 60) * SECOND
        self._owners: dict[Key, Owner] = {}
        self._closing = ExitStack()
        self._tracing: Tracing | None = None
        self._destroyed: Destroyed | None = None
        if events:
            with ExitStack() as making:
                self._destroyed = self._source("destroyed", making, Destroyed)
                self._tracing = self._source("tracepoint", making, lambda: Tracing(places))
                self._closing = making.pop_all()

    def _source(self, name: str, kept: ExitStack, make: Callable[[], _T]) -> _T | None:
        try:
            made = kept.enter_context(make())
        except OSError as error:
            self.sources.append(Source(name, _MISSING.get(error.errno or 0, "unsupported")))
            return None
        self.sources.append(Source(name, ""))
        return made

    def __enter__(self) -> "Watching":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def hear(self) -> None:
        """Take in what the event sources have to say; to be called now and then."""
        heard = self.heard
        if self._tracing is not None:
            for change in self._tracing:
                self._take(change)
            heard.changes = self._tracing.seen
            while len(self.entered) > MOST_REMEMBERED:
                del self.entered[next(iter(self.entered))]
        if self._destroyed is not None:
            heard.ended += sum(1 for _ in self._destroyed)
            heard.ended_lost = self._destroyed.lost

    def _take(self, change: StateChange) -> None:
        if change.after is change.before:
            return  # close() behind shutdown() is told so
        if change.after is not State.CLOSED:
            self.entered[change.key] = change.after, change.time
        elif change.before is not State.FIN_WAIT_2:
            self.entered.pop(change.key, None)
        # else: what no process holds stays in FIN-WAIT-2 as a remnant, of which no more is told
        if change.called and change.after in _BY_A_CALL:
            process = running(change.thread, change.name)
            if process is None:  # it has ended
                process = change.process or change.thread, change.name, change.name
            elif not in_this_namespace(process[0]):
                return
            self._remember(change.key, Owner(*process, "closed"))

    def listen(self, span: int) -> None:
        """Take in what the event sources say for so many nanoseconds."""
        until = time.monotonic_ns() + span
        self.hear()
        while (left := until - time.monotonic_ns()) > 0:
            time.sleep(min(left, LISTENING) / SECOND)
            self.hear()

    def look(self) -> Look:
        """Return the sockets of this moment, who holds them, and the counters."""
        holders = Holders()
        found = Look(kernel_sockets(info=True), holders, counters())
        self.hear()  # now, as it tells all that led to what was found
        if self._tracing is not None:
            self.heard.changes_lost = self._tracing.lost
        for each in found.sockets:
            owners = holders.of(each.inode)
            if owners and each.remote_port:
                self._hold(each, owners[0])
        self.sources = [each for each in self.sources if each.name not in ("holders", "counters")]
        self.sources.append(Source("holders", "partly" if holders.unseen else ""))
        self.sources.append(Source("counters", "" if found.counters else "absent"))
        return found

    def owner_of(self, found: KernelSocket) -> Owner | None:
        """Return who closed, or was last seen holding, a connection that nobody holds now."""
        return self._owners.get(key_of(found))

    def age_of(self, found: KernelSocket, now: int) -> Age | None:
        """Return since when a socket is in its state: as it was seen, else as its clocks tell."""
        seen = self.entered.get(key_of(found))
        if seen is not None and seen[0] is found.state:
            return Age(max(now - seen[1], 0), True, "event")
        return age_of(found, self._fin_timeout)

    def _hold(self, found: KernelSocket, holder: Holder) -> None:
        """Remember who holds a connection; who has closed it says more."""
        known = self._owners.get(key_of(found))
        if known is None or known.how == "held" or found.state not in _CLOSED_HERE:
            owner = Owner(holder.pid, holder.name, holder.command, "held")
            if owner != known:
                self._remember(key_of(found), owner)

    def _remember(self, key: Key, owner: Owner) -> None:
        self._owners.pop(key, None)
        self._owners[key] = owner
        while len(self._owners) > MOST_REMEMBERED:
            del self._owners[next(iter(self._owners))]
