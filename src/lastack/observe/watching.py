"""Looking at the kernel's sockets again and again, and remembering what a single look cannot tell.

A TIME-WAIT socket has no owner; who closed it was told by the tracepoint while it happened, or is
known from an earlier look, when the connection still had an owner.
"""

import errno
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, NamedTuple, TypeVar

from lastack.observe.core.diag import KernelSocket
from lastack.observe.counters import counters
from lastack.observe.processes import Holders, in_this_namespace, running
from lastack.observe.sockets import Destroyed, kernel_sockets
from lastack.observe.tracing import PLACES, Key, Tracing
from lastack.tcp.states import State

MOST_REMEMBERED: Final = 200_000
"""So many connections are remembered; the oldest are forgotten first."""
_T = TypeVar("_T", Destroyed, Tracing)
_BY_A_CALL: Final = (State.FIN_WAIT_1, State.LAST_ACK)


class Source(NamedTuple):
    """Where knowledge comes from; `missing` is "" or why it does not.

    `name` is one of `sock_diag`, `holders`, `destroyed`, `tracepoint`, `counters`; `missing` one
    of `privilege`, `absent`, `partly`.
    """

    name: str
    missing: str


class Owner(NamedTuple):
    """A process that has `closed` a connection, or `held` it when last seen."""

    pid: int
    name: str
    command: str
    how: str


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
    clock; `ended` counts the sockets that have ended. Raises OSError where there is no sock_diag.
    """

    sources: list[Source]
    entered: dict[Key, tuple[State, int]]
    began: int
    ended: int

    def __init__(self, events: bool = True, places: tuple[str, ...] = PLACES) -> None:
        self.sources = [Source("sock_diag", "")]
        self.entered = {}
        self.began = time.monotonic_ns()
        self.ended = 0
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
            refused = error.errno in (errno.EPERM, errno.EACCES)
            self.sources.append(Source(name, "privilege" if refused else "absent"))
            return None
        self.sources.append(Source(name, ""))
        return made

    def __enter__(self) -> "Watching":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def hear(self) -> None:
        """Take in what the event sources have to say; to be called now and then."""
        if self._tracing is not None:
            for change in self._tracing:
                self.entered[change.key] = change.after, change.time
                if change.called and change.after in _BY_A_CALL:
                    process = running(change.thread)
                    if process is not None and not in_this_namespace(process[0]):
                        continue
                    pid, name, command = process or (change.thread, change.name, change.name)
                    self._remember(change.key, Owner(pid, name, command, "closed"))
            while len(self.entered) > MOST_REMEMBERED:
                del self.entered[next(iter(self.entered))]
        if self._destroyed is not None:
            self.ended += sum(1 for _ in self._destroyed)

    def look(self) -> Look:
        """Return the sockets of this moment, who holds them, and the counters."""
        self.hear()
        holders = Holders()
        found = Look(kernel_sockets(info=True), holders, counters())
        for each in found.sockets:
            owners = holders.of(each.inode)
            if owners and each.remote_port:
                first = owners[0]
                self._remember(
                    key_of(each), Owner(first.pid, first.name, first.command, "held"), False
                )
        self.sources = [each for each in self.sources if each.name not in ("holders", "counters")]
        self.sources.append(Source("holders", "partly" if holders.unseen else ""))
        self.sources.append(Source("counters", "" if found.counters else "absent"))
        return found

    def owner_of(self, found: KernelSocket) -> Owner | None:
        """Return who closed, or was last seen holding, a connection that nobody holds now."""
        return self._owners.get(key_of(found))

    def _remember(self, key: Key, owner: Owner, newest: bool = True) -> None:
        known = self._owners.get(key)
        if known is not None and not newest and known == owner:
            return
        self._owners.pop(key, None)
        self._owners[key] = owner
        while len(self._owners) > MOST_REMEMBERED:
            del self._owners[next(iter(self._owners))]
