"""LISTEN: who waits for connections on which addresses, and the two bounded queues behind it.

A SYN makes a whole connection in SYN-RECEIVED, a child; there is one code for that state. Children
whose handshake is not over are half-open, the others wait to be accepted. Each queue holds
`backlog` connections at most:

- with the queue of half-open connections full, or the accept queue full, a new SYN is dropped and
  not answered, so that the peer tries again (SYN_QUEUE_FULL, ACCEPT_QUEUE_FULL); or, where the
  Config has SYN cookies, is answered in the former case, and nothing kept (`stack.cookies`);
- a child whose handshake ends while the accept queue is full keeps its place among the half-open
  ones, and moves up when somebody is accepted: nothing that was acknowledged is lost;
- a child that is reset before it was accepted leaves its queue;
- a Fast Open child may be accepted at once; how many of them are half-open is counted (`early`);
- when the listener closes, the children that nobody has accepted are reset.
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from enum import IntEnum

from lastack.chance import keyed_hash
from lastack.stack.early import EarlyChildren
from lastack.stack.ports import Binding
from lastack.tcp.config import Config
from lastack.tcp.connection import Connection
from lastack.tcp.events import Notice
from lastack.wire.address import Endpoint, endpoint
from lastack.wire.segment import Segment


class Verdict(IntEnum):
    """What to do with a SYN: go on, answer with a reset, or say nothing."""

    ACCEPT = 1
    REJECT = 2
    IGNORE = 3


Inspect = Callable[[Segment, Endpoint, Endpoint], Verdict]
"""Sees (SYN, local, remote) before anything is kept of it."""


class Keeper(ABC):
    """What a listener needs of its stack."""

    @abstractmethod
    def child_accepted(self, connection: Connection) -> None:
        """A child has a user now: its notices are for that user."""

    @abstractmethod
    def child_abandoned(self, connection: Connection, now: int) -> None:
        """A child will never have a user: reset it."""

    @abstractmethod
    def listener_closed(self, listener: "Listener") -> None:
        """No SYN is for this listener any more."""


class Listener:
    """A passive open that waits (RFC 9293 3.10.1): `accept` hands its connections out in order.

    `local.address` may be b"" (any address of ours), all zeroes (any of that family) or one
    address; with `prefix_length` every address in that prefix, ours or not, and then a port of 0
    means every port. `notices` gets Notice.ACCEPTABLE with every connection that joins the accept
    queue; whoever reads it sets it to 0. `user` is never touched by the stack.
    """

    number: int
    local: Endpoint
    prefix_length: int | None
    backlog: int
    config: Config
    inspect: Inspect | None
    notices: int
    user: object
    closed: bool
    children: OrderedDict[int, Connection]
    waiting: OrderedDict[int, Connection]
    early: EarlyChildren
    cookies_until: int
    keeper: Keeper
    binding: Binding | None
    binding_lent: bool
    _last: Endpoint

    def __init__(
        self,
        keeper: Keeper,
        number: int,
        local: Endpoint,
        backlog: int,
        config: Config,
        prefix_length: int | None,
        inspect: Inspect | None,
    ) -> None:
        self.keeper = keeper
        self.number = number
        self.local = self._last = local
        self.backlog = max(backlog, 1)
        self.config = config
        self.prefix_length = prefix_length
        self.inspect = inspect
        self.notices = 0
        self.user = None
        self.closed = False
        self.binding = None
        self.binding_lent = False
        self.children = OrderedDict()
        self.waiting = OrderedDict()
        self.early = EarlyChildren()
        self.cookies_until = 0

    def accept(self) -> Connection | None:
        """Return the connection that has waited longest, None when none does."""
        if not self.waiting:
            return None
        _, connection = self.waiting.popitem(last=False)
        self.keeper.child_accepted(connection)
        return connection

    def close(self, now: int) -> None:
        """Stop listening; whoever has not been accepted is reset. Harmless when repeated."""
        if self.closed:
            return
        self.closed = True
        self.keeper.listener_closed(self)
        for queue in (self.children, self.waiting):
            for connection in list(queue.values()):
                self.keeper.child_abandoned(connection, now)
            queue.clear()

    def local_end(self, address: bytes, port: int) -> Endpoint:
        """Return the local end of a child; those of the same address have the same one."""
        if self._last.address != address or self._last.port != port:
            self._last = endpoint(address, port)
        return self._last

    @property
    def shares_port(self) -> bool:
        """Whether others may listen to the same address and port (SO_REUSEPORT)."""
        return self.binding is not None and self.binding.shared

    @property
    def acceptable(self) -> bool:
        """Whether `accept` would return a connection."""
        return len(self.waiting) > 0

    @property
    def accept_queue_full(self) -> bool:
        """Whether as many connections wait as the backlog allows."""
        return len(self.waiting) >= self.backlog

    @property
    def syn_queue_full(self) -> bool:
        """Whether the half-open ones, and those that cannot move up, fill their queue."""
        overdue = max(0, len(self.waiting) - self.backlog)
        return len(self.children) + overdue >= self.backlog

    def born(self, child: Connection) -> None:
        """A SYN has made a half-open child."""
        self.children[child.number] = child

    def grown(self, child: Connection) -> None:
        """The handshake of a child is over: it waits to be accepted."""
        if self.children.pop(child.number, None) is not None:
            self.waiting[child.number] = child
            self.notices |= Notice.ACCEPTABLE

    def gone(self, child: Connection) -> None:
        """A child has ended, or gone back to LISTEN, before it was accepted."""
        self.children.pop(child.number, None)
        self.waiting.pop(child.number, None)

    def covers(self, address: bytes) -> bool:
        """Return whether an address (known to be ours, unless there is a prefix) is meant."""
        own = self.local.address
        if not own:
            return True
        if len(own) != len(address):
            return False
        if self.prefix_length is None:
            return own == address or not any(own)
        shift = len(own) * 8 - self.prefix_length
        return int.from_bytes(own, "big") >> shift == int.from_bytes(address, "big") >> shift

    def rank(self) -> int:
        """Return how specific the listener is: of two that match, the higher wins."""
        own = self.local.address
        every_port = 0 if self.local.port else -1000
        if not own:
            return every_port - 2
        if self.prefix_length is not None:
            # Before any-address only when it says something about the address.
            return every_port + self.prefix_length * 2 - (1 if self.prefix_length == 0 else 0)
        return every_port + (len(own) * 16 + 1 if any(own) else 0)


class Listeners:
    """All listeners of a stack, by port, the most specific first.

    Several that are equally specific share the port; `key` keeps peers from choosing among them.
    """

    by_port: dict[int, list[Listener]]
    prefixed: int
    key: bytes

    def __init__(self, key: bytes) -> None:
        self.by_port = {}
        self.prefixed = 0
        self.key = key

    def add(self, listener: Listener) -> None:
        """Put a listener in."""
        at_port = self.by_port.setdefault(listener.local.port, [])
        at_port.append(listener)
        at_port.sort(key=Listener.rank, reverse=True)
        if listener.prefix_length is not None:
            self.prefixed += 1

    def remove(self, listener: Listener) -> None:
        """Take a listener out."""
        at_port = self.by_port[listener.local.port]
        at_port.remove(listener)
        if not at_port:
            del self.by_port[listener.local.port]
        if listener.prefix_length is not None:
            self.prefixed -= 1

    def find(self, address: bytes, port: int, ours: bool, peer: bytes = b"") -> Listener | None:
        """Return the most specific listener for a destination; `ours`: an interface has it.

        Where several share the port, `peer` (the 4-tuple) decides which of them.
        """
        at_port = self.by_port.get(port, [])
        for i, listener in enumerate(at_port):
            if (ours or listener.prefix_length is not None) and listener.covers(address):
                return self._one_of(at_port[i:], peer) if listener.shares_port else listener
        if self.prefixed:
            for listener in self.by_port.get(0, ()):
                if listener.covers(address):
                    return listener
        return None

    def _one_of(self, found: list[Listener], peer: bytes) -> Listener:
        """Choose among those that share the port with the first."""
        first = found[0]
        sharing = [x for x in found if x.shares_port and x.local == first.local]
        return sharing[keyed_hash(self.key, peer) % len(sharing)]

    def claims(self, address: bytes) -> bool:
        """Return whether some listener answers for a prefix with this address in it."""
        if not self.prefixed:
            return False
        return any(
            listener.prefix_length is not None and listener.covers(address)
            for at_port in self.by_port.values()
            for listener in at_port
        )

    def all(self) -> list[Listener]:
        """Return every listener, by port."""
        return [listener for port in sorted(self.by_port) for listener in self.by_port[port]]
